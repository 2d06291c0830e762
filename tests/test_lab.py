import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

import lrlib
from lrlib.experiments import lab as laboratory
from lrlib.experiments import step

X = np.eye(8, dtype=np.float32)
Y = np.arange(8)
DATA = ((X, Y), (X, Y))


def linear_model():
    return keras.Sequential([keras.Input((8,)), keras.layers.Dense(8)])


@pytest.fixture
def eager():
    """Runs of twelve steps are not worth compiling."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def lab(eager, monkeypatch):
    monkeypatch.setattr(laboratory, "REDRAW", 3600)
    lab = lrlib.lab(2, model=linear_model, data=DATA, seed=1)
    lab.epochs.value = 3
    yield lab
    lab.close()


@pytest.fixture
def slow(lab, monkeypatch):
    """A lab whose updates wait until they are let go."""
    go, started = threading.Event(), threading.Event()
    compile_ = laboratory._compile

    def waiting(*args):
        update = compile_(*args)

        def one(x, y):
            started.set()
            assert go.wait(30)
            return update(x, y)

        return one

    monkeypatch.setattr(laboratory, "_compile", waiting)
    lab.go, lab.started = go, started
    yield lab
    go.set()
    lab._thread.join(30)


@pytest.mark.parametrize("optimizer", laboratory.OPTIMIZERS)
def test_every_optimizer_trains(lab, optimizer):
    lab.optimizer.value, lab.rate.value, lab.epochs.value = optimizer, 0.1, 10
    lab.train().join()
    (run,) = lab.runs
    assert len(run.losses) == run.steps == 40
    assert np.mean(run.losses[-4:]) < np.mean(run.losses[:4])


@pytest.mark.parametrize("schedule", laboratory.SCHEDULES)
def test_the_rates_are_those_of_the_schedule_and_start_no_higher(lab, schedule):
    lab.schedule.value, lab.rate.value = schedule, 0.01
    lab.train().join()
    (run,) = lab.runs
    assert np.allclose(run.rates, run.schedule(np.arange(12)))
    assert max(run.rates) <= 0.01 * (1 + 1e-6)
    assert min(run.rates) > 0


def test_a_single_step_is_enough_for_every_schedule():
    for schedule in laboratory.SCHEDULES.values():
        assert schedule(0.1, 1)(0) > 0


@pytest.mark.parametrize("compiled", [False, True])
def test_the_loss_is_that_of_each_batch_before_its_update(lab, compiled):
    tf.config.run_functions_eagerly(not compiled)
    lab.optimizer.value, lab.rate.value = "SGD", 0.5
    lab.train().join()
    with step.seeded(1):
        model = linear_model()
    weights = [v.numpy().astype(float) for v in model.trainable_variables]
    losses = []
    for epoch in range(3):
        for batch in step.batches(1, epoch, 8, 2):
            x, y = X[batch], Y[batch]
            logits = x @ weights[0] + weights[1]
            p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            losses.append(-np.log(p[np.arange(2), y]).mean())
            slope = (p - np.eye(8)[y]) / 2
            weights[0] = weights[0] - 0.5 * x.T @ slope
            weights[1] = weights[1] - 0.5 * slope.sum(axis=0)
    assert np.allclose(lab.runs[0].losses, losses, rtol=1e-4)


def test_its_first_loss_is_that_of_a_race_penalties_and_all(eager):
    def penalized():
        return keras.Sequential(
            [keras.Input((8,)), keras.layers.Dense(8, kernel_regularizer="l2")]
        )

    lab = lrlib.lab(2, model=penalized, data=DATA, seed=1)
    lab.optimizer.value, lab.rate.value, lab.epochs.value = "SGD", 0.5, 1
    lab.train().join()
    race = lrlib.race(
        {"SGD": lambda: keras.optimizers.SGD(0.5)},
        seeds=[1],
        epochs=1,
        batch_size=2,
        model=penalized,
        data=DATA,
        progress=False,
    )
    assert np.allclose(lab.runs[0].losses, race.loss[0, 0], rtol=1e-5)
    plain = step.crossentropy(linear_model())(Y[:2], np.zeros((2, 8)))
    assert lab.runs[0].losses[0] > float(plain) * 0.5
    lab.close()


def test_runs_with_the_same_settings_are_the_same(lab):
    for _ in range(2):
        lab.train().join()
    first, second = lab.runs
    assert first.losses == second.losses
    assert first.test_accuracy == second.test_accuracy


def test_stop_ends_the_run_after_the_batch_at_hand(slow):
    thread = slow.train()
    assert slow.started.wait(30)
    assert not slow._halt.disabled
    assert slow._train.disabled
    slow._halt.click()
    slow.go.set()
    thread.join(30)
    assert len(slow.runs[0].losses) == 1
    assert "stopped at step 1" in slow._words.value
    assert slow._halt.disabled
    assert not slow._train.disabled


def test_a_second_run_waits_for_the_first(slow):
    slow.train()
    with pytest.raises(RuntimeError, match="under way"):
        slow.train()
    slow.clear()  # does nothing while a run is under way
    assert len(slow.runs) == 1


def test_closing_stops(slow):
    thread = slow.train()
    assert slow.started.wait(30)
    slow.close()
    slow.go.set()
    thread.join(30)
    assert len(slow.runs[0].losses) == 1


def test_buttons_train_and_clear(lab):
    lab._train.click()
    lab._thread.join()
    assert lab._progress.value == lab._progress.max == 12
    lab._clear.click()
    assert lab.runs == []
    assert "no run yet" in lab._picture.value


def test_an_error_is_shown_and_the_next_run_works(lab, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(laboratory, "_compile", lambda *_: 1 / 0)
        lab.train().join()
    assert lab._words.value == "ZeroDivisionError: division by zero"
    lab.train().join()
    assert "of the test set is right" in lab._words.value


def test_a_loss_that_is_no_number_ends_the_run(lab, monkeypatch):
    loss = tf.constant(np.nan), tf.constant(0.1)
    monkeypatch.setattr(laboratory, "_compile", lambda *_: lambda x, y: loss)
    lab.train().join()
    assert "lower the rate" in lab._words.value
    assert len(lab.runs[0].losses) == 1


def test_the_figure_shows_every_run(lab):
    for schedule in ("constant", "cosine"):
        lab.schedule.value = schedule
        lab.train().join()
    losses, rates = lab.figure.axes
    assert [line.get_label().split(":")[0] for line in rates.lines] == [
        "Adam, constant 0.001",
        "Adam, cosine 0.001",
    ]
    assert np.allclose(rates.lines[1].get_ydata(), lab.runs[1].rates)
    assert len(losses.lines) == 3  # the last run's batches, too
    assert "Adam, cosine 0.001" in lab._picture.value


def test_training_leaves_the_readers_random_numbers_alone(lab):
    np.random.seed(3)  # noqa: NPY002
    expected = np.random.rand()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    lab.train().join()
    assert np.random.rand() == expected  # noqa: NPY002


def test_progress_is_told_while_training(lab, monkeypatch):
    monkeypatch.setattr(laboratory, "REDRAW", 0)
    words = []
    lab._words.observe(lambda change: words.append(change.new), "value")
    lab.schedule.value, lab.rate.value, lab.epochs.value = "linear", 0.1, 1
    lab.train().join()
    assert words[1].startswith("step 2 of 4 · loss ")
    assert words[1].endswith(" · rate 0.075")
    assert lab._progress.value == 4


def test_smoothing_corrects_its_bias():
    assert np.allclose(laboratory._smooth([2.0] * 5), 2.0)
    assert np.allclose(laboratory._smooth([1.0, 3.0], beta=0.5), [1.0, 7 / 3])
    assert laboratory._smooth([]).shape == (0,)


def test_what_a_page_shows_is_the_same_every_time(lab):
    other = lrlib.lab(2, model=linear_model, data=DATA)
    first, second = (w._repr_mimebundle_() for w in (lab, other))
    assert first["text/plain"] == "Lab(8 samples in batches of 2)"
    for mime in ("text/plain", "text/html"):
        assert first[mime] == second[mime]
    assert "application/vnd.jupyter.widget-view+json" in first


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (dict(batch_size=0), ValueError, "batch_size must be"),
        (dict(batch_size=9), ValueError, "at most the number of samples"),
        (dict(batch_size="2"), TypeError, "batch_size must be"),
        (dict(seed=-1), ValueError, "seed must be"),
        (dict(data=(X, Y)), ValueError, "data"),
        (dict(model=linear_model()), TypeError, "model must be a function"),
        (dict(model=lambda: 3), TypeError, "model must build a keras.Model"),
        (
            dict(data=((X[:, :5], Y), (X[:, :5], Y))),
            ValueError,
            "does not take x_train",
        ),
        (dict(data=((X, Y + 1), (X, Y))), ValueError, "y_train must be labels from 0"),
        (dict(data=((X * np.nan, Y), (X, Y))), ValueError, "finite"),
    ],
)
def test_bad_input(arguments, error, words):
    given = {"batch_size": 2, "model": linear_model, "data": DATA} | arguments
    with pytest.raises(error, match=words):
        lrlib.lab(**given)
