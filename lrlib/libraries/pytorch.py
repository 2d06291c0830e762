"""PyTorch's schedulers: each call with what it makes."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from typing import Any

from sympy import And, Gt, Le

from lrlib.libraries.arithmetic import Refused
from lrlib.libraries.inverse import MORE, Way, plain, symbolic, ways
from lrlib.libraries.meanings import Wave, after, line, m, missing, staircase, whole
from lrlib.libraries.table import READ_ONLY, Library, form, row, word
from lrlib.schedules import composition as c
from lrlib.schedules.schedule import Schedule

LIBRARY = Library(
    "PyTorch",
    "torch.optim.lr_scheduler",
    stepping="Call scheduler.step() after every update.",
    also="last_epoch=-1, verbose=False",
)

ROWS = (
    row(
        "StepLR(step_size, gamma=0.1)",
        "step(lr, period(step_size), gamma)",
        form("step(lr, step_size, gamma)"),
    ),
    row(
        "MultiStepLR(milestones, gamma=0.1)",
        "stairs(lr, milestones, gamma)",
        needs="lr >= 0",
    ),
    row(
        "ConstantLR(factor=1/3, total_iters=5)",
        "torch_constant(lr, factor, total_iters)",
        form("constant(lr)", "factor=1.0"),
        needs="0 < factor <= 1 and lr >= 0",
    ),
    row(
        "LinearLR(start_factor=1/3, end_factor=1.0, total_iters=5)",
        "torch_line(lr * start_factor, lr * end_factor, total_iters)",
        form("linear(lr, total_iters, lr * end_factor)", "start_factor=1.0"),
        needs="0 < start_factor <= 1 and 0 <= end_factor <= 1",
        when="end_factor <= 1",
    ),
    row(
        "ExponentialLR(gamma)",
        "exponential(lr, 1, gamma)",
        form("exponential(lr, n, gamma**n)"),
    ),
    row(
        "PolynomialLR(total_iters=5, power=1.0)",
        "torch_polynomial(lr, total_iters, power)",
        form("polynomial(lr, total_iters, 0.0, power)"),
    ),
    row(
        "CosineAnnealingLR(T_max, eta_min=0.0)",
        "wave(lr, T_max, eta_min)",
        until="T_max",
        note="PyTorch's cosine rises again after T_max steps: stop there.",
    ),
    row(
        "CosineAnnealingWarmRestarts(T_0, T_mult=1, eta_min=0.0)",
        "cosine_restarts(lr, whole('T_0', T_0), whole('T_mult', T_mult), 1.0, "
        "eta_min / lr)",
        form("cosine_restarts(lr, T_0, T_mult, 1.0, eta_min / lr)"),
        always="T_mult=int(T_mult)",
        when="floor(T_mult) == T_mult",
    ),
    row(
        "OneCycleLR(max_lr, total_steps=None, epochs=None, steps_per_epoch=None, "
        "pct_start=0.3, anneal_strategy='cos', cycle_momentum=True, "
        "base_momentum=0.85, max_momentum=0.95, div_factor=25.0, "
        "final_div_factor=1e4, three_phase=False)",
        "one_cycle(alone(max_lr), length(total_steps, epochs, steps_per_epoch), "
        "share(pct_start), anneal_strategy, div_factor, final_div_factor, three_phase)",
        form(
            "one_cycle(max_lr, total_steps, pct_start, anneal_strategy, div_factor, "
            "final_div_factor, three_phase)"
        ),
        always="cycle_momentum=False",
        lr="max_lr",
        # A first phase of no length is divided by.
        when="pct_start * total_steps != 1 and total_steps > 1",
        until="total_steps - 1",
        note="After total_steps updates the scheduler must not be stepped any more.",
    ),
    row(
        "CyclicLR(base_lr, max_lr, step_size_up=2000, step_size_down=None, "
        "mode='triangular', gamma=1.0, scale_fn=None, scale_mode='cycle', "
        "cycle_momentum=True, base_momentum=0.8, max_momentum=0.9)",
        "refuse('CyclicLR with a scale_fn') if scale_fn else cyclic(alone(base_lr), "
        "alone(max_lr), step_size_up, step_size_up if step_size_down is None else "
        "step_size_down, mode, gamma)",
        form("cyclic(base_lr, max_lr, step_size_up, step_size_down, mode, gamma)"),
        always="cycle_momentum=False",
        lr="base_lr",
    ),
    # Read only: each of its schedulers has to start from the same rate.
    row(
        "SequentialLR(schedulers, milestones)",
        "sequence(schedulers, milestones)",
        READ_ONLY,
    ),
    row("ChainedScheduler(schedulers)", "chained(lr, schedulers)"),
)


@word
def torch_constant(lr: float, factor: float, steps: int) -> Schedule:
    """Return a fraction of the rate for some steps, then the rate."""
    if factor == 1 or steps <= 0 or steps != math.floor(steps):
        return m["constant"](lr * factor)  # that step never comes
    return staircase([steps - 1], [lr * factor, lr])


@word
def period(steps: float) -> float:
    """Return StepLR's period: it looks for steps that are multiples of it."""
    if isinstance(steps, float) and steps != math.floor(steps):
        raise Refused(
            f"StepLR cuts only at steps that are multiples of step_size; {steps} has "
            "few of them: give a whole number"
        )
    return steps


