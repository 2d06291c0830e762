"""`race`: train each entry once per seed, fast, and say what the numbers support."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import random
import sys
import threading
import warnings
import zipfile
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from keras.src.random import seed_generator

from lrlib.digits import build_model, load_digits
from lrlib.libraries.keras import is_keras_schedule, sample_keras
from lrlib.schedules.kinds import check_whole

if TYPE_CHECKING:
    import pandas as pd

#: What `compare` and `plot` can look at, and whether more of it is better.
METRICS = {"loss": False, "test_loss": False, "test_accuracy": True}

#: How often a run is tried on an executor whose workers die.
ATTEMPTS = 3

VERSION = 1

Entry = Callable[[], keras.optimizers.Optimizer]
Data = tuple[tuple[Any, Any], tuple[Any, Any]]


def race(
    entries: Mapping[str, Entry] | Iterable[tuple[str, Entry]],
    seeds: int | Iterable[int] = 5,
    epochs: int = 10,
    batch_size: int = 32,
    model: Callable[[], keras.Model] = build_model,
    data: Data | Callable[[], Data] | None = None,
    executor: futures.Executor | None = None,
    *,
    progress: bool | None = None,
) -> RaceResult:
    """Train each entry once per seed, all from the same starts on the same batches.

    A seed decides the first weights, the dropout and the order of the batches, so
    that entries can be compared seed by seed. It gives the same numbers whatever else
    runs, and in whichever order, as long as layers draw at random as Keras' own do: by
    `keras.random` with a `SeedGenerator`.

    Runs share no operation's threads, and take a third less time, where the environment
    variable `TF_NUM_INTRAOP_THREADS` is 1 before TensorFlow starts.

    Args:
        entries: name → a function without arguments that makes a new Keras optimizer,
            schedule and all.
        seeds: how many, or which.
        epochs: how often each run sees the data.
        batch_size: samples per update. What is left over at the end of an epoch, less
            than a batch, is not used in that epoch.
        model: a function without arguments that builds a classifier, not compiled. If
            its last activation is no softmax, its outputs are taken as logits.
        data: `(x_train, y_train), (x_test, y_test)` with whole numbers as labels, used
            as they are; or a function that returns them, which each worker of an
            executor calls once. Default: `lrlib.load_digits`, pixels divided by 255.
        executor: where the runs take place: any `concurrent.futures.Executor`, such as
            a process pool or Dask's `client.get_executor()`. A run whose worker dies is
            tried again. Default: threads in this process, one per core.
        progress: whether to show a progress bar. Default: in a terminal or a notebook,
            unless the environment variable `TQDM_DISABLE` is 1.

    Returns:
        A `RaceResult`. Interrupting the race returns what is finished by then.

    Raises:
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
    job = _Job(
        entries=_check_entries(entries),
        epochs=check_whole("epochs", epochs, low=1),
        batch_size=check_whole("batch_size", batch_size, low=1),
        model=model,
        data=data,
    )
    if isinstance(model, keras.Model) or not callable(model):
        raise TypeError(f"model must be a function that builds a model, got {model!r}")
    seeds = _check_seeds(seeds)
    steps_per_epoch = job.check()
    _check_executor(executor)
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
        outcomes = _in_threads(job, runs)
    else:
        outcomes = _in_executor(job, runs, executor)
    with _progress_bar(len(runs), progress) as bar, contextlib.closing(outcomes):
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


# What a race returns -------------------------------------------------------------


