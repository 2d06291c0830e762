"""Formulas as source text: what a library is given that has no such schedule."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Iterable
from itertools import chain, count
from typing import Any

import sympy

from lrlib.libraries.layout import statement
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
        taken = {*self.parts.values(), *self.names.values()}
        numbered = chain([name], (f"{name}{i}" for i in count(2)))
        self.parts[part] = next(n for n in numbered if n not in taken)
        self.lines += statement(f"{self.parts[part]} = ", code, depth=self.depth)
        return self.parts[part]

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
        first = e.args[0][0] if isinstance(e, sympy.Piecewise) else None
        named = isinstance(first, formula.Part)
        if named and start == "rate = ":
            return self._one_by_one(e)
        if self.dialect.arrays or not isinstance(e, sympy.Piecewise):
            code = self._print(e)
            return self._flushed(statement(start, code, depth=self.depth))
        lines: list[str] = []
        for value, condition in e.args:
            if condition == True:  # noqa: E712
                return lines + self.statements(value, start)
            asked = self._print(condition)
            lines += self._flushed(statement("if ", asked, ":", depth=self.depth))
            outside = dict(self.parts)
            self.depth += 1
            lines += [f"    {line}" for line in self.statements(value, start)]
            self.depth -= 1
            self.parts = outside
        raise ValueError(f"a Piecewise must end in an otherwise: {e}")

    def _one_by_one(self, e: sympy.Piecewise) -> list[str]:
        *cases, (last, _) = e.args
        lines, rate = [], last
        for value, condition in reversed(cases):
            chosen = sympy.Piecewise((value, condition), (rate, True), evaluate=False)
            code = super()._print_Piecewise(chosen)
            made = statement("rate = ", code, depth=self.depth)
            lines += self._flushed(made)
            rate = sympy.Symbol("rate")
        return lines

    def _flushed(self, lines: list[str]) -> list[str]:
        lines, self.lines = [*self.lines, *lines], []
        return lines


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


#: The longest body of a function in which everything is written out.
_LONG = 14


def _body(
    schedule: Schedule, dialect: Dialect, names: dict[str, str], start: str
) -> list[str]:
    whole = {x.path for x in schedule.leaves() if x.kind.numeric and x.kind.whole} | {
        "t"
    }
    e = schedule.named_formula
    lines = _Body(dialect, names, whole).statements(e, start)
    if len(lines) <= _LONG or not dialect.arrays:
        return lines
    return _Body(dialect, names, whole).statements(_with_names(e), start)


def _with_names(e: sympy.Expr) -> sympy.Expr:
    """Give names to the numbers that an expression computes more than once."""
    seen: Counter[sympy.Expr] = Counter()
    for x in sympy.preorder_traversal(formula.unfold(e)):
        made = isinstance(x, sympy.Add | sympy.Mul | sympy.Pow)
        once = made and x.free_symbols and not x.has(formula.t)
        # What may be no number stays where it is computed only if it is one.
        sound = once and sympy.fraction(x)[1].is_positive and not x.has(sympy.log)
        if sound and sympy.count_ops(x) > 1:
            seen[-x if x.is_Mul and x.could_extract_minus_sign() else x] += 1
    for letter in "abcdefg":
        again = [x for x, times in seen.items() if times > 1 and e.has(x)]
        if not again:
            break
        largest = max(again, key=lambda x: (sympy.count_ops(x) * seen[x], str(x)))
        del seen[largest]
        named = formula.part(letter, largest)
        e = e.xreplace({largest: named, -largest: -named})
    if not isinstance(e, sympy.Piecewise):
        return e
    stretches = (
        (formula.part(name, value) if sympy.count_ops(value) > 2 else value, condition)
        for name, (value, condition) in zip(_ORDINALS, e.args, strict=False)
    )
    return sympy.Piecewise(*stretches, *e.args[len(_ORDINALS) :], evaluate=False)


_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def comment(text: str) -> str:
    """Return a comment, in as many lines as it takes."""
    lines = textwrap.wrap(text, 72, initial_indent="# ", subsequent_indent="# ")
    return "".join(f"{line}\n" for line in lines)


def _with_math(text: str) -> str:
    return f"import math\n\n{text}" if "math." in text else text


def formula_text(framework: str, schedule: Schedule, stepping: str) -> str:
    """Return a text that makes the schedule from its formula."""
    used = {s.name for s in schedule.formula.free_symbols}
    paths = [path for path in schedule.numbers if path in used]
    if framework == "keras":
        return _keras_text(schedule, paths)
    names = _short_names(paths, _TAKEN)
    numbers = "".join(f"{name} = {{{path}}}\n" for path, name in names.items())
    if framework == "optax":
        lines = ["t = jnp.asarray(count, jnp.float32)"]
        lines += _body(schedule, JAX, names, "return ")
        words = comment("optax has no function for this curve: this is its formula.")
        body = textwrap.indent("\n".join(lines), "    ")
        return _with_math(
            "import jax.numpy as jnp\n\n"
            f"{numbers}\n\n{words}def schedule(count):\n{body}\n"
        )
    library = {"pytorch": "PyTorch", "transformers": "Transformers"}[framework]
    body = textwrap.indent("\n".join(_body(schedule, MATH, names, "return ")), "    ")
    return _with_math(
        "import torch\nfrom torch.optim.lr_scheduler import LambdaLR\n\n"
        f"{numbers}\n\n"
        f"{comment(f'{library} has no scheduler for this curve: its formula.')}"
        f"def rate(t):\n{body}\n\n\n"
        "# LambdaLR multiplies the optimizer's rate, which is 1 for that reason.\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=1.0)\n"
        f"scheduler = LambdaLR(optimizer, rate)\n{stepping}"
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
