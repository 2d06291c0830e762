"""The range test measures each batch, and leaves no trace."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import lrlib
from lrlib.experiments import finder
from lrlib.experiments.step import batches


def small_data(samples=96):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 6)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] > 0)


def small_model():
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(8, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )


def find(model=None, optimizer=None, data=None, **options):
    options = {"steps": 40, "batch_size": 16, "progress": False} | options
    return lrlib.find_learning_rate(
        model or small_model(),
        optimizer or keras.optimizers.SGD(momentum=0.9),
        data or small_data(),
        **options,
    )


@pytest.fixture(scope="module")
def result():
    return find(seeds=2)


def test_losses_are_those_of_each_batch_by_itself(result):
    """The same sweep by hand, eagerly."""
    (x, y), model = small_data(), small_model()
    optimizer = keras.optimizers.SGD(1e-5, momentum=0.9)
    model.compile(optimizer, loss="sparse_categorical_crossentropy")
    order = np.concatenate([batches(1, epoch, 96, 16) for epoch in range(7)])
    mean, losses = 0.0, []
    for step in range(25):
        optimizer.learning_rate = 1e-5 * 1e6 ** (step / 39)
        model.reset_metrics()
        loss = model.train_on_batch(x[order[step]], y[order[step]])
        losses.append(float(loss))
        mean = 0.95 * mean + 0.05 * losses[-1]
        assert result.smoothed[1, step] == pytest.approx(
            mean / (1 - 0.95 ** (step + 1)), rel=1e-3
        )
    np.testing.assert_allclose(result.loss[1, :25], losses, rtol=1e-3)


def test_rates_grow_by_a_constant_factor_between_the_bounds(result):
    assert result.rates.shape == (40,)
    assert (result.rates[0], result.rates[-1]) == pytest.approx((1e-5, 10))
    factors = result.rates[1:] / result.rates[:-1]
    assert factors == pytest.approx(factors[0])


def test_model_and_optimizer_are_left_exactly_as_they_were():
    model, (x, y) = small_model(), small_data()
    optimizer = keras.optimizers.Adam(lrlib.cosine(0.01, 50).to_keras())
    model.compile(optimizer, loss="sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    state = model.variables + optimizer.variables
    before = [variable.numpy() for variable in state]
    find(model, optimizer)
    for variable, value in zip(state, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, variable.path)


def test_they_are_left_so_even_when_it_fails_half_way(monkeypatch):
    model = small_model()
    before = [variable.numpy() for variable in model.variables]
    original, calls = finder._batches, []

    def fail_at_the_second(*args):
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(finder, "_batches", fail_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        find(model)
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value, variable.path)


def test_a_sweep_does_not_depend_on_the_ones_before_it(result):
    alone = find(seeds=[1])
    np.testing.assert_array_equal(alone.loss[0], result.loss[1])
    assert not np.array_equal(result.loss[0], result.loss[1])


def test_it_goes_on_from_what_the_optimizer_has_accumulated():
    model, (x, y) = small_model(), small_data()
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    model.compile(optimizer, loss="sparse_categorical_crossentropy")
    model.fit(x, y, verbose=0)
    warm = find(model, optimizer, seeds=1, low=0.1)
    cold = find(model, keras.optimizers.SGD(momentum=0.9), seeds=1, low=0.1)
    assert warm.loss[0, 0] == cold.loss[0, 0]
    assert warm.loss[0, 2] != cold.loss[0, 2]


def test_a_sweep_ends_when_the_loss_blows_up():
    high = find(high=1e6, blow_up=2.0)
    ends = np.isfinite(high.loss).sum(axis=1)
    assert (ends < 40).all()
    for curve, end in zip(high.smoothed, ends, strict=True):
        assert np.isnan(curve[end:]).all()
        lowest = np.minimum.accumulate(curve[:end])
        within = curve[: end - 1] <= 2 * lowest[:-1]
        assert within.all()
        assert not curve[end - 1] <= 2 * lowest[-1] or end < 40


def test_a_compiled_model_brings_its_own_loss():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    x, _ = small_data()
    test = find(model, data=(x, x[:, :1] * 2), seeds=1)
    first = batches(0, 0, 96, 16)[0]
    error = model(x[first]).numpy() - x[first, :1] * 2
    assert test.loss[0, 0] == pytest.approx(np.mean(error**2), rel=1e-5)


def curve(values):
    values = np.array([values], float)
    rates = np.geomspace(1e-4, 1, values.shape[1])
    return finder.RangeTest((0,), rates, values, values, 0.0)


def test_steepest_is_where_the_slope_is():
    test = curve([3.0, 3.0, 2.9, 2.5, 1.5, 1.0, 0.9, 2.0, 9.0])
    assert test.steepest == pytest.approx(test.rates[4], rel=1e-9)


def test_steepest_is_no_fall_after_a_jump():
    test = curve([3.0, 3.0, 2.9, 2.5, 1.5, 1.0, 0.9, 6.0, 1.0, 0.95, 9.0])
    assert test.steepest == pytest.approx(test.rates[4], rel=1e-9)


def test_steepest_is_of_a_doubling_and_not_of_one_noisy_update():
    fall = np.interp(np.arange(400), [100, 300], [3.0, 1.0])
    fall[:60:7] += 0.05  # noise that falls faster, from one update to the next
    assert 100 <= np.argmin(np.abs(curve(fall).rates - curve(fall).steepest)) <= 300


def test_valley_is_the_middle_of_the_longest_fall():
    # It falls from index 1 to 6, with one gap at 4: five values, the third is 3.
    test = curve([1.0, 3.0, 2.5, 2.0, 2.2, 1.5, 1.2, 5.0, 4.9])
    assert test.valley == test.rates[6 - 5 // 2]


def test_suggestions_are_medians_over_sweeps(result):
    for rule in ("steepest", "valley"):
        each = result.suggestions(rule)
        assert each.shape == (2,)
        assert getattr(result, rule) == np.median(each)


def test_the_figure_shows_every_sweep_and_both_suggestions(result):
    ax = result.plot()
    assert ax.get_xscale() == "log"
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), result.smoothed[1])
    assert [line.get_xdata()[0] for line in ax.lines[2:]] == [
        result.steepest,
        result.valley,
    ]


class NoConfig(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that nothing but training needs to read."""

    def __call__(self, step):
        return 0.1 / (1 + keras.ops.cast(step, "float32"))


