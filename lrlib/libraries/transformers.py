"""Transformers' schedules: each call with what it makes."""

from __future__ import annotations

from typing import Any

import sympy

from lrlib.libraries.arithmetic import exact
from lrlib.libraries.by_formula import of_expression
from lrlib.libraries.meanings import Wave, bound, check, m, missing, warm, wave
from lrlib.libraries.table import READ_ONLY, Library, form, row, usually, word
from lrlib.schedules import composition as c
from lrlib.schedules import formula
from lrlib.schedules.schedule import Schedule

LIBRARY = Library(
    "Transformers",
    "transformers",
    stepping="Call scheduler.step() after every update.",
    also="last_epoch=-1",
)

_DECAYS = "num_warmup_steps, num_training_steps"
_STEPS = "num_training_steps - num_warmup_steps"
_WARM = "num_warmup_steps, 0.0, lr"
_NOTE = "Transformers' cosine rises again after num_training_steps: stop there."
ROWS = (
    row("get_constant_schedule()", "constant(lr)"),
    row(
        "get_constant_schedule_with_warmup(num_warmup_steps)",
        f"warm(constant(lr), {_WARM})",
    ),
    row(
        f"get_linear_schedule_with_warmup({_DECAYS})",
        f"warm(line_to_0(lr, {_STEPS}), {_WARM})",
    ),
    # What is written is the call with a floor, below.
    row(
        f"get_cosine_schedule_with_warmup({_DECAYS}, num_cycles=0.5)",
        f"warm(waves(lr, {_STEPS}, num_cycles, 0.0), {_WARM})",
        READ_ONLY,
    ),
    row(
        f"get_cosine_with_hard_restarts_schedule_with_warmup({_DECAYS}, num_cycles=1)",
        f"warm(hard_restarts(lr, {_STEPS}, num_cycles), {_WARM})",
        READ_ONLY,
    ),
    row(
        f"get_polynomial_decay_schedule_with_warmup({_DECAYS}, lr_end=1e-7, power=1.0)",
        f"warm(polynomial(lr, {_STEPS}, lr_end, power) if lr_end < lr else "
        f"refuse('lr_end must be below lr'), {_WARM})",
        form(f"warm(polynomial(lr, {_STEPS}, lr_end, power), {_WARM})"),
        when="lr_end < lr",
    ),
    row(
        "get_inverse_sqrt_schedule(num_warmup_steps, timescale=None)",
        "warm(inverse_sqrt(lr, (num_warmup_steps or 10_000) if timescale is None "
        f"else timescale), {_WARM})",
        form(f"warm(inverse_sqrt(lr, timescale), {_WARM})"),
    ),
    row(
        f"get_cosine_with_min_lr_schedule_with_warmup({_DECAYS}, num_cycles=0.5, "
        "last_epoch=-1, min_lr=None, min_lr_rate=None)",
        f"warm(waves(lr, {_STEPS}, num_cycles, lowest(lr, min_lr, min_lr_rate)), "
        f"{_WARM})",
        form(f"warm(cosine(lr, {_STEPS}, min_lr_rate), {_WARM})"),
        form(f"warm(cosine_annealing(lr, {_STEPS}, min_lr), {_WARM})"),
        until="num_training_steps",
        note=_NOTE,
    ),
    row(
        "get_cosine_with_min_lr_schedule_with_warmup_lr_rate("
        f"{_DECAYS}, num_cycles=0.5, last_epoch=-1, min_lr=None, min_lr_rate=None, "
        "warmup_lr_rate=None)",
        f"early_peak(lr, num_warmup_steps, waves(lr, {_STEPS}, num_cycles, "
        "lowest(lr, min_lr, min_lr_rate)), warmup_lr_rate)",
    ),
    row(
        "get_wsd_schedule(num_warmup_steps, num_decay_steps, num_training_steps=None, "
        "num_stable_steps=None, warmup_type='linear', decay_type='cosine', "
        "min_lr_ratio=0.0, num_cycles=0.5)",
        "wsd(lr, num_warmup_steps, num_decay_steps, num_training_steps, "
        "num_stable_steps, warmup_type, decay_type, min_lr_ratio, num_cycles)",
    ),
    row(
        "get_scheduler(name, num_warmup_steps=None, num_training_steps=None, "
        "scheduler_specific_kwargs=None)",
        "by_type(lr, name, num_warmup_steps, num_training_steps, "
        "scheduler_specific_kwargs)",
    ),
)


