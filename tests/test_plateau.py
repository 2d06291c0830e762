"""`Plateau` against Keras' own callback, PyTorch's and optax' sequences, and itself."""

import contextlib
import json
import warnings

import keras
import numpy as np
import pytest

import lrlib
from lrlib.training.optimizers import current_learning_rate
from lrlib.training.plateau import ScaledSchedule

x = np.ones((4, 1), "float32")


def build(learning_rate):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), "mse")
    return model


class Stub:
    """What the callback needs of a model, made in no time."""

    def __init__(self, learning_rate):
        self.optimizer = keras.optimizers.SGD(learning_rate)

    def make_train_function(self, force):
        assert force


def drive(callback, metrics, learning_rate=1.0, first_epoch=0, model=None):
    """Feed the callback one metric an epoch; return the rate after each."""
    model = model or Stub(learning_rate)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(metrics, first_epoch):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, {"loss": value})
        rates.append(current_learning_rate(model.optimizer))
    return rates


# Counting ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patience", "cooldown", "expected"),
    [
        # The first epoch improves on nothing; it is not counted.
        (2, 0, [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125]),
        (1, 0, [1, 0.5, 0.25, 0.125, 0.0625]),
        (0, 0, [1, 0.5, 0.25, 0.125, 0.0625]),
        (1, 1, [1, 0.5, 0.25, 0.125, 0.0625]),
        (1, 2, [1, 0.5, 0.5, 0.25, 0.25, 0.125]),
        (2, 3, [1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]),
    ],
)
def test_cuts_when_the_metric_stands_still(patience, cooldown, expected):
    plateau = lrlib.Plateau("loss", 0.5, patience, cooldown=cooldown)
    assert drive(plateau, [3.0] * len(expected)) == expected


METRICS = [1.0, 0.9, 0.91, 0.89995, 0.95, 0.7, 0.7, 0.7, 0.71, 0.2, 0.3, 0.3, 0.3, 0.3]


@pytest.mark.parametrize("patience", [0, 1, 2, 3])
@pytest.mark.parametrize("cooldown", [0, 1, 2, 4])
@pytest.mark.parametrize("mode", ["auto", "min", "max"])
@pytest.mark.parametrize("min_delta", [0.0, 1e-4, 0.05, 0.3])
def test_on_a_number_it_does_what_keras_does(patience, cooldown, mode, min_delta):
    arguments = {
        "monitor": "loss",
        "factor": 0.5,
        "patience": patience,
        "cooldown": cooldown,
        "mode": mode,
        "min_delta": min_delta,
        "min_lr": 0.1,
    }
    expected = drive(keras.callbacks.ReduceLROnPlateau(**arguments), METRICS)
    assert drive(lrlib.Plateau(**arguments), METRICS) == pytest.approx(expected)
    # And a schedule is cut in the same places.
    flat = lrlib.inverse_time(1, 100_000, 1e-9).to_keras()
    on_schedule = drive(lrlib.Plateau(**arguments), METRICS, flat)
    assert on_schedule == pytest.approx(expected)


def test_an_improvement_is_absolute_as_in_keras_and_not_a_share_as_in_pytorch():
    # 1e-4 of 3.0 is 3e-4: PyTorch would not take 2e-4 as an improvement.
    metrics = [3.0 - 2e-4 * i for i in range(6)]
    assert drive(lrlib.Plateau("loss", 0.5, 1), metrics) == [1.0] * 6


def test_min_lr_is_reached_and_not_passed():
    plateau = lrlib.Plateau("loss", 0.5, 1, min_lr=0.3)
    assert drive(plateau, [1.0] * 5) == pytest.approx([1, 0.5, 0.3, 0.3, 0.3])


def test_a_missing_metric_is_a_warning_that_names_it():
    plateau = lrlib.Plateau("val_loss", 0.5, 1)
    with pytest.warns(UserWarning, match="val_loss"):
        drive(plateau, [1.0])


