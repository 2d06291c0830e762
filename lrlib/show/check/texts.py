"""What a pasted text says beyond its curve: its library, its unit, its arguments."""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

from lrlib.libraries.names import rows
from lrlib.libraries.reading import LONGEST

#: Schedulers that their documentation says to step after every update.
PER_UPDATE = {"CyclicLR", "OneCycleLR"}
_SCHEDULER = re.compile(r"sched|lr_|_lr|warmup|annealing", re.IGNORECASE)
_TENSORS = re.compile(r"(tf|ops|keras\.ops|jnp)\.")
_OPTIMIZERS = re.compile(r"^(SGD|Adam\w*|RMSprop|Nadam|Lion|Ftrl|Adagrad|Adadelta)$")


@dataclass
class Text:
    """What is known of a text.

    Attributes:
        unit: "update" or "epoch" where the text or its library says it, else None.
        call: the facts that `features.CALL` lists.
        troubles: findings about the text: (code, the numbers of its sentence).
        source: the text without the callback that can't set the rate.
        boundaries: unsorted boundaries with their values, or None.
        rate: the rate of the only optimizer of a text without a schedule, or None.

    """

    unit: str | None = "update"
    call: dict[str, Any] = field(default_factory=dict)
    troubles: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    source: str = ""
    boundaries: tuple[list[float], list[float]] | None = None
    rate: float | None = None


def parsed(text: str) -> ast.AST | None:
    """Return the syntax tree of a text, or None if it isn't plain Python."""
    text = _dedented(text)
    for attempt in (text, f"_({text}\n)"):
        try:
            return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _dedented(text: str) -> str:
    return textwrap.dedent(text.expandtabs())


def read(text: str) -> Text:
    """Return what a text says beyond its curve."""
    tree = parsed(text) if len(text) <= LONGEST else None
    if tree is None:
        return Text(unit=None, source=text)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {_name(call): call for call in calls}
    constants = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = Text(unit=_unit(tree, names), source=text)
    for name, call in names.items():
        row = rows().get(name)
        if row and row.library == "keras":
            found.call["keras"] = 1
            found.call |= _keras_call(row, call, constants)
            if name == "PiecewiseConstantDecay":
                found.boundaries = _unsorted(row, call, constants)
    if names.keys() & rows().keys() == {"CosineAnnealingLR"}:
        found.call["should_fall"] = 1
    found.call["unsorted"] = int(found.boundaries is not None)
    if string := _string_optimizer(names):
        found.troubles.append(("LR124", {"string": string}))
    if name := _returns_tensor(tree, names):
        found.troubles.append(("LR120", {"name": name, "value": "a tensor"}))
    if setting := _setting(names, constants):
        numbers = {"callback": _name(setting), "when": _FAILS[_name(setting)]}
        found.troubles.append(("LR104", numbers))
        segment = ast.get_source_segment(_dedented(text), setting) or ""
        found.source = _dedented(text).replace(segment, "None", 1)
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
    if libraries & {"keras", "optax"}:
        return "update"
    if "LearningRateScheduler" in names:
        return "epoch"
    if "timm" in libraries:
        return _timm_unit(names)
    if libraries or names.keys() & {"LambdaLR", "MultiplicativeLR"}:
        usual = names.keys() & PER_UPDATE or "transformers" in libraries
        said = _stepped(tree) or _interval(tree)
        return said or ("update" if usual else None)
    return "update" if any(map(_OPTIMIZERS.match, names)) else _functions(tree)


def _interval(tree: ast.AST) -> str | None:
    """Return the unit as Lightning counts: epochs, unless an interval says steps."""
    said = None
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name="configure_optimizers"):
                said = said or "epoch"
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    match key, value:
                        case ast.Constant("interval"), ast.Constant("step" | "epoch"):
                            said = "update" if value.value == "step" else "epoch"
    return said


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


def _returns_tensor(tree: ast.AST, names: dict[str, ast.Call]) -> str:
    """Return the function for LearningRateScheduler that returns a tensor, or ""."""
    given = (
        names["LearningRateScheduler"].args if "LearningRateScheduler" in names else []
    )
    wanted = {node.id for node in given if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in wanted:
            returns = (n.value for n in ast.walk(node) if isinstance(n, ast.Return))
            if any(map(_is_tensor, returns)):
                return node.name
    return ""


def _is_tensor(node: ast.expr | None) -> bool:
    match node:
        case ast.BinOp(left=left, right=right):
            return _is_tensor(left) or _is_tensor(right)
        case ast.Call(func=function):
            return bool(_TENSORS.match(ast.unparse(function)))
    return False


#: Keras's callbacks that can't set the rate of a schedule, and when they try to.
_FAILS = {
    "LearningRateScheduler": "in epoch 1",
    "ReduceLROnPlateau": "when it first cuts",
}


def _setting(
    names: dict[str, ast.Call], constants: dict[str, ast.expr]
) -> ast.Call | None:
    """Return the callback for `fit` that can't set the rate of Keras's schedule."""

    def is_call(node: ast.expr | None, among: Any) -> bool:
        if isinstance(node, ast.Name):
            node = constants.get(node.id)
        return isinstance(node, ast.Call) and _name(node) in among

    keras = {name for name in names.keys() & rows().keys()}
    optimizers = [call for name, call in names.items() if _OPTIMIZERS.match(name)]
    if any(rows()[name].library != "keras" for name in keras) or len(optimizers) != 1:
        return None
    given = {k.arg: k.value for k in optimizers[0].keywords}
    rate = given.get("learning_rate", next(iter(optimizers[0].args), None))
    callbacks = (
        next((k.value for k in names["fit"].keywords if k.arg == "callbacks"), None)
        if "fit" in names
        else None
    )
    if isinstance(callbacks, ast.Name):
        callbacks = constants.get(callbacks.id)
    listed = callbacks.elts if isinstance(callbacks, ast.List) else [callbacks]
    for name in _FAILS:
        if is_call(rate, keras) and any(is_call(each, {name}) for each in listed):
            return names[name]
    return None


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
