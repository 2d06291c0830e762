"""What can be wrong around a schedule: the optimizer, the callbacks, what fit is given.

It looks, and neither trains nor sets anything. Only what Keras has loaded already is
used: this module is imported when there is a Keras object to look at.
"""

from __future__ import annotations

import dis
import inspect
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from lrlib.show.check.calls import CannotCopy, copied, same_random_state
from lrlib.show.check.conditions import rate
from lrlib.show.check.features import Run
from lrlib.show.check.sources import Curve
from lrlib.training import inside
from lrlib.training.optimizers import is_schedule, number, unwrap
from lrlib.training.plateau import Plateau

#: Trouble: a code, a severity, the numbers of its sentence.
Trouble = tuple[str, str, dict[str, Any]]


#: What is usable, and who says so: Keras's default, and what the book's race found.
USABLE: dict[str, tuple[float, float, str]] = {
    "SGD": (
        0.01,
        0.4,
        "Keras's default is 0.01; the best in the book's race are 0.2 to 0.4",
    ),
    "Adam": (
        0.001,
        0.012,
        "Keras's default is 0.001; the best in the book's race are 0.003 to 0.012",
    ),
}
USABLE["AdamW"] = USABLE["Adam"]
_FAR = 30

#: Where the metrics go that a callback may watch, by their names.
_DIRECTIONS = dict.fromkeys(("accuracy", "acc", "auc", "precision", "recall"), "max")
_DIRECTIONS |= dict.fromkeys(("loss", "mae", "mse"), "min")

#: What `fit` takes.
FIT = {
    *("x", "y", "batch_size", "epochs", "verbose", "callbacks", "validation_split"),
    *("validation_data", "shuffle", "class_weight", "sample_weight", "initial_epoch"),
    *("steps_per_epoch", "validation_steps", "validation_batch_size"),
    "validation_freq",
}


def fit_arguments(given: Mapping[str, Any]) -> None:
    """Refuse what `fit` doesn't take."""
    if unknown := [name for name in given if name not in FIT]:
        raise TypeError(
            f"check: {unknown[0]} is an argument of neither check nor model.fit"
        )


# The optimizer -----------------------------------------------------------------


@dataclass
class Setup:
    """A model or an optimizer, and what fit will be given.

    Attributes:
        model: the compiled model, or None.
        optimizer: the one that holds the rate: not the wrapper around it.
        outer: the one that the model has.
        part: which one of `parts` this is about.
        fit: the arguments of fit.
        names: the optimizers among the caller's variables.

    """

    model: Any
    outer: Any
    fit: Mapping[str, Any]
    names: Mapping[str, Any] = field(default_factory=dict)
    part: int = 0

    @property
    def parts(self) -> list[Any]:
        """The optimizers in a MultiOptimizer, or the only one."""
        if not isinstance(self.outer, keras.optimizers.MultiOptimizer):
            return [self.outer]
        if not (parts := self.outer.optimizers) and self.model is not None:
            choose = self.outer._optimizer_map  # a function, which fit asks as well
            parts = list(map(choose, self.model.trainable_variables))
        if not parts:
            raise ValueError(
                "check: which optimizers this MultiOptimizer has isn't known before "
                "the model is built: give check the built model"
            )
        return [each for i, each in enumerate(parts) if each not in parts[:i]]

    @property
    def idle(self) -> list[Any]:
        """The optimizers in a MultiOptimizer whose keys match no weights."""
        choose = getattr(self.outer, "_optimizer_map", None)
        if not isinstance(choose, keras.optimizers.OptimizerMap) or not self.model:
            return []
        used = [choose.default_optimizer, *map(choose, self.model.weights)]
        idle = [o for o in self.outer.optimizers if not any(o is each for each in used)]
        return idle if self.model.weights else []

    @property
    def optimizer(self) -> Any:
        """The optimizer that holds the rate."""
        return unwrap(self.parts[self.part])

    @property
    def source(self) -> Any:
        """Where the rate comes from: a schedule, a function or a variable."""
        return inside.source(self.optimizer)

    @property
    def count(self) -> int:
        """How many batches the optimizer has seen."""
        return inside.batches_seen(self.optimizer)

    @property
    def resumed(self) -> int:
        """How many epochs were trained before."""
        return int(self.fit.get("initial_epoch") or 0)

    @property
    def callbacks(self) -> list[Any]:
        """The callbacks that fit is given."""
        given = self.fit.get("callbacks") or []
        if isinstance(given, keras.callbacks.CallbackList):
            return list(given.callbacks)
        return list(given) if isinstance(given, list | tuple) else [given]

    def of(self, kind: type) -> list[Any]:
        """Return the callbacks of a class."""
        return [each for each in self.callbacks if isinstance(each, kind)]


