"""Rows read backward: the calls of a library that make a schedule.

A schedule is taken as an expression, `cosine({initial_learning_rate}, {decay_steps},
{alpha})`, with a placeholder for each of its numbers. Each row is one, too; its names
are solved for. What must hold between the numbers becomes the condition of the call.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import sympy
from sympy import And, Eq, Gt, Lt

from lrlib.libraries.meanings import evaluated
from lrlib.libraries.table import TABLE, USUALLY, Form, Row, expression, keywords
from lrlib.schedules.schedule import Schedule, definitions

#: Where a number goes in a template: `{alpha}`, `{values.0}`, `{schedule.alpha}`.
PLACEHOLDER = re.compile(r"\{([a-z_][\w.]*)\}", re.IGNORECASE)


@dataclass(frozen=True)
class Way:
    """A call of a library that makes a schedule.

    Attributes:
        name: what is called.
        arguments: its keyword arguments: code, other ways, or lists of these.
        lr: the optimizer's rate.
        when: the condition on the numbers under which it makes exactly this curve.
        until: the last step up to which it does.
        note: what happens then, or what else is to be known.
        setup: lines before the call.

    """

    name: str
    arguments: dict[str, Any]
    lr: ast.expr = field(default_factory=lambda: ast.Constant(None))
    when: Any = sympy.true
    until: Any = sympy.oo
    note: str = ""
    setup: str = ""


# Schedules as expressions -------------------------------------------------------


def term(value: Any, path: str = "") -> ast.expr:
    """Return a schedule, or a parameter of one, as an expression."""
    match value:
        case Schedule():
            dot = path and f"{path}."
            parameters = value.params.items()
            return _call(value.name, [term(v, dot + k) for k, v in parameters])
        case tuple():
            each = enumerate(value)
            return _list([term(v, f"{path}.{i}") for i, v in each])
        case str() | bool():
            return ast.Constant(value)
    return ast.Name(f"{{{path}}}", ast.Load())


def _call(name: str, arguments: list[ast.expr]) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), arguments, [])


def _list(items: list[ast.expr]) -> ast.List:
    return ast.List(items, ast.Load())


def named(node: ast.expr) -> tuple[str, dict[str, ast.expr]]:
    """Return what an expression calls, and its arguments by name if it's a schedule."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
        return "", {}
    name = node.func.id
    if name not in definitions:
        return name, {str(i): a for i, a in enumerate(node.args)}
    definition = definitions[name]
    defaults = {k: expression(repr(v)) for k, v in definition.defaults.items()}
    given = {**defaults, **dict(zip(definition.kinds, node.args, strict=False))}
    return name, {k: given[k] for k in definition.kinds if k in given}


