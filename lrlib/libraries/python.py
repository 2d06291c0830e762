"""Python that is read and never run: functions, classes and statements.

A Python `if` on the step becomes a Piecewise; loops are passed over unless a function
of the step needs them. Names of libraries mean nothing here: `Reader.called` is for
those who know them.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any

from lrlib.libraries.arithmetic import (
    FUNCTIONS,
    choose,
    decimal,
    is_formula,
    is_number,
)
from lrlib.libraries.expressions import Expressions
from lrlib.libraries.values import (
    Class,
    Function,
    Instance,
    MissingValues,
    Open,
    Scope,
    all_open,
    boxed,
    unknowns,
)


class _Return(Exception):
    """A function returns."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Reader(Expressions):
    """Follows a text."""

    # Calls

    def call(self, node: ast.Call, scope: Scope) -> Any:
        """Return what a call gives: of the text's functions, a library's, Python's."""
        names = [k.arg for k in node.keywords if k.arg]
        if twice := next((n for n in names if names.count(n) > 1), None):
            raise ValueError(f"{ast.unparse(node.func)} is given {twice} twice")
        name = ast.unparse(node.func).rpartition(".")[2]
        function = None
        if isinstance(node.func, ast.Name):
            function = scope.find(node.func.id)
        elif isinstance(node.func, ast.Attribute):
            function = self.attribute(node.func, scope)
        else:
            function = self.value(node.func, scope)
        if isinstance(function, Function):
            return self.apply(function, *self.arguments(node, scope))
        if isinstance(function, Class):
            return self.make(function, node, scope)
        if function is not None and not isinstance(function, Open):
            values = [self.value(a, scope) for a in node.args]
            if (made := self.applied(function, values)) is not None:
                return made
        if (made := self.called(name, node, scope)) is not None:
            return made
        return self.of_python(name, node, scope)

    def arguments(
        self, node: ast.Call, scope: Scope
    ) -> tuple[list[Any], dict[str, Any]]:
        """Return the values of a call's arguments, dictionaries unpacked."""
        named: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value, scope)
            more = {keyword.arg: value} if keyword.arg else value
            if not isinstance(more, dict):
                texts = tuple(unknowns(more)) or (self.source(keyword.value),)
                raise MissingValues(list(texts))
            for key in more:
                if key in named:
                    raise ValueError(f"{ast.unparse(node.func)} is given {key} twice")
            named |= more
        return self.items(node.args, scope), named

    def of_python(self, name: str, node: ast.Call, scope: Scope) -> Any:
        """Return what a function of Python's or NumPy's gives."""
        if name == "dict" or name in ("SimpleNamespace", "Namespace", "ConfigDict"):
            positional, named = self.arguments(node, scope)
            return {**(positional[0] if positional else {}), **named}
        owner = None
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value, scope)
            if name == "get" and isinstance(owner, dict) and node.args:
                key, *other = (self.value(a, scope) for a in node.args)
                return owner.get(key, other[0] if other else None)
            if name in ("items", "keys", "values") and isinstance(owner, dict):
                if name == "items":
                    return [list(pair) for pair in owner.items()]
                return list(owner if name == "keys" else owner.values())
            if name == "append" and isinstance(owner, list):
                owner.append(self.value(node.args[0], scope))
                return None
        if name == "partial" and node.args:
            (function, *first), others = self.arguments(node, scope)
            if isinstance(function, Function):
                return replace(function, given=(first, others))
        if name == "len" and len(node.args) == 1:
            value = self.value(node.args[0], scope)
            sized = isinstance(value, list | dict | str)
            return len(value) if sized else self.open(node)
        values = [self.value(a, scope) for a in node.args]
        named = {k.arg: self.value(k.value, scope) for k in node.keywords if k.arg}
        if name not in FUNCTIONS:
            return self.open(node)
        if is_formula(owner) or is_number(owner):
            values = [owner, *values]  # x.astype(...)
        if missing := all_open([*values[:1], *values[1:]]):
            known = FUNCTIONS[name] is decimal and not isinstance(values[0], Open)
            if not known:
                return missing if values else self.open(node)
        kept = {k: v for k, v in named.items() if k not in ("dtype", "name")}
        try:
            return FUNCTIONS[name](*values, **kept)
        except (TypeError, AttributeError):
            return self.open(node)

    def apply(
        self, function: Function, positional: list[Any], named: dict[str, Any]
    ) -> Any:
        """Return what a function of the text returns."""
        node = function.node
        local = Scope({}, function.scope)
        first, others = function.given
        positional, named = [*first, *positional], {**others, **named}
        if function.owner is not None:
            positional = [function.owner, *positional]
        arguments = node.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        defaults = dict(zip(names[::-1], arguments.defaults[::-1], strict=False)) | {
            a.arg: default
            for a, default in zip(
                arguments.kwonlyargs, arguments.kw_defaults, strict=True
            )
            if default
        }
        for name, default in defaults.items():
            local.names[name] = self.value(default, function.scope)
        if len(positional) > len(names) and not arguments.vararg:
            raise ValueError(f"{_name_of(function)} is given too many arguments")
        local.names |= dict(zip(names, positional, strict=False))
        known = {*names, *(a.arg for a in arguments.kwonlyargs)}
        if unknown := [k for k in named if k not in known and not arguments.kwarg]:
            raise ValueError(f"{_name_of(function)} has no parameter {unknown[0]}")
        local.names |= named
        for name in known - set(local.names):
            local.names[name] = Open((name,))
        local.names = {k: boxed(v) for k, v in local.names.items()}
        self.deep += 1
        if self.deep > 30:
            raise ValueError(f"{_name_of(function)} calls itself without an end")
        try:
            if isinstance(node, ast.Lambda):
                return self.value(node.body, local)
            return self.returned(node.body, local)
        finally:
            self.deep -= 1

    def make(self, made_by: Class, node: ast.Call, scope: Scope) -> Any:
        """Return what a class of the text makes."""
        positional, named = self.arguments(node, scope)
        made = Instance(made_by, {})
        for name, default in made_by.fields.items():
            if default is not None:
                made.attributes[name] = self.value(default, made_by.scope)
        start = made_by.scope.names.get("__init__")
        if isinstance(start, Function):
            self.apply(Function(start.node, start.scope, made), positional, named)
        else:
            made.attributes |= dict(zip(made_by.fields, positional, strict=False))
            made.attributes |= named
        return made

    # Statements

    def returned(self, statements: list[ast.stmt], scope: Scope) -> Any:
        """Return what the body of a function returns, whichever way it goes."""
        for i, statement in enumerate(statements):
            if isinstance(statement, ast.If) and _returns(statement):
                asked = self.truth(statement.test, scope)
                rest = statements[i + 1 :]
                if isinstance(asked, bool):
                    body = statement.body if asked else statement.orelse
                    return self.returned([*body, *rest], scope)
                copies = [Scope(dict(scope.names), scope.around) for _ in range(2)]
                ways = [
                    self.returned([*body, *rest], inner)
                    for body, inner in zip(
                        (statement.body, statement.orelse), copies, strict=True
                    )
                ]
                if isinstance(asked, Open):
                    return all_open([asked, *ways])
                return all_open(ways) or self.bounded(choose(asked, *ways))
            try:
                self.run(statement, scope)
            except _Return as found:
                return found.value
        return None

    def run(self, statement: ast.stmt, scope: Scope) -> None:
        """Follow a statement."""
        match statement:
            case ast.Assign(targets=targets, value=node):
                value = self.value(node, scope)
                for target in targets:
                    self.assign(target, value, scope)
            case ast.AnnAssign(target=target, value=node) if node:
                self.assign(target, self.value(node, scope), scope)
            case ast.AugAssign(target=target, op=op, value=node):
                changed = ast.BinOp(_loaded(target), op, node)
                ast.copy_location(changed, statement)
                self.assign(target, self.value(changed, scope), scope)
            case ast.Expr(value=node):
                self.value(node, scope)
            case ast.Return(value=node):
                raise _Return(self.value(node, scope) if node else None)
            case ast.FunctionDef(name=name):
                scope.names[name] = Function(statement, scope)
            case ast.ClassDef():
                self.define(statement, scope)
            case ast.If():
                self.branch(statement, scope)
            case ast.For() if self.deep and self.loops(statement, scope):
                pass
            case ast.For() | ast.While() | ast.AsyncFor():
                for name in _assigned(statement):
                    scope.names[name] = Open((name,))
            case ast.With(body=body, items=items):
                for item in items:
                    self.value(item.context_expr, scope)
                self.block(body, scope)
            case ast.Try(body=body, finalbody=final):
                self.block([*body, *final], scope)

    def block(self, statements: list[ast.stmt], scope: Scope) -> None:
        """Follow statements, one after another."""
        for statement in statements:
            self.run(statement, scope)

    def branch(self, statement: ast.If, scope: Scope) -> None:
        """Follow the branch that is taken; both if that depends on the step."""
        asked = self.truth(statement.test, scope)
        if ast.unparse(statement.test).startswith("__name__ =="):
            asked = True
        if isinstance(asked, bool):
            self.block(statement.body if asked else statement.orelse, scope)
            return
        if isinstance(asked, Open):
            self.undecided(asked, statement)
        ways = []
        for body in (statement.body, statement.orelse):
            inner = Scope(dict(scope.names), scope.around)
            if isinstance(asked, Open):
                for name in _assigned(*body):
                    inner.names[name] = asked
            else:
                self.block(body, inner)
            ways.append(inner.names)
        for name in {**ways[0], **ways[1]}:
            both = [way.get(name, Open((name,))) for way in ways]
            if both[0] is both[1]:
                scope.names[name] = both[0]
            elif isinstance(asked, Open):
                scope.names[name] = asked
            else:
                scope.names[name] = all_open(both) or choose(asked, *both)

    def loops(self, statement: ast.For, scope: Scope) -> bool:
        """Follow a loop over what is known; return whether it could be."""
        values = self.value(statement.iter, scope)
        if not isinstance(values, list | tuple) or len(values) > 1000:
            return False
        for value in values:
            self.assign(statement.target, value, scope)
            self.block(statement.body, scope)
        return True

    def define(self, statement: ast.ClassDef, scope: Scope) -> None:
        """Define a class."""
        inner = Scope({}, scope)
        fields: dict[str, ast.expr | None] = {}
        decorators = " ".join(map(ast.unparse, statement.decorator_list))
        for each in statement.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
                fields[each.target.id] = each.value
            self.run(each, inner)
        bases = tuple(ast.unparse(b).rpartition(".")[2] for b in statement.bases)
        kept = fields if "dataclass" in decorators else {}
        scope.names[statement.name] = Class(statement.name, bases, inner, kept)

    def assign(self, target: ast.expr, value: Any, scope: Scope) -> None:
        """Bind a value to a name, an attribute or several of them."""
        match target:
            case ast.Name(id=name):
                scope.names[name] = boxed(value)
            case ast.Tuple(elts=targets) | ast.List(elts=targets):
                if isinstance(value, list | tuple) and len(value) == len(targets):
                    for each, one in zip(targets, value, strict=True):
                        self.assign(each, one, scope)
                    return
                for each, one in zip(targets, self.parts(value, targets), strict=True):
                    self.assign(each, one, scope)
            case ast.Attribute(value=owner, attr=name):
                holder = self.value(owner, scope)
                if isinstance(holder, Instance):
                    holder.attributes[name] = value
                elif isinstance(holder, Class):
                    holder.scope.names[name] = boxed(value)
                else:
                    self.top.names[ast.unparse(target)] = boxed(value)
            case ast.Subscript(value=owner, slice=key):
                holder, index = self.value(owner, scope), self.value(key, scope)
                keyed = isinstance(holder, dict) and isinstance(index, str | int)
                if keyed or (isinstance(holder, list) and isinstance(index, int)):
                    holder[index] = value
                else:
                    self.top.names[ast.unparse(target)] = boxed(value)

    def parts(self, value: Any, targets: list[ast.expr]) -> list[Any]:
        """Return what each of several names gets of one value."""
        return [self.open(target) for target in targets]


def _name_of(function: Function) -> str:
    return getattr(function.node, "name", "the lambda")


def _returns(statement: ast.AST) -> bool:
    return any(isinstance(n, ast.Return) for n in ast.walk(statement))


def _assigned(*statements: ast.AST) -> set[str]:
    return {
        node.id
        for statement in statements
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _loaded(target: ast.expr) -> ast.expr:
    copied = ast.parse(ast.unparse(target), mode="eval").body
    return ast.copy_location(copied, target)
