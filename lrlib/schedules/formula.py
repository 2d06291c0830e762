"""Formulas: SymPy expressions in the step `t`, and the forms they take elsewhere.

A schedule is written once, as a SymPy expression. Everything else is printed
from it: LaTeX for the page, a tree of plain lists for the browser, and, in `printing`,
code for NumPy, Keras and other libraries.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter

#: The 0-based index of the update about to be made.
t = sympy.Symbol("t", nonnegative=True)

#: How parameters are written in a formula. One table for the whole book.
SYMBOLS = {
    "alpha": r"\alpha",
    "base_lr": r"\eta_{\mathrm{base}}",
    "boundaries": "b",
    "d_model": "d",
    "decay_rate": r"\gamma",
    "decay_steps": "T",
    "div_factor": "d",
    "end_learning_rate": r"\eta_{\mathrm{end}}",
    "end_lr": r"\eta_{\mathrm{end}}",
    "explore_steps": "E",
    "exponent": "p",
    "factor": "c",
    "final_div_factor": r"d_{\mathrm{end}}",
    "first_decay_steps": "T_0",
    "gamma": r"\gamma",
    "high": r"\eta_{\mathrm{high}}",
    "initial_learning_rate": r"\eta_0",
    "k_decay": "k",
    "lb": "L",
    "low": r"\eta_{\mathrm{low}}",
    "m_mul": "m",
    "max_lr": r"\eta_{\max}",
    "num_it": "N",
    "offset": "t_0",
    "pct_start": r"\rho",
    "period": "P",
    "power": "p",
    "stable_steps": "S",
    "start": "w_0",
    "start_lr": r"\eta_0",
    "step_size_down": "D",
    "step_size_up": "U",
    "steps": "W",
    "t_mul": "r",
    "timescale": r"\tau",
    "total_steps": "N",
    "ub": "U",
    "values": "v",
    "warmup_steps": "W",
    "warmup_target": r"\eta_{\max}",
}


class Part(sympy.Expr):
    """An expression that is printed under a name: "where i = ...".

    It computes what its expression computes; only LaTeX shows the difference.
    """

    is_commutative = True

    def __new__(cls, name: sympy.Symbol, expression: sympy.Expr) -> sympy.Expr:
        """Name the expression, unless it has become a number."""
        if expression.is_number:
            return expression
        return sympy.Expr.__new__(cls, name, expression)

    @property
    def expression(self) -> sympy.Expr:
        """What the name stands for."""
        return self.args[1]

    @property
    def free_symbols(self) -> set[sympy.Basic]:
        """The symbols of the expression; the name is none."""
        return self.expression.free_symbols

    def _eval_is_extended_real(self) -> bool | None:
        return self.expression.is_extended_real

    def _eval_is_extended_nonnegative(self) -> bool | None:
        return self.expression.is_extended_nonnegative

    def _eval_is_integer(self) -> bool | None:
        return self.expression.is_integer


def part(name: str, expression: Any) -> Part:
    """Give a piece of a formula a name of its own to be printed under.

    >>> from sympy import Min
    >>> unfold(2 * part("p", Min(t, 5)))
    2*Min(5, t)
    """
    return Part(sympy.Symbol(name), sympy.sympify(expression))


def unfold(expression: sympy.Basic) -> sympy.Basic:
    """Return the same expression without names for its parts."""
    if not expression.has(Part):
        return expression
    if isinstance(expression, Part):
        return unfold(expression.expression)
    return expression.func(*(unfold(arg) for arg in expression.args))


# LaTeX ---------------------------------------------------------------------


def _is_negated(e: sympy.Expr) -> bool:
    return bool(e.as_coeff_Mul()[0].is_negative)


class _Latex(LatexPrinter):
    """SymPy's LaTeX, with named parts and functions as people write them."""

    def __init__(self, names: Mapping[sympy.Symbol, str]) -> None:
        super().__init__(
            {
                "symbol_names": dict(names),
                "order": "none",
                "fold_short_frac": False,
                "ln_notation": True,
            }
        )
        self.parts: dict[Part, str] = {}

    def _print_Part(self, part: Part) -> str:
        if part not in self.parts:
            name = self._print(part.args[0])
            taken = sum(n.startswith(name) for n in self.parts.values())
            self.parts[part] = name + ("'" * taken)
        return self.parts[part]

    def _print_Add(self, e: sympy.Add, order: str | None = None) -> str:
        # r - 1, not -1 + r.
        terms = sorted(e.args, key=_is_negated)
        return super()._print_Add(sympy.Add(*terms, evaluate=False), order)

    def _print_Mul(self, e: sympy.Mul) -> str:
        # What stays the same comes before what changes with t; r^-i goes under a line.
        over, under = sympy.fraction(e)
        if (over, under) != sympy.fraction(e, exact=True):
            return rf"\frac{{{self._print(over)}}}{{{self._print(under)}}}"
        factors = sorted(e.args, key=lambda factor: factor.has(t))
        return super()._print_Mul(sympy.Mul(*factors, evaluate=False))

    def _print_Pow(self, e: sympy.Pow) -> str:
        if _is_negated(e.exp) and not e.exp.is_Rational:
            return rf"\frac{{1}}{{{self._print(1 / e)}}}"
        return super()._print_Pow(e)

    def _print_Float(self, e: sympy.Float) -> str:
        power = math.log10(e) if e > 0 else math.nan
        return f"10^{{{power:.0f}}}" if power % 1 == 0 else super()._print_Float(e)

    def _print_Min(self, e: sympy.Min | sympy.Max, exp: str | None = None) -> str:
        args = sorted(e.args, key=lambda arg: not arg.has(t))
        name = type(e).__name__.lower()
        text = rf"\{name}\left({', '.join(map(self._print, args))}\right)"
        return f"{text}^{{{exp}}}" if exp else text

    _print_Max = _print_Min

    def _print_Relational(self, relation: sympy.Basic) -> str:
        # SymPy may turn t < W around; people write the step first.
        if relation.rhs.has(t) and not relation.lhs.has(t):
            relation = relation.reversed
        return super()._print_Relational(relation)

    def _print_Piecewise(self, piecewise: sympy.Piecewise) -> str:
        *cases, (last, condition) = piecewise.args
        rows = [rf"{self._print(e)} & {self._print(c)}" for e, c in cases]
        tail = r"\text{otherwise}" if condition == True else self._print(condition)  # noqa: E712
        rows.append(rf"{self._print(last)} & {tail}")
        return r"\begin{cases} " + r" \\ ".join(rows) + r" \end{cases}"


