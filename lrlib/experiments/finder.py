"""`find_learning_rate`: the learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from lrlib.experiments.backend import tf
from lrlib.experiments.step import (
    batches,
    check_batch_size,
    check_numbers,
    check_outputs,
    check_part,
    check_seeds,
    default_data,
    keras_lock,
    training_loss,
    update,
)
from lrlib.experiments.workers import check_progress, progress_bar
from lrlib.schedules.catalogue import exponential_sweep
from lrlib.schedules.kinds import Number, check_whole
from lrlib.training import inside
from lrlib.training.optimizers import is_schedule, unwrap


def find_learning_rate(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    data: tuple[Any, Any] | None = None,
    *,
    low: float = 1e-5,
    high: float = 10.0,
    steps: int = 200,
    batch_size: int = 32,
    seeds: int | Iterable[int] = 3,
    smoothing: float = 0.95,
    blow_up: float = 4.0,
    progress: bool | None = None,
) -> RangeTest:
    """Raise the learning rate from batch to batch and watch the loss.

    The rate grows by the same factor at each update. The loss is that of each batch by
    itself, before its update, then smoothed. A sweep ends early once the smoothed loss
    is `blow_up` times its lowest. Model and optimizer are left exactly as they were.

    Args:
        model: the model, with the weights to start from. If it is compiled, its loss
            counts; else it must be a classifier with whole numbers as labels.
        optimizer: the optimizer to try, momentum and all; its own rate or schedule
            does not matter. What it has accumulated so far is where a sweep starts.
        data: `(x, y)`, arrays whose first axis counts the samples; x may be a list or
            a dict of arrays, one for each input of the model, and y too if the model
            is compiled. Default: the digits to train on, pixels divided by 255.
        low: the rate of the first update.
        high: the rate of the last update.
        steps: how many updates.
        batch_size: samples per update.
        seeds: how many sweeps, or which. A seed decides the order of the batches.
        smoothing: how much of the running mean each update keeps, 0 for none.
        blow_up: how many times its lowest the loss may be.
        progress: whether to show a progress bar, as in `lrlib.race`.

    Returns:
        A `RangeTest`.

    Raises:
        TypeError, ValueError: rates that do not rise, a batch larger than the data,
            data that is not finite, a `tf.data.Dataset`, labels that the model has no
            output for, an optimizer that was built for another model or that is a
            `MultiOptimizer`.

    Source: Smith, "Cyclical Learning Rates for Training Neural Networks", 2017,
    section 3.3.

    >>> import keras, lrlib
    >>> import numpy as np
    >>> keras.utils.set_random_seed(0)
    >>> x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    >>> y = (x[:, 0] > 0).astype(int)
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    >>> test = lrlib.find_learning_rate(
    ...     model, keras.optimizers.SGD(), (x, y), batch_size=16, progress=False
    ... )
    >>> bool(1e-5 < test.steepest < 10)
    True

    """
    rate = Number((low, high), low=0, above=True)
    low, high = rate.check("low", low), rate.check("high", high)
    if low >= high:
        raise ValueError(f"low must be less than high, got low={low}, high={high}")
    steps = check_whole("steps", steps, low=10)
    batch_size = check_whole("batch_size", batch_size, low=1)
    seeds = check_seeds(seeds)
    check_progress(progress)
    smoothing = Number((0, 1), low=0, high=1, below=True).check("smoothing", smoothing)
    blow_up = Number((1, 10), low=1, above=True).check("blow_up", blow_up)
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model, got {model!r}")
    optimizer = unwrap(optimizer)  # of mixed precision's the one with a rate
    x, y = _check(model, data)
    samples = len(keras.tree.flatten(x)[0])
    check_batch_size(batch_size, samples)

    # The last update, number steps - 1, has the last rate.
    rates = exponential_sweep(low, high, num_it=steps - 1)(np.arange(steps))
    loss = np.full((len(seeds), steps), np.nan, np.float32)
    smoothed = np.full((len(seeds), steps), np.nan, np.float32)
    before = [variable.numpy() for variable in model.variables]
    with keras_lock:
        copy, state = _copy(optimizer, model)
        make = _compiled if tf else _batch_by_batch
        sweep = make(model, copy, (x, y), rates, batch_size, smoothing, blow_up)
    try:
        with progress_bar(len(seeds), progress, "range test", "sweep") as bar:
            for i, seed in enumerate(seeds):
                for variables, values in ((model.variables, before), state):
                    for variable, value in zip(variables, values, strict=True):
                        variable.assign(value)
                order = _batches(seed, steps, samples, batch_size)
                done, losses, means = sweep(order)
                loss[i, :done], smoothed[i, :done] = losses[:done], means[:done]
                bar.update()
    finally:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
    smoothed[~np.isfinite(loss)] = np.nan
    return RangeTest(seeds, rates, loss, smoothed, smoothing)


#: Trains at each rate for one batch; returns how many, their losses, smoothed.
_Sweep = Callable[[np.ndarray], tuple[int, np.ndarray, np.ndarray]]


def _batch_by_batch(
    model: Any,
    optimizer: Any,
    data: tuple[Any, Any],
    rates: np.ndarray,
    batch_size: int,
    smoothing: float,
    blow_up: float,
) -> _Sweep:
    """Return a sweep that runs on any backend of Keras."""
    trial = _Trial(model)
    trial.compile(optimizer, auto_scale_loss=False)

    def sweep(order: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        losses, means = np.zeros((2, len(order)))
        mean, lowest = 0.0, np.inf
        for step, (batch, rate) in enumerate(zip(order, rates, strict=True)):
            optimizer.learning_rate.assign(rate)
            take = partial(keras.ops.take, indices=batch, axis=0)
            value = trial.train_on_batch(*keras.tree.map_structure(take, data))
            losses[step] = value
            mean = smoothing * mean + (1 - smoothing) * value
            means[step] = smoothed = mean / (1 - smoothing ** (step + 1))
            lowest = min(lowest, smoothed)
            if not (np.isfinite(value) and smoothed <= blow_up * lowest):
                break
        return step + 1, losses, means

    return sweep


class _Trial(keras.Model):
    """A model to train with another optimizer, without compiling it anew."""

    def __init__(self, model: Any) -> None:
        super().__init__(name="range_test")
        self.model = model

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return what the model returns."""
        return self.model(inputs, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any
    ) -> Any:
        """Return the model's loss."""
        return _loss(self.model)(x, y, y_pred)


