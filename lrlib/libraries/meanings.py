"""What the calls of other libraries make, where it isn't one schedule of lrlib's.

Lengths and rates may be what the libraries run and our sliders don't offer: 93.75
steps, a rate of 0, an end above the start. Such a schedule becomes its formula with the
numbers in it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sympy

from lrlib.libraries.arithmetic import Refused, exact
from lrlib.libraries.by_formula import of_expression
from lrlib.libraries.python import Reader
from lrlib.libraries.table import WORDS, Row, usually, word
from lrlib.libraries.values import Scope, boxed
from lrlib.schedules import catalogue as _catalogue  # noqa: F401, what it defines
from lrlib.schedules import composition as c
from lrlib.schedules import formula
from lrlib.schedules.schedule import Schedule, definitions

#: As many cycles or steps as no training has.
ENDLESS = 10**9
#: The most cycles, pieces or milestones that are written out.
MANY = 200


# Reading a row --------------------------------------------------------------------


class _Meaning(Reader):
    """Evaluates the meaning of a row."""

    def applied(self, function: Any, arguments: list[Any]) -> Any:
        return function(*arguments) if callable(function) else None


def evaluated(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return what a meaning is, where its names are these."""
    return _Meaning("", {}).value(node, Scope({**WORDS, **names}))


def bound(row: Row, lr: Any, positional: list[Any], named: Mapping[str, Any]) -> Any:
    """Return what a call makes; whatever is wrong with it names the call."""
    try:
        given = row.signature.bind(*positional, **named)
        given.apply_defaults()
        if given.arguments.get("last_epoch", -1) != -1:
            raise ValueError("last_epoch: only a whole schedule can be converted")
        names = {k: boxed(v) for k, v in given.arguments.items()}
        names |= {"lr": lr, "parameters": dict(given.arguments)}
        for needed, sentence in row.needed:
            if not evaluated(needed, names):
                raise Refused(sentence)
        made = evaluated(row.meaning, names)
        if not isinstance(made, Schedule | Wave):
            raise ValueError(f"its arguments make no schedule, {dict(named)}")
        return made
    except Refused:
        raise
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{row.name}: {error}") from error


# Schedules ------------------------------------------------------------------------


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

    def later(self, put: Callable[[Schedule], Schedule], steps: float) -> Wave:
        """Return the same with something put in front of it."""
        return Wave(put(self.decay), put(self.for_ever), self.last + steps)


def settled(schedule: Any, steps: float | None = None) -> Any:
    """Return the schedule of a training of so many steps."""
    return schedule.up_to(steps) if isinstance(schedule, Wave) else schedule


def _made(name: str) -> Callable[..., Schedule]:
    """Return lrlib's function of that name, which takes what the libraries take."""
    definition = definitions[name]

    def make(*positional: Any, **named: Any) -> Schedule:
        given = dict(zip(definition.kinds, positional, strict=False))
        given = {**definition.defaults, **given, **named}
        try:
            return definition.make(*positional, **named)
        except ValueError:
            loose = {k: kind.loose(given[k]) for k, kind in definition.kinds.items()}
            if any(value is None for value in loose.values()):
                raise
            if not all(holds(**loose) for holds in definition.requires.values()):
                raise
            try:
                return of_expression(definition.body(formula.t, **loose))
            except (TypeError, ValueError, ZeroDivisionError):
                pass
            raise

    return make


m = {name: _made(name) for name in definitions if name != "by_formula"}
WORDS.update(m)


@word
def missing(words: str) -> LookupError:
    """Return the error of a call that lrlib has no schedule for."""
    return Refused(f"lrlib has no such schedule: {words}")


@word
def refuse(words: str) -> None:
    """Refuse a call that lrlib has no schedule for."""
    raise missing(words)


def check(name: str, value: Any, above: float = 0) -> None:
    """Refuse what is no number above a bound."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got {value!r}")
    if not value > above or value == math.inf:
        raise ValueError(f"{name} must be above {above}, got {value!r}")


@word
def whole(name: str, value: Any) -> int:
    """Return a whole number of at least 1, or refuse it."""
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
    return value


@usually("linear(first, steps, last)")
def line(first: float, last: float, steps: float) -> Schedule:
    """Return a line that may also begin at 0, or take no step."""
    if steps <= 0:
        return m["constant"](first)
    if first > 0:
        return m["linear"](first, steps, last)
    return m["piecewise_interpolate"]([steps], [first, last])


@usually("then if step == 0 else None")
def after(step: float, first: Schedule, then: Schedule) -> Schedule:
    """Return one schedule, and another one from a step on."""
    return m["join"]([first, then], [step]) if step > 0 else then


@usually(
    "schedule if steps == 0 else warmup(schedule, steps, start, 'linear', anything)"
)
def warm(schedule: Any, steps: float, start: float, peak: float) -> Any:
    """Put a line up to `peak` in front of a schedule."""
    if steps <= 0:
        return schedule
    if isinstance(schedule, Wave):
        return schedule.later(lambda s: warm(s, steps, start, peak), steps)
    if not math.isclose(schedule(0), peak, rel_tol=1e-12):
        return m["join"]([line(start, peak, steps), schedule], [steps])
    if schedule.name == "cosine":
        _, decay_steps, alpha = schedule.params.values()
        return m["warmup_cosine"](start, decay_steps, alpha, peak, steps)
    return m["warmup"](schedule, steps, start)


@usually("cosine_annealing(peak, half, floor)")
def wave(peak: float, half: float, floor: float) -> Wave:
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


@word
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


@usually("join(schedules, boundaries)")
def sequence(schedules: Any, boundaries: Any) -> Any:
    """Return one schedule after another; the last may be a wave."""
    if not isinstance(schedules, list) or not isinstance(boundaries, list):
        raise ValueError("give a list of schedules and a list of steps")
    if len(schedules) != len(boundaries) + 1:
        words = f"{len(schedules)} schedules and {len(boundaries)} steps"
        raise ValueError(f"there must be one schedule more than steps, got {words}")
    if len(schedules) > MANY:
        raise missing(f"{len(schedules)} schedules in a row; at most {MANY} are read")
    *first, last = schedules
    if not boundaries:
        return last
    if isinstance(last, Wave):
        put = lambda s: sequence([*first, s], boundaries)  # noqa: E731
        return last.later(put, boundaries[-1])
    starts = [0, *boundaries]
    lengths = [b - a for a, b in pairwise(starts)]
    first = [settled(s, n) for s, n in zip(first, lengths, strict=True)]
    if len(boundaries) <= 6:
        return m["join"]([*first, last], boundaries)
    pieces = [
        s.at(formula.t - exact(start))
        for s, start in zip([*first, last], starts, strict=True)
    ]
    cases = [
        (p, formula.t < exact(b)) for p, b in zip(pieces, boundaries, strict=False)
    ]
    return of_expression(sympy.Piecewise(*cases, (pieces[-1], True), evaluate=False))


@usually("piecewise_interpolate(boundaries, values, kind)")
def through(kind: str, boundaries: list[int], values: list[float]) -> Schedule:
    """Return lines or half cosines through points."""
    if not boundaries:
        return m["constant"](values[0])
    return m["piecewise_interpolate"](boundaries, values, kind)
