"""optax: what its calls make, and how it makes a schedule."""

from __future__ import annotations

import operator
import textwrap
from dataclasses import replace
from itertools import accumulate
from typing import Any

from sympy import And, Eq, Gt, floor

from lrlib.libraries.meanings import (
    after,
    check,
    m,
    sequence,
    staircase,
    through,
    warm,
)
from lrlib.libraries.ways import (
    WAYS,
    Call,
    Entry,
    Native,
    in_template,
    inner,
    native,
    number,
    own_arguments,
    text_of,
)
from lrlib.schedules import composition as c
from lrlib.schedules.schedule import Schedule

# What its calls make ----

ROWS = {
    "constant_schedule(value)": "constant(value)",
    "linear_schedule(init_value, end_value, transition_steps, transition_begin=0)": (
        "after(transition_begin, constant(init_value), "
        "line(init_value, end_value, transition_steps))"
    ),
    "polynomial_schedule(init_value, end_value, power, transition_steps, "
    "transition_begin=0)": "after(transition_begin, constant(init_value), "
    "polynomial(init_value, transition_steps, end_value, power))",
    "piecewise_constant_schedule(init_value, boundaries_and_scales=None)": (
        "optax_stairs(init_value, boundaries_and_scales)"
    ),
    "piecewise_interpolate_schedule(interpolate_type, init_value, "
    "boundaries_and_scales=None)": "optax_interpolate"
    "(interpolate_type, init_value, boundaries_and_scales)",
    "exponential_decay(init_value, transition_steps, decay_rate, transition_begin=0, "
    "staircase=False, end_value=None)": "optax_exponential(init_value, "
    "transition_steps, decay_rate, transition_begin, staircase, end_value)",
    "cosine_decay_schedule(init_value, decay_steps, alpha=0.0, exponent=1.0)": (
        "cosine_power(init_value, decay_steps, alpha, exponent)"
    ),
    "warmup_constant_schedule(init_value, peak_value, warmup_steps)": "warm"
    "(constant(peak_value), warmup_steps, init_value, peak_value)",
    # optax counts the warm-up into decay_steps.
    "warmup_cosine_decay_schedule(init_value, peak_value, warmup_steps, decay_steps, "
    "end_value=0.0, exponent=1.0)": "optax_warmup_cosine(init_value, peak_value, "
    "warmup_steps, decay_steps - warmup_steps, end_value, exponent)",
    "warmup_exponential_decay_schedule(init_value, peak_value, warmup_steps, "
    "transition_steps, decay_rate, transition_begin=0, staircase=False, "
    "end_value=None)": "warm(optax_exponential(peak_value, transition_steps, "
    "decay_rate, transition_begin, staircase, end_value), warmup_steps, init_value, "
    "peak_value)",
    "cosine_onecycle_schedule(transition_steps, peak_value, pct_start=0.3, "
    "div_factor=25.0, final_div_factor=1e4)": "through('cosine', "
    "[int(pct_start * transition_steps), transition_steps], [peak_value / div_factor, "
    "peak_value, peak_value / div_factor / final_div_factor])",
    "linear_onecycle_schedule(transition_steps, peak_value, pct_start=0.3, "
    "pct_final=0.85, div_factor=25.0, final_div_factor=1e4)": "through('linear', "
    "[int(pct_start * transition_steps), int(pct_final * transition_steps), "
    "transition_steps], [peak_value / div_factor, peak_value, peak_value / div_factor, "
    "peak_value / div_factor / final_div_factor])",
    "sgdr_schedule(cosine_kwargs)": "sgdr(cosine_kwargs)",
    "join_schedules(schedules, boundaries)": "sequence(schedules, boundaries)",
}


def _steps(scales: Any) -> list[tuple[int, float]]:
    if scales is None:
        return []
    if not isinstance(scales, dict):
        raise ValueError("boundaries_and_scales must be a dictionary, step: scale")
    for step in scales:
        check("a step in boundaries_and_scales", step, above=-1)
    return sorted(scales.items())


def optax_stairs(init_value: float, scales: Any) -> Schedule:
    """Return optax's steps, each with what it multiplies the rate by."""
    steps = _steps(scales)
    values = list(accumulate([init_value, *(v for _, v in steps)], operator.mul))
    if steps and steps[0][0] == 0:  # the first value is never used
        steps, values = steps[1:], values[1:]
    return staircase([b - 1 for b, _ in steps], values)


def optax_interpolate(kind: str, init_value: float, scales: Any) -> Schedule:
    """Return optax's points, each with what it multiplies the rate by."""
    steps = _steps(scales)
    values = list(accumulate([init_value, *(v for _, v in steps)], operator.mul))
    return through(kind, [b for b, _ in steps], values)


