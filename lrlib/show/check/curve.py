"""What can be wrong with a curve of rates: each finding said once, as data.

A finding is a condition over a few numbers of the curve, its features, and a sentence
that has some of them in it. `DEFINITIONS` holds all of them; `data()` is the same as
plain lists, from which the browser computes the same findings with the evaluator that
it has for formulas.
"""

from __future__ import annotations

import ast
import math
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

#: A schedule is looked at beyond the run: evenly up to so many lengths of the run, at
#: so many steps, and at a few more, each twice as far as the one before.
BEYOND, LATER, DOUBLED = 20, 400, 8
#: Rates this share of the highest one apart count as the same.
SAME = 0.01
#: A turn of the curve is one by more than this share of the highest rate.
TURN = 0.05
#: With fewer examples a length may be their number by chance.
FEW = 32

SEVERITIES = ("wrong", "suspicious", "note")


# The features ------------------------------------------------------------------


def later_steps(n: int) -> np.ndarray:
    """Return the steps after the run at which a schedule is looked at."""
    near = n + (np.arange(LATER + 1) * n * BEYOND) // LATER
    return np.concatenate([near, n * BEYOND * 2 ** np.arange(1, DOUBLED + 1)])


def features(at: np.ndarray, rates: np.ndarray, n: int, later: Any) -> dict[str, Any]:
    """Return the numbers of a curve that the findings are about.

    Args:
        at: the steps at which the rates are known, increasing, the first one 0.
        rates: the rates there, float64 of the same shape.
        n: how many steps the run has.
        later: the rates at `later_steps(n)`, or None where nobody knows them.

    """
    finite = np.isfinite(rates)
    good = np.where(finite, rates, 0.0)
    if not finite.any():
        finite[:] = True
    values = _rounded(good[finite])
    places = at[finite]
    high, low = float(values.max()), float(values.min())
    size = max(abs(high), abs(low))
    first, last = float(values[0]), float(values[-1])
    peak = int(values.argmax())
    found: dict[str, Any] = {
        "n": n,
        "first": first,
        "last": last,
        "high": high,
        "low": low,
        "at_high": int(places[peak]),
        "bad": int(np.sum(~np.isfinite(rates))),
        "at_bad": _first(at, ~np.isfinite(rates)),
        "negative": int(np.sum(values < 0)),
        "at_negative": _first(places, values < 0),
        "zero_start": _leading(places, values == 0, n),
        "zero_end": n - _settling(places, values != 0),
        "over_at": _settling(places, np.abs(values - last) > SAME * size),
        "changed_at": _first(places, values != first, n),
    }
    differences = np.diff(values)
    found["rise"] = float(differences[differences > 0].sum())
    found["fall"] = float(-differences[differences < 0].sum())
    found |= _restarts(places, values, size)
    found |= _turns(places, values, size)
    found |= _jump(places, values, size)
    found["compounds"] = _compounds(at, rates)
    return found | _afterwards(n, later, last, size)


def _rounded(values: np.ndarray, size: float | None = None) -> np.ndarray:
    """Return rates to 12 digits of the highest: the last depend on who computes."""
    size = size or float(np.abs(values).max(initial=0.0))
    return np.floor(values / size * 1e12 + 0.5) / 1e12 * size if size else values


def _first(places: np.ndarray, where: np.ndarray, none: int = -1) -> int:
    return int(places[where.argmax()]) if where.any() else none


def _leading(places: np.ndarray, where: np.ndarray, n: int) -> int:
    """Return before which step all steps are so."""
    return n if where.all() else int(places[(~where).argmax()])


def _settling(places: np.ndarray, differs: np.ndarray) -> int:
    """Return the first step from which on none is different."""
    if not differs.any():
        return 0
    after = len(differs) - int(differs[::-1].argmax())
    return int(places[after]) if after < len(places) else int(places[-1]) + 1


