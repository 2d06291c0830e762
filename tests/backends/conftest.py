"""Keras on JAX and on PyTorch: what of lrlib runs there, each without the other.

`make test-backends` runs this folder once with KERAS_BACKEND=jax and once with
KERAS_BACKEND=torch, where TensorFlow isn't installed. Elsewhere nothing is collected.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import pytest

OTHER = {"jax": "torch", "torch": "jax"}.get(os.environ.get("KERAS_BACKEND", ""))
if OTHER is None or find_spec("tensorflow") is not None:
    collect_ignore_glob = ["*.py"]
else:
    sys.modules[OTHER] = None  # type: ignore[assignment]  # importing it fails


def pytest_configure(config: pytest.Config) -> None:
    """Let pass what Keras does with PyTorch's tensors under NumPy 2."""
    config.addinivalue_line(
        "filterwarnings",
        "ignore:__array__ implementation doesn't accept a copy keyword"
        ":DeprecationWarning:keras.src.backend",
    )
