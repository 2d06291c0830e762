"""Calls of the other libraries: what they do, and that convert does the same."""

from __future__ import annotations

import os
import random

import numpy as np
import optax.contrib
import pytest
import torch
from libraries import of_call

import lrlib
from lrlib.libraries.names import rows

STEPS = 30

CALLS = """
StepLR(4, gamma=0.5), lr=1.0
MultiStepLR([3, 6], 0.5), lr=1.0
MultiStepLR(milestones=[0, 3, 3, 4], gamma=0.5), lr=1.0
ConstantLR(factor=0.25, total_iters=4), lr=1.0
ConstantLR(factor=0.25, total_iters=4.5), lr=1.0
LinearLR(0.25, 1.0, 4), lr=1.0
LinearLR(0.25, 1.0, 4.5), lr=1.0
ExponentialLR(0.9), lr=1.0
PolynomialLR(8, 2.0), lr=1.0
PolynomialLR(6.5, 2.0), lr=1.0
CosineAnnealingLR(8, 0.1), lr=1.0
CosineAnnealingWarmRestarts(3, 2, 0.1), lr=1.0
CosineAnnealingWarmRestarts(5), lr=1.0
OneCycleLR(max_lr=1.0, total_steps=10)
OneCycleLR(max_lr=1.0, total_steps=10, anneal_strategy='linear')
OneCycleLR(1.0, epochs=3, steps_per_epoch=5, three_phase=True)
CyclicLR(0.1, 1.0, 2, 4)
CyclicLR(0.1, 1.0, 2, mode='triangular2')
CyclicLR(0.1, 1.0, 2, mode='exp_range', gamma=0.9)
SequentialLR([LinearLR(0.25, 1.0, 4), CosineAnnealingLR(8)], [4]), lr=1.0
ChainedScheduler([ConstantLR(0.1, 2), ExponentialLR(0.9)]), lr=1.0
optax.constant_schedule(0.5)
optax.linear_schedule(0.0, 1.0, 8)
optax.polynomial_schedule(1.0, 0.1, 2, 8, transition_begin=2)
optax.piecewise_constant_schedule(1.0, {3: 0.5, 6: 0.2})
optax.piecewise_constant_schedule(1.0, {0: 0.5, 6: 0.2})
optax.piecewise_interpolate_schedule('cosine', 1.0, {4: 0.5, 8: 0.2})
optax.exponential_decay(1.0, 4, 0.5, transition_begin=2, end_value=0.3)
optax.exponential_decay(1.0, 4, 1.5, staircase=True, end_value=2.0)
optax.cosine_decay_schedule(1.0, 8, 0.1)
optax.cosine_decay_schedule(1.0, 8, exponent=2.0)
optax.warmup_constant_schedule(0.1, 1.0, 4)
optax.warmup_cosine_decay_schedule(0.2, 1.0, 3, 11, 0.1)
optax.warmup_cosine_decay_schedule(0.2, 1.0, 3, 11, 0.1, exponent=2.0)
optax.warmup_exponential_decay_schedule(0.1, 1.0, 3, 4, 0.5, end_value=0.2)
optax.cosine_onecycle_schedule(10, 1.0)
optax.linear_onecycle_schedule(10, 1.0)
optax.sgdr_schedule([{'init_value': 0.0, 'peak_value': 1.0, 'decay_steps': 6, \
'warmup_steps': 2}, {'init_value': 0.1, 'peak_value': 0.5, 'decay_steps': 8, \
'warmup_steps': 3}])
optax.join_schedules([optax.constant_schedule(0.5), \
optax.linear_schedule(1, 0, 5)], [4])
get_constant_schedule(), lr=1.0
get_scheduler('constant_with_warmup', num_warmup_steps=4), lr=1.0
get_linear_schedule_with_warmup(3, 11), lr=1.0
get_scheduler('cosine', num_warmup_steps=3, num_training_steps=11), lr=1.0
get_cosine_schedule_with_warmup(3, 11, num_cycles=1), lr=1.0
get_cosine_with_hard_restarts_schedule_with_warmup(3, 11, num_cycles=2), lr=1.0
get_cosine_with_hard_restarts_schedule_with_warmup(3, 11), lr=1.0
get_polynomial_decay_schedule_with_warmup(3, 11, lr_end=0.1, power=2), lr=1.0
get_inverse_sqrt_schedule(4), lr=1.0
get_inverse_sqrt_schedule(4, timescale=9), lr=1.0
get_cosine_with_min_lr_schedule_with_warmup(3, 11, min_lr=0.1), lr=1.0
get_cosine_with_min_lr_schedule_with_warmup_lr_rate(3, 11, min_lr=0.1), lr=1.0
get_cosine_with_min_lr_schedule_with_warmup_lr_rate(3, 11, min_lr_rate=0.1, \
warmup_lr_rate=0.2), lr=1.0
get_wsd_schedule(3, 4, num_stable_steps=4, min_lr_ratio=0.1), lr=1.0
get_wsd_schedule(3, 4, num_training_steps=11, decay_type='1-sqrt'), lr=1.0
StepLRScheduler(4, 0.5, warmup_t=3), lr=1.0
MultiStepLRScheduler([3, 6], 0.5), lr=1.0
CosineLRScheduler(10, lr_min=0.1), lr=1.0
CosineLRScheduler(10, lr_min=0.1, warmup_t=3), lr=1.0
CosineLRScheduler(8, lr_min=0.1, warmup_t=3, warmup_prefix=True), lr=1.0
CosineLRScheduler(8, lr_min=0.1, k_decay=2.0), lr=1.0
CosineLRScheduler(4, lr_min=0.1, cycle_mul=2.0, cycle_decay=0.5, cycle_limit=2), lr=1.0
TanhLRScheduler(10), lr=1.0
TanhLRScheduler(10, lb=-1.0, ub=2.0, warmup_t=3, warmup_prefix=True), lr=1.0
PolyLRScheduler(8), lr=1.0
PolyLRScheduler(8, power=1.0, k_decay=2.0, cycle_limit=2, cycle_decay=0.5), lr=1.0
WSDLRScheduler(8, 4, lr_min=0.1, warmup_t=3), lr=1.0
WSDLRScheduler(8, 4, stable_fn='rsqrt', warmup_t=3, decay_fn='linear'), lr=1.0
WSDLRScheduler(10**9, 1, stable_fn='power', stable_timescale=5), lr=1.0
""".strip().splitlines()


