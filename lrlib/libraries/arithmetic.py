"""Numbers and formulas: Python's operations and functions on both.

What is a number is computed as Python does; what depends on the step stays a SymPy
expression.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from functools import partial, reduce
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
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}
_ORDER: dict[type, Callable[..., Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
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
        if not value.is_number:
            return value
        value = int(value) if value.is_Integer else float(value)
    if isinstance(value, bool):
        return int(value)
    if not is_number(value):
        raise ValueError(f"{value!r} isn't a number")
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
        numbers = [exact(number) for number in numbers]
        if isinstance(op, ast.Div | ast.FloorDiv) and numbers[1].is_Float:
            numbers[1] = sympy.Rational(str(numbers[1]))  # t / 0.3, not t * 3.3333
        return _OPERATORS[type(op)](*numbers)
    if isinstance(op, ast.Pow):  # 9**9**9 would take for ever in whole numbers
        result = float(numbers[0]) ** float(numbers[1])
        if isinstance(result, complex):
            raise ValueError(f"{values[0]} ** {values[1]} isn't a real number")
        whole = all(isinstance(n, int) for n in numbers) and abs(result) < 2**53
        return int(result) if whole and numbers[1] >= 0 else result
    if type(op) not in _OPERATORS:
        raise ValueError(f"{type(op).__name__} isn't an operation on numbers")
    return _number(_OPERATORS[type(op)](*numbers))


def _of_sequences(op: ast.AST, left: Any, right: Any) -> Any:
    if isinstance(op, ast.Mult) and isinstance(left, int):
        left, right = right, left
    size = len(left) * right if isinstance(op, ast.Mult) else len(left) + len(right)
    if size > ENTRIES:
        raise ValueError("a list of the text is too long")
    return _OPERATORS[type(op)](left, right)


def compare(op: ast.cmpop, left: Any, right: Any) -> Any:
    """Compare as Python does; of formulas, return the condition."""
    if is_formula(left) or is_formula(right):
        relations = {ast.Eq: sympy.Eq, ast.NotEq: sympy.Ne, **_ORDER}
        return relations[type(op)](exact(_number(left)), exact(_number(right)))
    match op:
        case ast.Is() | ast.IsNot():
            return (left is right) == isinstance(op, ast.Is)
        case ast.In() | ast.NotIn():
            return (left in right) == isinstance(op, ast.In)
        case ast.Eq() | ast.NotEq():
            return (left == right) == isinstance(op, ast.Eq)
    return _ORDER[type(op)](left, right)


def choose(condition: Any, then: Any, otherwise: Any) -> Any:
    """Return the value of an `if`: one of two, or a Piecewise of both."""
    if condition in (True, sympy.true):
        return then
    if condition in (False, sympy.false) or then is otherwise:
        return otherwise
    values = [exact(_number(value)) for value in (then, otherwise)]
    return sympy.Piecewise((values[0], condition), (values[1], True), evaluate=False)


# The functions of Python, math, NumPy and the others ---------------------------


def _symbolic(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of SymPy's take and return numbers, too."""

    def numeric(*values: Any, **_: Any) -> Any:
        return _number(function(*(exact(_number(value)) for value in values)))

    return numeric


def _least(function: Callable[..., Any]) -> Callable[..., Any]:
    def least(*values: Any, default: Any = None, **_: Any) -> Any:
        if len(values) == 1:
            (values,) = values
        if default is not None and not values:
            return default
        numbers = [exact(_number(value)) for value in values]
        formula = any(value.free_symbols for value in numbers)
        return _number(function(*numbers, evaluate=not formula))

    return least


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
    as_it_is = is_formula(value) or isinstance(value, list)
    return value if as_it_is else float(_number(value))


def _rounded(value: Any, digits: int | None = None) -> Any:
    if is_formula(value):
        raise Refused("round() of the step has no formula here; leave it out")
    return round(_number(value), digits)


