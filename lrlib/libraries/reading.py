"""The way back: from what other libraries call a schedule to lrlib's.

Every call that is understood is a function below, with the signature it has in its
library, so Python itself sorts out positions, keywords and defaults. What is around the
calls in a text is read as a syntax tree and never run.
"""

# What a call means is in the documentation of its library.
# ruff: noqa: D103

from __future__ import annotations

import ast
import inspect
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from lrlib.schedules import catalogue as s
from lrlib.schedules import composition as c
from lrlib.schedules.kinds import check_whole
from lrlib.schedules.schedule import Schedule

#: Every call that is understood, by name. Those that begin with `lr` are schedulers,
#: which multiply the rate of an optimizer.
_CALLS: dict[str, Callable[..., Any]] = {}


def _call(function: Callable[..., Any]) -> Callable[..., Any]:
    _CALLS[function.__name__] = function
    return function


@dataclass(frozen=True)
class _Wave:
    """A decay of a library that goes up again after its last step."""

    decay: Schedule
    for_ever: Schedule
    last: int

    def up_to(self, steps: int | None) -> Schedule:
        ends = steps is not None and steps <= self.last + 1
        return self.decay if ends else self.for_ever


def _settled(schedule: Any, steps: int | None = None) -> Schedule:
    return schedule.up_to(steps) if isinstance(schedule, _Wave) else schedule


def _missing(words: str) -> LookupError:
    return LookupError(f"lrlib has no such schedule: {words}")


def _line(first: float, last: float, steps: int) -> Schedule:
    """Return a line that may also begin at 0."""
    if first > 0:
        return s.linear(first, steps, last)
    return s.piecewise_interpolate([steps], [first, last])


def _from(step: int, first: Schedule, then: Schedule) -> Schedule:
    return c.join([first, then], [step]) if step > 0 else then


def _wave(peak: float, half: int, floor: float) -> _Wave:
    """Return a cosine from peak to floor in `half` steps, and up again, for ever."""
    half = check_whole("steps of half a wave", half, low=1)
    wave = s.piecewise_interpolate([half, 2 * half], [peak, floor, peak], "cosine")
    decay = s.cosine_annealing(peak, half, floor)
    return _Wave(decay, c.cycle(wave, 2 * half), half)


# Keras ------------------------------------------------------------------------


@_call
def ExponentialDecay(
    initial_learning_rate, decay_steps, decay_rate, staircase=False, name=""
):
    make = s.step if staircase else s.exponential
    return make(initial_learning_rate, decay_steps, decay_rate)


@_call
def InverseTimeDecay(
    initial_learning_rate, decay_steps, decay_rate, staircase=False, name=""
):
    if staircase:
        raise _missing("InverseTimeDecay with staircase=True")
    return s.inverse_time(initial_learning_rate, decay_steps, decay_rate)


@_call
def PiecewiseConstantDecay(boundaries, values, name=""):
    return s.piecewise_constant(boundaries, values)


@_call
def PolynomialDecay(
    initial_learning_rate,
    decay_steps,
    end_learning_rate=0.0001,
    power=1.0,
    cycle=False,
    name="",
):
    return s.polynomial(
        initial_learning_rate, decay_steps, end_learning_rate, power, cycle
    )


@_call
def CosineDecay(
    initial_learning_rate,
    decay_steps,
    alpha=0.0,
    name="",
    warmup_target=None,
    warmup_steps=0,
):
    if warmup_target is None:  # Keras then ignores warmup_steps
        return s.cosine(initial_learning_rate, decay_steps, alpha)
    if warmup_steps == 0:  # and here the initial rate
        return s.cosine(warmup_target, decay_steps, alpha)
    return s.warmup_cosine(
        initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps
    )


@_call
def CosineDecayRestarts(
    initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0, name=""
):
    return s.cosine_restarts(
        initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha
    )


# PyTorch ----------------------------------------------------------------------


def _stairs(lr: float, steps: Sequence[int], gamma: float) -> Schedule:
    """Multiply by gamma at each of `steps`; Keras' boundary is the step before."""
    steps = sorted(check_whole("milestones", step, low=0) for step in steps)
    values = [lr * gamma ** sum(m <= 0 for m in steps)]
    boundaries: list[int] = []
    for step in steps:
        if step > 0 and step - 1 in boundaries:
            values[-1] *= gamma
        elif step > 0:
            boundaries.append(step - 1)
            values.append(values[-1] * gamma)
    if not boundaries:
        return s.constant(values[0])
    return s.piecewise_constant(boundaries, values)


