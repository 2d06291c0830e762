"""`RecordLearningRate`: which rate each update has used."""

from __future__ import annotations

from typing import Any

import keras

from lrlib.training import optimizers


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

    Attributes:
        steps: for each update, the step at which a schedule is read, a list of int.
        rates: for each update, its learning rate, a list of float.

    Raises:
        TypeError: in training, if the optimizer is a `MultiOptimizer`, whose
            optimizers each have a rate.

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

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Note the step and where the rate comes from."""
        optimizer = optimizers.unwrap(self.model.optimizer)
        self._begin = optimizers.batches_seen(optimizer)
        self._rate = optimizers.rate_function(optimizer)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Write down the updates that have been made since."""
        optimizer = optimizers.unwrap(self.model.optimizer)
        group = optimizers.batches_per_update(optimizer)
        for step in range(self._begin, optimizers.batches_seen(optimizer)):
            if (step + 1) % group == 0:
                self.steps.append(step)
                self.rates.append(self._rate(step))
