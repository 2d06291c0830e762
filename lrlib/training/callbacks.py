"""`RecordLearningRate`: which rate each update has used."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import keras

from lrlib.training import inside, optimizers


class RecordLearningRate(keras.callbacks.Callback):
    """Write down the learning rate that each update really used.

    The steps are the optimizer's own count, so they go on where a resumed run goes
    on, and for a schedule s it holds that `rates == s(steps)`. With
    `gradient_accumulation_steps=n` only every n-th batch makes an update, and only
    these are written down: steps n - 1, 2n - 1, ... A batch whose update was skipped,
    as `LossScaleOptimizer` does after an overflow, leaves no entry.

    With `steps_per_execution=k` Keras calls callbacks around k updates at once. Each
    of them is written down all the same, as only a schedule can change the rate
    between them.

    A rate is read at the beginning of a batch, since at its end Keras has already
    counted the step. Put this callback last in the list, so that what the others do
    at the beginning of a batch is seen.

    A schedule is read as the training step reads it: compiled, unless the model runs
    eagerly. So if compiling makes Keras's own staircase drop one update late, the
    record shows it.

    Attributes:
        steps: for each update, the step at which a schedule is read, a list of int.
        rates: for each update, its learning rate, a list of float. NaN where it can't
            be known, because the optimizer's rate is a function.

    Raises:
        TypeError: in training, if the optimizer is a `MultiOptimizer`, whose
            optimizers each have a rate.

    Warns:
        UserWarning: in training, if the rate is a function, which Keras calls once
            when it compiles the training step; if the optimizer's schedule is replaced
            during training, which the compiled step ignores; or if the optimizer made
            no update in an epoch, as when `train_step` uses others.

    Notes:
        `fit` compiles the training step once, and that step ignores a schedule which
        the optimizer is given later. This callback can't see into a step that was
        compiled before, so it has Keras compile the step again when training begins,
        unless it has seen the same schedule at work before. A schedule given since
        then takes effect.

    >>> import keras
    >>> import lrlib
    >>> import numpy as np
    >>> s = keras.optimizers.schedules.PolynomialDecay(0.5, 4, 0.0)
    >>> model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(s), "mse")
    >>> record = lrlib.RecordLearningRate()
    >>> x = np.ones([6, 1])
    >>> _ = model.fit(x, x, batch_size=2, callbacks=[record], verbose=0)
    >>> record.steps, record.rates
    ([0, 1, 2], [0.5, 0.375, 0.25])

    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []
        self.rates: list[float] = []
        self._step: Any = None  # the training step, and the source that it reads
        self._source: Any = None
        self._rate: Callable[[int], float] = lambda t: math.nan
        self._begun = self._replaced = False
        self._before: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Look at the source of the rate anew, once every callback has set it."""
        self._begun = self._replaced = False

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Read the rates to come."""
        optimizer = optimizers.unwrap(self.model.optimizer)
        source = inside.source(optimizer)
        compiled = self._step is not self.model.train_function  # since it was read
        if compiled or not self._begun:
            self._begun = True
            if compiled or self._source is not source:
                self._read(source)
        elif source is not self._source:
            self._replace(source)
        if not callable(self._source):
            self._rate = optimizers.rate_function(self._source)
        self._first = inside.batches_seen(optimizer)
        if self._before is None:
            self._before = self._first
        # As they are now: at its end another callback may have changed them.
        coming = range(self._first, self._first + self.model.steps_per_execution)
        group = optimizers.batches_per_update(optimizer)
        self._coming = {t: self._rate(t) for t in coming if (t + 1) % group == 0}

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Write down the updates that have been made since."""
        optimizer = optimizers.unwrap(self.model.optimizer)
        group = optimizers.batches_per_update(optimizer)
        for step in range(self._first, inside.batches_seen(optimizer)):
            if (step + 1) % group == 0:
                self.steps.append(step)
                # More than were to come, if train_step makes several updates a batch.
                known = step in self._coming
                self.rates.append(self._coming[step] if known else self._rate(step))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begin to look for updates."""
        self._before = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Warn if another optimizer trains the model."""
        optimizers.warn_if_idle(self, self._before)

    def _read(self, source: Any) -> None:
        self._source = source
        if optimizers.is_schedule(source):
            self.model.make_train_function(force=True)
            self._rate = optimizers.rate_function(source, self.model)
        elif callable(source):
            self._rate = lambda t: math.nan
            warnings.warn(
                "RecordLearningRate can't know the rate: the optimizer's learning_rate "
                "is a function, which Keras calls once when it compiles the training "
                "step. It records NaN. For a rate that changes, use a schedule or a "
                "callback",
                stacklevel=3,
            )
        self._step = self.model.train_function

    def _replace(self, source: Any) -> None:
        if not optimizers.compiles(self.model):
            self._read(source)
        elif not self._replaced:
            self._replaced = True
            warnings.warn(
                "the optimizer's learning_rate was replaced during training, which the "
                "compiled training step ignores until model.compile. "
                "RecordLearningRate goes on with the one that the updates use",
                stacklevel=3,
            )