def optax_exponential(
    init_value: float,
    steps: int,
    decay_rate: float,
    begin: int,
    staircase: bool,
    end_value: Any,
) -> Schedule:
    """Return optax's exponential decay, down or up to an end."""
    if steps <= 0 or decay_rate == 0:
        return m["constant"](init_value)
    curve = m["step" if staircase else "exponential"](init_value, steps, decay_rate)
    curve = after(begin, m["constant"](init_value), curve)
    if end_value is None:
        return curve
    if decay_rate < 1:
        high = max(init_value, end_value)
        return c.clip(curve, end_value, high)
    return c.clip(curve, 0.0, end_value)


def cosine_power(peak: float, steps: float, alpha: float, exponent: float) -> Schedule:
    """Return optax's cosine, raised to a power."""
    if exponent == 1:
        return m["cosine"](peak, steps, alpha)
    return m["cosine_exponent"](peak, steps, alpha, exponent)


def optax_warmup_cosine(
    start: float, peak: float, warmup: int, steps: int, end: float, exponent: float
) -> Any:
    """Return optax's warm-up and cosine."""
    check("decay_steps without the warm-up", steps)
    alpha = end / peak if peak else 0.0
    if exponent == 1 and warmup > 0 and peak > 0:
        return m["warmup_cosine"](start, steps, alpha, peak, warmup)
    return warm(cosine_power(peak, steps, alpha, exponent), warmup, start, peak)


def sgdr(cosine_kwargs: Any) -> Any:
    """Return optax's cosine cycles, each with its warm-up."""
    if not isinstance(cosine_kwargs, list) or not cosine_kwargs:
        raise ValueError("sgdr_schedule: give a list of dictionaries")
    names = ("init_value", "peak_value", "warmup_steps", "decay_steps")
    cycles = []
    for kwargs in cosine_kwargs:
        given = {"end_value": 0.0, "exponent": 1.0, **kwargs}
        if lacking := [name for name in names if name not in given]:
            raise ValueError(f"sgdr_schedule: a cycle has no {lacking[0]}")
        start, peak, warmup, steps = (given.pop(name) for name in names)
        cycle = optax_warmup_cosine(
            start,
            peak,
            warmup,
            steps - warmup,
            given.pop("end_value"),
            given.pop("exponent"),
        )
        if given:
            raise ValueError(f"sgdr_schedule: no such argument, {next(iter(given))}")
        cycles.append(cycle)
    ends = list(accumulate(kwargs["decay_steps"] for kwargs in cosine_kwargs))
    return sequence(cycles, ends[:-1])


#: What the rows call.
MEANINGS = {
    "optax_stairs": optax_stairs,
    "optax_interpolate": optax_interpolate,
    "optax_exponential": optax_exponential,
    "cosine_power": cosine_power,
    "optax_warmup_cosine": optax_warmup_cosine,
    "sgdr": sgdr,
}


# How it makes a schedule ----


def _join(schedules: list[Call | str], boundaries: list[str]) -> Native:
    arguments = {"schedules": schedules, "boundaries": boundaries}
    return Native(Call("join_schedules", arguments))


def _constant(value: str) -> Call:
    return Call("constant_schedule", {"value": value})


def _line(first: str, last: str, steps: str) -> Call:
    arguments = {"init_value": first, "end_value": last, "transition_steps": steps}
    return Call("linear_schedule", arguments)


def _optax_cosine(**more: str) -> Native:
    return native(
        "cosine_decay_schedule",
        init_value="{initial_learning_rate}",
        decay_steps="{decay_steps}",
        **more,
    )


def _optax_piecewise_constant(schedule: Schedule) -> Native:
    own = own_arguments(schedule)
    # Keras' boundary still has the rate before it, optax' already the one after.
    boundaries = [f"{b} + 1" for b in own["boundaries"]]
    return _join([_constant(value) for value in own["values"]], boundaries)


def _optax_piecewise_interpolate(schedule: Schedule) -> Native:
    own = own_arguments(schedule)
    values = own["values"]
    pairs = zip(own["boundaries"], values, values[1:], strict=False)
    scales = ", ".join(f"{b}: {after} / {before}" for b, before, after in pairs)
    return Native(
        Call(
            "piecewise_interpolate_schedule",
            {
                "interpolate_type": own["interpolate_type"],
                "init_value": values[0],
                "boundaries_and_scales": f"{{{scales}}}",
            },
        ),
        when=And(*(Gt(in_template(v), 0) for v in values[:-1])),
    )


def _optax_polynomial(schedule: Schedule) -> list[Native]:
    if schedule.params["cycle"]:
        return []
    way = native(
        "polynomial_schedule",
        init_value="{initial_learning_rate}",
        end_value="{end_learning_rate}",
        power="{power}",
        transition_steps="{decay_steps}",
    )
    # Under jit what is left at the end can be just below 0, and a root of it is NaN.
    return [replace(way, when=Eq(floor(number("power")), number("power")))]


