"""A race gives every entry the same start, the same batches and a fair verdict."""

import concurrent.futures
import functools
import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
import zipfile
from pathlib import Path

import cloudpickle
import keras
import numpy as np
import pytest
import tensorflow as tf

import lrlib
from lrlib.experiments import race as racing
from lrlib.experiments import results, workers
from lrlib.experiments.step import batches

# Workers cannot import this file: what it defines travels by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


def small_data(samples=96, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, 6)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)
    return (x, y), (x[:30], y[:30])


def small_model(dropout=0.2):
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def sgd(rate):
    return lambda: keras.optimizers.SGD(rate, momentum=0.9)


def decaying(rate):
    return lambda: keras.optimizers.Adam(lrlib.cosine(rate, 18).to_keras())


ENTRIES = {"sgd": sgd(0.1), "adam": decaying(0.01), "weak": sgd(1e-4)}


def small_race(entries=ENTRIES, seeds=3, epochs=3, batch_size=16, **options):
    options = {"model": small_model, "data": small_data(), "progress": False} | options
    return lrlib.race(entries, seeds, epochs, batch_size, **options)


@pytest.fixture(scope="module")
def result():
    return small_race()


def assert_equal(a, b):
    for key in ("loss", "rates", "test_loss", "test_accuracy", "finished", "diverged"):
        np.testing.assert_array_equal(getattr(a, key), getattr(b, key), key)


# What it measures


def test_arrays_have_a_place_for_every_run(result):
    assert result.names == ("sgd", "adam", "weak")
    assert result.seeds == (0, 1, 2)
    assert result.loss.shape == (3, 3, 18)
    assert result.rates.shape == (3, 18)
    assert result.test_loss.shape == result.test_accuracy.shape == (3, 3, 3)
    assert result.finished.all()
    assert np.isfinite(result.loss).all()
    assert (result.diverged == -1).all()
    np.testing.assert_array_equal(result["adam"]["loss"], result.loss[1])


def test_rates_are_those_of_the_schedule_step_by_step(result):
    expected = lrlib.cosine(0.01, 18)(np.arange(18))
    np.testing.assert_allclose(result["adam"]["rates"], expected, rtol=1e-5, atol=1e-9)


def test_entries_start_alike_and_see_the_same_batches(result):
    # The first batch's loss comes before any update.
    np.testing.assert_array_equal(result.loss[0, :, 0], result.loss[1, :, 0])
    assert len(set(result.loss[0, :, 0])) == 3  # and seeds differ


class Sign(keras.optimizers.SGD):
    """An optimizer of one's own."""

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(keras.ops.sign(gradient), variable, learning_rate)


OPTIMIZERS = {
    "plain": functools.partial(keras.optimizers.SGD, 0.1),
    "momentum": sgd(0.1),
    "nesterov": functools.partial(keras.optimizers.SGD, 0.1, 0.9, nesterov=True),
    "decaying": decaying(0.01),
    "betas": functools.partial(
        keras.optimizers.Adam, 0.01, beta_1=0.7, beta_2=0.9, epsilon=1e-3
    ),
    "amsgrad": functools.partial(keras.optimizers.Adam, 0.01, amsgrad=True),
    "adamw": functools.partial(keras.optimizers.AdamW, 0.01, weight_decay=0.1),
    "clipped": functools.partial(keras.optimizers.Adam, 0.01, clipnorm=0.01),
    "accumulated": functools.partial(
        keras.optimizers.Adam, 0.01, gradient_accumulation_steps=2
    ),
    "rmsprop": functools.partial(keras.optimizers.RMSprop, 0.01),
    "own": functools.partial(Sign, 0.01),
    "scaled": functools.partial(keras.optimizers.SGD, 0.1, loss_scale_factor=1024),
    "half": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)),
}


