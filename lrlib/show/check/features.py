"""What is looked at of a curve of rates: some numbers of it, and its lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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
    """Return whether each rate is the one before over 1 + d·t or exp(d·t), for some d.

    Rates that have almost underflowed tell nothing.
    """
    k = min(len(rates), 50)
    known = np.isfinite(rates[:k]) & (rates[:k] > 1e-290)
    k = k if known.all() else int(known.argmin())
    if k < 4 or at[k - 1] != k - 1:
        return 0
    ratios, steps = rates[: k - 1] / rates[1:k], np.arange(1, k)
    return max(int(_in_steps(each, steps)) for each in (ratios - 1, np.log(ratios)))


def _in_steps(grown: np.ndarray, steps: np.ndarray) -> bool:
    fits = np.abs(grown - steps * grown[0]) <= 1e-4 * steps * abs(grown[0])
    return bool(grown[0] > 1e-9 and fits.all())


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