@_call
def StepLR(lr, step_size, gamma=0.1):
    return s.step(lr, step_size, gamma)


@_call
def MultiStepLR(lr, milestones, gamma=0.1):
    return _stairs(lr, milestones, gamma)


@_call
def ConstantLR(lr, factor=1 / 3, total_iters=5):
    if factor == 1 or total_iters <= 0:
        return s.constant(lr)
    return s.piecewise_constant([total_iters - 1], [lr * factor, lr])


@_call
def LinearLR(lr, start_factor=1 / 3, end_factor=1.0, total_iters=5):
    return s.linear(lr * start_factor, total_iters, lr * end_factor)


@_call
def ExponentialLR(lr, gamma):
    return s.exponential(lr, 1, gamma)


@_call
def PolynomialLR(lr, total_iters=5, power=1.0):
    return s.polynomial(lr, total_iters, 0.0, power)


@_call
def CosineAnnealingLR(lr, T_max, eta_min=0.0):
    return _wave(lr, T_max, eta_min)


@_call
def CosineAnnealingWarmRestarts(lr, T_0, T_mult=1, eta_min=0.0):
    return s.cosine_restarts(lr, T_0, T_mult, 1.0, eta_min / lr)


@_call
def OneCycleLR(
    max_lr,
    total_steps=None,
    epochs=None,
    steps_per_epoch=None,
    pct_start=0.3,
    anneal_strategy="cos",
    cycle_momentum=True,
    base_momentum=0.85,
    max_momentum=0.95,
    div_factor=25.0,
    final_div_factor=1e4,
    three_phase=False,
):
    if total_steps is None:
        if epochs is None or steps_per_epoch is None:
            raise ValueError("give total_steps, or epochs and steps_per_epoch")
        total_steps = epochs * steps_per_epoch
    return s.one_cycle(
        max_lr,
        total_steps,
        pct_start,
        anneal_strategy,
        div_factor,
        final_div_factor,
        three_phase,
    )


@_call
def CyclicLR(
    base_lr,
    max_lr,
    step_size_up=2000,
    step_size_down=None,
    mode="triangular",
    gamma=1.0,
    scale_fn=None,
    scale_mode="cycle",
    cycle_momentum=True,
    base_momentum=0.8,
    max_momentum=0.9,
):
    if scale_fn is not None:
        raise _missing("CyclicLR with a scale_fn")
    down = step_size_up if step_size_down is None else step_size_down
    return s.cyclic(base_lr, max_lr, step_size_up, down, mode, gamma)


@_call
def SequentialLR(schedulers, milestones):
    return c.join([_settled(each) for each in schedulers], milestones)


@_call
def ChainedScheduler(lr, schedulers):
    # These multiply the rate by a factor of their own; others set it.
    for each in schedulers:
        if isinstance(each, _Wave):
            raise _missing("ChainedScheduler with a cosine")
        if each.name in ("cosine_restarts", "one_cycle", "cyclic", "join"):
            raise _missing(f"ChainedScheduler with what sets the rate, {each.name}")
    first, *others = schedulers
    return (
        c.product([first, *(each * (1 / lr) for each in others)]) if others else first
    )


# optax ------------------------------------------------------------------------


@_call
def constant_schedule(value):
    return s.constant(value)


@_call
def linear_schedule(init_value, end_value, transition_steps, transition_begin=0):
    line = _line(init_value, end_value, transition_steps)
    return _from(transition_begin, s.constant(init_value), line)


@_call
def polynomial_schedule(
    init_value, end_value, power, transition_steps, transition_begin=0
):
    curve = s.polynomial(init_value, transition_steps, end_value, power)
    return _from(transition_begin, s.constant(init_value), curve)


@_call
def piecewise_constant_schedule(init_value, boundaries_and_scales=None):
    steps = sorted((boundaries_and_scales or {}).items())
    values = list(accumulate([init_value, *(v for _, v in steps)], operator.mul))
    if steps and steps[0][0] == 0:  # the first value is never used
        steps, values = steps[1:], values[1:]
    if not steps:
        return s.constant(values[0])
    return s.piecewise_constant([b - 1 for b, _ in steps], values)


