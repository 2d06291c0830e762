"""PyTorch: what its calls make, and how it makes a schedule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sympy import And, Eq, Gt, Le, Not, floor

from lrlib.libraries.arithmetic import Refused, exact
from lrlib.libraries.by_formula import of_expression
from lrlib.libraries.meanings import (
    Wave,
    expression,
    m,
    missing,
    staircase,
)
from lrlib.libraries.ways import (
    WAYS,
    Call,
    Entry,
    Native,
    geometric,
    in_template,
    inner,
    native,
    number,
    own_arguments,
)
from lrlib.schedules import composition as c
from lrlib.schedules.schedule import Schedule

# What its calls make ----

ROWS = {
    "StepLR(step_size, gamma=0.1)": "step(lr, step_size, gamma)",
    "MultiStepLR(milestones, gamma=0.1)": "stairs(lr, milestones, gamma)",
    "ConstantLR(factor=1/3, total_iters=5)": "torch_constant(lr, factor, total_iters)",
    "LinearLR(start_factor=1/3, end_factor=1.0, total_iters=5)": "line"
    "(lr * start_factor, lr * end_factor, total_iters)",
    "ExponentialLR(gamma)": "exponential(lr, 1, gamma)",
    "PolynomialLR(total_iters=5, power=1.0)": "polynomial(lr, total_iters, 0.0, power)",
    "CosineAnnealingLR(T_max, eta_min=0.0)": "wave(lr, T_max, eta_min)",
    "CosineAnnealingWarmRestarts(T_0, T_mult=1, eta_min=0.0)": "torch_restarts"
    "(lr, T_0, T_mult, eta_min)",
    "OneCycleLR(max_lr, total_steps=None, epochs=None, steps_per_epoch=None, "
    "pct_start=0.3, anneal_strategy='cos', cycle_momentum=True, base_momentum=0.85, "
    "max_momentum=0.95, div_factor=25.0, final_div_factor=1e4, three_phase=False)": (
        "one_cycle(alone(max_lr), length(total_steps, epochs, steps_per_epoch), "
        "pct_start, anneal_strategy, div_factor, final_div_factor, three_phase)"
    ),
    "CyclicLR(base_lr, max_lr, step_size_up=2000, step_size_down=None, "
    "mode='triangular', gamma=1.0, scale_fn=None, scale_mode='cycle', "
    "cycle_momentum=True, base_momentum=0.8, max_momentum=0.9)": "torch_cyclic"
    "(alone(base_lr), alone(max_lr), step_size_up, step_size_down, mode, gamma, "
    "scale_fn)",
    "SequentialLR(schedulers, milestones)": "sequence(schedulers, milestones)",
    "ChainedScheduler(schedulers)": "chained(lr, schedulers)",
}


def torch_constant(lr: float, factor: float, steps: int) -> Schedule:
    """Return a fraction of the rate for some steps, then the rate."""
    if factor == 1 or steps <= 0:  # without steps it never comes to an end
        return m["constant"](lr * factor)
    return staircase([steps - 1], [lr * factor, lr])


def torch_restarts(lr: float, first: float, t_mult: int, floor: float) -> Schedule:
    """Return PyTorch's restarts, whose floor is a rate."""
    if not isinstance(t_mult, int) or t_mult < 1:
        raise ValueError(f"T_mult must be a whole number of at least 1, got {t_mult!r}")
    if lr > 0 and 0 <= floor <= lr:
        return m["cosine_restarts"](lr, first, t_mult, 1.0, floor / lr)
    shape = expression(m["cosine_restarts"](1.0, first, t_mult, 1.0, 0.0))
    return of_expression(exact(floor) + exact(lr - floor) * shape)


def alone(rate: Any) -> Any:
    """Return a rate that may be given as a list, one for each group."""
    if not isinstance(rate, list):
        return rate
    if len(set(rate)) == 1:
        return rate[0]
    raise Refused(f"each group of weights has a rate of its own, {rate}: keep one")


def length(total: Any, epochs: Any, steps_per_epoch: Any) -> Any:
    """Return total_steps of OneCycleLR, however it is given."""
    if total is not None:
        return total
    if epochs is None or steps_per_epoch is None:
        raise ValueError("give total_steps, or epochs and steps_per_epoch")
    return epochs * steps_per_epoch


def torch_cyclic(
    base: float, peak: float, up: float, down: Any, mode: str, gamma: float, scale: Any
) -> Schedule:
    """Return PyTorch's cyclic schedule."""
    if scale is not None:
        raise missing("CyclicLR with a scale_fn")
    return m["cyclic"](base, peak, up, up if down is None else down, mode, gamma)


def chained(lr: float, schedules: Any) -> Schedule:
    """Return PyTorch's product of schedulers that multiply the rate by a factor."""
    if not isinstance(schedules, list) or not schedules:
        raise ValueError("ChainedScheduler: give a list of schedulers")
    for each in schedules:
        if isinstance(each, Wave):
            raise missing("ChainedScheduler with a cosine")
        if each.name in ("cosine_restarts", "one_cycle", "cyclic", "join"):
            raise missing(f"ChainedScheduler with what sets the rate, {each.name}")
    first, *others = schedules
    if not others:
        return first
    return c.product([first, *(each * (1 / lr) for each in others)])


