"""What other libraries call a schedule: a row for each of their calls.

On the left the call with its library's parameters and defaults, on the right the
schedule that it makes, in lrlib's functions; `lr` is the rate of the optimizer that a
scheduler is given. The right side may use the functions in `MEANINGS`, for what a
library does and no schedule of the catalogue is called.
"""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass
from functools import cache
from typing import Any

from lrlib.libraries import (
    keras_names,
    meanings,
    optax,
    pytorch,
    timm,
    transformers,
)

#: The libraries, by the name that `Schedule.code` has for them.
LIBRARIES: dict[str, Any] = {
    "keras": keras_names,
    "pytorch": pytorch,
    "optax": optax,
    "transformers": transformers,
    "timm": timm,
}

#: The optimizers of PyTorch, with the rate they have if none is given, and of others.
RATES = {
    **{"SGD": 1e-3, "Adam": 1e-3, "AdamW": 1e-3, "RMSprop": 1e-2, "Adadelta": 1.0},
    **{"Adagrad": 1e-2, "Adamax": 2e-3, "ASGD": 1e-2, "NAdam": 2e-3, "RAdam": 1e-3},
    **{"Rprop": 1e-2, "LBFGS": 1.0, "SparseAdam": 1e-3, "Adafactor": 1e-2},
    "Muon": 1e-3,
}
#: Those of Keras, by the same names, and of optax.
KERAS_RATES = {
    **{"SGD": 0.01, "Adam": 1e-3, "AdamW": 1e-3, "RMSprop": 1e-3, "Adadelta": 1e-3},
    **{"Adagrad": 1e-3, "Adamax": 1e-3, "Nadam": 1e-3, "Ftrl": 1e-3, "Lion": 1e-3},
    **{"Adafactor": 1e-3, "Lamb": 1e-3, "Muon": 1e-3},
}
OPTAX_OPTIMIZERS = {
    *("adabelief", "adadelta", "adafactor", "adagrad", "adam", "adamax", "adamaxw"),
    *("adamw", "amsgrad", "fromage", "lamb", "lars", "lion", "nadam", "nadamw"),
    *("noisy_sgd", "novograd", "optimistic_gradient_descent", "radam", "rmsprop"),
    *("rprop", "sgd", "sign_sgd", "sm3", "yogi", "scale_by_learning_rate"),
    *("scale_by_schedule", "inject_hyperparams", "muon"),
}
#: Schedulers that follow results, as `lrlib.Plateau` does.
FOLLOW_RESULTS = (
    *("GreedyLR", "PlateauLRScheduler", "ReduceLROnPlateau", "ReduceLRonPlateau"),
    *("get_greedy_schedule", "get_reduce_on_plateau_schedule", "reduce_on_plateau"),
)


@dataclass(frozen=True)
class Row:
    """A call of a library and what it makes."""

    library: str
    name: str
    signature: inspect.Signature
    meaning: ast.expr

    @property
    def uses(self) -> set[str]:
        """The names that the schedule depends on."""
        nodes = ast.walk(self.meaning)
        return {node.id for node in nodes if isinstance(node, ast.Name)}


@cache
def functions() -> dict[str, Any]:
    """Return what the right side of a row may call."""
    own = [module.MEANINGS for module in LIBRARIES.values()]
    return {k: v for table in (meanings.MEANINGS, *own) for k, v in table.items()}


@cache
def rows() -> dict[str, Row]:
    """Return every call that is understood, by its name."""
    made = {}
    for library, module in LIBRARIES.items():
        for call, meaning in module.ROWS.items():
            row = _row(library, call, meaning)
            made[row.name] = row
    return made


def _row(library: str, call: str, meaning: str) -> Row:
    node = ast.parse(f"def {call}: pass").body[0]
    assert isinstance(node, ast.FunctionDef)
    names = [a.arg for a in node.args.args]
    defaults = [inspect.Parameter.empty] * (len(names) - len(node.args.defaults))
    defaults += [_literal(default) for default in node.args.defaults]
    given: dict[str, Any] = dict(zip(names, defaults, strict=True))
    if library in ("pytorch", "transformers") and "last_epoch" not in given:
        given["last_epoch"] = -1
    if library == "pytorch":
        given["verbose"] = False
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [inspect.Parameter(k, kind, default=v) for k, v in given.items()]
    )
    return Row(library, node.name, signature, ast.parse(meaning, mode="eval").body)


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.BinOp):  # 1/3
        return ast.literal_eval(node.left) / ast.literal_eval(node.right)
    value = ast.literal_eval(node)
    return list(value) if isinstance(value, tuple) else value