@_call
def piecewise_interpolate_schedule(
    interpolate_type, init_value, boundaries_and_scales=None
):
    steps = sorted((boundaries_and_scales or {}).items())
    values = list(accumulate([init_value, *(v for _, v in steps)], operator.mul))
    if not steps:
        return s.constant(init_value)
    return s.piecewise_interpolate([b for b, _ in steps], values, interpolate_type)


@_call
def exponential_decay(
    init_value,
    transition_steps,
    decay_rate,
    transition_begin=0,
    staircase=False,
    end_value=None,
):
    make = s.step if staircase else s.exponential
    curve = make(init_value, transition_steps, decay_rate)
    curve = _from(transition_begin, s.constant(init_value), curve)
    if end_value is None:
        return curve
    if decay_rate < 1:
        return c.clip(curve, end_value, max(init_value, end_value))
    return c.clip(curve, 0.0, end_value)


@_call
def cosine_decay_schedule(init_value, decay_steps, alpha=0.0, exponent=1.0):
    if exponent == 1:
        return s.cosine(init_value, decay_steps, alpha)
    return s.cosine_exponent(init_value, decay_steps, alpha, exponent)


@_call
def warmup_constant_schedule(init_value, peak_value, warmup_steps):
    return c.warmup(s.constant(peak_value), warmup_steps, init_value)


@_call
def warmup_cosine_decay_schedule(
    init_value, peak_value, warmup_steps, decay_steps, end_value=0.0, exponent=1.0
):
    # optax counts the warm-up into decay_steps.
    decay_steps = decay_steps - warmup_steps
    alpha = end_value / peak_value
    if exponent == 1 and warmup_steps > 0:
        return s.warmup_cosine(init_value, decay_steps, alpha, peak_value, warmup_steps)
    decay = cosine_decay_schedule(peak_value, decay_steps, alpha, exponent)
    return _warm(decay, warmup_steps, init_value)


@_call
def warmup_exponential_decay_schedule(
    init_value,
    peak_value,
    warmup_steps,
    transition_steps,
    decay_rate,
    transition_begin=0,
    staircase=False,
    end_value=None,
):
    decay = exponential_decay(
        peak_value, transition_steps, decay_rate, transition_begin, staircase, end_value
    )
    return _warm(decay, warmup_steps, init_value)


@_call
def cosine_onecycle_schedule(
    transition_steps, peak_value, pct_start=0.3, div_factor=25.0, final_div_factor=1e4
):
    start = peak_value / div_factor
    return s.piecewise_interpolate(
        [int(pct_start * transition_steps), transition_steps],
        [start, peak_value, start / final_div_factor],
        "cosine",
    )


@_call
def linear_onecycle_schedule(
    transition_steps,
    peak_value,
    pct_start=0.3,
    pct_final=0.85,
    div_factor=25.0,
    final_div_factor=1e4,
):
    start = peak_value / div_factor
    middle = [int(pct * transition_steps) for pct in (pct_start, pct_final)]
    return s.piecewise_interpolate(
        [*middle, transition_steps],
        [start, peak_value, start, start / final_div_factor],
    )


@_call
def sgdr_schedule(cosine_kwargs):
    cycles = [warmup_cosine_decay_schedule(**kwargs) for kwargs in cosine_kwargs]
    ends = list(accumulate(kwargs["decay_steps"] for kwargs in cosine_kwargs))
    return c.join(cycles, ends[:-1]) if len(cycles) > 1 else cycles[0]


@_call
def join_schedules(schedules, boundaries):
    return c.join(schedules, boundaries)


# Transformers -----------------------------------------------------------------


def _warm(schedule: Any, steps: int, start: float) -> Any:
    if steps == 0:
        return schedule
    if isinstance(schedule, _Wave):
        decay, for_ever = (
            c.warmup(each, steps, start) for each in (schedule.decay, schedule.for_ever)
        )
        return _Wave(decay, for_ever, schedule.last + steps)
    return c.warmup(schedule, steps, start)


def _after_warmup(training: int, warmup: int) -> int:
    if training <= warmup:
        raise ValueError(
            "num_training_steps includes the warm-up and must be above "
            f"num_warmup_steps={warmup}, got {training}"
        )
    return training - warmup