def _optax_warmup_stable_decay(schedule: Schedule) -> list[Native]:
    peak = "{warmup_target}"
    decays = {
        "linear": _line(peak, f"{{alpha}} * {peak}", "{decay_steps}"),
        "cosine": Call(
            "cosine_decay_schedule",
            {"init_value": peak, "decay_steps": "{decay_steps}", "alpha": "{alpha}"},
        ),
    }
    if schedule.params["decay_type"] not in decays:
        return []
    climb = _line("{initial_learning_rate}", peak, "{warmup_steps}")
    down = decays[schedule.params["decay_type"]]
    boundaries = ["{warmup_steps}", "{warmup_steps} + {stable_steps}"]
    return [_join([climb, _constant(peak), down], boundaries)]


_OPTAX_CYCLES = 20


def _optax_cosine_restarts(schedule: Schedule) -> Native:
    peak = "({alpha} + (1 - {alpha}) * {m_mul} ** i)"
    arguments = {
        "init_value": f"{{initial_learning_rate}} * {peak}",
        "decay_steps": "lengths[i]",
        "alpha": f"{{alpha}} / {peak}",
    }
    one = text_of(Call("cosine_decay_schedule", arguments), "optax.")
    cycles = f"[\n{textwrap.indent(one, '    ')}\n    for i in range(cycles)\n]"
    return replace(
        native(
            "join_schedules",
            schedules=cycles,
            boundaries="[sum(lengths[:i]) for i in range(1, cycles)]",
        ),
        setup=f"cycles = {_OPTAX_CYCLES}\n"
        "lengths = [{first_decay_steps} * {t_mul} ** i for i in range(cycles)]\n",
        until=sum(
            number("first_decay_steps") * number("t_mul") ** i
            for i in range(_OPTAX_CYCLES)
        ),
        note="optax wants to know how many cycles there are. The last one ends flat.",
    )


def _optax_join(schedule: Schedule) -> list[Native]:
    inners = [
        inner("optax", s, f"schedules.{i}.")
        for i, s in enumerate(schedule.params["schedules"])
    ]
    if not all(inners) or any(within[0].setup for within in inners):
        return []
    boundaries = _own_arguments_of_numbers(schedule, "boundaries")
    joined = _join([within[0].call for within in inners], boundaries)
    return [replace(joined, when=And(*(within[0].when for within in inners)))]


def _own_arguments_of_numbers(schedule: Schedule, name: str) -> list[str]:
    return [f"{{{name}.{i}}}" for i in range(len(schedule.params[name]))]


def _optax_warmup(schedule: Schedule) -> list[Native]:
    variants = []
    for within in inner("optax", schedule.params["schedule"], "schedule."):
        climb = _line("{start}", "after(0)", "{steps}")
        joined = _join([climb, "after"], ["{steps}"])
        setup = f"{within.setup}after = {text_of(within.call, 'optax.')}\n"
        variants.append(
            replace(
                within,
                call=joined.call,
                setup=setup,
                until=number("steps") + within.until,
            )
        )
    return variants


_OPTAX: dict[str, Entry] = {
    "constant": native("constant_schedule", value="{initial_learning_rate}"),
    "exponential": native(
        "exponential_decay",
        init_value="{initial_learning_rate}",
        transition_steps="{decay_steps}",
        decay_rate="{decay_rate}",
    ),
    "step": native(
        "exponential_decay",
        init_value="{initial_learning_rate}",
        transition_steps="{decay_steps}",
        decay_rate="{decay_rate}",
        staircase="True",
    ),
    "piecewise_constant": _optax_piecewise_constant,
    "piecewise_interpolate": _optax_piecewise_interpolate,
    "linear": Native(
        _line("{initial_learning_rate}", "{end_learning_rate}", "{decay_steps}")
    ),
    "polynomial": _optax_polynomial,
    "cosine": _optax_cosine(alpha="{alpha}"),
    "cosine_annealing": _optax_cosine(
        alpha="{end_learning_rate} / {initial_learning_rate}"
    ),
    "cosine_exponent": _optax_cosine(alpha="{alpha}", exponent="{exponent}"),
    "knee": _join(
        [
            _constant("{initial_learning_rate}"),
            _line("{initial_learning_rate}", "{end_learning_rate}", "{decay_steps}"),
        ],
        ["{explore_steps}"],
    ),
    "warmup_cosine": native(
        "warmup_cosine_decay_schedule",
        init_value="{initial_learning_rate}",
        peak_value="{warmup_target}",
        warmup_steps="{warmup_steps}",
        # optax counts the warm-up into decay_steps.
        decay_steps="{warmup_steps} + {decay_steps}",
        end_value="{alpha} * {warmup_target}",
    ),
    "warmup_stable_decay": _optax_warmup_stable_decay,
    "cosine_restarts": _optax_cosine_restarts,
    "join": _optax_join,
    "warmup": _optax_warmup,
}

WAYS["optax"] = _OPTAX
