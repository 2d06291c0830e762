"""Numbers and formulas: Python's operations and functions on both.

What is a number is computed as Python does; what depends on the step stays a SymPy
expression.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import sympy

#: How large what is computed may become: digits, and entries of a list.
BITS, ENTRIES = 1024, 20_000


class Refused(LookupError):
    """What the text means can't be read; the message is about the text."""


_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_COMPARISONS: dict[type, Callable[..., Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}


def is_number(value: Any) -> bool:
    """Return whether a value is a real number, and no boolean."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_formula(value: Any) -> bool:
    """Return whether a value depends on the step."""
    return isinstance(value, sympy.Basic)


def exact(value: Any) -> Any:
    """Return a number for use in a formula: 10.0 is 10, so that t / 10.0 is exact."""
    if isinstance(value, bool):
        return sympy.true if value else sympy.false
    if isinstance(value, float) and value == int(value) and abs(value) < 2**53:
        return sympy.Integer(int(value))
    return sympy.sympify(value)


def _number(value: Any) -> Any:
    if is_formula(value):
        return (
            float(value)
            if value.is_number and not value.is_Integer
            else (int(value) if value.is_number else value)
        )
    if isinstance(value, bool):
        return int(value)
    if not is_number(value):
        raise ValueError(f"{value!r} is no number")
    if isinstance(value, int) and value.bit_length() > BITS:
        raise ValueError("a number of the text has too many digits")
    return value


def arithmetic(op: ast.operator | ast.unaryop, *values: Any) -> Any:
    """Compute an operation, as Python does, of numbers and formulas."""
    if isinstance(op, ast.Add | ast.Mult) and any(
        isinstance(v, list | tuple | str) for v in values
    ):
        return _of_sequences(op, *values)
    numbers = [_number(value) for value in values]
    if any(map(is_formula, numbers)):
        return _of_formulas(op, *map(exact, numbers))
    if isinstance(op, ast.Pow):  # 9**9**9 would take for ever in whole numbers
        result = float(numbers[0]) ** float(numbers[1])
        if isinstance(result, complex):
            raise ValueError(f"{values[0]} ** {values[1]} is no real number")
        whole = all(isinstance(n, int) for n in numbers) and abs(result) < 2**53
        return int(result) if whole and numbers[1] >= 0 else result
    if type(op) not in _OPERATORS:
        raise ValueError(f"{type(op).__name__} is no operation on numbers")
    return _number(_OPERATORS[type(op)](*numbers))


def _of_sequences(op: ast.AST, left: Any, right: Any) -> Any:
    if isinstance(op, ast.Mult) and isinstance(left, int):
        left, right = right, left
    size = len(left) * right if isinstance(op, ast.Mult) else len(left) + len(right)
    if size > ENTRIES:
        raise ValueError("a list of the text is too long")
    return _OPERATORS[type(op)](left, right)


def _of_formulas(op: ast.AST, *values: Any) -> Any:
    match op, values:
        case ast.Pow(), (base, power):
            return base**power
        case ast.Div(), (over, under):
            if under.is_Float:  # t / 0.3 and not t * 3.3333
                under = sympy.Rational(str(under))
            return over / under
        case ast.FloorDiv(), (over, under):
            return sympy.floor(_of_formulas(ast.Div(), over, under))
        case _:
            return _OPERATORS[type(op)](*values)


def compare(op: ast.cmpop, left: Any, right: Any) -> Any:
    """Compare as Python does; of formulas, return the condition."""
    if is_formula(left) or is_formula(right):
        pair = exact(_number(left)), exact(_number(right))
        if isinstance(op, ast.Eq | ast.NotEq):
            made = sympy.Eq if isinstance(op, ast.Eq) else sympy.Ne
            return made(*pair)
        return _COMPARISONS[type(op)](*pair)
    match op:
        case ast.Is() | ast.IsNot():
            return (left is right) == isinstance(op, ast.Is)
        case ast.In() | ast.NotIn():
            return (left in right) == isinstance(op, ast.In)
    return _COMPARISONS[type(op)](left, right)


def choose(condition: Any, then: Any, otherwise: Any) -> Any:
    """Return the value of an `if`: one of two, or a Piecewise of both."""
    if condition in (True, sympy.true):
        return then
    if condition in (False, sympy.false) or then is otherwise:
        return otherwise
    values = [exact(_number(value)) for value in (then, otherwise)]
    return sympy.Piecewise((values[0], condition), (values[1], True), evaluate=False)


# The functions of Python, math, NumPy and the others ---------------------------


def _either(python: Callable[..., Any], symbolic: Callable[..., Any]) -> Any:
    def function(*values: Any, **_: Any) -> Any:
        if any(map(is_formula, values)):
            return symbolic(*(exact(_number(value)) for value in values))
        return python(*map(_number, values))

    return function


def _least(python: Any, symbolic: Any) -> Any:
    def function(*values: Any, **more: Any) -> Any:
        if len(values) == 1:
            (values,) = values
        if more.get("default") is not None and not values:
            return more["default"]
        if any(map(is_formula, values)):
            numbers = [exact(_number(value)) for value in values]
            return symbolic(*numbers, evaluate=False)
        return python(map(_number, values))

    return function


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return int(value)
    if is_formula(value):
        down, up = sympy.floor(value), sympy.ceiling(value)
        if value.is_nonnegative:
            return down
        return sympy.Piecewise((down, value >= 0), (up, True), evaluate=False)
    return int(_number(value))


def decimal(value: Any, *_: Any, **__: Any) -> Any:
    """Return a number as a float; a formula or a list as it is."""
    if isinstance(value, str):
        return float(value)
    return (
        value if is_formula(value) or isinstance(value, list) else float(_number(value))
    )


def _rounded(value: Any, digits: int | None = None) -> Any:
    if is_formula(value):
        raise Refused("round() of the step has no formula here; leave it out")
    return round(_number(value), digits)


def _clipped(value: Any, low: Any = None, high: Any = None, **more: Any) -> Any:
    low = more.get("a_min", more.get("min", low))
    high = more.get("a_max", more.get("max", high))
    value = value if low is None else FUNCTIONS["max"](value, low)
    return value if high is None else FUNCTIONS["min"](value, high)


def _interpolated(x: Any, points: list[Any], values: list[Any]) -> Any:
    """Return the value at `x` of lines through points, flat outside of them."""
    if isinstance(x, list):
        return [_interpolated(each, points, values) for each in x]
    if len(points) != len(values) or not points:
        raise ValueError("interp: give as many values as points")
    result = values[-1]
    pairs = list(zip(points, values, strict=True))
    for (start, low), (end, high) in reversed(list(pairwise(pairs))):
        share = arithmetic(ast.Div(), arithmetic(ast.Sub(), x, start), end - start)
        line = arithmetic(ast.Add(), low, arithmetic(ast.Mult(), high - low, share))
        result = choose(compare(ast.Lt(), x, end), line, result)
    return choose(compare(ast.Lt(), x, points[0]), values[0], result)


def _listed(*values: Any) -> list[Any]:
    result: list[Any] = list(*values)
    if len(result) > ENTRIES:
        raise ValueError("a list of the text is too long")
    return result


def _ranged(*values: Any, **_: Any) -> list[Any]:
    numbers = range(*map(int, map(_number, values)))
    if len(numbers) > ENTRIES:
        raise ValueError("a range of the text is too long")
    return list(numbers)


_MIN = _least(min, sympy.Min)
_MAX = _least(max, sympy.Max)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{
        name: _either(getattr(math, name), getattr(sympy, name))
        for name in ("cos", "exp", "sin", "sqrt", "tan", "tanh", "floor", "log")
    },
    "rsqrt": _either(lambda x: 1 / math.sqrt(x), lambda x: 1 / sympy.sqrt(x)),
    "exp2": _either(lambda x: 2.0**x, lambda x: 2**x),
    "log1p": _either(math.log1p, lambda x: sympy.log(1 + x)),
    "reciprocal": _either(lambda x: 1 / x, lambda x: 1 / x),
    "interp": lambda x, points, values, **_: _interpolated(x, points, values),
    "ceil": _either(math.ceil, sympy.ceiling),
    "log2": _either(math.log2, lambda x: sympy.log(x) / sympy.log(2)),
    "log10": _either(math.log10, lambda x: sympy.log(x) / sympy.log(10)),
    "arctan": _either(math.atan, sympy.atan),
    "atan": _either(math.atan, sympy.atan),
    "abs": _either(abs, sympy.Abs),
    "fabs": _either(math.fabs, sympy.Abs),
    "sign": _either(lambda x: (x > 0) - (x < 0), sympy.sign),
    "square": _either(lambda x: x * x, lambda x: x**2),
    **dict.fromkeys(("pow", "power"), lambda x, y, **_: arithmetic(ast.Pow(), x, y)),
    **dict.fromkeys(
        ("divide", "true_divide"), lambda x, y: arithmetic(ast.Div(), x, y)
    ),
    **dict.fromkeys(
        ("floor_divide", "floordiv"), lambda x, y: arithmetic(ast.FloorDiv(), x, y)
    ),
    **dict.fromkeys(("multiply",), lambda x, y: arithmetic(ast.Mult(), x, y)),
    **dict.fromkeys(("add",), lambda x, y: arithmetic(ast.Add(), x, y)),
    **dict.fromkeys(("subtract",), lambda x, y: arithmetic(ast.Sub(), x, y)),
    **dict.fromkeys(
        ("mod", "fmod", "remainder"), lambda x, y: arithmetic(ast.Mod(), x, y)
    ),
    "min": _MIN,
    "max": _MAX,
    "minimum": _MIN,
    "maximum": _MAX,
    **dict.fromkeys(("clip", "clip_by_value", "clamp"), _clipped),
    "where": choose,
    "less": lambda x, y: compare(ast.Lt(), x, y),
    "less_equal": lambda x, y: compare(ast.LtE(), x, y),
    "greater": lambda x, y: compare(ast.Gt(), x, y),
    "greater_equal": lambda x, y: compare(ast.GtE(), x, y),
    "logical_and": lambda x, y: sympy.And(exact(x), exact(y)),
    "logical_or": lambda x, y: sympy.Or(exact(x), exact(y)),
    "logical_not": lambda x: sympy.Not(exact(x)),
    "int": _whole,
    "round": _rounded,
    **dict.fromkeys(
        (
            *("float", "float32", "float64", "cast", "asarray", "array", "constant"),
            *("convert_to_tensor", "tensor", "astype", "to", "item", "astype"),
        ),
        decimal,
    ),
    **dict.fromkeys(("range", "arange"), _ranged),
    **dict.fromkeys(("list", "tuple"), _listed),
    "sum": lambda values: _summed(values),
    "sorted": sorted,
    "reversed": lambda values: list(reversed(values)),
    "zip": lambda *values: [list(pair) for pair in zip(*values, strict=False)],
    "enumerate": lambda values, start=0: [[start + i, v] for i, v in enumerate(values)],
    "bool": bool,
    "str": str,
}
for _name in ("float", "float32", "float64", "asarray", "array", "constant"):
    FUNCTIONS[_name] = decimal
CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "True": True}


def _summed(values: Any) -> Any:
    total: Any = 0
    for value in values:
        total = arithmetic(ast.Add(), total, value)
    return total
