"""lrlib on Keras with JAX and with PyTorch.

`covers` names what a test runs; the table in book/reference.md must say the same.
"""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import keras
import numpy as np
import pytest
from packaging.requirements import Requirement

import lrlib
from lrlib.experiments.step import batches
from lrlib.libraries.keras import FormulaSchedule

ROOT = Path(__file__).resolve().parent.parent.parent
BACKEND = keras.backend.backend()
COMPILES = BACKEND == "jax"  # in fit, unless it runs eagerly

STEPS = 12
RATES = {
    "formula": lrlib.warmup(lrlib.cosine(0.1, STEPS), 4).to_keras(),
    "Keras's own": keras.optimizers.schedules.PolynomialDecay(0.5, STEPS, 0.0),
    "number": 0.25,
}
STAIRS = {
    "lrlib's": lambda T: lrlib.step(1.0, T, 0.5).to_keras(),
    "Keras's": lambda T: keras.optimizers.schedules.ExponentialDecay(
        1.0, T, 0.5, staircase=True
    ),
}


def covers(*names):
    return pytest.mark.covers(*names)


def one_weight(optimizer, **settings):
    """Return a model whose gradient is -1: an update by SGD adds the rate."""
    dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), dense])
    model.compile(optimizer, lambda y, outputs: -keras.ops.mean(outputs), **settings)
    return model


class Watch(keras.callbacks.Callback):
    """Keep how far each batch has moved the weight, and what is done at one of them."""

    def __init__(self, at=None, do=None):
        super().__init__()
        self.weights, self.at, self.do = [0.0], at, do

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(self.model.get_weights()[0].item())
        if batch == self.at:
            self.do(self.model)

    @property
    def moves(self):
        return np.diff(self.weights)


class Worse(keras.callbacks.Callback):
    """A metric that rises from epoch to epoch."""

    def on_epoch_end(self, epoch, logs=None):
        logs["worse"] = float(epoch)


def fit(model, batches, *callbacks, epochs=1):
    x = np.ones((batches, 1), "float32")
    model.fit(x, x, 1, epochs, verbose=0, callbacks=[*callbacks])


# What is installed -----------------------------------------------------------------


def test_lrlib_has_what_it_depends_on_and_tensorflow_is_not_among_it():
    assert find_spec("tensorflow") is None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = [Requirement(line) for line in project["dependencies"]]
    for each in needed:
        assert each.specifier.contains(version(each.name))
    assert "tensorflow" not in {each.name for each in needed}
    (extra,) = map(Requirement, project["optional-dependencies"]["tensorflow"])
    assert extra.name == "tensorflow"


