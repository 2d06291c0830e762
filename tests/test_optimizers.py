"""Current and effective learning rates, against updates that Keras has really made."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tf_keras
from keras.optimizers import schedules

import lrlib

DECAY = {"initial_learning_rate": 1.0, "decay_steps": 8, "end_learning_rate": 0.0}


def take_steps(optimizer, gradients):
    """Return what each gradient, applied in turn, has moved the weights by."""
    start = np.linspace(-1, 1, np.size(gradients[0]))
    weights = keras.Variable(start, dtype="float32")
    moves = []
    for gradient in gradients:
        before = weights.numpy()
        optimizer.apply([keras.ops.convert_to_tensor(gradient, "float32")], [weights])
        moves.append(weights.numpy() - before)
    return moves


# current_learning_rate -------------------------------------------------------


@pytest.mark.parametrize("updates", [0, 1, 5])
def test_current_rate_is_the_one_that_the_next_update_moves_a_weight_by(updates):
    optimizer = keras.optimizers.SGD(schedules.PolynomialDecay(**DECAY))
    weight = keras.Variable(0.0)
    for _ in range(updates):
        optimizer.apply([1.0], [weight])
    rate, before = lrlib.current_learning_rate(optimizer), float(weight)
    optimizer.apply([1.0], [weight])
    assert rate == before - float(weight) == 1 - updates / 8


def test_current_rate_of_a_float_and_of_a_value_set_later():
    optimizer = keras.optimizers.Adam(0.25)
    assert lrlib.current_learning_rate(optimizer) == 0.25
    optimizer.learning_rate = 0.5
    assert lrlib.current_learning_rate(optimizer) == 0.5
    optimizer.learning_rate = schedules.PolynomialDecay(**DECAY)
    assert lrlib.current_learning_rate(optimizer) == 1.0


def test_current_rate_of_a_callable_is_what_it_returns():
    assert lrlib.current_learning_rate(keras.optimizers.SGD(lambda: 0.125)) == 0.125


def test_current_rate_of_a_formula_schedule():
    s = lrlib.join([lrlib.constant(0.5), lrlib.linear(0.5, 4, 0.1)], [3])
    optimizer = keras.optimizers.SGD(s.to_keras())
    take_steps(optimizer, [[0.0]] * 5)
    assert lrlib.current_learning_rate(optimizer) == pytest.approx(s(5))


@pytest.mark.parametrize(("batches", "expected"), [(0, 0.625), (3, 0.625), (4, 0.125)])
def test_current_rate_with_accumulated_gradients(batches, expected):
    optimizer = keras.optimizers.SGD(
        schedules.PolynomialDecay(**DECAY), gradient_accumulation_steps=4
    )
    moves = take_steps(optimizer, [[1.0]] * 8)
    assert [-float(m[0]) for m in moves if m[0]] == pytest.approx([0.625, 0.125])
    optimizer._iterations.assign(batches)
    assert lrlib.current_learning_rate(optimizer) == expected


def test_current_rate_of_a_loss_scale_optimizer_is_its_inner_ones():
    inner = keras.optimizers.SGD(schedules.PolynomialDecay(**DECAY))
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0)
    take_steps(optimizer, [[2.0]] * 2)
    assert lrlib.current_learning_rate(optimizer) == 0.75


@pytest.mark.parametrize(
    "make", [tf_keras.optimizers.SGD, tf_keras.optimizers.legacy.SGD]
)
def test_current_rate_means_the_next_update_in_keras_2_too(make):
    optimizer = make(tf_keras.optimizers.schedules.PolynomialDecay(**DECAY))
    weight = tf_keras.backend.variable(3.0)
    for _ in range(2):
        optimizer.apply_gradients([(tf_keras.backend.constant(1.0), weight)])
    rate = lrlib.current_learning_rate(optimizer)
    before = float(weight)
    optimizer.apply_gradients([(tf_keras.backend.constant(1.0), weight)])
    assert rate == before - float(weight) == 0.75


def test_current_rate_of_keras_2_floats_decay_and_loss_scaling():
    legacy = tf_keras.optimizers.legacy.SGD(0.5, decay=0.25)
    legacy.iterations.assign(4)
    assert lrlib.current_learning_rate(legacy) == 0.25
    new = tf_keras.optimizers.SGD(0.5)
    new.learning_rate = 0.25
    assert lrlib.current_learning_rate(new) == 0.25
    scaled = tf_keras.mixed_precision.LossScaleOptimizer(new)
    assert lrlib.current_learning_rate(scaled) == 0.25


# effective_learning_rates ----------------------------------------------------

GRADIENTS = np.random.default_rng(0).normal(size=(7, 4)) * [1e-2, 0.1, 1, 10]


def sum_of(gradients, momentum, rates=None):
    """Return the mean of the gradients that a momentum's sum stands for."""
    rates = np.ones(len(gradients)) if rates is None else np.asarray(rates)
    weights = rates * momentum ** np.arange(len(gradients))[::-1]
    return weights @ gradients / weights.sum()


