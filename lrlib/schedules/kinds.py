"""What a parameter of a schedule may be.

A kind is an annotation: `initial_learning_rate: Rate`. It decides which values are
accepted and what the error says, which slider the explorer shows, and how the
parameter enters the formula. Whatever walks over a schedule's parameters asks their
kinds; nothing outside this file tells one kind from another.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import sympy

if TYPE_CHECKING:
    from lrlib.schedules.schedule import Schedule


class Leaf(NamedTuple):
    """A number or a choice inside a schedule.

    Attributes:
        path: its name in the formula: `alpha`, `values.1`, `schedule.alpha`.
        group: the inner schedule it belongs to, `"schedule: cosine"`, or `""`.
        label: its name there: `alpha`, `values[1]`.
        kind: a `Number` or a `Choice`.
        value: the number or the choice.

    """

    path: str
    group: str
    label: str
    kind: Any
    value: Any


class Kind:
    """A kind of parameter; what it does here, it does for a single value.

    Methods take the parameter's `path` in the formula, and its `value` or the `shape`
    of the value: what the form of the formula depends on, whatever the numbers are.
    """

    #: Whether a value of it is a number of the formula.
    numeric = False

    def check(self, name: str, value: Any) -> Any:
        """Return `value` in its normal form, or raise an error that starts with `name`.

        Raises:
            TypeError: it has the wrong type.
            ValueError: it is out of range.

        """
        raise NotImplementedError

    def loose(self, value: Any) -> Any:
        """Return it for a formula, out of range if a library would run it, or None."""
        raise NotImplementedError

    def leaves(self, path: str, group: str, label: str, value: Any) -> Iterator[Leaf]:
        """Yield the numbers and choices in it."""
        yield Leaf(path, group, label, self, value)

    def fill(self, path: str, value: Any, values: Mapping[str, Any], make: bool) -> Any:
        """Return it with the leaves that `values` holds by path, as `Schedule.fill`."""
        return values.get(path, value)

    def shape(self, value: Any) -> Any:
        """Return what the form of the formula depends on; hashable."""
        return None

    def shapes(self, default: Any) -> Iterator[Any]:
        """Yield shapes to try the formula with: one for each form it can take."""
        yield None

    def symbols(self, path: str, shape: Any) -> Iterator[sympy.Symbol]:
        """Yield the symbols of its numbers, in the order of `leaves`."""
        return iter(())

    def argument(self, path: str, shape: Any) -> Any:
        """Return what the function of the formula is called with."""
        return shape

    def conditions(
        self, owner: str, path: str, value: Any
    ) -> Iterator[tuple[str, sympy.Basic]]:
        """Yield what its numbers must satisfy: in words, and as a relation.

        `owner` is the name of the schedule whose parameter it is.
        """
        return iter(())

    def extent(self, value: Any) -> float:
        """Return how many steps of a default plot it takes up."""
        return 0.0

    def to_data(self, value: Any) -> Any:
        """Return it as plain data."""
        return value

    def from_data(self, data: Any) -> Any:
        """Return what `to_data` was given, unchecked."""
        return data


@dataclass(frozen=True)
class Number(Kind):
    """A number between two bounds.

    Attributes:
        low, high: the bounds; `above` and `below` say that a bound itself is out.
        whole: whole numbers only.
        log: the slider is logarithmic.
        slider: the two ends of the slider.
        span: how much of the step axis one unit of it takes up, in a default plot.
        gap: nothing so close above `low` is allowed but `low` itself.

    """

    slider: tuple[float, float]
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False
    whole: bool = False
    log: bool = False
    span: float = 0.0
    gap: float = 0.0

    numeric = True

    def __str__(self) -> str:
        text = "a whole number" if self.whole else "a number"
        if self.gap:
            return f"{self.low:g}, or {text} of at least {self.low + self.gap:g}"
        if self.low == -math.inf and self.high == math.inf:
            return text
        if self.high == math.inf:
            return f"{text} {'above' if self.above else 'of at least'} {self.low:g}"
        if self.low == -math.inf:
            return f"{text} {'below' if self.below else 'of at most'} {self.high:g}"
        ends = "(" if self.above else "[", ")" if self.below else "]"
        return f"{text} in {ends[0]}{self.low:g}, {self.high:g}{ends[1]}"

    def check(self, name: str, value: Any) -> float:
        """Return `value` as a float (an int if `whole`), or raise.

        NumPy's scalars, and its arrays of no dimension, are numbers.
        """
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TypeError(f"{name} must be {self}, got {shown(value)}")
        try:
            number = float(value)
        except OverflowError:  # an int that no float can hold
            number = math.inf
        fits = (
            math.isfinite(number)
            and (number > self.low if self.above else number >= self.low)
            and (number < self.high if self.below else number <= self.high)
            and not self.low < number < self.low + self.gap
            and (not self.whole or number == int(number))
        )
        if not fits:
            raise ValueError(f"{name} must be {self}, got {shown(value)}")
        return int(number) if self.whole else number

    def loose(self, value: Any) -> Any:
        """Return any finite number; a length is above 0, and a rate not below it."""
        fine = isinstance(value, int | float) and math.isfinite(value)
        length = self.span > 0 and self.low > 0
        if not fine or (self.low == 0 and value < 0) or (length and value <= 0):
            return None
        exact = self.span or value == int(value)
        return sympy.Rational(str(value)) if exact else sympy.Float(value)

    def symbols(self, path: str, shape: Any) -> Iterator[sympy.Symbol]:
        """Yield its symbol; what is known of its sign simplifies the formula."""
        if self.low > 0 or (self.low == 0 and self.above):
            yield sympy.Symbol(path, positive=True)
        elif self.low == 0:
            yield sympy.Symbol(path, nonnegative=True)
        else:
            yield sympy.Symbol(path, real=True)

    def argument(self, path: str, shape: Any) -> sympy.Symbol:
        """Return its symbol."""
        return next(self.symbols(path, shape))

    def extent(self, value: Any) -> float:
        """Return its part of the step axis."""
        return self.span * float(value)

    def control(self) -> dict[str, Any]:
        """Return a slider as plain data, for the browser."""
        return {
            "words": str(self),
            "slider": list(self.slider),
            "low": self.low if math.isfinite(self.low) else None,
            "high": self.high if math.isfinite(self.high) else None,
            "above": self.above,
            "below": self.below,
            "gap": self.gap,
            "whole": self.whole,
            "log": self.log,
            # A length: its slider goes as far as the step axis.
            "length": self.span > 0,
        }


@dataclass(frozen=True)
class Choice(Kind):
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
        raise error(f"{name} must be {self}, got {shown(value)}")

    def loose(self, value: Any) -> Any:
        """Return the choice, if it is one."""
        return value if value in self.options else None

    def shape(self, value: Any) -> Any:
        """Return the choice: each may have a formula of another form."""
        return value

    def shapes(self, default: Any) -> Iterator[Any]:
        """Yield each option."""
        yield from self.options

    def control(self) -> dict[str, Any]:
        """Return a menu as plain data, for the browser."""
        return {"options": list(self.options)}


@dataclass(frozen=True)
class Inner(Kind):
    """A schedule that another one is made of."""

    def __str__(self) -> str:
        return "an lrlib Schedule"

    def check(self, name: str, value: Any) -> Schedule:
        """Return `value`, or raise."""
        from lrlib.schedules.schedule import Schedule

        if not isinstance(value, Schedule):
            raise TypeError(f"{name} must be {self}, got {shown(value)}")
        return value

    def loose(self, value: Any) -> Any:
        """Return a function from a step to the schedule's rate there."""
        return value.at

    def leaves(self, path: str, group: str, label: str, value: Any) -> Iterator[Leaf]:
        """Yield those of the schedule."""
        return value.leaves(f"{path}.")

    def fill(self, path: str, value: Any, values: Mapping[str, Any], make: bool) -> Any:
        """Return the schedule, filled."""
        return value.fill(values, make=make, prefix=f"{path}.")

    def shape(self, value: Any) -> Any:
        """Return the schedule's form."""
        return value.form

    def shapes(self, default: Any) -> Iterator[Any]:
        """Yield the form of the plainest schedule."""
        from lrlib.schedules.schedule import PLAINEST

        yield PLAINEST

    def symbols(self, path: str, shape: Any) -> Iterator[sympy.Symbol]:
        """Yield those of the schedule, under its path."""
        yield from shape.renamed(f"{path}.").values()

    def argument(self, path: str, shape: Any) -> Any:
        """Return a function from a step to the schedule's formula there."""
        return lambda t: shape.at(t, f"{path}.")

    def conditions(
        self, owner: str, path: str, value: Any
    ) -> Iterator[tuple[str, sympy.Basic]]:
        """Yield those of the schedule."""
        return value.conditions(f"{path}.")

    def extent(self, value: Any) -> float:
        """Return that of the schedule."""
        return value.extent

    def to_data(self, value: Any) -> Any:
        """Return its configuration."""
        return value.get_config()

    def from_data(self, data: Any) -> Any:
        """Return the schedule."""
        from lrlib.schedules.schedule import from_config

        return from_config(data)