def filled(node: ast.expr, values: dict[str, ast.expr]) -> ast.expr:
    """Return an expression with other expressions in the places of names."""

    class Filled(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return values.get(node.id, node)

        def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
            self.generic_visit(node)
            match node:
                case ast.BinOp(ast.BinOp(x, ast.Div(), one), ast.Mult(), other):
                    return x if ast.dump(one) == ast.dump(other) else node
            return node

    made: ast.expr = Filled().visit(copy.deepcopy(node))
    return made


def symbolic(node: ast.expr) -> Any:
    """Return an expression in placeholders as a SymPy expression."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return evaluated(
        node, {n: sympy.Symbol(n[1:-1]) for n in names if n.startswith("{")}
    )


# The same schedule by another name ------------------------------------------------

#: On the right the more general schedule. Names stand for anything.
_RULES = [
    (expression(left), expression(right))
    for left, right in (
        ("cosine(peak, n, alpha)", "cosine_annealing(peak, n, alpha * peak)"),
        ("linear(peak, n, end)", "polynomial(peak, n, end, 1.0, False)"),
        (
            "warmup_cosine(start, n, alpha, peak, w)",
            "warmup(cosine(peak, n, alpha), w, start, 'linear', 2.0)",
        ),
        (
            "knee(peak, flat, n, end)",
            "join([constant(peak), linear(peak, n, end)], [flat])",
        ),
        (
            "knee(peak, flat, n, end)",
            "warmup_stable_decay(peak, peak, 0, flat, n, 'linear', end / peak)",
        ),
        (
            "warmup(knee(peak, flat, n, end), w, start, 'linear', anything)",
            "warmup_stable_decay(start, peak, w, flat, n, 'linear', end / peak)",
        ),
        *(
            (
                f"warmup_stable_decay(start, peak, w, flat, n, {decay!r}, alpha)",
                "join([linear(start, w, peak), constant(peak), "
                f"{decay}(peak, n, {end})], [w, w + flat])",
            )
            for decay, end in (("linear", "alpha * peak"), ("cosine", "alpha"))
        ),
    )
]


def _others(node: ast.expr) -> Iterator[tuple[ast.expr, Any]]:
    """Yield what a schedule is by other names, each with its condition."""
    for left, right in _RULES:
        found = Match()
        if found.walk(left, node) and found.solve() and not found.equal:
            yield filled(right, found.bound), sympy.true
    name, given = named(node)
    match name, list(given.values()):
        case "warmup", [inner, *rest]:
            for same, when in _others(inner):
                yield _call(name, [same, *rest]), when
        case "piecewise_constant", [ast.List(elts=boundaries), ast.List(elts=values)]:
            v = list(map(symbolic, values))
            equal = [
                Lt(sympy.Abs(b * v[0] - a * v[1]), 1e-9 * v[0] ** 2)
                for a, b in itertools.pairwise(v)
            ]
            factor = ast.BinOp(values[1], ast.Div(), values[0])
            for stairs, later in _STAIRS.items():
                made = _call(stairs, [values[0], _moved(boundaries, later), factor])
                yield made, And(Gt(v[0], 0), *equal)
            stretches: list[ast.expr] = [_call("constant", [v]) for v in values]
            yield _call("join", [_list(stretches), _moved(boundaries, 1)]), sympy.true


#: Stairs whose drops have one factor, and how much later than Keras's boundary, which
#: still has the rate before it, their milestone is for the same drop.
_STAIRS = {"stairs": 1, "timm_stairs": 2}


def _moved(boundaries: list[ast.expr], later: int) -> ast.List:
    more = ast.Constant(later)
    return _list([ast.BinOp(b, ast.Add(), more) for b in boundaries])


def alternatives(node: ast.expr) -> list[tuple[ast.expr, Any]]:
    """Return a schedule under all its names, each with its condition."""
    found: list[tuple[ast.expr, Any]] = [(node, sympy.true)]
    for same, when in found:
        found += [(e, And(when, more)) for e, more in _others(same)]
    return found


# Solving ----------------------------------------------------------------------------


@dataclass
class Match:
    """What the names of a pattern are in a schedule.

    Attributes:
        bound: the names and what they are.
        equal: pairs that must be equal.

    """

    bound: dict[str, ast.expr] = field(default_factory=dict)
    equal: list[tuple[ast.expr, ast.expr]] = field(default_factory=list)
    pairs: list[tuple[ast.expr, ast.expr]] = field(default_factory=list)

    def walk(self, pattern: ast.expr, value: ast.expr) -> bool:
        """Collect the pairs of arguments; say whether the schedules are the same."""
        match pattern, value:
            case ast.Call(), ast.Call():
                (name, left), (other, right) = named(pattern), named(value)
                return name == other and all(
                    self.walk(left[key], right[key]) for key in right
                )
            case ast.List(), ast.List():
                same = len(pattern.elts) == len(value.elts)
                return same and all(map(self.walk, pattern.elts, value.elts))
            case (ast.Call() | ast.List(), _) | (ast.BinOp(), ast.Call() | ast.List()):
                return False
        self.pairs.append((pattern, value))
        return True

    def solve(self) -> bool:
        """Solve for the names; say whether all pairs can be the same."""
        plain = [p for p in self.pairs if isinstance(p[0], ast.Name | ast.Constant)]
        others = [p for p in self.pairs if p not in plain]
        if not all(itertools.starmap(self.one, plain)):
            return False
        while others:
            unknown = [
                (len(self.unknown(pattern)), i) for i, (pattern, _) in enumerate(others)
            ]
            if not self.one(*others.pop(min(unknown)[1])):
                return False
        return True

    def unknown(self, node: ast.expr) -> set[str]:
        """Return the names in an expression that aren't solved for."""
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        return names - set(self.bound)

    def one(self, pattern: ast.expr, value: ast.expr) -> bool:
        """Solve one pair."""
        if not self.unknown(pattern):
            return self.same(filled(pattern, self.bound), value)
        match pattern, value:
            case ast.Name(id=name), _:
                self.bound[name] = value
                return True
            case ast.BinOp(op=op), ast.BinOp() if type(op) is type(value.op):
                trial = Match(dict(self.bound), list(self.equal))
                sides = (pattern.left, value.left), (pattern.right, value.right)
                both = all(itertools.starmap(trial.one, sides))
                if both and len(trial.equal) == len(self.equal):
                    self.bound = trial.bound
                    return True
        return isinstance(pattern, ast.BinOp) and self.inverted(pattern, value)

    def inverted(self, pattern: ast.BinOp, value: ast.expr) -> bool:
        """Solve `x / known` and so on."""
        x, known = pattern.left, pattern.right
        if isinstance(pattern.op, ast.Mult) and self.unknown(known):
            x, known = known, x
        if self.unknown(known):
            return False
        known = filled(known, self.bound)
        one = ast.BinOp(ast.Constant(1), ast.Div(), known)
        match pattern.op, known:
            case ast.Sub(), ast.Constant(value=0):
                return self.one(x, value)
            case ast.Sub(), _:
                return self.one(x, ast.BinOp(known, ast.Add(), value))
            case ast.Div(), _:
                return self.one(x, ast.BinOp(value, ast.Mult(), known))
            case ast.Mult(), _:
                return self.one(x, ast.BinOp(value, ast.Div(), known))
            case ast.Pow(), _:
                return self.one(x, ast.BinOp(value, ast.Pow(), one))
        return False

    def same(self, pattern: ast.expr, value: ast.expr) -> bool:
        """Demand that two expressions are the same; say whether they can be."""
        if ast.dump(pattern) == ast.dump(value):
            return True
        match pattern, value:
            case ast.Constant(value=a), ast.Constant(value=b):
                text = isinstance(a, str | bool) or isinstance(b, str | bool)
                return a == b and not (text and type(a) is not type(b))
            case (ast.Constant(value=str() | bool()), _) | (
                _,
                ast.Constant(value=str() | bool()),
            ):
                return False
        self.equal.append((pattern, value))
        return True


# Rows ---------------------------------------------------------------------------------


def _expanded(
    node: ast.expr, fixed: Mapping[str, ast.expr]
) -> Iterator[tuple[ast.expr, Mapping[str, ast.expr]]]:
    """Yield the schedules that a meaning is, each with the arguments it takes."""
    match node:
        case ast.IfExp(test=test, body=body, orelse=orelse):
            for side, given in zip((body, orelse), _given(test), strict=True):
                if given is not None:
                    yield from _expanded(filled(side, given), {**fixed, **given})
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in USUALLY:
            signature, meaning = USUALLY[name]
            names = signature.bind(*arguments).arguments
            yield from _expanded(filled(meaning, names), fixed)
        case ast.Call(func=function, args=[first, *rest]):
            for made, more in _expanded(first, fixed):
                yield ast.Call(function, [made, *rest], []), more
        case ast.Constant(value=None):
            return
        case _:
            yield node, fixed


def _given(test: ast.expr) -> tuple[dict[str, ast.expr] | None, ...]:
    """Return what must be given for a test to hold, and for it not to; or None."""
    match test:
        case ast.Name(id=name):
            return {name: ast.Constant(True)}, {name: ast.Constant(False)}
        case ast.Compare(left=ast.Name(id=name), comparators=[ast.Constant() as value]):
            return {name: value}, {}
        case ast.Compare(
            left=ast.Constant(value=a), comparators=[ast.Constant(value=b)]
        ):
            return ({}, None) if a == b else (None, {})
    return None, {}


@cache
def _forms(library: str) -> list[tuple[Row, Form, list[ast.expr]]]:
    """Return what the calls of a library are written for, under all its names."""
    found = []
    for row in TABLE[library]:
        for each in row.forms or (Form(row.meaning),):
            for pattern, fixed in _expanded(each.pattern, each.fixed):
                if named(pattern)[0] in {*definitions, *_STAIRS}:
                    same = [e for e, when in alternatives(pattern) if when == True]  # noqa: E712
                    made = replace(each, pattern=pattern, fixed=fixed)
                    found.append((row, made, same))
    return found


def _way(row: Row, made: Form, found: Match, when: Any) -> Way | None:
    """Return the call that a row is, if all that it needs is known."""
    given = {**made.fixed, **found.bound}
    arguments = {}
    for name, parameter in row.signature.parameters.items():
        default = parameter.default
        if name in found.bound:
            arguments[name] = found.bound[name]
        elif name in made.fixed:
            value = made.fixed[name]
            if not isinstance(value, ast.Constant) or value.value != default:
                arguments[name] = value
        elif default is parameter.empty:
            return None
        else:
            given[name] = expression(repr(default))
    code: dict[str, Any] = {}
    for name, value in arguments.items():
        code[name], more = _code(row.library, value)
        if code[name] is None:
            return None
        when = And(when, more)
    equal = [Eq(symbolic(a), symbolic(b)) for a, b in found.equal]
    when = And(when, *equal)
    for condition in (row.when, made.when):
        when = And(when, symbolic(filled(expression(condition), given)))
    if when == sympy.false:
        return None
    for name, value in keywords(row.always).items():
        code[name] = plain(filled(value, given))
    until = symbolic(filled(expression(row.until), given)) if row.until else sympy.oo
    lr = given.get(row.lr, ast.Constant(None))
    return Way(row.name, code, lr, when, until, made.note or row.note)


def _code(library: str, value: ast.expr) -> tuple[Any, Any]:
    """Return an argument as code, with the condition for it."""
    if isinstance(value, ast.List):
        made = [_code(library, each) for each in value.elts]
        codes, conditions = [code for code, _ in made], [when for _, when in made]
        return None if None in codes else codes, And(*conditions)
    if named(value)[0] in definitions:
        inner = [way for way in ways(library, value) if not way.setup]
        for way in sorted(inner, key=lambda way: way.when != sympy.true)[:1]:
            return way, way.when
        return None, sympy.false
    return plain(value), sympy.true


def plain(node: ast.expr) -> str:
    """Return the code of an expression in placeholders."""
    return _SIMPLE_POWER.sub(r"\1**\2", ast.unparse(node).replace("'", '"'))


_SIMPLE_POWER = re.compile(r"(?<![\w.)\]])([\w.]+) \*\* (-?[\w.]+)(?![\w.(\[])")


#: By library and by schedule: what no row can say, as a function of the arguments.
MORE: dict[str, dict[str, Callable[[dict[str, ast.expr]], list[Way]]]] = {}


def ways(library: str, made: ast.expr) -> list[Way]:
    """Return the calls of a library that make a schedule, the best first."""
    found: list[tuple[int, Way]] = []
    targets = alternatives(made)
    for row, form, patterns in _forms(library):
        pairs = itertools.product(enumerate(targets), enumerate(patterns))
        for (i, (target, when)), (j, pattern) in pairs:
            match = Match()
            if match.walk(pattern, target) and match.solve():
                way = _way(row, form, match, when)
                found += [(i + j, way)] if way else []
                break
    direct = [way for _, way in sorted(found, key=lambda ranked: ranked[0])]
    for target, when in targets:
        name, given = named(target)
        more = MORE.get(library, {}).get(name)
        found_more = more(given) if more else []
        direct += [replace(way, when=And(way.when, when)) for way in found_more]
    return direct