#: What the rows call.
MEANINGS = {
    "torch_constant": torch_constant,
    "torch_restarts": torch_restarts,
    "alone": alone,
    "length": length,
    "torch_cyclic": torch_cyclic,
    "chained": chained,
}


# How it makes a schedule ----


def _torch_piecewise_constant(schedule: Schedule) -> Native:
    boundaries = own_arguments(schedule)["boundaries"]
    call = Call(
        "MultiStepLR",
        {
            "milestones": [f"{b} + 1" for b in boundaries],
            "gamma": "{values.1} / {values.0}",
        },
    )
    return Native(call, lr="{values.0}", when=geometric(schedule))


def _torch_polynomial(schedule: Schedule) -> list[Native]:
    if schedule.params["cycle"]:
        return []
    way = native("PolynomialLR", total_iters="{decay_steps}", power="{power}")
    return [replace(way, when=Eq(number("end_learning_rate"), 0))]


def _torch_cosine(eta_min: str) -> Native:
    call = Call("CosineAnnealingLR", {"T_max": "{decay_steps}", "eta_min": eta_min})
    note = "PyTorch's cosine rises again after T_max steps: stop there."
    return Native(call, until=number("decay_steps"), note=note)


def _torch_one_cycle(schedule: Schedule) -> Native:
    arguments = {**own_arguments(schedule), "cycle_momentum": "False"}
    return Native(
        Call("OneCycleLR", arguments),
        lr="{max_lr}",
        # A first phase of no length is divided by.
        when=Not(Eq(number("pct_start") * number("total_steps"), 1))
        & Gt(number("total_steps"), 1),
        until=number("total_steps") - 1,
        note="After total_steps updates the scheduler must not be stepped any more.",
    )


def _torch_cyclic(schedule: Schedule) -> Native:
    arguments = {**own_arguments(schedule), "cycle_momentum": "False"}
    return Native(Call("CyclicLR", arguments), lr="{base_lr}")


def _sequential(start: str, steps: str, after: Native) -> Native:
    """PyTorch's warm-up: one scheduler after another."""
    climb = Call(
        "LinearLR", {"start_factor": f"{start} / {after.lr}", "total_iters": steps}
    )
    sequence = {"schedulers": [climb, after.call], "milestones": [steps]}
    first, last = in_template(start), in_template(after.lr)
    return replace(
        after,
        call=Call("SequentialLR", sequence),
        # LinearLR starts neither from 0 nor from above.
        when=And(after.when, Gt(first, 0), Le(first, last)),
        until=in_template(steps) + after.until,
    )


def _torch_warmup(schedule: Schedule) -> list[Native]:
    # Schedulers that set the optimizer's rate themselves cannot follow another.
    return [
        _sequential("{start}", "{steps}", within)
        for within in inner("pytorch", schedule.params["schedule"], "schedule.")
        if within.call.name in _TORCH_FOLLOWS
    ]


_TORCH_FOLLOWS = (
    *("ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts"),
    *("ExponentialLR", "MultiStepLR", "PolynomialLR", "StepLR"),
)

_PYTORCH: dict[str, Entry] = {
    "constant": native("ConstantLR", factor="1.0"),
    "exponential": native("ExponentialLR", gamma="{decay_rate} ** (1 / {decay_steps})"),
    "step": native("StepLR", step_size="{decay_steps}", gamma="{decay_rate}"),
    "piecewise_constant": _torch_piecewise_constant,
    "linear": replace(
        native(
            "LinearLR",
            start_factor="1.0",
            end_factor="{end_learning_rate} / {initial_learning_rate}",
            total_iters="{decay_steps}",
        ),
        when=Le(number("end_learning_rate"), number("initial_learning_rate")),
    ),
    "polynomial": _torch_polynomial,
    "cosine": _torch_cosine("{alpha} * {initial_learning_rate}"),
    "cosine_annealing": _torch_cosine("{end_learning_rate}"),
    "warmup_cosine": _sequential(
        "{initial_learning_rate}",
        "{warmup_steps}",
        replace(_torch_cosine("{alpha} * {warmup_target}"), lr="{warmup_target}"),
    ),
    "cosine_restarts": replace(
        native(
            "CosineAnnealingWarmRestarts",
            T_0="{first_decay_steps}",
            T_mult="int({t_mul})",
            eta_min="{alpha} * {initial_learning_rate}",
        ),
        when=Eq(number("m_mul"), 1) & Eq(floor(number("t_mul")), number("t_mul")),
    ),
    "one_cycle": _torch_one_cycle,
    "cyclic": _torch_cyclic,
    "warmup": _torch_warmup,
}

WAYS["pytorch"] = _PYTORCH
