"""`race`: train each entry once per seed, fast, and say what the numbers support."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent import futures
from dataclasses import dataclass, fields
from typing import Any

import keras
import numpy as np

from lrlib.experiments import workers
from lrlib.experiments.backend import require_tensorflow, tf
from lrlib.experiments.internals import fuse, kind_of
from lrlib.experiments.network import build_model
from lrlib.experiments.results import RaceResult, Run
from lrlib.experiments.step import (
    Data,
    batches,
    build,
    check_batch_size,
    check_builder,
    check_data,
    check_outputs,
    check_seeds,
    crossentropy,
    keras_lock,
    seeded,
    training_loss,
    update,
)
from lrlib.libraries.keras import sample_keras
from lrlib.schedules.kinds import check_bool, check_whole
from lrlib.training import inside
from lrlib.training.optimizers import is_schedule, rate_function, unwrap

Entry = Callable[[], keras.optimizers.Optimizer]


def race(
    entries: Mapping[str, Entry] | Iterable[tuple[str, Entry]],
    seeds: int | Iterable[int] = 5,
    epochs: int = 10,
    batch_size: int = 32,
    model: Callable[[], keras.Model] = build_model,
    data: Data | Callable[[], Data] | None = None,
    executor: futures.Executor | None = None,
    *,
    jit_compile: bool = False,
    progress: bool | None = None,
) -> RaceResult:
    """Train each entry once per seed, all from the same starts on the same batches.

    A seed decides the first weights, the dropout and the order of the batches, so
    that entries can be compared seed by seed. It gives the same numbers whatever else
    runs, and in whichever order, as long as layers draw at random as Keras' own do: by
    `keras.random` with a `SeedGenerator`.

    Entries whose optimizers differ in nothing but their learning rate are compiled
    together. Runs share no operation's threads, and take a third less time, where the
    environment variable `TF_NUM_INTRAOP_THREADS` is 1 before TensorFlow starts.

    Args:
        entries: name → a function without arguments that makes a new Keras optimizer,
            schedule and all.
        seeds: how many, or which.
        epochs: how often each run sees the data.
        batch_size: samples per update. What is left over at the end of an epoch, less
            than a batch, is not used in that epoch.
        model: a function without arguments that builds a classifier, not compiled. If
            its last activation isn't a softmax, its outputs are taken as logits.
        data: `(x_train, y_train), (x_test, y_test)` with whole numbers as labels, used
            as they are: one for each sample, or one for each output of the model, such
            as the next character at each place of a text. Or a function that returns
            them, which each worker of an executor calls once. Default:
            `lrlib.load_digits`, pixels divided by 255.
        executor: where the runs take place: any `concurrent.futures.Executor`, such as
            a process pool or Dask's `client.get_executor()`. A run whose worker dies is
            tried again. Default: threads in this process, one per core.
        jit_compile: whether XLA compiles the training. That takes some seconds, and
            pays for some models, such as a Transformer, and not for others: measure.
        progress: whether to show a progress bar. Default: in a terminal or a notebook,
            unless the environment variable `TQDM_DISABLE` is 1.

    Returns:
        A `RaceResult`. Interrupting the race returns what is finished by then.

    Raises:
        ImportError: Keras runs on JAX or on PyTorch; it must run on TensorFlow.
        TypeError, ValueError: no entries, a name used twice, an entry that makes no new
            optimizer or whose rate is not finite, no seeds, a batch larger than the
            data, data that is not finite, labels that the model has no output for.

    >>> import keras, lrlib
    >>> import numpy as np
    >>> keras.utils.set_random_seed(0)
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(128, 4)).astype("float32")
    >>> y = (x.sum(axis=1) > 0).astype(int)
    >>> def linear_model():
    ...     return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> result = lrlib.race(
    ...     {
    ...         "small": lambda: keras.optimizers.SGD(0.001),
    ...         "large": lambda: keras.optimizers.SGD(1.0),
    ...     },
    ...     seeds=3, epochs=4, batch_size=16,
    ...     model=linear_model, data=((x, y), (x, y)), progress=False,
    ... )
    >>> result.test_accuracy.shape
    (2, 3, 4)
    >>> result.compare("large", "small", metric="test_loss").better
    'large'

    """
    require_tensorflow("lrlib.race")
    job = _Job(
        entries=_check_entries(entries),
        epochs=check_whole("epochs", epochs, low=1),
        batch_size=check_whole("batch_size", batch_size, low=1),
        model=model,
        data=data,
        jit_compile=check_bool("jit_compile", jit_compile),
    )
    check_builder(model)
    seeds = check_seeds(seeds)
    workers.check_executor(executor)
    workers.check_progress(progress)
    steps_per_epoch = job.check()
    result = RaceResult(
        names=tuple(job.entries),
        seeds=seeds,
        epochs=job.epochs,
        batch_size=job.batch_size,
        steps_per_epoch=steps_per_epoch,
    )
    # Seed after seed: should the race be cut short, each entry has some.
    runs = [(name, seed) for seed in seeds for name in job.entries]
    if executor is None:
        outcomes = workers.in_threads(job, runs)
    else:
        outcomes = workers.in_executor(job, runs, executor)
    with workers.progress_bar(len(runs), progress) as bar, contextlib.closing(outcomes):
        try:
            for name, seed, outcome in outcomes:
                result._add(name, seed, outcome)
                bar.update()
        except KeyboardInterrupt:
            warnings.warn(
                f"interrupted: {int(result.finished.sum())} of {len(runs)} runs "
                "are finished",
                RuntimeWarning,
                stacklevel=2,
            )
    if result.errors:
        (name, seed), text = next(iter(result.errors.items()))
        message = (
            f"{len(result.errors)} of {len(runs)} runs failed, the first of them "
            f"{name!r} with seed {seed}: {text}"
        )
        if not result.finished.any():
            raise RuntimeError(message)
        warnings.warn(message, RuntimeWarning, stacklevel=2)
    return result


# Training ------------------------------------------------------------------------


@dataclass
class _Job:
    """What to run, in this process or another: entries, model, data."""

    entries: dict[str, Entry]
    epochs: int
    batch_size: int
    model: Callable[[], keras.Model]
    data: Data | Callable[[], Data] | None
    jit_compile: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._plans: dict[str, _Plan] = {}
        self._tensors: tuple[Any, ...] | None = None
        self._starts: dict[int, list[np.ndarray]] = {}
        # Compiled trainers, to be used again with another seed. As many as there are
        # cores can be at work, so more would only take memory.
        self._free: deque[_Trainer] = deque(maxlen=workers.cores())

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def tensors(self) -> tuple[Any, ...]:
        """Return the data as tensors; every run of this process shares them."""
        with self._lock:
            if self._tensors is None:
                self._tensors = check_data(self.data)
            return self._tensors

    def check(self) -> int:
        """Raise if something doesn't fit; return the number of steps per epoch."""
        x, y, _, y_test = self.tensors()
        check_batch_size(self.batch_size, len(x))
        for name in self.entries:
            self.plan(name)
        with seeded(0):
            model = build(self.model, x)
            check_outputs(model, "x_train", x, y_train=y, y_test=y_test)
        return self.steps_per_epoch

    @property
    def steps_per_epoch(self) -> int:
        return len(self.tensors()[0]) // self.batch_size

    def plan(self, name: str) -> _Plan:
        """Return what an entry's runs have in common, or raise if it can't be run."""
        with self._lock:
            if name not in self._plans:
                steps = self.steps_per_epoch * self.epochs
                self._plans[name] = _plan(name, self.entries[name], steps)
            return self._plans[name]

    def start(self, seed: int) -> list[np.ndarray]:
        """Return what a model's variables hold when it is built from this seed.

        That is also what dropout draws from and what batch normalization keeps. All
        entries share it, and it is best asked for before any run begins: seeding
        makes TensorFlow forget, and optimize anew, every function that it has run.
        """
        x = self.tensors()[0]
        with keras_lock:
            if seed not in self._starts:
                with seeded(seed):
                    model = build(self.model, x)
                self._starts[seed] = [variable.numpy() for variable in model.variables]
            return self._starts[seed]

    def run(self, name: str, seed: int, stop: threading.Event | None = None) -> Run:
        with self._lock:
            plan = self.plan(name)
            found = next((t for t in self._free if t.kind == plan.kind), None)
            if found:
                self._free.remove(found)
        trainer = found or _Trainer(self, name)
        run = trainer.run(seed, plan.rates, stop)
        with self._lock:
            self._free.append(trainer)
        return run


