"""`RecordLearningRate` against rates measured from what the updates did to a weight."""

import warnings

import keras
import numpy as np
import pytest
from keras.optimizers import schedules

import lrlib
from lrlib.training.plateau import ScaledSchedule

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


# What the compiled training step uses -----------------------------------------


@pytest.mark.parametrize("decay_steps", [41, 47, 49, 55, 61, 82])
@pytest.mark.parametrize("eager", [False, True])
def test_a_staircase_is_recorded_as_the_training_step_computes_it(decay_steps, eager):
    """Keras's own, compiled, multiplies by 1 / decay_steps and drops an update late."""
    staircase = schedules.ExponentialDecay(1.0, decay_steps, 0.5, staircase=True)
    record, watch = lrlib.RecordLearningRate(), WatchWeight()
    model = compiled(keras.optimizers.SGD(staircase), run_eagerly=eager)
    first = decay_steps - 2  # so that few updates tell
    model.optimizer.build(model.trainable_variables)
    model.optimizer.iterations.assign(first)
    train(model, watch, record)
    assert record.steps == list(range(first, first + 4))
    np.testing.assert_allclose(record.rates, watch.moves, rtol=1e-5)


def test_a_whole_fit_of_a_staircase_is_recorded_as_the_weight_moved():
    staircase = schedules.ExponentialDecay(1.0, 41, 0.5, staircase=True)
    record, watch = recorded(keras.optimizers.SGD(staircase), batches=90)
    np.testing.assert_allclose(record.rates, watch.moves, rtol=1e-4)


class Swap(keras.callbacks.Callback):
    """Gives the optimizer another schedule when its second epoch begins."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.model.optimizer.learning_rate = schedules.PolynomialDecay(0.5, 9, 0.0)


@pytest.mark.parametrize("rate", [0.25, LINEAR])
@pytest.mark.parametrize("seen_before", [False, True])
def test_a_schedule_given_after_fit_is_recorded_as_it_is_used(rate, seen_before):
    record, watch = lrlib.RecordLearningRate(), WatchWeight()
    model = compiled(keras.optimizers.SGD(rate))
    train(model, *[record] * seen_before)
    model.optimizer.learning_rate = schedules.PolynomialDecay(0.5, 9, 0.0)
    train(model, watch, record)
    np.testing.assert_allclose(record.rates[-4:], watch.moves, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.25, LINEAR])
@pytest.mark.parametrize("eager", [False, True])
def test_a_schedule_given_during_fit_is_recorded_as_it_is_used(rate, eager):
    record, watch = lrlib.RecordLearningRate(), WatchWeight()
    model = compiled(keras.optimizers.SGD(rate), run_eagerly=eager)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        train(model, Swap(), watch, record, epochs=2)
    np.testing.assert_allclose(record.rates, watch.moves, rtol=1e-5)
    assert any("was replaced during training" in str(w.message) for w in said) != eager


def test_a_rate_that_is_a_function_is_not_known():
    state = [0.5]

    class Halve(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            state[0] /= 2

    record, watch = lrlib.RecordLearningRate(), WatchWeight()
    model = compiled(keras.optimizers.SGD(lambda: state[0]))
    with pytest.warns(UserWarning, match="learning_rate is a function"):
        train(model, Halve(), watch, record)
    assert record.steps == [0, 1, 2, 3]
    assert np.isnan(record.rates).all()
    np.testing.assert_allclose(watch.moves, 0.5)  # what it was when compiled


def test_a_scale_changed_at_the_end_of_a_batch_belongs_to_the_next_update():
    class Halve(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            scale = self.model.optimizer._learning_rate.scale
            scale.assign(scale / 2)

    record, watch = lrlib.RecordLearningRate(), WatchWeight()
    scaled = ScaledSchedule(LINEAR)
    train(compiled(keras.optimizers.SGD(scaled)), Halve(), watch, record)
    np.testing.assert_allclose(record.rates, watch.moves, rtol=1e-5)


class TwoUpdates(keras.Sequential):
    """Trains its weight twice a batch."""

    def train_step(self, data):
        super().train_step(data)
        return super().train_step(data)


def test_two_updates_in_a_batch_are_both_recorded():
    model = TwoUpdates([keras.Input([1]), OneWeight()])
    model.compile(keras.optimizers.SGD(LINEAR), output)
    record = lrlib.RecordLearningRate()
    train(model, record, batches=3)
    np.testing.assert_array_equal(record.rates, lrlib.sample(LINEAR, 6))


class OtherOptimizer(keras.Sequential):
    """A train_step with an optimizer that model.optimizer isn't, as a GAN's."""

    def train_step(self, data):
        self.other.apply([keras.ops.ones(())], self.trainable_variables)
        return {"loss": keras.ops.ones(())}


@pytest.mark.parametrize(
    "make",
    [lrlib.RecordLearningRate, lambda: lrlib.Plateau("loss", 0.5, 1)],
    ids=["RecordLearningRate", "Plateau"],
)
def test_an_optimizer_that_makes_no_updates_is_a_warning(make):
    model = OtherOptimizer([keras.Input([1]), OneWeight()])
    model.compile("sgd", output)
    model.other = keras.optimizers.SGD(0.1)
    model.other.build(model.trainable_variables)
    callback = make()
    with pytest.warns(UserWarning, match=r"model\.optimizer, which made no update"):
        train(model, callback)
    assert getattr(callback, "rates", []) == []


def test_an_ordinary_training_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for rate in (0.25, LINEAR):
            plateau = lrlib.Plateau("loss", 0.5, 1, min_delta=1e9)
            recorded(keras.optimizers.SGD(rate), epochs=2)
            train(compiled(keras.optimizers.SGD(rate)), plateau, epochs=3)


def test_a_multi_optimizer_inside_a_loss_scale_optimizer_is_refused_too():
    parts = keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.1))
    multi = keras.optimizers.MultiOptimizer(parts)
    with pytest.raises(TypeError, match=r"ask each of its \.optimizers"):
        lrlib.current_learning_rate(keras.optimizers.LossScaleOptimizer(multi))
