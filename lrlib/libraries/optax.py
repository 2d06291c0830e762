"""optax's schedules: each call with what it makes."""

from __future__ import annotations

import ast
import operator
import textwrap
from dataclasses import replace
from itertools import accumulate
from typing import Any

import sympy
from sympy import And, Gt

from lrlib.libraries.inverse import MORE, Way, plain, symbolic, ways
from lrlib.libraries.layout import text_of
from lrlib.libraries.meanings import bound, check, sequence, staircase, through
from lrlib.libraries.table import READ_ONLY, Library, row, usually, word
from lrlib.schedules import composition as c
from lrlib.schedules.schedule import Schedule

LIBRARY = Library("optax", "optax", prefix="optax.")

_DECAY = (
    "bounded(after(transition_begin, constant(init_value), "
    "step(init_value, transition_steps, decay_rate) if staircase else "
    "exponential(init_value, transition_steps, decay_rate)), "
    "init_value, decay_rate, end_value)"
)
_COSINE = (
    "(cosine({0}, {1}, {2}) if exponent == 1 "
    "else cosine_exponent({0}, {1}, {2}, exponent))"
)
ROWS = (
    row("constant_schedule(value)", "constant(value)"),
    row(
        "linear_schedule(init_value, end_value, transition_steps, transition_begin=0)",
        "after(transition_begin, constant(init_value), "
        "line(init_value, end_value, transition_steps))",
    ),
    row(
        "polynomial_schedule(init_value, end_value, power, transition_steps, "
        "transition_begin=0)",
        "after(transition_begin, constant(init_value), "
        "polynomial(init_value, transition_steps, end_value, power))",
        # Under jit what is left at the end can be just below 0: a root of it is NaN.
        when="floor(power) == power",
    ),
    row(
        "piecewise_constant_schedule(init_value, boundaries_and_scales=None)",
        "optax_stairs(init_value, boundaries_and_scales)",
    ),
    row(
        "piecewise_interpolate_schedule(interpolate_type, init_value, "
        "boundaries_and_scales=None)",
        "optax_interpolate(interpolate_type, init_value, boundaries_and_scales)",
    ),
    row(
        "exponential_decay(init_value, transition_steps, decay_rate, "
        "transition_begin=0, staircase=False, end_value=None)",
        _DECAY,
    ),
    row(
        "cosine_decay_schedule(init_value, decay_steps, alpha=0.0, exponent=1.0)",
        _COSINE.format("init_value", "decay_steps", "alpha"),
    ),
    row(
        "warmup_constant_schedule(init_value, peak_value, warmup_steps)",
        "warm(constant(peak_value), warmup_steps, init_value, peak_value)",
    ),
    # optax counts the warm-up into decay_steps.
    row(
        "warmup_cosine_decay_schedule(init_value, peak_value, warmup_steps, "
        "decay_steps, end_value=0.0, exponent=1.0)",
        "warm("
        + _COSINE.format(
            "peak_value", "decay_steps - warmup_steps", "end_value / peak_value"
        )
        + ", warmup_steps, init_value, peak_value)",
    ),
    row(
        "warmup_exponential_decay_schedule(init_value, peak_value, warmup_steps, "
        "transition_steps, decay_rate, transition_begin=0, staircase=False, "
        "end_value=None)",
        f"warm({_DECAY.replace('init_value', 'peak_value')}, warmup_steps, init_value, "
        "peak_value)",
    ),
    row(
        "cosine_onecycle_schedule(transition_steps, peak_value, pct_start=0.3, "
        "div_factor=25.0, final_div_factor=1e4)",
        "through('cosine', [int(pct_start * transition_steps), transition_steps], "
        "[peak_value / div_factor, peak_value, "
        "peak_value / div_factor / final_div_factor])",
        READ_ONLY,
    ),
    row(
        "linear_onecycle_schedule(transition_steps, peak_value, pct_start=0.3, "
        "pct_final=0.85, div_factor=25.0, final_div_factor=1e4)",
        "through('linear', [int(pct_start * transition_steps), "
        "int(pct_final * transition_steps), transition_steps], "
        "[peak_value / div_factor, peak_value, peak_value / div_factor, "
        "peak_value / div_factor / final_div_factor])",
        READ_ONLY,
    ),
    row("sgdr_schedule(cosine_kwargs)", "sgdr(cosine_kwargs)"),
    row(
        "join_schedules(schedules, boundaries)",
        "sequence(schedules, boundaries)",
    ),
)


def _scaled(init_value: float, scales: Any) -> tuple[list[int], list[float]]:
    """Return the steps of a dictionary, and the values that its scales make."""
    if not isinstance(scales, dict | None):
        raise ValueError("boundaries_and_scales must be a dictionary, step: scale")
    for step in scales or {}:
        check("a step in boundaries_and_scales", step, above=-1)
    steps = sorted((scales or {}).items())
    factors = [init_value, *(scale for _, scale in steps)]
    return [step for step, _ in steps], list(accumulate(factors, operator.mul))