def test_greedy_raises_the_rate_while_things_go_well_up_to_max_scale():
    plateau = lrlib.Plateau("loss", 0.5, 2, greedy=True)
    metrics = [1, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert drive(plateau, metrics) == [1, 1, 0.5, 0.5, 1, 1, 1, 1, 1]
    plateau = lrlib.Plateau("loss", 0.5, 1, greedy=True, max_scale=3)
    assert drive(plateau, [5, 4, 3, 2, 2, 2]) == [1, 2, 3, 3, 1.5, 0.75]


def test_verbose_says_what_has_changed(capsys):
    drive(lrlib.Plateau("loss", 0.5, 1, verbose=1), [1.0, 1.0])
    assert "Epoch 2: Plateau sets the scale to 0.5." in capsys.readouterr().out


def drive_all(callbacks, metrics, learning_rate=1.0):
    """Feed several callbacks one metric an epoch; return the rate used in each."""
    model, rates = Stub(learning_rate), []
    for callback in callbacks:
        callback.set_model(model)
    for callback in callbacks:
        callback.on_train_begin()
    for epoch, value in enumerate(metrics):
        for callback in callbacks:
            callback.on_epoch_begin(epoch)
        rates.append(current_learning_rate(model.optimizer))
        for callback in callbacks:
            callback.on_epoch_end(epoch, {"loss": value, "other": value % 0.3})
    return rates


class ByHand(keras.callbacks.Callback):
    """Sets the rate at the beginning of some epochs."""

    def __init__(self, rates):
        super().__init__()
        self.rates = rates

    def on_epoch_begin(self, epoch, logs=None):
        if epoch in self.rates:
            self.model.optimizer.learning_rate = self.rates[epoch]


def warm_up(epoch, rate):
    return 0.1 * (epoch + 1) / 10 if epoch < 10 else rate


BESIDE = {
    "a warm-up by a function of epoch and rate": lambda plateau: [
        keras.callbacks.LearningRateScheduler(warm_up),
        plateau("loss", 0.5, 2),
    ],
    "a function that decays the rate it is given": lambda plateau: [
        plateau("loss", 0.5, 2),
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.9 * rate),
    ],
    "a function of the epoch alone": lambda plateau: [
        plateau("loss", 0.5, 1),
        keras.callbacks.LearningRateScheduler(lambda epoch: 0.9**epoch),
    ],
    "rates set by hand": lambda plateau: [
        ByHand({1: 0.01, 7: 0.5}),
        plateau("loss", 0.5, 1, min_lr=1e-3),
    ],
    "two plateaus": lambda plateau: [
        plateau("loss", 0.5, 2),
        plateau("other", 0.1, 3, min_lr=1e-4, mode="min"),
    ],
    "two plateaus of one metric": lambda plateau: [
        plateau("loss", 0.5, 2),
        plateau("loss", 0.5, 1),
    ],
}


@pytest.mark.parametrize("name", BESIDE)
def test_beside_what_else_sets_the_rate_it_does_what_keras_does(name):
    metrics = [*METRICS, *[0.3] * 6]
    ours = drive_all(BESIDE[name](lrlib.Plateau), metrics)
    own = drive_all(BESIDE[name](keras.callbacks.ReduceLROnPlateau), metrics)
    assert ours == pytest.approx(own, rel=1e-6)
    assert min(ours) < max(ours)


def test_two_plateaus_of_a_schedule_both_cut_it():
    pair = [lrlib.Plateau("loss", 0.5, 1), lrlib.Plateau("loss", 0.1, 2)]
    rates = drive_all(pair, [1.0] * 5, lrlib.constant(1.0).to_keras())
    assert rates == pytest.approx([1.0, 1.0, 0.5, 0.025, 0.0125])


@pytest.mark.parametrize("min_lr", [0.3, 7e-5])
@pytest.mark.parametrize("factor", [0.5, 0.9])
@pytest.mark.parametrize("schedule", [True, False])
def test_at_min_lr_it_says_as_much_as_keras_and_stays_there(
    min_lr, factor, schedule, capsys
):
    arguments = {"factor": factor, "patience": 1, "min_lr": min_lr, "verbose": 1}
    drive(keras.callbacks.ReduceLROnPlateau("loss", **arguments), [1.0] * 110)
    expected = capsys.readouterr().out.count("reducing learning rate")
    rate = lrlib.inverse_time(1, 100_000, 1e-9).to_keras() if schedule else 1.0
    rates = drive(lrlib.Plateau("loss", **arguments), [1.0] * 110, rate)
    assert capsys.readouterr().out.count("Plateau sets") == expected > 0
    assert rates[-1] == pytest.approx(min_lr, rel=1e-6)


