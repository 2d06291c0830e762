"""Transformers: what its calls make, and how it makes a schedule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import sympy
from sympy import And, Eq, Lt

from lrlib.libraries.arithmetic import exact
from lrlib.libraries.by_formula import of_expression
from lrlib.libraries.meanings import (
    Wave,
    check,
    m,
    missing,
    warm,
    wave,
)
from lrlib.libraries.ways import (
    WAYS,
    Call,
    Entry,
    Native,
    in_template,
    inner,
    literal,
    native,
    number,
)
from lrlib.schedules import composition as c
from lrlib.schedules import formula
from lrlib.schedules.schedule import Schedule

# What its calls make ----

ROWS = {
    "get_constant_schedule()": "constant(lr)",
    "get_constant_schedule_with_warmup(num_warmup_steps)": "warm"
    "(constant(lr), num_warmup_steps, 0.0, lr)",
    "get_linear_schedule_with_warmup(num_warmup_steps, num_training_steps)": "warm"
    "(line_to_0(lr, num_training_steps - num_warmup_steps), num_warmup_steps, 0.0, lr)",
    "get_cosine_schedule_with_warmup(num_warmup_steps, num_training_steps, "
    "num_cycles=0.5)": "warm(waves(lr, num_training_steps - num_warmup_steps, "
    "num_cycles, 0.0), num_warmup_steps, 0.0, lr)",
    "get_cosine_with_hard_restarts_schedule_with_warmup(num_warmup_steps, "
    "num_training_steps, num_cycles=1)": "warm(hard_restarts(lr, "
    "num_training_steps - num_warmup_steps, num_cycles), num_warmup_steps, 0.0, lr)",
    "get_polynomial_decay_schedule_with_warmup(num_warmup_steps, num_training_steps, "
    "lr_end=1e-7, power=1.0)": "warm(transformers_polynomial(lr, "
    "num_training_steps - num_warmup_steps, lr_end, power), num_warmup_steps, 0.0, lr)",
    "get_inverse_sqrt_schedule(num_warmup_steps, timescale=None)": "warm"
    "(inverse_sqrt(lr, (num_warmup_steps or 10_000) if timescale is None "
    "else timescale), num_warmup_steps, 0.0, lr)",
    "get_cosine_with_min_lr_schedule_with_warmup(num_warmup_steps, "
    "num_training_steps, num_cycles=0.5, last_epoch=-1, min_lr=None, "
    "min_lr_rate=None)": "warm(waves(lr, num_training_steps - num_warmup_steps, "
    "num_cycles, floor(lr, min_lr, min_lr_rate)), num_warmup_steps, 0.0, lr)",
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate(num_warmup_steps, "
    "num_training_steps, num_cycles=0.5, last_epoch=-1, min_lr=None, "
    "min_lr_rate=None, warmup_lr_rate=None)": "early_peak(lr, num_warmup_steps, "
    "waves(lr, num_training_steps - num_warmup_steps, num_cycles, "
    "floor(lr, min_lr, min_lr_rate)), warmup_lr_rate)",
    "get_wsd_schedule(num_warmup_steps, num_decay_steps, num_training_steps=None, "
    "num_stable_steps=None, warmup_type='linear', decay_type='cosine', "
    "min_lr_ratio=0.0, num_cycles=0.5)": "wsd(lr, num_warmup_steps, num_decay_steps, "
    "num_training_steps, num_stable_steps, warmup_type, decay_type, min_lr_ratio, "
    "num_cycles)",
    "get_scheduler(name, num_warmup_steps=None, num_training_steps=None, "
    "scheduler_specific_kwargs=None)": "by_type(lr, name, num_warmup_steps, "
    "num_training_steps, scheduler_specific_kwargs)",
}


def waves(lr: float, steps: float, cycles: float, floor: float) -> Wave:
    """Return the cosine of Transformers: so many waves in so many steps."""
    steps = max(1, steps)
    check("num_cycles", cycles)
    if steps / (2 * cycles) == round(steps / (2 * cycles)):
        return wave(lr, round(steps / (2 * cycles)), floor)
    turns = sympy.Rational(str(2 * cycles)) / sympy.Rational(str(steps))
    turn = sympy.cos(sympy.pi * formula.t * turns)
    endless = of_expression(floor + (exact(lr) - floor) * (1 + turn) / 2)
    return Wave(endless, endless, steps / (2 * cycles))


def line_to_0(lr: float, steps: float) -> Schedule:
    """Return a line to 0; without any steps it is there."""
    return m["linear"](lr, steps) if steps > 0 else m["constant"](0.0)


def hard_restarts(lr: float, steps: float, cycles: float) -> Schedule:
    """Return Transformers' cosine with restarts."""
    check("num_training_steps without the warm-up", steps)
    if cycles == 1:
        return m["cosine"](lr, steps)
    if steps == int(steps) and cycles == int(cycles) and steps % cycles == 0:
        again = m["cosine_restarts"](lr, int(steps // cycles), t_mul=1.0)
        return c.join([again, m["constant"](0.0)], [int(steps)])
    t = formula.t
    share = sympy.Mod(sympy.Rational(str(cycles)) * t / sympy.Rational(str(steps)), 1)
    rate = exact(lr) * (1 + sympy.cos(sympy.pi * share)) / 2
    return of_expression(
        sympy.Piecewise((rate, t < sympy.Rational(str(steps))), (0, True))
    )


def transformers_polynomial(
    lr: float, steps: float, lr_end: float, power: float
) -> Schedule:
    """Return Transformers' polynomial, which refuses an end above the start."""
    if lr <= lr_end:
        raise ValueError(f"lr_end must be below lr={lr}, got {lr_end}")
    return m["polynomial"](lr, steps, lr_end, power)


def floor_of(lr: float, min_lr: float | None, min_lr_rate: float | None) -> float:
    """Return the floor of a cosine, given as a rate or as a fraction."""
    if min_lr is not None and min_lr_rate is None:
        return min_lr
    if min_lr_rate is not None and min_lr is None:
        return lr * min_lr_rate
    raise ValueError("give one of min_lr and min_lr_rate")


def early_peak(lr: float, warmup: int, cosine: Wave, start: Any) -> Any:
    """Return the warm-up of Transformers whose last update is the peak."""
    if warmup < 1:
        raise missing("this one without a warm-up: its cosine begins at step 1")
    share = 1 / warmup if start is None else start
    return warm(cosine, warmup - 1, lr * share, lr)


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


#: What the rows call.
MEANINGS = {
    "line_to_0": line_to_0,
    "waves": waves,
    "hard_restarts": hard_restarts,
    "transformers_polynomial": transformers_polynomial,
    "floor": floor_of,
    "early_peak": early_peak,
    "wsd": wsd,
}


# How it makes a schedule ----

#: The functions whose warm-up is a line from 0 that `lrlib.warmup` can be.
_TRANSFORMERS_WARM = (
    "get_cosine_with_min_lr_schedule_with_warmup",
    "get_inverse_sqrt_schedule",
    "get_linear_schedule_with_warmup",
    "get_polynomial_decay_schedule_with_warmup",
)


def _transformers(name: str, **more: str) -> Native:
    return native(
        f"get_{name}_with_warmup",
        num_warmup_steps="0",
        num_training_steps="{decay_steps}",
        **more,
    )


def _transformers_polynomial(power: str) -> Native:
    return replace(
        _transformers(
            "polynomial_decay_schedule", lr_end="{end_learning_rate}", power=power
        ),
        when=Lt(number("end_learning_rate"), number("initial_learning_rate")),
    )


def _transformers_cosine(**floor: str) -> Native:
    return replace(
        _transformers("cosine_with_min_lr_schedule", **floor),
        until=number("decay_steps"),
        note="Transformers' cosine rises again after num_training_steps: stop there.",
    )


def _transformers_warm(way: Native, steps: str, lr: str) -> Native:
    """Put a line from 0 in front; num_training_steps includes it."""
    arguments = {**way.call.arguments, "num_warmup_steps": steps}
    if "num_training_steps" in arguments:
        arguments["num_training_steps"] = f"{steps} + {arguments['num_training_steps']}"
    return replace(
        way,
        call=Call(way.call.name, arguments),
        lr=lr,
        until=in_template(steps) + way.until,
    )


def _transformers_warmup(schedule: Schedule) -> list[Native]:
    within = schedule.params["schedule"]
    from_zero = Eq(number("start"), 0)
    if within.name == "constant":
        way = native("get_constant_schedule_with_warmup", num_warmup_steps="{steps}")
        lr = "{schedule.initial_learning_rate}"
        return [replace(way, lr=lr, when=from_zero)]
    return [
        replace(
            _transformers_warm(way, "{steps}", way.lr),
            when=And(way.when, from_zero),
        )
        for way in inner("transformers", within, "schedule.")
        if way.call.name in _TRANSFORMERS_WARM
        and way.call.arguments["num_warmup_steps"] == "0"
    ]


def _transformers_warmup_stable_decay(schedule: Schedule) -> Native:
    return replace(
        native(
            "get_wsd_schedule",
            num_warmup_steps="{warmup_steps}",
            num_stable_steps="{stable_steps}",
            num_decay_steps="{decay_steps}",
            decay_type=literal(schedule.params["decay_type"]),
            min_lr_ratio="{alpha}",
        ),
        lr="{warmup_target}",
        # The warm-up, too, starts from min_lr_ratio.
        when=Eq(
            number("initial_learning_rate"),
            number("alpha") * number("warmup_target"),
        ),
    )


_TRANSFORMERS: dict[str, Entry] = {
    "constant": native("get_constant_schedule"),
    "inverse_sqrt": replace(
        native(
            "get_inverse_sqrt_schedule", num_warmup_steps="0", timescale="{timescale}"
        ),
        when=Eq(number("offset"), 0),
    ),
    "linear": [
        replace(
            _transformers("linear_schedule"),
            when=Eq(number("end_learning_rate"), 0),
        ),
        _transformers_polynomial("1.0"),
    ],
    "polynomial": lambda schedule: (
        [] if schedule.params["cycle"] else [_transformers_polynomial("{power}")]
    ),
    "cosine": _transformers_cosine(min_lr_rate="{alpha}"),
    "cosine_annealing": _transformers_cosine(min_lr="{end_learning_rate}"),
    "warmup_cosine": replace(
        _transformers_warm(
            _transformers_cosine(min_lr_rate="{alpha}"),
            "{warmup_steps}",
            "{warmup_target}",
        ),
        when=Eq(number("initial_learning_rate"), 0),
    ),
    "warmup_stable_decay": _transformers_warmup_stable_decay,
    "warmup": _transformers_warmup,
}

WAYS["transformers"] = _TRANSFORMERS
