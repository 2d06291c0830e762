"""What a formula may be made of, so that it means the same everywhere.

NumPy, Keras, the browser and the other libraries each compute a formula in their own
functions. Whatever has no counterpart in one of them is either written in terms of
what has, or refused when the schedule is defined, in words that say what to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

import sympy
from sympy.core.numbers import NumberSymbol
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanFunction

from lrlib.schedules.formula import Part, unfold

#: The functions that every target computes.
OPERATIONS = (
    *(sympy.Mod, sympy.Min, sympy.Max, sympy.Abs, sympy.floor, sympy.ceiling),
    *(sympy.exp, sympy.log, sympy.sin, sympy.cos, sympy.tanh, sympy.Piecewise),
    *(sympy.And, sympy.Or),
)
#: And what Python's operators make.
OPERATORS = (
    *(sympy.Add, sympy.Mul, sympy.Pow, sympy.Eq, sympy.Ne, sympy.Lt, sympy.Le),
    *(sympy.Gt, sympy.Ge),
)

#: What is written in terms of those.
REWRITTEN: dict[Any, Callable[..., Any]] = {
    sympy.frac: lambda x: x - sympy.floor(x),
    sympy.sign: lambda x: sympy.Piecewise((1, x > 0), (-1, x < 0), (0, True)),
    sympy.tan: lambda x: sympy.sin(x) / sympy.cos(x),
    sympy.cot: lambda x: sympy.cos(x) / sympy.sin(x),
    sympy.sec: lambda x: 1 / sympy.cos(x),
    sympy.csc: lambda x: 1 / sympy.sin(x),
    sympy.sinh: lambda x: (sympy.exp(x) - sympy.exp(-x)) / 2,
    sympy.cosh: lambda x: (sympy.exp(x) + sympy.exp(-x)) / 2,
    sympy.coth: lambda x: 1 / sympy.tanh(x),
}

_HINTS = {
    "truth value": "`if`, `and`, `min` and `max` can't work on symbols: write "
    "sympy.Piecewise((a, t < b), (c, True)), sympy.And, sympy.Min and sympy.Max",
    "loop of ufunc": "use sympy.cos in place of numpy.cos, and so on",
    "convert expression to float": "use sympy.cos in place of math.cos, and so on",
    "": "use SymPy's functions only",
}


def call(
    name: str,
    body: Callable[..., Any],
    arguments: Mapping[str, Any],
    known: Set[sympy.Symbol],
) -> sympy.Expr:
    """Return the formula that a reader's function makes, or say what's wrong with it.

    Args:
        name: the schedule's name, which errors begin with.
        body: the function; its first parameter is the step, the first of `known`.
        arguments: what its other parameters are given.
        known: the symbols that may occur in the formula.

    Raises:
        TypeError: the function fails on symbols, returns something other than a
            formula, or one with a part that isn't in `OPERATIONS` or `REWRITTEN`.

    """
    from lrlib.schedules.formula import t

    try:
        result = body(t, **arguments)
    except Exception as error:
        hint = next(words for part, words in _HINTS.items() if part in str(error))
        raise TypeError(
            f"{name}: called with symbols, its function raised "
            f"{type(error).__name__}: {error}. Hint: {hint}"
        ) from error
    if result is None:
        raise TypeError(f"{name}: its function returned None; is a `return` missing?")
    try:
        formula = sympy.sympify(result, strict=True)
    except sympy.SympifyError:
        formula = None
    if not isinstance(formula, sympy.Expr):
        raise TypeError(
            f"{name}: its function must return a formula in SymPy's functions, got "
            f"{result!r}"
        )
    formula = rewrite(formula)
    if problem := _problem(unfold(formula), known):
        raise TypeError(f"{name}: {problem}")
    return formula


def rewrite(formula: sympy.Basic) -> sympy.Basic:
    """Return the formula in terms of `OPERATIONS`, as far as that is known.

    >>> from sympy import Symbol, frac
    >>> rewrite(2 * frac(Symbol("x")))
    2*x - 2*floor(x)
    """
    if isinstance(formula, Part):
        return Part(formula.args[0], rewrite(formula.expression))
    if not formula.args:
        if isinstance(formula, NumberSymbol) and formula not in (sympy.pi, sympy.E):
            return formula.evalf(17)
        return formula
    args = [rewrite(arg) for arg in formula.args]
    if type(formula) in REWRITTEN:
        return rewrite(REWRITTEN[type(formula)](*args))
    if isinstance(formula, BooleanFunction) and not isinstance(
        formula, sympy.And | sympy.Or
    ):
        plain = sympy.to_nnf(formula.func(*args), simplify=False)
        return plain if isinstance(plain, sympy.Not) else rewrite(plain)
    return formula.func(*args)


def _problem(formula: sympy.Basic, known: Set[sympy.Symbol]) -> str | None:
    """Say what in the formula has no counterpart somewhere; None if all has."""
    for node in sympy.preorder_traversal(formula):
        if isinstance(node, sympy.Symbol):
            if node not in known:
                return f"its formula holds {node}, which isn't one of its parameters"
        elif node in (sympy.I, sympy.nan, sympy.zoo, sympy.oo, -sympy.oo):
            return f"its formula holds {node}, which isn't a real number"
        elif isinstance(node, sympy.Piecewise):
            if node.args[-1].cond != True:  # noqa: E712
                return "a Piecewise must end in (…, True), the rate in all other cases"
        elif isinstance(node, sympy.Number):
            if abs(node) > 1e308:
                return f"its formula holds a number that no float can hold: {node}"
        elif node.args and not isinstance(
            node, (*OPERATIONS, *OPERATORS, ExprCondPair)
        ):
            names = sorted(f.__name__ for f in (*OPERATIONS, *REWRITTEN))
            return (
                f"its formula holds {type(node).__name__}, which not every library "
                f"computes; write it in terms of {', '.join(names)}"
            )
    return None
