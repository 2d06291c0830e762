"""Python code laid out as `ruff format` does: calls on several lines, formulas on one.

A formula that is too long for a line is split into assignments.
"""

from __future__ import annotations

import ast
import string
import textwrap
from collections.abc import Iterator, Set
from typing import Any

from lrlib.libraries.inverse import PLACEHOLDER, Way, plain

#: The longest line, the longest call on one line, and the indentation of a block.
_WIDTH, _CALL, _INDENT = 88, 58, " " * 4


def text_of(value: Any, prefix: str = "", first: str = "") -> str:
    """Return the code of a call, on one line if it fits."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        items = [text_of(v, prefix, first) for v in value]
        start, end = "[", "]"
    else:
        items = [first] if first else []
        items += [
            f"{k}={text_of(v, prefix, first)}" for k, v in value.arguments.items()
        ]
        start, end = f"{prefix}{value.name}(", ")"
    line = f"{start}{', '.join(items)}{end}"
    if "\n" not in line and len(PLACEHOLDER.sub("0.0001", line)) <= _CALL:
        return line
    inside = "".join(f"{item},\n" for item in items)
    return f"{start}\n{textwrap.indent(inside, _INDENT)}{end}"


def names_in(value: Any) -> Iterator[str]:
    """Yield the names that a call needs imported."""
    if isinstance(value, Way):
        yield value.name
        value = list(value.arguments.values())
    if isinstance(value, list):
        for v in value:
            yield from names_in(v)


def statement(
    start: str, code: str, end: str = "", depth: int = 0, taken: Set[str] = frozenset()
) -> list[str]:
    """Return the lines of `start` + an expression + `end`, for `depth` blocks deep.

    `taken` are names that no part of the expression can be given.

    >>> statement("x = ", "1/2*t**n")
    ['x = 1 / 2 * t**n']
    """
    node = ast.parse(code.strip(), mode="eval").body
    return _lines(start, node, end, depth, taken)


def _lines(
    start: str, node: ast.expr, end: str, depth: int, taken: Set[str]
) -> list[str]:
    line = f"{start}{plain(node)}{end}"
    if depth * len(_INDENT) + len(line) <= _WIDTH:
        return [line]
    if isinstance(node, ast.IfExp) and not end:
        test = _lines("if ", node.test, ":", depth, taken)
        sides = (
            [_INDENT + each for each in _lines(start, side, "", depth + 1, taken)]
            for side in (node.body, node.orelse)
        )
        body, otherwise = sides
        return [*test, *body, "else:", *otherwise]
    used = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} | taken
    name = next(n for n in string.ascii_lowercase if n not in used)
    room = _WIDTH - depth * len(_INDENT) - len(f"{name} = ")
    short = [p for p in _parts(node) if len(plain(p)) <= room]
    long = [p for p in _parts(node) if isinstance(p, ast.IfExp)]
    part = max(short or long, key=lambda part: len(plain(part)))
    code = ast.dump(part)

    class Named(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            same = ast.dump(node) == code
            return ast.Name(name, ast.Load()) if same else self.generic_visit(node)

    taken = {*taken, name}
    first = _lines(f"{name} = ", part, "", depth, taken)
    return [*first, *_lines(start, Named().visit(node), end, depth, taken)]


def _parts(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what an expression computes in any case."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.BinOp | ast.Call | ast.IfExp | ast.Compare):
            yield child
        if not isinstance(child, ast.IfExp):
            yield from _parts(child)