@pytest.mark.parametrize(
    "rate", [NoConfig(), lambda: 0.1], ids=["schedule", "function"]
)
def test_the_optimizer_s_own_rate_does_not_matter(rate):
    optimizer = keras.optimizers.SGD(rate, momentum=0.9)
    found = find(seeds=1, optimizer=optimizer, steps=12)
    expected = find(seeds=1, steps=12)
    np.testing.assert_array_equal(found.loss, expected.loss)
    assert optimizer._learning_rate is rate


def two_inputs(names):
    a, b = (keras.Input((3,), name=name) for name in ("a", "b"))
    keras.utils.set_random_seed(3)
    both = keras.layers.Concatenate()([a, b])
    outputs = keras.layers.Dense(3, activation="softmax")(both)
    return keras.Model({"a": a, "b": b} if names else [a, b], outputs)


@pytest.mark.parametrize("names", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_a_model_of_two_inputs_takes_a_list_or_a_dict(names, compiled):
    x, y = small_data()
    model = two_inputs(names)
    if compiled:
        model.compile(loss="sparse_categorical_crossentropy")
    data = {"a": x[:, :3], "b": x[:, 3:]} if names else [x[:, :3], x[:, 3:]]
    found = find(model, data=(data, y), seeds=1, steps=12)
    single = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, "softmax")])
    single.set_weights(model.get_weights())
    expected = find(single, data=(x, y), seeds=1, steps=12)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-5)


def test_a_compiled_model_of_two_outputs_takes_two_targets():
    x, y = small_data()
    a = keras.Input((6,))
    model = keras.Model(a, [keras.layers.Dense(1)(a), keras.layers.Dense(1)(a)])
    model.compile(loss=["mse", "mse"])
    found = find(model, data=(x, [y * 1.0, y * 2.0]), seeds=1, steps=12)
    assert np.isfinite(found.loss[0, :3]).all()