def _cosine_of_cycles(lr: float, steps: int, cycles: float, floor: float) -> _Wave:
    half = steps / (2 * cycles)
    if abs(half - round(half)) > 1e-9 * half or half < 0.5:
        raise _missing(f"half a wave of {half:g} steps, no whole number")
    return _wave(lr, round(half), floor)


@_call
def get_constant_schedule(lr):
    return s.constant(lr)


@_call
def get_constant_schedule_with_warmup(lr, num_warmup_steps):
    return _warm(s.constant(lr), num_warmup_steps, 0.0)


@_call
def get_linear_schedule_with_warmup(lr, num_warmup_steps, num_training_steps):
    steps = _after_warmup(num_training_steps, num_warmup_steps)
    return _warm(s.linear(lr, steps), num_warmup_steps, 0.0)


@_call
def get_cosine_schedule_with_warmup(
    lr, num_warmup_steps, num_training_steps, num_cycles=0.5
):
    steps = _after_warmup(num_training_steps, num_warmup_steps)
    wave = _cosine_of_cycles(lr, steps, num_cycles, 0.0)
    return _warm(wave, num_warmup_steps, 0.0)


@_call
def get_cosine_with_hard_restarts_schedule_with_warmup(
    lr, num_warmup_steps, num_training_steps, num_cycles=1
):
    steps = _after_warmup(num_training_steps, num_warmup_steps)
    if num_cycles == 1:
        return _warm(s.cosine(lr, steps), num_warmup_steps, 0.0)
    if steps % num_cycles:
        raise _missing(f"{num_cycles} cycles in {steps} steps: no whole number each")
    waves = s.cosine_restarts(lr, steps // num_cycles, t_mul=1.0)
    return _warm(c.join([waves, s.constant(0.0)], [steps]), num_warmup_steps, 0.0)


@_call
def get_polynomial_decay_schedule_with_warmup(
    lr, num_warmup_steps, num_training_steps, lr_end=1e-7, power=1.0
):
    steps = _after_warmup(num_training_steps, num_warmup_steps)
    if lr <= lr_end:
        raise ValueError(f"lr_end must be below lr={lr}, got {lr_end}")
    return _warm(s.polynomial(lr, steps, lr_end, power), num_warmup_steps, 0.0)


@_call
def get_inverse_sqrt_schedule(lr, num_warmup_steps, timescale=None):
    timescale = num_warmup_steps or 10_000 if timescale is None else timescale
    return _warm(s.inverse_sqrt(lr, timescale), num_warmup_steps, 0.0)


def _floor(lr: float, min_lr: float | None, min_lr_rate: float | None) -> float:
    if min_lr is not None and min_lr_rate is None:
        return min_lr
    if min_lr_rate is not None and min_lr is None:
        return lr * min_lr_rate
    raise ValueError("give one of min_lr and min_lr_rate")


@_call
def get_cosine_with_min_lr_schedule_with_warmup(
    lr,
    num_warmup_steps,
    num_training_steps,
    num_cycles=0.5,
    last_epoch=-1,
    min_lr=None,
    min_lr_rate=None,
):
    steps = _after_warmup(num_training_steps, num_warmup_steps)
    wave = _cosine_of_cycles(lr, steps, num_cycles, _floor(lr, min_lr, min_lr_rate))
    return _warm(wave, num_warmup_steps, 0.0)


@_call
def get_cosine_with_min_lr_schedule_with_warmup_lr_rate(
    lr,
    num_warmup_steps,
    num_training_steps,
    num_cycles=0.5,
    last_epoch=-1,
    min_lr=None,
    min_lr_rate=None,
    warmup_lr_rate=None,
):
    steps = _after_warmup(num_training_steps, num_warmup_steps)
    wave = _cosine_of_cycles(lr, steps, num_cycles, _floor(lr, min_lr, min_lr_rate))
    if num_warmup_steps < 1:
        raise _missing("this one without a warm-up: its cosine begins at step 1")
    # The peak is the last update of the warm-up, not the one after it.
    start = 1 / num_warmup_steps if warmup_lr_rate is None else warmup_lr_rate
    return _warm(wave, num_warmup_steps - 1, lr * start)


@_call
def get_wsd_schedule(
    lr,
    num_warmup_steps,
    num_decay_steps,
    num_training_steps=None,
    num_stable_steps=None,
    warmup_type="linear",
    decay_type="cosine",
    min_lr_ratio=0.0,
    num_cycles=0.5,
):
    if num_stable_steps is None:
        if num_training_steps is None:
            raise ValueError("give num_training_steps or num_stable_steps")
        num_stable_steps = num_training_steps - num_warmup_steps - num_decay_steps
    if warmup_type != "linear" or (decay_type == "cosine" and num_cycles != 0.5):
        raise _missing(f"warmup_type={warmup_type!r} with num_cycles={num_cycles}")
    return s.warmup_stable_decay(
        min_lr_ratio * lr,
        lr,
        num_warmup_steps,
        num_stable_steps,
        num_decay_steps,
        decay_type,
        min_lr_ratio,
    )


_SCHEDULER_TYPES = {
    "constant": "get_constant_schedule",
    "constant_with_warmup": "get_constant_schedule_with_warmup",
    "cosine": "get_cosine_schedule_with_warmup",
    "cosine_warmup_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup_lr_rate",
    "cosine_with_min_lr": "get_cosine_with_min_lr_schedule_with_warmup",
    "cosine_with_restarts": "get_cosine_with_hard_restarts_schedule_with_warmup",
    "inverse_sqrt": "get_inverse_sqrt_schedule",
    "linear": "get_linear_schedule_with_warmup",
    "polynomial": "get_polynomial_decay_schedule_with_warmup",
    "warmup_stable_decay": "get_wsd_schedule",
}


@_call
def get_scheduler(
    lr,
    name,
    num_warmup_steps=None,
    num_training_steps=None,
    scheduler_specific_kwargs=None,
):
    if name not in _SCHEDULER_TYPES:
        raise _missing(f"get_scheduler({name!r})")
    make = _CALLS[_SCHEDULER_TYPES[name]]
    takes = inspect.signature(make).parameters
    given = {
        "num_warmup_steps": num_warmup_steps,
        "num_training_steps": num_training_steps,
    }
    used = {k: v for k, v in given.items() if k in takes and v is not None}
    return _bound(make, [lr], {**used, **(scheduler_specific_kwargs or {})})


# timm -------------------------------------------------------------------------

#: As many cycles or steps as no training has.
_ENDLESS = 10**9


def _cycles(
    lr: float,
    t_initial: int,
    lr_min: float,
    cycle_mul: float,
    cycle_decay: float,
    cycle_limit: int,
    one: Callable[[float, int], Schedule],
    cosine: bool = False,
) -> Schedule:
    """Return `cycle_limit` cycles, then the floor."""
    if cycle_limit == 1:
        return one(lr, t_initial)
    if cosine and cycle_limit >= _ENDLESS and (cycle_decay == 1 or lr_min == 0):
        return s.cosine_restarts(lr, t_initial, cycle_mul, cycle_decay, lr_min / lr)
    if not 1 < cycle_limit <= 100:
        raise _missing(f"cycle_limit={cycle_limit}")
    lengths = [t_initial * cycle_mul**i for i in range(cycle_limit)]
    if any(length != round(length) for length in lengths):
        raise _missing(f"cycle_mul={cycle_mul}: a cycle of no whole number of steps")
    cycles = [one(lr * cycle_decay**i, round(n)) for i, n in enumerate(lengths)]
    ends = [round(end) for end in accumulate(lengths)]
    return c.join([*cycles, s.constant(lr_min)], ends)


def _timm(
    schedule: Schedule,
    lr: float,
    *,
    warmup_t: int = 0,
    warmup_lr_init: float = 0.0,
    warmup_prefix: bool = False,
    t_in_epochs: bool = True,
    noise_range_t: Any = None,
    noise_pct: float = 0.67,
    noise_std: float = 1.0,
    noise_seed: int = 42,
    initialize: bool = True,
) -> Schedule:
    """Return the schedule with what all of timm's schedulers add to theirs."""
    if noise_range_t is not None:
        raise _missing("noise_range_t: rates with noise")
    if warmup_t == 0:
        return schedule
    if not warmup_prefix:
        raise _missing("warmup_prefix=False: a warm-up in the place of the first steps")
    if schedule(0) == lr:
        return c.warmup(schedule, warmup_t, warmup_lr_init)
    return c.join([_line(warmup_lr_init, lr, warmup_t), schedule], [warmup_t])


@_call
def CosineLRScheduler(
    lr,
    t_initial,
    lr_min=0.0,
    cycle_mul=1.0,
    cycle_decay=1.0,
    cycle_limit=1,
    k_decay=1.0,
    **common,
):
    def one(peak: float, steps: int) -> Schedule:
        if k_decay == 1:
            return s.cosine_annealing(peak, steps, lr_min)
        return s.cosine_k_decay(peak, steps, lr_min, k_decay)

    shape = (lr_min, cycle_mul, cycle_decay, cycle_limit)
    decay = _cycles(lr, t_initial, *shape, one, cosine=k_decay == 1)
    return _timm(decay, lr, **common)


@_call
def TanhLRScheduler(
    lr,
    t_initial,
    lb=-7.0,
    ub=3.0,
    lr_min=0.0,
    cycle_mul=1.0,
    cycle_decay=1.0,
    cycle_limit=1,
    **common,
):
    def one(peak: float, steps: int) -> Schedule:
        return s.hyperbolic_tangent(peak, steps, lr_min, lb, ub)

    decay = _cycles(lr, t_initial, lr_min, cycle_mul, cycle_decay, cycle_limit, one)
    return _timm(decay, lr, **common)


@_call
def PolyLRScheduler(
    lr,
    t_initial,
    power=0.5,
    lr_min=0.0,
    cycle_mul=1.0,
    cycle_decay=1.0,
    cycle_limit=1,
    k_decay=1.0,
    **common,
):
    def one(peak: float, steps: int) -> Schedule:
        if k_decay == 1:
            return s.polynomial(peak, steps, lr_min, power)
        return s.polynomial_k_decay(peak, steps, lr_min, power, k_decay)

    decay = _cycles(lr, t_initial, lr_min, cycle_mul, cycle_decay, cycle_limit, one)
    return _timm(decay, lr, **common)


@_call
def StepLRScheduler(
    lr,
    decay_t,
    decay_rate=1.0,
    **common,
):
    stairs = s.constant(lr) if decay_rate == 1 else s.step(lr, decay_t, decay_rate)
    return _timm(stairs, lr, **{"warmup_prefix": True, **common})


@_call
def MultiStepLRScheduler(
    lr,
    decay_t,
    decay_rate=1.0,
    **common,
):
    # timm drops one step before the milestone.
    stairs = _stairs(lr, [max(step - 1, 0) for step in decay_t], decay_rate)
    return _timm(stairs, lr, **{"warmup_prefix": True, **common})


@_call
def WSDLRScheduler(
    lr,
    t_initial,
    decay_t,
    lr_min=0.0,
    stable_fn="constant",
    stable_timescale=None,
    stable_power=0.5,
    decay_fn="1-sqrt",
    decay_power=0.5,
    decay_ratio=0.1,
    **common,
):
    stable_steps = t_initial - decay_t
    common = {"warmup_prefix": True, **common}
    warmup_t = common.get("warmup_t", 0)
    if stable_fn == "constant":
        alpha = lr_min / lr
        flat = s.warmup_stable_decay(lr, lr, 0, stable_steps, decay_t, decay_fn, alpha)
        if warmup_t == 0:
            return _timm(flat, lr, **common)
        start = common.pop("warmup_lr_init", 0.0)
        whole = flat.replace(initial_learning_rate=start, warmup_steps=warmup_t)
        return _timm(whole, lr, **{**common, "warmup_t": 0})
    if stable_fn not in ("rsqrt", "power") or lr_min != 0:
        raise _missing(f"stable_fn={stable_fn!r} with lr_min={lr_min}")
    timescale = warmup_t if stable_timescale is None else stable_timescale
    falling = (
        s.inverse_sqrt(lr, timescale)
        if stable_fn == "rsqrt"
        else s.power(lr, timescale, stable_power)
    )
    if t_initial < _ENDLESS:
        end = s.warmup_stable_decay(0.0, 1.0, 0, stable_steps, decay_t, decay_fn)
        falling = c.product([falling, end])
    return _timm(falling, lr, **common)


# Reading a text ---------------------------------------------------------------

_OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}

