"""Schedules inside Keras: `to_keras`, and rates from any Keras schedule."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras.optimizers import schedules as keras_schedules

from lrlib.libraries.keras_names import KERAS_CLASSES
from lrlib.schedules import formula, printing
from lrlib.schedules.schedule import Schedule, from_config


def _double(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function of Keras's plain numbers as float64; it would take float32."""

    def double(x: Any) -> Any:
        plain = type(x) in (int, float)
        return keras.ops.convert_to_tensor(x, "float64") if plain else x

    return lambda *arguments: function(*map(double, arguments))


#: keras.ops for formulas in float64.
_OPERATIONS = SimpleNamespace(
    **{name: _double(getattr(keras.ops, name)) for name in printing.ARRAY_FUNCTIONS}
)


@keras.saving.register_keras_serializable(package="lrlib")
class FormulaSchedule(keras_schedules.LearningRateSchedule):
    """An lrlib schedule as a Keras schedule.

    It computes in float64, where every step up to 2**53 is exact, and returns Keras'
    default float type.

    Args:
        schedule: the `Schedule`, or what its `get_config` has returned.

    """

    def __init__(self, schedule: Schedule | dict[str, Any]) -> None:
        if not isinstance(schedule, Schedule):
            schedule = from_config(schedule)
        self.schedule = schedule
        symbols = (formula.t, *schedule.symbols)
        self._function = printing.compile_for(
            _OPERATIONS, schedule.named_formula, symbols
        )

    def __call__(self, step: Any) -> Any:
        """Return the rates at `step`, a scalar or a tensor of any shape."""
        t = keras.ops.cast(step, "float64")
        # No step is below 0, but that a compiler cannot know. It would turn t / 49 into
        # t * (1 / 49), which is below 1 at t = 49: the drop would come a step late.
        numbers = [
            keras.ops.where(t < 0, t, keras.ops.convert_to_tensor(value, "float64"))
            for value in self.schedule.numbers.values()
        ]
        rates = self._function(t, *numbers)
        rates = keras.ops.broadcast_to(rates, keras.ops.shape(t))
        return keras.ops.cast(rates, keras.backend.floatx())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.schedule,)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        return {"schedule": self.schedule.get_config()}

    def __repr__(self) -> str:
        return f"FormulaSchedule({self.schedule!r})"


def to_keras(schedule: Schedule) -> keras_schedules.LearningRateSchedule:
    """Return Keras's own class where that makes the curve, else a `FormulaSchedule`.

    Keras's staircase doesn't: compiled, it drops one update late for some lengths (41,
    47, 55), because the compiler multiplies by 1/41.
    """
    if schedule.name not in KERAS_CLASSES or schedule.name == "step":
        return FormulaSchedule(schedule)
    name, extra = KERAS_CLASSES[schedule.name]
    params = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in schedule.params.items()
    }
    return getattr(keras_schedules, name)(**params, **extra)


def is_keras_schedule(source: Any) -> bool:
    """Say whether `source` is a Keras learning-rate schedule."""
    return isinstance(source, keras_schedules.LearningRateSchedule)


def sample_keras(schedule: Any, steps: int) -> np.ndarray:
    """Return the rates of a Keras schedule, which may refuse arrays, at 0..steps-1."""
    if isinstance(schedule, FormulaSchedule):
        return schedule.schedule(np.arange(steps))
    import tensorflow as tf

    # One graph that loops: as the optimizer does it, one scalar step after another.
    def rates() -> Any:
        return tf.map_fn(
            lambda t: tf.cast(schedule(t), tf.float64),
            tf.range(steps, dtype=tf.int64),
            fn_output_signature=tf.float64,
        )

    return tf.function(rates).get_concrete_function()().numpy()
