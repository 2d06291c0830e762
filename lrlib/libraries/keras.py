"""Schedules inside Keras: `to_keras`, and rates from any Keras schedule."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
from keras.optimizers import schedules as keras_schedules

from lrlib.schedules import formula, printing
from lrlib.schedules.schedule import Schedule, from_config


def _double(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function of Keras's plain numbers as float64; it would take float32."""

    def double(x: Any) -> Any:
        plain = type(x) in (int, float)
        return keras.ops.convert_to_tensor(x, _FLOAT) if plain else x

    return lambda *arguments: function(*map(double, arguments))


def _float64() -> contextlib.AbstractContextManager[Any]:
    """Let JAX compute in float64 for a while, which it doesn't unless it is asked."""
    if keras.backend.backend() != "jax":
        return contextlib.nullcontext()
    import jax

    return jax.enable_x64(True)


# On JAX and PyTorch, keras.ops.floor and others make float64 into float32.
_LIBRARY = import_module(
    {"jax": "jax.numpy", "torch": "torch"}.get(keras.backend.backend(), "keras.ops")
)
#: What formulas compute in. Apple's GPU, which PyTorch calls mps, has no float64.
_FLOAT = "float64"
if keras.backend.backend() == "torch" and keras.ops.zeros(()).device.type == "mps":
    _FLOAT = "float32"
#: The library's functions, for formulas in that type.
_OPERATIONS = SimpleNamespace(
    **{name: _double(getattr(_LIBRARY, name)) for name in printing.ARRAY_FUNCTIONS}
)


@keras.saving.register_keras_serializable(package="lrlib")
class FormulaSchedule(keras_schedules.LearningRateSchedule):
    """An lrlib schedule as a Keras schedule.

    It computes in float64, where every step up to 2**53 is exact, and returns Keras'
    default float type. On Apple's GPU, which lacks float64, it computes in float32.

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
        with _float64():
            t = keras.ops.cast(step, _FLOAT)
            # No step is below 0, but that a compiler cannot know. It would turn t / 49
            # into t * (1 / 49), which is below 1 at t = 49: a drop would come late.
            numbers = [
                keras.ops.where(t < 0, t, keras.ops.convert_to_tensor(value, _FLOAT))
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

    Where Keras rounds down to a whole number of lengths it doesn't: compiled, its
    staircase drops and its cosine restarts one update late for some lengths (41, 47,
    55), because the compiler multiplies by 1/41. Its `PolynomialDecay(cycle=True)`
    begins a cycle too early for others (7, 14, 15).
    """
    from lrlib.libraries import names  # noqa: F401, which fills the table
    from lrlib.libraries.inverse import term, ways

    for way in ways("keras", term(schedule)):
        arguments = {k: _value(v, schedule) for k, v in way.arguments.items()}
        if not way.note and None not in arguments.values():
            return getattr(keras_schedules, way.name)(**arguments)
    return FormulaSchedule(schedule)


def _value(code: Any, schedule: Schedule) -> Any:
    """Return an argument that is the schedule's own or a constant; None for others."""
    if isinstance(code, list):
        return [_value(each, schedule) for each in code]
    path = code.strip("{}")
    if path.partition(".")[0] in schedule.params and "schedule." not in path:
        return schedule.numbers[path]
    return None if "{" in code else ast.literal_eval(code)


def is_keras_schedule(source: Any) -> bool:
    """Say whether `source` is a Keras learning-rate schedule."""
    return isinstance(source, keras_schedules.LearningRateSchedule)


def sample_keras(schedule: Any, steps: int) -> np.ndarray:
    """Return the rates of a Keras schedule, which may refuse arrays, at 0..steps-1."""
    if isinstance(schedule, FormulaSchedule):
        return schedule.schedule(np.arange(steps))
    return compute(schedule, np.arange(steps))


def compute(schedule: Any, steps: np.ndarray, *, autograph: bool = True) -> np.ndarray:
    """Return a schedule's rates, compiled where Keras's `fit` compiles.

    One scalar step after another, as the optimizer does it.
    """
    if keras.backend.backend() != "tensorflow":
        found = keras.ops.map(
            lambda t: keras.ops.convert_to_tensor(schedule(t)),
            keras.ops.convert_to_tensor(steps, "int"),
        )
        return keras.ops.convert_to_numpy(found).astype(np.float64)
    import tensorflow as tf

    def rates() -> Any:
        return tf.map_fn(
            lambda t: tf.cast(schedule(t), tf.float64),
            tf.constant(steps, tf.int64),
            fn_output_signature=tf.float64,
        )

    compiled = tf.function(rates, autograph=autograph)
    return compiled.get_concrete_function()().numpy()
