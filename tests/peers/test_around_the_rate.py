"""What decides beside the curve: when it moves, weight decay, momentum, thresholds."""

from __future__ import annotations

import inspect

import numpy as np
import optax
import optax.contrib
import pytest
import torch
from libraries import of_call, timm
from torch.optim import lr_scheduler

from lrlib.libraries.names import RATES


@pytest.mark.parametrize("name", sorted(RATES))
def test_an_optimizer_without_a_rate_has_that_of_PyTorch(name):
    parameters = inspect.signature(getattr(torch.optim, name)).parameters
    assert float(parameters["lr"].default) == RATES[name]


def rounded(values: list[float]) -> list[float]:
    return [float(f"{value:.5g}") for value in values]


@pytest.mark.parametrize(
    "make",
    [
        lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [3, 6], 0.5),
        lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 8, 0.1),
    ],
    ids=["MultiStepLR([3, 6], 0.5), lr=1.0", "CosineAnnealingLR(8, 0.1), lr=1.0"],
)
def test_a_step_after_each_epoch_holds_the_rate_for_an_epoch(make, request):
    optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=1.0)
    scheduler = make(optimizer)
    used = []
    for _ in range(13):
        for _ in range(4):
            used.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
        scheduler.step()
    text = request.node.callspec.id
    np.testing.assert_array_equal(used, np.repeat(of_call(text, 13), 4))


def test_documented_loops_step_after_each_epoch_but_for_two():
    per_batch = {
        name
        for name in (
            *("StepLR", "MultiStepLR", "ExponentialLR", "PolynomialLR", "LinearLR"),
            *("CosineAnnealingLR", "OneCycleLR", "CyclicLR"),
        )
        if "for batch in" in getattr(lr_scheduler, name).__doc__
    }
    assert per_batch == {"OneCycleLR", "CyclicLR"}


def test_timm_counts_epochs_unless_told():
    for name in ("Step", "MultiStep", "Cosine", "Tanh", "Poly", "WSD"):
        make = getattr(timm.scheduler, f"{name}LRScheduler")
        assert inspect.signature(make).parameters["t_in_epochs"].default is True


def test_weight_decay(golden):
    """Record a weight and a bias of 1 whose gradient is zero, over three updates."""
    seen = []
    for name, more in [("Adam", {}), ("AdamW", {}), ("SGD", {"momentum": 0.9})]:
        layer = torch.nn.Linear(1, 1)
        for parameter in layer.parameters():
            torch.nn.init.ones_(parameter)
            parameter.grad = torch.zeros_like(parameter)
        optimizer = getattr(torch.optim, name)(
            layer.parameters(), lr=0.1, weight_decay=0.5, **more
        )
        weights = []
        for _ in range(3):
            optimizer.step()
            assert layer.weight.item() == layer.bias.item()
            weights.append(layer.weight.item())
        seen.append({"optimizer": name, "weights": rounded(weights)})
    golden("weight_decay.json", seen)


def test_optax_adamw_decays_the_weight_itself():
    adamw = optax.adamw(0.1, weight_decay=0.5)
    update, _ = adamw.update(np.zeros(1), adamw.init(np.ones(1)), np.ones(1))
    np.testing.assert_allclose(update, -0.05, rtol=1e-6)


def test_default_weight_decays():
    def default(make):
        return inspect.signature(make).parameters["weight_decay"].default

    assert default(torch.optim.AdamW) == 0.01
    assert default(torch.optim.Adam) == default(torch.optim.SGD) == 0
    assert default(optax.adamw) == 0.0001


def test_one_cycle_moves_the_momentum(golden):
    seen = []
    for more in ({}, {"cycle_momentum": False}):
        optimizer = torch.optim.SGD(
            torch.nn.Linear(1, 1).parameters(), lr=0.1, momentum=0.9
        )
        scheduler = lr_scheduler.OneCycleLR(
            optimizer, max_lr=1.0, total_steps=10, **more
        )
        momenta = []
        for _ in range(10):
            momenta.append(optimizer.param_groups[0]["momentum"])
            optimizer.step()
            scheduler.step()
        cycled = more.get("cycle_momentum", True)
        seen.append({"cycle_momentum": cycled, "momentum": rounded(momenta)})
    golden("momentum.json", seen)


def test_plateau_threshold(golden):
    """Record the rates for a loss that falls a little at each epoch."""
    seen = []
    for loss, fall in [(100.0, 6e-4), (0.01, 5e-6)]:
        rates = {"rel": [], "abs": [], "optax": []}
        losses = [loss - fall * epoch for epoch in range(16)]
        for mode in ("rel", "abs"):
            optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=1.0)
            plateau = lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=0.5, patience=1, threshold_mode=mode
            )
            for value in losses:
                rates[mode].append(optimizer.param_groups[0]["lr"])
                plateau.step(value)
        reduce = optax.contrib.reduce_on_plateau(0.5, 2)
        state = reduce.init({})
        for value in losses:
            rates["optax"].append(float(state.scale))
            _, state = reduce.update({}, state, value=value)
        assert rates["optax"] == rates["rel"]
        del rates["optax"]
        seen.append({"loss": loss, "fall": fall, **rates})
    default = inspect.signature(lr_scheduler.ReduceLROnPlateau).parameters
    assert default["threshold_mode"].default == "rel"
    golden("plateau_threshold.json", seen)