def assert_trains_as_fit_does(name, make_optimizer, model, data):
    """Same batches, same start: the weights' losses agree with those of `fit`."""
    (x, y), test = data
    result = small_race({name: make_optimizer}, seeds=[7], model=model, data=data)

    keras.utils.set_random_seed(7)
    fitted, optimizer = model(), make_optimizer()
    loss = "sparse_categorical_crossentropy"
    fitted.compile(optimizer, loss=loss, metrics=["accuracy"])
    # TensorFlow's kernel for Adam takes 1 - beta in float32, Keras in Python.
    is_adam = isinstance(optimizer, keras.optimizers.Adam)
    close = functools.partial(pytest.approx, rel=1e-5 if is_adam else 1e-6)
    for epoch in range(3):
        order = batches(7, epoch, 96, 16).ravel()
        history = fitted.fit(
            x[order],
            y[order],
            batch_size=16,
            shuffle=False,
            verbose=0,
            validation_data=test,
        ).history
        steps = slice(6 * epoch, 6 * epoch + 6)
        assert result.loss[0, 0, steps].mean() == close(history["loss"][0])
        assert result.test_loss[0, 0, epoch] == close(history["val_loss"][0])
        assert result.test_accuracy[0, 0, epoch] == close(history["val_accuracy"][0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_it_trains_as_fit_does(name):
    model = functools.partial(small_model, dropout=0.0)
    assert_trains_as_fit_does(name, OPTIMIZERS[name], model, small_data())


@pytest.mark.parametrize("name", ["nesterov", "decaying"])
def test_it_trains_embeddings_as_fit_does(name):
    def model():
        return keras.Sequential(
            [
                keras.Input((6,)),
                keras.layers.Embedding(9, 3),
                keras.layers.Flatten(),
                keras.layers.Dense(3, activation="softmax"),
            ]
        )

    (_, y), (_, y_test) = small_data()
    words = np.random.default_rng(0).integers(0, 9, size=(96, 6))
    data = (words, y), (words[:30], y_test)
    assert_trains_as_fit_does(name, OPTIMIZERS[name], model, data)


UPDATES = {
    "plain": {"ResourceApplyGradientDescent"},
    "nesterov": {"ResourceApplyKerasMomentum"},
    "adamw": {"ResourceApplyAdam"},
    "amsgrad": set(),
    "own": set(),
}


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_is_one_operation_where_tensorflow_has_it(name):
    job = racing._Job({name: OPTIMIZERS[name]}, 1, 16, small_model, small_data())
    graph = racing._Trainer(job, name).train.graph.as_graph_def()
    ops = {node.op for f in graph.library.function for node in f.node_def}
    assert {op for op in ops if op.startswith("ResourceApply")} == UPDATES[name]


def test_each_epoch_sees_every_sample_once_in_another_order():
    first, second = (batches(3, epoch, 50, 8) for epoch in (0, 1))
    assert first.shape == (6, 8)
    assert len(np.unique(first)) == 48
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, batches(3, 0, 50, 8))


def test_penalties_on_weights_are_part_of_the_loss():
    def penalised():
        return keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(3, kernel_regularizer="l2")]
        )

    def plain():
        return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])

    a, b = (small_race({"a": sgd(0.01)}, seeds=1, model=m) for m in (penalised, plain))
    assert a.loss[0, 0, 0] > b.loss[0, 0, 0] + 1e-3


def test_logits_and_probabilities_give_the_same_race():
    def logits():
        return keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])

    def softmax():
        return keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(3, activation="softmax")]
        )

    def softmax_layer():
        return keras.Sequential(
            [keras.Input((6,)), keras.layers.Dense(3), keras.layers.Softmax()]
        )

    races = [
        small_race({"a": sgd(0.1)}, seeds=1, model=m)
        for m in (logits, softmax, softmax_layer)
    ]
    for other in races[1:]:
        np.testing.assert_allclose(other.test_loss, races[0].test_loss, rtol=1e-5)


def test_what_layers_keep_starts_afresh_for_each_seed():
    def normalised():
        return keras.Sequential(
            [
                keras.Input((6,)),
                keras.layers.BatchNormalization(),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(3),
            ]
        )

    alone = small_race({"a": decaying(0.05)}, seeds=[2], model=normalised)
    after = small_race({"a": decaying(0.05)}, seeds=[0, 1, 2], model=normalised)
    np.testing.assert_array_equal(after.loss[:, 2:], alone.loss)
    np.testing.assert_array_equal(after.test_loss[:, 2:], alone.test_loss)


# The same numbers, however it is run


