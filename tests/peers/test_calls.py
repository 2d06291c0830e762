"""Calls of the other libraries: what they do, and that convert does the same."""

from __future__ import annotations

import numpy as np
import optax.contrib
import torch
from libraries import of_call

import lrlib

STEPS = 30

CALLS = """
StepLR(4, gamma=0.5), lr=1.0
MultiStepLR([3, 6], 0.5), lr=1.0
MultiStepLR(milestones=[0, 3, 3, 4], gamma=0.5), lr=1.0
ConstantLR(factor=0.25, total_iters=4), lr=1.0
LinearLR(0.25, 1.0, 4), lr=1.0
ExponentialLR(0.9), lr=1.0
PolynomialLR(8, 2.0), lr=1.0
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

#: No schedule of lrlib follows these; the book shows them.
SHOWN = """
CosineLRScheduler(10, lr_min=0.1, warmup_t=3), lr=1.0
""".strip().splitlines()


def test_a_converted_call_makes_the_same_curve(golden):
    seen = []
    for text in [*CALLS, *SHOWN]:
        rates = of_call(text, STEPS)
        if text in CALLS:
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
