"""Random formulas of a reader's own, and a second opinion on what they are worth.

The second opinion is exact: it computes in fractions wherever the formula is rational
in the step and the parameters, so that it knows on which side of a jump a step lies.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Annotated, Any

import numpy as np
import sympy

import lrlib
from lrlib.schedules.kinds import Number

#: Names that mean something to Python, SymPy, NumPy, JavaScript or PyTorch.
NAMES = (
    *("floor", "min", "max", "lambda_", "constructor", "E", "I", "pi", "exp", "abs"),
    *("S", "N", "Q", "where", "sum", "toString", "math", "np", "ops", "torch", "step"),
    *("rate", "x0", "x1", "x2", "schedule", "count", "number", "alpha", "beta", "in_"),
)
#: Values are fractions of two, which floats hold exactly, or whole numbers.
Share = Annotated[float, Number((0.0, 4.0), low=0, above=True)]
Length = Annotated[int, Number((1, 200), low=1, whole=True)]


class Jump(Exception):
    """The step is within 1e-6 of a jump that isn't at a rational place."""


class Formulas:
    """Draws formulas: `build(t, *symbols)` makes one, always the same."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def pick(self, *options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def whole(self) -> sympy.Integer:
        # 41, 47, 49, 55 … are lengths whose inverse is rounded down.
        return sympy.Integer(
            self.pick(2, 3, 5, 7, 10, 41, 47, 49, 55, 61, 98, 100, 103)
        )

    def real(self, leaves: list[Any], depth: int) -> Any:
        """An expression of moderate size, of any sign."""
        if depth <= 0 or self.rng.random() < 0.1:
            return self.pick(*leaves, self.whole() / 8, sympy.Float(0.3))
        a = self.real(leaves, depth - 1)
        kind = self.rng.integers(18)
        if kind == 0:
            return a + self.real(leaves, depth - 1)
        if kind == 1:
            return a - self.real(leaves, depth - 1)
        if kind == 2:
            return a * self.pick(*leaves[1:], sympy.Rational(1, 8))
        if kind in (3, 4):
            return leaves[0] / self.whole() + a / self.positive(leaves, depth - 1)
        if kind in (5, 6):
            jumping = self.pick(sympy.floor, sympy.ceiling, sympy.frac)
            return jumping(self.progress(leaves))
        if kind == 7:
            return sympy.Mod(leaves[0] + self.whole(), self.whole())
        if kind == 8:
            return self.pick(sympy.Min, sympy.Max)(a, self.real(leaves, depth - 1))
        if kind == 9:
            return self.pick(sympy.Abs, sympy.sign)(a)
        if kind == 10:
            return sympy.exp(-sympy.Abs(a) / 8)
        if kind == 11:
            return sympy.log(1 + sympy.Abs(a))
        if kind == 12:
            exponent = self.pick(2, 3, sympy.Rational(1, 2), leaves[-1] / 4)
            return (1 + sympy.Abs(a) / 16) ** exponent
        if kind == 13:
            wave = self.pick(sympy.sin, sympy.cos, sympy.tanh)
            return wave(sympy.pi * self.progress(leaves))
        if kind == 14:
            return self.pick(sympy.sinh, sympy.cosh)(sympy.tanh(a))
        return sympy.Piecewise(
            (a, self.condition(leaves, depth - 1)),
            (self.real(leaves, depth - 1), True),
        )

    def progress(self, leaves: list[Any]) -> Any:
        """The step, over a length that may be made of two."""
        t, a, b = leaves[0], *leaves[1:3]
        length = self.pick(self.whole(), a, a * b, a + b, self.whole() * a)
        return (t + self.pick(0, 0, 1, -1)) / length

    def positive(self, leaves: list[Any], depth: int) -> Any:
        a, b = leaves[1:3]
        return self.pick(self.whole(), a * b, a + b, 1 + leaves[0], a**2)

    def condition(self, leaves: list[Any], depth: int) -> Any:
        t, a = leaves[:2]
        first = self.pick(t < self.whole(), t >= a, t <= a + self.whole(), t > 2 * a)
        if self.rng.random() < 0.6:
            return first
        other = self.pick(t > self.whole(), t < 3 * a)
        joined = self.pick(sympy.And, sympy.Or)(first, other)
        return self.pick(joined, sympy.Not(joined, evaluate=False))


def draw_formula(seed: int) -> lrlib.Schedule:
    """A schedule with a random formula, parameter names and numbers."""
    rng = np.random.default_rng([seed, 1])
    names = [str(name) for name in rng.choice(NAMES, 3, replace=False)]
    lengths = [int(n) for n in rng.choice([3, 7, 41, 47, 49, 55, 61, 98, 107], 2)]
    values = [*lengths, float(rng.integers(1, 33) / 8)]

    def build(t: Any, *symbols: Any) -> Any:
        return symbols[-1] * Formulas(seed).real([t, *symbols], 3)

    one, two, three = names
    scope: dict[str, Any] = {"build": build, "Length": Length, "Share": Share}
    exec(
        f"def own_{seed}(t_, {one}: Length, {two}: Length, {three}: Share):\n"
        f"    return build(t_, {one}, {two}, {three})",
        scope,
    )
    return lrlib.schedule(scope[f"own_{seed}"])(*values)


Value = Fraction | float


def second_opinion(schedule: lrlib.Schedule, step: int) -> tuple[float, float]:
    """Return the rate at a step, and the largest number on the way to it.

    Raises:
        Jump: see there.

    """
    values: dict[str, Value] = {k: Fraction(v) for k, v in schedule.numbers.items()}
    values["t"] = Fraction(step)
    largest = 0.0

    def near(a: Value, b: Value) -> bool:
        exact = isinstance(a, Fraction) and isinstance(b, Fraction)
        return not exact and math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-6)

    def rounded(x: Value, down: bool) -> Value:
        if near(x, round(x)):
            raise Jump
        return Fraction(math.floor(x) if down else math.ceil(x))

    def power(base: Value, exponent: Value) -> Value:
        if isinstance(exponent, Fraction) and exponent.denominator == 1:
            return base**exponent
        return float(base) ** float(exponent)

    def holds(e: Any) -> bool:
        if e in (True, False, sympy.true, sympy.false):
            return bool(e)
        if isinstance(e, sympy.And):
            return all([holds(a) for a in e.args])
        if isinstance(e, sympy.Or):
            return any([holds(a) for a in e.args])
        if isinstance(e, sympy.Not):
            return not holds(e.args[0])
        a, b = map(value, e.args)
        if near(a, b):
            raise Jump
        return {"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[e.rel_op]

    def value(e: Any) -> Value:
        nonlocal largest
        result = node(e)
        largest = max(largest, abs(float(result)))
        return result

    def node(e: Any) -> Value:
        if e.is_Symbol:
            return values[e.name]
        if e.is_Rational:
            return Fraction(int(e.p), int(e.q))
        if e.is_number and not e.args:
            return float(e)
        if isinstance(e, sympy.Piecewise):
            return next(value(v) for v, c in e.args if holds(c))
        args = [value(a) for a in e.args]
        match e.func.__name__:
            case "Add":
                return sum(args, Fraction(0))
            case "Mul":
                return math.prod(args, start=Fraction(1))
            case "Pow":
                return power(*args)
            case "floor" | "ceiling":
                return rounded(args[0], e.func.__name__ == "floor")
            case "Mod":
                return args[0] - args[1] * rounded(args[0] / args[1], True)
            case "Min" | "Max":
                return (min if e.func.__name__ == "Min" else max)(args)
            case "Abs":
                return abs(args[0])
            case name:
                return getattr(math, name)(args[0])

    return float(value(schedule.formula)), largest