def nesterov(gradients, momentum):
    weights = momentum ** np.arange(1, len(gradients) + 1)[::-1]
    weights[-1] += 1
    return weights @ gradients / weights.sum()


def nadam(gradients, beta_1=0.9):
    """Return Dozat's look-ahead mean of the gradients, as Keras computes it."""
    k = len(gradients)
    u = beta_1 * (1 - 0.5 * 0.96 ** np.arange(1, k + 2))
    m = (1 - beta_1) * beta_1 ** np.arange(k)[::-1] @ gradients
    ahead = u[k] * m / (1 - np.prod(u))
    return ahead + (1 - u[k - 1]) * gradients[-1] / (1 - np.prod(u[:k]))


def last(gradients):
    return gradients[-1]


def adam_mean(gradients):
    return sum_of(gradients, 0.9)


@pytest.mark.parametrize("rate", [0.3, schedules.CosineDecay(0.5, 12, 0.1)])
@pytest.mark.parametrize(
    ("make", "direction"),
    [
        (keras.optimizers.SGD, last),
        (keras.optimizers.Adagrad, last),
        (keras.optimizers.RMSprop, last),
        (lambda r: keras.optimizers.RMSprop(r, centered=True), last),
        (keras.optimizers.Adam, adam_mean),
        (lambda r: keras.optimizers.Adam(r, amsgrad=True), adam_mean),
        (lambda r: keras.optimizers.AdamW(r, weight_decay=0.0), adam_mean),
        (keras.optimizers.Adamax, adam_mean),
        (keras.optimizers.Nadam, nadam),
    ],
)
def test_step_size_times_mean_gradient_is_the_last_move(make, direction, rate):
    for k in (1, 2, 7):
        optimizer = make(rate)
        *_, move = take_steps(optimizer, GRADIENTS[:k])
        (sizes,) = lrlib.effective_learning_rates(optimizer)
        np.testing.assert_allclose(
            move, -sizes * direction(GRADIENTS[:k]), rtol=2e-4, atol=3e-7
        )


def test_step_size_of_momentum_counts_each_updates_own_rate():
    schedule = schedules.CosineDecay(0.5, 12, 0.1)
    optimizer = keras.optimizers.SGD(schedule, momentum=0.8)
    *_, move = take_steps(optimizer, GRADIENTS)
    (sizes,) = lrlib.effective_learning_rates(optimizer)
    mean = sum_of(GRADIENTS, 0.8, lrlib.sample(schedule, 7))
    np.testing.assert_allclose(move, -sizes * mean, rtol=2e-5, atol=1e-6)


def test_step_size_of_nesterov_momentum():
    optimizer = keras.optimizers.SGD(0.3, momentum=0.8, nesterov=True)
    *_, move = take_steps(optimizer, GRADIENTS)
    (sizes,) = lrlib.effective_learning_rates(optimizer)
    np.testing.assert_allclose(
        move, -sizes * nesterov(GRADIENTS, 0.8), rtol=2e-5, atol=1e-6
    )


def test_momentum_in_the_long_run_multiplies_the_rate():
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    take_steps(optimizer, [[1.0]] * 400)
    (sizes,) = lrlib.effective_learning_rates(optimizer)
    assert sizes[0] == pytest.approx(0.1 / (1 - 0.9), rel=1e-6)


def test_step_size_of_rmsprop_with_momentum_under_a_steady_gradient():
    # With rho=0 the velocity is the last gradient's square: the same at each update.
    optimizer = keras.optimizers.RMSprop(0.1, rho=0.0, momentum=0.5)
    *_, move = take_steps(optimizer, [[2.0]] * 5)
    (sizes,) = lrlib.effective_learning_rates(optimizer)
    assert -sizes[0] * 2.0 == pytest.approx(move[0], rel=1e-5)


