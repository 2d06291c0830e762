"""timm: what its calls make, and how it makes a schedule."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import sympy
from sympy import Eq, Le

from lrlib.libraries.arithmetic import exact
from lrlib.libraries.by_formula import of_expression
from lrlib.libraries.meanings import (
    ENDLESS,
    MANY,
    check,
    expression,
    m,
    missing,
    sequence,
    stairs,
    warm,
)
from lrlib.libraries.ways import (
    WAYS,
    Call,
    Entry,
    Native,
    geometric,
    inner,
    literal,
    native,
    number,
    own_arguments,
)
from lrlib.schedules import composition as c
from lrlib.schedules import formula
from lrlib.schedules.schedule import Schedule

# What its calls make ----

_CYCLES = "cycle_mul=1.0, cycle_decay=1.0, cycle_limit=1"
_WARM = "warmup_t, warmup_lr_init, warmup_prefix"
_NOISE = (
    "t_in_epochs=True, noise_range_t=None, noise_pct=0.67, noise_std=1.0, noise_seed=42"
)
_WARM_IN = f"warmup_t=0, warmup_lr_init=0.0, warmup_prefix=False, {_NOISE}"
_WARM_BEFORE = f"warmup_t=0, warmup_lr_init=0.0, warmup_prefix=True, {_NOISE}"
ROWS = {
    f"CosineLRScheduler(t_initial, lr_min=0.0, {_CYCLES}, {_WARM_IN}, k_decay=1.0, "
    "initialize=True)": "timm(lr, timm_cycles('cosine', lr, t_initial, lr_min, "
    f"cycle_mul, cycle_decay, cycle_limit, [k_decay]), {_WARM}, noise_range_t)",
    f"TanhLRScheduler(t_initial, lb=-7.0, ub=3.0, lr_min=0.0, {_CYCLES}, {_WARM_IN}, "
    "initialize=True)": "timm_tanh(lr, timm_cycles('tanh', lr, t_initial, lr_min, "
    f"cycle_mul, cycle_decay, cycle_limit, [lb, ub]), {_WARM}, noise_range_t)",
    f"PolyLRScheduler(t_initial, power=0.5, lr_min=0.0, {_CYCLES}, {_WARM_IN}, "
    "k_decay=1.0, initialize=True)": "timm(lr, timm_cycles('poly', lr, t_initial, "
    "lr_min, cycle_mul, cycle_decay, cycle_limit, [power, k_decay]), "
    f"{_WARM}, noise_range_t)",
    f"StepLRScheduler(decay_t, decay_rate=1.0, {_WARM_BEFORE}, initialize=True)": (
        f"timm(lr, step(lr, decay_t, decay_rate), {_WARM}, noise_range_t)"
    ),
    # timm drops one step before the milestone.
    f"MultiStepLRScheduler(decay_t, decay_rate=1.0, {_WARM_BEFORE}, initialize=True)": (
        "timm(lr, stairs(lr, [max(each - 1, 0) for each in decay_t], decay_rate), "
        f"{_WARM}, noise_range_t)"
    ),
    "WSDLRScheduler(t_initial, decay_t, lr_min=0.0, stable_fn='constant', "
    "stable_timescale=None, stable_power=0.5, decay_fn='1-sqrt', decay_power=0.5, "
    f"decay_ratio=0.1, warmup_t=0, warmup_lr_init=0.0, {_NOISE}, initialize=True)": (
        "timm_wsd(lr, t_initial, decay_t, lr_min, stable_fn, stable_timescale, "
        "stable_power, decay_fn, warmup_t, warmup_lr_init, noise_range_t)"
    ),
    "create_scheduler_v2(sched='cosine', num_epochs=300, decay_epochs=None, "
    "decay_milestones=(90, 180, 270), cooldown_epochs=0, patience_epochs=10, "
    "decay_rate=0.1, min_lr=0.0, warmup_lr=1e-5, warmup_epochs=0, "
    "warmup_prefix=False, noise=None, noise_pct=0.67, noise_std=1.0, noise_seed=42, "
    "cycle_mul=1.0, cycle_decay=0.1, cycle_limit=1, k_decay=1.0, decay_fn=None, "
    "stable_timescale=None, plateau_mode='max', step_on_epochs=True, "
    "updates_per_epoch=0)": "timm_factory(lr, sched, num_epochs, decay_epochs, "
    "decay_milestones, decay_rate, min_lr, warmup_lr, warmup_epochs, warmup_prefix, "
    "noise, cycle_mul, cycle_decay, cycle_limit, k_decay, decay_fn, "
    "stable_timescale, step_on_epochs, updates_per_epoch)",
}


def timm_cycles(
    kind: str,
    lr: float,
    steps: float,
    lr_min: float,
    mul: float,
    decay: float,
    limit: int,
    shape: list[float],
) -> Schedule:
    """Return so many cycles, then the floor."""

    def one(peak: float, steps: float) -> Schedule:
        if kind == "tanh":
            return m["hyperbolic_tangent"](peak, steps, lr_min, *shape)
        *power, k_decay = shape
        name = "polynomial" if power else "cosine_annealing"
        if k_decay == 1:
            return m[name](peak, steps, lr_min, *power)
        name = "polynomial_k_decay" if power else "cosine_k_decay"
        return m[name](peak, steps, lr_min, *power, k_decay)

    check("t_initial", steps)
    if limit == 1:
        return one(lr, steps)
    endless = limit >= ENDLESS and (decay == 1 or lr_min == 0)
    if kind == "cosine" and shape == [1] and endless and lr > 0:
        return m["cosine_restarts"](lr, steps, mul, decay, lr_min / lr)
    if not isinstance(limit, int) or not 1 < limit <= MANY:
        raise missing(f"cycle_limit={limit}")
    if mul == 1:  # timm counts cycles by t // t_initial
        ends = [steps * (i + 1) for i in range(limit)]
    else:
        ends = list(accumulate(steps * mul**i for i in range(limit)))
    peaks = (lr * decay**i for i in range(limit))
    lengths = (b - a for a, b in pairwise([0, *ends]))
    cycles = [one(p, n) for p, n in zip(peaks, lengths, strict=True)]
    return sequence([*cycles, m["constant"](lr_min)], ends)


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
    t = formula.t
    climb = exact(start) + exact(lr - start) * t / sympy.Rational(str(steps))
    meanwhile = expression(schedule)
    return of_expression(
        sympy.Piecewise((climb, t < exact(steps)), (meanwhile, True), evaluate=False)
    )


def timm_tanh(lr: float, schedule: Schedule, steps: float, *rest: Any) -> Schedule:
    """Add the warm-up to timm's tanh, which climbs to what is there at its end."""
    _, before, _ = rest
    return timm(lr if before or not steps else schedule(steps), schedule, steps, *rest)


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


