"""The recipes' blocks run without lrlib, and their updates use lrlib's rates."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras
import nbformat
import numpy as np
import pytest

import lrlib

NOTEBOOK = Path(__file__).parent.parent / "book" / "recipes.ipynb"
PASTED = {
    cell.id: cell.source
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells
    if "paste" in cell.metadata.get("tags", ())
}
BLOCKS = [name for name in PASTED if name.endswith("-block")]

#: Run in a Python of its own: every block on a model with one weight matrix, noting
#: the rate that reaches each update. Updates, not calls of the schedule: a rate that
#: was swapped without a new `compile` is read, but not used.
PROGRAM = r"""
import json, sys

class NoLrlib:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "lrlib":
            raise ImportError("a pasted block may not import lrlib")

sys.meta_path.insert(0, NoLrlib())

import keras
import numpy as np
import tensorflow as tf

used = []

def noting(update_step):
    def step(self, gradient, variable, learning_rate):
        note = lambda rate: used.append(float(rate))
        tf.py_function(note, [learning_rate], [])
        return update_step(self, gradient, variable, learning_rate)
    return step

for optimizer in (keras.optimizers.SGD, keras.optimizers.Adam):
    optimizer.update_step = noting(optimizer.update_step)

def given():
    random = np.random.default_rng(0)
    x = random.normal(size=(3835, 4)).astype("float32")  # the last batch is short
    y = random.integers(3, size=len(x))
    backbone = keras.Sequential(
        [keras.Input((4,)), keras.layers.BatchNormalization()]
    )
    head = keras.layers.Dense(3, "softmax", use_bias=False)
    model = keras.Sequential([backbone, head])
    backbone.trainable = False
    return {
        "model": model, "backbone": backbone,
        "x_train": x, "y_train": y, "x_val": x[:64], "y_val": y[:64],
    }

pasted = json.load(sys.stdin)
results = {}
for name, block in pasted.items():
    if not name.endswith("-block"):
        continue
    names = given()
    if "WarmUp" in block:
        exec(pasted["warmup"], names)
    used.clear()
    exec(block, names)
    numbers = {k: v for k, v in names.items() if isinstance(v, (int, float))}
    frozen = not names["backbone"].trainable_variables
    results[name] = {"used": [*used], "frozen": frozen, **numbers}
results["lrlib"] = "lrlib" in sys.modules
print("\n" + json.dumps(results))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps(PASTED),
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("reader"),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def warm_up(schedule, steps):
    """Return what `WarmUp(schedule, steps)` is, in lrlib's terms."""
    first = schedule(0)
    climb = lrlib.warmup(lrlib.constant(first), steps - 1, first / steps)
    return lrlib.join([climb, schedule], [steps])


