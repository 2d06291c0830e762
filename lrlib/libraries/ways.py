"""How a library makes a schedule by its own means: what all libraries have in common.

A file for each library, `pytorch`, `optax` and so on, holds a table for each direction:
which of its calls make a schedule (`WAYS`, here), and what its calls mean (`ROWS`).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sympy
from sympy import And, Gt, Lt

from lrlib.schedules.kinds import Choice, Numbers
from lrlib.schedules.schedule import Schedule

#: Where a number goes in a template: `{alpha}`, `{values.0}`, `{schedule.alpha}`.
PLACEHOLDER = re.compile(r"\{([a-z_][\w.]*)\}", re.IGNORECASE)

#: The longest line of a text.
WIDTH = 72


# What a library is told -------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A call of a library's function: its name and its keyword arguments.

    An argument is Python code with placeholders, another call, or a list of these.
    """

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Native:
    """How a library makes a curve by its own means.

    Attributes:
        call: makes the schedule or the scheduler.
        lr: the rate of the optimizer that a scheduler multiplies; empty where the
            scheduler sets it.
        when: the condition on the numbers under which it makes exactly this curve.
        until: the last step up to which it does.
        note: what happens then, or what else is to be known.
        setup: lines before the call.

    """

    call: Call
    lr: str = "{initial_learning_rate}"
    when: Any = sympy.true
    until: Any = sympy.oo
    note: str = ""
    setup: str = ""


def native(name: str, /, **arguments: Any) -> Native:
    """Return a call with its arguments."""
    return Native(Call(name, arguments))


Entry = Native | list[Native] | Callable[[Schedule], Native | list[Native]]
number = sympy.Symbol


def in_template(text: str) -> sympy.Symbol:
    """Return the number that a template of one placeholder stands for."""
    return number(text[1:-1])


def literal(value: Any) -> str:
    """Return the code of a text or of a boolean."""
    return f'"{value}"' if isinstance(value, str) else repr(value)


def own_arguments(schedule: Schedule) -> dict[str, Any]:
    """Return every parameter of a schedule under its own name."""
    arguments: dict[str, Any] = {}
    for name, kind in schedule.definition.kinds.items():
        value = schedule.params[name]
        if isinstance(kind, Numbers):
            arguments[name] = [f"{{{name}.{i}}}" for i in range(len(value))]
        else:
            fixed = isinstance(kind, Choice)
            arguments[name] = literal(value) if fixed else f"{{{name}}}"
    return arguments


def geometric(schedule: Schedule) -> Any:
    """Whether each value of a piecewise constant is the same fraction of the last."""
    v = [number(f"values.{i}") for i in range(len(schedule.params["values"]))]
    same = [
        Lt(sympy.Abs(b * v[0] - a * v[1]), 1e-9 * v[0] ** 2) for a, b in pairwise(v)
    ]
    return And(Gt(v[0], 0), *same)


#: By library and by schedule, how the library makes it; the best way first.
WAYS: dict[str, dict[str, Entry]] = {}


def natives(framework: str, schedule: Schedule) -> list[Native]:
    """Return what the library has for the schedule, the best first."""
    if schedule.params.get("shape", "linear") != "linear":
        return []  # every library's warm-up is a line
    entry = WAYS[framework].get(schedule.name, [])
    found = entry if isinstance(entry, Native | list) else entry(schedule)
    return [found] if isinstance(found, Native) else found


def inner(framework: str, schedule: Schedule, prefix: str) -> list[Native]:
    """Return the same for a schedule inside another one."""

    def prefixed(value: Any) -> Any:
        if isinstance(value, Call):
            arguments = {k: prefixed(v) for k, v in value.arguments.items()}
            return Call(value.name, arguments)
        if isinstance(value, list):
            return [prefixed(v) for v in value]
        return PLACEHOLDER.sub(rf"{{{prefix}\1}}", value)

    def renamed(e: Any) -> Any:
        return e.xreplace({s: number(prefix + s.name) for s in e.free_symbols})

    return [
        Native(
            call=prefixed(native.call),
            lr=prefixed(native.lr),
            when=renamed(native.when),
            until=renamed(native.until),
            note=native.note,
            setup=prefixed(native.setup),
        )
        for native in natives(framework, schedule)
    ]


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
    if "\n" not in line and len(PLACEHOLDER.sub("0.0001", line)) <= WIDTH - 14:
        return line
    inside = "".join(f"{item},\n" for item in items)
    return f"{start}\n{textwrap.indent(inside, '    ')}{end}"


def names_in(value: Any) -> Iterator[str]:
    """Yield the names that a call needs imported."""
    if isinstance(value, Call):
        yield value.name
        value = list(value.arguments.values())
    if isinstance(value, list):
        for v in value:
            yield from names_in(v)