@dataclass(eq=False)
class RaceResult:
    """What `race` has measured.

    Attributes:
        names: the entries, in order.
        seeds: the seeds, in order.
        epochs, batch_size, steps_per_epoch: what each run did.
        loss: the loss of each batch, before its update, of shape
            `(entries, seeds, steps)`; NaN after a run has diverged.
        rates: the learning rate of each update, of shape `(entries, steps)`.
        test_loss: the loss on the test data after each epoch, of shape
            `(entries, seeds, epochs)`; infinite once a run has diverged.
        test_accuracy: the share of the test data told rightly after each epoch, of
            the same shape; 0 once a run has diverged.
        finished: which runs there are, `(entries, seeds)`. The others are NaN.
        diverged: the first update whose loss was no longer finite, `(entries, seeds)`;
            -1 if there is none.
        errors: `(name, seed)` → what went wrong, for runs that failed.

    >>> import keras, lrlib
    >>> import numpy as np
    >>> x, y = np.eye(4, dtype="float32"), np.arange(4)
    >>> def linear_model():
    ...     return keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    >>> result = lrlib.race(
    ...     {
    ...         "slow": lambda: keras.optimizers.SGD(0.001),
    ...         "fast": lambda: keras.optimizers.SGD(1.0),
    ...     },
    ...     seeds=2, epochs=5, batch_size=2,
    ...     model=linear_model, data=((x, y), (x, y)), progress=False,
    ... )
    >>> result["fast"]["rates"].tolist() == [1.0] * 10
    True
    >>> result.compare("fast", "slow", "test_loss").mean < 0
    True

    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    epochs: int
    batch_size: int
    steps_per_epoch: int
    errors: dict[tuple[str, int], str] = field(default_factory=dict)
    loss: np.ndarray = field(init=False, repr=False)
    rates: np.ndarray = field(init=False, repr=False)
    test_loss: np.ndarray = field(init=False, repr=False)
    test_accuracy: np.ndarray = field(init=False, repr=False)
    finished: np.ndarray = field(init=False, repr=False)
    diverged: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        runs = (len(self.names), len(self.seeds))
        steps = self.epochs * self.steps_per_epoch
        self.loss = np.full((*runs, steps), np.nan, np.float32)
        self.rates = np.full((runs[0], steps), np.nan, np.float32)
        self.test_loss = np.full((*runs, self.epochs), np.nan, np.float32)
        self.test_accuracy = np.full((*runs, self.epochs), np.nan, np.float32)
        self.finished = np.zeros(runs, bool)
        self.diverged = np.full(runs, -1)

    def _add(self, name: str, seed: int, outcome: _Run | str) -> None:
        i, j = self.names.index(name), self.seeds.index(seed)
        if isinstance(outcome, str):
            self.errors[name, seed] = outcome
            return
        done = len(outcome.loss)
        self.loss[i, j, :done] = outcome.loss
        if done > np.isfinite(self.rates[i]).sum():  # all seeds have the same rates
            self.rates[i, :done] = outcome.rates
        self.test_loss[i, j] = outcome.test_loss
        self.test_accuracy[i, j] = outcome.test_accuracy
        self.finished[i, j] = True
        self.diverged[i, j] = outcome.diverged

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise KeyError(f"no entry {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)

    def __getitem__(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of one entry, by their names."""
        i = self._index(name)
        arrays = ("loss", "rates", "test_loss", "test_accuracy", "finished", "diverged")
        return {key: getattr(self, key)[i] for key in arrays}

    def _per_epoch(self, metric: str) -> np.ndarray:
        """Return a metric per epoch, `(entries, seeds, epochs)`."""
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}: {metric!r}")
        if metric != "loss":
            return getattr(self, metric)
        shape = (len(self.names), len(self.seeds), self.epochs, self.steps_per_epoch)
        means = self.loss.reshape(shape).mean(axis=-1)
        return np.where(self.finished[..., None] & np.isnan(means), np.inf, means)

    def table(self) -> pd.DataFrame:
        """Return one row per entry, as it stands after the last epoch.

        Accuracies and losses are rounded to three decimals. `loss` is the training
        loss of the last epoch, dropout and all.
        """
        import pandas as pd

        last = {m: self._per_epoch(m)[..., -1].astype(float) for m in METRICS}
        rows = []
        for i in range(len(self.names)):
            done = self.finished[i]
            accuracy = last["test_accuracy"][i, done]
            rows.append(
                {
                    "test accuracy": np.median(accuracy) if done.any() else np.nan,
                    "lowest": accuracy.min(initial=1) if done.any() else np.nan,
                    "highest": accuracy.max(initial=0) if done.any() else np.nan,
                    "test loss": np.median(last["test_loss"][i, done])
                    if done.any()
                    else np.nan,
                    "loss": np.median(last["loss"][i, done]) if done.any() else np.nan,
                    "runs": int(done.sum()),
                    "diverged": int((self.diverged[i] >= 0).sum()),
                }
            )
        return pd.DataFrame(rows, index=list(self.names)).round(3)

    def compare(
        self, a: str, b: str, metric: str = "test_accuracy", epoch: int = -1
    ) -> Comparison:
        """Return the difference a − b, paired over seeds, with its 95 % interval.

        Args:
            a: the name of an entry.
            b: the name of another.
            metric: `"test_accuracy"`, `"test_loss"` or `"loss"`, the training loss.
            epoch: after which epoch; the last one by default.

        Raises:
            KeyError: there is no such entry.
            ValueError: there is no such metric, or fewer than two seeds have
                finished both.

        """
        i, j = self._index(a), self._index(b)
        both = self.finished[i] & self.finished[j]
        if both.sum() < 2:
            raise ValueError(
                f"comparing {a!r} with {b!r} needs two seeds or more that finished "
                f"both, there are {both.sum()}"
            )
        values = self._per_epoch(metric).astype(np.float64)[..., epoch]
        with np.errstate(invalid="ignore"):  # two infinite losses
            differences = values[i, both] - values[j, both]
        return Comparison(a, b, metric, differences)

    def plot(self, metric: str = "loss", *, names: Iterable[str] | None = None) -> Any:
        """Draw the rates, and beside them a metric: its median and range over seeds.

        Args:
            metric: `"loss"`, `"test_loss"` or `"test_accuracy"`.
            names: which entries. Default: all.

        Returns:
            The two Matplotlib `Axes`.

        """
        import matplotlib.pyplot as plt

        values = self._per_epoch(metric)
        indices = [self._index(name) for name in (names or self.names)]
        with plt.style.context("lrlib.book"):
            figure, axes = plt.subplots(1, 2)
            epoch = np.arange(self.rates.shape[1]) / self.steps_per_epoch
            after = np.arange(1, self.epochs + 1)
            for i in indices:
                axes[0].plot(epoch, self.rates[i], label=self.names[i])
                done = values[i, self.finished[i]]
                if not len(done):
                    axes[1].plot([], [])
                    continue
                done = np.where(np.isfinite(done), done, np.nan)
                (line,) = axes[1].plot(after, np.median(done, axis=0), marker=".")
                axes[1].fill_between(
                    after,
                    done.min(axis=0),
                    done.max(axis=0),
                    color=line.get_color(),
                    alpha=0.2,
                    linewidth=0,
                )
            axes[0].set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
            axes[1].set(xlabel="epoch", ylabel=metric.replace("_", " "))
            axes[1].xaxis.get_major_locator().set_params(integer=True)
            if metric == "loss":
                axes[1].set_ylabel("training loss")
            figure.legend(loc="outside right upper")
        return axes

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a file, whole or not at all."""
        meta = {
            "version": VERSION,
            "names": self.names,
            "seeds": self.seeds,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "steps_per_epoch": self.steps_per_epoch,
            "errors": [[*key, text] for key, text in self.errors.items()],
        }
        target = Path(path)
        partial = target.with_name(target.name + ".partial")
        with open(partial, "wb") as file:
            np.savez_compressed(file, meta=json.dumps(meta), **self._arrays())
        os.replace(partial, target)

    def _arrays(self) -> dict[str, Any]:
        return {
            key: value
            for key, value in vars(self).items()
            if isinstance(value, np.ndarray)
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RaceResult:
        """Read what `save` has written.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or another version of lrlib wrote it.

        """
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {key: file[key] for key in file.files}
            meta = json.loads(str(content.pop("meta")))
            version = meta.pop("version")
        except FileNotFoundError:
            raise
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            AttributeError,
            TypeError,
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
        ) as error:
            raise ValueError(f"{path} is damaged or holds no race: {error}") from error
        if version != VERSION:
            raise ValueError(
                f"{path} was written by another version of lrlib: format {version}, "
                f"this one reads {VERSION}"
            )
        errors = {(name, seed): text for name, seed, text in meta.pop("errors")}
        meta["names"], meta["seeds"] = tuple(meta["names"]), tuple(meta["seeds"])
        result = cls(**meta, errors=errors)
        for key, blank in result._arrays().items():
            if key not in content or content[key].shape != blank.shape:
                raise ValueError(f"{path} is damaged: its {key} does not fit")
            setattr(result, key, content[key])
        return result


@dataclass(frozen=True, eq=False)
class Comparison:
    """The difference between two entries, paired over seeds.

    Attributes:
        a, b: the names of the entries.
        metric: what is compared.
        differences: a − b for each seed.

    """

    a: str
    b: str
    metric: str
    differences: np.ndarray

    @property
    def mean(self) -> float:
        """The mean difference."""
        return float(np.mean(self.differences))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean, by Student's t.

        Unbounded where a run has diverged and its loss is infinite.
        """
        from scipy import stats

        n = len(self.differences)
        if not np.isfinite(self.differences).all():
            return -np.inf, np.inf
        error = np.std(self.differences, ddof=1) / np.sqrt(n)
        half = float(stats.t.ppf(0.975, n - 1) * error)
        return self.mean - half, self.mean + half

    @property
    def better(self) -> str | None:
        """The name of the better entry; None if the interval reaches 0."""
        low, high = self.interval
        if low <= 0 <= high:
            return None
        return self.a if (low > 0) == METRICS[self.metric] else self.b

    def __repr__(self) -> str:
        scale, unit = (100, " points") if self.metric == "test_accuracy" else (1, "")
        digits = 2 if scale == 100 else 4
        mean, low, high = (
            f"{scale * value:+.{digits}f}" for value in (self.mean, *self.interval)
        )
        verdict = f"{self.better} is better" if self.better else "no difference shown"
        return (
            f"{self.a} − {self.b}, {self.metric.replace('_', ' ')}: {mean}{unit}, "
            f"95 % interval {low} to {high}, {len(self.differences)} seeds: {verdict}"
        )