def test_a_converted_call_makes_the_same_curve(golden):
    seen = []
    for text in CALLS:
        rates = of_call(text, STEPS)
        runs = np.isfinite(rates)
        if "OneCycleLR" in text:  # which climbs once more before it raises
            runs[np.count_nonzero(runs) - 1 :] = False
        np.testing.assert_allclose(
            lrlib.convert(text)(np.arange(STEPS))[runs],
            rates[runs],
            rtol=0,
            atol=2e-6 * np.nanmax(rates),
            err_msg=text,
        )
        shown = [float(f"{rate:.5g}") if rate == rate else None for rate in rates]
        seen.append({"call": text, "rates": shown})
    golden("calls.json", seen)


@pytest.mark.parametrize(
    "call",
    [
        "ConstantLR(factor=1.5)",
        "ConstantLR(factor=-0.1)",
        "ConstantLR(factor=0.0, total_iters=3)",
        "LinearLR(start_factor=0.0)",
        "LinearLR(start_factor=1.5)",
        "LinearLR(0.5, end_factor=1.5)",
        "LinearLR(0.5, end_factor=-0.1)",
        "PolynomialLR(4, power=-1)",
        "StepLR(0)",
        "CosineAnnealingLR(0)",
        "CosineAnnealingWarmRestarts(2.5)",
        "CosineAnnealingWarmRestarts(3.0)",
        "CosineAnnealingWarmRestarts(3, T_mult=1.5)",
        "OneCycleLR(1.0, total_steps=40.0)",
        "OneCycleLR(1.0, epochs=4, steps_per_epoch=20 / 3)",
        "OneCycleLR(1.0, epochs=2)",
        "OneCycleLR(1.0, 40, pct_start=1)",
        "OneCycleLR(1.0, 40, pct_start=1.2)",
        "OneCycleLR(1.0, 40, anneal_strategy='cosine')",
        "CyclicLR(0.1, 1.0, 0)",
        "CyclicLR(0.1, 1.0, mode='cosine')",
        "SequentialLR([StepLR(3)], [3])",
        "ChainedScheduler([])",
    ],
)
def test_convert_refuses_what_PyTorch_refuses(call):
    with pytest.raises((LookupError, TypeError, ValueError)):
        lrlib.convert(f"{call}, lr=0.1")
    try:
        rates = of_call(f"{call}, lr=0.1", STEPS)
    except (ArithmeticError, TypeError, ValueError):
        return
    assert np.isnan(rates[-1])  # it raises on the way


