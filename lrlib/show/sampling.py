"""`sample`: rates as an array, from whatever gives rates."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from lrlib.schedules.kinds import Number, check_whole, shown
from lrlib.schedules.schedule import Schedule

_RATE = Number((0.0, 1.0))


def sample(source: Any, steps: int, *, initial_learning_rate: float = 0.01) -> Any:
    """Return the learning rates of the first `steps` updates.

    Args:
        source: a `Schedule`; a number; a Keras `LearningRateSchedule`, also one that
            refuses arrays; a function as `keras.callbacks.LearningRateScheduler`
            takes it, `f(epoch)` or `f(epoch, learning_rate)`, where an epoch counts
            as a step; or a recorded run with `.rates`, such as
            `lrlib.RecordLearningRate`.
        steps: how many, at least 1.
        initial_learning_rate: where `f(epoch, learning_rate)` starts from.

    Returns:
        A float64 array of shape `(steps,)`.

    Raises:
        TypeError: `source` is none of these.
        ValueError: `steps` isn't a positive whole number, the run is shorter, or the
            function returns something other than a finite number.

    >>> import lrlib
    >>> lrlib.sample(lambda epoch, rate: rate * 0.5, 3, initial_learning_rate=0.4)
    array([0.2 , 0.1 , 0.05])

    """
    steps = check_whole("steps", steps, low=1)
    if isinstance(source, Schedule):
        return source(np.arange(steps))
    if isinstance(source, int | float | np.number):
        return np.full(steps, _RATE.check("source", source))
    if "keras" in sys.modules:
        from lrlib.libraries.keras import is_keras_schedule, sample_keras

        if is_keras_schedule(source):
            return sample_keras(source, steps)
    if hasattr(source, "rates"):
        rates = np.asarray(source.rates, dtype=np.float64)
        if len(rates) < steps:
            raise ValueError(f"steps={steps}, but the run has {len(rates)}")
        return rates[:steps]
    if callable(source) and not isinstance(source, type):
        rate = _RATE.check("initial_learning_rate", initial_learning_rate)
        return _sample_epochs(source, steps, rate)
    raise TypeError(
        "source must be a Schedule, a Keras schedule, a function of the epoch, a "
        f"number or a recorded run, got {shown(source)}"
    )


def _sample_epochs(
    function: Callable[..., Any], epochs: int, learning_rate: float
) -> np.ndarray:
    signature = inspect.signature(function)
    try:  # with the rate if it can be, as Keras does it
        signature.bind(0, learning_rate)
        takes_rate = True
    except TypeError:
        takes_rate = False
    rates = np.empty(epochs)
    for epoch in range(epochs):
        # The first epoch's rate, too, is what the function makes of the initial one;
        # so does Keras.
        learning_rate = (
            function(epoch, learning_rate) if takes_rate else function(epoch)
        )
        if not isinstance(learning_rate, int | float | np.number) or not math.isfinite(
            learning_rate
        ):
            raise ValueError(
                f"source must return a learning rate, got {shown(learning_rate)} "
                f"for epoch {epoch}"
            )
        rates[epoch] = learning_rate
    return rates
