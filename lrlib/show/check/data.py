"""What the page gets: the rows and what they mean, as data.

The page reads a text by the same table as `lrlib.convert`: each row's meaning, the
functions that it calls and the formulas of the schedules are sent as syntax trees, and
the page evaluates those. None of them is written a second time.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from typing import Any

from lrlib.libraries import names, table, transformers
from lrlib.schedules import catalogue, composition
from lrlib.schedules.kinds import Choice, Inner, Inners, Number, Numbers
from lrlib.schedules.schedule import definitions
from lrlib.show.check import curve
from lrlib.show.check.about import ABOUT
from lrlib.show.check.features import DECAYS, PART, TOTAL

_OPERATORS: dict[type, str] = {
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"},
    **{ast.FloorDiv: "//", ast.Mod: "%", ast.USub: "-", ast.UAdd: "+", ast.Not: "not"},
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "=="},
    **{ast.NotEq: "!=", ast.Is: "is", ast.IsNot: "is not", ast.In: "in"},
    **{ast.NotIn: "not in", ast.BitOr: "|"},
}
#: Modules whose functions the page has itself.
_PRIMITIVE = ("math", "operator", "itertools", "sympy", "numpy", "builtins", "typing")


#: What the page offers to try: mistakes in print, and in public threads.
EXAMPLES: list[dict[str, Any]] = [
    {
        "name": "decay_steps in epochs",
        "text": "EPOCHS = 10\nschedule = keras.optimizers.schedules.CosineDecay(\n"
        "    initial_learning_rate=0.1, decay_steps=EPOCHS)\n"
        "optimizer = keras.optimizers.SGD(schedule)",
        "samples": 60_000,
        "batch_size": 32,
        "epochs": 10,
    },
    {
        "name": "it never decays",
        "text": "schedule = keras.optimizers.schedules.PiecewiseConstantDecay(\n"
        "    boundaries=[50_000, 80_000], values=[1.0, 0.5, 0.1])",
        "samples": 55_000,
        "batch_size": 32,
        "epochs": 10,
    },
    {
        "name": "warm-up without a target",
        "text": "lr = keras.optimizers.schedules.CosineDecay(\n"
        "    0.001, decay_steps=17_000, warmup_steps=1_750)",
        "samples": 60_000,
        "batch_size": 32,
        "epochs": 10,
    },
    {
        "name": "PolynomialDecay that rises",
        "text": "schedule = tf.keras.optimizers.schedules.PolynomialDecay(\n"
        "    initial_learning_rate=5e-5, decay_steps=345)",
        "samples": 3_668,
        "batch_size": 32,
        "epochs": 3,
    },
    {
        "name": "PyTorch's cosine, too short",
        "text": "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "scheduler = CosineAnnealingLR(optimizer, T_max=60)\n"
        "for epoch in range(90):\n    train(model, train_loader, optimizer)\n"
        "    scheduler.step()",
        "samples": 50_000,
        "batch_size": 128,
        "epochs": 90,
    },
    {
        "name": "warm-up longer than the run",
        "text": "optimizer = AdamW(model.parameters(), lr=args.learning_rate)\n"
        "scheduler = get_linear_schedule_with_warmup(\n    optimizer, "
        "num_warmup_steps=10_000, num_training_steps=100_000)",
        "samples": 3_668,
        "batch_size": 16,
        "epochs": 3,
    },
    {
        "name": "a whole number as a rate",
        "text": "schedule = keras.optimizers.schedules.ExponentialDecay(\n"
        "    1, decay_steps=1_875, decay_rate=0.5)",
        "samples": 60_000,
        "batch_size": 32,
        "epochs": 10,
    },
]


def data() -> dict[str, Any]:
    """Return all that the page needs, as plain lists and dictionaries."""
    modules = _Modules()
    rows = {}
    for name, row in names.rows().items():
        used = sorted(row.uses & table.WORDS.keys() - _PYTHON_ONLY)
        rows[name] = {
            "library": row.library,
            "parameters": [
                [p.name, _plain(p.default), p.default is not p.empty]
                for p in row.signature.parameters.values()
            ],
            "meaning": expression(row.meaning),
            "needed": [[expression(node), words] for node, words in row.needed],
            "uses": sorted(row.uses),
            "python_only": bool(row.uses & _PYTHON_ONLY),
            "calls": {n: modules.reference(table.WORDS[n]) for n in used},
        }
    made = {
        name: {
            "body": modules.reference(definition.body),
            "parameters": [
                [key, _default(definition.defaults, key), _kind(kind)]
                for key, kind in definition.kinds.items()
            ],
        }
        for name, definition in definitions.items()
        if definition.body.__module__ in (catalogue.__name__, composition.__name__)
    }
    return {
        "examples": EXAMPLES,
        "rows": rows,
        "definitions": made,
        "modules": modules.found,
        "findings": curve.data(),
        "lengths": {
            "total": TOTAL,
            "part": PART,
            "decays": list(DECAYS),
        },
        "refused": list(names.FOLLOW_RESULTS),
        "optimizers": {"torch": names.RATES, "keras": names.KERAS_RATES},
        "optax": sorted(names.OPTAX_OPTIMIZERS),
        "types": _types(),
        "symptoms": "symptoms.html#symptom-",
        "troubles": {code: asdict(ABOUT[code]) for code in ("LR104", "LR120", "LR124")},
    }


def _types() -> dict[str, str]:
    """Return Transformers' functions by the name that `get_scheduler` has for them."""
    return dict(transformers.TYPES)