def timm_factory(
    lr: float,
    sched: str,
    epochs: float,
    decay_epochs: Any,
    milestones: Any,
    decay_rate: float,
    min_lr: float,
    warmup_lr: float,
    warmup: float,
    before: bool,
    noise: Any,
    mul: float,
    decay: float,
    limit: int,
    k_decay: float,
    decay_fn: Any,
    timescale: Any,
    by_epoch: bool,
    updates: int,
) -> Schedule:
    """Return what `create_scheduler_v2` of timm 1.0.31 makes."""
    unit = 1 if by_epoch else updates
    check("updates_per_epoch", unit)
    ends = sched in ("wsd", "rsqrt")
    if decay_epochs is None:
        decay_epochs = 0.2 if ends else 90
    steps, warmup, decay_t = epochs * unit, warmup * unit, decay_epochs * unit
    if ends:
        steps = steps if before else steps - warmup
        share = 0 < decay_epochs < 1
        decay_t = round(decay_epochs * steps if share else decay_t)
        timescale = None if timescale is None else timescale * unit
        stable = "rsqrt" if sched == "rsqrt" else "constant"
        decay_fn = decay_fn or ("linear" if sched == "rsqrt" else "1-sqrt")
        rest = (decay_fn, warmup, warmup_lr, noise)
        return timm_wsd(lr, steps, decay_t, min_lr, stable, timescale, 0.5, *rest)
    cycles = (lr, steps, min_lr, mul, decay, limit)
    match sched:
        case "cosine":
            made = timm_cycles("cosine", *cycles, [k_decay])
        case "tanh":
            made = timm_cycles("tanh", *cycles, [-7.0, 3.0])
            return timm_tanh(lr, made, warmup, warmup_lr, before, noise)
        case "poly":
            made = timm_cycles("poly", *cycles, [decay_rate, k_decay])
        case "step":
            made = m["step"](lr, decay_t, decay_rate)
        case "constant":
            made = m["constant"](lr)
        case "multistep":
            early = [max(m * unit - 1, 0) for m in milestones]
            made = stairs(lr, early, decay_rate)
        case _:
            raise missing(f"create_scheduler_v2(sched={sched!r})")
    return timm(lr, made, warmup, warmup_lr, before, noise)


#: What the rows call.
MEANINGS = {
    "timm_cycles": timm_cycles,
    "timm": timm,
    "timm_tanh": timm_tanh,
    "timm_wsd": timm_wsd,
    "timm_factory": timm_factory,
}


# How it makes a schedule ----


def _timm(name: str, **arguments: Any) -> Native:
    return native(f"{name}LRScheduler", **arguments, t_in_epochs="False")


