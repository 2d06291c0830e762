"""The curve of whatever `check` is given: a schedule, a function, a text, a number."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from lrlib.libraries.reading import convert
from lrlib.libraries.recursion import Unrolled
from lrlib.schedules.kinds import shown
from lrlib.schedules.schedule import Schedule
from lrlib.show.check import texts
from lrlib.show.check.calls import (
    CannotCopy,
    copied,
    reads_what_may_change,
    same_random_state,
)
from lrlib.show.check.features import CALL, Run, later_steps, lengths

#: The most steps at which something is computed that takes one step at a time.
MOST = 2_000
#: What becomes of a state.
_ONCE = "Keras calls it once, when it compiles the training step"
#: The most steps at which a formula is computed.
MOST_AT_ONCE = 2_000_000


@dataclass
class Curve:
    """Rates over a run, and what else is known of where they come from.

    Attributes:
        at, rates: steps of the run, in its unit, and the rates there.
        later: the rates at `later_steps`, or None.
        lengths: what `curve.lengths` returns.
        call: what `features.CALL` lists.
        troubles: findings about the source itself: (code, severity, numbers).

    """

    at: np.ndarray
    rates: np.ndarray
    later: np.ndarray | None = None
    lengths: dict[str, Any] = field(default_factory=lambda: lengths("", {}))
    call: dict[str, Any] = field(default_factory=lambda: dict(CALL))
    troubles: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)


def spread(n: int, most: int = MOST) -> np.ndarray:
    """Return at most so many steps of a run: the first hundred, and then evenly."""
    if n <= most:
        return np.arange(n)
    first = np.arange(100)
    others = np.linspace(100, n - 1, most - 100).round().astype(np.int64)
    return np.unique([*first, *others])


def of_schedule(schedule: Schedule, n: int, start: int = 0) -> Curve:
    """Return the curve of an lrlib schedule from an update on."""
    at = spread(n, MOST_AT_ONCE)
    with np.errstate(all="ignore"):
        return Curve(
            at,
            np.asarray(schedule(start + at), np.float64),
            np.asarray(schedule(start + later_steps(n)), np.float64),
            lengths(schedule.name, schedule.params),
        )


def of_number(value: float, n: int) -> Curve:
    """Return the curve of a constant rate."""
    at = spread(n, MOST_AT_ONCE)
    rates = np.full(len(at), float(value))
    return Curve(at, rates, np.full(len(later_steps(n)), float(value)))


# Keras's schedules -------------------------------------------------------------


def is_keras_schedule(what: Any) -> bool:
    """Return whether it is a Keras schedule, without importing Keras."""
    if "keras" not in sys.modules:
        return False
    from lrlib.libraries import keras as keras_schedules

    return keras_schedules.is_keras_schedule(what)


def keras_call(schedule: Any) -> dict[str, Any]:
    """Return the facts of `features.CALL` for a Keras schedule."""
    initial = getattr(schedule, "initial_learning_rate", None)
    warmup = getattr(schedule, "warmup_steps", 0) or 0
    target = getattr(schedule, "warmup_target", None)
    alpha = getattr(schedule, "alpha", 0.0)
    boundaries = getattr(schedule, "boundaries", [])
    plain = type(schedule).__module__.startswith("keras.")
    unsorted = isinstance(boundaries, list) and sorted(boundaries) != boundaries
    return {
        "keras": int(plain),
        "integer": int(plain and type(initial) is int and initial != 0),
        "idle_warmup": int(plain and warmup > 0 and target is None),
        "alpha": float(alpha) if plain and isinstance(alpha, int | float) else 0.0,
        "unsorted": int(plain and unsorted),
    }


def of_keras(schedule: Any, n: int, start: int = 0) -> Curve:
    """Return the curve of a Keras schedule."""
    from lrlib.training.plateau import ScaledSchedule

    if isinstance(schedule, ScaledSchedule):
        scaled, scale = of_keras(schedule.schedule, n, start), float(schedule.scale)
        later = scaled.later if scaled.later is None else scaled.later * scale
        return replace(scaled, rates=scaled.rates * scale, later=later)
    call = CALL | keras_call(schedule)
    if not call["integer"] and not call["unsorted"]:
        try:
            curve = of_schedule(convert(schedule), n, start)
            curve.call = call
            return curve
        except (LookupError, TypeError, ValueError):
            pass
    return _sampled_keras(schedule, n, start, call)


def _sampled_keras(schedule: Any, n: int, start: int, call: dict[str, Any]) -> Curve:
    """Compute a schedule that only Keras can, step by step, on a copy of it."""
    at, plain = spread(n), bool(call["keras"])
    troubles: list[tuple[str, str, dict[str, Any]]] = []
    try:
        own = copied(schedule)
    except CannotCopy as error:
        trouble = ("LR116", "suspicious", {"name": _name(schedule), "why": str(error)})
        return Curve(at, np.full(len(at), np.nan), None, call=call, troubles=[trouble])
    with same_random_state():
        if not plain and _has_state(own):
            troubles.append(("LR115", "wrong", {"name": _name(schedule), "so": _ONCE}))
        own = copied(schedule)
        try:
            rates = _in_one_graph(own, start + at)
        except Exception as error:
            advice = "Compute with keras.ops from step, cast to a float, without if."
            trouble = _failing(_name(schedule), error, "one argument, the step", advice)
            rates = _one_by_one(copied(schedule), start + at)
            return Curve(at, rates, None, call=call, troubles=[*troubles, trouble])
        try:
            beyond = _in_one_graph(copied(schedule), start + later_steps(n))
        except Exception:
            beyond = None
    curve = Curve(at, rates, beyond, call=call, troubles=troubles)
    initial = getattr(schedule, "decay_steps", None)
    if plain and isinstance(initial, int):
        curve.lengths = lengths("", {}) | {"part": [initial]}
    if not plain and type(schedule).get_config is _base_schedule().get_config:
        curve.troubles.append(("LR117", "note", {"name": _name(schedule)}))
    return curve


def _base_schedule() -> Any:
    import keras

    return keras.optimizers.schedules.LearningRateSchedule


def _name(what: Any) -> str:
    return getattr(what, "__name__", type(what).__name__)


def _in_one_graph(schedule: Any, steps: np.ndarray) -> np.ndarray:
    """Return the rates at some steps, computed in a graph, as fit does it."""
    from lrlib.libraries.keras import compute

    return compute(schedule, steps, autograph=False)


def _one_by_one(schedule: Any, steps: np.ndarray) -> np.ndarray:
    """Return the rates as far as they can be computed outside of a graph."""
    import keras

    rates = np.full(len(steps), np.nan)
    for i, t in enumerate(steps[:200]):
        try:
            step = keras.ops.convert_to_tensor(int(t), dtype="int")
            rates[i] = float(schedule(step))
        except Exception:
            break
    known = rates[np.isfinite(rates)]
    if len(known):
        rates[~np.isfinite(rates)] = known[-1]
    return np.zeros(len(steps)) if not len(known) else rates


def _has_state(schedule: Any) -> bool:
    """Return whether calling a schedule changes it, or gives another rate."""
    import keras

    def state() -> Any:
        try:
            return pickle.dumps(vars(schedule))
        except Exception:
            return repr(vars(schedule))

    step = keras.ops.convert_to_tensor(1, dtype="int")
    before = state() if hasattr(schedule, "__dict__") else None
    try:
        rates = [float(schedule(step)) for _ in range(2)]
    except Exception:
        return False
    after = state() if hasattr(schedule, "__dict__") else None
    return rates[0] != rates[1] or before != after


# Functions ---------------------------------------------------------------------


def _failing(
    name: str, error: Exception, takes: str, advice: str
) -> tuple[str, str, dict[str, Any]]:
    """Return what is said of a function that raises where fit calls it."""
    words = str(error).strip().partition("\n")[0]
    about = f"{type(error).__name__}: {words}"[:200]
    if isinstance(error, TypeError) and "positional argument" in words:
        advice = f"fit gives it {takes}."
    return "LR121", "wrong", {"name": name, "error": about, "advice": advice}


def of_rate_function(function: Callable[[], Any], n: int) -> Curve:
    """Return the curve of a function as an optimizer's rate: called without a step."""
    name = {"name": _name(function), "so": _ONCE}
    try:
        own = copied(function)
    except CannotCopy as error:
        trouble = ("LR116", "suspicious", {**name, "why": str(error)})
        return Curve(spread(n), np.zeros(len(spread(n))), None, troubles=[trouble])
    with same_random_state():
        try:
            rates = [float(own()) for _ in range(3)]
        except Exception as error:
            advice = "Return a float."
            trouble = _failing(_name(function), error, "no argument", advice)
            return Curve(spread(n), np.zeros(len(spread(n))), None, troubles=[trouble])
    curve = of_number(rates[0], n)
    if len(set(rates)) > 1:
        curve.troubles.append(("LR115", "wrong", name))
    else:
        severity = "suspicious" if reads_what_may_change(function) else "note"
        curve.troubles.append(("LR125", severity, name))
    return curve