def _restarts(places: np.ndarray, values: np.ndarray, size: float) -> dict[str, Any]:
    """Find jumps upward after the rate had fallen."""
    before, after = values[:-1], values[1:]
    had = np.maximum.accumulate(before) if len(before) else before
    jumps = (after > 1.5 * before) & (after - before > 0.2 * size)
    jumps &= had > 1.5 * np.abs(before)
    at = np.flatnonzero(jumps)
    last = int(at[-1]) + 1 if len(at) else 0
    return {
        "restarts": len(at),
        "at_restart": int(places[last]) if len(at) else -1,
        "cycle_high": float(values[last:].max()),
    }


def _turns(places: np.ndarray, values: np.ndarray, size: float) -> dict[str, Any]:
    """Count where the curve turns, and find its last valley."""
    steps = np.sign(np.diff(values))
    moving = np.flatnonzero(steps)
    turning = moving[1:][steps[moving[1:]] != steps[moving[:-1]]]
    corners = [0, *(int(i) for i in turning[:10_000]), len(values) - 1]
    far = TURN * size
    turns, direction, valley, lowest, highest = 0, 0, -1, 0, 0
    for i in corners:
        value = values[i]
        if value <= values[lowest]:
            lowest = i
        if value >= values[highest]:
            highest = i
        if direction >= 0 and value < values[highest] - far:
            turns += direction > 0
            direction, lowest = -1, i
        elif direction <= 0 and value > values[lowest] + far:
            turns += direction < 0
            valley = lowest if direction < 0 else valley
            direction, highest = 1, i
    rising = direction > 0 and valley >= 0
    return {
        "turns": turns,
        "trough": float(values[valley]) if rising else float(values[-1]),
        "at_trough": int(places[valley]) if rising else -1,
        "rising": int(rising),
    }


def _jump(places: np.ndarray, values: np.ndarray, size: float) -> dict[str, Any]:
    """Find the largest jump to a rate that was never so high."""
    if len(values) < 2:
        return {"jump": 1.0, "at_jump": -1}
    had = np.maximum.accumulate(values[:-1])
    fair = (had > 0) & (values[1:] > 0.3 * size)
    ratios = np.where(fair, values[1:] / np.where(had > 0, had, 1.0), 1.0)
    i = int(ratios.argmax())
    return {"jump": float(ratios[i]), "at_jump": int(places[i + 1])}


def _compounds(at: np.ndarray, rates: np.ndarray) -> int:
    """Return whether each rate is the one before over 1 + d·t, for some d."""
    k = min(len(rates), 50)
    positive = np.isfinite(rates[:k]) & (rates[:k] > 0)
    if k < 4 or at[k - 1] != k - 1 or not positive.all():
        return 0
    grown = rates[: k - 1] / rates[1:k] - 1
    steps = np.arange(1, k)
    fits = np.abs(grown - steps * grown[0]) <= 1e-4 * steps * abs(grown[0])
    return int(grown[0] > 1e-9 and fits.all())


