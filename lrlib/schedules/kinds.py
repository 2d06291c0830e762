"""What a parameter of a schedule may be.

A kind is an annotation: `initial_learning_rate: Rate`. It says which values are
accepted, and so what the error says, which slider the explorer shows, and how
tests draw examples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral, Real
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from lrlib.schedules.schedule import Schedule


@dataclass(frozen=True)
class Number:
    """A number between two bounds.

    Attributes:
        low, high: the bounds; `above` and `below` say that a bound itself is out.
        whole: whole numbers only.
        log: the slider is logarithmic.
        slider: the two ends of the slider.
        span: how much of the step axis one unit of it takes up, in a default plot.

    """

    slider: tuple[float, float]
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False
    log: bool = False
    span: float = 0.0

    def __str__(self) -> str:
        text = "a whole number" if self.whole else "a number"
        if self.low == -math.inf and self.high == math.inf:
            return text
        if self.high == math.inf:
            return f"{text} {'above' if self.above else 'of at least'} {self.low:g}"
        if self.low == -math.inf:
            return f"{text} {'below' if self.below else 'of at most'} {self.high:g}"
        ends = "(" if self.above else "[", ")" if self.below else "]"
        return f"{text} in {ends[0]}{self.low:g}, {self.high:g}{ends[1]}"

    def check(self, name: str, value: Any) -> float:
        """Return `value` as a float (an int if `whole`), or raise."""
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name} must be {self}, got {_shown(value)}")
        number = float(value)
        fits = (
            math.isfinite(number)
            and (number > self.low if self.above else number >= self.low)
            and (number < self.high if self.below else number <= self.high)
            and (not self.whole or number == int(number))
        )
        if not fits:
            raise ValueError(f"{name} must be {self}, got {_shown(value)}")
        return int(number) if self.whole else number


@dataclass(frozen=True)
class Numbers:
    """A sequence of numbers, `increasing` if so said."""

    each: Number
    increasing: bool = False
    shortest: int = 1

    def __str__(self) -> str:
        order = "strictly increasing " if self.increasing else ""
        least = "one or more" if self.shortest == 1 else f"{self.shortest} or more"
        return f"a list of {least} {order}values, each {self.each}"

    def check(self, name: str, value: Any) -> tuple[float, ...]:
        """Return `value` as a tuple, or raise."""
        numbers = tuple(
            self.each.check(f"{name}[{i}]", v)
            for i, v in enumerate(_sequence(name, self, value))
        )
        ordered = all(a < b for a, b in pairwise(numbers))
        if len(numbers) < self.shortest or (self.increasing and not ordered):
            raise ValueError(f"{name} must be {self}, got {_shown(value)}")
        return numbers


@dataclass(frozen=True)
class Choice:
    """One of a few: strings, or True and False."""

    options: tuple[str | bool, ...]

    def __str__(self) -> str:
        return "one of " + ", ".join(map(repr, self.options))

    def check(self, name: str, value: Any) -> str | bool:
        """Return `value`, or raise."""
        for option in self.options:
            if type(value) is type(option) and value == option:
                return option
        error = ValueError if type(value) is type(self.options[0]) else TypeError
        raise error(f"{name} must be {self}, got {_shown(value)}")


@dataclass(frozen=True)
class Inner:
    """A schedule that another one is made of."""

    def __str__(self) -> str:
        return "an lrlib Schedule"

    def check(self, name: str, value: Any) -> Schedule:
        """Return `value`, or raise."""
        from lrlib.schedules.schedule import Schedule

        if not isinstance(value, Schedule):
            raise TypeError(f"{name} must be {self}, got {_shown(value)}")
        return value


@dataclass(frozen=True)
class Inners:
    """A sequence of schedules."""

    def __str__(self) -> str:
        return "a list of one or more lrlib Schedules"

    def check(self, name: str, value: Any) -> tuple[Schedule, ...]:
        """Return `value` as a tuple, or raise."""
        schedules = tuple(
            Inner().check(f"{name}[{i}]", v)
            for i, v in enumerate(_sequence(name, self, value))
        )
        if not schedules:
            raise ValueError(f"{name} must be {self}, got {_shown(value)}")
        return schedules


Kind = Number | Numbers | Choice | Inner | Inners


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _sequence(name: str, kind: Any, value: Any) -> Sequence[Any]:
    values = value.tolist() if hasattr(value, "tolist") else value  # a NumPy array
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise TypeError(f"{name} must be {kind}, got {_shown(value)}")
    return values


def check_whole(name: str, value: Any, low: int) -> int:
    """Return `value` as an int of at least `low`, or raise."""
    return int(Number((low, low), low=low, whole=True).check(name, value))


def is_whole(value: Any) -> bool:
    """Say whether `value` is an integer and no boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool)