@pytest.mark.parametrize("metrics", [[np.nan] * 12, [np.nan, 1.0, 0.5, 0.4, 0.3]])
@pytest.mark.parametrize("schedule", [True, False])
def test_losses_that_are_nan_never_raise_the_rate(metrics, schedule):
    rate = lrlib.constant(1.0).to_keras() if schedule else 1.0
    greedy = lrlib.Plateau("loss", 0.5, 2, cooldown=4, greedy=True, max_scale=8)
    plain = keras.callbacks.ReduceLROnPlateau("loss", 0.5, 2, cooldown=4)
    assert drive(greedy, metrics, rate) == drive(plain, metrics)


def test_a_rate_that_is_a_function_is_refused():
    with pytest.raises(TypeError, match="number or a schedule, got the function"):
        drive(lrlib.Plateau("loss"), [1.0], lambda: 0.1)


# Driving a schedule ----------------------------------------------------------------


def test_keras_own_cannot_drive_a_schedule():
    own = keras.callbacks.ReduceLROnPlateau("loss", 0.5, 1)
    with pytest.raises(TypeError, match="not settable"):
        drive(own, [1.0, 1.0], lrlib.cosine().to_keras())


def fit(model, callbacks, epochs=6, **options):
    """Two updates an epoch; the loss never improves, since nothing is to be learned."""
    return model.fit(
        x,
        np.full_like(x, np.inf),
        batch_size=2,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
        **options,
    )


def test_every_update_uses_schedule_times_scale():
    s = lrlib.linear(1.0, 20)
    record = lrlib.RecordLearningRate()
    plateau = lrlib.Plateau("loss", 0.5, 2, mode="min")
    fit(build(s.to_keras()), [plateau, record])
    # inf is an improvement on nothing in epoch 0; cuts after epochs 2 and 4.
    scale = np.repeat([1, 1, 1, 0.5, 0.5, 0.25], 2)
    np.testing.assert_allclose(record.rates, s(np.arange(12)) * scale, rtol=1e-6)