def _afterwards(n: int, later: Any, last: float, size: float) -> dict[str, Any]:
    """Return how the schedule goes on after the run."""
    if later is None or not np.isfinite(later).all():
        return {
            "known_later": 0,
            "later_low": last,
            "later_high": last,
            "later_falls": 0,
            "capped": 0,
            "floor": last,
            "settles": 0,
            "settles_at": n,
        }
    floor = float(later[-1])
    differs = np.abs(later[: LATER + 1] - floor) > SAME * size
    still = np.abs(later[-LATER // 20 :] - floor) <= 1e-6 * abs(floor)
    highest = np.maximum.accumulate(later)
    return {
        "known_later": 1,
        "later_low": float(later.min()),
        "later_high": float(later.max()),
        "later_falls": int((later < highest - TURN * highest).any()),
        "capped": int((later[-3:] == later.max()).all()),
        "floor": float(_rounded(later[-1:], size)[0]),
        "settles": int(still.all()),
        "settles_at": _settling(later_steps(n)[: LATER + 1], differs) or n,
    }


# The lengths in a schedule -----------------------------------------------------

#: Parameters that are the length of a whole decay, and those that are of a part of it.
TOTAL = {
    "cosine": "decay_steps",
    "cosine_annealing": "decay_steps",
    "cosine_exponent": "decay_steps",
    "cosine_k_decay": "decay_steps",
    "hyperbolic_tangent": "decay_steps",
    "linear": "decay_steps",
    "one_cycle": "total_steps",
    "polynomial": "decay_steps",
    "polynomial_k_decay": "decay_steps",
    "rex": "decay_steps",
    "warmup_cosine": "decay_steps",
}
PART = {
    "cosine_restarts": "first_decay_steps",
    "exponential": "decay_steps",
    "inverse_time": "decay_steps",
    "step": "decay_steps",
}
#: Schedules that are there to make the rate fall.
DECAYS = ("cosine", "cosine_annealing", "polynomial", "polynomial_k_decay", "rex")
#: The lengths of a wave: what `CosineAnnealingLR` is where it goes on for ever.
WAVE = "piecewise_interpolate"


def lengths(name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a schedule's parameters say of its lengths.

    Returns:
        `total`, `part` and `boundaries`, each a list of steps, and `should_fall`.

    """
    found: dict[str, Any] = {"total": [], "part": [], "boundaries": []}
    found["should_fall"] = int(name in DECAYS)
    if name in TOTAL:
        found["total"].append(params[TOTAL[name]])
        if name == "warmup_cosine":
            found["total"].append(params["decay_steps"] + params["warmup_steps"])
    if name in PART:
        found["part"].append(params[PART[name]])
    if name == "piecewise_constant":
        found["boundaries"] = list(params["boundaries"])
    if name in ("warmup", "join"):
        inner, shift = _last_part(name, params)
        inside = lengths(inner.name, inner.params)
        found["total"] = [*inside["total"], *(x + shift for x in inside["total"])]
        found["part"] = inside["part"]
        found["boundaries"] = [x + shift for x in inside["boundaries"]]
    if name == "cycle" and params["schedule"].name == WAVE:
        found["total"].append(params["schedule"].params["boundaries"][0])
    return found


def _last_part(name: str, params: Mapping[str, Any]) -> tuple[Any, float]:
    """Return the last schedule of several, and when it begins."""
    if name == "warmup":
        return params["schedule"], params["steps"]
    return params["schedules"][-1], params["boundaries"][-1]


@dataclass(frozen=True)
class Run:
    """A run, in the unit in which its schedule counts.

    Attributes:
        n: how many units it has.
        unit: "update" or "epoch".
        steps_per_epoch: updates of an epoch.
        epochs: how many epochs.
        samples: examples in an epoch, or 0.
        all_steps: updates if no example were kept for validation, or 0.

    """

    n: int
    unit: str = "update"
    steps_per_epoch: int = 0
    epochs: int = 0
    samples: int = 0
    all_steps: int = 0

    @property
    def updates(self) -> int:
        """How many updates it has."""
        return self.n if self.unit == "update" else self.n * self.steps_per_epoch


#: What is known of a call in a text beyond its curve; 0 or "" where it isn't so.
CALL = {
    "integer": 0,
    "idle_warmup": 0,
    "unsorted": 0,
    "keras": 0,
    "alpha": 0.0,
    "asks": 0,
}


def compare(run: Run, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the lengths of a schedule are equal to in this run."""
    every = [*found["total"], *found["part"], *found["boundaries"][-1:]]
    by_update = run.unit == "update"
    spe, epochs = run.steps_per_epoch, run.epochs
    several = by_update and epochs > 1 and spe > 1
    per_sample = [run.samples, run.samples * epochs] if run.samples >= FEW else []
    matches = {
        "counts_epochs": _match(every, [epochs] if several else []),
        "counts_samples": _match(
            every, [x for x in per_sample if by_update and x not in (run.n, spe)]
        ),
        "counts_one_epoch": _match(found["total"], [spe] if several else []),
        "counts_all": _match(
            found["total"],
            [run.all_steps] if by_update and run.all_steps > run.n else [],
        ),
        "counts_updates": _match(
            every, [run.n * spe] if not by_update and spe > 1 else []
        ),
    }
    past = [b for b in found["boundaries"] if b >= run.n]
    return {
        "length": next((x for x in matches.values() if x), 0),
        **{name: int(x > 0) for name, x in matches.items()},
        "boundaries": len(found["boundaries"]),
        "past": len(past),
        "first_past": min(past, default=0),
        "should_fall": found["should_fall"],
        "unit": run.unit,
        "units": f"{run.unit}s",
        "epochs": epochs,
        "steps_per_epoch": spe,
        "samples": run.samples,
        "all_steps": run.all_steps,
    }


def _match(values: list[Any], wanted: list[int]) -> float:
    return next((x for x in values if x > 1 and x in wanted), 0)


# Conditions and sentences as data ----------------------------------------------

_OPERATIONS: dict[type, str] = {
    ast.Add: "Add",
    ast.Mult: "Mul",
    ast.Div: "Div",
    ast.Lt: "StrictLessThan",
    ast.LtE: "LessThan",
    ast.Gt: "StrictGreaterThan",
    ast.GtE: "GreaterThan",
    ast.Eq: "Equality",
    ast.NotEq: "Unequality",
    ast.And: "And",
    ast.Or: "Or",
}


def tree(text: str) -> Any:
    """Return an expression as `lrlib.schedules.formula.tree` writes formulas.

    >>> tree("last < 0.5 * high and n - 1 > over_at")[0]
    'And'
    """
    return _tree(ast.parse(text.strip(), mode="eval").body)


def _tree(node: ast.AST) -> Any:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return ["Not", _tree(operand)]
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return ["Add", _tree(left), ["Mul", -1, _tree(right)]]
        case ast.BinOp(left=left, op=op, right=right):
            return [_OPERATIONS[type(op)], _tree(left), _tree(right)]
        case ast.BoolOp(op=op, values=values):
            return [_OPERATIONS[type(op)], *map(_tree, values)]
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return [_OPERATIONS[type(op)], _tree(left), _tree(right)]
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=args):
            return [name.capitalize(), *map(_tree, args)]
    raise ValueError(f"a condition can't hold {ast.unparse(node)!r}")


def evaluate(node: Any, values: Mapping[str, Any]) -> Any:
    """Return the value of such a tree, as the browser computes it."""
    if isinstance(node, str):
        return values[node]
    if not isinstance(node, list):
        return node
    name, *rest = node
    if name == "And":
        return all(evaluate(each, values) for each in rest)
    if name == "Or":
        return any(evaluate(each, values) for each in rest)
    arguments = [evaluate(each, values) for each in rest]
    match name, arguments:
        case "Not", [a]:
            return not a
        case "Add", [a, b]:
            return a + b
        case "Mul", [a, b]:
            return a * b
        case "Div", [a, b]:
            return a / b if b else math.inf
        case "Min", many:
            return min(many)
        case "Max", many:
            return max(many)
        case "StrictLessThan", [a, b]:
            return a < b
        case "LessThan", [a, b]:
            return a <= b
        case "StrictGreaterThan", [a, b]:
            return a > b
        case "GreaterThan", [a, b]:
            return a >= b
        case "Equality", [a, b]:
            return a == b
        case "Unequality", [a, b]:
            return a != b
    raise ValueError(f"unknown operation {name}")


def sentence(text: str) -> list[Any]:
    """Return a sentence as a list of texts and of [expression, format].

    >>> sentence("after {over_at:count} updates")
    ['after ', ['over_at', 'count'], ' updates']
    """
    parts: list[Any] = []
    for words, expression, style, _ in string.Formatter().parse(text):
        parts += [words] if words else []
        if expression is not None:
            parts.append([tree(expression), style or "text"])
    return parts


def written(parts: list[Any], values: Mapping[str, Any]) -> str:
    """Return a sentence with its numbers."""
    return "".join(
        part if isinstance(part, str) else FORMATS[part[1]](evaluate(part[0], values))
        for part in parts
    )


def rate(value: float) -> str:
    """Return a rate to three digits.

    >>> rate(0.1), rate(0.00012345), rate(1e-5), rate(0.0)
    ('0.1', '0.000123', '1e-5', '0')
    """
    if not math.isfinite(value):
        return "infinite" if value == value else "NaN"
    rounded = float(f"{value:.3g}")
    if rounded and not 1e-4 <= abs(rounded) < 1e5:
        digits, exponent = f"{rounded:.2e}".split("e")
        return f"{float(digits):g}e{int(exponent)}"
    return np.format_float_positional(rounded, trim="-")


def percent(value: float) -> str:
    """Return a share in percent.

    >>> percent(0.042), percent(0.5), percent(0.0004)
    ('4.2 %', '50 %', '0.04 %')
    """
    size = 1 if value >= 0.1 else 10 if value >= 0.01 else 100
    return f"{math.floor(value * 100 * size + 0.5) / size:g} %"


FORMATS: dict[str, Callable[[Any], str]] = {
    "count": lambda value: f"{math.floor(value + 0.5):,}",
    "plain": lambda value: f"{math.floor(value + 0.5)}",
    "rate": rate,
    "percent": percent,
    "text": str,
}


# The findings ------------------------------------------------------------------


@dataclass(frozen=True)
class Definition:
    """A finding: when it is there, what it says, what to write instead.

    Attributes:
        code: its stable name.
        title: what it is about, for a table.
        wrong, suspicious, note: the conditions; the first that holds is its severity.
        text, fix: sentences with features in them.
        symptom: the entry of the page "Symptoms" without its prefix.
        at: the step at which it is marked, or "".
        repair: what the page does to the text: ["length", value], ["float"] or
            ["remove", argument].

    """

    code: str
    title: str
    text: str
    fix: str
    symptom: str
    wrong: str = ""
    suspicious: str = ""
    note: str = ""
    at: str = ""
    repair: tuple[str, ...] = field(default=())

    def severities(self) -> list[tuple[str, str]]:
        """Return the severities that it can have, with their conditions."""
        found = [(name, getattr(self, name)) for name in SEVERITIES]
        return [(name, condition) for name, condition in found if condition]


_SPECIFIC = "(counts_epochs + counts_samples + counts_one_epoch + counts_updates) == 0"

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "LR001",
        "over before most of the run",
        "The schedule is over after {over_at:count} of {n:count} {units} "
        "({over_at / n:percent} of the run): from there on the rate stays at "
        "{last:rate}, down from {high:rate}.",
        "Give lengths in {units}: this run has {n:plain}.",
        "over-early",
        wrong=f"bad == 0 and over_at < 0.1 * n and last <= 0.1 * high and high > 0 "
        f"and at_high <= over_at and n > 10 and integer == 0 and {_SPECIFIC}",
        suspicious=f"bad == 0 and over_at < 0.3 * n and last < 0.5 * high and "
        f"at_high <= over_at and n > 10 and integer == 0 and {_SPECIFIC}",
        at="over_at",
        repair=("length", "n"),
    ),
    Definition(
        "LR002",
        "never decays in this run",
        "In the {n:count} {units} of this run the rate never falls: it ends at "
        "{last:rate}, and the schedule would lower it only later.",
        "Give lengths in {units}: this run has {n:plain}.",
        "never-decays",
        wrong="n > 4 and fall == 0 and rise == 0 and later_low < 0.9 * last and "
        "idle_warmup == 0 and integer == 0",
        suspicious="n > 4 and fall == 0 and rise > 0 and at_high < n - 2 and "
        "later_low < 0.9 * last",
        at="n - 1",
        repair=("length", "n"),
    ),
    Definition(
        "LR003",
        "ends far above its floor",
        "The run ends at a rate of {last:rate}, far above the {floor:rate} that the "
        "schedule comes down to: it's cut off.",
        "Make the schedule as long as the run, {n:plain} {units}.",
        "never-decays",
        suspicious="n > 4 and fall > 0 and restarts == 0 and turns <= 1 and "
        "rising == 0 and "
        "past == 0 and counts_all + counts_samples + counts_updates == 0 and "
        "floor < 0.8 * high and "
        "((settles == 1 and settles_at > n + 1 and last - floor > 0.1 * high) or "
        "(settles == 0 and last > 0.8 * high and later_low < 0.5 * last))",
        at="n - 1",
        repair=("length", "n"),
    ),
    Definition(
        "LR004",
        "a constant rate",
        "The rate is {first:rate} from the first update to the last.",
        "That's fine if you mean it. A schedule that ends low often helps: see "
        "lrlib.cosine.",
        "bounces",
        note="rise == 0 and fall == 0 and bad == 0 and first > 0 and "
        "(known_later == 0 or (later_low == last and later_high == last))",
    ),
    Definition(
        "LR005",
        "the warm-up is longer than the run",
        "The rate rises for the whole run, from {first:rate} to {last:rate}, and "
        "training ends before the warm-up does.",
        "Shorten the warm-up to a small part of the run's {n:plain} {units}.",
        "no-warm-up",
        wrong="n > 4 and rise > 0 and fall == 0 and should_fall == 0 and "
        "at_high >= n - 1 and "
        "later_high > 1.001 * high and ((settles == 1 and settles_at > 1.1 * n) or "
        "later_falls == 1 or capped == 1) and integer == 0 and counts_updates == 0",
        note="rise > 0 and fall == 0 and should_fall == 0 and at_high >= n - 1",
        at="n - 1",
    ),
    Definition(
        "LR006",
        "the first update has a rate of 0",
        "The first update has a rate of 0, so it changes nothing.",
        "Start the warm-up above 0 if that update matters to you.",
        "first-update",
        note="first == 0 and high > 0 and zero_start == 1",
        at="0",
    ),
    Definition(
        "LR007",
        "a rate of 0 for part of the run",
        "For {max(zero_start, zero_end):count} of {n:count} {units} the rate is "
        "exactly 0: these updates change nothing.",
        "Keep the rate above 0, or make the schedule as long as the run, "
        "{n:plain} {units}.",
        "past-the-end",
        wrong="high == 0 and low == 0 and bad == 0",
        suspicious="bad == 0 and ((zero_end > 0.3 * n and over_at >= 0.3 * n) or "
        "(zero_start > 1 and zero_start > 0.02 * n))",
        note="zero_end > 1",
        at="n - zero_end",
    ),
    Definition(
        "LR008",
        "a negative rate",
        "The rate is negative for {negative:count} {units}, down to {low:rate}, "
        "first at {at_negative:count}: these updates climb the loss.",
        "End the schedule where the run ends, at {n:plain} {units}, or clip the "
        "rate: lrlib.clip(schedule, 0.0, {high:rate}).",
        "past-the-end",
        wrong="negative > 0",
        at="at_negative",
    ),
    Definition(
        "LR009",
        "the rate isn't a number",
        "The rate is NaN or infinite for {bad:count} {units}, first at "
        "{at_bad:count}: from that update on, so are the weights.",
        "Look for a division by 0, or a root of a negative number, at that step.",
        "nan",
        wrong="bad > 0",
        at="at_bad",
    ),
    Definition(
        "LR010",
        "the run ends in the middle of a cycle",
        "The last restart is at {at_restart:count} of {n:count} {units}, and the run "
        "ends before that cycle does, at a rate of {last:rate}.",
        "Choose cycles that end with the run, or stop it where a cycle ends.",
        "restart-jump",
        suspicious="restarts > 0 and last > 0.9 * cycle_high and counts_one_epoch == 0",
        note="restarts > 0 and last > 0.25 * cycle_high and counts_one_epoch == 0",
        at="at_restart",
    ),
    Definition(
        "LR011",
        "the rate rises again",
        "After {at_trough:count} {units} the rate is down to {trough:rate}, then it "
        "rises again, and the run ends at {last:rate}.",
        "Make the cosine as long as the run, {n:plain} {units}.",
        "past-the-end",
        suspicious="rising == 1 and restarts == 0 and last > trough + 0.1 * high and "
        "fall > 0.3 * high and counts_epochs == 0 and counts_one_epoch == 0 and "
        "counts_samples == 0",
        note="turns > 1 and restarts == 0 and first == high and at_trough >= 0",
        at="at_trough",
        repair=("length", "n"),
    ),
    Definition(
        "LR012",
        "a decay that rises",
        "The rate rises from {first:rate} to {last:rate}, though the schedule is there "
        "to lower it: its end is above its start.",
        "Give an end below {first:rate}. PolynomialDecay's end_learning_rate is "
        "0.0001 unless you set it.",
        "polynomial-rises",
        wrong="should_fall == 1 and rise > 0.001 * high and fall == 0 and integer == 0",
        at="n - 1",
        repair=("end",),
    ),
    Definition(
        "LR013",
        "a jump up by more than a factor of 10",
        "At {at_jump:count} the rate jumps up by a factor of {jump:count}, to a "
        "rate that the run hasn't seen before.",
        "Let a warm-up end at the rate that the next part starts from.",
        "restart-jump",
        suspicious="jump > 10 and bad == 0",
        at="at_jump",
    ),
    Definition(
        "LR014",
        "boundaries past the end of the run",
        "{past:count} of {boundaries:count} boundaries come too late, the first at "
        "{first_past:count}: the run has {n:count} {units}.",
        "Give boundaries in {units}, all below {n:plain}.",
        "never-decays",
        suspicious="past > 0 and past < boundaries and first_past > n",
        note="past > 0 and past < boundaries",
        at="n - 1",
    ),
    Definition(
        "LR015",
        "boundaries that aren't sorted",
        "The boundaries aren't in increasing order, and Keras adds up the values of "
        "all intervals that a step lies in: the rate goes up to {high:rate}.",
        "Sort the boundaries.",
        "boundaries",
        wrong="unsorted == 1",
    ),
    Definition(
        "LR016",
        "a length in epochs where updates count",
        "A length of {length:count} is the number of epochs, but the schedule counts "
        "updates, of which the run has {n:count}: at update {length:count}, after "
        "{length / n:percent} of the run, it's as far as it should be at the end.",
        "Multiply by the {steps_per_epoch:count} updates of an epoch: "
        "{length * steps_per_epoch:plain}.",
        "over-early",
        wrong="counts_epochs == 1",
        at="length",
        repair=("length", "length * steps_per_epoch"),
    ),
    Definition(
        "LR017",
        "a length in samples where updates count",
        "A length of {length:count} counts examples, not updates: an epoch has "
        "{samples:count} examples but {steps_per_epoch:count} updates, and the run "
        "has {n:count}.",
        "Give lengths in updates: this run has {n:plain}.",
        "never-decays",
        wrong="counts_samples == 1",
        at="n - 1",
        repair=("length", "n"),
    ),
    Definition(
        "LR018",
        "a length that forgets validation_split",
        "The schedule is {length:count} updates long, for all examples. "
        "validation_split keeps some of them back, the run has {n:count} updates, and "
        "it ends at {last:rate}.",
        "Count the examples that are trained on: {n:plain} updates.",
        "never-decays",
        suspicious="counts_all == 1",
        at="n - 1",
        repair=("length", "n"),
    ),
    Definition(
        "LR019",
        "a whole number as a rate",
        "The initial rate is a whole number, so Keras computes the schedule in whole "
        "numbers: a decay_rate of 0.5 becomes 0, and π becomes 3.",
        "Write it with a point: {first:plain}.0 for {first:plain}.",
        "integer-rate",
        wrong="integer == 1",
        at="0",
        repair=("float",),
    ),
    Definition(
        "LR020",
        "warmup_steps without warmup_target",
        "warmup_steps is set and warmup_target isn't, so Keras skips the warm-up: the "
        "first update has the full rate of {first:rate}.",
        "Add warmup_target={high:rate} and let initial_learning_rate be where the "
        "warm-up starts, such as 0.0.",
        "no-warm-up",
        wrong="idle_warmup == 1",
        at="0",
        repair=("warmup",),
    ),
    Definition(
        "LR021",
        "more steps than float32 can count",
        "The run has {n:count} updates. From 16,777,216 on, Keras's own schedules "
        "can't tell a step from the next one: they compute in float32.",
        "lrlib's schedules compute in float64: schedule.to_keras() of a formula.",
        "past-the-end",
        note="keras == 1 and n > 16777216",
        at="16777216",
    ),
    Definition(
        "LR022",
        "whether it counts updates or epochs isn't clear",
        "Nothing says whether this schedule is stepped once an update or once an "
        "epoch. It is read as counting {units}.",
        'Say which: unit="update" or unit="epoch".',
        "scheduler-step",
        note="asks == 1",
    ),
    Definition(
        "LR023",
        "a warm-up of most of the run",
        "The warm-up takes {at_high / n:percent} of the run: the rate is at its "
        "highest, {high:rate}, only after {at_high:count} of {n:count} {units}.",
        "Shorten the warm-up; a few percent of the run is usual.",
        "no-warm-up",
        suspicious="at_high > 0.6 * n and at_high < n - 1 and first < 0.5 * high and "
        "turns <= 1 and fall > 0 and restarts == 0",
        at="at_high",
    ),
    Definition(
        "LR024",
        "alpha taken for a rate",
        "alpha={alpha:rate} is a fraction of the highest rate: the floor is "
        "{alpha * high:rate}.",
        "For a floor of {alpha:rate} write alpha={alpha / high:rate}.",
        "alpha",
        note="alpha > 0 and alpha < 0.001",
    ),
    Definition(
        "LR025",
        "a decay that compounds",
        "Each rate is made from the one before, divided by 1 + d·epoch: the divisors "
        "multiply, and the rate falls from {high:rate} to {last:rate}. The 1/t decay "
        "that this looks like would divide the first rate.",
        "Compute it from the initial rate: initial / (1 + d * epoch).",
        "compounding",
        suspicious="compounds == 1",
        at="n - 1",
    ),
    Definition(
        "LR026",
        "one epoch's length where the run counts",
        "A length of {length:count} is one epoch's updates, but the run has "
        "{epochs:count} epochs: {n:count} updates.",
        "Multiply by the epochs: {length * epochs:plain}.",
        "over-early",
        suspicious="counts_one_epoch == 1",
        at="length",
        repair=("length", "length * epochs"),
    ),
    Definition(
        "LR027",
        "a length in updates where epochs count",
        "A length of {length:count} is the run's number of updates, but the schedule "
        "is stepped once an epoch, {n:count} times in all: it ends at {last:rate}.",
        "Step it after every update, or give lengths in epochs: {n:plain}.",
        "scheduler-step",
        wrong="counts_updates == 1",
        at="n - 1",
        repair=("length", "n"),
    ),
)


