"""Keras: what its calls make, and how it makes a schedule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lrlib.libraries.meanings import (
    m,
    missing,
    staircase,
)
from lrlib.libraries.ways import (
    WAYS,
    Call,
    Entry,
    Native,
    native,
    own_arguments,
)
from lrlib.schedules.schedule import Schedule

# What its calls make ----

ROWS = {
    "ExponentialDecay(initial_learning_rate, decay_steps, decay_rate, "
    "staircase=False, name='')": "(step if staircase else exponential)"
    "(initial_learning_rate, decay_steps, decay_rate)",
    "InverseTimeDecay(initial_learning_rate, decay_steps, decay_rate, "
    "staircase=False, name='')": "keras_inverse_time"
    "(initial_learning_rate, decay_steps, decay_rate, staircase)",
    "PiecewiseConstantDecay(boundaries, values, name='')": "keras_piecewise_constant"
    "(boundaries, values)",
    "PolynomialDecay(initial_learning_rate, decay_steps, end_learning_rate=0.0001, "
    "power=1.0, cycle=False, name='')": "polynomial"
    "(initial_learning_rate, decay_steps, end_learning_rate, power, cycle)",
    "CosineDecay(initial_learning_rate, decay_steps, alpha=0.0, name='', "
    "warmup_target=None, warmup_steps=0)": "keras_cosine"
    "(initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps)",
    "CosineDecayRestarts(initial_learning_rate, first_decay_steps, t_mul=2.0, "
    "m_mul=1.0, alpha=0.0, name='')": "cosine_restarts"
    "(initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha)",
}


def keras_inverse_time(rate: float, steps: float, decay: float, stairs: bool) -> Any:
    """Return Keras's inverse time decay; lrlib has it without stairs."""
    if stairs:
        raise missing("InverseTimeDecay with staircase=True")
    return m["inverse_time"](rate, steps, decay)


def keras_piecewise_constant(boundaries: Any, values: Any) -> Schedule:
    """Return Keras's stairs, of which some may have no length."""
    if not isinstance(boundaries, list) or not isinstance(values, list):
        raise ValueError("boundaries and values must be lists")
    kept = [i for i, b in enumerate(boundaries) if i == 0 or b > boundaries[i - 1]]
    if len(values) != len(boundaries) + 1 or sorted(boundaries) != boundaries:
        return m["piecewise_constant"](boundaries, values)
    return staircase(
        [boundaries[i] for i in kept], [*(values[i] for i in kept), values[-1]]
    )


def keras_cosine(
    rate: float, steps: float, alpha: float, target: Any, warmup: Any
) -> Schedule:
    """Return Keras's cosine, which ignores a warm-up without a target."""
    if target is None:
        return m["cosine"](rate, steps, alpha)
    if warmup == 0:
        return m["cosine"](target, steps, alpha)
    return m["warmup_cosine"](rate, steps, alpha, target, warmup)


#: What the rows call.
MEANINGS = {
    "keras_inverse_time": keras_inverse_time,
    "keras_piecewise_constant": keras_piecewise_constant,
    "keras_cosine": keras_cosine,
}


# How it makes a schedule ----

#: Keras' class for a schedule, and what it takes beside the schedule's own parameters.
KERAS_CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "inverse_time": ("InverseTimeDecay", {}),
    "exponential": ("ExponentialDecay", {}),
    "step": ("ExponentialDecay", {"staircase": True}),
    "piecewise_constant": ("PiecewiseConstantDecay", {}),
    "polynomial": ("PolynomialDecay", {}),
    "linear": ("PolynomialDecay", {"power": 1.0}),
    "cosine": ("CosineDecay", {}),
    "warmup_cosine": ("CosineDecay", {}),
    "cosine_restarts": ("CosineDecayRestarts", {}),
}


def _keras_class(schedule: Schedule) -> Native:
    name, extra = KERAS_CLASSES[schedule.name]
    more = {key: repr(value) for key, value in extra.items()}
    note = _LATE if extra.get("staircase") else ""
    return Native(Call(name, {**own_arguments(schedule), **more}), note=note)


_LATE = (
    "Compiled, as fit does it, Keras's staircase drops one update late for some "
    "decay_steps (41, 47, 55, ...)."
)


def _keras_warmup(schedule: Schedule) -> list[Native]:
    if schedule.params["schedule"].name != "cosine":
        return []
    return [
        native(
            "CosineDecay",
            initial_learning_rate="{start}",
            decay_steps="{schedule.decay_steps}",
            alpha="{schedule.alpha}",
            warmup_target="{schedule.initial_learning_rate}",
            warmup_steps="{steps}",
        )
    ]


_KERAS: dict[str, Entry] = {
    "constant": replace(
        native(
            "ExponentialDecay",
            initial_learning_rate="{initial_learning_rate}",
            decay_steps="1",
            decay_rate="1.0",
        ),
        note="Where Keras takes a schedule, it also takes a number.",
    ),
    **{name: _keras_class for name in KERAS_CLASSES},
    "cosine_annealing": native(
        "CosineDecay",
        initial_learning_rate="{initial_learning_rate}",
        decay_steps="{decay_steps}",
        alpha="{end_learning_rate} / {initial_learning_rate}",
    ),
    "warmup": _keras_warmup,
}

WAYS["keras"] = _KERAS
