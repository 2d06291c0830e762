"""`find_learning_rate`: the learning-rate range test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lrlib.digits import load_digits
from lrlib.experiments.race import (
    _check_part,
    _check_seeds,
    _gives_probabilities,
    _keras_lock,
    _progress_bar,
    batches,
)
from lrlib.schedules.catalogue import exponential_sweep
from lrlib.schedules.kinds import Number, check_whole
from lrlib.training.optimizers import unwrap


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
        data: `(x, y)`. Default: the digits to train on, pixels divided by 255.
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
            data that is not finite, labels that the model has no output for, an
            optimizer that was built for another model.

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
    seeds = _check_seeds(seeds)
    smoothing = Number((0, 1), low=0, high=1, below=True).check("smoothing", smoothing)
    blow_up = Number((1, 10), low=1, above=True).check("blow_up", blow_up)
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must be a keras.Model, got {model!r}")
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(f"optimizer must be a Keras optimizer, got {optimizer!r}")
    x, y = _check(model, data, batch_size)

    # The last update, number steps - 1, has the last rate.
    rates = exponential_sweep(low, high, num_it=steps - 1)(np.arange(steps))
    loss = np.full((len(seeds), steps), np.nan, np.float32)
    smoothed = np.full((len(seeds), steps), np.nan, np.float32)
    limits = smoothing, blow_up
    before = [variable.numpy() for variable in model.variables]
    with _keras_lock:
        copy, state = _copy(optimizer, model)

        def sweep(order: Any) -> tuple[Any, Any, Any]:
            return _sweep(
                model, copy, x, y, order, tf.constant(rates, tf.float32), *limits
            )

        shape = tf.TensorSpec([steps, batch_size], tf.int32)
        compiled = tf.function(sweep).get_concrete_function(shape)
    try:
        with _progress_bar(len(seeds), progress, "range test", "sweep") as bar:
            for i, seed in enumerate(seeds):
                for variables, values in ((model.variables, before), state):
                    for variable, value in zip(variables, values, strict=True):
                        variable.assign(value)
                order = _batches(seed, steps, len(x), batch_size)
                done, losses, means = compiled(tf.constant(order))
                loss[i, : int(done)] = losses.numpy()[: int(done)]
                smoothed[i, : int(done)] = means.numpy()[: int(done)]
                bar.update()
    finally:
        for variable, value in zip(model.variables, before, strict=True):
            variable.assign(value)
    smoothed[~np.isfinite(loss)] = np.nan
    return RangeTest(seeds, rates, loss, smoothed, smoothing)


def _sweep(
    model: Any,
    optimizer: Any,
    x: Any,
    y: Any,
    order: Any,
    rates: Any,
    smoothing: float,
    blow_up: float,
) -> tuple[Any, Any, Any]:
    """Train at each rate for one batch; return how many, their losses, smoothed."""
    weights = model.trainable_variables
    loss = _loss(model)
    steps = tf.shape(order)[0]
    losses = tf.TensorArray(tf.float32, steps)
    means = tf.TensorArray(tf.float32, steps)
    mean, lowest, step = tf.constant(0.0), tf.constant(np.inf, tf.float32), 0
    going = tf.constant(True)
    while going and step < steps:
        batch = tf.gather(x, order[step])
        with tf.GradientTape() as tape:
            outputs = model(batch, training=True)
            value = loss(batch, tf.gather(y, order[step]), outputs)
            scaled = optimizer.scale_loss(value)  # for half precision
        gradients = tape.gradient(scaled, [weight.value for weight in weights])
        optimizer.learning_rate.assign(rates[step])
        optimizer.apply(gradients, weights)
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


def _loss(model: Any) -> Callable[[Any, Any, Any], Any]:
    if model.compiled:
        return lambda x, y, outputs: model.compute_loss(x, y, outputs, training=True)
    crossentropy = keras.losses.SparseCategoricalCrossentropy(
        from_logits=not _gives_probabilities(model)
    )
    return lambda x, y, outputs: tf.add_n([crossentropy(y, outputs), *model.losses])


def _copy(optimizer: Any, model: Any) -> tuple[Any, tuple[list[Any], list[Any]]]:
    """Return a like optimizer with a rate of its own, and its first state.

    The state is a list of variables and one of their values. So the optimizer that was
    given, which may have a schedule that cannot be swapped, is never touched.
    """
    optimizer = unwrap(optimizer)  # of mixed precision's the one with a rate
    config = optimizer.get_config() | {"learning_rate": 1.0}
    copy = type(optimizer).from_config(config)
    copy.build(model.trainable_variables)

    def rest(which: Any) -> list[Any]:
        rate = getattr(which, "_learning_rate", None)
        return [variable for variable in which.variables if variable is not rate]

    source = rest(optimizer) if optimizer.built else rest(copy)
    if [v.shape for v in source] != [v.shape for v in rest(copy)]:
        raise ValueError("optimizer was built for another model")
    return copy, (rest(copy), [variable.numpy() for variable in source])


def _batches(seed: int, steps: int, samples: int, batch_size: int) -> np.ndarray:
    epochs = -(-steps // (samples // batch_size))
    return np.concatenate(
        [batches(seed, epoch, samples, batch_size) for epoch in range(epochs)]
    )[:steps]


def _check(model: Any, data: Any, batch_size: int) -> tuple[Any, Any]:
    if data is None:
        (x, y), _ = load_digits()
        x = np.divide(x, 255, dtype=np.float32)
    else:
        try:
            x, y = data
        except (TypeError, ValueError):
            raise ValueError("data must be (x, y)") from None
    x, y = _check_part("train", x, y, labels=not model.compiled)
    if batch_size > len(x):
        raise ValueError(
            f"batch_size must be at most the number of samples, {len(x)}, "
            f"got {batch_size}"
        )
    try:
        classes = model(x[:1]).shape[-1]
    except Exception as error:
        raise ValueError(
            f"data: the model does not take x of shape {x.shape}"
        ) from error
    if not model.compiled:
        lowest, highest = int(tf.reduce_min(y)), int(tf.reduce_max(y))
        if lowest < 0 or highest >= classes:
            raise ValueError(
                f"data: y must be labels from 0 to {classes - 1}, as the model has "
                f"{classes} outputs, got {lowest} to {highest}"
            )
    return x, y


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
            ValueError: there is no such rule, or a sweep ended too early to tell.

        """
        doubling = np.log(2) / np.log(self.rates[1] / self.rates[0])
        rules: dict[str, Callable[[np.ndarray], int]] = {
            "steepest": partial(_steepest, half=max(1, round(doubling / 2))),
            "valley": _valley,
        }
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
