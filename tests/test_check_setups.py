"""Each finding about a setup is true: Keras does what it says, and the fix ends it."""

import inspect
import os
import random
import warnings
from pathlib import Path
from types import SimpleNamespace

import check_book
import keras
import nbformat
import numpy as np
import pytest
import tensorflow as tf
from check_corpus import CASES as CASES_OF_CURVES
from check_setups import CASES
from keras.optimizers import SGD, Adam
from keras.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    PolynomialDecay,
)

import lrlib
from lrlib.show.check import setup as setups

X = np.ones([8, 1], np.float32)
RUN = {"samples": 8, "batch_size": 2}  # 4 updates an epoch
callbacks = keras.callbacks


def model_with(optimizer, **more):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile(optimizer, "mse", **more)
    return model


def fit(model, epochs=1, **more):
    return model.fit(X, X, batch_size=2, epochs=epochs, verbose=0, **more)


def rates_of(model, epochs=1, **more):
    record = lrlib.RecordLearningRate()
    given = [*more.pop("callbacks", []), record]
    fit(model, epochs, callbacks=given, **more)
    return record.rates


def codes(report):
    return [each.code for each in report.findings if each.severity != "note"]


def notes(report):
    return [each.code for each in report.findings if each.severity == "note"]


def checked(model, epochs=1, **more):
    return lrlib.check(model, **RUN, epochs=epochs, **more)


# The rates that it reports are those that fit uses ---------------------------------


@pytest.mark.parametrize(
    "schedule",
    [
        0.25,
        PolynomialDecay(0.5, 8, 0.0),
        CosineDecay(0.0, 6, warmup_target=0.1, warmup_steps=2),
        lrlib.warmup(lrlib.rex(0.1, 6), 2).to_keras(),
    ],
    ids=["a float", "PolynomialDecay", "CosineDecay", "a formula"],
)
def test_its_rates_are_those_of_fit(schedule):
    model = model_with(SGD(schedule))
    report = checked(model, epochs=2)
    assert rates_of(model, epochs=2) == pytest.approx(report.rates, rel=1e-6, abs=1e-9)


def test_the_rates_of_a_callback_are_those_of_fit():
    scheduler = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    model = model_with(SGD(0.5))
    report = checked(model, epochs=3, callbacks=[scheduler])
    used = rates_of(model, epochs=3, callbacks=[scheduler])
    assert used == pytest.approx(report.rates)


def test_it_changes_nothing():
    model = model_with(Adam(PolynomialDecay(0.5, 8, 0.0)))
    fit(model)
    before = [v.numpy().copy() for v in (*model.weights, *model.optimizer.variables)]
    step = model.train_function
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    states = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    checked(model, epochs=2, callbacks=[callbacks.ReduceLROnPlateau()])
    after = [v.numpy() for v in (*model.weights, *model.optimizer.variables)]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert model.train_function is step
    now = np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    assert now == states


@pytest.mark.parametrize(
    ("make", "expected"), [each[1:] for each in CASES], ids=[each[0] for each in CASES]
)
def test_over_a_setup_it_finds_what_is_wrong_and_nothing_else(make, expected):
    model, given, unused = (*make(), None)[:3]  # `unused` is in the check's reach
    report = lrlib.check(model, **given)
    assert unused is None or not unused.built
    assert set(codes(report)) == expected, str(report)


# The optimizer -------------------------------------------------------------------


def test_LR101_compile_with_a_string_ignores_the_optimizer_that_was_built():
    sgd = SGD(0.5)
    model = model_with("sgd")
    assert "LR101" in codes(lrlib.check(model, **RUN))
    assert rates_of(model)[0] == pytest.approx(0.01)
    assert not sgd.built

    model = model_with(sgd)
    assert "LR101" not in codes(lrlib.check(model, **RUN))
    assert rates_of(model)[0] == pytest.approx(0.5)


def test_LR101_an_optimizer_with_a_name_was_built_even_if_all_of_it_is_default():
    other, mine = SGD(0.5), SGD(0.01)
    report = lrlib.check(model_with(mine), **RUN)
    assert not other.built
    assert "LR101" not in {each.code for each in report.findings}


def test_LR101_a_string_alone_is_a_note():
    report = lrlib.check(model_with("adam"), **RUN)
    assert "LR101" in notes(report)
    assert report.ok


def swapped(old, new):
    """Return how far one batch moves the weights after `old` became `new`."""
    model = model_with(SGD(old))
    start = [np.full([1, 1], 3.0), np.zeros(1)]
    fit(model)
    model.optimizer.learning_rate = new
    model.set_weights(start)
    found = codes(checked(model))
    model.fit(X[:2], X[:2], batch_size=2, verbose=0)
    return found, abs(model.get_weights()[1][0])


def test_LR101_is_not_said_of_the_parts_of_a_MultiOptimizer():
    slow, fast = Adam(0.001), Adam(0.1)
    parts = keras.optimizers.OptimizerMap(fast, {".*/kernel": slow})
    model = model_with(keras.optimizers.MultiOptimizer(parts))
    report = lrlib.check(model, **RUN)
    assert "LR101" not in [each.code for each in report.findings]
    fit(model)
    assert slow.built
    assert fast.built


