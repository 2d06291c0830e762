"""`lrlib.convert`: from other libraries' schedules, and never anything but an error."""

from __future__ import annotations

import json
from pathlib import Path

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies

import lrlib
from lrlib.libraries.keras import FormulaSchedule
from lrlib.libraries.reading import _CALLS
from lrlib.schedules.schedule import from_config

GOLDEN = Path(__file__).parent / "golden"
RECORDED = json.loads((GOLDEN / "calls.json").read_text(encoding="utf-8"))
PORTS = json.loads((GOLDEN / "ports.json").read_text(encoding="utf-8"))
NOT_THERE = "CosineLRScheduler(10, lr_min=0.1, warmup_t=3), lr=1.0"


@pytest.mark.parametrize(
    "entry",
    [entry for entry in RECORDED if entry["call"] != NOT_THERE],
    ids=lambda entry: entry["call"],
)
def test_a_call_makes_the_curve_that_its_library_made(entry):
    rates = np.array([np.nan if r is None else r for r in entry["rates"]])
    runs = np.isfinite(rates)
    if "OneCycleLR" in entry["call"]:  # which climbs once more before it raises
        runs[np.count_nonzero(runs) - 1 :] = False
    np.testing.assert_allclose(
        lrlib.convert(entry["call"])(np.arange(len(rates)))[runs],
        rates[runs],
        rtol=1e-4,  # five digits are recorded
        atol=2e-6 * np.nanmax(rates),
    )


def test_what_lrlib_has_not_is_named():
    with pytest.raises(LookupError, match="warmup_prefix=False"):
        lrlib.convert(NOT_THERE)


@pytest.mark.parametrize("name", lrlib.catalogue)
def test_a_schedule_goes_to_keras_and_back(name):
    schedule = lrlib.catalogue[name]()
    back = lrlib.convert(schedule.to_keras())
    if name == "linear":  # Keras' class is the polynomial one
        schedule = lrlib.polynomial(end_learning_rate=0.0)
    assert back == schedule


def test_the_edges_of_keras_classes_are_kept():
    schedules = keras.optimizers.schedules
    ignored = schedules.CosineDecay(0.1, 10, warmup_steps=5)
    assert lrlib.convert(ignored) == lrlib.cosine(0.1, 10)
    skipped = schedules.CosineDecay(0.1, 10, warmup_target=0.2)
    assert lrlib.convert(skipped) == lrlib.cosine(0.2, 10)
    stairs = schedules.InverseTimeDecay(0.1, 10, 0.5, staircase=True)
    with pytest.raises(LookupError, match="staircase"):
        lrlib.convert(stairs)


def test_a_keras_class_of_someone_else_is_refused():
    class Mine(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1

        def get_config(self):
            return {}

    with pytest.raises(LookupError, match="Mine"):
        lrlib.convert(Mine())


def test_a_formula_schedule_gives_back_its_schedule():
    schedule = lrlib.warmup(lrlib.rex(), 10)
    assert lrlib.convert(FormulaSchedule(schedule)) is schedule


def test_a_text_of_code_is_read_back():
    read, told = 0, set()
    for entry in PORTS:
        schedule = from_config(entry["schedule"])
        try:
            back = lrlib.convert(entry["code"])
        except (LookupError, ValueError) as error:
            told.add(str(error).partition("'")[0].partition(" is code")[0])
            continue
        read += 1
        steps = np.arange(len(entry["rates"]))
        np.testing.assert_allclose(
            back(steps), schedule(steps), atol=2e-6 * schedule(steps).max(), rtol=0
        )
    assert read > 100
    formulas = "lrlib has no such schedule: rate"
    assert told <= {formulas, formulas.replace("rate", "schedule"), "cannot read "}


@pytest.mark.parametrize("name", ["cosine", "linear", "step", "warmup_cosine"])
def test_a_keras_text_is_read_back(name):
    schedule = lrlib.catalogue[name]()
    back = lrlib.convert(schedule.code("keras"))
    np.testing.assert_array_equal(back(range(200)), schedule(range(200)))


def test_steps_say_that_training_ends_before_a_cosine_rises():
    text = "CosineAnnealingLR(T_max=100, eta_min=1e-5), lr=0.1"
    assert lrlib.convert(text)(200) == pytest.approx(0.1)
    decay = lrlib.cosine_annealing(0.1, 100, 1e-5)
    assert lrlib.convert(text, steps=101) == decay
    assert lrlib.convert(text, steps=102) != decay
    warm = "get_cosine_schedule_with_warmup(10, 110), lr=0.1"
    assert lrlib.convert(warm, steps=110)(9999) == 0


def test_a_name_in_a_whole_text_is_followed():
    text = """
import torch
epochs = 3
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=epochs * 100)
"""
    assert lrlib.convert(text) == lrlib.step(0.5, 300, 0.1)


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", ValueError, "cannot read|one call|no schedule"),
        ("StepLR(30)", ValueError, "StepLR multiplies the optimizer's rate"),
        ("StepLR(30), rate=0.1", ValueError, "only lr"),
        ("StepLR(), lr=0.1", ValueError, "StepLR.*step_size"),
        ("StepLR(30, 0.1, 5, 6), lr=0.1", ValueError, "StepLR: too many"),
        ("StepLR(30, gama=0.1), lr=0.1", ValueError, "StepLR.*gama"),
        ("StepLR(30, last_epoch=7), lr=0.1", ValueError, "last_epoch"),
        ("StepLR('a'), lr=0.1", ValueError, "StepLR: step: decay_steps"),
        ("StepLR(n), lr=0.1", ValueError, "cannot read 'n'"),
        ("StepLR(30), lr=-1", ValueError, "initial_learning_rate"),
        ("CosineAnnealingLR(0), lr=0.1", ValueError, "CosineAnnealingLR"),
        ("StepLR(30, 1 / 0), lr=0.1", ValueError, "division by zero"),
        ("StepLR(30, 9**9**9**9), lr=0.1", ValueError, "cannot read"),
        ("StepLR(30) + 1, lr=0.1", ValueError, "no number"),
        ("FooLR(30), lr=0.1", LookupError, "FooLR"),
        ("LambdaLR(lambda t: 1), lr=0.1", LookupError, "takes a function"),
        ("ReduceLROnPlateau(), lr=0.1", LookupError, "Plateau"),
        ("__import__('os').system('true')", LookupError, "system"),
        ("get_scheduler('foo'), lr=0.1", LookupError, "foo"),
        ("get_linear_schedule_with_warmup(9, 9), lr=1", ValueError, "must be above"),
        ("StepLR(30), lr=0.1 \x00", ValueError, "null"),
        ("(" * 500, ValueError, "cannot read"),
        ("x = 3", ValueError, "write one call"),
        ("import os", ValueError, "no schedule"),
        ("def rate(t): return 1", LookupError, "is code"),
        ("for i in []: pass", ValueError, "cannot read"),
    ],
)
def test_a_text_that_is_no_schedule_is_told_why(text, error, words):
    with pytest.raises(error, match=words):
        lrlib.convert(text)