@dataclass(frozen=True)
class _Plan:
    """An entry's rates, and which other entries can be compiled with it.

    Attributes:
        rates: the learning rate of each update; empty where only the optimizer knows.
        kind: the same for all entries whose optimizers differ in nothing but the rate.

    """

    rates: np.ndarray
    kind: str


class _Trainer:
    """A model and its optimizer, compiled once and trained from any seed."""

    def __init__(self, job: _Job, name: str) -> None:
        self.job, self.kind = job, job.plan(name).kind
        self.data = job.tensors()
        with seeded(0):
            self.model = build(job.model, self.data[0])
            self.optimizer = job.entries[name]()
            self.optimizer.build(self.model.trainable_variables)
            if len(job.plan(name).rates):
                self.rate: Any = None  # of the update that is being compiled
                self.optimizer.learning_rate = lambda: self.rate
            fuse(self.optimizer)
            self.blank = [variable.numpy() for variable in self.optimizer.variables]
            steps = job.steps_per_epoch
            self.train = tf.function(
                self._train, jit_compile=job.jit_compile
            ).get_concrete_function(
                tf.TensorSpec([steps, job.batch_size], tf.int32),
                tf.TensorSpec([steps], tf.float32),
            )
            self.test = tf.function(self._test).get_concrete_function()

    def _train(self, order: Any, given: Any) -> tuple[Any, Any]:
        """Train on the batches that the rows of `order` name, at the given rates."""
        x, y, *_ = self.data
        loss = training_loss(self.model)
        steps = order.shape[0]
        losses = tf.TensorArray(tf.float32, steps)
        rates = tf.TensorArray(tf.float32, steps)
        for step in tf.range(steps):
            batch = order[step]
            self.rate = given[step]
            value, rate = update(
                self.model,
                self.optimizer,
                loss,
                tf.gather(x, batch),
                tf.gather(y, batch),
            )
            losses, rates = losses.write(step, value), rates.write(step, rate)
        return losses.stack(), rates.stack()

    def _test(self) -> tuple[Any, Any]:
        """Return the mean loss and the accuracy on the test data."""
        _, _, x_test, y_test = self.data
        model, test_loss = self.model, crossentropy(self.model)
        # In pieces, so that no layer's outputs for all of the data are held at once.
        samples, piece = len(x_test), min(len(x_test), 1000)
        total, right = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, samples, piece):
            outputs = model(x_test[start : start + piece], training=False)
            labels = y_test[start : start + piece]
            count = tf.cast(tf.size(labels), tf.float32)
            total += test_loss(labels, outputs) * count
            hits = tf.cast(tf.argmax(outputs, -1), labels.dtype) == labels
            # The largest of NaNs is no answer.
            hits &= tf.reduce_all(tf.math.is_finite(outputs), -1)
            right += tf.reduce_sum(tf.cast(hits, tf.float32))
        labels = tf.cast(tf.size(y_test), tf.float32)
        return total / labels, right / labels

    def _reset(self, seed: int) -> None:
        for variables, values in (
            (self.model.variables, self.job.start(seed)),
            (self.optimizer.variables, self.blank),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def run(self, seed: int, given: np.ndarray, stop: threading.Event | None) -> Run:
        self._reset(seed)
        epochs, samples = self.job.epochs, len(self.data[0])
        shape = epochs, self.job.steps_per_epoch
        fed = given.reshape(shape) if len(given) else np.zeros(shape)
        losses, rates = [], []
        run = Run(
            loss=np.empty(0),
            rates=np.empty(0),
            test_loss=np.full(epochs, np.inf),
            test_accuracy=np.zeros(epochs),
            diverged=-1,
        )
        for epoch in range(epochs):
            if stop is not None and stop.is_set():
                raise workers.Interrupted
            order = batches(seed, epoch, samples, self.job.batch_size)
            loss, rate = (
                value.numpy()
                for value in self.train(
                    tf.constant(order), tf.constant(fed[epoch], tf.float32)
                )
            )
            test_loss, test_accuracy = (value.numpy() for value in self.test())
            losses.append(loss)
            rates.append(rate)
            if not np.isfinite(rate).all():
                step = epoch * len(rate) + int(np.argmin(np.isfinite(rate)))
                raise ValueError(f"its learning rate is not finite at step {step}")
            finite = np.isfinite([*loss, test_loss])
            if not finite.all():
                first = int(np.argmin(finite))
                # If only the test loss isn't, the epoch's last update has done it.
                run.diverged = epoch * len(loss) + min(first, len(loss) - 1)
                loss[first:] = np.nan
                break
            run.test_loss[epoch] = test_loss
            run.test_accuracy[epoch] = test_accuracy
        run.loss, run.rates = np.concatenate(losses), np.concatenate(rates)
        return run


# What may be given -----------------------------------------------------------------


def _check_entries(
    entries: Mapping[str, Entry] | Iterable[tuple[str, Entry]],
) -> dict[str, Entry]:
    expected = "entries must be a dict of names and functions that make an optimizer"
    pairs: list[Any]
    if isinstance(entries, Mapping):
        pairs = list(entries.items())
    elif isinstance(entries, Iterable) and not isinstance(entries, str):
        pairs = list(entries)
    else:
        raise TypeError(f"{expected}, got {entries!r}")
    if not pairs:
        raise ValueError(f"{expected}, got none")
    checked: dict[str, Entry] = {}
    for pair in pairs:
        if not (isinstance(pair, tuple | list) and len(pair) == 2):
            raise TypeError(f"{expected}, got {pair!r}")
        name, entry = pair
        if not isinstance(name, str):
            raise TypeError(f"entries: a name must be a string, got {name!r}")
        if name in checked:
            raise ValueError(f"entries: the name {name!r} is used twice")
        if not callable(entry):
            raise TypeError(
                f"entries: {name!r} must be a function that makes an optimizer, such "
                f"as lambda: keras.optimizers.SGD(0.1), got {entry!r}"
            )
        checked[name] = entry
    return checked


def _plan(name: str, entry: Entry, steps: int) -> _Plan:
    """Raise if the entry makes no new optimizer, or one whose rate is not finite."""
    optimizer = entry()
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"entries: {name!r} must make a Keras optimizer: {optimizer!r}")
    if entry() is optimizer:
        raise ValueError(
            f"entries: {name!r} must make a new optimizer at each call, but returns "
            "the same one, which would go on where the last run stopped"
        )
    try:
        rate = inside.source(unwrap(optimizer))
    except TypeError as error:
        raise TypeError(f"entries: {name!r}: {error}") from None
    if is_schedule(rate):
        rates = sample_keras(rate, steps)
    else:
        rates = np.full(steps, rate_function(rate)(0))
    if not np.isfinite(rates).all():
        step = int(np.argmin(np.isfinite(rates)))
        raise ValueError(
            f"entries: the learning rate of {name!r} is {rates[step]} at step {step}"
        )
    kind = kind_of(optimizer)
    return _Plan(rates if kind else np.empty(0), kind or name)