@word
def optax_stairs(init_value: float, scales: Any) -> Schedule:
    """Return optax's steps, each with what it multiplies the rate by."""
    steps, values = _scaled(init_value, scales)
    if steps and steps[0] == 0:  # the first value is never used
        steps, values = steps[1:], values[1:]
    return staircase([step - 1 for step in steps], values)


@word
def optax_interpolate(kind: str, init_value: float, scales: Any) -> Schedule:
    """Return optax's points, each with what it multiplies the rate by."""
    return through(kind, *_scaled(init_value, scales))


@usually("curve")
def bounded(curve: Schedule, first: float, decay_rate: float, end: Any) -> Schedule:
    """Return optax's exponential decay, down or up to an end."""
    if end is None:
        return curve
    if decay_rate < 1:
        return c.clip(curve, end, max(first, end))
    return c.clip(curve, 0.0, end)


@word
def sgdr(cosine_kwargs: Any) -> Any:
    """Return optax's cosine cycles, each with its warm-up."""
    if not isinstance(cosine_kwargs, list) or not cosine_kwargs:
        raise ValueError("sgdr_schedule: give a list of dictionaries")
    (cosine,) = (r for r in ROWS if r.name == "warmup_cosine_decay_schedule")
    cycles = [bound(cosine, None, [], kwargs) for kwargs in cosine_kwargs]
    ends = list(accumulate(kwargs["decay_steps"] for kwargs in cosine_kwargs))
    return sequence(cycles, ends[:-1])


# What no row can say ----------------------------------------------------------------


def _piecewise_interpolate(given: dict[str, ast.expr]) -> list[Way]:
    """Write the dictionary of scales."""
    match given:
        case {"boundaries": ast.List(elts=steps), "values": ast.List(elts=values)}:
            texts = list(map(plain, values))
            ratios = zip(map(plain, steps), texts, texts[1:], strict=False)
            scales = ", ".join(
                f"{b}: {after} / {before}" for b, before, after in ratios
            )
            arguments = {
                "interpolate_type": plain(given["interpolate_type"]),
                "init_value": texts[0],
                "boundaries_and_scales": f"{{{scales}}}",
            }
            above_0 = And(*(Gt(symbolic(v), 0) for v in values[:-1]))
            return [Way("piecewise_interpolate_schedule", arguments, when=above_0)]
    return []


_CYCLES = 20


def _cosine_restarts(given: dict[str, ast.expr]) -> list[Way]:
    """Write cycle after cycle; optax wants to know how many."""
    lr, first, t_mul, m_mul, alpha = map(plain, given.values())
    peak = f"({alpha} + (1 - {alpha}) * {m_mul} ** i)"
    cycle = Way(
        "cosine_decay_schedule",
        {
            "init_value": f"{lr} * {peak}",
            "decay_steps": "lengths[i]",
            "alpha": f"{alpha} / {peak}",
        },
    )
    one = textwrap.indent(text_of(cycle, "optax."), "    ")
    lengths = (
        symbolic(given["first_decay_steps"]) * symbolic(given["t_mul"]) ** i
        for i in range(_CYCLES)
    )
    return [
        Way(
            "join_schedules",
            {
                "schedules": f"[\n{one}\n    for i in range(cycles)\n]",
                "boundaries": "[sum(lengths[:i]) for i in range(1, cycles)]",
            },
            until=sympy.Add(*lengths),
            note="optax wants to know how many cycles there are. The last one ends "
            "flat.",
            setup=f"cycles = {_CYCLES}\n"
            f"lengths = [{first} * {t_mul} ** i for i in range(cycles)]\n",
        )
    ]


def _warmup(given: dict[str, ast.expr]) -> list[Way]:
    """Join a line to the first rate of whatever comes after it."""
    start, steps = plain(given["start"]), plain(given["steps"])
    if plain(given["shape"]) != '"linear"':
        return []
    line = {"init_value": start, "end_value": "after(0)", "transition_steps": steps}
    climb = Way("linear_schedule", line)
    return [
        replace(
            way,
            name="join_schedules",
            arguments={"schedules": [climb, "after"], "boundaries": [steps]},
            setup=f"{way.setup}after = {text_of(way, 'optax.')}\n",
            until=symbolic(given["steps"]) + way.until,
        )
        for way in ways("optax", given["schedule"])
    ]


MORE["optax"] = {
    "cosine_restarts": _cosine_restarts,
    "piecewise_interpolate": _piecewise_interpolate,
    "warmup": _warmup,
}
