"""The digits that the chapters train on."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

FILE = Path(__file__).parent / "data" / "digits.npz"
SHA256 = "0fd2ab4202a7f090179d55a7645329e10fa49f02c8876958f8943b997e38a737"
TRAIN = 8000

Part = tuple[np.ndarray, np.ndarray]


def load_digits(full: bool = False) -> tuple[Part, Part]:
    """Load handwritten digits, as `keras.datasets.mnist.load_data` does.

    Args:
        full: all 70,000 digits of MNIST, which Keras downloads once and keeps, instead
            of the 10,000 that come with lrlib.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images of shape `(n, 28, 28)`, pixels
        0 to 255, and labels of shape `(n,)`, 0 to 9, all uint8. There are 8,000
        digits to train on and 2,000 to test, the same ones every time.

    Raises:
        TypeError: `full` is neither True nor False.
        OSError: the file is missing or damaged, or the download failed.

    Source: the MNIST database of Yann LeCun, Corinna Cortes and Christopher Burges;
    see `lrlib/data/LICENSE`.

    >>> import lrlib
    >>> (x_train, y_train), (x_test, y_test) = lrlib.load_digits()
    >>> x_train.shape, x_train.dtype, y_test.shape
    ((8000, 28, 28), dtype('uint8'), (2000,))

    """
    if not isinstance(full, bool):
        raise TypeError(f"full must be True or False, got {full!r}")
    if full:
        return _download()
    try:
        content = FILE.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{FILE} is missing: install lrlib again") from None
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise OSError(
            f"{FILE} is damaged: its SHA-256 is {found}, not {SHA256}. "
            "Install lrlib again"
        )
    with np.load(io.BytesIO(content)) as arrays:
        x, y = arrays["x"], arrays["y"]
    return (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:])


def _download() -> tuple[Part, Part]:
    import keras

    try:
        return keras.datasets.mnist.load_data()
    except Exception as error:  # Keras raises just this when offline
        raise OSError(
            f"MNIST could not be loaded ({error}). load_digits() needs no network; for "
            "all 70,000, put mnist.npz into ~/.keras/datasets"
        ) from error
