"""What lrlib reads of Keras's insides is there, and means what lrlib takes it for."""

import inspect

import keras
import numpy as np
import pytest
from keras.optimizers import schedules

from lrlib.training import inside

OPTIMIZERS = keras.optimizers


def updated(optimizer, gradients=((1.0, 2.0), (3.0, 4.0))):
    weight = keras.Variable([0.0, 0.0])
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [weight])
    return optimizer


def test_a_rate_comes_from_what_the_optimizer_was_given():
    schedule, function = schedules.PolynomialDecay(1.0, 8, 0.0), lambda: 0.5
    assert inside.source(OPTIMIZERS.SGD(schedule)) is schedule
    assert inside.source(OPTIMIZERS.SGD(function)) is function
    optimizer = OPTIMIZERS.SGD(0.25)
    assert isinstance(inside.source(optimizer), keras.Variable)
    assert inside.source(optimizer) is optimizer.learning_rate


def test_batches_are_counted_also_where_several_make_an_update():
    optimizer = updated(OPTIMIZERS.SGD(0.1, gradient_accumulation_steps=2))
    assert inside.batches_seen(optimizer) == 2
    assert int(optimizer.iterations) == 1


def test_weights_come_in_the_order_of_the_model():
    model = keras.Sequential([keras.Input([3]), keras.layers.Dense(2)])
    optimizer = OPTIMIZERS.SGD(0.1)
    optimizer.build(model.trainable_variables)
    found = inside.weights(optimizer)
    assert [w.path for w in found] == [w.path for w in model.trainable_variables]


G = np.array([[1.0, 2.0], [3.0, 4.0]])
SLOTS = [
    (lambda: OPTIMIZERS.Adagrad(0.1, 0.5), "accumulators", 0.5 + (G**2).sum(0)),
    (lambda: OPTIMIZERS.RMSprop(0.1, 0.5), "velocities", [0.25, 0.5] @ G**2),
    (
        lambda: OPTIMIZERS.RMSprop(0.1, 0.5, centered=True),
        "average_gradients",
        [0.25, 0.5] @ G,
    ),
    (lambda: OPTIMIZERS.Adadelta(0.1, 0.5), "accumulated_grads", [0.25, 0.5] @ G**2),
    (lambda: OPTIMIZERS.Adam(0.1, 0.5, 0.5), "velocities", [0.25, 0.5] @ G**2),
    (
        lambda: OPTIMIZERS.Adam(0.1, 0.5, 0.5, amsgrad=True),
        "velocity_hats",
        [0.25, 0.5] @ G**2,
    ),
    (lambda: OPTIMIZERS.Adamax(0.1, beta_2=0.5), "u", G[1]),
    (lambda: OPTIMIZERS.Nadam(0.1, 0.5, 0.5), "velocities", [0.25, 0.5] @ G**2),
]


@pytest.mark.parametrize(("make", "name", "expected"), SLOTS)
def test_an_optimizer_keeps_its_sums_under_these_names(make, name, expected):
    (found,) = inside.slots(updated(make()), name)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_adadelta_keeps_the_squares_of_its_steps():
    (found,) = inside.slots(updated(OPTIMIZERS.Adadelta()), "accumulated_delta_vars")
    assert (found > 0).all()


def test_keras_own_plateau_asks_for_a_cut_by_the_method_that_ours_replaces():
    own = keras.callbacks.ReduceLROnPlateau
    parameters = list(inspect.signature(own._reduce_optimizer_lr).parameters)
    assert parameters == ["self", "optimizer", "epoch", "name"]
    asked = []

    class Asked(own):
        def _reduce_optimizer_lr(self, optimizer, epoch, name=""):
            asked.append((optimizer, epoch))
            return True

    callback, model = Asked("loss", 0.5, 1), keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    callback.set_model(model)
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_end(epoch, {"loss": 1.0})
    assert asked == [(model.optimizer, 1)]