@pytest.mark.parametrize("call", ["ConstantLR(0.5)", "MultiStepLR([3])", "StepLR(3)"])
def test_convert_refuses_a_rate_that_PyTorch_refuses(call):
    with pytest.raises((LookupError, ValueError)):
        lrlib.convert(f"{call}, lr=-0.1")
    with pytest.raises(ValueError, match="Invalid learning rate"):
        of_call(f"{call}, lr=-0.1", STEPS)


class Code(str):
    """An argument that is a call."""

    def __repr__(self) -> str:
        return str(self)


def cycle(start: float, peak: float, steps: int, warmup: int, **more: float) -> dict:
    named = {"init_value": start, "peak_value": peak, "decay_steps": steps}
    return {**named, "warmup_steps": warmup, **more}


#: What the parameters of one call may be given.
PARTICULAR = {
    "ChainedScheduler": {
        "schedulers": (
            Code("[ConstantLR(0.1, 2), ExponentialLR(0.9)]"),
            Code("[StepLR(3), LinearLR(0.5, 1.0, 5), PolynomialLR(9, 2.0)]"),
            Code("[MultiStepLR([0, 4])]"),
        )
    },
    "OneCycleLR": {
        "total_steps": (31, 45),
        "epochs": (4, 8),
        "steps_per_epoch": (8, 10),
        "div_factor": (25.0, 1.0, 2.0),
    },
    "SequentialLR": {
        "schedulers": (
            Code("[LinearLR(0.25, 1.0, 4), CosineAnnealingLR(8)]"),
            Code("[ConstantLR(0.1, 3), StepLR(2)]"),
            Code("[ExponentialLR(0.9), PolynomialLR(5)]"),
            Code("[StepLR(2), ExponentialLR(0.9)]"),
        ),
        "milestones": ([4], [7], [1]),
    },
    "StepLRScheduler": {"decay_t": (1, 4, 2.5)},
    "create_scheduler_v2": {
        "sched": (
            *("cosine", "tanh", "poly", "step", "multistep", "wsd", "rsqrt"),
            "constant",
        ),
        "num_epochs": (5, 12, 40),
        "decay_epochs": (3, 7, 2.5),
        "decay_milestones": ([3, 8], [5]),
        "warmup_epochs": (0, 1, 4),
    },
    "get_wsd_schedule": {
        "warmup_type": ("linear", "cosine"),
        "decay_type": ("linear", "cosine", "1-sqrt"),
        "num_stable_steps": (0, 5, 9),
    },
    "sgdr_schedule": {
        "cosine_kwargs": (
            [cycle(0.0, 1.0, 6, 2), cycle(0.1, 0.5, 8, 3)],
            [cycle(0.1, 1.0, 5, 0), cycle(0.0, 1.0, 9, 1, end_value=0.1)],
            [cycle(0.5, 0.25, 7, 3, exponent=2.0)],
        )
    },
}
#: What a parameter may be given, by a part of its name; the first that fits.
EDGES = {
    "milestones": ([3], [0, 3], [3, 3, 7], [2.5, 4], [2.0, 6.0], [7, 3], []),
    "decay_t": ([3], [1, 2, 9], [5]),
    "boundaries_and_scales": ({3: 0.5}, {0: 0.5, 4: 2.0}, {}, {2: 0.0}, None),
    "interpolate": ("linear", "cosine"),
    "strategy": ("cos", "linear"),
    "staircase": (False, True),
    "prefix": (False, True),
    "three_phase": (False, True),
    "cycle_limit": (1, 2, 3),
    "cycle_mul": (1.0, 2.0, 1.5),
    "cycle_decay": (1.0, 0.5),
    "num_cycles": (0.5, 1, 2, 1.5),
    "T_mult": (1, 2, 3),
    "pct": (0.3, 0.5, 0.2),
    "rate_": (0.5, 0.1),
    "power": (1.0, 2.0, 0.5),
    "exponent": (1.0, 2.0),
    "factor": (1.0, 0.5, 0.1, 25.0),
    "gamma": (0.5, 0.9, 1.0, 1.5),
    "rate": (0.5, 1.0, 1.5, 0.9),
    "k_decay": (1.0, 2.0),
    "alpha": (0.0, 0.1, 1.0, 2.0),
    "lb": (-7.0, -1.0),
    "ub": (3.0, 1.0),
    "warmup_lr": (0.0, 0.01),
    "lr": (0.0, 0.01, 0.5),
    "value": (0.0, 0.1, 1.0, 0.01),
    "eta_min": (0.0, 0.1, 2.0),
    "begin": (0, 2),
    "warmup": (0, 1, 4, 2.5),
    "T_": (1, 2, 7, 10),
    "step": (1, 2, 7, 12),
    "iters": (0, 1, 5),
    "initial": (1, 5, 9, 6.5),
}
DRAWN = (
    *("StepLR", "MultiStepLR", "ConstantLR", "LinearLR", "ExponentialLR"),
    *("PolynomialLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CyclicLR"),
    *("linear_schedule", "polynomial_schedule", "piecewise_constant_schedule"),
    *("piecewise_interpolate_schedule", "exponential_decay", "cosine_decay_schedule"),
    *("warmup_constant_schedule", "warmup_cosine_decay_schedule"),
    *("warmup_exponential_decay_schedule", "get_linear_schedule_with_warmup"),
    *("get_constant_schedule_with_warmup", "get_cosine_schedule_with_warmup"),
    *("get_cosine_with_hard_restarts_schedule_with_warmup",),
    *("get_polynomial_decay_schedule_with_warmup", "CosineLRScheduler"),
    *("TanhLRScheduler", "PolyLRScheduler", "StepLRScheduler", "MultiStepLRScheduler"),
    *sorted(PARTICULAR.keys() - {"StepLRScheduler"}),
)
LEFT_OUT = (
    "last_epoch",
    "verbose",
    "name",
    "noise",
    "momentum",
    "t_in_epochs",
    "scale_",
)