class Sequenced(Kind):
    """Several of the same kind, `shortest` or more: what `each` does, for each."""

    each: Any
    shortest: int = 1

    def check(self, name: str, value: Any) -> tuple[Any, ...]:
        """Return `value` as a tuple, or raise."""
        values = value.tolist() if hasattr(value, "tolist") else value  # NumPy's arrays
        if isinstance(values, str | bytes) or not isinstance(values, Sequence):
            raise TypeError(f"{name} must be {self}, got {shown(value)}")
        checked = tuple(
            self.each.check(f"{name}[{i}]", v) for i, v in enumerate(values)
        )
        if len(checked) < self.shortest:
            raise ValueError(f"{name} must be {self}, got {shown(value)}")
        return checked

    def loose(self, value: Any) -> Any:
        """Return each, if each can be."""
        if not isinstance(value, list | tuple) or not value:
            return None
        each = tuple(map(self.each.loose, value))
        return None if None in each else each

    def leaves(self, path: str, group: str, label: str, value: Any) -> Iterator[Leaf]:
        """Yield those of each."""
        for i, one in enumerate(value):
            yield from self.each.leaves(f"{path}.{i}", group, f"{label}[{i}]", one)

    def fill(self, path: str, value: Any, values: Mapping[str, Any], make: bool) -> Any:
        """Return each, filled."""
        each = enumerate(value)
        return tuple(self.each.fill(f"{path}.{i}", v, values, make) for i, v in each)

    def shape(self, value: Any) -> Any:
        """Return the shape of each, and so how many there are."""
        return tuple(map(self.each.shape, value))

    def shapes(self, default: Any) -> Iterator[Any]:
        """Yield the default's; without one nobody knows how many go together."""
        if default is not None:
            yield self.shape(default)

    def symbols(self, path: str, shape: Any) -> Iterator[sympy.Symbol]:
        """Yield those of each."""
        for i, one in enumerate(shape):
            yield from self.each.symbols(f"{path}.{i}", one)

    def argument(self, path: str, shape: Any) -> tuple[Any, ...]:
        """Return a tuple."""
        each = enumerate(shape)
        return tuple(self.each.argument(f"{path}.{i}", one) for i, one in each)

    def conditions(
        self, owner: str, path: str, value: Any
    ) -> Iterator[tuple[str, sympy.Basic]]:
        """Yield those of each."""
        for i, one in enumerate(value):
            yield from self.each.conditions(owner, f"{path}.{i}", one)

    def extent(self, value: Any) -> float:
        """Return that of the largest."""
        return max(map(self.each.extent, value))

    def to_data(self, value: Any) -> list[Any]:
        """Return a list."""
        return [self.each.to_data(one) for one in value]

    def from_data(self, data: Any) -> Any:
        """Return a list, if there are several."""
        several = isinstance(data, list | tuple)
        return [self.each.from_data(one) for one in data] if several else data