def test_import_lrlib_imports_no_backend_and_a_star_imports_every_name():
    script = (
        "import sys, lrlib; "
        "print(sorted({'keras', 'jax', 'torch', 'tensorflow'} & {*sys.modules})); "
        "from lrlib import *; print(race.__name__, find_learning_rate.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines() == ["[]", "race find_learning_rate"], done.stderr


# Schedules -------------------------------------------------------------------------


@covers("Schedule.to_keras")
@pytest.mark.parametrize("name", lrlib.catalogue)
def test_a_schedule_computes_in_float64_and_gives_float32(name):
    schedule = lrlib.catalogue[name]()
    in_keras, steps = FormulaSchedule(schedule), np.arange(0, 400, 7)
    rates = in_keras(keras.ops.convert_to_tensor(steps, "int"))
    assert keras.backend.standardize_dtype(rates.dtype) == "float32"
    rates = keras.ops.convert_to_numpy(rates)
    # One unit in the last place of float32; computed in float32 it would be many.
    np.testing.assert_allclose(rates, schedule(steps).astype("float32"), rtol=1.2e-7)
    assert float(in_keras(7)) == pytest.approx(schedule(7), rel=1.2e-7)
    # What is asked for outside of it is what JAX gave before.
    wide = keras.ops.convert_to_tensor(np.zeros(1))
    kind = {"jax": "float32", "torch": "float64"}[BACKEND]
    assert keras.backend.standardize_dtype(wide.dtype) == kind


@covers("Schedule.to_keras")
def test_a_step_beyond_float32_is_exact():
    falling = FormulaSchedule(lrlib.step(1.0, 2**24 + 1, 0.5))
    for step, rate in ((2**24, 1.0), (2**24 + 1, 0.5)):
        assert float(falling(keras.ops.convert_to_tensor(step, "int"))) == rate


if BACKEND == "torch":  # which on Apple's GPU lacks float64

    @pytest.mark.parametrize("name", lrlib.catalogue)
    def test_a_device_without_float64_computes_in_float32(name, monkeypatch):
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode

        class Without(TorchDispatchMode):
            def __torch_dispatch__(self, function, types, args=(), kwargs=None):
                found = function(*args, **(kwargs or {}))
                assert getattr(found, "dtype", None) is not torch.float64
                return found

        monkeypatch.setattr("lrlib.libraries.keras._FLOAT", "float32")
        schedule, steps = lrlib.catalogue[name](), np.arange(0, 90, 7)
        with Without():
            rates = FormulaSchedule(schedule)(keras.ops.convert_to_tensor(steps, "int"))
        rates = keras.ops.convert_to_numpy(rates)
        np.testing.assert_allclose(rates, schedule(steps), rtol=1e-4, atol=1e-7)


@covers("Schedule.to_keras", "RecordLearningRate")
@pytest.mark.parametrize("name", STAIRS)
@pytest.mark.parametrize("decay_steps", [41, 47, 55])
def test_stairs_drop_at_the_very_step_in_fit(decay_steps, name):
    watch, record = Watch(), lrlib.RecordLearningRate()
    model = one_weight(keras.optimizers.SGD(STAIRS[name](decay_steps)))
    fit(model, decay_steps + 2, watch, record)
    np.testing.assert_allclose(record.rates, watch.moves, rtol=1e-5)
    # Keras's own, compiled by JAX, drop one update late: when they no longer do, say
    # so in the book.
    late = int(COMPILES and name == "Keras's")
    assert record.rates == [1.0] * (decay_steps + late) + [0.5] * (2 - late)


@covers("sample")
def test_sample_reads_schedules_of_keras_and_of_the_reader_s_own():
    warm = keras.optimizers.schedules.CosineDecay(
        0.0, 20, warmup_target=0.1, warmup_steps=5
    )
    ours = lrlib.warmup_cosine(0.0, 20, warmup_target=0.1, warmup_steps=5)
    rates = lrlib.sample(warm, 30)
    assert rates.dtype == np.float64
    np.testing.assert_allclose(rates, ours(np.arange(30)), rtol=0, atol=1e-8)

    class Halving(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.5 ** keras.ops.cast(step, "float32")

    class Constant(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.5

    assert lrlib.sample(Halving(), 3).tolist() == [1, 0.5, 0.25]
    assert lrlib.sample(Constant(), 2).tolist() == [0.5, 0.5]


@covers("sample")
def test_sample_computes_as_fit_does():
    rates = lrlib.sample(STAIRS["Keras's"](41), 43)
    assert rates.tolist().count(1.0) == 41 + COMPILES


# In training -----------------------------------------------------------------------


@covers("RecordLearningRate", "current_learning_rate")
@pytest.mark.parametrize("name", RATES)
def test_each_update_s_rate_is_recorded_and_the_next_one_is_known(name):
    rate = RATES[name]
    watch, record = Watch(), lrlib.RecordLearningRate()
    model = one_weight(keras.optimizers.SGD(rate))
    fit(model, STEPS - 2, watch, record)
    assert record.steps == [*range(STEPS - 2)]
    np.testing.assert_allclose(record.rates, watch.moves, atol=1e-7)
    coming = lrlib.sample(rate, STEPS)[STEPS - 2]
    assert lrlib.current_learning_rate(model.optimizer) == pytest.approx(coming)


@covers("RecordLearningRate", "current_learning_rate")
def test_accumulated_gradients_make_fewer_updates():
    sgd = keras.optimizers.SGD(RATES["Keras's own"], gradient_accumulation_steps=4)
    record, watch = lrlib.RecordLearningRate(), Watch()
    fit(one_weight(sgd), 9, watch, record)
    rates = lrlib.sample(RATES["Keras's own"], STEPS)
    assert record.steps == [3, 7]
    np.testing.assert_allclose(record.rates, rates[[3, 7]], rtol=1e-6)
    np.testing.assert_allclose(watch.moves[[3, 7]], rates[[3, 7]], rtol=1e-5)
    assert lrlib.current_learning_rate(sgd) == pytest.approx(rates[11])


@covers("RecordLearningRate", "current_learning_rate")
def test_a_skipped_update_is_not_recorded():
    inner = keras.optimizers.SGD(RATES["Keras's own"])
    scaled = keras.optimizers.LossScaleOptimizer(inner, initial_scale=4.0)
    record, x = lrlib.RecordLearningRate(), np.ones((5, 1), "float32")
    x[2] = np.inf
    model = one_weight(scaled)
    model.fit(x, x, 1, verbose=0, shuffle=False, callbacks=[record])
    assert record.steps == [0, 1, 2, 3]
    rates = lrlib.sample(inner._learning_rate, 5)
    np.testing.assert_allclose(record.rates, rates[:4], rtol=1e-6)
    assert lrlib.current_learning_rate(scaled) == pytest.approx(rates[4])


@covers("RecordLearningRate")
def test_several_steps_in_one_execution():
    schedule, record = RATES["Keras's own"], lrlib.RecordLearningRate()
    model = one_weight(keras.optimizers.SGD(schedule), steps_per_execution=5)
    if BACKEND == "torch":
        # Keras's own: when it no longer raises, take it out of the book.
        words = "`steps_per_execution` must be 1 with the PyTorch backend."
        with pytest.raises(ValueError, match=re.escape(words)):
            fit(model, 10, record)
        return
    fit(model, 10, record)
    assert record.steps == [*range(10)]
    np.testing.assert_allclose(record.rates, lrlib.sample(schedule, 10), rtol=1e-6)


@covers("RecordLearningRate")
@pytest.mark.parametrize("eager", [False, True])
def test_a_schedule_replaced_in_training_takes_effect_where_nothing_is_compiled(eager):
    def replace(model):
        model.optimizer.learning_rate = lrlib.constant(0.25).to_keras()

    sgd = keras.optimizers.SGD(lrlib.constant(1.0).to_keras())
    watch, record = Watch(2, replace), lrlib.RecordLearningRate()
    model = one_weight(sgd, run_eagerly=eager)
    if COMPILES and not eager:
        with pytest.warns(UserWarning, match="was replaced during training"):
            fit(model, 5, watch, record)
        assert record.rates == [1.0] * 5
    else:
        fit(model, 5, watch, record)
        assert record.rates == [1.0, 1.0, 1.0, 0.25, 0.25]
    np.testing.assert_allclose(record.rates, watch.moves, rtol=1e-6)


OPTIMIZERS = {
    "SGD": lambda rate: keras.optimizers.SGD(rate),
    "momentum": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "Nesterov": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "Adagrad": keras.optimizers.Adagrad,
    "RMSprop": keras.optimizers.RMSprop,
    "Adam": keras.optimizers.Adam,
    "AMSGrad": lambda rate: keras.optimizers.Adam(rate, amsgrad=True),
    "AdamW": lambda rate: keras.optimizers.AdamW(rate, weight_decay=0.0),
    "Adamax": keras.optimizers.Adamax,
}


@covers("effective_learning_rates")
@pytest.mark.parametrize("rate", ["Keras's own", "number"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_weight_moves_by_its_effective_rate(name, rate):
    # The gradients are all -1, so that any weighted mean of them is -1, too.
    optimizer, watch = OPTIMIZERS[name](RATES[rate]), Watch()
    fit(one_weight(optimizer), 3, watch)
    (found,) = lrlib.effective_learning_rates(optimizer)
    assert found.shape == (1, 1)
    assert found.item() == pytest.approx(watch.moves[-1], rel=1e-4)


@covers("Plateau", "RecordLearningRate")
@pytest.mark.parametrize("name", RATES)
def test_plateau_cuts_what_the_updates_use(name):
    model = one_weight(keras.optimizers.SGD(RATES[name]))
    plateau = lrlib.Plateau("worse", factor=0.5, patience=1, mode="min")
    watch, record = Watch(), lrlib.RecordLearningRate()
    fit(model, 2, Worse(), plateau, watch, record, epochs=4)
    scales = np.repeat([1, 1, 0.5, 0.25], 2)  # a cut at the end of epochs 1, 2 and 3
    rates = lrlib.sample(RATES[name], 8) * scales
    assert plateau.scale == 0.125
    np.testing.assert_allclose(watch.moves, rates, atol=1e-7)
    np.testing.assert_allclose(record.rates, rates, rtol=1e-5)


@covers("Plateau")
def test_an_interrupted_run_goes_on_with_its_cuts(tmp_path):
    class Stop(Exception):
        pass

    def interrupt(epoch, logs):
        if epoch == 2:
            raise Stop

    def run(*more):
        model = one_weight(keras.optimizers.SGD(RATES["formula"]))
        watch = Watch()
        callbacks = [
            Worse(),
            lrlib.Plateau("worse", factor=0.5, patience=1, mode="min"),
            keras.callbacks.BackupAndRestore(tmp_path / "backup"),
            watch,
            *more,
        ]
        try:
            fit(model, 2, *callbacks, epochs=4)
        except Stop:
            return None
        return watch.moves

    whole = run()
    assert run(keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)) is None
    rest = run()  # the first move is from 0 to where it stopped, and one more
    np.testing.assert_allclose(rest[0], whole[:5].sum(), rtol=1e-5)
    np.testing.assert_allclose(rest[1:], whole[5:], rtol=1e-4)


# Saved models: those of an earlier lrlib in tests/test_saved_models.py ----------------


@covers("Schedule.to_keras", "Plateau", "current_learning_rate")
def test_a_model_is_saved_and_loads_with_nothing_but_import_lrlib(tmp_path):
    model = one_weight(keras.optimizers.SGD(RATES["formula"]))
    model.compile(model.optimizer, "mse")
    plateau = lrlib.Plateau("worse", factor=0.5, patience=1, mode="min")
    fit(model, 2, Worse(), plateau, epochs=3)
    model.save(tmp_path / "model.keras")
    script = (
        "import keras, lrlib; "
        f"model = keras.saving.load_model({str(tmp_path / 'model.keras')!r}); "
        "print(int(model.optimizer.iterations), "
        "lrlib.current_learning_rate(model.optimizer))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    updates, rate = json.loads("[" + done.stdout.replace(" ", ",") + "]")
    assert updates == 6
    assert rate == pytest.approx(lrlib.sample(RATES["formula"], 7)[6] / 4)
    assert lrlib.current_learning_rate(model.optimizer) == pytest.approx(rate)


# Checks ----------------------------------------------------------------------------


@covers("check")
def test_check_computes_a_schedule_of_the_reader_s_own():
    class Short(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            left = 1.0 - keras.ops.cast(step, "float32") / 10
            return 0.1 * keras.ops.maximum(left, 0.0)

    report = lrlib.check(Short(), samples=320, batch_size=32, epochs=5)
    np.testing.assert_allclose(
        report.rates, lrlib.linear(0.1, 10)(range(50)), atol=1e-8
    )
    codes = {finding.code for finding in report.findings}
    assert {"LR007", "LR117"} <= codes
    assert "LR121" not in codes


@covers("check")
def test_check_finds_a_schedule_that_keras_would_not_compile():
    class Branching(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step):
            return 0.1 if step < 20 else 0.01

    report = lrlib.check(Branching(), samples=320, batch_size=32, epochs=5)
    assert ("LR121" in {f.code for f in report.findings}) == COMPILES
    np.testing.assert_allclose(report.rates, np.where(np.arange(50) < 20, 0.1, 0.01))


@covers("check")
def test_check_reads_a_compiled_model_and_its_callbacks():
    model = one_weight(keras.optimizers.SGD(RATES["Keras's own"]))
    stop = keras.callbacks.ReduceLROnPlateau("loss")
    fit(model, 2)
    report = lrlib.check(model, samples=20, batch_size=1, epochs=1, callbacks=[stop])
    assert {"LR007", "LR104", "LR110"} <= {f.code for f in report.findings}
    assert report.rates[0] == pytest.approx(0.5 * 10 / 12)


# Experiments -----------------------------------------------------------------------


def classifier():
    """Return a linear classifier of 4 numbers, with its first weights, and data."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype("float32")
    y = (x[:, 0] > 0).astype(int)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    start = [rng.normal(size=(4, 2)).astype("float32"), np.zeros(2, "float32")]
    model.set_weights(start)
    return model, start, x, y


def by_hand(start, x, y, rates, order):
    """Return the losses of softmax regression, updated by SGD, in NumPy."""
    kernel, bias = (np.array(each, float) for each in start)
    losses = []
    for rate, batch in zip(rates, order, strict=True):
        scores = x[batch] @ kernel + bias
        p = np.exp(scores - scores.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        losses.append(-np.log(p[range(len(batch)), y[batch]]).mean())
        gradient = (p - np.eye(2)[y[batch]]) / len(batch)
        kernel -= rate * x[batch].T @ gradient
        bias -= rate * gradient.sum(0)
    return losses


@covers("find_learning_rate")
@pytest.mark.parametrize("compiled", [False, True])
def test_the_range_test_trains_as_numpy_does_and_leaves_all_as_it_was(compiled):
    model, start, x, y = classifier()
    adam = keras.optimizers.Adam(RATES["formula"])
    if compiled:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(adam, loss)
    test = lrlib.find_learning_rate(
        model,
        keras.optimizers.SGD(RATES["Keras's own"]),
        (x, y),
        low=0.01,
        high=1.0,
        steps=20,
        batch_size=16,
        seeds=2,
        progress=False,
    )
    np.testing.assert_allclose(test.rates, np.geomspace(0.01, 1.0, 20))
    for seed in (0, 1):
        order = np.concatenate([batches(seed, epoch, 64, 16) for epoch in range(5)])
        losses = by_hand(start, x, y, test.rates, order)
        np.testing.assert_allclose(test.loss[seed], losses, rtol=1e-4)
        mean = np.array([0.05 * 0.95**i for i in range(20)])
        smooth = [np.dot(mean[: i + 1][::-1], losses[: i + 1]) for i in range(20)]
        smooth = smooth / (1 - 0.95 ** np.arange(1, 21))
        np.testing.assert_allclose(test.smoothed[seed], smooth, rtol=1e-4)
    for weight, before in zip(model.get_weights(), start, strict=True):
        np.testing.assert_array_equal(weight, before)
    if compiled:
        assert model.optimizer is adam
        assert int(adam.iterations) == 0
        fit_losses = model.fit(x, y, verbose=0).history["loss"]
        assert np.isfinite(fit_losses).all()


@covers("find_learning_rate")
def test_the_range_test_ends_where_the_loss_blows_up():
    model, start, x, y = classifier()
    model.compile("sgd", lambda y, outputs: keras.ops.mean(outputs**2))
    test = lrlib.find_learning_rate(
        model, keras.optimizers.SGD(), (x, y), seeds=1, batch_size=16, progress=False
    )
    done = int(np.isfinite(test.smoothed[0]).sum())
    assert 20 < done < 200
    assert np.isnan(test.smoothed[0, done:]).all()
    assert test.smoothed[0, done - 1] > 4 * np.nanmin(test.smoothed[0])
    assert 1e-5 < test.steepest < test.rates[done - 1]
    np.testing.assert_array_equal(model.get_weights()[0], start[0])


@pytest.mark.covers("race", "lab", refuses=True)
@pytest.mark.parametrize("name", ["race", "lab"])
def test_what_needs_tensorflow_says_so_in_one_sentence(name):
    arguments = {"race": [{"sgd": keras.optimizers.SGD}], "lab": []}
    with pytest.raises(ImportError) as caught:
        getattr(lrlib, name)(*arguments[name])
    assert str(caught.value) == (
        f"lrlib.{name} needs Keras on TensorFlow, but it runs on {BACKEND}: install "
        "TensorFlow, and set the environment variable KERAS_BACKEND=tensorflow before "
        "Keras is imported"
    )
