"""Keras's schedules: the calls of its classes, each with what it makes."""

from __future__ import annotations

from typing import Any

from lrlib.libraries.meanings import m, staircase
from lrlib.libraries.table import Library, form, row, usually
from lrlib.schedules.schedule import Schedule

LIBRARY = Library("Keras", "keras", prefix="keras.optimizers.schedules.")

ROWS = (
    row(
        "ExponentialDecay(initial_learning_rate, decay_steps, decay_rate, "
        "staircase=False, name='')",
        "step(initial_learning_rate, decay_steps, decay_rate) if staircase else "
        "exponential(initial_learning_rate, decay_steps, decay_rate)",
        form(
            "step(initial_learning_rate, decay_steps, decay_rate)",
            "staircase=True",
            "Compiled, as fit does it, Keras's staircase drops one update late for "
            "some decay_steps (41, 47, 55, ...).",
        ),
        form("exponential(initial_learning_rate, decay_steps, decay_rate)"),
        form(
            "constant(initial_learning_rate)",
            "decay_steps=1, decay_rate=1.0",
            "Where Keras takes a schedule, it also takes a number.",
        ),
    ),
    row(
        "InverseTimeDecay(initial_learning_rate, decay_steps, decay_rate, "
        "staircase=False, name='')",
        "refuse('InverseTimeDecay with staircase=True') if staircase else "
        "inverse_time(initial_learning_rate, decay_steps, decay_rate)",
    ),
    row(
        "PiecewiseConstantDecay(boundaries, values, name='')",
        "keras_stairs(boundaries, values)",
        needs="len(values) == len(boundaries) + 1",
    ),
    row(
        "PolynomialDecay(initial_learning_rate, decay_steps, "
        "end_learning_rate=0.0001, power=1.0, cycle=False, name='')",
        "polynomial"
        "(initial_learning_rate, decay_steps, end_learning_rate, power, cycle)",
        form(
            "polynomial"
            "(initial_learning_rate, decay_steps, end_learning_rate, power, False)",
        ),
        form(
            "polynomial"
            "(initial_learning_rate, decay_steps, end_learning_rate, power, True)",
            "cycle=True",
            "Compiled, as fit does it, Keras starts a cycle one update early for some "
            "decay_steps (7, 14, 15, ...).",
        ),
    ),
    row(
        "CosineDecay(initial_learning_rate, decay_steps, alpha=0.0, name='', "
        "warmup_target=None, warmup_steps=0)",
        # Keras ignores a warm-up without a target.
        "cosine(initial_learning_rate, decay_steps, alpha) if warmup_target is None "
        "else cosine(warmup_target, decay_steps, alpha) if warmup_steps == 0 else "
        "warmup_cosine"
        "(initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps)",
    ),
    row(
        "CosineDecayRestarts(initial_learning_rate, first_decay_steps, t_mul=2.0, "
        "m_mul=1.0, alpha=0.0, name='')",
        "cosine_restarts"
        "(initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha)",
        note="Compiled, as fit does it, Keras restarts one update late for some "
        "first_decay_steps (41, 47, 55, ...).",
    ),
)


@usually("piecewise_constant(boundaries, values)")
def keras_stairs(boundaries: Any, values: Any) -> Schedule:
    """Return Keras's stairs, of which some may have no length."""
    if not isinstance(boundaries, list) or not isinstance(values, list):
        raise ValueError("boundaries and values must be lists")
    kept = [i for i, b in enumerate(boundaries) if i == 0 or b > boundaries[i - 1]]
    if len(values) != len(boundaries) + 1 or sorted(boundaries) != boundaries:
        return m["piecewise_constant"](boundaries, values)
    return staircase(
        [boundaries[i] for i in kept], [*(values[i] for i in kept), values[-1]]
    )