def _timm_to_end(name: str, **arguments: Any) -> Native:
    return _timm(
        name, t_initial="{decay_steps}", lr_min="{end_learning_rate}", **arguments
    )


def _timm_endless(**arguments: str) -> Native:
    native = _timm("WSD", t_initial="10**9", decay_t="1", **arguments)
    note = "timm wants an end; this one is far away."
    return replace(native, note=note, when=Eq(number("offset"), 0))


def _timm_piecewise_constant(schedule: Schedule) -> Native:
    own = own_arguments(schedule)
    native = _timm(
        "MultiStep",
        # timm drops one step before the milestone, Keras one after the boundary.
        decay_t=[f"{b} + 2" for b in own["boundaries"]],
        decay_rate="{values.1} / {values.0}",
    )
    return replace(native, lr="{values.0}", when=geometric(schedule))


def _timm_warm(way: Native, steps: str, start: str) -> Native:
    arguments = {**way.call.arguments, "warmup_t": steps, "warmup_lr_init": start}
    if way.call.name != "WSDLRScheduler":  # whose warm-up is always in front
        arguments["warmup_prefix"] = "True"
    return replace(way, call=Call(way.call.name, arguments))


def _timm_warmup(schedule: Schedule) -> list[Native]:
    return [
        _timm_warm(way, "{steps}", "{start}")
        for way in inner("timm", schedule.params["schedule"], "schedule.")
        if "warmup_t" not in way.call.arguments
        # Its warm-up climbs to the optimizer's rate; tanh starts a little below that.
        and way.call.name != "TanhLRScheduler"
    ]


_TIMM: dict[str, Entry] = {
    "constant": _timm("Step", decay_t="1", decay_rate="1.0"),
    "inverse_sqrt": _timm_endless(stable_fn='"rsqrt"', stable_timescale="{timescale}"),
    "power": _timm_endless(
        stable_fn='"power"', stable_timescale="{timescale}", stable_power="{power}"
    ),
    "step": _timm("Step", decay_t="{decay_steps}", decay_rate="{decay_rate}"),
    "piecewise_constant": _timm_piecewise_constant,
    "linear": _timm_to_end("Poly", power="1.0"),
    "polynomial": lambda schedule: (
        [] if schedule.params["cycle"] else [_timm_to_end("Poly", power="{power}")]
    ),
    "polynomial_k_decay": _timm_to_end("Poly", power="{power}", k_decay="{k_decay}"),
    "cosine": _timm(
        "Cosine",
        t_initial="{decay_steps}",
        lr_min="{alpha} * {initial_learning_rate}",
    ),
    "cosine_annealing": _timm_to_end("Cosine"),
    "cosine_k_decay": _timm_to_end("Cosine", k_decay="{k_decay}"),
    "hyperbolic_tangent": _timm_to_end("Tanh", lb="{lb}", ub="{ub}"),
    "knee": replace(
        _timm(
            "WSD",
            t_initial="{explore_steps} + {decay_steps}",
            decay_t="{decay_steps}",
            lr_min="{end_learning_rate}",
            decay_fn='"linear"',
        ),
        when=Le(number("end_learning_rate"), number("initial_learning_rate")),
    ),
    "warmup_cosine": replace(
        _timm_warm(
            _timm(
                "Cosine", t_initial="{decay_steps}", lr_min="{alpha} * {warmup_target}"
            ),
            "{warmup_steps}",
            "{initial_learning_rate}",
        ),
        lr="{warmup_target}",
    ),
    "warmup_stable_decay": lambda schedule: replace(
        _timm_warm(
            _timm(
                "WSD",
                t_initial="{stable_steps} + {decay_steps}",
                decay_t="{decay_steps}",
                lr_min="{alpha} * {warmup_target}",
                decay_fn=literal(schedule.params["decay_type"]),
            ),
            "{warmup_steps}",
            "{initial_learning_rate}",
        ),
        lr="{warmup_target}",
    ),
    "cosine_restarts": replace(
        _timm(
            "Cosine",
            t_initial="{first_decay_steps}",
            lr_min="{alpha} * {initial_learning_rate}",
            cycle_mul="{t_mul}",
            cycle_decay="{m_mul}",
            cycle_limit="10**9",
        ),
        # timm's floor stays where Keras' is scaled with the cycle, and its cycle is
        # the floor of a logarithm, which is exact for powers of 2 only.
        when=(Eq(number("m_mul"), 1) | Eq(number("alpha"), 0))
        & (Eq(number("t_mul"), 1) | Eq(number("t_mul"), 2)),
    ),
    "warmup": _timm_warmup,
}

WAYS["timm"] = _TIMM