# Training ------------------------------------------------------------------------

#: Held while Keras builds and traces: seeds and names are global there.
_keras_lock = threading.RLock()


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed everything for a while, then set all as it was; TensorFlow begins anew."""
    with _keras_lock:
        states = random.getstate(), np.random.get_state()  # noqa: NPY002
        global_seed, _ = tf.compat.v1.get_seed(None)
        keras.utils.set_random_seed(seed)
        # Keras draws the seeds of layers from Python's own generator, from which
        # other threads may draw in between, as Dask's do: here it gets one of its own.
        own = mock.patch.object(seed_generator, "python_random", random.Random(seed))
        try:
            with own:
                yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            tf.random.set_seed(global_seed)


def batches(seed: int, epoch: int, samples: int, batch_size: int) -> np.ndarray:
    """Return which samples make up each batch of an epoch, `(steps, batch_size)`."""
    steps = samples // batch_size
    order = np.random.default_rng([seed, epoch]).permutation(samples)
    return order[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


@dataclass
class _Run:
    loss: np.ndarray
    rates: np.ndarray
    test_loss: np.ndarray
    test_accuracy: np.ndarray
    diverged: int


class _Interrupted(Exception):
    """The race was stopped in the middle of a run."""


@dataclass
class _Job:
    """What to run, in this process or another: entries, model, data."""

    entries: dict[str, Entry]
    epochs: int
    batch_size: int
    model: Callable[[], keras.Model]
    data: Data | Callable[[], Data] | None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._tensors: tuple[Any, ...] | None = None
        self._starts: dict[int, list[np.ndarray]] = {}
        # Compiled trainers, to be used again with another seed. As many as there are
        # cores can be at work, so more would only take memory.
        self._free: deque[_Trainer] = deque(maxlen=_cores())

    def __getstate__(self) -> dict[str, Any]:
        kept = ("entries", "epochs", "batch_size", "model", "data")
        return {key: getattr(self, key) for key in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def tensors(self) -> tuple[Any, ...]:
        """Return the data as tensors; every run of this process shares them."""
        with self._lock:
            if self._tensors is None:
                self._tensors = _check_data(self.data)
            return self._tensors

    def check(self) -> int:
        """Raise if something does not fit; return the number of steps per epoch."""
        x, y, _, y_test = self.tensors()
        steps = len(x) // self.batch_size
        if not steps:
            raise ValueError(
                f"batch_size must be at most the number of samples to train on, "
                f"{len(x)}, got {self.batch_size}"
            )
        for name, entry in self.entries.items():
            _check_rates(name, entry, steps * self.epochs)
        with _seeded(0):
            model = _build(self.model, x)
            try:
                classes = model(x[:1]).shape[-1]
            except Exception as error:
                raise ValueError(
                    f"data: the model does not take x_train of shape {x.shape}"
                ) from error
        for name, labels in (("y_train", y), ("y_test", y_test)):
            lowest, highest = int(tf.reduce_min(labels)), int(tf.reduce_max(labels))
            if lowest < 0 or highest >= classes:
                raise ValueError(
                    f"data: {name} must be labels from 0 to {classes - 1}, as the "
                    f"model has {classes} outputs, got {lowest} to {highest}"
                )
        return steps

    def start(self, seed: int) -> list[np.ndarray]:
        """Return what a model's variables hold when it is built from this seed.

        That is also what dropout draws from and what batch normalisation keeps. All
        entries share it, and it is best asked for before any run begins: seeding
        makes TensorFlow forget, and optimise anew, every function that it has run.
        """
        x = self.tensors()[0]
        with _keras_lock:
            if seed not in self._starts:
                with _seeded(seed):
                    model = _build(self.model, x)
                self._starts[seed] = [variable.numpy() for variable in model.variables]
            return self._starts[seed]

    def run(self, name: str, seed: int, stop: threading.Event | None = None) -> _Run:
        with self._lock:
            found = next((t for t in self._free if t.name == name), None)
            if found:
                self._free.remove(found)
        trainer = found or _Trainer(self, name)
        run = trainer.run(seed, stop)
        with self._lock:
            self._free.append(trainer)
        return run


class _Trainer:
    """An entry with its model, compiled once and trained from any seed."""

    def __init__(self, job: _Job, name: str) -> None:
        self.name, self.job = name, job
        self.data = job.tensors()
        with _seeded(0):
            self.model = _build(job.model, self.data[0])
            self.optimizer = job.entries[name]()
            self.optimizer.build(self.model.trainable_variables)
            _fuse(self.optimizer)
            self.blank = [variable.numpy() for variable in self.optimizer.variables]
            shape = tf.TensorSpec([None, job.batch_size], tf.int32)
            self.epoch = tf.function(self._epoch).get_concrete_function(shape)

    def _epoch(self, order: Any) -> tuple[Any, ...]:
        """Train on the batches that the rows of `order` name, then test."""
        x, y, x_test, y_test = self.data
        model, optimizer = self.model, self.optimizer
        weights = model.trainable_variables
        loss = keras.losses.SparseCategoricalCrossentropy(
            from_logits=not _gives_probabilities(model)
        )
        steps = tf.shape(order)[0]
        losses = tf.TensorArray(tf.float32, steps)
        rates = tf.TensorArray(tf.float32, steps)
        for step in tf.range(steps):
            batch = order[step]
            with tf.GradientTape() as tape:
                outputs = model(tf.gather(x, batch), training=True)
                value = loss(tf.gather(y, batch), outputs)
                value = tf.add_n([value, *model.losses])
                scaled = optimizer.scale_loss(value)  # for half precision
            gradients = tape.gradient(scaled, [weight.value for weight in weights])
            rates = rates.write(step, tf.cast(optimizer.learning_rate, tf.float32))
            losses = losses.write(step, value)
            optimizer.apply(gradients, weights)

        # In pieces, so that no layer's outputs for all of the data are held at once.
        samples, piece = len(x_test), min(len(x_test), 1000)
        total, right = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, samples, piece):
            outputs = model(x_test[start : start + piece], training=False)
            labels = y_test[start : start + piece]
            count = tf.cast(tf.shape(labels)[0], tf.float32)
            total += loss(labels, outputs) * count
            hits = tf.cast(tf.argmax(outputs, -1), labels.dtype) == labels
            # The largest of NaNs is no answer.
            hits &= tf.reduce_all(tf.math.is_finite(outputs), -1)
            right += tf.reduce_sum(tf.cast(hits, tf.float32))
        return losses.stack(), rates.stack(), total / samples, right / samples

    def _reset(self, seed: int) -> None:
        for variables, values in (
            (self.model.variables, self.job.start(seed)),
            (self.optimizer.variables, self.blank),
        ):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def run(self, seed: int, stop: threading.Event | None) -> _Run:
        self._reset(seed)
        epochs, samples = self.job.epochs, len(self.data[0])
        losses, rates = [], []
        run = _Run(
            loss=np.empty(0),
            rates=np.empty(0),
            test_loss=np.full(epochs, np.inf),
            test_accuracy=np.zeros(epochs),
            diverged=-1,
        )
        for epoch in range(epochs):
            if stop is not None and stop.is_set():
                raise _Interrupted
            order = batches(seed, epoch, samples, self.job.batch_size)
            loss, rate, test_loss, test_accuracy = (
                value.numpy() for value in self.epoch(tf.constant(order))
            )
            losses.append(loss)
            rates.append(rate)
            if not np.isfinite(rate).all():
                step = epoch * len(rate) + int(np.argmin(np.isfinite(rate)))
                raise ValueError(f"its learning rate is not finite at step {step}")
            finite = np.isfinite([*loss, test_loss])
            if not finite.all():
                first = int(np.argmin(finite))
                run.diverged = epoch * len(loss) + first
                loss[first:] = np.nan
                break
            run.test_loss[epoch] = test_loss
            run.test_accuracy[epoch] = test_accuracy
        run.loss, run.rates = np.concatenate(losses), np.concatenate(rates)
        return run


def _fuse(optimizer: Any) -> None:
    """Let an optimizer of Keras make each update in one pass over the weights.

    Keras writes the updates of SGD and Adam as several operations, each of which goes
    through memory for all weights. TensorFlow has kernels that do all of it at once:
    what they give is the same to within rounding. What Keras does around an update,
    such as clipping, weight decay or averages, stays with Keras, and an optimizer that
    writes an update of its own keeps it.
    """
    ops = tf.raw_ops
    plain_update = optimizer.update_step
    of_keras = getattr(plain_update, "__func__", None)

    def sgd(gradient: Any, variable: Any, rate: Any) -> None:
        if not optimizer.momentum:
            ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=rate, delta=gradient
            )
            return
        index = optimizer._get_variable_index(variable)
        ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=optimizer.momentums[index].value.handle,
            lr=rate,
            grad=gradient,
            momentum=optimizer.momentum,
            use_nesterov=optimizer.nesterov,
        )

    def adam(gradient: Any, variable: Any, rate: Any) -> None:
        step = tf.cast(optimizer.iterations + 1, rate.dtype)
        index = optimizer._get_variable_index(variable)
        ops.ResourceApplyAdam(
            var=variable.handle,
            m=optimizer._momentums[index].value.handle,
            v=optimizer._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(optimizer.beta_1, rate.dtype), step),
            beta2_power=tf.pow(tf.cast(optimizer.beta_2, rate.dtype), step),
            lr=rate,
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )

    if of_keras is keras.optimizers.SGD.update_step:
        fused_update = sgd
    elif of_keras is keras.optimizers.Adam.update_step and not optimizer.amsgrad:
        fused_update = adam
    else:
        return

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        if isinstance(gradient, tf.IndexedSlices):  # rows of an embedding
            plain_update(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        fused_update(tf.cast(gradient, dtype), variable, tf.cast(learning_rate, dtype))

    optimizer.update_step = update_step


def _build(build: Callable[[], keras.Model], x: Any) -> keras.Model:
    model = build()
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must build a keras.Model, got {model!r}")
    if not model.built:
        model(x[:1])
    return model


def _gives_probabilities(model: keras.Model) -> bool:
    last = model.layers[-1]
    softmax = isinstance(last, keras.layers.Softmax)
    return softmax or getattr(last, "activation", None) is keras.activations.softmax


# Where the runs take place ---------------------------------------------------------

Outcomes = Generator[tuple[str, int, _Run | str], None, None]


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _message(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _in_threads(job: _Job, runs: list[tuple[str, int]]) -> Outcomes:
    for seed in dict.fromkeys(seed for _, seed in runs):
        job.start(seed)
    pending: dict[str, deque[int]] = {name: deque() for name in job.entries}
    for name, seed in runs:
        pending[name].append(seed)
    started: set[str] = set()
    outcomes: queue.SimpleQueue[tuple[str, int, _Run | str]] = queue.SimpleQueue()
    lock, stop = threading.Lock(), threading.Event()

    def next_run(last: str | None) -> tuple[str, int] | None:
        # A thread stays with its entry, which it has compiled, then takes one that no
        # other thread has, then helps where most is left to do.
        with lock:
            left = [name for name, seeds in pending.items() if seeds]
            if not left:
                return None
            name = max(
                left,
                key=lambda n: (n == last, n not in started, len(pending[n])),
            )
            started.add(name)
            return name, pending[name].popleft()

    def work() -> None:
        run = next_run(None)
        while run and not stop.is_set():
            try:
                outcomes.put((*run, job.run(*run, stop)))
            except _Interrupted:
                return
            except Exception as error:
                outcomes.put((*run, _message(error)))
            run = next_run(run[0])

    threads = [
        threading.Thread(target=work, name=f"race-{i}")
        for i in range(min(_cores(), len(runs)))
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in runs:
            yield outcomes.get()
    finally:
        stop.set()
        for thread in threads:
            thread.join()


#: The last job that this worker process was sent, by its hash.
_received: dict[str, _Job] = {}
_received_lock = threading.Lock()


def _in_worker(
    payload: bytes, key: str, name: str, seed: int, attempt: int
) -> _Run | str:
    """Do one run in a worker.

    An error of the run is returned as its message: what is raised instead is the
    worker's trouble, and worth another attempt. The number of the attempt is an
    argument so that Dask, which takes equal calls for the same one, does it again.
    """
    import pickle

    del attempt
    with _received_lock:
        if key not in _received:
            _received.clear()
            _received[key] = pickle.loads(payload)
        job = _received[key]
    try:
        return job.run(name, seed)
    except Exception as error:
        return _message(error)


def _in_executor(
    job: _Job, runs: list[tuple[str, int]], executor: futures.Executor
) -> Outcomes:
    import cloudpickle  # entries are mostly lambdas, which pickle refuses

    payload = cloudpickle.dumps(job)
    key = hashlib.sha256(payload).hexdigest()
    ours: futures.Executor | None = None
    why = ""
    try:
        for attempt in range(ATTEMPTS):
            left, waiting = [], {}
            try:
                for run in runs:
                    args = (payload, key, *run, attempt)
                    waiting[executor.submit(_in_worker, *args)] = run
            except futures.BrokenExecutor:  # already, by the first runs of these
                left = [run for run in runs if run not in waiting.values()]
            try:
                for future in futures.as_completed(waiting):
                    try:
                        yield *waiting[future], future.result()
                    except (Exception, futures.CancelledError) as error:
                        why = _message(error)
                        left.append(waiting[future])
            finally:
                for future in waiting:
                    future.cancel()
            if not left:
                return
            runs = left
            if isinstance(executor, futures.ProcessPoolExecutor):
                # One dead process breaks the whole pool for good.
                if ours:
                    ours.shutdown()
                executor = ours = _same_pool(executor)
        for run in runs:
            yield *run, f"its worker died {ATTEMPTS} times. {why}"
    finally:
        if ours:
            ours.shutdown(cancel_futures=True)


def _same_pool(pool: futures.ProcessPoolExecutor) -> futures.ProcessPoolExecutor:
    state: Any = vars(pool)
    return futures.ProcessPoolExecutor(
        state["_max_workers"],
        state["_mp_context"],
        state["_initializer"],
        state["_initargs"],
    )


def _progress_bar(
    total: int, show: bool | None, name: str = "race", unit: str = "run"
) -> Any:
    from tqdm.auto import tqdm

    if show is None:
        in_notebook = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
        show = None if in_notebook or sys.stderr.isatty() else False
    # Where `disable` is not said, tqdm looks at TQDM_DISABLE.
    disable = {} if show is None else {"disable": not show}
    return tqdm(total=total, desc=name, unit=unit, **disable)


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


def _check_rates(name: str, entry: Entry, steps: int) -> None:
    """Raise if the entry makes no new optimizer, or one whose rate is not finite."""
    optimizer = entry()
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"entries: {name!r} must make a Keras optimizer: {optimizer!r}")
    if entry() is optimizer:
        raise ValueError(
            f"entries: {name!r} must make a new optimizer at each call, but returns "
            "the same one, which would go on where the last run stopped"
        )
    schedule = getattr(optimizer, "_learning_rate", None)
    if is_keras_schedule(schedule):
        rates = sample_keras(schedule, steps)
    else:
        rates = np.array([float(optimizer.learning_rate)])
    if not np.isfinite(rates).all():
        step = int(np.argmin(np.isfinite(rates)))
        raise ValueError(
            f"entries: the learning rate of {name!r} is {rates[step]} at step {step}"
        )


def _check_seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    if not isinstance(seeds, Iterable):
        return tuple(range(check_whole("seeds", seeds, low=1)))
    if isinstance(seeds, str):
        raise TypeError(f"seeds must be a number or a list of them, got {seeds!r}")
    checked = tuple(check_whole("seeds", seed, low=0) for seed in seeds)
    if not checked:
        raise ValueError("seeds must be one or more, got none")
    if len(set(checked)) < len(checked):
        raise ValueError(f"seeds must differ from each other, got {checked}")
    return checked


def _check_executor(executor: Any) -> None:
    if executor is None:
        return
    if not isinstance(executor, futures.Executor):
        raise TypeError(
            "executor must be a concurrent.futures.Executor, such as Dask's "
            f"client.get_executor(), got {executor!r}"
        )
    if isinstance(executor, futures.ProcessPoolExecutor):
        context: Any = vars(executor)["_mp_context"]
        if context.get_start_method() == "fork":
            raise ValueError(
                "executor: processes that are forked hang in TensorFlow; give the "
                'pool mp_context=multiprocessing.get_context("spawn")'
            )


def _check_data(data: Data | Callable[[], Data] | None) -> tuple[Any, ...]:
    """Return x_train, y_train, x_test, y_test as tensors."""
    if data is None:
        (x, y), (x_test, y_test) = load_digits()
        x, x_test = (np.divide(a, 255, dtype=np.float32) for a in (x, x_test))
    else:
        given = data() if callable(data) else data
        try:
            (x, y), (x_test, y_test) = given
        except (TypeError, ValueError):
            raise ValueError(
                "data must be (x_train, y_train), (x_test, y_test)"
            ) from None
    x, y = _check_part("train", x, y)
    x_test, y_test = _check_part("test", x_test, y_test)
    if x.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"data: x_train and x_test differ in shape: {x.shape}, {x_test.shape}"
        )
    return x, y, x_test, y_test


def _check_part(part: str, x: Any, y: Any, labels: bool = True) -> tuple[Any, Any]:
    x, y = np.asarray(x), np.asarray(y)
    if x.dtype.kind not in "buif":
        raise TypeError(f"data: x_{part} must be numbers, got {x.dtype}")
    if labels and y.dtype.kind not in "ui":
        raise TypeError(
            f"data: y_{part} must be whole numbers, a label for each sample, "
            f"got {y.dtype}"
        )
    if labels and y.ndim == 2 and y.shape[1] == 1:  # as Keras gives CIFAR's
        y = y[:, 0]
    shapes_fit = x.ndim and (y.ndim == 1 if labels else y.ndim)
    if not shapes_fit or len(x) != len(y) or not len(x):
        raise ValueError(
            f"data: x_{part} and y_{part} must have one label for each sample, got "
            f"shapes {x.shape} and {y.shape}"
        )
    # NaN passes through min and max, which need no second array.
    if x.dtype.kind == "f" and not np.isfinite([x.min(), x.max()]).all():
        raise ValueError(f"data: x_{part} must be finite, but holds NaN or infinity")
    if x.dtype.kind == "f":
        x = x.astype(keras.config.floatx(), copy=False)
    return tf.constant(x), tf.constant(y.astype(np.int64) if labels else y)
