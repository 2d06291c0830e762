"""timm's schedulers: each call with what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

import sympy

from lrlib.libraries.arithmetic import exact
from lrlib.libraries.by_formula import of_expression
from lrlib.libraries.meanings import (
    ENDLESS,
    MANY,
    bound,
    check,
    m,
    missing,
    sequence,
    stairs,
    warm,
)
from lrlib.libraries.table import Library, form, row, usually, word
from lrlib.schedules import composition as c
from lrlib.schedules import formula
from lrlib.schedules.schedule import Schedule

LIBRARY = Library(
    "timm",
    "timm.scheduler",
    stepping="Call scheduler.step_update(t) before update t, the first of which is 0.",
    functions=False,
)

_NOISE = (
    "t_in_epochs=True, noise_range_t=None, noise_pct=0.67, noise_std=1.0, noise_seed=42"
)
_IN = f"warmup_t=0, warmup_lr_init=0.0, warmup_prefix=False, {_NOISE}"
_BEFORE = f"warmup_t=0, warmup_lr_init=0.0, warmup_prefix=True, {_NOISE}"
_CYCLES = "cycle_mul=1.0, cycle_decay=1.0, cycle_limit=1"
_AGAIN = "lr, t_initial, lr_min, cycle_mul, cycle_decay, cycle_limit"
_WARM = "warmup_t, warmup_lr_init, warmup_prefix, noise_range_t"
_COSINE = (
    "timm(lr, cycles(cosine_annealing(lr, t_initial, lr_min) if k_decay == 1 else "
    f"cosine_k_decay(lr, t_initial, lr_min, k_decay), {_AGAIN}), {_WARM})"
)
_WSD = (
    "timm_wsd(lr, t_initial, decay_t, lr_min, stable_fn, stable_timescale, "
    "stable_power, decay_fn, warmup_t, warmup_lr_init, noise_range_t)"
)
_FAR = "timm wants an end; this one is far away."
ROWS = (
    row(
        f"StepLRScheduler(decay_t, decay_rate=1.0, {_BEFORE}, initialize=True)",
        f"timm(lr, step(lr, decay_t, decay_rate), {_WARM})",
        form(f"timm(lr, constant(lr), {_WARM})", "decay_t=1, decay_rate=1.0"),
        form(f"timm(lr, step(lr, decay_t, decay_rate), {_WARM})"),
        always="t_in_epochs=False",
    ),
    row(
        f"MultiStepLRScheduler(decay_t, decay_rate=1.0, {_BEFORE}, initialize=True)",
        f"timm(lr, timm_stairs(lr, decay_t, decay_rate), {_WARM})",
        always="t_in_epochs=False",
    ),
    row(
        f"CosineLRScheduler(t_initial, lr_min=0.0, {_CYCLES}, {_IN}, k_decay=1.0, "
        "initialize=True)",
        _COSINE,
        form(_COSINE),
        form(
            "timm(lr, cosine_restarts(lr, t_initial, cycle_mul, cycle_decay, "
            f"lr_min / lr), {_WARM})",
            "cycle_limit=10**9",
            # timm's floor stays where Keras's is scaled with the cycle, and its cycle
            # is the floor of a logarithm, which is exact for powers of 2 only.
            when="(cycle_decay == 1 or lr_min == 0) "
            "and (cycle_mul == 1 or cycle_mul == 2)",
        ),
        always="t_in_epochs=False",
    ),
    row(
        f"TanhLRScheduler(t_initial, lb=-7.0, ub=3.0, lr_min=0.0, {_CYCLES}, {_IN}, "
        "initialize=True)",
        "timm_tanh(lr, cycles(hyperbolic_tangent(lr, t_initial, lr_min, lb, ub), "
        f"{_AGAIN}), {_WARM})",
        always="t_in_epochs=False",
    ),
    row(
        f"PolyLRScheduler(t_initial, power=0.5, lr_min=0.0, {_CYCLES}, {_IN}, "
        "k_decay=1.0, initialize=True)",
        "timm(lr, cycles(polynomial(lr, t_initial, lr_min, power) if k_decay == 1 else "
        f"polynomial_k_decay(lr, t_initial, lr_min, power, k_decay), {_AGAIN}), "
        f"{_WARM})",
        always="t_in_epochs=False",
    ),
    row(
        "WSDLRScheduler(t_initial, decay_t, lr_min=0.0, stable_fn='constant', "
        "stable_timescale=None, stable_power=0.5, decay_fn='1-sqrt', decay_power=0.5, "
        f"decay_ratio=0.1, warmup_t=0, warmup_lr_init=0.0, {_NOISE}, initialize=True)",
        _WSD,
        form(_WSD, when="lr_min <= lr"),
        form(
            "warm(inverse_sqrt(lr, stable_timescale), warmup_t, warmup_lr_init, lr)",
            "t_initial=10**9, decay_t=1, stable_fn='rsqrt'",
            _FAR,
        ),
        form(
            "warm(power(lr, stable_timescale, stable_power), "
            "warmup_t, warmup_lr_init, lr)",
            "t_initial=10**9, decay_t=1, stable_fn='power'",
            _FAR,
        ),
        always="t_in_epochs=False",
    ),
    row(
        "create_scheduler_v2(sched='cosine', num_epochs=300, decay_epochs=None, "
        "decay_milestones=(90, 180, 270), cooldown_epochs=0, patience_epochs=10, "
        "decay_rate=0.1, min_lr=0.0, warmup_lr=1e-5, warmup_epochs=0, "
        "warmup_prefix=False, noise=None, noise_pct=0.67, noise_std=1.0, "
        "noise_seed=42, cycle_mul=1.0, cycle_decay=0.1, cycle_limit=1, k_decay=1.0, "
        "decay_fn=None, stable_timescale=None, plateau_mode='max', "
        "step_on_epochs=True, updates_per_epoch=0)",
        "timm_factory(lr, parameters)",
    ),
)


@word
def timm_stairs(lr: float, milestones: list[int], rate: float) -> Schedule:
    """Return stairs that drop one step before each milestone."""
    return stairs(lr, [max(each - 1, 0) for each in milestones], rate)


@usually("one if limit == 1 else None")
def cycles(
    one: Schedule,
    lr: float,
    steps: float,
    lr_min: float,
    mul: float,
    decay: float,
    limit: int,
) -> Schedule:
    """Return so many cycles like the first, then the floor."""
    if limit == 1:
        return one
    endless = limit >= ENDLESS and (decay == 1 or lr_min == 0)
    if endless and one.name == "cosine_annealing":
        return m["cosine_restarts"](lr, steps, mul, decay, lr_min / lr)
    if not 1 < limit <= MANY or limit != int(limit):
        raise missing(f"cycle_limit={limit}")
    ends = list(accumulate(steps * mul**i for i in range(limit)))
    made = [one]
    for i in range(1, limit):
        height = (lr * decay**i - lr_min) / (lr - lr_min)
        moved = one.at(formula.t / sympy.Rational(str(mul**i)))
        made.append(of_expression(lr_min + height * (moved - lr_min)))
    return sequence([*made, m["constant"](lr_min)], ends)


@usually(
    "schedule if steps == 0 else "
    "warmup(schedule, steps, start, 'linear', anything) if before == True else None"
)
def timm(
    lr: float, schedule: Schedule, steps: float, start: float, before: bool, noise: Any
) -> Schedule:
    """Add the warm-up of timm: in front, or in the place of the first steps."""
    if noise is not None:
        raise missing("noise_range_t: rates with noise")
    if not steps:
        return schedule
    if before:
        return warm(schedule, steps, start, lr)
    climb = exact(start) + exact(lr - start) * formula.t / sympy.Rational(str(steps))
    stretches = (climb, formula.t < exact(steps)), (schedule.at(formula.t), True)
    return of_expression(sympy.Piecewise(*stretches, evaluate=False))


# Its warm-up climbs to the optimizer's rate; tanh starts a little below that.
@usually("schedule if steps == 0 else None")
def timm_tanh(
    lr: float, schedule: Schedule, steps: float, start: float, before: bool, noise: Any
) -> Schedule:
    """Add the warm-up to timm's tanh, which climbs to what is there at its end."""
    peak = lr if before or not steps else schedule(steps)
    return timm(peak, schedule, steps, start, before, noise)