def by_epoch(t):
    text = (
        "SequentialLR([LinearLR(start_factor=0.1, total_iters=2), "
        "CosineAnnealingLR(T_max=8)], milestones=[2]), lr=0.1"
    )
    return lrlib.convert(text)(t // 15)  # 3,835 samples in batches of 256


#: For each block its updates, and the rates that lrlib gives them.
EXPECTED = {
    "sgd-block": (3 * 30, lambda n: lrlib.linear(n["peak"], 90)),
    "adamw-block": (
        3 * 30,
        lambda n: lrlib.warmup(lrlib.cosine(n["peak"], 86), 4),
    ),
    "finetune-block": (
        3 * 120,
        lambda n: warm_up(lrlib.linear(n["peak"], 324), 36),
    ),
    "transformer-block": (
        2 * 60,
        lambda n: warm_up(lrlib.cosine(n["peak"], 118, alpha=0.1), 2),
    ),
    "open-block": (
        5 * 30,
        lambda n: lrlib.join(
            [warm_up(lrlib.constant(n["peak"]), 40), lrlib.linear(n["peak"], 30)],
            [120],
        ),
    ),
    "pytorch-block": (10 * 15, lambda n: by_epoch),
    "resume-block": (4 * 30, lambda n: lrlib.linear(n["peak"], 120)),
}


def test_there_are_seven_recipes():
    assert set(BLOCKS) == set(EXPECTED)
    assert len(BLOCKS) == 7


@pytest.mark.parametrize("name", EXPECTED)
def test_a_pasted_block_trains_at_the_rates_of_lrlib(ran, name):
    updates, schedule = EXPECTED[name]
    result = ran[name]
    rates = schedule(result)(np.arange(updates))
    assert len(result["used"]) == updates
    np.testing.assert_allclose(result["used"], rates, rtol=0, atol=2e-6 * rates.max())


def test_no_pasted_block_needs_lrlib(ran):
    assert ran["lrlib"] is False
    for name, text in PASTED.items():
        assert "lrlib" not in text, name


def test_fine_tuning_leaves_the_statistics_of_batch_normalization(ran):
    assert ran["finetune-block"]["frozen"] is True


@pytest.fixture(scope="module")
def warmup_class():
    names: dict = {}
    exec(PASTED["warmup"], names)
    return names["WarmUp"]


INNER = {
    "exponential": lrlib.exponential(0.1, 3, 0.5),
    "inverse_time": lrlib.inverse_time(0.1, 3, 0.5),
    "linear": lrlib.linear(0.1, 20),
    "cosine": lrlib.cosine(0.1, 20, alpha=0.1),
    "cosine_restarts": lrlib.cosine_restarts(0.1, 7),
    "piecewise_constant": lrlib.piecewise_constant([5, 9], [0.1, 0.05, 0.01]),
    "formula": lrlib.rex(0.1, 20),
}


@pytest.mark.parametrize("name", INNER)
def test_warm_up_goes_before_any_schedule(warmup_class, name):
    warm = warmup_class(INNER[name].to_keras(), 7)
    rates = warm_up(INNER[name], 7)(np.arange(40))
    np.testing.assert_allclose(lrlib.sample(warm, 40), rates, rtol=0, atol=2e-7)
    eager = [float(warm(t)) for t in range(12)]
    np.testing.assert_allclose(eager, rates[:12], rtol=0, atol=2e-7)


@pytest.mark.parametrize("steps", [0, 1])
def test_a_warm_up_of_no_or_one_step_starts_at_the_peak(warmup_class, steps):
    inner = INNER["cosine"].to_keras()
    rates = lrlib.sample(warmup_class(inner, steps), 20)
    late = np.maximum(np.arange(20) - steps, 0)
    np.testing.assert_allclose(rates, INNER["cosine"](late), rtol=0, atol=2e-7)


@pytest.mark.parametrize("step", [3, np.int64(3), np.float32(3), np.array(3)])
def test_warm_up_takes_a_step_of_any_type(warmup_class, step):
    warm = warmup_class(INNER["linear"].to_keras(), 4)
    assert float(warm(step)) == pytest.approx(0.1)
    assert float(warm(keras.ops.convert_to_tensor(step))) == pytest.approx(0.1)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_warm_up_trains_saved_and_loaded(warmup_class, tmp_path, jit_compile):
    schedule = warmup_class(warmup_class(INNER["linear"].to_keras(), 3), 4)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
    model.compile(optimizer, "mse", jit_compile=jit_compile)
    record = lrlib.RecordLearningRate()
    x = np.ones((8, 2))
    settings = {"batch_size": 1, "callbacks": [record], "verbose": 0}
    model.fit(x, np.zeros(8), **settings)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    loaded.fit(x, np.zeros(8), **settings)
    inner = warm_up(INNER["linear"], 3)
    late = inner(np.maximum(np.arange(16) - 4, 0))
    rates = late * np.minimum(np.arange(1, 17) / 4, 1)
    assert record.steps == [*range(16)]
    np.testing.assert_allclose(record.rates, rates, rtol=0, atol=2e-7)


def test_three_recipes_need_the_warm_up_and_say_so():
    needing = [name for name in BLOCKS if "WarmUp" in PASTED[name]]
    assert needing == ["finetune-block", "transformer-block", "open-block"]
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    saying = {c.id for c in cells if "The block needs [`WarmUp`]" in c.source}
    assert saying == {"finetune-block-text", "transformer-block-text", "open-text"}