@dataclass(frozen=True)
class Numbers(Sequenced):
    """A sequence of numbers, strictly increasing if `increasing`."""

    each: Number
    increasing: bool = False
    shortest: int = 1

    def __str__(self) -> str:
        order = "strictly increasing " if self.increasing else ""
        least = "one or more" if self.shortest == 1 else f"{self.shortest} or more"
        return f"a list of {least} {order}values, each {self.each}"

    def check(self, name: str, value: Any) -> tuple[float, ...]:
        """Return `value` as a tuple, or raise."""
        numbers = super().check(name, value)
        if self.increasing and not all(a < b for a, b in pairwise(numbers)):
            raise ValueError(f"{name} must be {self}, got {shown(value)}")
        return numbers

    def loose(self, value: Any) -> Any:
        """Return the numbers, if they are in order."""
        values = super().loose(value)
        ordered = not self.increasing or values is None or sorted(values) == [*values]
        return values if ordered else None

    def conditions(
        self, owner: str, path: str, value: Any
    ) -> Iterator[tuple[str, sympy.Basic]]:
        """Yield that they increase, if they must."""
        if self.increasing and len(value) > 1:
            pairs = pairwise(self.symbols(path, self.shape(value)))
            words = f"{owner}: {path.rpartition('.')[2]} must increase"
            yield words, sympy.And(*(a < b for a, b in pairs))


@dataclass(frozen=True)
class Inners(Sequenced):
    """A sequence of schedules."""

    each: Any = Inner()

    def __str__(self) -> str:
        return "a list of one or more lrlib Schedules"


def shown(value: Any) -> str:
    """Return `value` as an error message quotes it: short, and whatever it is."""
    try:
        text = repr(value)
    except Exception:  # an int of 5,000 digits; a reader's class
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_whole(name: str, value: Any, low: int) -> int:
    """Return `value` as an int of at least `low`, or raise."""
    return int(Number((low, low), low=low, whole=True).check(name, value))


def check_bool(name: str, value: Any) -> bool:
    """Return `value` if it's True or False, or raise."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value


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
#: What a length is multiplied by each time. So near to 1 that the sum of the lengths is
#: lost in rounding, it would be wrong without a word.
Growth = Annotated[float, Number((1.0, 4.0), low=1, gap=1e-4)]
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