def _default(defaults: Any, name: str) -> Any:
    value = defaults.get(name)
    return list(value) if isinstance(value, tuple) else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float | str) else None


def _kind(kind: Any) -> dict[str, Any]:
    """Return what a value must be, as `meanings` checks it where it is lenient."""
    if isinstance(kind, Number):
        return {"type": "number", **_bounds(kind)}
    if isinstance(kind, Numbers):
        increasing = bool(getattr(kind, "increasing", False))
        return {"type": "numbers", "increasing": increasing, **_bounds(kind.each)}
    if isinstance(kind, Choice):
        return {"type": "choice", "options": list(kind.options)}
    if isinstance(kind, Inners):
        return {"type": "inners"}
    assert isinstance(kind, Inner)
    return {"type": "inner"}


def _bounds(kind: Any) -> dict[str, Any]:
    return {"negative": kind.low != 0, "length": bool(kind.span > 0 and kind.low > 0)}


class _Modules:
    """The functions that are needed, by their module."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}

    def reference(self, function: Any) -> list[Any]:
        """Return where the page finds a function."""
        if getattr(function, "__qualname__", "").endswith("_made.<locals>.make"):
            inner = inspect.getclosurevars(function).nonlocals["definition"]
            return ["make", inner.name]
        module, name = function.__module__, function.__name__
        if module.split(".")[0] != "lrlib":
            return ["builtin", name]
        self.need(module, name)
        return ["function", module, name]

    def need(self, module: str, name: str) -> None:
        """Take a name of a module along, with all that it needs."""
        here = self.found.setdefault(module, {"definitions": {}, "imports": {}})
        if name in here["definitions"] or name in here["imports"]:
            return
        statements = [s for s in _statements(module) if name in _bound(s)]
        if name in _OWN:
            here["imports"][name] = ["builtin", name]
            return
        if name == "m" or not statements or isinstance(statements[0], ast.ImportFrom):
            here["imports"][name] = self._imported(module, name)
            return
        if any(isinstance(s, ast.Import | ast.ClassDef) for s in statements):
            here["imports"][name] = ["builtin", name]
            return
        here["definitions"][name] = [statement(s) for s in statements]
        known = {n for s in _statements(module) for n in _bound(s)}
        nodes = [n for s in statements for n in ast.walk(_bare(s))]
        local = {n.arg for n in nodes if isinstance(n, ast.arg)}
        local |= {
            n.id
            for n in nodes
            if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
        }
        for node in nodes:
            if isinstance(node, ast.Name) and node.id in known - (local - {name}):
                self.need(module, node.id)

    def _imported(self, module: str, name: str) -> list[Any]:
        if name == "m":
            return ["builtin", "m"]
        value = getattr(importlib.import_module(module), name, None)
        if inspect.isfunction(value):
            if value.__module__.endswith(".composition") and name in definitions:
                return ["make", name]
            builtin = value.__module__.split(".")[0] != "lrlib" or name in _OWN
            return ["builtin", name] if builtin else self.reference(value)
        if isinstance(value, int | float | str):
            return ["constant", value]
        return ["builtin", name]


#: Functions of lrlib about SymPy's expressions, which the page has for its trees.
_OWN = {"exact", "expression", "missing", "moved", "of_expression", "part", "settled"}
#: Words of meanings that work on rows or signatures, which the page doesn't have.
_PYTHON_ONLY = {"by_type", "sgdr", "timm_factory"}


@cache
def _statements(module: str) -> tuple[ast.stmt, ...]:
    source = inspect.getsource(importlib.import_module(module))
    return tuple(ast.parse(source).body)


def _bound(node: ast.stmt) -> set[str]:
    """Return the names that a statement at the top of a module binds or changes."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            nodes = (n for target in targets for n in ast.walk(target))
            return {n.id for n in nodes if isinstance(n, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {alias.asname or alias.name for alias in aliases}
    return set()


def _bare(node: ast.stmt) -> ast.stmt:
    """Return a function without its annotations, decorators and docstring."""
    if not isinstance(node, ast.FunctionDef):
        return node
    arguments = [ast.arg(a.arg) for a in node.args.args]
    vararg = node.args.vararg and ast.arg(node.args.vararg.arg)
    kwarg = node.args.kwarg and ast.arg(node.args.kwarg.arg)
    signature = ast.arguments(
        [], arguments, vararg, [], [], kwarg, list(node.args.defaults)
    )
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    body = node.body[1:] if documented else node.body
    return ast.FunctionDef(node.name, signature, body, [])


# Syntax trees as lists ---------------------------------------------------------


def _parameters(arguments: ast.arguments) -> list[Any]:
    defaults: list[ast.expr | None] = [None] * (
        len(arguments.args) - len(arguments.defaults)
    )
    defaults += arguments.defaults
    listed = [
        [a.arg, d and expression(d)]
        for a, d in zip(arguments.args, defaults, strict=True)
    ]
    vararg = arguments.vararg and arguments.vararg.arg
    kwarg = arguments.kwarg and arguments.kwarg.arg
    return [listed, vararg, kwarg]


def statement(node: ast.stmt) -> list[Any]:
    """Return a statement as lists."""
    match node:
        case ast.FunctionDef():
            plain = _bare(node)
            assert isinstance(plain, ast.FunctionDef)
            body = block(plain.body)
            return ["def", plain.name, _parameters(plain.args), body]
        case ast.Return(value=value):
            return ["return", value and expression(value)]
        case ast.Assign(targets=[target], value=value):
            return ["=", expression(target), expression(value)]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            return ["=", expression(target), expression(value)]
        case ast.AnnAssign():
            return ["pass"]
        case ast.AugAssign(target=target, op=op, value=value):
            name = _OPERATORS.get(type(op), "?")
            left = expression(target)
            return ["=", left, ["operation", name, left, expression(value)]]
        case ast.Expr(value=value):
            return ["expression", expression(value)]
        case ast.If(test=test, body=body, orelse=orelse):
            return ["if", expression(test), block(body), block(orelse)]
        case ast.For(target=target, iter=values, body=body):
            return ["for", expression(target), expression(values), block(body)]
        case ast.Raise(exc=ast.expr() as raised):
            return ["raise", expression(raised)]
        case ast.Match(subject=subject, cases=cases):
            patterns = [_pattern(c.pattern) for c in cases]
            if "refused" not in patterns:
                bodies = [block(c.body) for c in cases]
                listed = [list(pair) for pair in zip(patterns, bodies, strict=True)]
                return ["match", expression(subject), listed]
        case ast.Pass():
            return ["pass"]
    return ["refused", ast.unparse(node).partition("\n")[0]]


def block(nodes: list[ast.stmt]) -> list[Any]:
    """Return statements as lists."""
    return [statement(node) for node in nodes]


def _pattern(node: ast.pattern) -> Any:
    match node:
        case ast.MatchValue(value=ast.Constant(value=value)):
            return [value]
        case ast.MatchAs(pattern=None, name=None):
            return None
    return "refused"


def expression(node: ast.expr) -> list[Any]:
    """Return an expression as lists, the first entry of which is its kind."""
    match node:
        case ast.Constant(value=value):
            return ["constant", value]
        case ast.Name(id=name):
            return ["name", name]
        case ast.Attribute(value=value, attr=name):
            return ["attribute", expression(value), name]
        case ast.Subscript(value=value, slice=ast.Slice(lower=a, upper=b)):
            ends = [a and expression(a), b and expression(b)]
            return ["slice", expression(value), *ends]
        case ast.Subscript(value=value, slice=index):
            return ["subscript", expression(value), expression(index)]
        case ast.Call(func=function, args=args, keywords=keywords):
            named = [[k.arg, expression(k.value)] for k in keywords]
            return ["call", expression(function), list(map(expression, args)), named]
        case ast.Starred(value=value):
            return ["star", expression(value)]
        case ast.BinOp(left=left, op=op, right=right):
            name = _OPERATORS.get(type(op), "?")
            return ["operation", name, expression(left), expression(right)]
        case ast.UnaryOp(op=op, operand=operand):
            return ["operation", _OPERATORS.get(type(op), "?"), expression(operand)]
        case ast.Compare(left=left, ops=ops, comparators=right):
            signs = [_OPERATORS.get(type(op), "?") for op in ops]
            return ["compare", expression(left), signs, list(map(expression, right))]
        case ast.BoolOp(op=op, values=values):
            name = "and" if isinstance(op, ast.And) else "or"
            return [name, list(map(expression, values))]
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return ["choose", *map(expression, (test, body, orelse))]
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return ["list", list(map(expression, items))]
        case ast.Dict(keys=keys, values=values):
            listed = [k and expression(k) for k in keys]
            return ["dict", listed, list(map(expression, values))]
        case ast.Lambda(args=arguments, body=body):
            return ["lambda", _parameters(arguments), expression(body)]
        case ast.ListComp(elt=each) | ast.GeneratorExp(elt=each):
            return ["comprehension", expression(each), list(_loops(node.generators))]
        case ast.DictComp(key=key, value=value, generators=generators):
            pair = [expression(key), expression(value)]
            return ["dict comprehension", ["list", pair], list(_loops(generators))]
        case ast.NamedExpr(target=ast.Name(id=name), value=value):
            return ["walrus", name, expression(value)]
        case ast.JoinedStr(values=values):
            return ["text", [_part(each) for each in values]]
    return ["refused", ast.unparse(node)]


def _part(node: ast.expr) -> list[Any]:
    """Write a part of an f-string: text, or the call that makes text of a value."""
    if not isinstance(node, ast.FormattedValue):
        return expression(node)
    function = "repr" if node.conversion == ord("r") else "str"
    return expression(ast.Call(ast.Name(function), [node.value], []))


def _loops(generators: list[ast.comprehension]) -> Iterator[list[Any]]:
    for each in generators:
        tests = list(map(expression, each.ifs))
        yield [expression(each.target), expression(each.iter), tests]
