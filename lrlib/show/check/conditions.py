"""Conditions and sentences over the features of a curve, as data.

The browser evaluates them with the evaluator that it has for formulas.
"""

from __future__ import annotations

import ast
import math
import string
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_OPERATIONS: dict[type, str] = {
    ast.Add: "Add",
    ast.Mult: "Mul",
    ast.Div: "Div",
    ast.Lt: "StrictLessThan",
    ast.LtE: "LessThan",
    ast.Gt: "StrictGreaterThan",
    ast.GtE: "GreaterThan",
    ast.Eq: "Equality",
    ast.NotEq: "Unequality",
    ast.And: "And",
    ast.Or: "Or",
}


def tree(text: str) -> Any:
    """Return an expression as `lrlib.schedules.formula.tree` writes formulas.

    >>> tree("last < 0.5 * high and n - 1 > over_at")[0]
    'And'
    """
    return _tree(ast.parse(text.strip(), mode="eval").body)


def _tree(node: ast.AST) -> Any:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ["Not", _tree(operand)]
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return ["Add", _tree(left), ["Mul", -1, _tree(right)]]
        case ast.BinOp(left=left, op=op, right=right):
            return [_OPERATIONS[type(op)], _tree(left), _tree(right)]
        case ast.BoolOp(op=op, values=values):
            return [_OPERATIONS[type(op)], *map(_tree, values)]
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return [_OPERATIONS[type(op)], _tree(left), _tree(right)]
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=args):
            return [name.capitalize(), *map(_tree, args)]
    raise ValueError(f"a condition can't hold {ast.unparse(node)!r}")


def evaluate(node: Any, values: Mapping[str, Any]) -> Any:
    """Return the value of such a tree, as the browser computes it."""
    if isinstance(node, str):
        return values[node]
    if not isinstance(node, list):
        return node
    name, *rest = node
    if name == "And":
        return all(evaluate(each, values) for each in rest)
    if name == "Or":
        return any(evaluate(each, values) for each in rest)
    arguments = [evaluate(each, values) for each in rest]
    match name, arguments:
        case "Not", [a]:
            return not a
        case "Add", [a, b]:
            return a + b
        case "Mul", [a, b]:
            return a * b
        case "Div", [a, b]:
            return a / b if b else math.inf
        case "Min", many:
            return min(many)
        case "Max", many:
            return max(many)
        case "StrictLessThan", [a, b]:
            return a < b
        case "LessThan", [a, b]:
            return a <= b
        case "StrictGreaterThan", [a, b]:
            return a > b
        case "GreaterThan", [a, b]:
            return a >= b
        case "Equality", [a, b]:
            return a == b
        case "Unequality", [a, b]:
            return a != b
    raise ValueError(f"unknown operation {name}")


def sentence(text: str) -> list[Any]:
    """Return a sentence as a list of texts and of [expression, format].

    >>> sentence("after {over_at:count} updates")
    ['after ', ['over_at', 'count'], ' updates']
    """
    parts: list[Any] = []
    for words, expression, style, _ in string.Formatter().parse(text):
        parts += [words] if words else []
        if expression is not None:
            parts.append([tree(expression), style or "text"])
    return parts


def written(parts: list[Any], values: Mapping[str, Any]) -> str:
    """Return a sentence with its numbers."""
    return "".join(
        part if isinstance(part, str) else FORMATS[part[1]](evaluate(part[0], values))
        for part in parts
    )


def rate(value: float) -> str:
    """Return a rate to three digits.

    >>> rate(0.1), rate(0.00012345), rate(1e-5), rate(0.0)
    ('0.1', '0.000123', '1e-5', '0')
    """
    if not math.isfinite(value):
        return "infinite" if value == value else "NaN"
    rounded = float(f"{value:.3g}")
    if rounded and not 1e-4 <= abs(rounded) < 1e5:
        digits, exponent = f"{rounded:.2e}".split("e")
        return f"{float(digits):g}e{int(exponent)}"
    return np.format_float_positional(rounded, trim="-")


def percent(value: float) -> str:
    """Return a share in percent.

    >>> percent(0.042), percent(0.5), percent(0.0004)
    ('4.2 %', '50 %', '0.04 %')
    """
    size = 1 if value >= 0.1 else 10 if value >= 0.01 else 100
    return f"{math.floor(value * 100 * size + 0.5) / size:g} %"


FORMATS: dict[str, Callable[[Any], str]] = {
    "count": lambda value: f"{math.floor(value + 0.5):,}",
    "plain": lambda value: f"{math.floor(value + 0.5)}",
    "rate": rate,
    "percent": percent,
    "text": str,
}