def of_epochs(function: Callable[..., Any], epochs: int, first: float) -> Curve:
    """Return the curve of a function as LearningRateScheduler takes it."""
    n = min(epochs, MOST)
    at, name = np.arange(n), _name(function)
    try:
        own = copied(function)
    except CannotCopy as error:
        why = ("LR116", "suspicious", {"name": name, "why": str(error)})
        return Curve(at, np.full(n, first), None, troubles=[why])
    with same_random_state():
        rates, trouble = _called(own, n, first, name)
        curve = Curve(at, rates, None)
        if trouble:
            curve.troubles.append(trouble)
            return curve
        again, _ = _called(own, min(n, 20), first, name)
        if not np.array_equal(again, rates[: len(again)]):
            so = "a call outside of the run, as for a plot, changes what follows"
            curve.troubles.append(("LR115", "suspicious", {"name": name, "so": so}))
        # Beyond the run, it is known only of a function that comes to rest.
        longer, trouble = _called(copied(function), min(3 * n, MOST), first, name)
        if trouble is None and len(longer) == 3 * n and len(set(longer[2 * n :])) == 1:
            curve.later = longer[np.minimum(later_steps(n), len(longer) - 1)]
    return curve


def _called(
    function: Callable[..., Any], epochs: int, rate: float, name: str
) -> tuple[np.ndarray, tuple[str, str, dict[str, Any]] | None]:
    rates = np.full(epochs, rate)
    for epoch in range(epochs):
        try:
            try:
                value = function(epoch, rate)
            except TypeError:
                value = function(epoch)
        except Exception as error:
            advice = f"Return a float for every epoch from 0 to {epochs - 1:,}."
            takes = "the epoch, or the epoch and the rate"
            return rates, _failing(name, error, takes, advice)
        if not isinstance(value, float | np.float32 | np.float64):
            words = f"{shown(value)} in epoch {epoch}"
            return rates, ("LR120", "wrong", {"name": name, "value": words})
        rate = rates[epoch] = float(value)
        rates[epoch:] = rate
    return rates, None


