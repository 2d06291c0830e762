"""TensorFlow, where Keras runs on it: races need it, the range test does not."""

from importlib import import_module
from typing import Any

import keras

tf: Any = None
if keras.backend.backend() == "tensorflow":
    tf = import_module("tensorflow")


def require_tensorflow(what: str) -> None:
    """Raise if Keras runs on another backend."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"{what} needs Keras on TensorFlow, but it runs on {backend}: install "
            "TensorFlow, and set the environment variable KERAS_BACKEND=tensorflow "
            "before Keras is imported"
        )
