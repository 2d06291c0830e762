"""Python code laid out as `ruff format` does, for the few forms that we write."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

#: The longest line of a text, and the indentation of a block.
_WIDTH, _INDENT = 88, " " * 4

_LEVELS = ((ast.Add, ast.Sub), (ast.Mult, ast.Div, ast.FloorDiv, ast.Mod))
_SIMPLE_POWER = re.compile(r"(?<![\w.)\]])([\w.]+) \*\* (-?[\w.]+)(?![\w.(\[])")


def one_line(node: ast.AST) -> str:
    """Return the code of an expression on one line."""
    text = ast.unparse(node).replace("'", '"')
    return _SIMPLE_POWER.sub(r"\1**\2", text)


def statement(start: str, code: str, end: str = "", depth: int = 0) -> list[str]:
    """Return the lines of `start` + an expression + `end`, for `depth` blocks deep.

    >>> statement("x = ", "1/2*t**n")
    ['x = 1 / 2 * t**n']
    """
    node = ast.parse(code.strip(), mode="eval").body
    return _lines(start, node, end, depth * len(_INDENT))


def _lines(start: str, node: ast.AST, end: str, margin: int) -> list[str]:
    line = f"{start}{one_line(node)}{end}"
    if margin + len(line) <= _WIDTH:
        return [line]
    if isinstance(node, ast.Call):
        return call(start + one_line(node.func), _arguments(node), end, margin)
    if hugged := _hugged(start, node, end, margin):
        return hugged
    rows = _operands(node, margin + len(_INDENT))
    return [f"{start}(", *(_INDENT + row for row in rows), f"){end}"]


def _hugged(start: str, node: ast.AST, end: str, margin: int) -> list[str] | None:
    """Break inside brackets, where the only operation of its level ends in some."""
    stands_alone = start.endswith((" = ", "return "))
    if not stands_alone or not isinstance(node, ast.BinOp) or len(_chain(node)) != 2:
        return None
    text = one_line(node)
    groups = list(_brackets(text))
    if not groups or (groups[0][0] != 0 and groups[-1][1] != len(text)):
        return None
    lines, line = [], start
    at = 0
    for n, (begin, stop) in enumerate(groups):
        line += text[at:begin]
        following = groups[n + 1][0] + 1 if n + 1 < len(groups) else len(text)
        if margin + len(line) + following - begin <= _WIDTH:
            line += text[begin:stop]
        else:
            lines += [f"{line}(", *_inside(text[begin:stop], margin + len(_INDENT))]
            line = ")"
        at = stop
    return [*lines, f"{line}{text[at:]}{end}"]


def _brackets(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each outermost pair of brackets begins and ends."""
    depth = begin = 0
    for i, letter in enumerate(text):
        if letter == "(":
            begin = begin if depth else i
            depth += 1
        elif letter == ")":
            depth -= 1
            if not depth:
                yield begin, i + 1


def _inside(brackets: str, margin: int) -> list[str]:
    """Return the lines inside of brackets, indented."""
    if margin + len(brackets) - 2 <= _WIDTH:
        return [_INDENT + brackets[1:-1]]
    made = ast.parse(f"f{brackets}", mode="eval").body
    assert isinstance(made, ast.Call)
    if len(made.args) == 1:
        rows = _operands(made.args[0], margin)
    else:
        rows = [row for a in made.args for row in _lines("", a, ",", margin)]
    return [_INDENT + row for row in rows]


def _chain(node: ast.BinOp) -> list[tuple[str, ast.AST]]:
    """Return the operands of one level, each after its operator."""
    level = next((ops for ops in _LEVELS if isinstance(node.op, ops)), (ast.Pow,))
    chain: list[tuple[str, ast.AST]] = []
    inner: ast.AST = node
    while isinstance(inner, ast.BinOp) and isinstance(inner.op, level):
        sign = one_line(ast.BinOp(ast.Name("f()"), inner.op, ast.Name("b")))
        chain.append((sign[4:-1], inner.right))
        inner = inner.left
    return [("", inner), *reversed(chain)]


def _arguments(node: ast.Call) -> list[tuple[str, ast.AST]]:
    named = [(f"{k.arg}=", k.value) for k in node.keywords]
    return [*(("", argument) for argument in node.args), *named]


def call(
    start: str, arguments: list[tuple[str, ast.AST]], end: str, margin: int
) -> list[str]:
    """Return a call with each argument on a line, if it has any."""
    together = ", ".join(name + one_line(node) for name, node in arguments)
    positional = not any(name for name, _ in arguments)
    if positional and margin + len(_INDENT) + len(together) <= _WIDTH:
        return [f"{start}(", _INDENT + together, f"){end}"]
    rows = []
    for name, node in arguments:
        rows += _lines(name, node, ",", margin + len(_INDENT))
    return [f"{start}(", *(_INDENT + row for row in rows), f"){end}"]


def _operands(node: ast.AST, margin: int) -> list[str]:
    """Break an operation before its operators."""
    if isinstance(node, ast.IfExp):
        otherwise = node.orelse
        rows = _lines("", node.body, "", margin)
        rows += _lines("if ", node.test, "", margin)
        if isinstance(otherwise, ast.IfExp):
            *first, last = _operands(otherwise, margin)
            return [*rows, f"else {first[0]}", *first[1:], last]
        return rows + _lines("else ", otherwise, "", margin)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        operator = one_line(node).removeprefix(one_line(node.left)).split()[0]
        before = _operands(node.left, margin)
        return [*before, *_lines(f"{operator} ", node.comparators[0], "", margin)]
    if not isinstance(node, ast.BinOp):
        return [one_line(node)]
    rows = []
    for sign, operand in _chain(node):
        if not isinstance(operand, ast.BinOp):
            rows += _lines(sign, operand, "", margin)
        elif not _binds(operand, node.op):
            rows += _grouped(sign, operand, margin)
        elif margin + len(sign + one_line(operand)) <= _WIDTH:
            rows.append(sign + one_line(operand))
        else:
            inner = _operands(operand, margin)
            rows += [sign + inner[0], *inner[1:]]
    return rows


def _binds(operand: ast.BinOp, outer: ast.operator) -> bool:
    """Return whether an operand needs no parentheses under an operator."""
    if isinstance(outer, ast.Pow):
        return False
    above = isinstance(outer, _LEVELS[0]) and not isinstance(operand.op, _LEVELS[0])
    return above or isinstance(operand.op, ast.Pow)


def _grouped(sign: str, operand: ast.AST, margin: int) -> list[str]:
    line = f"{sign}({one_line(operand)})"
    if margin + len(line) <= _WIDTH:
        return [line]
    rows = _operands(operand, margin + len(_INDENT))
    return [f"{sign}(", *(_INDENT + row for row in rows), ")"]