@usually(
    "warmup_stable_decay"
    "(anything, lr, 0, steps - decay, decay, decay_type, lr_min / lr) "
    "if warmup == 0 else warmup_stable_decay"
    "(start, lr, warmup, steps - decay, decay, decay_type, lr_min / lr)"
)
def timm_wsd(
    lr: float,
    steps: float,
    decay: float,
    lr_min: float,
    stable: str,
    timescale: Any,
    power: float,
    decay_type: str,
    warmup: float,
    start: float,
    noise: Any,
) -> Schedule:
    """Return timm's warm-up, stable stretch and decay."""
    flat_steps = steps - decay
    if stable == "constant":
        alpha = lr_min / lr if lr else 0.0
        whole = m["warmup_stable_decay"](
            start if warmup else lr, lr, warmup, flat_steps, decay, decay_type, alpha
        )
        return timm(lr, whole, 0, start, True, noise)
    if stable not in ("rsqrt", "power") or lr_min != 0:
        raise missing(f"stable_fn={stable!r} with lr_min={lr_min}")
    timescale = warmup if timescale is None else timescale
    falling = (
        m["inverse_sqrt"](lr, timescale)
        if stable == "rsqrt"
        else m["power"](lr, timescale, power)
    )
    if steps < ENDLESS:
        end = m["warmup_stable_decay"](0.0, 1.0, 0, flat_steps, decay, decay_type)
        falling = c.product([falling, end])
    return timm(lr, falling, warmup, start, True, noise)


