"""Source text that makes a schedule in another library.

Where a library has the curve, its table says by which of its calls; everywhere else the
text is the formula, printed in the functions of that library.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import chain
from typing import Any

import sympy
from sympy import And, Eq

from lrlib.libraries.formulas import comment, formula_text
from lrlib.libraries.names import LIBRARIES
from lrlib.libraries.ways import (
    PLACEHOLDER,
    WAYS,
    Call,
    Native,
    names_in,
    natives,
    number,
    text_of,
)
from lrlib.schedules import formula
from lrlib.schedules.schedule import Schedule

#: The libraries that `Schedule.code` writes for.
FRAMEWORKS = tuple(LIBRARIES)


# Text -------------------------------------------------------------------------


#: How the schedulers of a library are moved on.
_STEPPING = {
    "pytorch": "Call scheduler.step() after every update.",
    "transformers": "Call scheduler.step() after every update.",
    "timm": "Call scheduler.step_update(t) before update t, the first of which is 0.",
}
_MODULES = {
    "pytorch": "torch.optim.lr_scheduler",
    "transformers": "transformers",
    "timm": "timm.scheduler",
}


def _native_text(framework: str, native: Native) -> str:
    note = comment(native.note)
    if framework == "keras":
        call = text_of(native.call, "keras.optimizers.schedules.")
        return f"import keras\n\n{note}schedule = {call}\n"
    if framework == "optax":
        call = text_of(native.call, "optax.")
        return f"import optax\n\n{note}{native.setup}schedule = {call}\n"
    call = text_of(native.call, first="optimizer")
    names = ", ".join(sorted(set(names_in(native.call))))
    return (
        f"import torch\nfrom {_MODULES[framework]} import {names}\n\n"
        f"optimizer = torch.optim.SGD(model.parameters(), lr={native.lr})\n"
        f"{note}scheduler = {call}\n{comment(_STEPPING[framework])}"
    )


# What the rest of lrlib calls ------------------------------------------------------


_MISSING = {
    "timm": "timm has no scheduler that makes {}, and none that takes a function; "
    'code("pytorch") has one',
}


def _variants(schedule: Schedule, framework: str) -> list[tuple[Any, Native | None]]:
    """Return (condition, native) in order; None stands for the formula."""
    if framework not in WAYS:
        known = ", ".join(map(repr, FRAMEWORKS))
        raise ValueError(f"framework must be one of {known}, got {framework!r}")
    variants: list[tuple[Any, Native | None]] = []
    for native in chain.from_iterable(map(_computed, natives(framework, schedule))):
        variants.append((native.when, native))
        if native.when == sympy.true:
            return variants
    if framework not in _MISSING:
        variants.append((sympy.true, None))
    return variants


def _computed(native: Native) -> list[Native]:
    """Return the same with 0.0 written where a product would be 0."""
    found = re.search(r"'\{([\w.]+)\} \* \{[\w.]+\}'", repr(native.call))
    if not found:
        return [native]

    def zero(value: Any) -> Any:
        if isinstance(value, Call):
            return Call(value.name, {k: zero(v) for k, v in value.arguments.items()})
        if isinstance(value, list):
            return [zero(v) for v in value]
        return "0.0" if value == found[0][1:-1] else value

    when = And(native.when, Eq(number(found[1]), 0))
    return [replace(native, call=zero(native.call), when=when), native]


def _chosen(schedule: Schedule, framework: str) -> Native | None:
    for condition, native in _variants(schedule, framework):
        if _with_numbers(condition, schedule) == True:  # noqa: E712
            return native
    raise LookupError(_MISSING[framework].format(schedule))


def _with_numbers(e: Any, schedule: Schedule) -> Any:
    # SymPy does not take 2.0 for 2.
    return e.subs(
        {
            number(path): int(value) if value == int(value) else value
            for path, value in schedule.numbers.items()
        }
    )


def _template(schedule: Schedule, framework: str, native: Native | None) -> str:
    if native is None:
        return formula_text(framework, schedule, comment(_STEPPING.get(framework, "")))
    return _native_text(framework, native)


def code_variants(schedule: Schedule, framework: str) -> list[tuple[Any, str]]:
    """Return the templates that `code` chooses from, with the condition of each.

    The first whose condition holds is the one. A condition is a tree as
    `formula.tree` makes it, over the names of `schedule.numbers`, or True; so a
    page can follow its sliders. The list is empty where the library has nothing.
    """
    return [
        (
            formula.tree(condition),
            _template(schedule, framework, native),
        )
        for condition, native in _variants(schedule, framework)
    ]


def code_template(schedule: Schedule, framework: str) -> str:
    """Return the text of `code` with a placeholder in the place of each number.

    A placeholder is a name of `schedule.numbers` in braces; braces around anything
    else are Python's.

    >>> import lrlib
    >>> print(code_template(lrlib.linear(), "optax"))
    import optax
    <BLANKLINE>
    schedule = optax.linear_schedule(
        init_value={initial_learning_rate},
        end_value={end_learning_rate},
        transition_steps={decay_steps},
    )
    <BLANKLINE>
    """
    return _template(schedule, framework, _chosen(schedule, framework))


def code(schedule: Schedule, framework: str) -> str:
    """Return `schedule.code(framework)`; see there."""
    return _filled(code_template(schedule, framework), schedule)


def _filled(template: str, schedule: Schedule) -> str:
    numbers = schedule.numbers
    return PLACEHOLDER.sub(lambda found: repr(numbers[found[1]]), template)


def follows_until(schedule: Schedule, framework: str) -> float:
    """Return the last step up to which the text of `code` makes the same curve."""
    native = _chosen(schedule, framework)
    return float(_with_numbers(native.until, schedule)) if native else math.inf
