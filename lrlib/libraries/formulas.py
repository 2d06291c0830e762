"""Formulas as source text: what a library is given that has no such schedule."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from itertools import chain, count
from typing import Any

import sympy

from lrlib.libraries.layout import statement
from lrlib.libraries.table import Library
from lrlib.schedules import formula
from lrlib.schedules.printing import (
    JAX,
    KERAS,
    MATH,
    CodePrinter,
    Dialect,
    safe_name,
)
from lrlib.schedules.schedule import Schedule

#: Names that the texts below use themselves.
_TAKEN = {"count", "jnp", "keras", "math", "model", "ops", "optimizer"}
_TAKEN |= {"rate", "schedule", "scheduler", "self", "step", "t", "torch"}
_METHODS = {"get_config", "from_config"}


class _Body(CodePrinter):
    """Prints the named parts of a formula as assignments in front of it."""

    def __init__(self, dialect: Dialect, names: dict[str, str], whole: Any) -> None:
        super().__init__(dialect, names, whole)
        self.depth = 2 if dialect is KERAS else 1
        self.parts: dict[formula.Part, str] = {}
        self.lines: list[str] = []
        self.inside = 0

    def _print_Part(self, part: formula.Part) -> str:
        if part in self.parts:
            return self.parts[part]
        if self.inside:  # where it may be that it can't be computed
            return self._print(formula.unfold(part))
        code = self._print(part.expression)
        name = part.args[0].name
        numbered = chain([name], (f"{name}{i}" for i in count(2)))
        self.parts[part] = next(n for n in numbered if n not in self.taken)
        self.lines += self.laid_out(f"{self.parts[part]} = ", code)
        return self.parts[part]

    @property
    def taken(self) -> set[str]:
        """The names that mean something here."""
        return {*self.parts.values(), *self.names.values(), *_TAKEN}

    def laid_out(self, start: str, code: str, end: str = "") -> list[str]:
        """Return the lines of an expression."""
        return statement(start, code, end, self.depth, self.taken)

    def parenthesize(self, item: Any, level: int, strict: bool = False) -> str:
        if isinstance(item, formula.Part) and self.inside and item not in self.parts:
            item = formula.unfold(item)
        return super().parenthesize(item, level, strict)

    def _print_Piecewise(self, e: sympy.Piecewise) -> str:
        if self.dialect.arrays:
            return super()._print_Piecewise(e)
        self.inside += 1
        try:
            return super()._print_Piecewise(e)
        finally:
            self.inside -= 1

    def statements(self, e: sympy.Expr, start: str) -> list[str]:
        """Return the lines that compute the expression, `start` before its value."""
        if not isinstance(e, sympy.Piecewise):
            return self._flushed(start, self._print(e))
        if self.dialect.arrays:
            return self._one_by_one(e, start)
        lines: list[str] = []
        *cases, (last, _) = e.args
        for value, condition in cases:
            lines += self._flushed("if ", self._print(condition), ":")
            outside = dict(self.parts)
            self.depth += 1
            lines += [f"    {line}" for line in self.statements(value, start)]
            self.depth -= 1
            self.parts = outside
        return lines + self.statements(last, start)

    def _one_by_one(self, e: sympy.Piecewise, start: str) -> list[str]:
        """Choose between the stretches in turn, from the last to the first."""
        *cases, (rate, _) = e.args
        lines: list[str] = []
        for i, (value, condition) in enumerate(reversed(cases)):
            chosen = sympy.Piecewise((value, condition), (rate, True), evaluate=False)
            code = super()._print_Piecewise(chosen)
            lines += self._flushed(start if i == len(cases) - 1 else "rate = ", code)
            rate = sympy.Symbol("rate")
        return lines

    def _flushed(self, start: str, code: str, end: str = "") -> list[str]:
        before, self.lines = self.lines, []
        return [*before, *self.laid_out(start, code, end)]


def _short_names(paths: Iterable[str], taken: set[str]) -> dict[str, str]:
    """Name the numbers of a formula: shortly where that is clear."""

    def last(path: str) -> str:
        *_, owner, own = ["", *path.split(".")]
        return f"{owner}_{own}" if own.isdigit() else own

    paths = list(paths)
    lasts = [last(path) for path in paths]
    return {
        path: safe_name(
            name if lasts.count(name) == 1 else path.replace(".", "_"), taken
        )
        for path, name in zip(paths, lasts, strict=True)
    }


def _body(
    schedule: Schedule, dialect: Dialect, names: dict[str, str], start: str
) -> list[str]:
    numbers = (x for x in schedule.leaves() if x.kind.numeric)
    whole = {x.path for x in numbers if x.kind.whole} | {"t"}
    return _Body(dialect, names, whole).statements(schedule.named_formula, start)


def comment(text: str) -> str:
    """Return a comment, in as many lines as it takes."""
    lines = textwrap.wrap(text, 72, initial_indent="# ", subsequent_indent="# ")
    return "".join(f"{line}\n" for line in lines)


def _with_math(text: str) -> str:
    return f"import math\n\n{text}" if "math." in text else text


def formula_text(library: Library, schedule: Schedule) -> str:
    """Return a text that makes the schedule from its formula."""
    used = {s.name for s in schedule.formula.free_symbols}
    paths = [path for path in schedule.numbers if path in used]
    if library.title == "Keras":
        return _keras_text(schedule, paths)
    names = _short_names(paths, _TAKEN)
    numbers = "".join(f"{name} = {{{path}}}\n" for path, name in names.items())
    if library.title == "optax":
        lines = ["t = jnp.asarray(count, jnp.float32)"]
        lines += _body(schedule, JAX, names, "return ")
        words = comment("optax has no function for this curve: this is its formula.")
        body = textwrap.indent("\n".join(lines), "    ")
        return _with_math(
            "import jax.numpy as jnp\n\n"
            f"{numbers}\n\n{words}def schedule(count):\n{body}\n"
        )
    body = textwrap.indent("\n".join(_body(schedule, MATH, names, "return ")), "    ")
    return _with_math(
        "import torch\nfrom torch.optim.lr_scheduler import LambdaLR\n\n"
        f"{numbers}\n\n"
        f"{comment(f'{library.title} has no scheduler for this curve: its formula.')}"
        f"def rate(t):\n{body}\n\n\n"
        "# LambdaLR multiplies the optimizer's rate, which is 1 for that reason.\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=1.0)\n"
        f"scheduler = LambdaLR(optimizer, rate)\n{comment(library.stepping)}"
    )


def _keras_text(schedule: Schedule, paths: list[str]) -> str:
    names = _short_names(paths, _METHODS)
    numbers = [leaf for leaf in schedule.leaves() if leaf.kind.numeric]
    kinds = {x.path: "int" if x.kind.whole else "float" for x in numbers}
    fields = "".join(
        f"    {name}: {kinds[path]} = {{{path}}}\n" for path, name in names.items()
    )
    attributes = {path: f"self.{name}" for path, name in names.items()}
    formula_lines = _body(schedule, KERAS, attributes, "rate = ")
    exactly = any("//" in line for line in formula_lines)
    steps = ['step = ops.cast(step, "int64")'] if exactly else []
    if formula.t in schedule.formula.free_symbols:
        uses_t = any(_uses_t(line) for line in formula_lines)
        steps += ['t = ops.cast(step, "float64")'] if uses_t else []
    body = [*steps, *formula_lines, 'return ops.cast(rate, "float32")']
    name = "".join(word.title() for word in schedule.name.split("_"))
    indented = textwrap.indent("\n".join(body), " " * 8)
    return (
        f"{'import math' + chr(10) if 'math.' in indented else ''}"
        "from dataclasses import asdict, dataclass\n\n"
        "import keras\nfrom keras import ops\n\n\n"
        '@keras.saving.register_keras_serializable(package="schedules")\n'
        "@dataclass(frozen=True)\n"
        f"class {name}(keras.optimizers.schedules.LearningRateSchedule):\n"
        '    """Keras has no class for this curve: this is its formula."""\n\n'
        f"{fields}\n"
        f"    def __call__(self, step):\n{indented}\n\n"
        "    def get_config(self):\n        return asdict(self)\n\n\n"
        f"schedule = {name}()\n"
    )


def _uses_t(line: str) -> bool:
    return re.search(r"(?<![\w.])t(?!\w)", line) is not None