@word
def timm_factory(lr: float, given: Mapping[str, Any]) -> Any:
    """Return what `create_scheduler_v2` of timm 1.0.31 makes."""
    sched, epochs, decay_t = (given[k] for k in ("sched", "num_epochs", "decay_epochs"))
    unit = 1 if given["step_on_epochs"] else given["updates_per_epoch"]
    check("updates_per_epoch", unit)
    warmup, timescale = given["warmup_epochs"] * unit, given["stable_timescale"]
    steps = epochs * unit
    scheduler = {
        **{"warmup_t": warmup, "warmup_lr_init": given["warmup_lr"]},
        "noise_range_t": given["noise"],
    }
    if sched in ("wsd", "rsqrt"):
        steps = steps if given["warmup_prefix"] else steps - warmup
        decay_t = 0.2 if decay_t is None else decay_t
        share = steps if 0 < decay_t < 1 else unit
        return _bound(
            "WSD",
            lr,
            t_initial=steps,
            decay_t=round(decay_t * share),
            lr_min=given["min_lr"],
            stable_fn="rsqrt" if sched == "rsqrt" else "constant",
            stable_timescale=None if timescale is None else timescale * unit,
            decay_fn=given["decay_fn"] or ("linear" if sched == "rsqrt" else "1-sqrt"),
            **scheduler,
        )
    scheduler["warmup_prefix"] = given["warmup_prefix"]
    decay_t = (90 if decay_t is None else decay_t) * unit
    rate = {"decay_rate": given["decay_rate"]}
    again = {k: given[k] for k in ("cycle_mul", "cycle_decay", "cycle_limit")}
    again |= {"t_initial": steps, "lr_min": given["min_lr"]}
    k_decay = {"k_decay": given["k_decay"]}
    match sched:
        case "cosine":
            return _bound("Cosine", lr, **again, **k_decay, **scheduler)
        case "tanh":
            return _bound("Tanh", lr, **again, **scheduler)
        case "poly":
            power = given["decay_rate"]
            return _bound("Poly", lr, power=power, **again, **k_decay, **scheduler)
        case "step":
            return _bound("Step", lr, decay_t=decay_t, **rate, **scheduler)
        case "constant":
            rate["decay_rate"] = 1.0
            return _bound("Step", lr, decay_t=1, **rate, **scheduler)
        case "multistep":
            milestones = [each * unit for each in given["decay_milestones"]]
            return _bound("MultiStep", lr, decay_t=milestones, **rate, **scheduler)
    raise missing(f"create_scheduler_v2(sched={sched!r})")


def _bound(name: str, lr: float, **given: Any) -> Any:
    (row,) = (row for row in ROWS if row.name == f"{name}LRScheduler")
    return bound(row, lr, [], given)
