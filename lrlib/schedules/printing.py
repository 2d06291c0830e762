"""Formulas as Python code: one printer, and a dialect for each library.

A dialect says where the functions are found. `math`'s are for plain numbers, and only
the branch that applies is computed; all the others are for arrays, and a `where`
computes every branch.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter

from lrlib.schedules.formula import shared, t, unfold

_NAMES: tuple[str, ...] = ("cos", "exp", "floor", "log", "sin", "sqrt", "tan", "tanh")
_NAMES += ("arctan", "arcsin", "arccos", "sinh", "cosh", "sign", "abs", "ceil")
_ARRAYS = {
    **{name: name for name in _NAMES},
    **{"Abs": "abs", "ceiling": "ceil", "Min": "minimum", "Max": "maximum"},
    **{"And": "logical_and", "Or": "logical_or", "Not": "logical_not"},
    **{"atan": "arctan", "asin": "arcsin", "acos": "arccos", "Piecewise": "where"},
}
_SCALARS = {
    **{name: f"math.{name}" for name in _NAMES},
    **{name: f"math.{name}" for name in ("atan", "asin", "acos")},
    **{"Abs": "abs", "ceiling": "math.ceil", "Min": "min", "Max": "max"},
    **{"sign": "math.copysign"},
}


_PLAIN = (_ARRAYS.keys() & _SCALARS.keys()) - {
    *("Max", "Min", "ceiling", "floor", "sign"),
}


@dataclass(frozen=True)
class Dialect:
    """How a library spells the functions of a formula.

    Attributes:
        module: the prefix of its functions, such as `jnp.`; empty for bare names.
        arrays: whether it computes arrays, every branch of them.
        whole: how `floor(a / b)` of whole numbers is written, exactly, with the step
            as a whole number under the name of `step`.
        double: how a plain number is made a float64, where a choice between two plain
            numbers would be an array of fewer bits.

    """

    module: str = ""
    arrays: bool = True
    whole: str = ""
    step: str = "t"
    double: str = ""

    def function(self, name: str) -> str | None:
        """Return the library's name for a function of SymPy's, if it has one."""
        if not self.arrays:
            return _SCALARS.get(name)
        return f"{self.module}{_ARRAYS[name]}" if name in _ARRAYS else None


BARE = Dialect()
MATH = Dialect("math.", arrays=False)
JAX = Dialect("jnp.")
KERAS = Dialect(
    "ops.",
    whole='ops.cast({} // {}, "float64")',
    step="step",
    double='ops.cast({}, "float64")',
)

#: What the code of `BARE` calls. NumPy, keras.ops and jax.numpy have all of it.
ARRAY_FUNCTIONS = tuple(sorted(set(_ARRAYS.values())))


def safe_name(name: str, taken: Iterable[str] = ()) -> str:
    """Return `name`, or `name_` where Python or the code around it uses it.

    >>> safe_name("lambda"), safe_name("min"), safe_name("alpha")
    ('lambda_', 'min_', 'alpha')
    """
    used = keyword.iskeyword(name) or hasattr(builtins, name) or name in taken
    return f"{name}_" if used else name


def is_whole(e: sympy.Basic, whole: frozenset[str]) -> bool:
    """Return whether `e` is a whole number if the symbols named in `whole` are."""
    if isinstance(e, sympy.Symbol):
        return e.name in whole
    if isinstance(e, sympy.Add | sympy.Mul | sympy.Min | sympy.Max):
        return all(is_whole(arg, whole) for arg in e.args)
    return bool(e.is_Integer) or isinstance(e, sympy.floor | sympy.ceiling)


def _falls(e: sympy.Pow) -> bool:
    falls = e.base.is_Add and any(x.could_extract_minus_sign() for x in e.base.args)
    return falls and not e.exp.is_number


class CodePrinter(PythonCodePrinter):
    """Prints an expression in a dialect.

    Args:
        dialect: whose functions to call.
        names: what to write for a symbol, by its name.
        whole: the names of the symbols that stand for whole numbers.

    """

    def __init__(
        self,
        dialect: Dialect = BARE,
        names: Mapping[str, str] | None = None,
        whole: Iterable[str] = (),
    ) -> None:
        super().__init__({"fully_qualified_modules": bool(dialect.module)})
        self.dialect, self.names = dialect, names or {}
        self.whole = frozenset(whole)

    def _print(self, expr: Any, **kwargs: Any) -> str:
        # What is computed once, and not for every step, is Python's to compute.
        once = isinstance(expr, sympy.Expr) and not unfold(expr).has(t)
        if once and self.dialect.arrays and self.dialect.module:
            here, self.dialect = self.dialect, MATH
            try:
                return self._printed(expr, **kwargs)
            finally:
                self.dialect = here
        return self._printed(expr, **kwargs)

    def _printed(self, expr: Any, **kwargs: Any) -> str:
        # SymPy's printers know cos and others by themselves.
        if type(expr).__name__ in _PLAIN:
            return self._print_Function(expr)
        return super()._print(expr, **kwargs)

    def _called(self, name: str, *arguments: str) -> str:
        function = self.dialect.function(name)
        if function is None:
            raise ValueError(f"{name} has no counterpart in {self.dialect.module}")
        return f"{function}({', '.join(arguments)})"

    def _print_Function(self, e: sympy.Function) -> str:
        return self._called(type(e).__name__, *map(self._print, e.args))

    def _print_sign(self, e: sympy.Function) -> str:
        if self.dialect.arrays:
            return self._print_Function(e)
        x = self._print(e.args[0])
        return f"(({x} > 0) - ({x} < 0))"

    def _print_frac(self, e: sympy.Function) -> str:
        return f"(({self._print(e.args[0])}) % 1)"

    def _print_floor(self, e: sympy.Function) -> str:
        over, under = sympy.fraction(sympy.together(unfold(e.args[0])))
        plain = under != 1 and all(
            x.is_polynomial() and is_whole(x, self.whole) for x in (over, under)
        )
        if self.dialect.whole and plain:
            in_whole = type(self)(
                self.dialect, {**self.names, t.name: self.dialect.step}, self.whole
            )
            parts = (in_whole.parenthesize(x, PRECEDENCE["Mul"]) for x in (over, under))
            return self.dialect.whole.format(*parts)
        if under.is_Integer and under != 1:  # (t - 5) / 9 and not t / 9 - 5 / 9
            left = self.parenthesize(over, PRECEDENCE["Mul"], strict=True)
            return self._called(type(e).__name__, f"{left} / {under}")
        return self._print_Function(e)

    def _print_ceiling(self, e: sympy.Function) -> str:
        printed = self._print_floor(sympy.floor(-e.args[0], evaluate=False))
        return f"-{printed}" if "//" in printed else self._print_floor(e)

    def parenthesize(self, item: Any, level: int, strict: bool = False) -> str:
        """Print an operand; SymPy takes a Mod for a function, but % binds as * does."""
        text = super().parenthesize(item, level, strict)
        if isinstance(item, sympy.Mod) and level >= PRECEDENCE["Mul"]:
            return f"({text})"
        return text

    def _print_Mod(self, e: sympy.Mod) -> str:
        return " % ".join(self.parenthesize(x, PRECEDENCE["Mul"]) for x in e.args)

    def _folded(self, e: sympy.Basic) -> str:
        first, *rest = map(self._print, e.args)
        if not self.dialect.arrays:
            return self._called(type(e).__name__, first, *rest)
        for other in rest:
            first = self._called(type(e).__name__, first, other)
        return first

    def _print_Min(self, e: sympy.Basic) -> str:
        return self._folded(e)

    _print_Max = _print_Min

    def _print_And(self, e: sympy.Basic) -> str:
        return self._folded(e) if self.dialect.arrays else super()._print_And(e)

    def _print_Or(self, e: sympy.Basic) -> str:
        return self._folded(e) if self.dialect.arrays else super()._print_Or(e)

    def _print_Not(self, e: sympy.Basic) -> str:
        return self._folded(e) if self.dialect.arrays else super()._print_Not(e)

    def _print_Relational(self, relation: sympy.Basic) -> str:
        # t < b, not b > t
        if relation.rhs.has(t) and not relation.lhs.has(t):
            relation = relation.reversed
        return super()._print_Relational(relation)

    def _print_Piecewise(self, e: sympy.Piecewise) -> str:
        *cases, (code, condition) = [(self._print(v), c) for v, c in e.args]
        if condition != True:  # noqa: E712
            raise ValueError(f"a Piecewise must end in an otherwise: {e}")
        plain = not e.args[-1].expr.has(t)
        for (v, c), (value, _) in zip(e.args[-2::-1], reversed(cases), strict=True):
            asked, plain = self._print(c), plain and not v.has(t)
            if self.dialect.arrays and (c.has(t) or not self.dialect.module):
                if plain and self.dialect.double:
                    code, plain = self.dialect.double.format(code), False
                code = self._called("Piecewise", asked, value, code)
            else:
                code = f"(({value}) if {asked} else ({code}))"
        return code

    def _print_Mul(self, e: sympy.Mul) -> str:
        # t / 49 and never t * (1 / 49), which is below 1 at t = 49.
        if e.as_coeff_Mul()[0].is_negative:
            return f"-{self.parenthesize(-e, PRECEDENCE['Mul'], strict=True)}"
        over, under = sympy.fraction(e, exact=True)
        if under == 1:
            return super()._print_Mul(e)
        left = self.parenthesize(over, PRECEDENCE["Mul"], strict=True)
        return f"{left} / {self.parenthesize(under, PRECEDENCE['Mul'])}"

    def _print_Pow(self, e: sympy.Pow, **_: Any) -> str:
        if e.exp in (sympy.S.Half, -sympy.S.Half):
            root = self._called("sqrt", self._print(e.base))
            return root if e.exp > 0 else f"1 / {root}"
        if e.exp == -1:
            return f"1 / {self.parenthesize(e.base, PRECEDENCE['Mul'])}"
        base = self.parenthesize(e.base, PRECEDENCE["Pow"])
        if self.dialect.arrays and self.dialect.module and _falls(e):
            # Compiled, 1 - t / T can end just below 0 or above, (T - t) / T can't.
            over, under = sympy.fraction(sympy.together(unfold(e.base)))
            if is_whole(over, self.whole):
                left = self.parenthesize(over, PRECEDENCE["Mul"])
                base = f"({left} / {self.parenthesize(under, PRECEDENCE['Mul'])})"
            else:
                base = self._called("Max", "0.0", self._print(e.base))
        return f"{base}**{self.parenthesize(e.exp, PRECEDENCE['Pow'])}"

    def _print_Rational(self, e: sympy.Rational) -> str:
        return f"{e.p} / {e.q}"

    def _print_Half(self, e: sympy.Rational) -> str:
        return "1 / 2"

    def _print_Float(self, e: sympy.Float) -> str:
        return repr(float(e))

    def _print_Exp1(self, e: sympy.Basic) -> str:
        return "math.e" if self.dialect.module else repr(float(sympy.E))

    def _print_Pi(self, e: sympy.Basic) -> str:
        return "math.pi" if self.dialect.module else repr(float(sympy.pi))

    def _print_Symbol(self, symbol: sympy.Symbol) -> str:
        return self.names.get(symbol.name, symbol.name)

    def _print_Part(self, part: Any) -> str:
        return self.parenthesize(part.expression, 0)

    def _as_ordered_terms(self, e: sympy.Expr, order: Any = None) -> list[sympy.Expr]:
        # t - b, not -b + t
        terms = super()._as_ordered_terms(e, order=order)
        return sorted(terms, key=lambda term: term.could_extract_minus_sign())


def array_code(expression: sympy.Expr) -> str:
    """Return Python code of the expression, its functions named as in NumPy.

    >>> from sympy import Min, pi, cos
    >>> array_code(cos(pi * Min(t, 9) / 9))
    'cos(3.141592653589793*minimum(9, t) / 9)'
    """
    return CodePrinter().doprint(unfold(expression))


@lru_cache(maxsize=256)
def compile_numpy(
    expression: sympy.Expr, symbols: tuple[sympy.Symbol, ...]
) -> Callable[..., Any]:
    """Return the expression as a NumPy function of `symbols`, in that order."""
    import numpy

    return compile_for(numpy, expression, symbols)


def compile_for(
    library: Any, expression: sympy.Expr, symbols: tuple[sympy.Symbol, ...]
) -> Callable[..., Any]:
    """Return the expression as a function on `library`'s arrays.

    `library` is a module with NumPy's function names: `numpy`, `keras.ops`.
    """
    functions = {name: getattr(library, name) for name in ARRAY_FUNCTIONS}
    # A parameter may be called `floor`, or as what is computed once, `x0`.
    taken = re.compile(rf"x\d+|{'|'.join(ARRAY_FUNCTIONS)}")
    renamed = {
        s: sympy.Dummy(**s._assumptions_orig)
        for s in symbols
        if taken.fullmatch(s.name) or safe_name(s.name) != s.name
    }
    expression = unfold(expression)
    return sympy.lambdify(
        [renamed.get(s, s) for s in symbols],
        expression.xreplace(renamed) if renamed else expression,
        modules=[functions],
        printer=CodePrinter(),
        cse=shared,
    )