# Texts -------------------------------------------------------------------------


def of_text(
    text: str, values: Mapping[str, Any] | None, run: Run
) -> tuple[Curve, texts.Text]:
    """Return the curve of a text, and what the text says beyond it."""
    about = texts.read(text)
    n = run.n
    if about.boundaries:
        curve = _summed(*about.boundaries, n)
    else:
        try:
            curve = of_schedule(_converted(about.source, values, run), n)
        except Unrolled as rule:
            curve = of_epochs(rule.follow, n, rule.first)
        except (LookupError, ValueError) as error:
            if about.rate is None or getattr(error, "missing", None):
                raise
            curve = of_number(about.rate, n)
    curve.call = CALL | about.call
    return curve, about


def _converted(text: str, values: Mapping[str, Any] | None, run: Run) -> Schedule:
    known = dict(values or {})
    try:
        return convert(text, values=known)
    except LookupError as error:
        if getattr(error, "missing", None) != ["max_steps"]:
            raise
    return convert(text, values=known | {"max_steps": run.updates})


def _summed(boundaries: list[float], values: list[float], n: int) -> Curve:
    """Return what Keras makes of unsorted boundaries: it adds up what holds."""

    def rate(t: np.ndarray) -> np.ndarray:
        total = np.where(t <= boundaries[0], values[0], 0.0)
        total += np.where(t > boundaries[-1], values[-1], 0.0)
        pairs = zip(boundaries, boundaries[1:], values[1:-1], strict=False)
        for low, high, value in pairs:
            total += np.where((t > low) & (t <= high), value, 0.0)
        return total

    return Curve(np.arange(n), rate(np.arange(n)), rate(later_steps(n)))