_TAKE_FUNCTIONS = ("LambdaLR", "MultiplicativeLR")
_TAKE_RESULTS = (
    *("GreedyLR", "PlateauLRScheduler", "ReduceLROnPlateau"),
    *("get_greedy_schedule", "get_reduce_on_plateau_schedule", "reduce_on_plateau"),
)


def _number(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return value


class _Reader:
    """Turns the syntax tree of a text into values."""

    def __init__(self, learning_rate: Any = None) -> None:
        self.names: dict[str, Any] = {}
        self.learning_rate = learning_rate

    def value(self, node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=bool() | int() | float() | str() | None as value):
                return value
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.value(item) for item in items]
            case ast.Dict(keys=keys, values=values) if all(keys):
                pairs = zip(keys, values, strict=True)
                return {self.value(k): self.value(v) for k, v in pairs if k}
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return self.arithmetic(op, self.value(left), self.value(right))
            case ast.UnaryOp(op=op, operand=operand) if type(op) in _OPERATORS:
                return self.arithmetic(op, self.value(operand))
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.Call():
                return self.call(node)
        raise ValueError(f"cannot read {ast.unparse(node)!r}: only numbers and calls")

    def arithmetic(self, op: ast.AST, *values: Any) -> Any:
        numbers = [_number(value) for value in values]
        if isinstance(op, ast.Pow):  # 9**9**9 would take for ever in whole numbers
            result = float(numbers[0]) ** float(numbers[1])
            if isinstance(result, complex):
                raise ValueError(f"{values[0]} ** {values[1]} is no real number")
            whole = all(isinstance(n, int) for n in numbers) and abs(result) < 2**53
            return int(result) if whole and numbers[1] >= 0 else result
        return _OPERATORS[type(op)](*numbers)

    def call(self, node: ast.Call) -> Any:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in ("int", "float") and len(node.args) == 1 and not node.keywords:
            return {"int": int, "float": float}[name](_number(self.value(node.args[0])))
        if isinstance(self.names.get(name), Schedule) and len(node.args) == 1:
            return self.names[name](_number(self.value(node.args[0])))
        if name in _TAKE_FUNCTIONS:
            raise _missing(f"{name} takes a function, which is not read")
        if name in _TAKE_RESULTS:
            raise _missing(f"{name} follows results, as lrlib.Plateau does")
        if name not in _CALLS:
            raise LookupError(f"no schedule that lrlib knows: {name}")
        arguments = [a for a in node.args if not self.is_optimizer(a)]
        positional = [self.value(argument) for argument in arguments]
        if any(keyword.arg is None for keyword in node.keywords):
            raise ValueError(f"cannot read {ast.unparse(node)!r}: it unpacks something")
        given = {
            str(keyword.arg): self.value(keyword.value)
            for keyword in node.keywords
            if keyword.arg != "optimizer"
        }
        make = _CALLS[name]
        if next(iter(inspect.signature(make).parameters)) == "lr":
            if self.learning_rate is None:
                raise ValueError(
                    f"{name} multiplies the optimizer's rate: add it, as in "
                    f'"{name}(...), lr=0.1"'
                )
            if "lr" in given:
                raise ValueError(f"{name}: unexpected lr; write it after the call")
            positional = [self.learning_rate, *positional]
        return _bound(make, positional, given)

    def is_optimizer(self, node: ast.AST) -> bool:
        name = ast.unparse(node).rpartition(".")[2]
        is_name = isinstance(node, ast.Name | ast.Attribute)
        return is_name and "opt" in name and name not in self.names