def _loss(model: Any) -> Callable[[Any, Any, Any], Any]:
    """Return the model's own loss if it is compiled, else a classifier's."""
    compiled = partial(model.compute_loss, training=True)
    return compiled if model.compiled else training_loss(model)


def _compiled(
    model: Any,
    optimizer: Any,
    data: tuple[Any, Any],
    rates: np.ndarray,
    batch_size: int,
    smoothing: float,
    blow_up: float,
) -> _Sweep:
    """Return a sweep that TensorFlow compiles whole."""

    def graph(order: Any) -> tuple[Any, Any, Any]:
        raised = tf.constant(rates, tf.float32)
        return _sweep(model, optimizer, data, order, raised, smoothing, blow_up)

    shape = tf.TensorSpec([len(rates), batch_size], tf.int32)
    compiled = tf.function(graph).get_concrete_function(shape)

    def sweep(order: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
        done, losses, means = compiled(tf.constant(order))
        return int(done), losses.numpy(), means.numpy()

    return sweep


def _sweep(
    model: Any,
    optimizer: Any,
    data: tuple[Any, Any],
    order: Any,
    rates: Any,
    smoothing: float,
    blow_up: float,
) -> tuple[Any, Any, Any]:
    loss = _loss(model)
    steps = tf.shape(order)[0]
    losses = tf.TensorArray(tf.float32, steps)
    means = tf.TensorArray(tf.float32, steps)
    mean, lowest, step = tf.constant(0.0), tf.constant(np.inf, tf.float32), 0
    going = tf.constant(True)
    while going and step < steps:
        optimizer.learning_rate.assign(rates[step])
        drawn = keras.tree.map_structure(partial(tf.gather, indices=order[step]), data)
        value, _ = update(model, optimizer, loss, *drawn)
        mean = smoothing * mean + (1 - smoothing) * value
        # The mean of few values starts from 0: what is missing is divided out, as in
        # Adam.
        smoothed = mean / (1 - smoothing ** tf.cast(step + 1, tf.float32))
        losses = losses.write(step, value)
        means = means.write(step, smoothed)
        lowest = tf.minimum(lowest, smoothed)
        going = tf.math.is_finite(value) & (smoothed <= blow_up * lowest)
        step += 1
    return step, losses.stack(), means.stack()


def _copy(optimizer: Any, model: Any) -> tuple[Any, tuple[list[Any], list[Any]]]:
    """Return a like optimizer with a rate of its own, and its first state.

    The state is a list of variables and one of their values. So the optimizer that was
    given, which may have a schedule that cannot be swapped, is never touched.
    """
    copy = type(optimizer).from_config(_config(optimizer) | {"learning_rate": 1.0})
    copy.build(model.trainable_variables)

    def rest(which: Any) -> list[Any]:
        rate = inside.source(which)
        return [variable for variable in which.variables if variable is not rate]

    source = rest(optimizer) if optimizer.built else rest(copy)
    if [v.shape for v in source] != [v.shape for v in rest(copy)]:
        raise ValueError("optimizer was built for another model")
    return copy, (rest(copy), [variable.numpy() for variable in source])


def _config(optimizer: Any) -> dict[str, Any]:
    """Return the optimizer's arguments, also if its rate has no `get_config`."""
    rate = inside.source(optimizer)
    if not (is_schedule(rate) or callable(rate)):
        return dict(optimizer.get_config())
    optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(1.0, 1, 1.0)
    try:
        return dict(optimizer.get_config())
    finally:
        optimizer.learning_rate = rate


def _batches(seed: int, steps: int, samples: int, batch_size: int) -> np.ndarray:
    epochs = -(-steps // (samples // batch_size))
    return np.concatenate(
        [batches(seed, epoch, samples, batch_size) for epoch in range(epochs)]
    )[:steps]


def _check(model: Any, data: Any) -> tuple[Any, Any]:
    """Return x and y as tensors, or lists or dicts of them, that the model takes."""
    if data is None:
        data = default_data()[0]
    expected = "data must be (x, y), two arrays, or lists or dicts of arrays"
    if hasattr(data, "as_numpy_iterator"):
        raise TypeError(
            f"{expected}, got a Dataset. If its batches fit in memory: "
            "x, y = map(np.concatenate, zip(*data.as_numpy_iterator()))"
        )
    if not (isinstance(data, tuple | list) and len(data) == 2):
        raise ValueError(f"{expected}, got {type(data).__name__}")
    x = _arrays("x_train", data[0], getattr(model, "inputs", None))
    if model.compiled:
        y = _arrays("y_train", data[1], getattr(model, "outputs", None))
    else:
        _, y = check_part("train", keras.tree.flatten(x)[0], data[1])
    if len({len(a) for a in keras.tree.flatten((x, y))}) > 1:
        shapes = keras.tree.map_structure(lambda a: tuple(a.shape), (x, y))
        raise ValueError(
            "data: x_train and y_train must have one entry for each sample, got shapes "
            f"{shapes[0]} and {shapes[1]}"
        )
    x, y = keras.tree.map_structure(keras.ops.convert_to_tensor, (x, y))
    check_outputs(model, "x", x, **({} if model.compiled else {"y": y}))
    return x, y


def _arrays(name: str, data: Any, tensors: Any) -> Any:
    """Return an array of numbers, or a list or a dict of them for several tensors."""
    several = isinstance(data, list | tuple) and (tensors is None or len(tensors) > 1)
    if isinstance(data, dict) or (several and all(hasattr(a, "shape") for a in data)):
        arrays = keras.tree.map_structure(partial(check_numbers, name), data)
    else:
        arrays = check_numbers(name, data)
    if not all(a.ndim and len(a) for a in keras.tree.flatten(arrays)):
        raise ValueError(f"data: {name} must hold samples, got {data!r}")
    return arrays


@dataclass(frozen=True, eq=False)
class RangeTest:
    """What `find_learning_rate` has measured.

    Attributes:
        seeds: one sweep each.
        rates: the rate of each update, of shape `(steps,)`.
        loss: the loss of each batch, before its update, `(seeds, steps)`; NaN after
            a sweep has ended.
        smoothed: its running mean, of the same shape.
        smoothing: how much of that mean each update kept.

    """

    seeds: tuple[int, ...]
    rates: np.ndarray
    loss: np.ndarray
    smoothed: np.ndarray
    smoothing: float

    @property
    def steepest(self) -> float:
        """The rate around which doubling it lowers the smoothed loss most.

        Only rates below the lowest point count: past it, a loss that falls is one that
        has jumped before. The median over the sweeps; `suggestions` has each.
        """
        return float(np.median(self.suggestions("steepest")))

    @property
    def valley(self) -> float:
        """The rate in the middle of the longest fall of the smoothed loss.

        The fall is the longest falling sequence, with gaps, as in fastai's `valley`.
        The median over the sweeps; `suggestions` has each.
        """
        return float(np.median(self.suggestions("valley")))

    def suggestions(self, rule: str) -> np.ndarray:
        """Return what each sweep suggests by a rule, `"steepest"` or `"valley"`.

        Raises:
            TypeError, ValueError: there is no such rule, or a sweep ended too early to
                tell.

        """
        doubling = np.log(2) / np.log(self.rates[1] / self.rates[0])
        rules: dict[str, Callable[[np.ndarray], int]] = {
            "steepest": partial(_steepest, half=max(1, round(doubling / 2))),
            "valley": _valley,
        }
        if not isinstance(rule, str):
            raise TypeError(f"rule must be a string, got {rule!r}")
        if rule not in rules:
            raise ValueError(f"rule must be one of {', '.join(rules)}, got {rule!r}")
        # Before the mean has as many losses as it remembers, its slope is noise.
        skip = round(1 / (1 - self.smoothing))
        found = []
        for seed, curve in zip(self.seeds, self.smoothed, strict=True):
            curve = curve[np.isfinite(curve)][skip:]
            if len(self.rates) < skip + 3:
                raise ValueError(
                    f"steps={len(self.rates)} are too few for smoothing="
                    f"{self.smoothing:g}, which takes {skip} to settle: take more "
                    "steps, or smooth less"
                )
            if len(curve) < 3:
                raise ValueError(
                    f"the sweep with seed {seed} blew up too early: start from a rate "
                    f"below {self.rates[0]:g}, or take more steps"
                )
            found.append(self.rates[skip + rules[rule](curve)])
        return np.array(found)

    def plot(self, ax: Any = None) -> Any:
        """Draw the smoothed loss of each sweep over the rate, and the suggestions.

        Args:
            ax: the Matplotlib `Axes` to draw into. Default: a new figure.

        Returns:
            The `Axes`.

        """
        import matplotlib.pyplot as plt

        with plt.style.context("lrlib.book"):
            if ax is None:
                _, ax = plt.subplots()
            for curve in self.smoothed:
                ax.plot(self.rates, curve, color="C0", linewidth=1.2, alpha=0.7)
            top = np.nanmedian(self.smoothed[:, 0])
            for color, rule in (("C1", "steepest"), ("C2", "valley")):
                try:
                    value = getattr(self, rule)
                except ValueError:  # it ended too early to tell
                    continue
                ax.axvline(
                    value, color=color, linewidth=1.5, label=f"{rule} {value:.2g}"
                )
            ax.set(
                xscale="log",
                xlabel="learning rate",
                ylabel="loss, smoothed",
                ylim=(0, 1.5 * top),
            )
            if ax.get_legend_handles_labels()[0]:
                ax.legend(loc="lower left")
        return ax


def _steepest(curve: np.ndarray, half: int) -> int:
    # The rates grow by a constant factor, so steps measure log(rate).
    fall = curve[: max(int(np.argmin(curve)) + 1, 3)]
    half = min(half, (len(fall) - 1) // 2)
    return half + int(np.argmin(fall[2 * half :] - fall[: -2 * half]))


def _valley(curve: np.ndarray) -> int:
    # length[i]: of the longest falling sequence that ends at i.
    length = np.ones(len(curve), int)
    for i in range(1, len(curve)):
        higher = length[:i][curve[:i] > curve[i]]
        length[i] = 1 + higher.max(initial=0)
    end = int(np.argmax(length))
    return end - int(length[end]) // 2
