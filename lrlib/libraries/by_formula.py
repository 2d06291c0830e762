"""Schedules that other libraries have as a function: any formula of the step."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import sympy

from lrlib.libraries.arithmetic import exact
from lrlib.libraries.python import Reader
from lrlib.libraries.values import Open, Scope
from lrlib.schedules import formula
from lrlib.schedules.kinds import Choice
from lrlib.schedules.printing import array_code
from lrlib.schedules.schedule import Schedule, schedule

#: The most nodes of a formula that is written out.
_LONGEST = 20_000


@lru_cache(maxsize=512)
def _expression(text: str) -> sympy.Expr:
    """Return what a text of NumPy's functions, numbers and `t` is."""
    try:
        node = ast.parse(text, mode="eval").body
        with sympy.evaluate(False):  # as it is written, and at once
            reader = Reader(text, {})
            reader.longest = _LONGEST
            value = reader.value(node, Scope({"t": formula.t}))
    except (ArithmeticError, MemoryError, RecursionError, SyntaxError) as error:
        raise ValueError(f"{text!r} isn't a formula: {error}") from None
    if isinstance(value, Open) or not isinstance(value, int | float | sympy.Basic):
        raise ValueError(f"{text!r} isn't a formula of t in NumPy's functions")
    return exact(value)


@dataclass(frozen=True)
class Text(Choice):
    """A formula of the step `t`, written with NumPy's functions."""

    options: tuple[str | bool, ...] = ("0.1",)

    def __str__(self) -> str:
        return "the text of a formula of t, with NumPy's functions"

    def check(self, name: str, value: Any) -> str:
        """Return `value`, or raise."""
        if not isinstance(value, str):
            raise TypeError(f"{name} must be {self}, got {value!r}")
        _expression(value)
        return value


Formula = Annotated[str, Text()]


@schedule
def by_formula(t: Any, rate: Formula) -> Any:
    """The rate as a formula of the step `t`, where no name says more.

    >>> by_formula("0.1 * where(t < 2, 1, 0.5)")([0, 1, 2])
    array([0.1 , 0.1 , 0.05])
    """
    made = _expression(rate)
    # Of whole numbers NumPy makes whole numbers.
    return made if made.has(sympy.Float) else sympy.Mul(1.0, made, evaluate=False)


def of_expression(rate: Any) -> Schedule:
    """Return the schedule of a SymPy expression in `t`, or of a number."""
    return by_formula(array_code(exact(rate)))
