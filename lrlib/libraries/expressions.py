"""Expressions of Python that are read and never run.

What is a number becomes one; what depends on the step becomes a SymPy expression; and
what the text doesn't say becomes an `Open` value, which remembers what to ask for.
"""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import sympy
from sympy.logic.boolalg import Boolean

from lrlib.libraries.arithmetic import (
    CONSTANTS,
    ENTRIES,
    arithmetic,
    choose,
    compare,
    exact,
    is_formula,
)
from lrlib.libraries.values import (
    Class,
    Function,
    Instance,
    Open,
    Scope,
    all_open,
    bare,
)

#: How much a text may make us do: nodes visited, lists in lists, size of a formula.
_NODES, _DEEP, _FORMULA = 100_000, 8, 600


class Expressions(ABC):
    """Evaluates the syntax tree of a text.

    Args:
        text: the text that the nodes come from.
        values: what the text leaves open, by the code of the expression.

    """

    def __init__(self, text: str, values: Mapping[str, Any]) -> None:
        self.lines = text.splitlines(keepends=True)
        self.values = values
        self.top = Scope()
        self.nodes = self.deep = 0
        self.longest = _FORMULA

    @abstractmethod
    def call(self, node: ast.Call, scope: Scope) -> Any:
        """Return what a call gives."""

    @abstractmethod
    def assign(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """Bind a value to a name, an attribute or several of them."""

    # What others say

    def called(self, name: str, node: ast.Call, scope: Scope) -> Any:
        """Return what a call of a library makes, or None if it is of no library."""
        return None

    def applied(self, function: Any, arguments: list[Any]) -> Any:
        """Return the value of something that isn't a function of the text, or None."""
        return None

    def undecided(self, asked: Open, statement: ast.If) -> None:
        """Take note of an `if` whose condition is open."""
        return

    # Expressions

    def source(self, node: Any) -> str:
        """Return an expression as the text writes it."""
        if not hasattr(node, "lineno"):
            return ast.unparse(node)
        first, last = node.lineno - 1, node.end_lineno - 1
        if first != last or first >= len(self.lines):
            return ast.unparse(node)
        line = self.lines[first].encode()
        return line[node.col_offset : node.end_col_offset].decode()

    def open(self, node: ast.AST) -> Open:
        """Return the value of an expression that the text doesn't say."""
        return Open((self.source(node),))

    def value(self, node: ast.expr, scope: Scope) -> Any:
        """Return what an expression is: a number, a formula, a list, ..., or `Open`."""
        self.nodes += 1
        if self.nodes > _NODES:
            raise ValueError("cannot read the text: it computes too much")
        if self.values and isinstance(
            node, ast.Name | ast.Attribute | ast.Subscript | ast.Call
        ):
            local = isinstance(node, ast.Name) and _is_local(node.id, scope)
            if not local and (known := self.given(node)) is not None:
                return known
        value = self._value(node, scope)
        return self.bounded(value)

    def given(self, node: ast.AST) -> Any:
        """Return what `values` says of an expression."""
        return self.values.get(ast.unparse(node))

    def bounded(self, value: Any) -> Any:
        """Return a value, unless it has grown too large."""
        if isinstance(value, sympy.Basic) and size_of(value) > self.longest:
            raise ValueError("cannot read the text: a formula grows too long")
        if isinstance(value, list | tuple | dict) and _depth(value) > _DEEP:
            raise ValueError("cannot read the text: lists are nested too deeply")
        return value

    def _value(self, node: ast.expr, scope: Scope) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.Name(id=name):
                found = scope.find(name)
                if found is None and name in _JSON:
                    return _JSON[name]
                return self.open(node) if found is None else bare(found)
            case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
                return self.items(items, scope)
            case ast.Dict(keys=keys, values=values):
                return self.pairs(keys, values, scope)
            case ast.BinOp(left=left, op=op, right=right):
                return self.operation(op, [left, right], scope)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                value = self.value(operand, scope)
                if isinstance(value, Open):
                    return value
                return sympy.Not(value) if is_formula(value) else not value
            case ast.UnaryOp(op=op, operand=operand):
                return self.operation(op, [operand], scope)
            case ast.Compare():
                return self.comparison(node, scope)
            case ast.BoolOp(op=op, values=values):
                return self.logic(op, values, scope)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return self.conditional(test, body, orelse, scope)
            case ast.Lambda():
                return Function(node, scope)
            case ast.Attribute():
                return self.attribute(node, scope)
            case ast.Subscript():
                return self.subscript(node, scope)
            case ast.ListComp() | ast.GeneratorExp():
                return self.comprehension(node, scope)
            case ast.Call():
                return self.call(node, scope)
            case ast.Starred(value=value) | ast.Await(value=value):
                return self.value(value, scope)
            case ast.NamedExpr(target=target, value=value):
                made = self.value(value, scope)
                self.assign(target, made, scope)
                return made
        return self.open(node)

    def items(self, nodes: list[ast.expr], scope: Scope) -> list[Any]:
        """Return the values of a list."""
        items: list[Any] = []
        for node in nodes:
            value = self.value(node, scope)
            starred = isinstance(node, ast.Starred) and isinstance(value, list)
            items += value if starred else [value]
        if len(items) > ENTRIES:
            raise ValueError("a list of the text is too long")
        return items

    def pairs(
        self, keys: list[ast.expr | None], values: list[ast.expr], scope: Scope
    ) -> Any:
        """Return the value of a dictionary."""
        made: dict[Any, Any] = {}
        for key, value in zip(keys, values, strict=True):
            inner = self.value(value, scope)
            if key is None:
                made |= inner if isinstance(inner, dict) else {}
                continue
            name = self.value(key, scope)
            if isinstance(name, list | dict):
                code = ast.unparse(key)
                raise ValueError(f"{code} can't be the key of a dictionary")
            made[name] = inner
        return made

    def operation(self, op: Any, nodes: list[ast.expr], scope: Scope) -> Any:
        """Compute an operation, unless something in it is open."""
        values = [self.value(node, scope) for node in nodes]
        if missing := all_open(values):
            return missing
        try:
            return arithmetic(op, *values)
        except ZeroDivisionError:
            code = ", ".join(map(ast.unparse, nodes))
            raise ValueError(f"division by zero: {code}") from None

    def comparison(self, node: ast.Compare, scope: Scope) -> Any:
        """Return the truth of `a < b <= c`, or the condition it is."""
        values = [self.value(n, scope) for n in (node.left, *node.comparators)]
        if isinstance(node.ops[0], ast.Is | ast.IsNot) and not isinstance(
            values[0], Open
        ):
            return compare(node.ops[0], values[0], values[1])
        if missing := all_open(values):
            return missing
        pairs = zip(node.ops, values, values[1:], strict=False)
        results = [compare(op, left, right) for op, left, right in pairs]
        if any(map(is_formula, results)):
            return sympy.And(*map(exact, results))
        return all(results)

    def logic(self, op: ast.boolop, nodes: list[ast.expr], scope: Scope) -> Any:
        """Return what `and` and `or` of values is."""
        values: list[Any] = []
        for node in nodes:
            value = self.value(node, scope)
            if isinstance(value, Open):
                return value
            if not is_formula(value) and bool(value) == isinstance(op, ast.Or):
                if not values:
                    return value
                return value if isinstance(op, ast.And) else True
            if is_formula(value):
                condition = value if isinstance(value, Boolean) else sympy.Ne(value, 0)
                values.append(condition)
            last = value
        if values:
            return (sympy.Or if isinstance(op, ast.Or) else sympy.And)(*values)
        return last

    def conditional(
        self, test: ast.expr, body: ast.expr, orelse: ast.expr, scope: Scope
    ) -> Any:
        """Return the value of `a if test else b`."""
        asked = self.truth(test, scope)
        if isinstance(asked, bool):
            return self.value(body if asked else orelse, scope)
        both = self.value(body, scope), self.value(orelse, scope)
        if isinstance(asked, Open):
            return all_open([asked, *both])
        return all_open(list(both)) or choose(asked, *both)

    def truth(self, node: ast.expr, scope: Scope) -> Any:
        """Return True, False, a condition, or `Open`."""
        value = self.value(node, scope)
        if isinstance(value, Open):
            return value
        if is_formula(value):
            condition = value if isinstance(value, Boolean) else sympy.Ne(value, 0)
            if condition in (sympy.true, sympy.false):
                return bool(condition)
            return condition
        return bool(value)

    def attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        """Return the value of `a.b`."""
        if (found := scope.find(ast.unparse(node))) is not None:
            return bare(found)
        owner = self.value(node.value, scope)
        if isinstance(owner, Instance | Class):
            return self.member(owner, node)
        if isinstance(owner, dict) and node.attr in owner:
            return owner[node.attr]
        if node.attr in CONSTANTS and isinstance(node.value, ast.Name):
            return CONSTANTS[node.attr]
        if isinstance(owner, Instance | Class | dict) or node.attr != "dtype":
            return self.open(node)
        return self.open(node)

    def member(self, owner: Instance | Class, node: ast.Attribute) -> Any:
        """Return an attribute of a class of the text or of what it makes."""
        made_by = owner if isinstance(owner, Class) else owner.made_by
        if isinstance(owner, Instance) and node.attr in owner.attributes:
            return owner.attributes[node.attr]
        found = made_by.scope.names.get(node.attr)
        if isinstance(found, Function) and isinstance(owner, Instance):
            return Function(found.node, found.scope, owner)
        return self.open(node) if found is None else bare(found)

    def subscript(self, node: ast.Subscript, scope: Scope) -> Any:
        """Return the value of `a[b]`."""
        if (found := scope.find(ast.unparse(node))) is not None:
            return bare(found)
        owner = self.value(node.value, scope)
        if isinstance(owner, list | tuple | dict):
            key = node.slice
            if isinstance(key, ast.Slice):
                ends = [
                    self.value(e, scope) if e else None
                    for e in (key.lower, key.upper, key.step)
                ]
                if isinstance(owner, dict) or all_open(ends):
                    return self.open(node)
                return owner[slice(*ends)]
            index = self.value(key, scope)
            if is_formula(index) and isinstance(owner, list) and 0 < len(owner) < 100:
                picked = owner[-1]
                for i, each in reversed(list(enumerate(owner[:-1]))):
                    picked = choose(compare(ast.Lt(), index, i + 1), each, picked)
                return picked
            try:
                return owner[index]
            except (IndexError, KeyError, TypeError):
                return self.open(node)
        return self.open(node)

    def comprehension(self, node: Any, scope: Scope) -> Any:
        """Return the list that `[... for x in ...]` makes."""
        made: list[Any] = []

        def over(generators: list[ast.comprehension], inner: Scope) -> Open | None:
            if not generators:
                made.append(self.value(node.elt, inner))
                return None
            first, *others = generators
            values = self.value(first.iter, inner)
            if not isinstance(values, list | tuple | dict):
                return self.open(node)
            for value in values:
                each = Scope({}, inner)
                self.assign(first.target, value, each)
                if not all(self.truth(test, each) is True for test in first.ifs):
                    continue
                if (missing := over(others, each)) is not None:
                    return missing
            return None

        return over(node.generators, Scope({}, scope)) or self.items_of(made)

    def items_of(self, made: list[Any]) -> list[Any]:
        """Return a list, unless it is too long."""
        if len(made) > ENTRIES:
            raise ValueError("a list of the text is too long")
        return made


_JSON = {"null": None, "true": True, "false": False}


def _is_local(name: str, scope: Scope) -> bool:
    while scope.around is not None:
        if name in scope.names:
            return not isinstance(scope.names[name], Open)
        scope = scope.around
    return False


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return 0
    return 1 + max(map(_depth, value), default=0)


_sizes: dict[sympy.Basic, int] = {}


def size_of(e: sympy.Basic) -> int:
    """Return how many nodes an expression has, written out."""
    if not e.args:
        return 1
    if e not in _sizes:
        if len(_sizes) > 50_000:
            _sizes.clear()
        _sizes[e] = 1 + sum(map(size_of, e.args))
    return _sizes[e]