X, Y = small_data()
NAN = X.copy()
NAN[3, 3] = np.nan
OTHER = keras.optimizers.SGD(momentum=0.9)
OTHER.build([keras.Variable(np.zeros(4, "float32"))])
SEVERAL = keras.optimizers.MultiOptimizer(
    keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
)
INPUTS = {
    "low": (dict(low=0.0), ValueError, "low must be a number above 0"),
    "low high": (dict(low=1.0, high=0.1), ValueError, "low must be less than high"),
    "NaN": (dict(high=float("nan")), ValueError, "high must be a number above 0"),
    "steps": (dict(steps=3), ValueError, "steps must be a whole number of at least 10"),
    "batch": (dict(batch_size=97), ValueError, "at most the number of samples, 96"),
    "seeds": (dict(seeds=0), ValueError, "seeds must be"),
    "smoothing": (dict(smoothing=1.0), ValueError, "smoothing must be a number in"),
    "blow_up": (dict(blow_up=1.0), ValueError, "blow_up must be a number above 1"),
    "model": (dict(model=lrlib.build_model), TypeError, "model must be a keras.Model"),
    "optimizer": (dict(optimizer="sgd"), TypeError, "must be a Keras optimizer"),
    "another's": (dict(optimizer=OTHER), ValueError, "built for another model"),
    "data": (dict(data=X), ValueError, "data must be"),
    "a Dataset": (
        dict(data=tf.data.Dataset.from_tensor_slices((X, Y)).batch(48)),
        TypeError,
        r"two arrays, .* got a Dataset. If its batches fit in memory: x, y = ",
    ),
    "an iterator": (dict(data=iter([X, Y])), ValueError, "data must be .*iterator"),
    "a dict": (dict(data=({"a": X, "b": X}, Y)), ValueError, "does not take x of sha"),
    "few labels": (dict(data=(X, Y[:-1])), ValueError, "one label for each sample"),
    "progress": (dict(progress=1.5), TypeError, "progress must be True, False or"),
    "several": (dict(optimizer=SEVERAL), TypeError, r"ask each of its \.optimizers"),
    "NaN data": (dict(data=(NAN, Y)), ValueError, "must be finite"),
    "labels": (dict(data=(X, Y + 1)), ValueError, "labels from 0 to 2.*got 1 to 3"),
    "shape": (dict(data=(X[:, :4], Y)), ValueError, "does not take x of shape"),
}


@pytest.mark.parametrize("case", INPUTS)
def test_bad_input_is_told_at_once(case):
    options, error, message = INPUTS[case]
    arguments = {
        "model": small_model(),
        "optimizer": keras.optimizers.SGD(momentum=0.9),
        "data": (X, Y),
    } | {"steps": 40, "batch_size": 16, "progress": False}
    with pytest.raises(error, match=message):
        lrlib.find_learning_rate(**arguments | options)


def test_the_batches_of_a_dataset_can_be_joined_as_the_message_says():
    data = tf.data.Dataset.from_tensor_slices((X, Y)).batch(48)
    x, y = map(np.concatenate, zip(*data.as_numpy_iterator(), strict=True))
    np.testing.assert_array_equal(find(data=(x, y), seeds=1).loss, find(seeds=1).loss)


def test_inputs_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"one entry for each sample, got shapes"):
        find(two_inputs(False), data=([X[:, :3], X[:-1, 3:]], Y))


def test_a_sweep_too_short_to_tell_says_so():
    with pytest.raises(ValueError, match="blew up too early: start from a rate below"):
        curve([3.0, 9.0, *[np.nan] * 30]).suggestions("valley")
    with pytest.raises(ValueError, match="rule must be one of steepest, valley"):
        curve([3.0, 2.0, 1.0]).suggestions("minimum")


def test_a_sweep_shorter_than_its_memory_says_so_and_is_drawn():
    test = find(seeds=1, steps=15)
    with pytest.raises(ValueError, match=r"steps=15 are too few for smoothing=0\.95"):
        _ = test.steepest
    assert len(test.plot().lines) == 1


@pytest.mark.parametrize("scaled", ["factor", "dynamic"])
def test_a_scaled_loss_is_swept_as_any(scaled):
    plain = keras.optimizers.SGD()
    optimizer = {
        "factor": lambda: keras.optimizers.SGD(loss_scale_factor=1024),
        "dynamic": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()),
    }[scaled]()
    expected = find(seeds=1, optimizer=plain)
    found = find(seeds=1, optimizer=optimizer)
    np.testing.assert_allclose(found.loss, expected.loss, rtol=1e-5)