def setup_of(what: Any, fit: Mapping[str, Any], names: Mapping[str, Any]) -> Setup:
    """Return the setup of a compiled model or of an optimizer.

    Raises:
        ValueError: the model isn't compiled.

    """
    if isinstance(what, keras.Model):
        if not getattr(what, "compiled", False) or what.optimizer is None:
            raise ValueError("check: compile the model first")
        return Setup(what, what.optimizer, fit, names)
    return Setup(None, what, fit, names)


def is_setup(what: Any) -> bool:
    """Return whether it is a model or an optimizer."""
    return isinstance(what, keras.Model | keras.optimizers.Optimizer)


def scheduler_function(setup: Setup) -> Any:
    """Return the function of the LearningRateScheduler that sets the rate, or None."""
    if is_schedule(setup.source):
        return None
    schedulers = setup.of(keras.callbacks.LearningRateScheduler)
    return schedulers[-1].schedule if schedulers else None


def troubles(setup: Setup, run: Run, made: Curve, highest: float) -> Iterator[Trouble]:
    """Yield what is wrong with a setup, in a run with these rates.

    Args:
        setup: the optimizer, and what fit is given.
        run: how long it is.
        made: the rates.
        highest: the highest rate since the optimizer's count was 0.

    """
    rates = made.rates
    yield from _of_optimizer(setup, run, made, highest)
    if setup.model is not None:
        yield from _of_model(setup, run)
    yield from _of_callbacks(setup, run, rates)
    yield from _of_size(setup, rates)


def _of_optimizer(
    setup: Setup, run: Run, made: Curve, highest: float
) -> Iterator[Trouble]:
    optimizer, outer, rates = setup.optimizer, setup.outer, made.rates
    scheduled = is_schedule(setup.source)
    if "lr" in vars(optimizer):
        now = rate(float(rates[0]))
        to = f" to {_shown(optimizer.lr)}"
        yield "LR103", "wrong", {"what": "The code sets", "to": to, "rate": now}
    every = optimizer.gradient_accumulation_steps or 1
    if every > 1 and scheduled:
        updates = run.updates // every
        early = any(x in (updates, updates + 1) for x in made.lengths["total"])
        so = ": its length is that of the updates, so it is over too early"
        yield (
            "LR108",
            "wrong" if early else "note",
            {
                "every": every,
                "batches": f"{run.updates:,}",
                "updates": f"{updates:,}",
                "so": so if early else "",
            },
        )
    decay = getattr(optimizer, "weight_decay", None)
    if decay and rates[-1] < 0.05 * rates.max():
        share = f"{100 * rates[-1] / rates.max():.2g} %"
        yield "LR112", "note", {"decay": rate(float(decay)), "share": share}
    if isinstance(outer, keras.optimizers.MultiOptimizer):
        alike = [
            each
            for each in setup.of(keras.callbacks.LearningRateScheduler)
            if _ignores_rate(each.schedule)
        ]
        so = ", and LearningRateScheduler gives all of them the same" if alike else ""
        yield (
            "LR113",
            "suspicious" if alike else "note",
            {"so": so, "name": optimizer.name},
        )
    if isinstance(outer, keras.optimizers.LossScaleOptimizer) and scheduled:
        yield "LR114", "note", {}
    if scheduled and (late := _late_jump(setup.source, run.updates)) is not None:
        yield (
            "LR122",
            "note",
            {"name": type(setup.source).__name__, "step": f"{late:,}"},
        )
    resumed = setup.resumed
    restores = setup.of(keras.callbacks.BackupAndRestore)
    varies = scheduled and not np.all(rates == rates[0])
    if setup.count and not resumed and scheduled and not restores:
        numbers = {"count": f"{setup.count:,}", "rate": rate(float(rates[0]))}
        yield "LR110", "suspicious" if _is_over(made, highest) else "note", numbers
    behind = setup.count < 0.5 * resumed * run.steps_per_epoch
    if resumed and behind and varies and not restores:
        numbers = {"epoch": f"{resumed}", "count": f"{setup.count:,}"}
        numbers["rate"] = rate(float(rates[0]))
        yield "LR111", "suspicious" if setup.count else "wrong", numbers