#: A learning rate that something starts from or climbs to.
Rate = Annotated[float, Number((1e-5, 1.0), low=0, above=True, log=True)]
#: A learning rate that may also be 0: a floor, or where a warm-up begins.
RateOrZero = Annotated[float, Number((0.0, 0.1), low=0)]
#: A number of updates.
Steps = Annotated[int, Number((1, 5000), low=1, whole=True, span=1.25)]
#: A number of updates that may be none.
StepsOrZero = Annotated[int, Number((0, 5000), low=0, whole=True, span=1.25)]
#: The length of something that comes back: a cycle.
Period = Annotated[int, Number((1, 5000), low=1, whole=True, span=4.0)]
#: A share of something, the whole of it included.
Fraction = Annotated[float, Number((0.0, 1.0), low=0, high=1)]
#: What a rate is multiplied by each time.
Decay = Annotated[float, Number((1e-3, 1.0), low=0, above=True, log=True)]
#: What something is multiplied by: a rate, the length of a cycle.
Factor = Annotated[float, Number((0.1, 4.0), low=0, above=True)]
#: What a length is multiplied by each time.
Growth = Annotated[float, Number((1.0, 4.0), low=1)]
#: What a length or a rate is divided by, once: not at all, or more.
Divisor = Annotated[float, Number((1.0, 100.0), low=1)]
LargeDivisor = Annotated[float, Number((1.0, 1e5), low=1, log=True)]
#: What something is multiplied by at every step, so that it shrinks.
Shrinkage = Annotated[float, Number((0.9, 1.0), low=0, above=True, high=1)]
#: The exponent of a curve.
Power = Annotated[float, Number((0.1, 4.0), low=0, above=True)]
#: Steps at which something changes.
Boundaries = Annotated[
    Sequence[int],
    Numbers(Number((0, 5000), low=0, whole=True, span=1.25), increasing=True),
]
#: Learning rates, one for each stretch between boundaries.
Rates = Annotated[Sequence[float], Numbers(Number((0.0, 1.0), low=0), shortest=2)]
#: Updates after which a decay that never ends has got somewhere.
Timescale = Annotated[int, Number((1, 5000), low=1, whole=True, span=4.0)]
#: The two ends of a sweep over rates.
SweepStart = Annotated[float, Number((1e-8, 1e-2), low=0, above=True, log=True)]
SweepEnd = Annotated[float, Number((1e-2, 100.0), low=0, above=True, log=True)]
#: The width of a Transformer.
ModelSize = Annotated[int, Number((64, 4096), low=1, whole=True, log=True)]
#: Where on the axis of tanh a decay begins and ends.
LowerBound = Annotated[float, Number((-10.0, 0.0), high=0)]
UpperBound = Annotated[float, Number((0.0, 10.0), low=0)]
#: The curve from one rate to the next, under optax' names and under PyTorch's.
Interpolation = Annotated[str, Choice(("linear", "cosine"))]
Anneal = Annotated[str, Choice(("cos", "linear"))]
#: The curve of the last stretch of warm-up, stable, decay.
DecayType = Annotated[str, Choice(("1-sqrt", "linear", "cosine"))]
#: What becomes of the peaks of a cyclic schedule.
CyclicMode = Annotated[str, Choice(("triangular", "triangular2", "exp_range"))]
#: Yes or no.
Flag = Annotated[bool, Choice((False, True))]
