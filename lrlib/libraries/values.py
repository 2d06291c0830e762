"""What a text of Python is about: what is open, names, functions, classes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


class MissingValues(LookupError):
    """The text leaves something open.

    Attributes:
        missing: the expressions that would have to be known, as the text writes them.

    """

    def __init__(self, missing: list[str], words: str = "") -> None:
        self.missing = missing
        names = ", ".join(missing)
        example = ", ".join(f"{name!r}: ..." for name in missing)
        super().__init__(
            words or f"the text leaves open: {names}; give values={{{example}}}"
        )


@dataclass(frozen=True)
class Open:
    """A value that the text doesn't say; `texts` are the expressions it depends on."""

    texts: tuple[str, ...]


@dataclass(eq=False)
class Scope:
    """Names and their values, and the scope around it."""

    names: dict[str, Any] = field(default_factory=dict)
    around: Scope | None = None

    def find(self, name: str) -> Any:
        """Return the value of a name, or None where it has none."""
        if name in self.names:
            return self.names[name]
        return self.around.find(name) if self.around else None


@dataclass(eq=False)
class Function:
    """A function or lambda of the text."""

    node: ast.FunctionDef | ast.Lambda
    scope: Scope
    owner: Any = None
    given: tuple[list[Any], dict[str, Any]] = field(default_factory=lambda: ([], {}))

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters that have no default, without self."""
        arguments = self.node.args
        named = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
        named = named[: len(named) - len(arguments.defaults) or None]
        named = named[1:] if self.owner is not None else named
        first, others = self.given
        return [name for name in named[len(first) :] if name not in others]


@dataclass(eq=False)
class Class:
    """A class of the text: its methods and what it assigns."""

    name: str
    bases: tuple[str, ...]
    scope: Scope
    fields: dict[str, ast.expr | None]


@dataclass(eq=False)
class Instance:
    """What a call of a class of the text makes."""

    made_by: Class
    attributes: dict[str, Any]


def unknowns(value: Any) -> Iterator[str]:
    """Yield what would have to be known for a value, or any value in it."""
    if isinstance(value, Open):
        yield from value.texts
    elif isinstance(value, list | tuple):
        for each in value:
            yield from unknowns(each)
    elif isinstance(value, dict):
        for each in (*value, *value.values()):
            yield from unknowns(each)


def all_open(values: list[Any]) -> Open | None:
    """Return what would have to be known for all of some values, if anything."""
    texts = tuple(dict.fromkeys(t for value in values for t in unknowns(value)))
    return Open(texts) if texts else None


@dataclass(frozen=True)
class _Nothing:
    """What a name is bound to that is None."""


_NONE = _Nothing()


def boxed(value: Any) -> Any:
    """Return what a scope keeps for a value: None is a value, too."""
    return _NONE if value is None else value


def bare(value: Any) -> Any:
    """Return the value that a scope keeps."""
    return None if value is _NONE else value