def test_LR102_what_fit_has_compiled_is_what_moves_the_weights():
    high, low = PolynomialDecay(0.5, 10**6, 0.5), PolynomialDecay(0.125, 10**6, 0.125)
    same, as_high = swapped(high, PolynomialDecay(0.5, 10**6, 0.5))
    found, ignored = swapped(high, low)
    assert "LR102" in found
    assert "LR102" not in same
    assert ignored == pytest.approx(as_high)  # and not a quarter of it


def test_LR102_another_optimizer_after_fit():
    model = model_with(SGD(0.5))
    fit(model)
    assert "LR102" not in codes(checked(model))
    model.optimizer = SGD(0.1)
    assert "LR102" in codes(checked(model))


def test_LR102_a_float_set_after_fit_is_used():
    model = model_with(SGD(0.5))
    fit(model)
    model.optimizer.learning_rate = 0.25
    assert "LR102" not in codes(checked(model))
    assert rates_of(model)[0] == 0.25


def test_LR103_optimizer_lr_changes_nothing():
    model = model_with(SGD(0.5))
    model.optimizer.lr = 0.001
    assert "LR103" in codes(checked(model))
    assert rates_of(model)[0] == 0.5

    model = model_with(SGD(0.5))
    model.optimizer.learning_rate = 0.125
    assert "LR103" not in codes(checked(model))
    assert rates_of(model)[0] == 0.125