def _bound(
    make: Callable[..., Any], positional: Sequence[Any], given: Mapping[str, Any]
) -> Any:
    """Call `make`; whatever is wrong with the arguments names the call."""
    try:
        arguments = {**given}
        if arguments.pop("last_epoch", -1) != -1:
            raise ValueError("last_epoch: only a whole schedule can be converted")
        inspect.signature(make).bind(*positional, **arguments)
        return make(*positional, **arguments)
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        words = f"{make.__name__}: {error}"
        raise ValueError(words) from error


def _read(text: str, steps: int | None) -> Schedule:
    try:
        outer = ast.parse(f"_({text}\n)", mode="eval").body
        module = None
    except SyntaxError:
        module = ast.parse(text)
    if module is None:
        match outer:
            case ast.Call(args=[call], keywords=keywords):
                given = {keyword.arg: keyword.value for keyword in keywords}
            case _:
                raise ValueError("write one call, as in 'StepLR(30), lr=0.1'")
        reader = _Reader()
        if unknown := [str(name) for name in given if name != "lr"]:
            raise ValueError(f"only lr can stand after the call, got {unknown[0]}")
        if "lr" in given:
            reader.learning_rate = _number(reader.value(given["lr"]))
        result = reader.value(call)
    else:
        result = _read_module(module)
    if not isinstance(result, Schedule | _Wave):
        raise ValueError(f"{text.strip()!r} is no schedule")
    return _settled(result, steps)