def _clipped(value: Any, low: Any = None, high: Any = None, **more: Any) -> Any:
    low = more.get("a_min", more.get("min", low))
    high = more.get("a_max", more.get("max", high))
    value = value if low is None else FUNCTIONS["max"](value, low)
    return value if high is None else FUNCTIONS["min"](value, high)


def _interpolated(x: Any, points: list[Any], values: list[Any], **_: Any) -> Any:
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


def _listed(values: Any = ()) -> list[Any]:
    return list(values)


def _ranged(*values: Any, **_: Any) -> list[Any]:
    numbers = range(*map(int, map(_number, values)))
    if len(numbers) > ENTRIES:
        raise ValueError("a range of the text is too long")
    return list(numbers)


#: Functions of Python, NumPy, TensorFlow and so on that are an operation, ...
_OPERATIONS = {
    ast.Add(): ("add",),
    ast.Sub(): ("subtract",),
    ast.Mult(): ("multiply",),
    ast.Div(): ("divide", "true_divide"),
    ast.FloorDiv(): ("floor_divide", "floordiv"),
    ast.Mod(): ("mod", "fmod", "remainder"),
    ast.Pow(): ("pow", "power"),
}
_RELATIONS = {
    ast.Lt(): ("less",),
    ast.LtE(): ("less_equal",),
    ast.Gt(): ("greater",),
    ast.GtE(): ("greater_equal",),
}
#: ... those that SymPy has, ...
_SYMPY: dict[Callable[..., Any], tuple[str, ...]] = {
    **{
        getattr(sympy, name): (name,)
        for name in ("cos", "exp", "sin", "sqrt", "tan", "tanh", "floor", "log", "sign")
    },
    sympy.Abs: ("abs", "fabs"),
    sympy.ceiling: ("ceil",),
    sympy.atan: ("arctan", "atan"),
    (lambda x: 1 / sympy.sqrt(x)): ("rsqrt",),
    (lambda x: 2**x): ("exp2",),
    (lambda x: sympy.log(1 + x)): ("log1p",),
    (lambda x: sympy.log(x) / sympy.log(2)): ("log2",),
    (lambda x: sympy.log(x) / sympy.log(10)): ("log10",),
    (lambda x: 1 / x): ("reciprocal",),
    (lambda x: x**2): ("square",),
}
#: ... and those that make a float.
_FLOATS = (
    *("float", "float32", "float64", "cast", "asarray", "array", "constant"),
    *("convert_to_tensor", "tensor", "astype", "to", "item"),
)
FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{n: partial(arithmetic, op) for op, names in _OPERATIONS.items() for n in names},
    **{n: partial(compare, op) for op, names in _RELATIONS.items() for n in names},
    **{n: _symbolic(f) for f, names in _SYMPY.items() for n in names},
    **dict.fromkeys(_FLOATS, decimal),
    **dict.fromkeys(("min", "minimum"), _least(sympy.Min)),
    **dict.fromkeys(("max", "maximum"), _least(sympy.Max)),
    **dict.fromkeys(("clip", "clip_by_value", "clamp"), _clipped),
    **dict.fromkeys(("range", "arange"), _ranged),
    **dict.fromkeys(("list", "tuple"), _listed),
    "interp": _interpolated,
    "where": choose,
    "logical_and": lambda x, y: sympy.And(exact(x), exact(y)),
    "logical_or": lambda x, y: sympy.Or(exact(x), exact(y)),
    "logical_not": lambda x: sympy.Not(exact(x)),
    "int": _whole,
    "round": _rounded,
    "sum": lambda values: reduce(partial(arithmetic, ast.Add()), values, 0),
    "sorted": sorted,
    "reversed": lambda values: list(reversed(values)),
    "zip": lambda *values: [list(pair) for pair in zip(*values, strict=False)],
    "enumerate": lambda values, start=0: [[start + i, v] for i, v in enumerate(values)],
    "bool": bool,
    "str": str,
}
CONSTANTS = {"pi": math.pi, "e": math.e, "inf": math.inf, "True": True}
