"""The networks that the chapters train."""

from __future__ import annotations

import keras

from lrlib.schedules.kinds import check_whole


def build_model() -> keras.Model:
    """Build the network of the tutorial, new weights at each call.

    Returns:
        A Keras model, not compiled: images of shape `(28, 28)` → 512 units with ReLU →
        dropout of 20 % → 10 probabilities. 407,050 weights.

    >>> import lrlib
    >>> lrlib.build_model().count_params()
    407050

    """
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def build_convnet(classes: int = 10) -> keras.Model:
    """Build a small convolutional network, new weights at each call.

    Args:
        classes: number of classes to tell apart, at least 2.

    Returns:
        A Keras model, not compiled: images of shape `(28, 28)` → 8 and 16 filters of
        3×3 at stride 2, with ReLU → 64 units with ReLU → `classes` probabilities.
        38,826 weights for ten classes.

    Raises:
        TypeError: `classes` is not an integer.
        ValueError: `classes` is less than 2.

    >>> import lrlib
    >>> lrlib.build_convnet().count_params()
    38826

    """
    check_whole("classes", classes, 2)
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Reshape((28, 28, 1)),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )
