"""Rates that are made of the rate before: Keras's `f(epoch, learning_rate)`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy

from lrlib.libraries.arithmetic import Refused, exact
from lrlib.libraries.meanings import missing
from lrlib.schedules.formula import t

_EPOCHS, _STRETCHES = 2000, 60


class Unrolled(Refused):
    """Rates that have no formula, but that follow from each other.

    Attributes:
        follow: a function of the epoch and of the rate before.
        first: the rate before the first epoch.

    """

    def __init__(self, value: Any, before: sympy.Symbol, first: float, words: str):
        super().__init__(words)
        rule = sympy.lambdify([t, before], value, "math")
        self.follow = lambda epoch, rate: float(rule(epoch, rate))
        self.first = float(first)


def unrolled(value: Any, before: sympy.Symbol, first: float, name: str) -> sympy.Expr:
    """Return the rate at step t, where `value` says how it follows from `before`.

    In each stretch of epochs the rate must be a constant multiple of the one before, or
    not depend on it at all.
    """
    if not isinstance(value, sympy.Piecewise) and value.has(sympy.Piecewise):
        value = sympy.piecewise_fold(value)
    cases = value.args if isinstance(value, sympy.Piecewise) else [(value, True)]
    stretches = list(_stretches(cases, name))
    rate: Any = exact(first)
    pieces: list[tuple[Any, Any]] = []
    ends = [*(begin for begin, _ in stretches[1:]), None]
    for (begin, e), end in zip(stretches, ends, strict=True):
        if before in e.free_symbols:
            factor = sympy.simplify(e / before)
            if factor.has(before) or factor.has(t):
                words = str(missing(f"{name}: a rate made of the one before, {e}"))
                raise Unrolled(value, before, first, words)
            here = rate * factor ** (t - begin + 1)
        else:
            here = e
        if end is None:
            return sympy.Piecewise(*pieces, (here, True), evaluate=False)
        pieces.append((here, t < end))
        rate = here.xreplace({t: sympy.Integer(end - 1)})
    raise AssertionError("the last stretch has no end")


def _stretches(cases: Any, name: str) -> Iterator[tuple[int, sympy.Expr]]:
    """Yield (first epoch, expression) of each stretch with the same case."""
    last, count = -1, 0
    functions = [sympy.lambdify(t, condition, "math") for _, condition in cases]
    for epoch in range(_EPOCHS):
        case = next(i for i, holds in enumerate(functions) if holds(epoch))
        if case != last:
            count += 1
            if count > _STRETCHES:
                raise missing(f"{name}: the rate changes its rule too often")
            last = case
            yield epoch, cases[case][0]
