"""What a pasted text says beyond its curve: its library, its unit, its arguments."""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

from lrlib.libraries.names import rows

#: Schedulers that their documentation says to step after every update.
PER_UPDATE = {"CyclicLR", "OneCycleLR"}
_SCHEDULER = re.compile(r"sched|lr_|_lr|warmup|annealing", re.IGNORECASE)
_OPTIMIZERS = re.compile(r"^(SGD|Adam\w*|RMSprop|Nadam|Lion|Ftrl|Adagrad|Adadelta)$")


@dataclass
class Text:
    """What is known of a text.

    Attributes:
        unit: "update" or "epoch" where the text or its library says it, else None.
        call: the facts that `curve.CALL` lists.
        string_optimizer: what `compile` is given where the text builds an optimizer.
        boundaries: unsorted boundaries with their values, or None.
        rate: the rate of the only optimizer of a text without a schedule, or None.

    """

    unit: str | None = "update"
    call: dict[str, Any] = field(default_factory=dict)
    string_optimizer: str = ""
    boundaries: tuple[list[float], list[float]] | None = None
    rate: float | None = None


def parsed(text: str) -> ast.AST | None:
    """Return the syntax tree of a text, or None if it isn't plain Python."""
    text = textwrap.dedent(text.expandtabs())
    for attempt in (text, f"_({text}\n)"):
        try:
            return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def read(text: str) -> Text:
    """Return what a text says beyond its curve."""
    tree = parsed(text)
    if tree is None:
        return Text(unit=None)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {_name(call): call for call in calls}
    constants = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = Text(unit=_unit(tree, names))
    for name, call in names.items():
        row = rows().get(name)
        if row and row.library == "keras":
            found.call["keras"] = 1
            found.call |= _keras_call(row, call, constants)
            if name == "PiecewiseConstantDecay":
                found.boundaries = _unsorted(row, call, constants)
    found.call["unsorted"] = int(found.boundaries is not None)
    found.string_optimizer = _string_optimizer(names)
    found.rate = _only_rate(names, constants)
    return found


def _only_rate(
    names: dict[str, ast.Call], constants: dict[str, ast.expr]
) -> float | None:
    """Return the rate of the only optimizer, if the text has no schedule."""
    optimizers = [name for name in names if _OPTIMIZERS.match(name)]
    if len(optimizers) != 1 or names.keys() & rows().keys():
        return None
    call = names[optimizers[0]]
    given = {k.arg: k.value for k in call.keywords}
    first = call.args[0] if call.args else None
    node = given.get("learning_rate", given.get("lr", first))
    value = _literal(node, constants)
    return value if type(value) is float and value > 0 else None


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def _unit(tree: ast.AST, names: dict[str, ast.Call]) -> str | None:
    libraries = {rows()[name].library for name in names if name in rows()}
    if libraries & {"keras", "optax", "transformers"}:
        return "update"
    if "LearningRateScheduler" in names:
        return "epoch"
    if not libraries and any(map(_OPTIMIZERS.match, names)):
        return "update"
    if "timm" in libraries:
        return _timm_unit(names)
    if libraries == {"pytorch"} or names.keys() & {"LambdaLR", "MultiplicativeLR"}:
        return _stepped(tree) or ("update" if names.keys() & PER_UPDATE else None)
    return None if libraries else _functions(tree)


def _functions(tree: ast.AST) -> str | None:
    """Return the unit of a function of the step by what it calls its argument."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.Lambda) and node.args.args:
            names = {argument.arg for argument in node.args.args}
            if names & {"epoch", "e", "ep"}:
                return "epoch"
            if names & {"step", "t", "count", "iteration", "global_step"}:
                return "update"
    return None


def _timm_unit(names: dict[str, ast.Call]) -> str:
    for call in names.values():
        for keyword in call.keywords:
            by_epoch = keyword.arg in ("t_in_epochs", "step_on_epochs")
            if by_epoch and isinstance(keyword.value, ast.Constant):
                return "epoch" if keyword.value.value else "update"
    return "epoch"


def _stepped(tree: ast.AST) -> str | None:
    """Return the unit by where `scheduler.step()` stands in the loops."""

    def visit(node: ast.AST, loops: list[ast.AST]) -> str | None:
        if isinstance(node, ast.For | ast.While):
            loops = [*loops, node]
        match node:
            case ast.Call(func=ast.Attribute(value=owner, attr="step" | "step_update")):
                if loops and _SCHEDULER.search(ast.unparse(owner)):
                    return _loop_unit(loops)
        for child in ast.iter_child_nodes(node):
            if found := visit(child, loops):
                return found
        return None

    return visit(tree, [])


def _loop_unit(loops: list[ast.AST]) -> str:
    inner = loops[-1]
    if len(loops) > 1 or isinstance(inner, ast.While):
        return "update"
    nested = any(
        isinstance(node, ast.For) for node in ast.walk(inner) if node is not inner
    )
    says = "epoch" in ast.unparse(inner.target) if isinstance(inner, ast.For) else False
    return "epoch" if nested or says else "update"


def _arguments(row: Any, call: ast.Call) -> dict[str, ast.expr]:
    names = list(row.signature.parameters)
    given = dict(zip(names, call.args, strict=False))
    return given | {k.arg: k.value for k in call.keywords if k.arg}


def _literal(node: ast.expr | None, constants: dict[str, ast.expr]) -> Any:
    if isinstance(node, ast.Name):
        node = constants.get(node.id)
    try:
        return ast.literal_eval(node) if node is not None else None
    except (ValueError, TypeError, SyntaxError):
        return None


def _keras_call(
    row: Any, call: ast.Call, constants: dict[str, ast.expr]
) -> dict[str, Any]:
    given = _arguments(row, call)
    first = _literal(given.get("initial_learning_rate"), constants)
    alpha = _literal(given.get("alpha"), constants)
    target = given.get("warmup_target")
    return {
        "integer": int(type(first) is int and first != 0),
        "idle_warmup": int("warmup_steps" in given and _is_none(target)),
        "alpha": float(alpha) if isinstance(alpha, int | float) else 0.0,
    }


def _is_none(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def _unsorted(
    row: Any, call: ast.Call, constants: dict[str, ast.expr]
) -> tuple[list[float], list[float]] | None:
    given = _arguments(row, call)
    boundaries = _literal(given.get("boundaries"), constants)
    values = _literal(given.get("values"), constants)
    if not isinstance(boundaries, list | tuple) or not isinstance(values, list | tuple):
        return None
    numbers = [*boundaries, *values]
    if not all(isinstance(x, int | float) for x in numbers):
        return None
    if len(values) != len(boundaries) + 1 or sorted(boundaries) == list(boundaries):
        return None
    return list(boundaries), list(values)


def _string_optimizer(names: dict[str, ast.Call]) -> str:
    """Return what `compile` is given, if the text builds an optimizer beside it."""
    if "compile" not in names or not any(map(_OPTIMIZERS.match, names)):
        return ""
    call = names["compile"]
    given = {k.arg: k.value for k in call.keywords}
    node = given.get("optimizer", call.args[0] if call.args else None)
    match node:
        case ast.Constant(value=str(name)):
            return name
    return ""
