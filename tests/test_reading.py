"""`lrlib.convert`: from other libraries' schedules, and never anything but an error."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies

import lrlib
from lrlib.libraries.keras import FormulaSchedule
from lrlib.libraries.names import rows
from lrlib.schedules.schedule import from_config

GOLDEN = Path(__file__).parent / "golden"
RECORDED = json.loads((GOLDEN / "calls.json").read_text(encoding="utf-8"))
PORTS = json.loads((GOLDEN / "ports.json").read_text(encoding="utf-8"))
SNIPPETS = json.loads((GOLDEN / "snippets.json").read_text(encoding="utf-8"))
#: What isn't in these texts: how many updates an epoch has, what train.py does; the
#: product with a cosine's floor has no formula.
NOT_READ = {"hf12", "hf16", "pt39"}


@pytest.mark.parametrize("entry", RECORDED, ids=lambda entry: entry["call"])
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
    stairs = schedules.PiecewiseConstantDecay([3, 3, 6], [4.0, 3.0, 2.0, 1.0])
    shorter = lrlib.convert(stairs)
    assert [shorter(t) for t in range(9)] == [float(stairs(t)) for t in range(9)]
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


def test_every_text_of_code_is_read_back():
    for entry in PORTS:
        schedule = from_config(entry["schedule"])
        back = lrlib.convert(entry["code"])
        steps = np.arange(len(entry["rates"]))
        rates = schedule(steps)
        np.testing.assert_allclose(
            back(steps), rates, atol=2e-6 * rates.max(), rtol=0, err_msg=entry["code"]
        )


@pytest.mark.parametrize("name", lrlib.catalogue)
def test_every_keras_text_is_read_back(name):
    schedule, steps = lrlib.catalogue[name](), np.arange(250)
    back = lrlib.convert(schedule.code("keras"))
    np.testing.assert_allclose(back(steps), schedule(steps), rtol=1e-9, atol=1e-12)


def snippets(but=(), only=None):
    """Run a test on what people paste."""
    chosen = only or {each["id"] for each in SNIPPETS} - set(but)
    found = [each for each in SNIPPETS if each["id"] in chosen]
    assert len(found) == len(chosen)
    return pytest.mark.parametrize("snippet", found, ids=lambda each: each["id"])


@snippets(but={*NOT_READ, "cf08"})
def test_what_people_paste_is_read(snippet):
    schedule = lrlib.convert(snippet["text"], snippet["values"])
    rates = np.array(snippet["rates"])
    np.testing.assert_allclose(
        schedule(np.arange(len(rates))), rates, rtol=1e-4, atol=2e-6 * rates.max()
    )


@snippets(only={"cf08"})
def test_what_people_paste_is_read_where_its_record_is_of_other_lengths(snippet):
    # The record has 420 and 220 in the place of the text's 4200 and 2200.
    schedule = lrlib.convert(snippet["text"], snippet["values"])
    assert schedule == lrlib.cyclic(0.0005, 0.005, 4200, 2200, gamma=1.0)


@snippets(only=NOT_READ)
def test_what_a_text_does_not_say_is_asked_for_or_refused(snippet):
    with pytest.raises(LookupError):
        lrlib.convert(snippet["text"], snippet["values"])


@pytest.mark.parametrize(
    "snippet", [s for s in SNIPPETS if s["values"]], ids=lambda snippet: snippet["id"]
)
def test_what_a_text_leaves_open_is_asked_for_at_once(snippet):
    with pytest.raises(LookupError) as error:
        lrlib.convert(snippet["text"])
    assert set(error.value.missing) == set(snippet["values"])


ASKS = {
    "sched = StepLR(torch.optim.SGD(p, lr=cfg['lr']), cfg[\"n\"] // 2)": (
        ["cfg['lr']", 'cfg["n"]']
    ),
    "StepLR(options, 30), lr=0.1": ["options"],
    "s = StepLR(optimizer, 30)": ["optimizer"],
    "opt = SGD(p, lr=.1)\nif a.cos:\n    s = StepLR(opt, 3)": ["a.cos"],
    "opt = SGD(p, lr=.1)\nn = 0\nwhile x:\n    n += 1\ns = StepLR(opt, n)": ["n"],
    "args = TrainingArguments(learning_rate=1e-4)": ["max_steps"],
}


@pytest.mark.parametrize("text", ASKS)
def test_a_question_names_the_expressions_of_the_text(text):
    with pytest.raises(LookupError) as error:
        lrlib.convert(text)
    assert error.value.missing == ASKS[text]


SGD = "opt = torch.optim.SGD(model.parameters(), lr=0.1)\n"
MEANS = {
    "g = Adam(a, lr=.1)\nd = Adam(b, lr=.5)\ns = StepLR(g, 3)": lrlib.step(0.1, 3, 0.1),
    "sgd = torch.optim.SGD(model.parameters(), 0.2)\ns = StepLR(sgd, 3)": (
        lrlib.step(0.2, 3, 0.1)
    ),
    "n: int = 3\na, b = 1, 2\nself.n = n * b\n" + SGD + "s = StepLR(opt, self.n)": (
        lrlib.step(0.1, 6, 0.1)
    ),
    SGD + "s = StepLR(opt, max(1, int(0.1 * 35)))\nfor e in x:\n    s.step()": (
        lrlib.step(0.1, 3, 0.1)
    ),
    "def main():\n    " + SGD + "    s = StepLR(opt, 5)\nif __name__ == '__main__':\n"
    "    main()": lrlib.step(0.1, 5, 0.1),
    "s = optax.cosine_decay_schedule(**dict(init_value=1.0, decay_steps=9))\n"
    "tx = optax.chain(optax.clip(1.0), optax.adamw(s))": lrlib.cosine(1.0, 9),
    "class C:\n    lr = 0.1\nc = C()\ns = StepLR(SGD(p, lr=c.lr), 3)": (
        lrlib.step(0.1, 3, 0.1)
    ),
    "optimizer:\n  _target_: torch.optim.Adam\n  lr: 1e-3\nscheduler:\n"
    "  _target_: torch.optim.lr_scheduler.StepLR\n  step_size: 3\n": (
        lrlib.step(1e-3, 3, 0.1)
    ),
    "optimizer = dict(type='SGD', lr=0.1)\n"
    "param_scheduler = [dict(type='StepLR', step_size=3)]": lrlib.step(0.1, 3, 0.1),
    "s = StepLR(SGD(p, lr=1.0), max([2, 3]), gamma=min(0.5, 0.1))": (
        lrlib.step(1.0, 3, 0.1)
    ),
    "a = [i for i, v in enumerate([7, 8])]\n"
    "s = StepLR(SGD(p, lr=1.0), 3, gamma=a[1] * 0.5)": lrlib.step(1.0, 3, 0.5),
    "s = StepLR(Adagrad(p), 3)": lrlib.step(0.01, 3, 0.1),
    "optax.linear_schedule(1.0, 0.1, 0)": lrlib.constant(1.0),
    "d = dict({'lr': 1.0, 'step_size': 9}, step_size=3)\n"
    "s = StepLR(SGD(p, d['lr']), d['step_size'])": lrlib.step(1.0, 3, 0.1),
    "args = TrainingArguments(max_steps=50, warmup_steps=9)": (
        lrlib.warmup(lrlib.linear(5e-5, 41), 9)
    ),
    "args = TrainingArguments(max_steps=50, warmup_ratio=0.19)": (
        lrlib.warmup(lrlib.linear(5e-5, 40), 10)
    ),
    "args = TrainingArguments(max_steps=50, warmup_steps=9, warmup_ratio=0.5)": (
        lrlib.warmup(lrlib.linear(5e-5, 41), 9)
    ),
    ">>> opt = SGD(p, lr=0.1)\n>>> s = StepLR(opt, 3, 0.5, -1)": lrlib.step(
        0.1, 3, 0.5
    ),
}


@pytest.mark.parametrize("text", MEANS)
def test_a_script_is_read_as_it_is(text):
    assert lrlib.convert(text) == MEANS[text]


FUNCTIONS = {
    SGD + "s = LambdaLR(opt, lambda e: 0.95 ** e)": lambda t: 0.1 * 0.95**t,
    SGD + "s = LambdaLR(opt, [lambda e: 0.5 ** (e // 3)])": (
        lambda t: 0.1 * 0.5 ** (t // 3)
    ),
    SGD + "s = LambdaLR(opt, lambda s: s / 4 if s < 4 else 1.0)": (
        lambda t: 0.1 * min(t / 4, 1)
    ),
    "def f(epoch):\n    lr = 1.0\n    for m in [3, 6]:\n        if epoch >= m:\n"
    "            lr *= 0.1\n    return lr\ncb = LearningRateScheduler(f)": (
        lambda t: 1.0 * 0.1 ** ((t >= 3) + (t >= 6))
    ),
    "def f(epoch, lr):\n    if epoch < 4:\n        return lr\n"
    "    return lr * 0.5\nmodel.compile(keras.optimizers.SGD(0.2))\n"
    "cb = LearningRateScheduler(f)": lambda t: 0.2 * 0.5 ** max(0, t - 3),
    "optimizer = dict(type='SGD', lr=0.1)\nparam_scheduler = [dict(type='LinearLR', "
    "start_factor=0.5, end=6), dict(type='MultiStepLR', milestones=[3, 8])]": (
        lambda t: 0.1 * min(0.5 + t / 10, 1) * 0.1 ** ((t >= 3) + (t >= 8))
    ),
    "def g(x):\n    return x / 2\ndef f(t):\n    return "
    + " + ".join(["g(t)"] * 40)
    + "\nLearningRateScheduler(f)": lambda t: 20 * t,
    "s = LambdaLR(SGD(p, 1.0), lambda e: 0.5 if e else 1.0)": (
        lambda t: 0.5 if t else 1.0
    ),
    "s = LambdaLR(SGD(p, 1.0), lambda e: 0.5 if e - 1 else 1.0)": (
        lambda t: 0.5 if t - 1 else 1.0
    ),
    "s = LambdaLR(SGD(p, 1.0), lambda t: np.interp(t, [3, 9], [1.0, 0.1]))": (
        lambda t: np.interp(t, [3, 9], [1.0, 0.1])
    ),
    "MultiStepLR(milestones=[0, 4]), lr=1.0": lambda t: 0.1 if t < 4 else 0.01,
    "get_cosine_with_hard_restarts_schedule_with_warmup(0, 10, 4), lr=1.0": (
        lambda t: (1 + math.cos(math.pi * (0.4 * t % 1))) / 2 if t < 10 else 0
    ),
    "get_cosine_schedule_with_warmup(0, 1), lr=1.0": (
        lambda t: (1 + math.cos(math.pi * t)) / 2
    ),
    "def f(t):\n    return 0.1 * math.floor(t / 49.0) + np.clip(t, 1, 3)": (
        lambda t: 0.1 * (t // 49) + min(max(t, 1), 3)
    ),
}


@pytest.mark.parametrize("text", FUNCTIONS)
def test_a_function_of_the_step_is_a_formula(text):
    schedule = lrlib.convert(text)
    expected = [FUNCTIONS[text](t) for t in range(60)]
    np.testing.assert_allclose(schedule(range(60)), expected, rtol=1e-9)
    again = from_config(json.loads(json.dumps(schedule.get_config())))
    assert again == schedule == pickle.loads(pickle.dumps(schedule))
    np.testing.assert_allclose(schedule.to_keras()(np.arange(60)), expected, rtol=1e-6)


HOSTILE = {
    "a = 3\n" + "a = a * a\n" * 18 + "s = optax.constant_schedule(a)": "digits",
    "a = [1]\n" + "a = [a, a]\n" * 40: "nested",
    "def f(t):\n"
    + "    t = t * t + t\n" * 30
    + "    return t\nLearningRateScheduler(f)": "too long",
    "def f(t):\n    return f(t)\nLearningRateScheduler(f)": "without an end",
    "n = [i for i in range(999) for j in range(999)]": "too much",
}


@pytest.mark.parametrize("text", HOSTILE)
def test_what_grows_without_bounds_is_refused_at_once(text):
    with pytest.raises(ValueError, match=HOSTILE[text]):
        lrlib.convert(text)


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
        ("StepLR(30, 0.1, -1, 0, 6), lr=0.1", ValueError, "StepLR: too many"),
        ("StepLR(30, gama=0.1), lr=0.1", ValueError, "StepLR.*gama"),
        ("StepLR(30, last_epoch=7), lr=0.1", ValueError, "last_epoch"),
        ("StepLR('a'), lr=0.1", ValueError, "StepLR: step: decay_steps"),
        ("StepLR(n), lr=0.1", LookupError, "leaves open: n;"),
        ("StepLR(3, gamma=.1, gamma=.2), lr=.1", ValueError, "gamma twice"),
        ("StepLR(3), lr=0.1, lr=0.2", ValueError, "lr is given twice"),
        (SGD + "a = StepLR(opt, 3)\nb = StepLR(opt, 4)", LookupError, "several"),
        ("s = StepLR(SGD([{'lr': 1}, {}], lr=2), 3)", LookupError, "groups of weights"),
        (SGD + "a = StepLR(opt, 3)\nb = StepLR(opt, 4)", LookupError, "one optimizer"),
        (
            SGD + "o2 = SGD(q, 1)\na = StepLR(opt, 3)\nb = StepLR(o2, 4)",
            LookupError,
            "the text has several schedules",
        ),
        (SGD + "s = WarmupFooLR(opt, 3)", LookupError, "WarmupFooLR"),
        ("python train.py --lr 0.1", LookupError, "command line"),
        ("optax.piecewise_constant_schedule(1.0, {[1]: 2})", ValueError, r"\[1\]"),
        ("StepLR(30), lr=-1", ValueError, "initial_learning_rate"),
        ("CosineAnnealingLR(0), lr=0.1", ValueError, "CosineAnnealingLR"),
        ("StepLR(30, 1 / 0), lr=0.1", ValueError, "division by zero"),
        ("StepLR(30, 9**9**9**9), lr=0.1", ValueError, "cannot read"),
        ("StepLR(30) + 1, lr=0.1", ValueError, "StepLR isn't a number"),
        ("FooLR(30), lr=0.1", LookupError, "FooLR"),
        ("LambdaLR(f), lr=0.1", LookupError, "takes a function"),
        ("ReduceLROnPlateau(), lr=0.1", LookupError, "Plateau"),
        ("__import__('os').system('true')", LookupError, "system"),
        ("get_scheduler('foo'), lr=0.1", LookupError, "foo"),
        ("get_cosine_schedule_with_warmup(9, 9, 0), lr=1", ValueError, "above 0"),
        ("StepLR(30), lr=0.1 \x00", ValueError, "null"),
        ("(" * 500, ValueError, "cannot read"),
        ("x = 3", ValueError, "write one call"),
        ("import os", ValueError, "no schedule"),
        (
            "LearningRateScheduler(lambda t: np.interp(t, [3], [1, 2]))",
            ValueError,
            "as many values",
        ),
        (
            "LearningRateScheduler(lambda t: np.interp(t, [], []))",
            ValueError,
            "as many values",
        ),
        ("PiecewiseConstantDecay([9, 3], [3, 2, 1])", ValueError, "boundaries"),
        ("PiecewiseConstantDecay([3, 9], [2, 1])", LookupError, r"unless len\(values"),
        ("def rate(t): return 'a'", ValueError, "no schedule"),
        ("for i in []: pass", ValueError, "no schedule"),
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
    strategies.sampled_from(sorted(rows())),
    strategies.lists(_values, max_size=6),
    _values,
)
def test_any_arguments_are_a_schedule_or_an_error(name, arguments, lr):
    _works_or_is_told(f"{name}({', '.join(map(repr, arguments))}), lr={lr!r}")


@pytest.mark.parametrize("name", ["gamma_opt", "optimal_gamma"])
def test_a_number_may_be_called_like_an_optimizer(name):
    call = f"StepLR(optimizer, step_size=30, gamma={name})"
    with pytest.raises(LookupError, match=f"leaves open: {name}"):
        lrlib.convert(f"{call}, lr=0.1")
    assert lrlib.convert(f"{call}, lr=0.1", {name: 0.5}) == lrlib.step(0.1, 30, 0.5)
    text = f"{name} = 0.5\noptimizer = SGD(p, lr=0.1)\nscheduler = {call}"
    assert lrlib.convert(text) == lrlib.step(0.1, 30, 0.5)


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ([("n", 3)], TypeError),
        ({1: 3}, TypeError),
        ({"n +": 3}, ValueError),
        ({"n": None}, TypeError),
        ({"n": float("nan")}, ValueError),
    ],
)
def test_values_are_numbers_for_expressions(values, error):
    with pytest.raises(error, match="values"):
        lrlib.convert("StepLR(n), lr=0.1", values=values)
    n = np.int64(30)
    assert lrlib.convert("StepLR(n), lr=0.1", {"n": n}) == lrlib.step(0.1, 30, 0.1)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("LinearLR(0.0)", "raises an error unless 0 < start_factor <= 1"),
        ("LinearLR(0.5, 1.5)", "raises an error unless 0 <= end_factor <= 1"),
        ("ConstantLR(1.5)", "raises an error unless 0 < factor <= 1"),
        ("CosineAnnealingWarmRestarts(2.5)", "T_0 must be a whole number"),
        ("OneCycleLR(1.0, total_steps=0.1 * 375)", "total_steps must be a whole"),
        ("OneCycleLR(1.0, 40, pct_start=1.2)", "pct_start must be a float"),
        ("StepLR(2.5)", "give a whole number"),
    ],
)
def test_what_PyTorch_refuses_is_refused(call, sentence):
    with pytest.raises((LookupError, ValueError), match=sentence):
        lrlib.convert(f"{call}, lr=0.1")
    made = call.replace("(", "(optimizer, ", 1)
    with pytest.raises((LookupError, ValueError), match=sentence):
        lrlib.convert(f"optimizer = SGD(p, lr=0.1)\nscheduler = {made}")


def test_PyTorch_stops_a_line_at_the_last_whole_step():
    warmup = lrlib.convert("LinearLR(0.5, total_iters=0.1 * 25), lr=0.1")
    assert warmup(range(5)) == pytest.approx([0.05, 0.07, 0.09, 0.09, 0.09])
    decay = lrlib.convert("PolynomialLR(2.5), lr=0.1")
    assert decay(range(5)) == pytest.approx([0.1, 0.06, 0.02, 0.02, 0.02])
    held = lrlib.convert("ConstantLR(0.5, total_iters=2.5), lr=0.1")
    assert held(range(9)) == pytest.approx([0.05] * 9)


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
