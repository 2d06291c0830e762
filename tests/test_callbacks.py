"""`RecordLearningRate` against rates measured from what the updates did to a weight."""

import keras
import numpy as np
import pytest
from keras.optimizers import schedules

import lrlib

LINEAR = schedules.PolynomialDecay(1.0, 16, 0.0)


@keras.saving.register_keras_serializable(package="tests")
class OneWeight(keras.layers.Layer):
    """Its output is its weight, so under the loss `output` the gradient is 1."""

    def build(self, _):
        self.w = self.add_weight(shape=(), initializer="zeros", name="w")

    def call(self, x):
        return x * 0 + self.w

    def compute_output_shape(self, shape):
        return shape


@keras.saving.register_keras_serializable(package="tests")
def output(y_true, y_pred):
    return y_pred


class WatchWeight(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_begin(self, batch, logs=None):
        self.weights.append(float(self.model.weights[0]))

    def on_train_end(self, logs=None):
        self.on_train_batch_begin(None)

    @property
    def moves(self):
        return -np.diff(self.weights)


def compiled(optimizer, **kwargs):
    model = keras.Sequential([keras.Input([1]), OneWeight()])
    model.compile(optimizer, output, **kwargs)
    return model


def train(model, *callbacks, batches=4, **kwargs):
    x = np.zeros([batches, 1])
    model.fit(x, x, batch_size=1, verbose=0, callbacks=list(callbacks), **kwargs)


def recorded(optimizer, **kwargs):
    record, watch = lrlib.RecordLearningRate(), WatchWeight()
    train(compiled(optimizer), watch, record, **kwargs)
    return record, watch


@pytest.mark.parametrize("rate", [0.25, LINEAR])
def test_rates_are_those_that_moved_the_weight(rate):
    record, watch = recorded(keras.optimizers.SGD(rate), epochs=2)
    assert record.steps == list(range(8))
    np.testing.assert_allclose(record.rates, watch.moves, rtol=1e-5)
    np.testing.assert_allclose(record.rates, lrlib.sample(rate, 8))
    assert all(type(step) is int for step in record.steps)
    assert all(type(rate) is float for rate in record.rates)


def test_a_callbacks_rate_is_recorded_for_each_update():
    record, watch = lrlib.RecordLearningRate(), WatchWeight()
    halve = keras.callbacks.LearningRateScheduler(lambda epoch: 0.5**epoch)
    train(compiled(keras.optimizers.SGD(9.0)), halve, watch, record, epochs=2)
    assert record.rates == [1.0] * 4 + [0.5] * 4
    np.testing.assert_allclose(record.rates, watch.moves, rtol=1e-6)


def test_a_rate_set_at_the_end_of_a_batch_belongs_to_the_next_update():
    class Halve(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            rate = self.model.optimizer.learning_rate
            self.model.optimizer.learning_rate = float(rate) / 2

    record, watch = lrlib.RecordLearningRate(), WatchWeight()
    train(compiled(keras.optimizers.SGD(1.0)), Halve(), watch, record)
    assert record.rates == [1.0, 0.5, 0.25, 0.125]
    np.testing.assert_allclose(record.rates, watch.moves, rtol=1e-6)


def test_accumulated_gradients_record_only_the_batches_that_update():
    optimizer = keras.optimizers.SGD(LINEAR, gradient_accumulation_steps=4)
    record, watch = recorded(optimizer, epochs=2)
    assert record.steps == [3, 7]
    np.testing.assert_allclose(watch.moves[record.steps], record.rates, rtol=1e-6)
    assert np.count_nonzero(watch.moves) == 2


@pytest.mark.parametrize("rate", [0.25, LINEAR])
def test_steps_per_execution_leaves_no_update_out(rate):
    record = lrlib.RecordLearningRate()
    model = compiled(keras.optimizers.SGD(rate), steps_per_execution=4)
    train(model, record, batches=8)
    assert record.steps == list(range(8))
    np.testing.assert_allclose(record.rates, lrlib.sample(rate, 8))
    assert sum(record.rates) == pytest.approx(-float(model.weights[0]))


def test_steps_per_execution_with_accumulated_gradients():
    record = lrlib.RecordLearningRate()
    optimizer = keras.optimizers.SGD(LINEAR, gradient_accumulation_steps=2)
    model = compiled(optimizer, steps_per_execution=3)
    train(model, record, batches=6)
    assert record.steps == [1, 3, 5]
    assert sum(record.rates) == pytest.approx(-float(model.weights[0]))


def test_a_second_fit_goes_on_and_a_new_optimizer_starts_again():
    record = lrlib.RecordLearningRate()
    model = compiled(keras.optimizers.SGD(LINEAR))
    train(model, record, batches=2)
    train(model, record, batches=2, initial_epoch=5, epochs=6)
    model.compile(keras.optimizers.SGD(LINEAR), output)
    train(model, record, batches=1)
    assert record.steps == [0, 1, 2, 3, 0]
    assert record.rates == [1 - t / 16 for t in record.steps]


def test_a_run_resumed_from_a_file_goes_on(tmp_path):
    model = compiled(keras.optimizers.SGD(LINEAR))
    train(model, batches=3)
    model.save(tmp_path / "model.keras")
    record = lrlib.RecordLearningRate()
    train(keras.saving.load_model(tmp_path / "model.keras"), record, batches=2)
    assert (record.steps, record.rates) == ([3, 4], [13 / 16, 12 / 16])


def test_an_update_skipped_by_loss_scaling_leaves_no_entry():
    inner = keras.optimizers.SGD(LINEAR)
    # 2**128 is more than float32 holds: the first gradient is infinite.
    optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**127)
    model = compiled(optimizer, loss_weights=4.0)
    record, watch = lrlib.RecordLearningRate(), WatchWeight()
    train(model, watch, record, batches=5)
    moved = watch.moves[watch.moves > 0]
    assert 0 < len(moved) < 5
    assert record.steps == list(range(len(moved)))
    np.testing.assert_allclose(4 * np.array(record.rates), moved, rtol=1e-5)


def test_a_recorded_run_can_be_sampled():
    record, _ = recorded(keras.optimizers.SGD(LINEAR))
    np.testing.assert_array_equal(lrlib.sample(record, 3), [1, 15 / 16, 14 / 16])
    with pytest.raises(ValueError, match="the run has 4"):
        lrlib.sample(record, 5)


def test_a_multi_optimizer_is_refused_by_name():
    parts = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
    model = compiled(keras.optimizers.MultiOptimizer(parts))
    with pytest.raises(TypeError, match=r"ask each of its \.optimizers"):
        train(model, lrlib.RecordLearningRate())