@dataclass(frozen=True)
class Compiled:
    """A definition whose conditions and sentences are trees."""

    definition: Definition
    conditions: list[tuple[str, Any]]
    text: list[Any]
    fix: list[Any]
    at: Any

    @classmethod
    def of(cls, definition: Definition) -> Compiled:
        """Return the trees of a definition."""
        return cls(
            definition,
            [(name, tree(text)) for name, text in definition.severities()],
            sentence(definition.text),
            sentence(definition.fix),
            tree(definition.at) if definition.at else None,
        )


COMPILED = [Compiled.of(each) for each in DEFINITIONS]


def findings(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the findings of a curve with these features, the worst first."""
    found = []
    for each in COMPILED:
        for severity, condition in each.conditions:
            if evaluate(condition, values):
                at = None if each.at is None else int(evaluate(each.at, values))
                found.append(
                    {
                        "code": each.definition.code,
                        "severity": severity,
                        "text": written(each.text, values),
                        "fix": written(each.fix, values),
                        "symptom": each.definition.symptom,
                        "step": at,
                    }
                )
                break
    return sorted(found, key=lambda each: SEVERITIES.index(each["severity"]))


def data() -> list[dict[str, Any]]:
    """Return all definitions as plain lists, for the browser."""
    return [
        {
            "code": each.definition.code,
            "conditions": [list(pair) for pair in each.conditions],
            "text": each.text,
            "fix": each.fix,
            "symptom": each.definition.symptom,
            "at": each.at,
            "repair": [
                tree(x) if i else x for i, x in enumerate(each.definition.repair)
            ],
        }
        for each in COMPILED
    ]
