"""Source text that makes a schedule in another library.

Where a library has the curve, its rows say by which of its calls; everywhere else the
text is the formula, printed in the functions of that library.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from typing import Any

import sympy
from sympy import And, Eq

from lrlib.libraries.formulas import comment, formula_text
from lrlib.libraries.inverse import PLACEHOLDER, Way, plain, term, ways
from lrlib.libraries.layout import names_in, text_of
from lrlib.libraries.names import LIBRARIES
from lrlib.libraries.table import Library
from lrlib.schedules import formula
from lrlib.schedules.schedule import Schedule

#: The libraries that `Schedule.code` writes for.
FRAMEWORKS = tuple(LIBRARIES)


def _way_text(library: Library, way: Way) -> str:
    note = comment(way.note)
    call = text_of(way, library.prefix, "optimizer" if library.stepping else "")
    if not library.stepping:
        made = f"{note}{way.setup}schedule = {call}\n"
        return f"import {library.module}\n\n{made}"
    names = ", ".join(sorted(set(names_in(way))))
    return (
        f"import torch\nfrom {library.module} import {names}\n\n"
        f"optimizer = torch.optim.SGD(model.parameters(), lr={plain(way.lr)})\n"
        f"{note}scheduler = {call}\n{comment(library.stepping)}"
    )


def _variants(schedule: Schedule, framework: str) -> list[tuple[Any, Way | None]]:
    """Return (condition, way) in order; None stands for the formula."""
    if framework not in FRAMEWORKS:
        known = ", ".join(map(repr, FRAMEWORKS))
        raise ValueError(f"framework must be one of {known}, got {framework!r}")
    variants: list[tuple[Any, Way | None]] = []
    for way in itertools.chain(*map(_computed, ways(framework, term(schedule)))):
        variants.append((way.when, way))
        if way.when == sympy.true:
            return variants
    if LIBRARIES[framework].LIBRARY.functions:
        variants.append((sympy.true, None))
    return variants


def _computed(way: Way) -> list[Way]:
    """Return the same with 0.0 written where a product would be 0."""
    found = re.search(r"'\{([\w.]+)\} \* \{[\w.]+\}'", repr(way.arguments))
    if not found:
        return [way]

    def zero(value: Any) -> Any:
        if isinstance(value, Way):
            return replace(value, arguments=zero(value.arguments))
        if isinstance(value, dict):
            return {k: zero(v) for k, v in value.items()}
        if isinstance(value, list):
            return [zero(v) for v in value]
        return "0.0" if value == found[0][1:-1] else value

    when = And(way.when, Eq(sympy.Symbol(found[1]), 0))
    return [replace(zero(way), when=when), way]


def _chosen(schedule: Schedule, framework: str) -> Way | None:
    for condition, way in _variants(schedule, framework):
        if _with_numbers(condition, schedule) == True:  # noqa: E712
            return way
    raise LookupError(
        f"{LIBRARIES[framework].LIBRARY.title} has no scheduler that makes {schedule}, "
        'and none that takes a function; code("pytorch") has one'
    )


def _with_numbers(e: Any, schedule: Schedule) -> Any:
    # SymPy does not take 2.0 for 2.
    return e.subs(
        {
            sympy.Symbol(path): int(value) if value == int(value) else value
            for path, value in schedule.numbers.items()
        }
    )


def _template(schedule: Schedule, framework: str, way: Way | None) -> str:
    library = LIBRARIES[framework].LIBRARY
    return formula_text(library, schedule) if way is None else _way_text(library, way)


def code_variants(schedule: Schedule, framework: str) -> list[tuple[Any, str]]:
    """Return the templates that `code` chooses from, with the condition of each.

    The first whose condition holds is the one. A condition is a tree as
    `formula.tree` makes it, over the names of `schedule.numbers`, or True; so a
    page can follow its sliders. The list is empty where the library has nothing.
    """
    return [
        (formula.tree(condition), _template(schedule, framework, way))
        for condition, way in _variants(schedule, framework)
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
    numbers = schedule.numbers
    template = code_template(schedule, framework)
    return PLACEHOLDER.sub(lambda found: repr(numbers[found[1]]), template)


def called(schedule: Schedule) -> dict[str, str]:
    """Return, by library, the call that `code` writes for a schedule.

    It is "a formula" where the library takes one, and else nothing.

    >>> import lrlib
    >>> called(lrlib.rex())
    {'Keras': 'a formula', 'PyTorch': 'a formula', 'optax': 'a formula', \
'Transformers': 'a formula', 'timm': ''}
    """
    found = {}
    for framework, module in LIBRARIES.items():
        (_, way), *_ = [*_variants(schedule, framework), (False, None)]
        formula = "a formula" if module.LIBRARY.functions else ""
        found[module.LIBRARY.title] = way.name if way else formula
    return found


def follows_until(schedule: Schedule, framework: str) -> float:
    """Return the last step up to which the text of `code` makes the same curve."""
    way = _chosen(schedule, framework)
    return float(_with_numbers(way.until, schedule)) if way else math.inf
