"""The network that the chapters train."""

from __future__ import annotations

import keras


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