@word
def waves(lr: float, steps: float, cycles: float, floor: float) -> Wave:
    """Return the cosine of Transformers: so many waves in so many steps."""
    steps = max(1, steps)
    check("num_cycles", cycles)
    return wave(lr, steps / (2 * cycles), floor)


@usually("linear(lr, steps, 0.0)")
def line_to_0(lr: float, steps: float) -> Schedule:
    """Return a line to 0; without any steps it is there."""
    return m["linear"](lr, steps) if steps > 0 else m["constant"](0.0)


@word
def hard_restarts(lr: float, steps: float, cycles: float) -> Schedule:
    """Return Transformers' cosine with restarts."""
    check("num_training_steps without the warm-up", steps)
    if cycles == 1:
        return m["cosine"](lr, steps)
    if steps == int(steps) and cycles == int(cycles) and steps % cycles == 0:
        again = m["cosine_restarts"](lr, int(steps // cycles), t_mul=1.0)
        return c.join([again, m["constant"](0.0)], [int(steps)])
    t, end = formula.t, sympy.Rational(str(steps))
    share = sympy.Mod(sympy.Rational(str(cycles)) * t / end, 1)
    rate = exact(lr) * (1 + sympy.cos(sympy.pi * share)) / 2
    return of_expression(sympy.Piecewise((rate, t < end), (0, True)))


@word
def lowest(lr: float, min_lr: float | None, min_lr_rate: float | None) -> float:
    """Return the floor of a cosine, given as a rate or as a fraction."""
    if min_lr is not None and min_lr_rate is None:
        return min_lr
    if min_lr_rate is not None and min_lr is None:
        return lr * min_lr_rate
    raise ValueError("give one of min_lr and min_lr_rate")


@word
def early_peak(lr: float, warmup: int, cosine: Wave, start: Any) -> Any:
    """Return the warm-up of Transformers whose last update is the peak."""
    if warmup < 1:
        raise missing("this one without a warm-up: its cosine begins at step 1")
    share = 1 / warmup if start is None else start
    return warm(cosine, warmup - 1, lr * share, lr)


@usually(
    # The warm-up, too, starts from min_lr_ratio.
    "warmup_stable_decay(anything, lr, 0, stable, decay, decay_type, alpha) "
    "if warmup == 0 else "
    "warmup_stable_decay(alpha * lr, lr, warmup, stable, decay, decay_type, alpha)"
)
def wsd(
    lr: float,
    warmup: int,
    decay: int,
    training: Any,
    stable: Any,
    warmup_type: str,
    decay_type: str,
    alpha: float,
    cycles: float,
) -> Schedule:
    """Return Transformers' warm-up, stable stretch and decay."""
    if stable is None:
        if training is None:
            raise ValueError("give num_training_steps or num_stable_steps")
        stable = training - warmup - decay
    if warmup_type != "linear" or (decay_type == "cosine" and cycles != 0.5):
        raise missing(f"warmup_type={warmup_type!r} with num_cycles={cycles}")
    return m["warmup_stable_decay"](
        alpha * lr, lr, warmup, stable, decay, decay_type, alpha
    )


#: Transformers' functions, by the name that `get_scheduler` has for them.
TYPES = {
    "constant": "get_constant_schedule",
    "constant_with_warmup": "get_constant_schedule_with_warmup",
    "cosine": "get_cosine_schedule_with_warmup",
    "cosine_warmup_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "cosine_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup",
    "cosine_with_restarts": "get_cosine_with_hard_restarts_schedule_with_warmup",
    "inverse_sqrt": "get_inverse_sqrt_schedule",
    "linear": "get_linear_schedule_with_warmup",
    "polynomial": "get_polynomial_decay_schedule_with_warmup",
    "warmup_stable_decay": "get_wsd_schedule",
}


@word
def by_type(lr: float, name: str, warmup: Any, total: Any, more: Any) -> Any:
    """Return what Transformers' `get_scheduler` makes."""
    if not isinstance(name, str) or name not in TYPES:
        raise missing(f"get_scheduler({name!r})")
    (row,) = (row for row in ROWS if row.name == TYPES[name])
    given = {"num_warmup_steps": warmup, "num_training_steps": total}
    takes = row.signature.parameters
    used = {k: v for k, v in given.items() if k in takes and v is not None}
    return bound(row, lr, [], {**used, **(more or {})})
