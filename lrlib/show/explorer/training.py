"""What the explorer's training in the browser needs from Python: its digits."""

from __future__ import annotations

import functools

import numpy as np

from lrlib.digits import load_digits

#: How many digits each set has. The test set is for verdicts alone.
SETS = {"train": 2500, "validation": 1000, "test": 1000}
#: Grays of a pixel; two pixels make one of 64 characters.
GRAYS = 8
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@functools.cache
def small_digits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the digits that the browser trains on, by the name of the set.

    They are the first of `lrlib.load_digits`'s training digits, averaged to 14 × 14
    pixels of 8 grays.

    Returns:
        For each set in `SETS` the pixels, of shape `(n, 196)`, from 0 to 1, and the
        labels, of shape `(n,)`.

    >>> pixels, labels = small_digits()["validation"]
    >>> pixels.shape, labels.shape
    ((1000, 196), (1000,))

    """
    (x, y), _ = load_digits()
    means = x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
    grays = np.rint(means / 255 * (GRAYS - 1)) / (GRAYS - 1)
    ends = np.cumsum(list(SETS.values()))
    return {
        name: (grays[end - count : end], y[end - count : end])
        for (name, count), end in zip(SETS.items(), ends, strict=True)
    }


def digits_as_text() -> dict[str, tuple[str, str]]:
    """Return the same digits as text: pixels, two a character, and labels.

    >>> pixels, labels = digits_as_text()["validation"]
    >>> len(pixels), len(labels)
    (98000, 1000)
    """
    texts = {}
    for name, (pixels, labels) in small_digits().items():
        grays = np.rint(pixels * (GRAYS - 1)).astype(int)
        pairs = grays[:, 0::2] * GRAYS + grays[:, 1::2]
        letters = "".join(ALPHABET[pair] for pair in pairs.ravel())
        texts[name] = (letters, "".join(map(str, labels)))
    return texts