def _is_over(made: Curve, highest: float) -> bool:
    """Return whether a schedule has come down before the end, and does no more."""
    rates, last = made.rates, made.rates[-1]
    known = rates if made.later is None else np.append(rates[-1:], made.later)
    still = np.all(np.abs(known - last) <= 0.01 * highest)
    early = len(rates) == 1 or abs(rates[-1 - len(rates) // 10] - last) <= 0.001 * last
    return bool(still and early and last < 0.5 * highest)


def _late_jump(schedule: Any, n: int) -> int | None:
    """Return the first jump that a compiler's 1/41 makes late, if there is one."""
    if not type(schedule).__module__.startswith("keras."):
        return None
    given = schedule.get_config()
    if given.get("staircase"):
        steps = given["decay_steps"]
    elif given.get("t_mul") == 1:  # otherwise Keras computes restarts by logarithms
        steps = given["first_decay_steps"]
    else:
        return None
    if not isinstance(steps, int) or steps < 2:
        return None
    jumps = np.arange(steps, n, steps, dtype=np.int64)
    share = np.float32(1) / np.float32(steps)
    late = np.floor(jumps.astype(np.float32) * share) < jumps // steps
    return int(jumps[late.argmax()]) if late.any() else None


def _shown(value: Any) -> str:
    try:
        return rate(float(value))
    except (TypeError, ValueError):
        return type(value).__name__


# The model ---------------------------------------------------------------------


def _of_model(setup: Setup, run: Run) -> Iterator[Trouble]:
    for each in setup.idle:
        path = setup.model.weights[-1].path
        layer = path.split("/")[-2] if "/" in path else path
        yield "LR126", "suspicious", {"name": each.name, "paths": path, "layer": layer}
    yield from _of_default_optimizer(setup)
    yield from _of_compiled_step(setup)
    resumed, epochs = setup.resumed, run.epochs
    if resumed and resumed >= epochs:
        yield "LR123", "wrong", {"epoch": resumed, "epochs": epochs}


def _of_default_optimizer(setup: Setup) -> Iterator[Trouble]:
    optimizer = setup.optimizer
    kind = type(optimizer)
    if is_schedule(setup.source) or callable(setup.source) or setup.count:
        return
    if not all(_is_default(optimizer, n) for n in optimizer.get_config()):
        return
    if any(each is setup.outer for each in setup.names.values()):
        return  # who has it by a name has built it
    if isinstance(setup.outer, keras.optimizers.MultiOptimizer):
        return  # which no string makes
    others = {
        name: other
        for name, other in setup.names.items()
        if other is not setup.outer
        and not other.built
        and not _is_default(other, "learning_rate")
    }
    name, other = next(iter(others.items()), ("optimizer", None))
    words = "" if other is None else f", and {name}, which you built, is never used"
    yield (
        "LR101",
        "note" if other is None else "suspicious",
        {
            "kind": kind.__name__,
            "rate": rate(number(optimizer.learning_rate)),
            "string": kind.__name__.lower(),
            "other": words,
            "name": name,
        },
    )


def _is_default(optimizer: Any, name: str) -> bool:
    """Return whether an argument of an optimizer is what its class has for it."""
    given = inspect.signature(type(optimizer)).parameters.get(name)
    if given is None or name == "name":
        return True
    try:
        value = optimizer.get_config()[name]
    except NotImplementedError:  # a schedule without get_config
        return False
    if isinstance(value, float) and isinstance(given.default, float):
        return bool(np.float32(value) == np.float32(given.default))
    return bool(value == given.default)


def _of_compiled_step(setup: Setup) -> Iterator[Trouble]:
    """Look whether what fit has compiled is what the optimizer has now."""
    function = getattr(setup.model, "train_function", None)
    if function is None or keras.backend.backend() != "tensorflow":
        return
    traced = [c for f in _tf_functions(function, ()) for c in _concrete(f)]
    if not traced or setup.model.run_eagerly:
        return
    optimizer, source = setup.optimizer, setup.source
    captured = {id(x) for c in traced for x in c.captured_inputs}
    if id(_handle(optimizer._iterations)) not in captured:
        yield "LR102", "wrong", {"what": "optimizer"}
    elif not callable(source):
        if id(_handle(source)) not in captured:
            yield "LR102", "wrong", {"what": "rate"}
    elif is_schedule(source):
        own = _numbers_of_schedule(source)
        if own is not None and not own <= _numbers(traced):
            yield "LR102", "wrong", {"what": "rate"}


def _handle(variable: Any) -> Any:
    return getattr(variable.value, "handle", variable.value)


def _tf_functions(function: Any, seen: tuple[int, ...]) -> Iterator[Any]:
    if hasattr(function, "_list_all_concrete_functions"):
        yield function
        function = function.python_function
    for cell in getattr(function, "__closure__", None) or ():
        try:
            inner = cell.cell_contents
        except ValueError:
            continue
        if callable(inner) and id(inner) not in seen and not _is_model(inner):
            yield from _tf_functions(inner, (*seen, id(inner)))


def _is_model(thing: Any) -> bool:
    return isinstance(thing, keras.Model)


def _concrete(function: Any) -> list[Any]:
    return list(function._list_all_concrete_functions())


def _numbers(functions: list[Any]) -> set[float]:
    """Return the floating-point constants in graphs."""
    import tensorflow as tf

    kinds = (tf.float32.as_datatype_enum, tf.float64.as_datatype_enum)
    found: set[float] = set()
    for concrete in functions:
        graph = concrete.graph.as_graph_def()
        nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        for node in nodes:
            if node.op != "Const":
                continue
            tensor = node.attr["value"].tensor
            if tensor.dtype in kinds:
                values = tf.make_ndarray(tensor).ravel()
                found |= {float(np.float32(v)) for v in values[:100]}
    return found


def _numbers_of_schedule(schedule: Any) -> set[float] | None:
    import tensorflow as tf

    try:
        own = copied(schedule)
        with same_random_state():
            traced = tf.function(lambda t: own(t), autograph=False)
            concrete = traced.get_concrete_function(tf.TensorSpec((), tf.int64))
    except Exception:  # what can't be traced has another finding
        return None
    return _numbers([concrete])


# The callbacks -----------------------------------------------------------------


def _of_callbacks(setup: Setup, run: Run, rates: np.ndarray) -> Iterator[Trouble]:
    schedulers = setup.of(keras.callbacks.LearningRateScheduler)
    plateaus = setup.of(keras.callbacks.ReduceLROnPlateau)
    if scheduled := is_schedule(setup.source):
        yield from _of_not_settable(setup, run, rates)
    else:
        yield from _of_overwriting(schedulers, plateaus)
    for each in plateaus:
        yield from _of_plateau(setup, run, each, scheduled, float(rates.max()))
    for each in setup.callbacks:
        if _sets(each, "lr"):
            what, now = f"{_called(each)} sets", rate(float(rates[0]))
            yield "LR103", "wrong", {"what": what, "to": "", "rate": now}
    yield from _of_monitors(setup)
    yield from _of_directions(setup)
    per_execution = getattr(setup.model, "steps_per_execution", 1) or 1
    if per_execution > 1:
        for each in setup.callbacks:
            if _is_per_batch(each):
                yield (
                    "LR109",
                    "suspicious",
                    {"every": per_execution, "callback": _called(each)},
                )


def _called(callback: Any) -> str:
    return type(callback).__name__


def _of_not_settable(setup: Setup, run: Run, rates: np.ndarray) -> Iterator[Trouble]:
    """Say which callbacks can't set the rate of a schedule, and when they try to."""
    schedulers = setup.of(keras.callbacks.LearningRateScheduler)
    plateaus = setup.of(keras.callbacks.ReduceLROnPlateau)
    for each in schedulers[:1]:
        when = f"at the beginning of epoch {setup.resumed + 1}"
        yield "LR104", "wrong", {"callback": _called(each), "when": when}
    for each in [p for p in plateaus if not isinstance(p, Plateau)][:1]:
        earliest, never = _earliest(setup, each), ""
        if each in _unheard(setup)[1]:
            never = f", which it can't while fit doesn't log {each.monitor!r}"
        elif each.min_lr >= rates.max():
            never = f", which its min_lr={rate(float(each.min_lr))} prevents"
        elif run.epochs and earliest > run.epochs:
            never = f", for which this run of {_epochs(run)} is too short"
        when = f"when it first cuts, at the end of epoch {earliest} at the earliest"
        numbers = {"callback": _called(each), "when": when}
        if never:
            numbers["when"] = f"as soon as it cuts{never}"
        yield "LR104", "suspicious" if never else "wrong", numbers
    for each in [c for c in setup.callbacks if _sets(c, "learning_rate")]:
        numbers = {"callback": _called(each), "when": "when it sets it"}
        yield "LR104", "suspicious", numbers


def _epochs(run: Run) -> str:
    return f"{run.epochs} epoch{'s' * (run.epochs != 1)}"


def _earliest(setup: Setup, plateau: Any) -> int:
    """Return the first epoch, from 1, at whose end a plateau can cut the rate."""
    return setup.resumed + max(plateau.patience, 1) + 1


def _of_overwriting(schedulers: list[Any], plateaus: list[Any]) -> Iterator[Trouble]:
    for each in schedulers[:-1]:
        if _ignores_rate(schedulers[-1].schedule):
            another = f"another {_called(each)}"
            numbers = {"first": _called(schedulers[-1]), "second": another}
            yield "LR105", "wrong", numbers
            break
    if schedulers and plateaus and _ignores_rate(schedulers[-1].schedule):
        numbers = {"first": _called(schedulers[-1]), "second": _called(plateaus[0])}
        yield "LR105", "wrong", numbers
    same = [p for p in plateaus if p.monitor == plateaus[0].monitor]
    if len(same) > 1:
        numbers = {"first": _called(same[0]), "second": f"another {_called(same[1])}"}
        yield "LR105", "suspicious", numbers


def _ignores_rate(function: Any) -> bool:
    """Return whether a function of the epoch and the rate ignores the rate."""
    try:
        own = copied(function)
    except CannotCopy:
        return False
    with same_random_state():
        try:
            return bool(own(3, 0.1) == own(3, 0.2))
        except TypeError:
            return True
        except Exception:
            return False


def _of_plateau(
    setup: Setup, run: Run, plateau: Any, scheduled: bool, highest: float
) -> Iterator[Trouble]:
    name, epochs = _called(plateau), run.epochs
    if not scheduled and not callable(setup.source) and plateau.min_lr >= highest:
        numbers = {
            "callback": name,
            "floor": rate(float(plateau.min_lr)),
            "rate": rate(highest),
        }
        yield "LR118", "wrong", numbers
    earliest = _earliest(setup, plateau)
    if epochs and earliest > epochs and not scheduled:
        numbers = {
            "callback": name,
            "earliest": f"{earliest}",
            "epochs": _epochs(run),
        }
        yield "LR119", "suspicious", numbers
    for stop in setup.of(keras.callbacks.EarlyStopping):
        same = stop.monitor == plateau.monitor
        if same and 0 < max(stop.patience, 1) <= max(plateau.patience, 1):
            numbers = {
                "stops": f"{stop.patience}",
                "patience": f"{plateau.patience}",
                "callback": name,
            }
            yield "LR106", "suspicious", numbers


def _unheard(setup: Setup) -> tuple[list[str], list[Any]]:
    """Return what fit will log, and the callbacks that wait for something else."""
    logged = None if setup.model is None else _logged(setup)
    if logged is None or any(map(_adds_to_logs, setup.callbacks)):
        return [], []
    watching = (
        keras.callbacks.ReduceLROnPlateau,
        keras.callbacks.EarlyStopping,
        keras.callbacks.ModelCheckpoint,
    )
    every = [each for each in setup.callbacks if isinstance(each, watching)]
    waiting = [each for each in every if getattr(each, "save_best_only", True)]
    return logged, [each for each in waiting if each.monitor not in logged]


def _of_monitors(setup: Setup) -> Iterator[Trouble]:
    logged, unheard = _unheard(setup)
    validates = any(name.startswith("val_") for name in logged)
    for each in unheard:
        bare = each.monitor.removeprefix("val_")
        so, advice = "so it never acts", f"Monitor one of {', '.join(logged)}."
        if getattr(each, "mode", "auto") == "auto" and bare not in logged:
            # Keras looks for the direction of a metric before it looks for its value.
            so = f"so fit raises a ValueError at the end of epoch {setup.resumed + 1}"
        elif each.monitor.startswith("val_") and bare in logged and not validates:
            advice = "Give fit validation_data or validation_split."
        numbers = {"monitor": each.monitor, "logged": ", ".join(logged)}
        numbers |= {"callback": _called(each), "so": so, "advice": advice}
        yield "LR107", "wrong", numbers


def _of_directions(setup: Setup) -> Iterator[Trouble]:
    """Look for a mode that contradicts what is known of the metric."""
    for each in setup.callbacks:
        mode = getattr(each, "mode", "auto")
        right = _DIRECTIONS.get(str(getattr(each, "monitor", "")).removeprefix("val_"))
        if right is None or mode not in ("min", "max") or mode == right:
            continue
        if isinstance(each, keras.callbacks.ReduceLROnPlateau):
            so = "it cuts the rate while training goes well"
        elif isinstance(each, keras.callbacks.EarlyStopping):
            so = "it stops while training goes well"
        elif isinstance(each, keras.callbacks.ModelCheckpoint) and each.save_best_only:
            so = "it keeps the worst model"
        else:
            continue
        better = {"min": "lower", "max": "higher"}[right]
        numbers = {"callback": _called(each), "mode": mode, "monitor": each.monitor}
        yield "LR127", "wrong", numbers | {"better": better, "so": so, "right": right}


def _logged(setup: Setup) -> list[str] | None:
    """Return the names that fit will log, or None where they aren't known."""
    model = setup.model
    config = getattr(model, "_compile_config", None)
    if config is None or len(getattr(model, "outputs", None) or [0]) > 1:
        return None
    metrics = config.config.get("metrics")
    weighted = config.config.get("weighted_metrics")
    if isinstance(metrics, dict) or isinstance(weighted, dict):
        return None
    if type(model).train_step is not keras.Model.train_step:
        return None
    if any(isinstance(x, list | tuple) for x in (metrics or ())):
        return None
    names = ["loss"]
    for each in [*(metrics or ()), *(weighted or ())]:
        if isinstance(each, str):
            names.append(each)
        elif isinstance(each, keras.metrics.Metric):
            names.append(each.name)
        else:
            names.append(getattr(each, "__name__", ""))
    own = [m.name for m in getattr(model, "_metrics", []) or []]
    names += [name for name in own if name not in names and name != "compile_metrics"]
    validates = setup.fit.get("validation_data") is not None
    if validates or float(setup.fit.get("validation_split") or 0):
        names += [f"val_{name}" for name in names]
    learning = setup.of(keras.callbacks.LearningRateScheduler)
    learning += setup.of(keras.callbacks.ReduceLROnPlateau)
    return [*dict.fromkeys(names), *(["learning_rate"] if learning else [])]


def _hooks(callback: Any) -> Iterator[Any]:
    """Yield the code of the hooks that a reader's callback has."""
    if not _is_ours(callback):
        for name in dir(type(callback)):
            hook = getattr(type(callback), name)
            if name.startswith("on_") and hasattr(hook, "__code__"):
                yield hook.__code__


def _adds_to_logs(callback: Any) -> bool:
    """Return whether a callback may log something, by the code of its hooks."""
    return any(
        "logs" in code.co_varnames
        and ("update" in code.co_names or "STORE_SUBSCR" in _operations(code))
        for code in _hooks(callback)
    )


def _sets(callback: Any, name: str) -> bool:
    """Return whether a callback sets an attribute of an optimizer, by its code."""
    return any(
        one.argval != "self" and (two.opname, two.argval) == ("STORE_ATTR", name)
        for code in _hooks(callback)
        if "optimizer" in {*code.co_names, *code.co_freevars}
        for one, two in itertools.pairwise(dis.get_instructions(code))
    )


def _operations(code: Any) -> set[str]:
    return {each.opname for each in dis.get_instructions(code)}


def _is_ours(callback: Any) -> bool:
    return type(callback).__module__.split(".")[0] in ("keras", "lrlib")


def _is_per_batch(callback: Any) -> bool:
    """Return whether a callback of the reader's does something around batches."""
    kind, base = type(callback), keras.callbacks.Callback
    if _is_ours(callback):
        return False
    hooks = (
        *("on_train_batch_begin", "on_train_batch_end"),
        *("on_batch_begin", "on_batch_end"),
    )
    return any(getattr(kind, hook) is not getattr(base, hook) for hook in hooks)


# The size ----------------------------------------------------------------------


def _of_size(setup: Setup, rates: np.ndarray) -> Iterator[Trouble]:
    kind = type(setup.optimizer).__name__
    known = rates[np.isfinite(rates) & (rates > 0)]
    if kind not in USABLE or not len(known):
        return
    low, high, source = USABLE[kind]
    peak = float(known.max())
    factor = max(peak / high, low / peak)
    if factor > _FAR:
        yield (
            "LR201",
            "note",
            {
                "rate": rate(peak),
                "factor": f"{math.floor(factor):,}",
                "side": "above" if peak > high else "below",
                "kind": kind,
                "source": source,
            },
        )
