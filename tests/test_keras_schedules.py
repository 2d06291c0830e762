"""Schedules inside Keras: the right class, the same numbers, save and load."""

import pickle
import re
import subprocess
import sys
import typing
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import lrlib
from lrlib.libraries.keras import FormulaSchedule

README = Path(__file__).parent.parent / "README.md"

COMPOSED = {
    "warmup": lrlib.warmup(lrlib.cosine(0.1, 20), 5),
    "join": lrlib.join([lrlib.constant(0.1), lrlib.linear(0.1, 10)], [4]),
    "scale": lrlib.cosine(0.1, 20) * 0.5,
    "product": lrlib.cosine(0.1, 20) * lrlib.exponential(1.0, 9),
    "clip": lrlib.clip(lrlib.cosine(0.1, 20), 0.01, 0.05),
    "cycle": lrlib.cycle(lrlib.linear(0.1, 9), 7),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_a_composed_schedule_is_the_same_in_keras(name):
    schedule = COMPOSED[name]
    in_keras = schedule.to_keras()
    assert isinstance(in_keras, keras.optimizers.schedules.LearningRateSchedule)
    steps = np.arange(40)
    np.testing.assert_allclose(in_keras(steps), schedule(steps), rtol=0, atol=1e-8)
    one_by_one = [float(in_keras(keras.ops.convert_to_tensor(t))) for t in steps]
    np.testing.assert_allclose(one_by_one, schedule(steps), rtol=0, atol=1e-8)


def test_a_step_beyond_float32_is_exact():
    # 2**24 + 1 is no float32; Keras' own schedules cannot tell it from 2**24.
    falling = FormulaSchedule(lrlib.step(1.0, 2**24 + 1, 0.5))
    assert float(falling(2**24)) == 1.0
    assert float(falling(2**24 + 1)) == 0.5


def test_sample_reads_a_keras_schedule_that_refuses_arrays():
    warm = keras.optimizers.schedules.CosineDecay(
        0.0, 20, warmup_target=0.1, warmup_steps=5
    )
    with pytest.raises(Exception, match=r".+"):
        warm(np.arange(30))
    ours = lrlib.warmup_cosine(0.0, 20, warmup_target=0.1, warmup_steps=5)
    rates = lrlib.sample(warm, 30)
    assert rates.dtype == np.float64
    np.testing.assert_allclose(rates, ours(np.arange(30)), rtol=0, atol=1e-8)


def test_sample_reads_a_schedule_of_the_reader_s_own():
    class Halving(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.5 ** keras.ops.cast(step, "float32")

    assert lrlib.sample(Halving(), 3).tolist() == [1, 0.5, 0.25]


def test_a_model_trains_saves_and_loads_with_a_schedule(tmp_path):
    schedule = COMPOSED["join"]
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(schedule.to_keras()), "mse")
    model.fit(np.ones((8, 3)), np.ones((8, 1)), batch_size=2, verbose=0)
    assert float(model.optimizer.learning_rate) == pytest.approx(schedule(4))
    model.save(tmp_path / "model.keras")

    # A process of its own, which has done nothing but import lrlib.
    code = (
        "import keras, lrlib, sys;"
        f"m = keras.models.load_model({str(tmp_path / 'model.keras')!r});"
        "print(m.optimizer._learning_rate.schedule, int(m.optimizer.iterations))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == f"{schedule!r} 4"


def test_a_schedule_for_keras_is_pickled():
    schedule = COMPOSED["warmup"].to_keras()
    assert float(schedule(3)) == pytest.approx(0.06)
    copied = pickle.loads(pickle.dumps(schedule))
    assert copied.schedule == schedule.schedule
    assert float(copied(3)) == float(schedule(3))


def rates_of_fit(schedule, steps):
    """Return the rates that the updates of a compiled `fit` used."""
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), dense])
    # The gradient is -1 at each update: a weight is the sum of the rates.
    model.compile(keras.optimizers.SGD(schedule), lambda y, out: -out)
    weights = [0.0]

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            weights.append(dense.kernel.numpy().item())

    data = np.ones((steps, 1))
    model.fit(data, data, 1, verbose=0, callbacks=[Watch()])
    return np.diff(weights)


#: Schedules whose jump comes an update late or early where a compiler multiplies by the
#: reciprocal of a length, each with the step of that jump.
JUMPING = {
    "step 41": (lrlib.step(1.0, 41, 0.5), 41),
    "step 55": (lrlib.step(1.0, 55, 0.5), 55),
    "restarts 47": (lrlib.cosine_restarts(1.0, 47, t_mul=1.0), 47),
    "restarts 660": (lrlib.cosine_restarts(1.0, 660, t_mul=1.0), 660),
    "growing restarts 61": (lrlib.cosine_restarts(1.0, 61), 183),
    "cycle 7": (lrlib.polynomial(1.0, 7, 0.0, cycle=True), 21),
}


@pytest.mark.parametrize("name", JUMPING)
def test_it_jumps_at_the_very_step_in_fit_and_keras_own_class_does_not(name):
    schedule, step = JUMPING[name]
    steps = step + 2
    used = rates_of_fit(schedule.to_keras(), steps)
    np.testing.assert_allclose(used, schedule(range(steps)), atol=1e-4)

    text = {}
    code = schedule.code("keras")
    assert "Compiled, as fit does it, Keras" in code
    exec(compile(code, "<keras>", "exec"), text)
    off = abs(rates_of_fit(text["schedule"], steps) - schedule(range(steps)))
    assert list(np.flatnonzero(off > 0.1)) == [step]


def test_formula_schedule_refuses_what_is_none():
    for wrong in (None, 0.1, {"schedule": "sine", "params": {}}):
        with pytest.raises(ValueError, match="not a schedule of lrlib"):
            FormulaSchedule(typing.cast(typing.Any, wrong))


COMPILED = {
    "drops": lambda T: lrlib.warmup(lrlib.step(0.1, T, 0.5), 10),
    "restarts": lambda T: lrlib.warmup(lrlib.cosine_restarts(0.1, T, 1.0), 10),
    "root": lambda T: lrlib.warmup(lrlib.polynomial(0.1, T, 0.0, 0.5), 10),
}


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("decay_steps", [49, 92, 98, 103])
@pytest.mark.parametrize("name", COMPILED)
def test_compiled_it_drops_at_the_very_step(name, decay_steps, jit_compile):
    """A compiler that multiplied by 1/49 would come a step late, or below a root."""
    schedule = COMPILED[name](decay_steps)
    text = {}
    exec(compile(schedule.code("keras"), "<keras>", "exec"), text)
    steps = np.array([1, 2, 3])[:, None] * decay_steps + [9, 10, 11]
    for keras_schedule in (schedule.to_keras(), text["schedule"]):
        rate = tf.function(lambda t, s=keras_schedule: s(t), jit_compile=jit_compile)
        rates = [rate(tf.constant(t, tf.int64)).numpy() for t in steps.ravel()]
        np.testing.assert_allclose(rates, schedule(steps.ravel()), 1e-6, atol=1e-9)


def test_the_example_in_the_readme_runs():
    example = re.search(r"```python\n(.*?)```", README.read_text(), re.S)
    names = {}
    exec(example[1], names)
    assert names["s"](600) == pytest.approx(0.08)
    np.testing.assert_allclose(names["s"].to_keras()(600), 0.08, rtol=1e-6)