@pytest.mark.parametrize("thing", [None, 3, 0.1, b"StepLR(30)", lambda t: t, ["a"]])
def test_what_is_neither_schedule_nor_text_is_a_type_error(thing):
    with pytest.raises(TypeError, match="must be a Keras schedule or the text"):
        lrlib.convert(thing)


@pytest.mark.parametrize("steps", [0, -1, 1.5])
def test_steps_must_be_a_whole_number(steps):
    with pytest.raises(ValueError, match="steps must be"):
        lrlib.convert("StepLR(30), lr=0.1", steps=steps)


def _works_or_is_told(text: str) -> None:
    try:
        schedule = lrlib.convert(text)
    except (LookupError, ValueError):
        return
    assert isinstance(schedule, lrlib.Schedule)
    assert np.isfinite(schedule(range(20))).all()


@hypothesis.settings(deadline=None, max_examples=150)
@hypothesis.given(strategies.text(max_size=60))
def test_any_text_is_a_schedule_or_an_error(text):
    _works_or_is_told(text)


_values = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers(-5, 2000)
    | strategies.floats(-2, 1e3, allow_nan=False).map(lambda x: round(x, 3))
    | strategies.sampled_from(["linear", "cosine", "cos", "triangular", "1-sqrt"]),
    lambda inner: strategies.lists(inner, max_size=3),
    max_leaves=4,
)


@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(
    strategies.sampled_from(sorted(_CALLS)),
    strategies.lists(_values, max_size=6),
    _values,
)
def test_any_arguments_are_a_schedule_or_an_error(name, arguments, lr):
    _works_or_is_told(f"{name}({', '.join(map(repr, arguments))}), lr={lr!r}")


@pytest.mark.parametrize("name", ["gamma_opt", "optimal_gamma"])
def test_a_number_may_be_called_like_an_optimizer(name):
    call = f"StepLR(optimizer, step_size=30, gamma={name})"
    with pytest.raises(ValueError, match=f"cannot read '{name}'"):
        lrlib.convert(f"{call}, lr=0.1")
    text = f"{name} = 0.5\noptimizer = SGD(p, lr=0.1)\nscheduler = {call}"
    assert lrlib.convert(text) == lrlib.step(0.1, 30, 0.5)


@pytest.mark.parametrize(
    "call",
    [
        "CosineAnnealingWarmRestarts(opt, 10)",
        "OneCycleLR(opt, max_lr=1, total_steps=10)",
        "CyclicLR(opt, 0.1, 1, 3)",
        "SequentialLR(opt, [ConstantLR(opt, 0.1, 3), StepLR(opt, 2)], [4])",
    ],
)
def test_only_what_multiplies_the_rate_can_be_chained(call):
    with pytest.raises(LookupError, match="what sets the rate"):
        lrlib.convert(f"ChainedScheduler([ExponentialLR(opt, 0.9), {call}]), lr=0.5")