def test_order_and_number_of_threads_do_not_matter(result, monkeypatch):
    monkeypatch.setattr(workers, "cores", lambda: 1)
    backwards = dict(reversed(ENTRIES.items()))
    alone = small_race(backwards, seeds=[2, 1, 0])
    for name in ENTRIES:
        for key in ("loss", "test_loss", "test_accuracy"):
            np.testing.assert_array_equal(alone[name][key][::-1], result[name][key])
    monkeypatch.setattr(workers, "cores", lambda: 4)
    assert_equal(small_race(), result)


def test_the_random_state_of_the_caller_is_left_alone():
    def draws():
        of_tensorflow = float(tf.random.uniform(()))
        return random.random(), np.random.rand(), of_tensorflow  # noqa: NPY002

    keras.utils.set_random_seed(1)
    expected = draws()
    keras.utils.set_random_seed(1)
    small_race({"a": sgd(0.1)}, seeds=1, epochs=1)
    assert draws() == expected


def test_other_threads_may_draw_random_numbers_meanwhile(result):
    stop = threading.Event()

    def draw():
        while not stop.is_set():
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        again = small_race({"sgd": ENTRIES["sgd"]})
    finally:
        stop.set()
        thread.join()
    np.testing.assert_array_equal(again["sgd"]["loss"], result["sgd"]["loss"])


def test_a_pool_of_threads_is_an_executor(result):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert_equal(small_race(executor=pool), result)


def dying_once(marker):
    """Make an entry whose first call in a worker kills that worker."""
    parent = os.getpid()

    def entry():
        if os.getpid() != parent and not os.path.exists(marker):
            Path(marker).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return keras.optimizers.SGD(0.1, momentum=0.9)

    return entry


def test_processes_give_the_same_and_a_dead_one_is_replaced(result, tmp_path):
    spawn = multiprocessing.get_context("spawn")
    entries = ENTRIES | {"sgd": dying_once(str(tmp_path / "died"))}
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        assert_equal(small_race(entries, executor=pool), result)
    assert (tmp_path / "died").exists()


def test_dask_gives_the_same_and_a_dead_worker_is_retried(result, tmp_path):
    import distributed

    entries = ENTRIES | {"sgd": dying_once(str(tmp_path / "died"))}
    cluster = distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
    )
    with cluster, distributed.Client(cluster) as client:
        assert_equal(small_race(entries, executor=client.get_executor()), result)
    assert (tmp_path / "died").exists()


class _Unreliable(concurrent.futures.Executor):
    """Runs at once; the runs whose number is in `lost` are lost."""

    def __init__(self, lost):
        self.lost, self.calls = lost, 0

    def submit(self, function, /, *args, **kwargs):
        future = concurrent.futures.Future()
        self.calls += 1
        if self.calls in self.lost:
            future.set_exception(ConnectionError("worker gone"))
        else:
            future.set_result(function(*args, **kwargs))
        return future


def test_only_what_was_lost_is_tried_again(result):
    executor = _Unreliable(lost={2, 5, 10})  # the tenth is the second's second try
    assert_equal(small_race(executor=executor), result)
    assert executor.calls == 9 + 2 + 1


def test_a_run_that_keeps_failing_is_reported_and_the_others_kept(result):
    executor = _Unreliable(lost={1, 10, 11})
    with pytest.warns(RuntimeWarning, match="1 of 9 runs failed.*'sgd' with seed 0"):
        partial = small_race(executor=executor)
    assert list(partial.errors) == [("sgd", 0)]
    assert "worker gone" in partial.errors["sgd", 0]
    assert partial.finished.sum() == 8
    np.testing.assert_array_equal(partial.loss[1:], result.loss[1:])
    assert partial.table()["runs"].tolist() == [2, 3, 3]
    assert np.isfinite(partial.compare("sgd", "weak").mean)


# When something goes wrong


def test_an_error_in_one_run_loses_no_other(result):
    def failing_in_threads():
        if threading.current_thread() is not threading.main_thread():
            raise MemoryError("no more")
        return keras.optimizers.SGD(0.1)

    with pytest.warns(RuntimeWarning, match="3 of 6 runs failed.*MemoryError: no more"):
        partial = small_race({"adam": ENTRIES["adam"], "bad": failing_in_threads})
    np.testing.assert_array_equal(partial["adam"]["loss"], result["adam"]["loss"])
    assert not partial["bad"]["finished"].any()
    with pytest.raises(RuntimeError, match="3 of 3 runs failed"):
        small_race({"bad": failing_in_threads})


