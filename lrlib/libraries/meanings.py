"""What the calls of other libraries make, where it isn't one schedule of lrlib's.

Lengths and rates may be what the libraries run and our sliders don't offer: 93.75
steps, a rate of 0, an end above the start. Such a schedule becomes its formula with the
numbers in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sympy

from lrlib.libraries.arithmetic import Refused, exact
from lrlib.libraries.by_formula import of_expression
from lrlib.schedules import catalogue as _catalogue  # noqa: F401, what it defines
from lrlib.schedules import composition as c
from lrlib.schedules import formula
from lrlib.schedules.kinds import Choice, Inner, Inners, Number, Numbers
from lrlib.schedules.schedule import Schedule, definitions

#: As many cycles or steps as no training has.
ENDLESS = 10**9
#: The most cycles, pieces or milestones that are written out.
MANY = 200


@dataclass(frozen=True)
class Wave:
    """A decay of a library that goes up again after its last step."""

    decay: Schedule
    for_ever: Schedule
    last: float

    def up_to(self, steps: float | None) -> Schedule:
        """Return the decay if training ends before it goes up again."""
        ends = steps is not None and steps <= self.last + 1
        return self.decay if ends else self.for_ever


def settled(schedule: Any, steps: float | None = None) -> Schedule:
    """Return the schedule of a training of so many steps."""
    return schedule.up_to(steps) if isinstance(schedule, Wave) else schedule


def expression(schedule: Schedule) -> sympy.Expr:
    """Return a schedule's formula with its numbers in it."""
    symbols = schedule.formula.free_symbols - {formula.t}
    numbers = schedule.numbers
    with sympy.evaluate(False):  # SymPy would look for simpler forms, for seconds
        return schedule.formula.xreplace({s: exact(numbers[s.name]) for s in symbols})


def made(name: str) -> Callable[..., Schedule]:
    """Return lrlib's function of that name, which takes what the libraries take."""
    definition = definitions[name]
    names = list(definition.kinds)

    def make(*positional: Any, **named: Any) -> Schedule:
        given = {**definition.defaults, **dict(zip(names, positional, strict=False))}
        given |= named
        try:
            return definition.make(*positional, **named)
        except ValueError:
            loose = {n: _loose(k, given[n]) for n, k in definition.kinds.items()}
            if any(value is None for value in loose.values()):
                raise
            try:
                return of_expression(definition.body(formula.t, **loose))
            except (TypeError, ValueError, ZeroDivisionError):
                pass
            raise

    return make


def _loose(kind: Any, value: Any) -> Any:
    """Return a value for a formula, or None where no library would run it."""
    if isinstance(kind, Number):
        fine = isinstance(value, int | float) and math.isfinite(value)
        length = kind.span > 0 and kind.low > 0
        if not fine or (kind.low == 0 and value < 0) or (length and value <= 0):
            return None
        return sympy.Rational(str(value)) if kind.span else exact(value)
    if isinstance(kind, Numbers):
        if not isinstance(value, list | tuple) or not value:
            return None
        if kind.increasing and list(value) != sorted(value):
            return None
        each = [_loose(kind.each, v) for v in value]
        return None if None in each else tuple(each)
    if isinstance(kind, Inner):
        return _function(value)
    if isinstance(kind, Inners):
        return tuple(map(_function, value))
    return value if isinstance(kind, Choice) and value in kind.options else None


def _function(schedule: Schedule) -> Callable[[Any], sympy.Expr]:
    inside = expression(schedule)
    return lambda t: moved(inside, t)


def moved(inside: sympy.Expr, t: Any) -> sympy.Expr:
    """Return a formula at another step than `t`."""
    with sympy.evaluate(False):
        return inside.xreplace({formula.t: sympy.sympify(t)})


m = {name: made(name) for name in definitions if name != "by_formula"}


def missing(words: str) -> LookupError:
    """Return the error of a call that lrlib has no schedule for."""
    return Refused(f"lrlib has no such schedule: {words}")