@word
def torch_line(first: float, last: float, steps: float) -> Schedule:
    """Return a line; one that takes 2.5 steps stops after the second."""
    taken = math.floor(steps)
    if taken == steps or steps <= 0:
        return line(first, last, steps)
    return line(first, first + (last - first) * taken / steps, taken)


@word
def torch_polynomial(lr: float, steps: float, power: float) -> Schedule:
    """Return a polynomial; one that takes 2.5 steps stops after the second."""
    decay, taken = m["polynomial"](lr, steps, 0.0, power), math.floor(steps)
    if taken == steps:
        return decay
    return after(taken, decay, m["constant"](decay(taken)))


@word
def alone(rate: Any) -> Any:
    """Return a rate that may be given as a list, one for each group."""
    if not isinstance(rate, list):
        return rate
    if len(set(rate)) == 1:
        return rate[0]
    raise Refused(f"each group of weights has a rate of its own, {rate}: keep one")


@word
def share(value: Any) -> float:
    """Return a share that must be a float: PyTorch refuses even 0 and 1."""
    if not isinstance(value, float) or not 0 <= value <= 1:
        raise ValueError(f"pct_start must be a float in [0, 1], got {value!r}")
    return value


@word
def length(total: Any, epochs: Any, steps_per_epoch: Any) -> Any:
    """Return total_steps of OneCycleLR, however it is given."""
    if total is not None:
        return whole("total_steps", total)
    if epochs is None or steps_per_epoch is None:
        raise ValueError("give total_steps, or epochs and steps_per_epoch")
    return whole("epochs", epochs) * whole("steps_per_epoch", steps_per_epoch)


@word
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


#: The schedulers that can follow another: the rest sets the optimizer's rate itself.
_FOLLOWS = (
    *("ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts"),
    *("ExponentialLR", "MultiStepLR", "PolynomialLR", "StepLR"),
)


def _warmup(given: dict[str, ast.expr]) -> list[Way]:
    """Put LinearLR in front, which starts neither from 0 nor from above."""
    start, steps = given["start"], given["steps"]
    found = []
    for way in ways("pytorch", given["schedule"]):
        if way.name not in _FOLLOWS:
            continue
        peak, first = symbolic(way.lr), symbolic(start)
        factor = f"{plain(start)} / {plain(way.lr)}"
        climb = Way("LinearLR", {"start_factor": factor, "total_iters": plain(steps)})
        found.append(
            replace(
                way,
                name="SequentialLR",
                arguments={"schedulers": [climb, way], "milestones": [plain(steps)]},
                when=And(way.when, Gt(first, 0), Le(first, peak)),
                until=symbolic(steps) + way.until,
            )
        )
    return found


MORE["pytorch"] = {
    "warmup": lambda given: (
        _warmup(given) if plain(given["shape"]) == '"linear"' else []
    )
}
