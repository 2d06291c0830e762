"""Rates that are made of the rate before: Keras's `f(epoch, learning_rate)`."""

from __future__ import annotations

from typing import Any

import sympy

from lrlib.libraries.arithmetic import exact
from lrlib.libraries.meanings import missing
from lrlib.schedules.formula import t

_EPOCHS, _STRETCHES = 2000, 60


def unrolled(value: Any, before: sympy.Symbol, first: float, name: str) -> sympy.Expr:
    """Return the rate at step t, where `value` says how it follows from `before`.

    In each stretch of epochs the rate must be a constant multiple of the one before, or
    not depend on it at all.
    """
    cases = value.args if isinstance(value, sympy.Piecewise) else [(value, True)]
    cases = [(e, c) for e, c in cases]
    if isinstance(value, sympy.Piecewise) is False and value.has(sympy.Piecewise):
        value = sympy.piecewise_fold(value)
        cases = [(e, c) for e, c in value.args]
    stretches = list(_stretches(cases, name))
    rate: Any = exact(first)
    pieces = []
    for (begin, e), end in zip(
        stretches, [*(b for b, _ in stretches[1:]), None], strict=True
    ):
        if before in e.free_symbols:
            factor = sympy.simplify(e / before)
            if factor.has(before) or factor.has(t):
                raise missing(f"{name}: a rate made of the one before, {e}")
            here = rate * factor ** (t - begin + 1)
        else:
            here = e
        if end is not None:
            pieces.append((here, t < end))
            rate = here.xreplace({t: sympy.Integer(end - 1)})
        else:
            pieces.append((here, True))
    if len(pieces) == 1:
        return pieces[0][0]
    return sympy.Piecewise(*pieces, evaluate=False)


def _stretches(cases: list[Any], name: str) -> Any:
    """Yield (first epoch, expression) of each stretch with the same case."""
    last, count = -1, 0
    functions = [
        c if c in (True, sympy.true) else sympy.lambdify(t, c, "math") for _, c in cases
    ]
    for epoch in range(_EPOCHS):
        case = next(
            i
            for i, holds in enumerate(functions)
            if holds in (True, sympy.true) or holds(epoch)
        )
        if case != last:
            count += 1
            if count > _STRETCHES:
                raise missing(f"{name}: the rate changes its rule too often")
            last = case
            yield epoch, cases[case][0]