def _read_module(module: ast.Module) -> Any:
    """Return what the last assignment of a whole text is."""
    reader = _Reader()
    last = None
    for statement in module.body:
        match statement:
            case ast.Import() | ast.ImportFrom():
                continue
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call) if (
                "opt" in name
            ):
                rates = [k.value for k in call.keywords if k.arg == "lr"]
                if len(rates) != 1:
                    raise ValueError(f"{ast.unparse(call)!r} has no lr=")
                reader.learning_rate = _number(reader.value(rates[0]))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                last = reader.names[name] = reader.value(value)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                raise _missing(f"{name} is code, which is not read; only calls are")
            case _:
                raise ValueError(f"cannot read {ast.unparse(statement)!r}")
    return last


def _from_keras(schedule: Any) -> Schedule:
    from lrlib.libraries import keras as keras_schedules

    if isinstance(schedule, keras_schedules.FormulaSchedule):
        return schedule.schedule
    made_by = type(schedule)
    if not made_by.__module__.startswith("keras.") or made_by.__name__ not in _CALLS:
        raise LookupError(f"no schedule that lrlib knows: {made_by.__name__}")
    return _bound(_CALLS[made_by.__name__], [], schedule.get_config())


def convert(schedule_or_call: Any, *, steps: int | None = None) -> Schedule:
    """Return the lrlib schedule that makes the same curve as another library's.

    A text is parsed and never run. It holds one call; for schedulers of PyTorch,
    Transformers and timm, which multiply the optimizer's rate, followed by that:
    `"StepLR(30, gamma=0.5), lr=0.1"`. The calls in a `SequentialLR` or an
    `optax.join_schedules` are read as well, and so are the texts that
    `Schedule.code` writes, unless they are formulas.

    The schedule follows the other one also past its end: PyTorch's and Transformers'
    cosines, for example, rise again. If training ends before that, say so by `steps`,
    and the schedule is the plain decay. One exception: `OneCycleLR`, which raises
    after its last step, stays flat there.

    Args:
        schedule_or_call: a Keras `LearningRateSchedule`, or a text.
        steps: how many updates the training has, at least 1.

    Raises:
        LookupError: a call that lrlib does not know, or whose curve it does not have.
        ValueError: the text cannot be read, or an argument is wrong.
        TypeError: neither a Keras schedule nor a text.

    >>> import lrlib
    >>> lrlib.convert("StepLR(30, gamma=0.5), lr=0.1")
    step(initial_learning_rate=0.1, decay_steps=30, decay_rate=0.5)
    >>> lrlib.convert("CosineAnnealingLR(T_max=9, eta_min=0.01), lr=0.1", steps=9)
    cosine_annealing(initial_learning_rate=0.1, decay_steps=9, end_learning_rate=0.01)
    >>> lrlib.convert("CosineAnnealingLR(T_max=100), lr=0.1")([100, 150, 200])
    array([0.  , 0.05, 0.1 ])

    """
    if steps is not None:
        steps = check_whole("steps", steps, low=1)
    if isinstance(schedule_or_call, str):
        try:
            return _read(schedule_or_call, steps)
        except (ArithmeticError, MemoryError, RecursionError, SyntaxError) as error:
            raise ValueError(f"cannot read the text: {error}") from None
    if isinstance(schedule_or_call, Schedule):
        return schedule_or_call
    if "keras" in sys.modules:
        from lrlib.libraries import keras as keras_schedules

        if keras_schedules.is_keras_schedule(schedule_or_call):
            return _from_keras(schedule_or_call)
    raise TypeError(
        "schedule_or_call must be a Keras schedule or the text of a call, "
        f"got {schedule_or_call!r}"
    )