def test_an_interrupted_race_returns_what_is_finished(result, monkeypatch):
    original = results.RaceResult._add

    def interrupt_after_two(self, *args):
        if self.finished.sum() == 2:
            raise KeyboardInterrupt
        original(self, *args)

    monkeypatch.setattr(results.RaceResult, "_add", interrupt_after_two)
    before = threading.active_count()
    with pytest.warns(RuntimeWarning, match="interrupted: 2 of 9 runs are finished"):
        partial = small_race()
    assert threading.active_count() == before
    done = partial.finished
    assert done.sum() == 2
    np.testing.assert_array_equal(partial.loss[done], result.loss[done])
    assert np.isnan(partial.loss[~done]).all()
    partial.table()


def test_a_run_that_diverges_is_reported_as_such():
    entries = {"good": sgd(0.1), "wild": sgd(1e30)}
    result = small_race(entries)
    wild = result["wild"]
    assert wild["finished"].all()
    assert (wild["diverged"] > 0).all()
    for loss, step in zip(wild["loss"], wild["diverged"], strict=True):
        assert np.isfinite(loss[:step]).all()
        assert np.isnan(loss[step:]).all()
    assert np.isinf(wild["test_loss"]).all()
    assert (wild["test_accuracy"] == 0).all()
    assert result.table()["diverged"].tolist() == [0, 3]
    assert result.compare("good", "wild").better == "good"
    comparison = result.compare("good", "wild", metric="test_loss")
    assert comparison.interval == (-np.inf, np.inf)
    assert comparison.better is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result.plot("test_loss")


def test_a_run_whose_last_update_spoils_only_the_test_loss_names_that_update():
    """The loss of each batch comes before its update, so all of them are finite."""
    (x, y), test = small_data()
    model = functools.partial(small_model, dropout=0.0)
    entries = {"wild": lambda: keras.optimizers.SGD(LastStep()), "calm": sgd(0.1)}
    result = small_race(entries, epochs=1, model=model, data=((x, y), test))
    wild = result["wild"]
    assert np.isfinite(wild["loss"]).all()
    assert np.isinf(wild["test_loss"]).all()
    assert wild["diverged"].tolist() == [5, 5, 5]
    assert result.table()["diverged"].tolist() == [3, 0]