def check(name: str, value: Any, above: float = 0) -> None:
    """Refuse what is no number above a bound."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if not value > above or value == math.inf:
        raise ValueError(f"{name} must be above {above}, got {value!r}")


# PyTorch's and optax's ---------------------------------------------------------


def line(first: float, last: float, steps: float) -> Schedule:
    """Return a line that may also begin at 0, or take no step."""
    if steps <= 0:
        return m["constant"](first)
    if first > 0:
        return m["linear"](first, steps, last)
    return m["piecewise_interpolate"]([steps], [first, last])


def after(step: float, first: Schedule, then: Schedule) -> Schedule:
    """Return one schedule, and another one from a step on."""
    return m["join"]([first, then], [step]) if step > 0 else then


def warm(schedule: Any, steps: float, start: float, peak: float) -> Any:
    """Put a line up to `peak` in front of a schedule."""
    if steps <= 0:
        return schedule
    if isinstance(schedule, Wave):
        ways = (
            warm(s, steps, start, peak) for s in (schedule.decay, schedule.for_ever)
        )
        decay, for_ever = ways
        return Wave(decay, for_ever, schedule.last + steps)
    if math.isclose(schedule(0), peak, rel_tol=1e-12):
        return m["warmup"](schedule, steps, start)
    return m["join"]([line(start, peak, steps), schedule], [steps])


def wave(peak: float, half: int, floor: float) -> Wave:
    """Return a cosine from peak to floor in `half` steps, and up again, for ever."""
    check("half of a wave", half)
    if half == int(half):
        half = int(half)
        shape = [half, 2 * half], [peak, floor, peak], "cosine"
        endless = c.cycle(m["piecewise_interpolate"](*shape), 2 * half)
    else:
        turn = sympy.cos(sympy.pi * formula.t / sympy.Rational(str(half)))
        endless = of_expression(floor + (peak - floor) * (1 + turn) / 2)
    return Wave(m["cosine_annealing"](peak, half, floor), endless, half)


def stairs(lr: float, steps: Any, gamma: float) -> Schedule:
    """Multiply by gamma at each of `steps`; Keras's boundary is the step before."""
    if not isinstance(steps, list | tuple):
        raise ValueError(f"milestones must be a list of steps, got {steps!r}")
    for step in steps:
        check("a milestone", step, above=-1)
    # PyTorch looks for the step among the milestones: 2.5 never comes.
    whole = sorted(int(step) for step in steps if step == int(step))
    values = [lr * gamma ** sum(m <= 0 for m in whole)]
    boundaries: list[int] = []
    for step in whole:
        if step > 0 and step - 1 in boundaries:
            values[-1] *= gamma
        elif step > 0:
            boundaries.append(step - 1)
            values.append(values[-1] * gamma)
    return staircase(boundaries, values)


def staircase(boundaries: list[int], values: list[float]) -> Schedule:
    """Return stairs; a boundary itself still has the rate before it."""
    if not boundaries:
        return m["constant"](values[0])
    if len(boundaries) > MANY:
        raise missing(f"{len(boundaries)} milestones; at most {MANY} are read")
    if len(boundaries) <= 12 and all(v >= 0 for v in values):
        return m["piecewise_constant"](boundaries, values)
    rate: Any = exact(values[0])
    for boundary, (low, high) in zip(boundaries, pairwise(values), strict=True):
        late = sympy.Min(
            1, sympy.Max(0, formula.t - boundary, evaluate=False), evaluate=False
        )
        rate = sympy.Add(rate, exact(high - low) * late, evaluate=False)
    return of_expression(rate)


def sequence(schedules: Any, boundaries: Any) -> Any:
    """Return one schedule after another; the last may be a wave."""
    if not isinstance(schedules, list) or not isinstance(boundaries, list):
        raise ValueError("give a list of schedules and a list of steps")
    if len(schedules) != len(boundaries) + 1:
        words = f"{len(schedules)} schedules and {len(boundaries)} steps"
        raise ValueError(f"there must be one schedule more than steps, got {words}")
    if len(schedules) > MANY:
        raise missing(f"{len(schedules)} schedules in a row; at most {MANY} are read")
    lengths = [b - a for a, b in pairwise([0, *boundaries])]
    first = [settled(s, n) for s, n in zip(schedules, lengths, strict=False)]
    last = schedules[-1]
    if not boundaries:
        return last
    join = m["join"] if len(boundaries) <= 6 else _long_join
    if isinstance(last, Wave):
        ways = (join([*first, s], boundaries) for s in (last.decay, last.for_ever))
        decay, for_ever = ways
        return Wave(decay, for_ever, last.last + boundaries[-1])
    return join([*first, last], boundaries)


def _long_join(schedules: list[Schedule], boundaries: list[int]) -> Schedule:
    t, starts = formula.t, [0, *boundaries]
    pieces = [
        moved(expression(s), t - exact(start))
        for s, start in zip(schedules, starts, strict=True)
    ]
    cases = [(p, t < exact(b)) for p, b in zip(pieces, boundaries, strict=False)]
    return of_expression(sympy.Piecewise(*cases, (pieces[-1], True), evaluate=False))


def through(kind: str, boundaries: list[int], values: list[float]) -> Schedule:
    """Return lines or half cosines through points."""
    if not boundaries:
        return m["constant"](values[0])
    return m["piecewise_interpolate"](boundaries, values, kind)


# Keras's and Transformers' -----------------------------------------------------


# timm's ------------------------------------------------------------------------


#: What the right side of a row may call.
MEANINGS: dict[str, Any] = {
    **m,
    **{f.__name__: f for f in (after, line, sequence, stairs, through, warm, wave)},
}
