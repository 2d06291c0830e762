"""One training step for every experiment: seeds, batches, loss, update, data."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from lrlib.digits import load_digits
from lrlib.experiments.backend import tf
from lrlib.experiments.internals import layer_seeds
from lrlib.schedules.kinds import check_whole

Data = tuple[tuple[Any, Any], tuple[Any, Any]]

# What a seed decides -----------------------------------------------------------

#: Held while Keras builds and traces: seeds and names are global there.
keras_lock = threading.RLock()


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed everything for a while, then set all as it was; TensorFlow begins anew."""
    with keras_lock:
        states = random.getstate(), np.random.get_state()  # noqa: NPY002
        global_seed, _ = tf.compat.v1.get_seed(None)
        keras.utils.set_random_seed(seed)
        try:
            with layer_seeds(seed):
                yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])  # noqa: NPY002
            tf.random.set_seed(global_seed)


def batches(seed: int, epoch: int, samples: int, batch_size: int) -> np.ndarray:
    """Return which samples make up each batch of an epoch, `(steps, batch_size)`."""
    steps = samples // batch_size
    order = np.random.default_rng([seed, epoch]).permutation(samples)
    return order[: steps * batch_size].reshape(steps, batch_size).astype(np.int32)


def check_seeds(seeds: int | Iterable[int]) -> tuple[int, ...]:
    """Return which seeds are meant: the first so many, or these."""
    if not isinstance(seeds, Iterable):
        return tuple(range(check_whole("seeds", seeds, low=1)))
    if isinstance(seeds, str):
        raise TypeError(f"seeds must be a number or a list of them, got {seeds!r}")
    checked = tuple(check_whole("seeds", seed, low=0) for seed in seeds)
    if not checked:
        raise ValueError("seeds must be one or more, got none")
    if len(set(checked)) < len(checked):
        raise ValueError(f"seeds must differ from each other, got {checked}")
    return checked


# The model and its update --------------------------------------------------------


def build(make: Callable[[], keras.Model], x: Any) -> keras.Model:
    """Return a new model, with weights."""
    model = make()
    if not isinstance(model, keras.Model):
        raise TypeError(f"model must build a keras.Model, got {model!r}")
    if not model.built:
        model(x[:1])
    return model


def check_builder(make: Any) -> None:
    """Raise if this isn't a function that builds a model."""
    if isinstance(make, keras.Model) or not callable(make):
        raise TypeError(f"model must be a function that builds a model, got {make!r}")


def crossentropy(model: keras.Model) -> Callable[[Any, Any], Any]:
    """Return a classifier's loss, a function of labels and outputs."""
    last = model.layers[-1] if model.layers else None
    softmax = isinstance(last, keras.layers.Softmax)
    softmax |= getattr(last, "activation", None) is keras.activations.softmax
    loss: Callable[[Any, Any], Any]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not softmax)
    return loss


def training_loss(model: keras.Model) -> Callable[[Any, Any, Any], Any]:
    """Return what a classifier is trained on, a function of x, labels and outputs."""
    loss = crossentropy(model)
    return lambda x, y, outputs: sum(model.losses, start=loss(y, outputs))


def update(
    model: Any, optimizer: Any, loss: Callable[[Any, Any, Any], Any], x: Any, y: Any
) -> tuple[Any, Any]:
    """Make one update; return the loss before it, and its learning rate."""
    weights = model.trainable_variables
    with tf.GradientTape() as tape:
        value = loss(x, y, model(x, training=True))
        scaled = optimizer.scale_loss(value)  # for half precision
    gradients = tape.gradient(scaled, [weight.value for weight in weights])
    rate = tf.cast(optimizer.learning_rate, tf.float32)  # before the step is counted
    optimizer.apply(gradients, weights)
    return value, rate


# The data ------------------------------------------------------------------------


def default_data() -> Data:
    """Return the digits, pixels divided by 255."""
    (x, y), (x_test, y_test) = load_digits()
    return (scale_pixels(x), y), (scale_pixels(x_test), y_test)


def scale_pixels(x: np.ndarray) -> np.ndarray:
    """Return pixels from 0 to 1, in float32."""
    return np.asarray(np.divide(x, 255, dtype=np.float32))


def check_data(data: Data | Callable[[], Data] | None) -> tuple[Any, ...]:
    """Return x_train, y_train, x_test, y_test as tensors."""
    given = default_data() if data is None else data() if callable(data) else data
    try:
        (x, y), (x_test, y_test) = given
    except (TypeError, ValueError):
        raise ValueError("data must be (x_train, y_train), (x_test, y_test)") from None
    x, y = check_part("train", x, y)
    x_test, y_test = check_part("test", x_test, y_test)
    if x.shape[1:] != x_test.shape[1:]:
        raise ValueError(
            f"data: x_train and x_test differ in shape: {x.shape}, {x_test.shape}"
        )
    return x, y, x_test, y_test


def check_part(part: str, x: Any, y: Any) -> tuple[Any, Any]:
    """Return samples and their labels as tensors."""
    x, y = check_numbers(f"x_{part}", x), np.asarray(y)
    if y.dtype.kind not in "ui":
        raise TypeError(
            f"data: y_{part} must be whole numbers, a label for each sample, "
            f"got {y.dtype}"
        )
    if y.ndim == 2 and y.shape[1] == 1:  # as Keras gives CIFAR's
        y = y[:, 0]
    if not x.ndim or not y.ndim or len(x) != len(y) or not len(x):
        raise ValueError(
            f"data: x_{part} and y_{part} must have one label for each sample, got "
            f"shapes {x.shape} and {y.shape}"
        )
    tensor = keras.ops.convert_to_tensor
    return tensor(x), tensor(y.astype(np.int64))


def check_numbers(name: str, numbers: Any) -> np.ndarray:
    """Return finite numbers, in Keras's float type if they are floats."""
    array = np.asarray(numbers)
    if array.dtype.kind not in "buif":
        raise TypeError(f"data: {name} must be numbers, got {array.dtype}")
    if array.dtype.kind != "f":
        return array
    # NaN passes through min and max, which need no second array.
    if array.size and not np.isfinite([array.min(), array.max()]).all():
        raise ValueError(f"data: {name} must be finite, but holds NaN or infinity")
    return array.astype(keras.config.floatx(), copy=False)


def check_batch_size(batch_size: Any, samples: int) -> int:
    """Return the batch size, if there are so many samples."""
    size = check_whole("batch_size", batch_size, low=1)
    if size > samples:
        raise ValueError(
            f"batch_size must be at most the number of samples, {samples}, got {size}"
        )
    return size


def check_outputs(model: keras.Model, name: str, x: Any, **labels: Any) -> None:
    """Raise if the model doesn't take x, or has no output for one of the labels."""
    try:
        outputs = model(keras.tree.map_structure(lambda a: a[:1], x))
    except Exception as error:
        shapes = keras.tree.map_structure(lambda a: tuple(a.shape), x)
        raise ValueError(
            f"data: the model does not take {name} of shape {shapes}"
        ) from error
    for label_name, y in labels.items():
        *places, classes = outputs.shape[1:]
        if list(y.shape[1:]) != places:
            raise ValueError(
                f"data: {label_name} must have a label for each output of the model, "
                f"of shape {(None, *places)}, got {tuple(y.shape)}"
            )
        lowest, highest = int(keras.ops.min(y)), int(keras.ops.max(y))
        if lowest < 0 or highest >= classes:
            raise ValueError(
                f"data: {label_name} must be labels from 0 to {classes - 1}, as the "
                f"model has {classes} outputs, got {lowest} to {highest}"
            )
