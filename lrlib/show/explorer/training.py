"""The digits that the explorer trains on in the browser, and what comes back."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from lrlib.digits import load_digits

#: How many digits each set has. The test set is for verdicts alone.
SETS = {"train": 2500, "validation": 1000, "test": 1000}
#: Grays of a pixel; two pixels make one of 64 characters, which follow each other.
GRAYS = 8
ALPHABET = "".join(map(chr, range(35, 35 + GRAYS**2)))


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

    A character holds a pixel and the one below it. They are more alike than
    neighbors in a row, so that the text is compressed better.

    >>> pixels, labels = digits_as_text()["validation"]
    >>> len(pixels), len(labels)
    (98000, 1000)
    """
    texts = {}
    for name, (pixels, labels) in small_digits().items():
        grays = np.rint(pixels * (GRAYS - 1)).astype(int)
        rows = grays.reshape(-1, 7, 2, 14)
        pairs = rows[:, :, 0] * GRAYS + rows[:, :, 1]
        letters = "".join(ALPHABET[pair] for pair in pairs.ravel())
        texts[name] = (letters, "".join(map(str, labels)))
    return texts


class Runs(NamedTuple):
    """The training runs of one curve, one row a seed; seed `i + 1` is row `i`.

    Attributes:
        rates: the rate of each update, of shape `(steps,)`.
        steps: the updates after which the pieces end that `training_loss` averages
            over, of shape `(50,)`.
        training_loss: of shape `(seeds, 50)`, mean loss of the piece's batches.
        checks: the updates after which the validation digits were looked at.
        validation_loss, validation_accuracy: of shape `(seeds, len(checks))`.
        test_loss, test_accuracy: after the last update, of shape `(seeds,)`.
        diverged: the update at which a run's loss burst without coming back, -1 where
            it didn't; of shape `(seeds,)`.

    """

    rates: np.ndarray
    steps: np.ndarray
    training_loss: np.ndarray
    checks: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    test_loss: np.ndarray
    test_accuracy: np.ndarray
    diverged: np.ndarray


def read_runs(results: Mapping[str, Any]) -> dict[str, Runs]:
    """Return the runs that the browser has sent, by the name of the curve."""

    def numbers(values: Any) -> np.ndarray:
        # JSON has no NaN and no infinity: they arrive as None.
        return np.array(values, dtype=float)

    found = {}
    for curve in results.get("curves", ()):
        losses = numbers(curve["losses"])
        checks, tests = numbers(curve["checks"]), numbers(curve["tests"])
        ends = [
            np.floor(np.arange(1, n + 1) * results["steps"] / n + 0.5).astype(int)
            for n in (losses.shape[1], checks.shape[1])
        ]
        diverged = [-1 if at is None else at for at in curve["diverged"]]
        found[curve["name"]] = Runs(
            *(numbers(curve["rates"]), ends[0], losses, ends[1]),
            *(checks[..., 0], checks[..., 1], tests[:, 0], tests[:, 1]),
            np.array(diverged),
        )
    return found