def test_the_compiled_step_uses_the_scale():
    # Of a linear model whose loss is its output, the gradient of the bias is 1, so
    # that the bias falls by the rate itself.
    model = keras.Sequential(
        [keras.Input([1]), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    s = lrlib.constant(1.0)
    model.compile(
        keras.optimizers.SGD(s.to_keras()), lambda y, output: keras.ops.mean(output)
    )
    data = np.zeros((1, 1), "float32")
    model.fit(data, data, verbose=0)  # compiled without the callback
    plateau = lrlib.Plateau("still", 0.5, 1, mode="min")

    class Still(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["still"] = 1.0

    model.fit(data, data, epochs=4, callbacks=[Still(), plateau], verbose=0)
    # Rates 1 | 1, 1, 0.5, 0.25.
    assert float(model.layers[0].bias[0]) == pytest.approx(-3.75)


def test_a_second_training_goes_on_with_the_scale():
    model = Stub(lrlib.constant(1.0).to_keras())
    drive(lrlib.Plateau("loss", 0.5, 1), [1.0, 1.0], model=model)
    again = lrlib.Plateau("loss", 0.5, 1)
    assert drive(again, [1.0, 1.0], model=model) == [0.5, 0.25]


def test_a_saved_model_keeps_schedule_and_scale(tmp_path):
    model = build(lrlib.rex(1.0, 20).to_keras())
    drive(lrlib.Plateau("loss", 0.5, 1), [1.0, 1.0], model=model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.optimizer._learning_rate, ScaledSchedule)
    np.testing.assert_allclose(
        lrlib.sample(loaded.optimizer._learning_rate, 30),
        0.5 * lrlib.rex(1.0, 20)(np.arange(30)),
        atol=1e-7,
    )


def test_a_multi_optimizer_is_refused():
    by_layer = keras.optimizers.OptimizerMap(
        keras.optimizers.SGD(0.1), {".*kernel": keras.optimizers.Adam(0.1)}
    )
    model = build(0.1)
    model.compile(keras.optimizers.MultiOptimizer(by_layer), "mse")
    with pytest.raises(TypeError, match="MultiOptimizer"):
        drive(lrlib.Plateau("loss"), [1.0], model=model)


# Resuming --------------------------------------------------------------------------

LONG = [1.0, 1.0, 0.9, 0.9, 0.9, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 0.5, 0.5, 0.5]


@pytest.mark.parametrize("stop", range(1, len(LONG)))
@pytest.mark.parametrize("learning_rate", [1.0, lrlib.constant(1.0)])
def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(stop, learning_rate):
    def new():
        arguments = {"patience": 3, "cooldown": 2, "greedy": True}
        return lrlib.Plateau("loss", 0.5, **arguments)

    def rate():
        return (
            learning_rate
            if isinstance(learning_rate, float)
            else (learning_rate.to_keras())
        )

    whole = drive(new(), LONG, rate())
    first, second = new(), new()
    head = drive(first, LONG[:stop], rate())
    second.set_state(json.loads(json.dumps(first.get_state())))
    tail = drive(second, LONG[stop:], rate(), first_epoch=stop)
    assert head + tail == whole


class Interrupt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise KeyboardInterrupt


@pytest.mark.parametrize("plateau_first", [True, False])
@pytest.mark.parametrize("schedule", [True, False])
def test_backup_and_restore_brings_it_back(tmp_path, plateau_first, schedule):
    def run(directory, interrupt=None):
        s = lrlib.linear(1e-6, 40).to_keras() if schedule else 1e-6
        record = lrlib.RecordLearningRate()
        plateau = lrlib.Plateau(
            "loss", 0.5, 3, mode="max", min_delta=1e3, backup_dir=directory
        )
        backup = keras.callbacks.BackupAndRestore(directory)
        pair = [plateau, backup] if plateau_first else [backup, plateau]
        try:
            model = build(s)
            stop = [Interrupt(interrupt)] if interrupt else []
            model.fit(
                x,
                x,
                batch_size=2,
                epochs=9,
                verbose=0,
                callbacks=[*pair, record, *stop],
            )
        except KeyboardInterrupt:
            pass
        return record.rates

    whole = run(tmp_path / "whole")
    assert len(set(np.round(np.array(whole) / whole[0], 6))) > 1
    head = run(tmp_path / "cut", interrupt=5)
    tail = run(tmp_path / "cut")
    assert len(head) == 10
    assert head + tail == pytest.approx(whole)
    assert not (tmp_path / "cut").exists()  # both have cleaned up


@pytest.mark.parametrize("schedule", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_without_a_directory_a_cut_survives_or_is_warned_of(tmp_path, first, schedule):
    """As above, but the run is interrupted just after the first cut."""

    def run(directory, interrupt=None):
        s = lrlib.linear(1e-6, 40).to_keras() if schedule else 1e-6
        plateau = lrlib.Plateau("loss", 0.5, 3, mode="max", min_delta=1e3)
        backup = keras.callbacks.BackupAndRestore(directory)
        pair = [plateau, backup] if first else [backup, plateau]
        record, model = lrlib.RecordLearningRate(), build(s)
        stop = [Interrupt(interrupt)] if interrupt else []
        with contextlib.suppress(KeyboardInterrupt):
            model.fit(x, x, 2, epochs=9, verbose=0, callbacks=[*pair, record, *stop])
        return record.rates

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        whole = run(tmp_path / "whole")
        told = {str(w.message)[:37] for w in said if w.category is UserWarning}
        head, tail = run(tmp_path / "cut", interrupt=4), run(tmp_path / "cut")
    assert (head + tail == pytest.approx(whole)) == first
    assert told == set() if first else {"the weights were saved just before Pl"}


@pytest.mark.parametrize("schedule", [True, False])
def test_a_cut_comes_back_with_a_checkpoint_of_the_whole_model(tmp_path, schedule):
    def plateau():
        return lrlib.Plateau("loss", 0.5, 1, mode="max", min_delta=1e3)

    path = str(tmp_path / "model.keras")
    save = keras.callbacks.ModelCheckpoint(path)
    rate = lrlib.constant(1e-6).to_keras() if schedule else 1e-6
    build(rate).fit(x, x, epochs=3, callbacks=[plateau(), save], verbose=0)
    again, record = keras.saving.load_model(path), lrlib.RecordLearningRate()
    again.fit(x, x, epochs=3, callbacks=[plateau(), record], verbose=0)
    assert record.rates == pytest.approx([2.5e-7, 2.5e-7, 1.25e-7])


def trained_weights(path, rate, optimizer):
    model = build(rate)
    model.compile(optimizer(rate), "mse")
    plateau = lrlib.Plateau("loss", 0.5, 1, mode="max", min_delta=1e3)
    model.fit(x, x, epochs=2, callbacks=[plateau], verbose=0)
    model.save_weights(path)
    new = build(rate)
    new.compile(optimizer(rate), "mse")
    new.optimizer.build(new.trainable_variables)
    new.load_weights(path)
    return new, plateau


@pytest.mark.parametrize("optimizer", [keras.optimizers.SGD, keras.optimizers.Adam])
def test_weights_bring_back_a_number_and_warn_of_a_schedule(tmp_path, optimizer):
    path = str(tmp_path / "run.weights.h5")
    model, _ = trained_weights(path, 1e-6, optimizer)
    record = lrlib.RecordLearningRate()
    model.fit(x, x, callbacks=[lrlib.Plateau("loss"), record], verbose=0)
    assert record.rates == pytest.approx([5e-7])

    model, plateau = trained_weights(path, lrlib.constant(1e-6).to_keras(), optimizer)
    with pytest.warns(UserWarning, match="carry them over by get_state and set_state"):
        model.fit(x, x, callbacks=[lrlib.Plateau("loss")], verbose=0)
    model, plateau = trained_weights(path, lrlib.constant(1e-6).to_keras(), optimizer)
    resumed, record = lrlib.Plateau("loss", 0.5), lrlib.RecordLearningRate()
    resumed.set_state(plateau.get_state())
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(x, x, callbacks=[resumed, record], verbose=0)
    assert record.rates == pytest.approx([5e-7])


def test_weights_loaded_in_the_middle_bring_the_scale_back_but_not_the_count(tmp_path):
    path, model = (
        str(tmp_path / "best.weights.h5"),
        build(lrlib.constant(1e-6).to_keras()),
    )
    model.fit(x, x, callbacks=[lrlib.Plateau("loss")], verbose=0)
    model.save_weights(path)

    class Rewind(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                self.model.load_weights(path)

    plateau = lrlib.Plateau("loss", 0.5, 3, mode="max", min_delta=1e3)
    model.fit(x, x, epochs=4, callbacks=[Rewind(), plateau], verbose=0)
    assert plateau.scale == 0.5  # the count of three went on


def test_the_state_of_an_earlier_lrlib_is_understood():
    earlier = {"base": 1.0, "scale": 0.25, "best": 1.0, "wait": 1}
    earlier |= {"cooldown_counter": 0, "streak": 0}
    plateau = lrlib.Plateau("loss", 0.5, 2)
    plateau.set_state(earlier)
    assert drive(plateau, [1.0, 1.0], first_epoch=7) == [0.125, 0.125]


def test_a_state_left_behind_by_another_run_is_not_taken(tmp_path):
    one = lrlib.Plateau("loss", 0.5, 1, backup_dir=tmp_path)
    drive(one, [1.0] * 4)
    assert json.loads((tmp_path / "plateau.json").read_text())["epoch"] == 4
    other = lrlib.Plateau("loss", 0.5, 1, backup_dir=tmp_path)
    assert drive(other, [1.0]) == [1.0]


def test_it_leaves_no_state_behind_after_training(tmp_path):
    plateau = lrlib.Plateau("loss", 0.5, 1, backup_dir=tmp_path / "new")
    fit(build(0.1), [plateau], epochs=1)
    assert list(tmp_path.rglob("*")) == [tmp_path / "new"]


# Bad input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "wrong", "error"),
    [
        ("monitor", 3, TypeError),
        ("factor", 1.0, ValueError),
        ("factor", 0.0, ValueError),
        ("factor", float("nan"), ValueError),
        ("factor", "0.1", TypeError),
        ("patience", -1, ValueError),
        ("patience", 1.5, ValueError),
        ("patience", True, TypeError),
        ("verbose", None, TypeError),
        ("mode", "minimum", ValueError),
        ("mode", None, TypeError),
        ("min_delta", -1e-4, ValueError),
        ("cooldown", 0.5, ValueError),
        ("min_lr", -0.1, ValueError),
        ("min_lr", float("inf"), ValueError),
        ("greedy", 1, TypeError),
        ("max_scale", 0.5, ValueError),
        ("backup_dir", 3, TypeError),
    ],
)
def test_a_wrong_argument_is_named_with_what_came(argument, wrong, error):
    with pytest.raises(error) as raised:
        lrlib.Plateau(**{argument: wrong})
    assert argument in str(raised.value)
    assert repr(wrong) in str(raised.value)


STATE = lrlib.Plateau().get_state()


@pytest.mark.parametrize(
    "state", [None, {}, {"scale": 1.0}, "state", STATE | {"wait": "2"}]
)
def test_a_state_that_is_none_is_refused(state):
    with pytest.raises(ValueError, match="get_state"):
        lrlib.Plateau().set_state(state)