class LastStep(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that is calm up to the last of six updates."""

    def __call__(self, step):
        return keras.ops.where(step < 5, 0.01, 1e30)


# The verdict


def filled(values, metric="test_accuracy"):
    result = results.RaceResult(("a", "b"), tuple(range(len(values[0]))), 1, 1, 1)
    getattr(result, metric)[..., 0] = values
    result.finished[:] = True
    return result


def test_the_interval_is_that_of_a_paired_t_test():
    from scipy import stats

    a, b = np.array([0.91, 0.93, 0.90, 0.95]), np.array([0.90, 0.91, 0.90, 0.92])
    comparison = filled([a, b]).compare("a", "b")
    expected = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert comparison.interval == pytest.approx(tuple(expected), rel=1e-5)
    assert comparison.mean == pytest.approx(0.015, rel=1e-5)


@pytest.mark.parametrize("seeds", [2, 3, 4, 5, 10, 20, 31, 100, 1000])
def test_the_quantile_of_student_s_t_is_that_of_scipy(seeds):
    from scipy import stats

    expected = stats.t.ppf(0.975, seeds - 1)
    assert results._t_quantile(seeds - 1) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("metric", "a", "b", "better"),
    [
        ("test_accuracy", [0.9, 0.91, 0.92], [0.8, 0.81, 0.83], "a"),
        ("test_loss", [0.9, 0.91, 0.92], [0.8, 0.81, 0.83], "b"),
        ("test_accuracy", [0.9, 0.8, 0.7], [0.8, 0.9, 0.7], None),
        ("test_accuracy", [0.9, 0.8], [0.9, 0.8], None),
    ],
)
def test_only_an_interval_clear_of_zero_has_a_winner(metric, a, b, better):
    comparison = filled([a, b], metric).compare("a", "b", metric)
    assert comparison.better == better
    assert ("no difference shown" in repr(comparison)) == (better is None)


def test_a_comparison_needs_two_pairs_known_names_and_a_known_metric():
    result = filled([[0.9], [0.8]])
    with pytest.raises(ValueError, match="two seeds or more"):
        result.compare("a", "b")
    with pytest.raises(KeyError, match="no entry 'c'; there are a, b"):
        result.compare("a", "c")
    with pytest.raises(ValueError, match="metric must be one of"):
        filled([[0.9, 0.8], [0.8, 0.7]]).compare("a", "b", metric="accuracy")


@pytest.mark.parametrize(
    ("misuse", "error", "words"),
    [
        (
            lambda r: r.compare("a", "b", epoch=1),
            ValueError,
            "epoch must be less than 1",
        ),
        (lambda r: r.compare("a", "b", epoch=-2), ValueError, "epoch must be a whole"),
        (lambda r: r.compare("a", "b", epoch=0.5), ValueError, "epoch must be a whole"),
        (lambda r: r.compare("a", "b", ["loss"]), TypeError, "metric must be a string"),
        (lambda r: r.plot("accuracy"), ValueError, "metric must be one of"),
        (lambda r: r.plot(names="a"), TypeError, "names must be a list"),
        (lambda r: r.plot(names=3), TypeError, "names must be a list"),
    ],
)
def test_a_wrong_question_to_a_result_is_named(misuse, error, words):
    with pytest.raises(error, match=words):
        misuse(filled([[0.9, 0.8], [0.8, 0.7]]))


def test_the_table_holds_median_and_range():
    row = filled([[0.9, 0.7, 0.8], [0, 0, 0]]).table().loc["a"]
    assert row[["test accuracy", "lowest", "highest"]].tolist() == [0.8, 0.7, 0.9]


@pytest.mark.parametrize("metric", results.METRICS)
def test_the_figure_has_rates_on_the_left_and_the_metric_on_the_right(result, metric):
    left, right = result.plot(metric, names=["adam", "weak"])
    np.testing.assert_allclose(left.lines[0].get_ydata(), result["adam"]["rates"])
    median = np.median(result._per_epoch(metric)[1], axis=0)
    np.testing.assert_allclose(right.lines[0].get_ydata(), median)
    assert len(right.lines) == len(right.collections) == 2


# Files


def test_a_saved_race_reads_back_equal(result, tmp_path):
    result.errors["sgd", 0] = "for the test"
    try:
        result.save(tmp_path / "race.npz")
        again = lrlib.RaceResult.load(tmp_path / "race.npz")
        assert again.errors == {("sgd", 0): "for the test"}
    finally:
        result.errors.clear()
    assert_equal(again, result)
    assert (again.names, again.seeds) == (result.names, result.seeds)
    assert again.steps_per_epoch == 6
    assert [p.name for p in tmp_path.iterdir()] == ["race.npz"]


def test_a_damaged_file_is_no_race(result, tmp_path):
    result.save(tmp_path / "race.npz")
    content = (tmp_path / "race.npz").read_bytes()
    damaged = tmp_path / "damaged.npz"
    for bad in (content[:-200], content[: len(content) // 2], b"", b"text"):
        damaged.write_bytes(bad)
        with pytest.raises(ValueError, match=r"damaged\.npz is damaged"):
            lrlib.RaceResult.load(damaged)
    # One byte inside an array: the archive's own sums find it.
    with zipfile.ZipFile(tmp_path / "race.npz") as archive:
        inside = archive.getinfo("loss.npy").header_offset + 200
    flipped = bytearray(content)
    flipped[inside] ^= 255
    damaged.write_bytes(flipped)
    with pytest.raises(ValueError, match=r"damaged\.npz is damaged"):
        lrlib.RaceResult.load(damaged)


def test_other_files_are_told_apart(result, tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match="holds no race"):
        lrlib.RaceResult.load(tmp_path / "other.npz")
    np.savez(tmp_path / "newer.npz", meta=json.dumps({"version": 99}))
    with pytest.raises(ValueError, match="another version of lrlib: format 99"):
        lrlib.RaceResult.load(tmp_path / "newer.npz")
    result.save(tmp_path / "race.npz")
    with np.load(tmp_path / "race.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "cut.npz", **arrays | {"loss": arrays["loss"][..., :5]})
    with pytest.raises(ValueError, match="its loss does not fit"):
        lrlib.RaceResult.load(tmp_path / "cut.npz")
    with pytest.raises(FileNotFoundError):
        lrlib.RaceResult.load(tmp_path / "none.npz")


# Bad input


class NotANumber(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return keras.ops.log(2.5 - keras.ops.cast(step, "float32"))


one = {"a": sgd(0.1)}
same = keras.optimizers.SGD(0.1)
PARTS = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
(X, Y), TEST = small_data()
NAN = X.copy()
NAN[3, 2] = np.nan
INPUTS = {
    "no entries": (dict(entries={}), ValueError, "got none"),
    "entries no dict": (dict(entries=5), TypeError, "entries must be a dict"),
    "entries a string": (dict(entries="sgd"), TypeError, "entries must be a dict"),
    "names only": (dict(entries=["a"]), TypeError, "entries must be a dict"),
    "twice": (dict(entries=[*one.items()] * 2), ValueError, "'a' is used twice"),
    "name": (dict(entries={1: sgd(0.1)}), TypeError, "name must be a string, got 1"),
    "optimizer": (dict(entries={"a": same}), TypeError, "'a' must be a function"),
    "shared": (dict(entries={"a": lambda: same}), ValueError, "a new optimizer"),
    "several rates": (
        dict(entries={"a": lambda: keras.optimizers.MultiOptimizer(PARTS)}),
        TypeError,
        "entries: 'a': a MultiOptimizer has several learning rates",
    ),
    "no optimizer": (dict(entries={"a": lambda: 0.1}), TypeError, "Keras optimizer"),
    "NaN rate": (
        dict(entries={"a": lambda: keras.optimizers.SGD(NotANumber())}),
        ValueError,
        "learning rate of 'a' is nan at step 3",
    ),
    "constant NaN": (dict(entries={"a": sgd(float("nan"))}), ValueError, "is nan"),
    "no seeds": (dict(seeds=0), ValueError, "seeds must be a whole number"),
    "empty seeds": (dict(seeds=[]), ValueError, "one or more, got none"),
    "equal seeds": (dict(seeds=[1, 1]), ValueError, "differ from each other"),
    "seed": (dict(seeds=[0.5]), ValueError, "seeds must be a whole number"),
    "seeds a string": (dict(seeds="12"), TypeError, "seeds must be a number"),
    "negative seed": (dict(seeds=[-1]), ValueError, "seeds must be a whole number"),
    "epochs": (dict(epochs=0), ValueError, "epochs must be a whole number"),
    "batch 0": (dict(batch_size=0), ValueError, "batch_size must be a whole number"),
    "large batch": (dict(batch_size=97), ValueError, "at most .* 96, got 97"),
    "model": (dict(model=small_model()), TypeError, "model must be a function"),
    "no model": (dict(model=lambda: 3), TypeError, "must build a keras.Model, got 3"),
    "shape": (
        dict(data=((X[:, :5], Y), (X[:, :5], Y))),
        ValueError,
        "does not take x_train of shape",
    ),
    "data": (dict(data=(X, Y, X)), ValueError, "data must be"),
    "NaN": (dict(data=((NAN, Y), TEST)), ValueError, "x_train must be finite"),
    "NaN to test": (dict(data=((X, Y), (NAN, Y))), ValueError, "x_test must be finite"),
    "label": (dict(data=((X, Y + 1), TEST)), ValueError, "y_train .* 0 to 2.* 1 to 3"),
    "negative label": (
        dict(data=((X, Y), (X, Y - 1))),
        ValueError,
        "y_test .* from 0 to 2.* got -1 to 1",
    ),
    "float labels": (dict(data=((X, Y * 1.0), TEST)), TypeError, "y_train must be who"),
    "lengths": (dict(data=((X, Y[:-1]), TEST)), ValueError, "one label for each"),
    "empty test": (dict(data=((X, Y), (X[:0], Y[:0]))), ValueError, "one label for"),
    "text": (dict(data=((X.astype(str), Y), TEST)), TypeError, "x_train must be num"),
    "parts differ": (dict(data=((X, Y), (X[:, :5], Y))), ValueError, "differ in shape"),
    "executor": (dict(executor=4), TypeError, "executor must be a concurrent.futures"),
    "progress": (dict(progress="yes"), TypeError, "progress must be True, False"),
    "model a string": (dict(model="mlp"), TypeError, "model must be a function"),
    "fork": (
        dict(
            executor=concurrent.futures.ProcessPoolExecutor(
                1, mp_context=multiprocessing.get_context("fork")
            )
        ),
        ValueError,
        "forked hang in TensorFlow",
    ),
}


@pytest.mark.parametrize("case", INPUTS)
def test_bad_input_is_told_at_once(case, monkeypatch):
    options, error, message = INPUTS[case]
    monkeypatch.setattr(racing._Trainer, "run", lambda *args: pytest.fail("it ran"))
    with pytest.raises(error, match=message):
        small_race(**{"entries": one} | options)


# The data


def test_a_function_gives_the_data_and_labels_may_stand_in_a_column(result):
    def columns():  # as Keras gives CIFAR's
        (x, y), (x_test, y_test) = small_data()
        return (x, y[:, None].astype("uint8")), (x_test, y_test[:, None])

    again = small_race({"sgd": ENTRIES["sgd"]}, data=columns)
    np.testing.assert_array_equal(again["sgd"]["loss"], result["sgd"]["loss"])


def test_entries_that_differ_in_their_rate_alone_are_compiled_together(monkeypatch):
    made = []
    trainer = racing._Trainer

    def counted(job, name):
        made.append(name)
        return trainer(job, name)

    monkeypatch.setattr(racing, "_Trainer", counted)
    monkeypatch.setattr(workers, "cores", lambda: 1)
    entries = {
        "constant": sgd(0.1),
        "cosine": sgd(lrlib.cosine(0.1, 18).to_keras()),
        "clipped": lambda: keras.optimizers.SGD(0.1, momentum=0.9, clipnorm=1.0),
    }
    together = small_race(entries, seeds=[3])
    assert made == ["constant", "clipped"]
    for name, entry in entries.items():
        alone = small_race({name: entry}, seeds=[3])
        for key in ("loss", "rates", "test_loss"):
            np.testing.assert_array_equal(together[name][key], alone[name][key])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_model_may_have_a_label_for_each_place(jit_compile):
    rng = np.random.default_rng(0)
    x = rng.integers(5, size=(64, 4))
    y = (x + 1) % 5

    def next_one():
        return keras.Sequential(
            [keras.Input((4,), dtype="int32"), keras.layers.Embedding(5, 5)]
        )

    adam = lambda: keras.optimizers.Adam(0.1)  # noqa: E731
    result = lrlib.race(
        {"adam": adam},
        seeds=1,
        epochs=4,
        batch_size=8,
        model=next_one,
        data=((x, y), (x, y)),
        jit_compile=jit_compile,
    )
    assert result.test_accuracy[0, 0, -1] == 1
    model = next_one()
    assert result.test_loss[0, 0, -1] < float(
        keras.losses.SparseCategoricalCrossentropy(from_logits=True)(y, model(x))
    )
    with pytest.raises(ValueError, match="a label for each output of the model"):
        lrlib.race(
            {"adam": adam}, model=next_one, data=((x, y[:, :3]), (x, y)), batch_size=8
        )


def test_without_data_the_digits_race():
    job = racing._Job({}, 1, 32, lrlib.build_model, None)
    x, y, x_test, _y_test = job.tensors()
    assert (x.shape, x_test.shape) == ((8000, 28, 28), (2000, 28, 28))
    assert float(x[:100].numpy().max()) == 1.0
    assert y.numpy()[:5].tolist() == lrlib.load_digits()[0][1][:5].tolist()
    assert job.tensors()[0] is x  # held once


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False)])
def test_the_progress_bar_can_be_had_and_left(progress, shown, capsys):
    small_race(one, seeds=1, epochs=1, progress=progress)
    assert ("race" in capsys.readouterr().err) == shown


def test_outside_terminals_and_notebooks_it_is_silent(capsys):
    small_race(one, seeds=1, epochs=1, progress=None)
    assert capsys.readouterr().err == ""