def test_step_size_of_adadelta_is_the_next_ones():
    optimizer = keras.optimizers.Adadelta(0.7)
    take_steps(optimizer, GRADIENTS)
    (sizes,) = lrlib.effective_learning_rates(optimizer)
    weights = optimizer._trainable_variables[0]
    before = weights.numpy()
    # A gradient whose square is the mean square leaves that mean as it is.
    gradient = np.sqrt(optimizer._accumulated_grads[0].numpy())
    optimizer.apply([gradient])
    np.testing.assert_allclose(
        weights.numpy() - before, -sizes * gradient, rtol=2e-3, atol=1e-7
    )


def test_step_size_with_accumulated_gradients():
    optimizer = keras.optimizers.Adam(
        schedules.CosineDecay(0.5, 12, 0.1), gradient_accumulation_steps=3
    )
    moves = take_steps(optimizer, GRADIENTS)  # updates in the third and sixth batch
    (sizes,) = lrlib.effective_learning_rates(optimizer)
    means = GRADIENTS[:6].reshape(2, 3, 4).mean(axis=1)
    np.testing.assert_allclose(moves[5], -sizes * adam_mean(means), rtol=2e-4)


def test_step_sizes_come_in_the_model_s_order_and_shapes():
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    model.compile("adam", "mse")
    model.fit(np.ones([4, 3]), np.ones([4, 2]), verbose=0)
    sizes = lrlib.effective_learning_rates(model.optimizer)
    assert [s.shape for s in sizes] == [(3, 2), (2,)]
    assert all(s.dtype == np.float64 and (s > 0).all() for s in sizes)


# Misuse ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "function", [lrlib.current_learning_rate, lrlib.effective_learning_rates]
)
@pytest.mark.parametrize("wrong", ["adam", None, 0.1, keras.optimizers.SGD])
def test_what_is_no_optimizer_is_refused(function, wrong):
    with pytest.raises(TypeError, match="must be a Keras optimizer"):
        function(wrong)


@pytest.mark.parametrize(
    "function", [lrlib.current_learning_rate, lrlib.effective_learning_rates]
)
def test_a_multi_optimizer_has_no_one_rate(function):
    parts = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
    with pytest.raises(TypeError, match=r"ask each of its \.optimizers"):
        function(keras.optimizers.MultiOptimizer(parts))


def test_step_sizes_before_the_first_update_are_refused():
    with pytest.raises(ValueError, match="no update yet"):
        lrlib.effective_learning_rates(keras.optimizers.Adam(0.1))
    accumulating = keras.optimizers.Adam(0.1, gradient_accumulation_steps=2)
    take_steps(accumulating, [[1.0]])
    with pytest.raises(ValueError, match="no update yet"):
        lrlib.effective_learning_rates(accumulating)


def test_step_sizes_of_another_optimizer_are_refused():
    with pytest.raises(TypeError, match="Nadam and AdamW, got Lion"):
        lrlib.effective_learning_rates(keras.optimizers.Lion(0.1))


# Copies of a model -------------------------------------------------------------

#: What it prints must be the same with one copy of the model and with two.
MIRRORED = """
import json
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
halves = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, halves)
import keras, lrlib
import numpy as np

def trained(copies, rate):
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(copies)])
    with strategy.scope():
        ones = dict(kernel_initializer="ones")
        model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1, **ones)])
        model.compile(keras.optimizers.Adam(rate), "mse")
    plateau = lrlib.Plateau("loss", 0.5, 1, min_delta=1e9)
    record = lrlib.RecordLearningRate()
    x = np.ones([8, 1])
    model.fit(x, x + 1, 4, epochs=3, verbose=0, callbacks=[plateau, record])
    sizes = lrlib.effective_learning_rates(model.optimizer)
    return [
        *(record.rates, plateau.get_state(), plateau.scale),
        *(lrlib.current_learning_rate(model.optimizer), [s.tolist() for s in sizes]),
    ]


rates = 0.125, keras.optimizers.schedules.PolynomialDecay(0.125, 16, 0.0)
print(json.dumps([[trained(copies, rate) for rate in rates] for copies in (1, 2)]))
"""


def test_two_copies_of_a_model_are_read_as_one():
    run = [sys.executable, "-c", MIRRORED]
    printed = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    one, two = json.loads(printed.splitlines()[-1])
    for a, b, unscaled in zip(one, two, (0.125, 0.125 * 10 / 16), strict=True):
        assert a[0] == pytest.approx(b[0])
        assert a[1] == pytest.approx(b[1])
        assert a[2] == b[2] == 0.25
        assert a[3] == b[3] == unscaled * 0.25
        for sizes in zip(a[4], b[4], strict=True):
            np.testing.assert_allclose(*sizes, rtol=1e-5)