#: A pair of brackets that stretch, with nothing taller than a line between them.
_FLAT = re.compile(
    r"\\left(\(|\\lfloor|\\lceil)((?:(?!\\left|\\right|\\frac|\\sqrt|\\begin).)*)"
    r"\\right(\)|\\rfloor|\\rceil)"
)


def _stretch_less(latex: str) -> str:
    r"""Let only those brackets stretch that hold something tall.

    Browsers stretch a bracket around any subscript, where TeX would not.

    >>> _stretch_less(r"\left(\cos{\left(x_0 \right)} + \frac{t}{T}\right)")
    '\\left(\\cos{(x_0 )} + \\frac{t}{T}\\right)'
    """
    found = 1
    while found:  # from the innermost pair outwards
        latex, found = _FLAT.subn(r"\1\2\3", latex)
    return latex


def latex(expression: sympy.Expr, names: Mapping[sympy.Symbol, str]) -> str:
    r"""Return the formula as LaTeX, its named parts in lines of their own.

    `names` gives the LaTeX of each symbol.

    >>> latex(part("p", t / 5) ** 2, {t: "t"})
    '\\begin{aligned} \\eta(t) &= p^{2} \\\\ p &= \\frac{t}{5} \\end{aligned}'
    """
    printer = _Latex(names)
    lines = [(r"\eta(t)", printer.doprint(expression))]
    shown: set[Part] = set()
    while unseen := [p for p in printer.parts if p not in shown]:
        # Printing a part may bring up parts of its own.
        for named in unseen:
            lines.append((printer.parts[named], printer.doprint(named.expression)))
            shown.add(named)
    if len(lines) == 1:
        return _stretch_less(rf"\eta(t) = {lines[0][1]}")
    rows = r" \\ ".join(f"{left} &= {right}" for left, right in lines)
    return _stretch_less(rf"\begin{{aligned}} {rows} \end{{aligned}}")


# Data ----------------------------------------------------------------------


#: From how many nodes on a formula is long.
_LONG = 800


def shared(
    expression: sympy.Expr,
) -> tuple[list[tuple[sympy.Symbol, sympy.Basic]], sympy.Basic]:
    """`sympy.cse`, but what is divided by is never shared: t * (1/T) is not t / T.

    49 * (1/49) is below 1 in floating point, and a restart would come a step late.
    """
    nodes = sum(1 for _ in islice(sympy.preorder_traversal(expression), _LONG))
    # What is put together again is as simple as it was; to see that takes seconds.
    with sympy.evaluate(nodes < _LONG):
        named, result = sympy.cse(expression, list=False)
        inverses: dict[sympy.Basic, sympy.Basic] = {}
        for symbol, e in named:
            e = e.xreplace(inverses)
            divides = isinstance(e, sympy.Mul | sympy.Pow) and not e.has(t)
            if divides and sympy.fraction(e, exact=True)[1] != 1:
                inverses[symbol] = e
        kept = [(s, e.xreplace(inverses)) for s, e in named if s not in inverses]
        return kept, result.xreplace(inverses)


def tree(expression: sympy.Basic) -> Any:
    """Return the expression as nested lists, for the browser to evaluate.

    A number is a number, a symbol its name, everything else a list
    `[operation, argument, ...]`. What occurs more than once is given a name
    first: `["let", [[name, value], ...], expression]`.

    >>> from sympy import Min, Symbol
    >>> tree(Symbol("rate") * Min(t, 5) / Symbol("T"))
    ['Div', ['Mul', 'rate', ['Min', 5, 't']], 'T']
    """
    named, result = shared(unfold(expression))
    if not named:
        return _tree(result)
    return ["let", [[s.name, _tree(e)] for s, e in named], _tree(result)]


def _tree(e: sympy.Basic) -> Any:
    if isinstance(e, sympy.Symbol):
        return e.name
    if e.is_Integer:
        return int(e)
    if e.is_Rational:
        return ["Rational", int(e.p), int(e.q)]
    if e.is_Atom and e.is_number:
        return float(e)
    if e == True or e == False:  # noqa: E712
        return bool(e)
    if isinstance(e, sympy.floor | sympy.ceiling):
        return [type(e).__name__, _tree(sympy.together(e.args[0]))]
    if isinstance(e, sympy.Mul | sympy.Pow):
        over, under = sympy.fraction(e, exact=True)
        if under != 1:
            return ["Div", _tree(over), _tree(under)]
    return [type(e).__name__, *(_tree(arg) for arg in e.args)]