def test_LR103_optimizer_lr_set_by_a_callback():
    class Old(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.lr = 0.125

    class Renamed(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            found = self.model.optimizer
            found.lr = 0.125

    class New(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.lr = 0.125  # its own
            self.model.optimizer.learning_rate = self.lr

    model = model_with(SGD(0.5))
    assert "LR103" in codes(checked(model, callbacks=[Old()]))
    assert "LR103" in codes(checked(model, callbacks=[Renamed()]))
    assert "LR103" not in codes(checked(model, callbacks=[New()]))
    assert rates_of(model, callbacks=[Old()])[0] == 0.5
    assert rates_of(model, callbacks=[New()])[0] == 0.125


def test_LR108_with_gradient_accumulation_the_schedule_counts_batches():
    model = model_with(SGD(PolynomialDecay(0.5, 2, 0.0), gradient_accumulation_steps=4))
    assert "LR108" in codes(checked(model, epochs=2))
    assert rates_of(model, epochs=2) == [0.0, 0.0]

    model = model_with(SGD(PolynomialDecay(0.5, 8, 0.0), gradient_accumulation_steps=4))
    report = checked(model, epochs=2)
    assert "LR108" in notes(report)
    assert "LR108" not in codes(report)
    assert rates_of(model, epochs=2) == pytest.approx([0.3125, 0.0625])


def test_LR110_a_second_fit_goes_on_where_the_first_has_stopped():
    model = model_with(SGD(PolynomialDecay(0.5, 4, 0.125)))
    fit(model)
    report = checked(model)
    assert "LR110" in codes(report)
    assert report.rates[0] == 0.125
    assert rates_of(model)[0] == 0.125

    model.optimizer.iterations.assign(0)
    report = checked(model)
    assert "LR110" not in codes(report)
    assert rates_of(model)[0] == 0.5


def test_LR111_initial_epoch_does_not_move_the_schedule():
    model = model_with(SGD(PolynomialDecay(0.5, 8, 0.0)))
    report = checked(model, epochs=2, initial_epoch=1)
    assert "LR111" in codes(report)
    assert rates_of(model, epochs=2, initial_epoch=1)[0] == 0.5

    model.optimizer.iterations.assign(4)
    report = checked(model, epochs=2, initial_epoch=1)
    assert "LR111" not in codes(report)
    assert rates_of(model, epochs=2, initial_epoch=1)[0] == 0.25


def test_LR112_weight_decay_fades_with_the_rate_which_is_a_note():
    schedule = PolynomialDecay(0.5, 4, 0.0)
    assert "LR112" in notes(checked(model_with(SGD(schedule, weight_decay=0.1)), 2))
    assert "LR112" not in notes(checked(model_with(SGD(0.5, weight_decay=0.1)), 2))


def test_LR114_a_loss_scale_is_a_note():
    wrapped = keras.optimizers.LossScaleOptimizer(SGD(PolynomialDecay(0.5, 4, 0.0)))
    report = checked(model_with(wrapped))
    assert "LR114" in notes(report)
    assert report.rates[1] == pytest.approx(0.375)
    plain = checked(model_with(SGD(PolynomialDecay(0.5, 4, 0.0))))
    assert "LR114" not in notes(plain)


@pytest.mark.parametrize(
    ("make", "used"),
    [
        (lambda n: ExponentialDecay(1.0, n, 0.5, True), 1.0),  # and not 0.5
        (lambda n: CosineDecayRestarts(1.0, n, t_mul=1.0), 0.0),  # and not 1.0
    ],
    ids=["staircase", "restarts"],
)
def test_LR122_a_jump_of_Keras_comes_one_update_late(make, used):
    late, punctual = make(41), make(40)
    report = lrlib.check(SGD(late), steps=60)
    assert "LR122" in notes(report)
    assert "LR122" not in notes(lrlib.check(SGD(punctual), steps=60))
    fast = tf.function(lambda t: late(t), autograph=False, jit_compile=True)
    assert float(fast(tf.constant(41, tf.int64))) == pytest.approx(used, abs=1e-6)


def test_LR201_a_size_far_from_what_is_usual_is_a_note_with_its_source():
    report = lrlib.check(Adam(1.0), steps=100)
    assert "LR201" in notes(report)
    (note,) = (each for each in report.findings if each.code == "LR201")
    assert note.severity == "note"
    assert "Keras's default is 0.001" in note.text
    assert "LR201" not in notes(lrlib.check(Adam(0.001), steps=100))


# Callables -----------------------------------------------------------------------


class Counting(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that counts its own calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, step):
        self.calls += 1
        return 0.5 / self.calls

    def get_config(self):
        return {}


class Branching(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule with a Python `if` on the step."""

    def __call__(self, step):
        if step < 3:
            return 0.5
        return 0.25


class Plain(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule as it should be, but for get_config."""

    def __call__(self, step):
        return 0.5 / (1.0 + keras.ops.cast(step, "float32"))


def test_LR115_a_schedule_that_counts_its_calls_stands_still():
    schedule = Counting()
    model = model_with(SGD(schedule))
    assert "LR115" in codes(checked(model))
    assert schedule.calls == 0
    fit(model)
    assert 1 <= schedule.calls < 4  # traced, and not called for each of 4 updates

    assert "LR115" not in codes(checked(model_with(SGD(Plain()))))


def test_LR115_a_function_with_a_state_as_the_rate():
    state = {"rate": 0.5}

    def halving():
        state["rate"] *= 0.5
        return state["rate"]

    report = checked(model_with(SGD(halving)))
    assert "LR115" in codes(report)
    assert state == {"rate": 0.5}
    constant = checked(model_with(SGD(lambda: 0.5)))
    assert constant.ok
    assert "LR125" in notes(constant)
    assert "LR125" not in notes(checked(model_with(SGD(0.5))))


def test_LR116_what_can_not_be_copied_is_not_called():
    def endless():
        while True:
            yield 0.5

    rates, called = endless(), []

    def function(epoch):
        called.append(epoch)
        return next(rates)

    report = lrlib.check(function, **RUN, epochs=3)
    assert "LR116" in codes(report)
    assert called == []
    assert "LR116" not in codes(lrlib.check(lambda epoch: 0.5, **RUN, epochs=3))


def test_LR117_a_schedule_without_get_config_is_a_note():
    model = model_with(SGD(Plain()))
    assert "LR117" in notes(checked(model))
    with pytest.raises(NotImplementedError, match="get_config"):
        model.optimizer.get_config()
    assert "LR117" not in notes(checked(model_with(SGD(lrlib.rex().to_keras()))))


def test_LR120_a_function_must_return_a_float():
    def whole(epoch):
        return 1

    report = lrlib.check(whole, **RUN, epochs=2)
    assert "LR120" in codes(report)
    with pytest.raises(ValueError, match="should be a float"):
        fit(model_with(SGD(0.5)), callbacks=[callbacks.LearningRateScheduler(whole)])
    assert "LR120" not in codes(lrlib.check(lambda epoch: 1.0, **RUN, epochs=2))


def test_LR121_an_if_on_the_step_fails_in_fit():
    model = model_with(SGD(Branching()))
    assert "LR121" in codes(checked(model))
    with pytest.raises(Exception, match="symbolic"):
        fit(model)
    assert "LR121" not in codes(checked(model_with(SGD(Plain()))))


def test_LR121_says_what_fit_gives_a_function():
    def fix_of(report):
        (fix,) = (each.fix for each in report.findings if each.code == "LR121")
        return fix

    def with_rate(epoch, rate, other):
        return rate

    scheduler = [callbacks.LearningRateScheduler(with_rate)]
    model = model_with(SGD(0.5))
    report = checked(model, callbacks=scheduler)
    assert fix_of(report) == "fit gives it the epoch, or the epoch and the rate."
    with pytest.raises(TypeError, match="positional argument"):
        fit(model, callbacks=scheduler)

    model = model_with(SGD(lambda step: 0.5))
    assert fix_of(checked(model)) == "fit gives it no argument."
    with pytest.raises(TypeError, match="positional argument"):
        fit(model)

    def listed(epoch):
        return [0.5, 0.25][epoch]

    scheduler = [callbacks.LearningRateScheduler(listed)]
    model = model_with(SGD(0.5))
    report = checked(model, epochs=3, callbacks=scheduler)
    assert fix_of(report) == "Return a float for every epoch from 0 to 2."
    with pytest.raises(IndexError):
        fit(model, 3, callbacks=scheduler)
    assert "LR121" not in codes(checked(model, epochs=2, callbacks=scheduler))


def test_LR126_a_key_of_a_MultiOptimizer_that_matches_no_weights():
    def built(key):
        slow, fast = SGD(0.001, name="slow"), SGD(0.1, name="fast")
        parts = keras.optimizers.OptimizerMap(slow, {key: fast})
        inputs = keras.Input([1])
        model = keras.Model(inputs, keras.layers.Dense(1, name="head")(inputs))
        model.compile(keras.optimizers.MultiOptimizer(parts), "mse")
        report = checked(model)
        assert not fast.built
        fit(model)
        return fast.built, report

    trained, report = built("head")
    assert not trained
    assert "LR126" in codes(report)
    (found,) = (each for each in report.findings if each.code == "LR126")
    assert "fast trains nothing" in found.text
    trained, report = built(found.fix.split("'")[1])
    assert trained
    assert "LR126" not in codes(report)


def test_LR125_a_rate_that_reads_what_changes_while_it_trains():
    state, weights = {"rate": 0.5}, []

    class Lower(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            state["rate"] = 0.5**epoch
            weights.append(float(self.model.get_weights()[0][0, 0]))

    layer = keras.layers.Dense(1, use_bias=False)
    model = keras.Sequential([keras.Input([1]), layer])
    model.compile(SGD(lambda: state["rate"]), lambda y, output: output)
    assert "LR125" in codes(checked(model, epochs=4, callbacks=[Lower()]))
    fit(model, 4, callbacks=[Lower()])
    moves = np.diff(weights)
    assert state["rate"] == 0.125
    assert abs(moves[0]) > 0.1
    assert np.allclose(moves, moves[0], rtol=1e-4)
    fixed = model_with(SGD(lambda: 0.5))
    assert "LR125" in notes(checked(fixed))


# Callbacks -----------------------------------------------------------------------


def test_LR104_a_schedule_and_LearningRateScheduler():
    scheduler = callbacks.LearningRateScheduler(lambda epoch: 0.1)
    model = model_with(SGD(PolynomialDecay(0.5, 4, 0.0)))
    assert "LR104" in codes(checked(model, callbacks=[scheduler]))
    with pytest.raises(TypeError, match="not settable"):
        fit(model, callbacks=[scheduler])
    assert "LR104" not in codes(checked(model_with(SGD(0.5)), callbacks=[scheduler]))


def test_LR104_a_schedule_and_ReduceLROnPlateau_raise_at_the_epoch_it_says():
    def plateau():
        return callbacks.ReduceLROnPlateau("loss", patience=2, min_delta=1e9)

    def model():
        return model_with(SGD(PolynomialDecay(0.01, 100, 0.0)))

    report = checked(model(), epochs=5, callbacks=[plateau()])
    (found,) = (each for each in report.findings if each.code == "LR104")
    assert "end of epoch 3" in found.text
    fit(model(), epochs=2, callbacks=[plateau()])
    with pytest.raises(TypeError, match="not settable"):
        fit(model(), epochs=3, callbacks=[plateau()])
    ours = lrlib.Plateau("loss", patience=2)
    assert "LR104" not in codes(checked(model(), epochs=5, callbacks=[ours]))


@pytest.mark.parametrize(
    ("plateau", "run", "because"),
    [
        ({"monitor": "val_loss"}, {}, "while fit doesn't log 'val_loss'"),
        ({"monitor": "loss", "min_lr": 0.5}, {}, "its min_lr=0.5 prevents"),
        ({"monitor": "loss"}, {"initial_epoch": 2}, "4 epochs is too short"),
    ],
)
def test_LR104_a_plateau_that_never_cuts_never_raises(plateau, run, because):
    def given():
        return [callbacks.ReduceLROnPlateau(**plateau, patience=2, min_delta=1e9)]

    model = model_with(SGD(PolynomialDecay(0.01, 16, 0.0)))
    report = checked(model, epochs=4, callbacks=given(), **run)
    (found,) = (each for each in report.findings if each.code == "LR104")
    assert found.severity == "suspicious"
    assert because in found.text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit(model, epochs=4, callbacks=given(), **run)


def test_LR104_and_LR119_count_epochs_from_initial_epoch():
    def given():
        return [callbacks.ReduceLROnPlateau("loss", patience=2, min_delta=1e9)]

    def model():
        return model_with(SGD(PolynomialDecay(0.01, 100, 0.0)))

    report = checked(model(), epochs=6, initial_epoch=3, callbacks=given())
    (found,) = (each for each in report.findings if each.code == "LR104")
    assert (found.severity, "end of epoch 6" in found.text) == ("wrong", True)
    fit(model(), epochs=5, initial_epoch=3, callbacks=given())
    with pytest.raises(TypeError, match="not settable"):
        fit(model(), epochs=6, initial_epoch=3, callbacks=given())

    short = checked(model_with(SGD(0.1)), epochs=5, initial_epoch=3, callbacks=given())
    assert codes(short) == ["LR119"]
    rates = rates_of(model_with(SGD(0.1)), 5, initial_epoch=3, callbacks=given())
    assert len(set(rates)) == 1
    scheduler = callbacks.LearningRateScheduler(lambda epoch: 0.1)
    report = checked(model(), epochs=6, initial_epoch=3, callbacks=[scheduler])
    assert any("at the beginning of epoch 4" in each.text for each in report.findings)


def test_LR105_a_function_of_the_epoch_overwrites_the_plateaus_cuts():
    def given(function):
        plateau = callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9)
        return [callbacks.LearningRateScheduler(function), plateau]

    fixed, following = given(lambda epoch: 0.5), given(lambda epoch, rate: rate)
    model = model_with(SGD(0.5))
    assert "LR105" in codes(checked(model, epochs=4, callbacks=fixed))
    assert set(rates_of(model, epochs=4, callbacks=fixed)) == {0.5}
    assert "LR105" not in codes(checked(model, epochs=4, callbacks=following))
    assert rates_of(model, epochs=4, callbacks=following)[-1] < 0.5


def test_LR106_early_stopping_comes_before_the_cut():
    def given(patience):
        return [
            callbacks.EarlyStopping("loss", patience=patience, min_delta=1e9),
            callbacks.ReduceLROnPlateau("loss", patience=3, min_delta=1e9),
        ]

    model = model_with(SGD(0.5))
    assert "LR106" in codes(checked(model, epochs=12, callbacks=given(2)))
    assert len(set(rates_of(model, epochs=12, callbacks=given(2)))) == 1
    model = model_with(SGD(0.5))
    assert "LR106" not in codes(checked(model, epochs=12, callbacks=given(8)))
    assert len(set(rates_of(model, epochs=12, callbacks=given(8)))) > 1


def test_LR107_a_metric_that_fit_does_not_log():
    plateau = [callbacks.ReduceLROnPlateau("val_loss", patience=1)]
    model = model_with(SGD(0.5), metrics=["mae"])
    report = checked(model, epochs=3, callbacks=plateau)
    assert "LR107" in codes(report)
    logged = fit(model).history
    assert "val_loss" not in logged
    kept = checked(model, epochs=3, callbacks=plateau, validation_split=0.25)
    assert "LR107" not in codes(kept)
    assert "val_loss" in fit(model, validation_split=0.25).history

    accuracy = [callbacks.EarlyStopping("val_accuracy", mode="max")]
    wrong = checked(model, callbacks=accuracy, validation_split=0.25)
    assert "LR107" in codes(wrong)


@pytest.mark.parametrize(
    ("monitor", "mode", "raises"),
    [
        ("val_loss", "auto", False),
        ("val_mae", "auto", False),
        ("val_accuracy", "auto", True),
        ("val_accuracy", "max", False),
    ],
)
@pytest.mark.parametrize("kind", ["EarlyStopping", "ReduceLROnPlateau"])
def test_LR107_says_whether_fit_raises(kind, monitor, mode, raises):
    callback = getattr(callbacks, kind)(monitor, mode=mode)
    model = model_with(SGD(0.5), metrics=["mae"])
    (found,) = (
        each
        for each in checked(model, epochs=3, callbacks=[callback]).findings
        if each.code == "LR107"
    )
    if raises:
        assert "fit raises a ValueError at the end of epoch 1" in found.text
        with pytest.raises(ValueError, match="maximized or minimized"):
            fit(model, epochs=3, callbacks=[callback])
    else:
        assert "so it never acts" in found.text
        with pytest.warns(UserWarning, match=monitor):
            fit(model, epochs=3, callbacks=[callback])


class PerBatch(callbacks.Callback):
    """Counts how often it is called."""

    calls = 0

    def on_train_batch_end(self, batch, logs=None):
        self.calls += 1


def test_LR109_with_steps_per_execution_a_callback_sees_every_kth_update():
    model, counting = model_with(SGD(0.5), steps_per_execution=4), PerBatch()
    assert "LR109" in codes(checked(model, callbacks=[counting]))
    fit(model, callbacks=[counting])
    assert counting.calls == 1
    assert "LR109" not in codes(checked(model_with(SGD(0.5)), callbacks=[PerBatch()]))


def test_LR113_LearningRateScheduler_sets_all_optimizers_of_a_MultiOptimizer():
    slow, fast = SGD(0.25, name="slow"), SGD(0.5, name="fast")
    rates = keras.optimizers.OptimizerMap(slow, {".*/kernel": fast})
    model = model_with(keras.optimizers.MultiOptimizer(rates))
    alike = callbacks.LearningRateScheduler(lambda epoch: 0.125)
    assert "LR113" in codes(checked(model, callbacks=[alike]))
    fit(model, callbacks=[alike])
    assert float(slow.learning_rate) == float(fast.learning_rate) == 0.125

    scaled = callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.5)
    report = checked(model, callbacks=[scaled])
    assert "LR113" not in codes(report)
    assert "LR113" in notes(report)


def test_LR118_a_floor_above_the_rate():
    def plateau(floor):
        return [
            callbacks.ReduceLROnPlateau("loss", patience=1, min_delta=1e9, min_lr=floor)
        ]

    model = model_with(SGD(0.001))
    assert "LR118" in codes(checked(model, epochs=4, callbacks=plateau(0.01)))
    assert len(set(rates_of(model, epochs=4, callbacks=plateau(0.01)))) == 1
    assert "LR118" not in codes(checked(model, epochs=4, callbacks=plateau(1e-5)))
    assert len(set(rates_of(model, epochs=4, callbacks=plateau(1e-5)))) > 1


def test_LR119_a_patience_longer_than_the_run():
    def plateau(patience):
        return [callbacks.ReduceLROnPlateau("loss", patience=patience, min_delta=1e9)]

    model = model_with(SGD(0.5))
    assert "LR119" in codes(checked(model, epochs=4, callbacks=plateau(10)))
    assert len(set(rates_of(model, epochs=4, callbacks=plateau(10)))) == 1
    assert "LR119" not in codes(checked(model, epochs=4, callbacks=plateau(2)))


def test_LR127_a_metric_watched_in_the_wrong_direction():
    class Improving(callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs["accuracy"] = 0.2 * epoch

    def fitted(watch, **mode):
        model = model_with(SGD(0.001), metrics=["accuracy"])
        watching = watch("accuracy", patience=1, **mode)
        found = "LR127" in codes(checked(model, epochs=5, callbacks=[watching]))
        rates = rates_of(model, epochs=5, callbacks=[Improving(), watching])
        return found, len(set(rates)), len(rates) // 4

    plateau, stopping = callbacks.ReduceLROnPlateau, callbacks.EarlyStopping
    assert fitted(plateau, mode="min") == (True, 4, 5)  # four cuts
    assert fitted(stopping, mode="min") == (True, 1, 2)  # two epochs
    for right in {}, {"mode": "max"}:
        assert fitted(plateau, **right) == fitted(stopping, **right) == (False, 1, 5)


def test_LR127_a_checkpoint_keeps_the_worst_model():
    model = model_with(SGD(0.001))
    for mode, wrong in [("max", ["LR127"]), ("min", [])]:
        best = callbacks.ModelCheckpoint("x.keras", "loss", 0, True, mode=mode)
        assert codes(checked(model, callbacks=[best])) == wrong
    every = callbacks.ModelCheckpoint("x.keras", "loss", mode="max")
    assert "LR127" not in codes(checked(model, callbacks=[every]))


def test_LR123_an_initial_epoch_beyond_the_last():
    model = model_with(SGD(0.5))
    assert "LR123" in codes(checked(model, epochs=2, initial_epoch=2))
    assert fit(model, epochs=2, initial_epoch=2).history == {}
    assert "LR123" not in codes(checked(model, epochs=3, initial_epoch=2))


# Curves ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", CASES_OF_CURVES)
def test_the_curve_of_a_fault_is_the_one_that_fit_uses(code):
    fault, fixed = CASES_OF_CURVES[code]
    x = np.ones([6_400, 1], np.float32)
    run = {"x": x, "batch_size": 64, "epochs": 20}
    reports = [lrlib.check(SGD(s.to_keras()), **run) for s in (fault, fixed)]
    assert [code in codes(report) for report in reports] == [True, False]
    model, record = model_with(SGD(fault.to_keras())), lrlib.RecordLearningRate()
    model.compile(model.optimizer, "mse", steps_per_execution=100)
    model.fit(**run, y=x, verbose=0, callbacks=[record])
    expected = reports[0].rates[record.steps]
    np.testing.assert_allclose(
        record.rates, expected, rtol=0, atol=1e-5 * expected.max()
    )


def test_LR008_a_negative_rate_climbs_the_loss():
    model = model_with(SGD(PolynomialDecay(0.5, 2, -0.5)))
    assert "LR008" in codes(checked(model, epochs=3))
    losses = fit(model, epochs=3).history["loss"]
    assert losses[2] > losses[1]
    down_to_zero = PolynomialDecay(0.5, 2, 0.0)
    assert "LR008" not in codes(checked(model_with(SGD(down_to_zero)), epochs=3))


def test_LR009_a_rate_that_is_no_number_makes_the_weights_none():
    def scheduler(function):
        return [callbacks.LearningRateScheduler(function)]

    broken = scheduler(lambda epoch: 0.5 - 0.25 * epoch if epoch < 2 else float("nan"))
    model = model_with(SGD(0.5))
    assert "LR009" in codes(checked(model, epochs=3, callbacks=broken))
    fit(model, epochs=3, callbacks=broken)
    assert np.isnan(model.get_weights()[0]).all()
    whole = scheduler(lambda epoch: 0.5 / (1 + epoch))
    assert "LR009" not in codes(checked(model_with(SGD(0.5)), 3, callbacks=whole))


def test_LR018_validation_split_shortens_the_run():
    split = {"epochs": 2, "validation_split": 0.5}
    model = model_with(SGD(PolynomialDecay(0.5, 8, 0.0)))
    assert "LR018" in codes(checked(model, **split))
    assert rates_of(model, **split) == pytest.approx([0.5, 0.4375, 0.375, 0.3125])
    model = model_with(SGD(PolynomialDecay(0.5, 4, 0.0)))
    assert "LR018" not in codes(checked(model, **split))
    assert rates_of(model, **split)[-1] == pytest.approx(0.125)


def test_LR025_divisors_that_compound():
    def compounding(epoch, rate):
        return rate / (1 + 0.5 * epoch)

    def meant(epoch):
        return 0.5 / (1 + 0.5 * epoch)

    model = model_with(SGD(0.5))
    faulty, right = ([callbacks.LearningRateScheduler(f)] for f in (compounding, meant))
    assert "LR025" in codes(checked(model, epochs=5, callbacks=faulty))
    assert rates_of(model, epochs=5, callbacks=faulty)[-1] == pytest.approx(0.5 / 22.5)
    assert "LR025" not in codes(checked(model, epochs=5, callbacks=right))
    assert rates_of(model, epochs=5, callbacks=right)[-1] == pytest.approx(0.5 / 3)


def test_LR025_powers_that_compound():
    def compounding(epoch, rate):
        return rate * 0.5**epoch

    def meant(epoch):
        return 0.5 * 0.5**epoch

    model = model_with(SGD(0.5))
    faulty, right = ([callbacks.LearningRateScheduler(f)] for f in (compounding, meant))
    for epochs in 5, 60:
        assert "LR025" in codes(checked(model, epochs=epochs, callbacks=faulty))
        assert "LR025" not in codes(checked(model, epochs=epochs, callbacks=right))
    used = rates_of(model, epochs=5, callbacks=faulty)
    assert used[-1] == pytest.approx(0.5 * 0.5 ** (1 + 2 + 3 + 4))


def test_LR028_a_schedule_of_updates_called_with_epochs():
    falling = ExponentialDecay(0.5, 8, 0.25)

    def by_epoch(each):
        return [
            callbacks.LearningRateScheduler(lambda epoch: float(falling(each * epoch)))
        ]

    model = model_with(SGD(0.5))
    slow = ExponentialDecay(0.5, 8000, 0.25)
    callback = callbacks.LearningRateScheduler(lambda epoch: float(slow(epoch)))
    assert "LR028" in codes(checked(model, epochs=5, callbacks=[callback]))
    assert rates_of(model, epochs=5, callbacks=[callback])[-1] > 0.499
    assert "LR028" not in codes(checked(model, epochs=5, callbacks=by_epoch(4)))
    assert rates_of(model, epochs=5, callbacks=by_epoch(4))[-1] < 0.1


def test_validation_data_makes_validation_split_idle():
    schedule = PolynomialDecay(0.5, 4, 0.0)
    more = {"validation_split": 0.5, "validation_data": (X, X)}
    report = checked(model_with(SGD(schedule)), **more)
    assert codes(report) == []
    used = rates_of(model_with(SGD(schedule)), **more)
    assert used == pytest.approx(list(report.rates))


def test_LR027_a_length_in_updates_that_counts_epochs():
    def by_epoch(length):
        falling = lrlib.linear(0.5, length)
        return [callbacks.LearningRateScheduler(lambda epoch: float(falling(epoch)))]

    run = {**RUN, "epochs": 2, "unit": "epoch"}
    assert "LR027" in codes(lrlib.check(lrlib.linear(0.5, 8), **run))
    used = rates_of(model_with(SGD(0.5)), epochs=2, callbacks=by_epoch(8))
    assert used == pytest.approx(lrlib.check(lrlib.linear(0.5, 8), **run).rates)
    assert "LR027" not in codes(lrlib.check(lrlib.linear(0.5, 2), **run))
    assert rates_of(model_with(SGD(0.5)), 2, callbacks=by_epoch(2))[-1] == 0.25


def test_LR124_a_string_in_a_text():
    text = "sgd = keras.optimizers.SGD(0.5)\nmodel.compile({}, 'mse')"
    assert "LR124" in codes(lrlib.check(text.format("'sgd'"), **RUN))
    assert "LR124" not in codes(lrlib.check(text.format("sgd"), **RUN))
    assert rates_of(model_with("sgd"))[0] == pytest.approx(0.01)


def test_LR104_a_callback_of_ones_own_that_sets_the_rate():
    class Setting(callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.optimizer.learning_rate = 0.1

    model = model_with(SGD(PolynomialDecay(0.5, 4, 0.0)))
    assert "LR104" in codes(checked(model, callbacks=[Setting()]))
    with pytest.raises(TypeError, match="not settable"):
        fit(model, callbacks=[Setting()])
    assert "LR104" not in codes(checked(model_with(SGD(0.5)), callbacks=[Setting()]))


def test_LR019_a_whole_number_makes_whole_numbers_of_the_rest():
    report = lrlib.check(ExponentialDecay(1, 10, 0.5), steps=40)
    assert "LR019" in codes(report)
    np.testing.assert_array_equal(report.rates[1:], 0.0)
    used = [float(ExponentialDecay(1, 10, 0.5)(tf.constant(t))) for t in range(40)]
    assert used == pytest.approx(report.rates)
    assert "LR019" not in codes(lrlib.check(ExponentialDecay(1.0, 10, 0.5), steps=40))


def test_LR020_a_warm_up_without_a_target_is_none():
    ignored = CosineDecay(0.1, 30, warmup_steps=10)
    assert "LR020" in codes(lrlib.check(ignored, steps=30))
    assert float(ignored(0)) == pytest.approx(0.1)
    used = CosineDecay(0.0, 30, warmup_target=0.1, warmup_steps=10)
    assert "LR020" not in codes(lrlib.check(used, steps=40))
    assert float(used(0)) == 0.0


def test_LR015_unsorted_boundaries_are_added_up():
    unsorted = keras.optimizers.schedules.PiecewiseConstantDecay(
        [20, 10], [1.0, 0.5, 0.1]
    )
    right = keras.optimizers.schedules.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
    report = lrlib.check(unsorted, steps=40)
    assert "LR015" in codes(report)
    assert "LR015" not in codes(lrlib.check(right, steps=40))
    assert report.rates[11] == pytest.approx(1.1)
    text = "PiecewiseConstantDecay([20, 10], [1.0, 0.5, 0.1])"
    read = lrlib.check(text, steps=40)
    np.testing.assert_allclose(read.rates, report.rates, rtol=1e-6)


def test_a_schedule_of_ones_own_is_sampled_and_the_report_says_so():
    report = lrlib.check(Plain(), steps=50_000)
    assert report.sampled
    assert len(report.rates) <= 2_000
    assert "sampled" in str(report)
    assert report.rates[-1] == pytest.approx(0.5 / 50_000)


# What it is given ------------------------------------------------------------------


def test_a_dataset_of_known_length_gives_its_steps():
    data = tf.data.Dataset.from_tensor_slices((X, X)).batch(2)
    model = model_with(SGD(PolynomialDecay(0.5, 8, 0.0)))
    assert len(lrlib.check(model, samples=data, epochs=2).rates) == 8
    assert len(lrlib.check(model, x=data, epochs=2).rates) == 8
    with pytest.raises(ValueError, match="assert_cardinality"):
        lrlib.check(model, x=data.filter(lambda x, y: True), epochs=2)


def test_arrays_and_a_split_give_the_steps_of_fit():
    model = model_with(SGD(0.5))
    report = lrlib.check(model, x=X, batch_size=2, epochs=3, validation_split=0.25)
    assert len(report.rates) == 9
    assert len(rates_of(model, epochs=3, validation_split=0.25)) == 9


def test_a_model_that_is_not_compiled_is_refused():
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="compile"):
        lrlib.check(model, steps=10)
    with pytest.raises(TypeError, match="no_such"):
        lrlib.check(model_with("sgd"), steps=10, no_such=3)


def test_it_takes_what_fit_takes():
    takes = inspect.signature(keras.Model.fit).parameters
    assert set(takes) - {"self"} == setups.FIT


# Over the book it is silent ----------------------------------------------------------


def test_a_cell_fails_whose_tag_is_not_what_the_check_finds(monkeypatch):
    schedules = {"good": lrlib.cosine(0.1, 100), "bad": lrlib.cosine(0.1, 5)}
    cells = {"good": False, "bad": False, "good, tagged": True, "bad, tagged": True}
    monkeypatch.setattr(check_book, "watched", lambda: cells)
    for source in cells:
        failed = []
        shell = SimpleNamespace(user_ns={}, showtraceback=failed.append)
        watch, schedule = check_book.Watch(shell), schedules[source.split(",")[0]]
        watch.source = source
        run = {"samples": 640, "epochs": 5}
        if source == "bad":
            with pytest.raises(AssertionError, match="without the tag"):
                watch.look(lambda check: check(schedule, **run), {})  # noqa: B023
            continue
        watch.look(lambda check: check(schedule, **run), {})  # noqa: B023
        watch.after(None)
        assert len(failed) == (source == "good, tagged")


def test_a_fit_on_data_of_unknown_length_is_not_looked_at(monkeypatch):
    monkeypatch.setattr(check_book, "watched", lambda: {"": False})
    watch = check_book.Watch(SimpleNamespace(user_ns={}))
    data = tf.data.Dataset.range(4).filter(lambda x: x > 1)
    watch.look(lambda check: check(model_with("sgd"), x=data), globals())
    with pytest.raises(ValueError, match="epochs"):
        watch.look(lambda check: check(model_with("sgd"), x=X, epochs=0), globals())


def test_the_kernels_of_the_tests_load_the_watch():
    config = Path(os.environ["IPYTHONDIR"], "profile_default/ipython_kernel_config.py")
    assert "check_book" in config.read_text()
    assert sum(check_book.watched().values()) >= 10


class Pretend:
    """Stands for the model of a recipe: it compiles and checks, and trains nothing."""

    def __init__(self):
        self.reports, self.optimizer = [], None

    def compile(self, optimizer, *args, **more):
        self.optimizer = optimizer

    def fit(self, x=None, y=None, batch_size=None, epochs=1, **more):
        model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
        model.compile(self.optimizer, "mse", metrics=["accuracy"])
        more.pop("verbose", None)
        report = lrlib.check(model, x=x, batch_size=batch_size, epochs=epochs, **more)
        self.reports.append(report)
        self.optimizer.iterations.assign(len(report.rates))
        return keras.callbacks.History()

    def save(self, path):
        pass


RECIPES = nbformat.read(
    Path(__file__).parent.parent / "book" / "recipes.ipynb", as_version=4
)
PASTED = [c for c in RECIPES.cells if "paste" in c.metadata.get("tags", ())]


def test_over_the_recipes_it_is_silent():
    checked, names = [], {}
    for cell in PASTED:
        if "fit(" not in cell.source:
            exec(cell.source, names)  # what the recipes share, such as WarmUp
    for cell in PASTED:
        if "fit(" not in cell.source:
            continue
        model = Pretend()
        backbone = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
        x, y = np.zeros([6_000, 28, 28], np.uint8), np.zeros(6_000, np.uint8)
        given = {"x_train": x, "y_train": y, "x_val": x[:500], "y_val": y[:500]}
        # Where a recipe goes on from its own optimizer, the count is meant.
        exec(cell.source, {**names, **given, "model": model, "backbone": backbone})
        for report in model.reports:
            found = [f for f in report.findings if f.severity != "note"]
            assert {f.code for f in found} <= {"LR110"}, f"{cell.id}: {report}"
            assert not found or len(model.reports) > 1, cell.id
        checked += model.reports
    assert len(checked) >= 6