def drawn_call(name: str, dice: random.Random) -> str:
    """Return a call with arguments at their edges, those without a default always."""
    row, given = rows()[name], {}
    for parameter in row.signature.parameters.values():
        if any(word in parameter.name for word in LEFT_OUT) or parameter.name == "mode":
            continue
        edges = [*PARTICULAR.get(name, {}).items(), *EDGES.items()]
        choices = next((v for k, v in edges if k in parameter.name), None)
        needed = parameter.default is parameter.empty
        if choices and (needed or dice.random() < 0.5):
            given[parameter.name] = dice.choice(choices)
    arguments = ", ".join(f"{k}={v!r}" for k, v in given.items())
    optax_s = "optax." if row.library == "optax" else ""
    return f"{optax_s}{name}({arguments})" + ("" if optax_s else ", lr=1.0")


@pytest.mark.parametrize("name", DRAWN)
def test_edge_arguments_make_the_same_curve_or_are_refused(name):
    dice, read = random.Random(name), 0
    for _ in range(int(os.environ.get("LRLIB_DRAWS", 12))):
        text = drawn_call(name, dice)
        try:
            rates = of_call(text, STEPS)
        except Exception:  # the library refuses it, whatever its error
            continue
        if not np.isfinite(rates).all():
            continue
        try:
            schedule = lrlib.convert(text)
        except (LookupError, ValueError):
            continue
        read += 1
        np.testing.assert_allclose(
            schedule(np.arange(STEPS)),
            rates,
            rtol=0,
            atol=3e-6 * max(np.abs(rates).max(), 1e-9),
            err_msg=text,
        )
    assert read >= 3


def test_plateau(golden):
    """Record the rates while the loss never falls."""
    epochs, seen = 16, []
    for patience, cooldown in [(1, 0), (2, 0), (2, 3)]:
        optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=1.0)
        torchs = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=patience, cooldown=cooldown
        )
        optaxs = optax.contrib.reduce_on_plateau(0.5, patience, cooldown=cooldown)
        state = optaxs.init({})
        rates = {"pytorch": [], "optax": []}
        for _ in range(epochs):
            rates["pytorch"].append(optimizer.param_groups[0]["lr"])
            rates["optax"].append(float(state.scale))
            torchs.step(1.0)
            _, state = optaxs.update({}, state, value=1.0)
        seen.append({"patience": patience, "cooldown": cooldown, **rates})
    golden("plateau.json", seen)
