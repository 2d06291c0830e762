"""A row for each call of a library: what it makes, read both ways.

A row's meaning is an expression over the parameters of the call, `parameters` for all
of them together, and `lr`, the rate of the optimizer that a scheduler is given. It is
read forward to convert a call (`meanings.bound`), and backward to write one
(`inverse`). Where a function stands in it that does more than one schedule can say,
`usually` gives the schedule that it usually makes.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar


@dataclass(frozen=True)
class Library:
    """A library whose calls are the rows of a file.

    Attributes:
        title: its name.
        module: where its calls are imported from.
        prefix: what its calls are written with; empty where each is imported by name.
        stepping: how a scheduler of it is moved on; empty where its calls make
            functions of the step, and need no optimizer.
        functions: whether it takes any function of the step.
        also: the parameters that all of its calls have, as keyword arguments.

    """

    title: str
    module: str
    prefix: str = ""
    stepping: str = ""
    functions: bool = True
    also: str = ""


F = TypeVar("F", bound=Callable[..., Any])

#: What a meaning may call, by name.
WORDS: dict[str, Callable[..., Any]] = {}


def word(function: F) -> F:
    """Let meanings call a function."""
    WORDS[function.__name__] = function
    return function


#: What a function of a meaning usually makes: an expression over its parameters.
USUALLY: dict[str, tuple[inspect.Signature, ast.expr]] = {}


def usually(meaning: str) -> Callable[[F], F]:
    """Say what a function of a meaning makes where nothing is special.

    `a if x == 0 else b` is read backward as: `a` by a call with x=0, and `b` by one
    with x given. None stands for what isn't written.
    """

    def mark(function: F) -> F:
        word(function)
        USUALLY[function.__name__] = inspect.signature(function), expression(meaning)
        return function

    return mark


def expression(code: str) -> ast.expr:
    """Return the syntax tree of an expression."""
    return ast.parse(code, mode="eval").body


@dataclass(frozen=True)
class Form:
    """A schedule, in the row's parameters, that the call makes with some of them fixed.

    Attributes:
        pattern: the schedule.
        fixed: what is given beside the parameters that occur in it.
        note: what is to be known about it.
        when: the condition under which the library makes exactly this curve.

    """

    pattern: ast.expr
    fixed: Mapping[str, ast.expr] = field(default_factory=dict)
    note: str = ""
    when: str = "True"


def form(pattern: str, fixed: str = "", note: str = "", when: str = "True") -> Form:
    """Return a form; `fixed` is written as keyword arguments are."""
    return Form(expression(pattern), keywords(fixed), note, when)


def keywords(code: str) -> dict[str, ast.expr]:
    """Return keyword arguments by name."""
    call = expression(f"_({code})")
    assert isinstance(call, ast.Call)
    return {str(k.arg): k.value for k in call.keywords}


#: The form of a call that nothing is written for.
READ_ONLY = form("None")


@dataclass(frozen=True)
class Row:
    """A call of a library and what it makes.

    Attributes:
        signature: the call's parameters, without the optimizer.
        meaning: the schedule.
        forms: what it is written for; without any, that follows from the meaning.
        always: what is always given, though no schedule depends on it.
        lr: the rate that is written for an optimizer whose scheduler sets it.
        needs: the conditions without which the library raises an error, joined by and.
        when: the condition under which the library makes exactly this curve.
        until: the last step up to which it does.
        note: what happens then, or what else is to be known.

    """

    name: str
    signature: inspect.Signature
    meaning: ast.expr
    forms: tuple[Form, ...] = ()
    always: str = ""
    lr: str = "lr"
    needs: str = ""
    when: str = "True"
    until: str = ""
    note: str = ""
    library: str = ""

    @property
    def uses(self) -> set[str]:
        """The names that the schedule depends on."""
        nodes = ast.walk(self.meaning)
        names = {node.id for node in nodes if isinstance(node, ast.Name)}
        return names | set(self.signature.parameters if "parameters" in names else ())

    @property
    def needed(self) -> list[tuple[ast.expr, str]]:
        """What the library needs: each condition, and the sentence where it fails."""
        node = expression(self.needs) if self.needs else ast.BoolOp(ast.And(), [])
        nodes = node.values if isinstance(node, ast.BoolOp) else [node]
        return [
            (each, f"{self.name} raises an error unless {ast.unparse(each)}")
            for each in nodes
        ]


#: Every row, by library; `names` fills it.
TABLE: dict[str, list[Row]] = {}


def row(call: str, meaning: str, /, *forms: Form, **more: str) -> Row:
    """Return a row; the call is written as Python would define it."""
    node = ast.parse(f"def {call}: pass").body[0]
    assert isinstance(node, ast.FunctionDef)
    names = [a.arg for a in node.args.args]
    required = len(names) - len(node.args.defaults)
    defaults = [inspect.Parameter.empty] * required
    defaults += [_literal(default) for default in node.args.defaults]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [
        inspect.Parameter(name, kind, default=default)
        for name, default in zip(names, defaults, strict=True)
    ]
    signature = inspect.Signature(parameters)
    return Row(node.name, signature, expression(meaning), forms, **more)


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp):  # 1/3
        return ast.literal_eval(node.left) / ast.literal_eval(node.right)
    value = ast.literal_eval(node)
    return list(value) if isinstance(value, tuple) else value
