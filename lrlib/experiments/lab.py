"""`lab`: train the digits network with controls in a notebook, and watch it learn."""

from __future__ import annotations

import base64
import functools
import io
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any

import ipywidgets as widgets
import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lrlib.experiments import step
from lrlib.experiments.backend import require_tensorflow, tf
from lrlib.experiments.network import build_model
from lrlib.schedules import catalogue as schedules
from lrlib.schedules import composition
from lrlib.schedules.kinds import check_whole
from lrlib.schedules.schedule import Schedule

#: What can be chosen: name → a function of the learning rate.
OPTIMIZERS: dict[str, Callable[[Any], keras.optimizers.Optimizer]] = {
    "SGD": keras.optimizers.SGD,
    "SGD with momentum": functools.partial(keras.optimizers.SGD, momentum=0.9),
    "RMSprop": keras.optimizers.RMSprop,
    "Adam": keras.optimizers.Adam,
    "AdamW": keras.optimizers.AdamW,
}


def _warmup_cosine(rate: float, steps: int) -> Schedule:
    warm = max(1, steps // 10)
    falling = schedules.cosine(rate, max(1, steps - warm))
    return composition.warmup(falling, warm, start=rate / (warm + 1))


#: Name → a function of the highest rate and of the number of steps.
SCHEDULES: dict[str, Callable[[float, int], Schedule]] = {
    "constant": lambda rate, steps: schedules.constant(rate),
    "linear": schedules.linear,
    "cosine": schedules.cosine,
    "warm-up and cosine": _warmup_cosine,
    "step: ÷10 every third": lambda rate, steps: schedules.step(
        rate, max(1, steps // 3), decay_rate=0.1
    ),
    "exponential: to 1 %": lambda rate, steps: schedules.exponential(
        rate, steps, decay_rate=0.01
    ),
}

#: Seconds between two drawings, each of which takes about a tenth of a second.
REDRAW = 0.5


@dataclass
class LabRun:
    """One training run in the lab.

    Attributes:
        name: the settings, in words.
        schedule: the rate of each step.
        steps: how many updates were planned.
        losses: the loss of each batch before its update.
        rates: the learning rate of each update.
        test_accuracy: the share of test digits that are right; None until the end.

    """

    name: str
    schedule: Schedule
    steps: int
    losses: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    test_accuracy: float | None = None


def lab(
    batch_size: int = 64,
    *,
    model: Callable[[], keras.Model] = build_model,
    data: step.Data | Callable[[], step.Data] | None = None,
    seed: int = 0,
) -> Lab:
    """Show controls to train a network with, and its loss and rate as it learns.

    Every run starts from the same weights and sees the same batches, so that only
    the settings differ. Training goes on in a thread: the notebook stays free.

    Args:
        batch_size: samples per update.
        model: a function without arguments that builds a classifier, not compiled.
        data: `(x_train, y_train), (x_test, y_test)`, as `lrlib.race` takes it.
            Default: the digits.
        seed: decides the first weights, the dropout and the order of the batches.

    Returns:
        A `Lab`, a widget.

    Raises:
        ImportError: Keras runs on JAX or on PyTorch; it must run on TensorFlow.
        TypeError, ValueError: the data are no such arrays, fewer than a batch, or don't
            fit the model; `model` doesn't build one.

    >>> import keras, lrlib
    >>> import numpy as np
    >>> x, y = np.eye(4, dtype="float32"), np.arange(4)
    >>> def linear_model():
    ...     return keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    >>> bench = lrlib.lab(2, model=linear_model, data=((x, y), (x, y)))
    >>> bench.optimizer.value, bench.rate.value = "SGD", 0.5
    >>> bench.train().join()
    >>> bench.runs[0].name, len(bench.runs[0].losses)
    ('SGD, constant 0.5', 10)

    """
    require_tensorflow("lrlib.lab")
    step.check_builder(model)
    seed = check_whole("seed", seed, low=0)
    batch_size = check_whole("batch_size", batch_size, low=1)
    tensors = step.check_data(data)
    x, y, _, y_test = tensors
    step.check_batch_size(batch_size, len(x))
    with step.seeded(seed):
        built = step.build(model, x)
        step.check_outputs(built, "x_train", x, y_train=y, y_test=y_test)
    return Lab(batch_size, model, tensors, seed)


class Lab(widgets.VBox):
    """The widget that `lab` returns.

    Attributes:
        optimizer, schedule, rate, epochs: the controls; set their `.value`.
        runs: every run so far, a list of `LabRun`.
        figure: loss and rate of all runs, a Matplotlib `Figure`.

    """

    def __init__(
        self,
        batch_size: int,
        model: Callable[[], keras.Model],
        tensors: tuple[Any, ...],
        seed: int,
    ) -> None:
        self._batch_size, self._model, self._seed = batch_size, model, seed
        self._data = tensors
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.runs: list[LabRun] = []

        wide = {"style": {"description_width": "5.5em"}}
        self.optimizer = widgets.Dropdown(
            options=list(OPTIMIZERS), value="Adam", description="optimizer", **wide
        )
        self.schedule = widgets.Dropdown(
            options=list(SCHEDULES), description="schedule", **wide
        )
        self.rate = widgets.FloatLogSlider(
            value=1e-3,
            min=-5,
            max=1,
            step=0.05,
            description="rate",
            readout_format=".2g",
            continuous_update=False,
            **wide,
        )
        self.epochs = widgets.IntSlider(
            value=5, min=1, max=20, description="epochs", **wide
        )
        self._train = widgets.Button(
            description="Train", button_style="primary", icon="play"
        )
        self._halt = widgets.Button(description="Stop", icon="stop", disabled=True)
        self._clear = widgets.Button(description="Clear", icon="eraser")
        self._progress = widgets.IntProgress(
            layout={"width": "auto"}, style={"bar_color": "#0072b2"}
        )
        self._words = widgets.HTML("Choose, and press Train.")
        self._picture = widgets.HTML()
        self._train.on_click(lambda _: self.train())
        self._halt.on_click(lambda _: self.stop())
        self._clear.on_click(lambda _: self.clear())

        settings = [self.optimizer, self.schedule, self.rate, self.epochs]
        self._settings = [*settings, self._train, self._clear]
        flow = {"flex_flow": "row wrap"}
        super().__init__(
            [
                widgets.HBox(settings, layout=flow),
                widgets.HBox([self._train, self._halt, self._clear], layout=flow),
                self._progress,
                self._words,
                self._picture,
            ]
        )
        with plt.style.context("lrlib.book"):
            # No pyplot figure: a thread draws it, and pyplot must not show it too.
            self.figure = Figure()
            self.figure.subplots(1, 2)
        self._draw()

    # What the buttons do

    def train(self) -> threading.Thread:
        """Start a run with the present settings; return its thread.

        Raises:
            RuntimeError: a run is under way.

        """
        if self._thread is not None and self._thread.is_alive():
            raise RuntimeError("a run is under way; stop it first")
        steps = len(self._data[0]) // self._batch_size * self.epochs.value
        rate = float(f"{self.rate.value:.3g}")
        schedule = SCHEDULES[self.schedule.value](rate, steps)
        name = f"{self.optimizer.value}, {self.schedule.value} {rate:g}"
        run = LabRun(name, schedule, steps)
        self._stop.clear()
        self._progress.value, self._progress.max = 0, steps
        self._busy(True)
        self.runs.append(run)
        optimizer = OPTIMIZERS[self.optimizer.value](schedule.to_keras())
        self._thread = threading.Thread(
            target=self._run, args=(run, optimizer, self.epochs.value), daemon=True
        )
        self._thread.start()
        return self._thread

    def stop(self) -> None:
        """End the run after the batch at hand."""
        self._stop.set()

    def clear(self) -> None:
        """Forget the finished runs."""
        if self._thread is None or not self._thread.is_alive():
            self.runs.clear()
            self._draw()

    def close(self) -> None:
        """Stop, and take the widget off the page."""
        self.stop()
        super().close()

    def _busy(self, busy: bool) -> None:
        for control in self._settings:
            control.disabled = busy
        self._halt.disabled = not busy

    # Training

    def _run(
        self, run: LabRun, optimizer: keras.optimizers.Optimizer, epochs: int
    ) -> None:
        try:
            self._words.value = escape(self._fit(run, optimizer, epochs))
        except Exception as error:
            # A thread's traceback would end up where nobody looks.
            self._words.value = escape(f"{type(error).__name__}: {error}")
        finally:
            self._draw()
            self._busy(False)

    def _fit(
        self, run: LabRun, optimizer: keras.optimizers.Optimizer, epochs: int
    ) -> str:
        """Train, and return what is to be said of it."""
        x, y, x_test, y_test = self._data
        with step.seeded(self._seed):
            model = step.build(self._model, x)
            optimizer.build(model.trainable_variables)
        update = _compile(model, optimizer)
        drawn = time.monotonic()
        for epoch in range(epochs):
            order = step.batches(self._seed, epoch, len(x), self._batch_size)
            for batch in order:
                if self._stop.is_set():
                    break
                loss, rate = (
                    float(v) for v in update(tf.gather(x, batch), tf.gather(y, batch))
                )
                run.losses.append(loss)
                run.rates.append(rate)
                if not np.isfinite(loss):
                    return f"{run.name}: the loss is no longer finite; lower the rate"
                if time.monotonic() - drawn > REDRAW:
                    self._tell(run)
                    drawn = time.monotonic()
        right = tf.argmax(model(x_test), -1) == y_test
        run.test_accuracy = float(tf.reduce_mean(tf.cast(right, tf.float32)))
        self._progress.value = len(run.losses)
        stopped = f", stopped at step {len(run.losses):,}" * self._stop.is_set()
        return f"{run.name}{stopped}: {run.test_accuracy:.1%} of the test set is right"

    def _tell(self, run: LabRun) -> None:
        step = len(run.losses)
        self._progress.value = step
        self._words.value = (
            f"step {step:,} of {run.steps:,} · loss {_smooth(run.losses)[-1]:.3f} "
            f"· rate {run.rates[-1]:.3g}"
        )
        self._draw()

    # What is seen

    def _draw(self) -> None:
        """Draw all runs, the last one with the loss of each batch behind its mean."""
        losses, rates = self.figure.axes
        for ax in (losses, rates):
            ax.clear()
            ax.margins(x=0)
        for i, run in enumerate(self.runs):
            color = f"C{i % 7}"
            steps = np.arange(len(run.losses))
            if run is self.runs[-1]:
                losses.plot(steps, run.losses, color=color, alpha=0.25, lw=0.8)
            words = run.name
            if run.test_accuracy is not None:
                words += f": {run.test_accuracy:.1%}"
            losses.plot(steps, _smooth(run.losses), color=color, lw=2)
            rates.plot(steps, run.rates, color=color, lw=2, label=words)
        losses.set(xlabel="step", ylabel="loss of a batch", yscale="log")
        rates.set(xlabel="step", ylabel="learning rate")
        rates.set_ylim(bottom=0)
        for legend in self.figure.legends:
            legend.remove()
        if self.runs:
            self.figure.legend(loc="outside lower center", ncols=2)
        png = io.BytesIO()
        self.figure.savefig(png, format="png")
        picture = base64.b64encode(png.getvalue()).decode()
        alt = "Loss and learning rate of each step: " + (
            "; ".join(run.name for run in self.runs) or "no run yet"
        )
        self._picture.value = (
            f'<img alt="{escape(alt, quote=True)}" '
            f'style="max-width:100%" src="data:image/png;base64,{picture}">'
        )

    def __repr__(self) -> str:
        """Say what it is, the same in every run."""
        return f"Lab({len(self._data[0]):,} samples in batches of {self._batch_size})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data = super()._repr_mimebundle_(**kwargs)
        data["text/html"] = (
            '<p class="lrlib-lab">The training laboratory appears here when this '
            "notebook runs: <code>make lab</code> opens it.</p>"
        )
        return data


def _compile(
    model: keras.Model, optimizer: keras.optimizers.Optimizer
) -> Callable[[Any, Any], tuple[Any, Any]]:
    """Return a function that makes one update; it gives the loss and the rate."""
    loss = step.training_loss(model)
    update: Callable[[Any, Any], tuple[Any, Any]]
    update = tf.function(lambda x, y: step.update(model, optimizer, loss, x, y))
    return update


def _smooth(losses: list[float], beta: float = 0.95) -> np.ndarray:
    """Return the running mean of the losses, with Adam's bias correction."""
    means = itertools.accumulate(
        losses, lambda mean, loss: beta * mean + (1 - beta) * loss, initial=0.0
    )
    bias = 1 - beta ** np.arange(1, len(losses) + 1)
    return np.asarray(list(means)[1:] / bias)
