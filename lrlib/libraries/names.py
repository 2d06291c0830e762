"""What other libraries call a schedule: all their calls, and their optimizers."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from functools import cache
from types import ModuleType

from lrlib.libraries import keras_names, optax, pytorch, timm, transformers
from lrlib.libraries.table import TABLE, Row, keywords

#: The libraries, by the name that `Schedule.code` has for them.
LIBRARIES: dict[str, ModuleType] = {
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


@cache
def rows() -> dict[str, Row]:
    """Return every call that is understood, by its name."""
    return {row.name: row for rows in TABLE.values() for row in rows}


def _whole(library: str, row: Row) -> Row:
    """Return a row with its library, and with what all calls of that have."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    own = row.signature.parameters
    also = keywords(LIBRARIES[library].LIBRARY.also)
    more = [
        inspect.Parameter(name, kind, default=ast.literal_eval(default))
        for name, default in also.items()
        if name not in own
    ]
    signature = inspect.Signature([*own.values(), *more])
    return replace(row, library=library, signature=signature)


for _library, _module in LIBRARIES.items():
    TABLE[_library] = [_whole(_library, row) for row in _module.ROWS]
