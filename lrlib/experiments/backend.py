"""TensorFlow, which the experiments compile their training with."""

import keras

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "lrlib.race, lrlib.find_learning_rate and lrlib.lab need Keras on TensorFlow, "
        f"but it runs on {keras.backend.backend()}: set the environment variable "
        "KERAS_BACKEND=tensorflow before Keras is imported"
    )

import tensorflow as tf

__all__ = ["tf"]
