"""The explorer's network and its training in NumPy, to compare the page with.

Written apart from the page's JavaScript, from Keras's definitions: matrices here, loops
over pixels there. Given the same seed, both start from the same weights, see the same
batches and come to the same losses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import Any

import numpy as np

from lrlib.show.explorer.training import small_digits

INPUTS, HIDDEN, CLASSES = 196, 32, 10
LIMIT = 1 << 32
#: First and second layer: weights, biases, weights, biases.
Weights = list[np.ndarray]


def random(seed: int, stream: int) -> Iterator[int]:
    """Doty-Humphrey's sfc32."""
    a, b, c, counter = seed % LIMIT, stream % LIMIT, 0, 1
    for i in range(2**62):
        number = (a + b + counter) % LIMIT
        counter = (counter + 1) % LIMIT
        a = b ^ (b >> 9)
        b = (c + (c << 3)) % LIMIT
        c = (((c << 21) | (c >> 11)) + number) % LIMIT
        if i >= 12:
            yield number


@cache
def _start(seed: int) -> tuple[np.ndarray, ...]:
    numbers = random(seed, 0)

    def glorot(inputs: int, outputs: int) -> np.ndarray:
        limit = np.sqrt(6 / (inputs + outputs))
        drawn = list(islice(numbers, inputs * outputs))
        return ((2 * np.array(drawn, float)) / LIMIT - 1).reshape(inputs, -1) * limit

    first, second = glorot(INPUTS, HIDDEN), glorot(HIDDEN, CLASSES)
    return first, np.zeros(HIDDEN), second, np.zeros(CLASSES)


def start(seed: int) -> Weights:
    """Glorot uniform weights, biases of 0."""
    return [each.copy() for each in _start(seed)]


@cache
def batches(seed: int, examples: int, batch_size: int, steps: int) -> np.ndarray:
    """Indices of `steps` batches: every pass is shuffled anew and full batches only."""

    def passes() -> Iterator[list[int]]:
        numbers, order = random(seed, 1), list(range(examples))
        while True:
            for i in range(examples - 1, 0, -1):
                j = int(next(numbers) / LIMIT * (i + 1))
                order[i], order[j] = order[j], order[i]
            for at in range(0, examples - batch_size + 1, batch_size):
                yield order[at : at + batch_size]

    return np.array(list(islice(passes(), steps)))


def forward(weights: Weights, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the hidden activations, and the logarithms of the classes' chances."""
    w1, b1, w2, b2 = weights
    hidden = np.maximum(x @ w1 + b1, 0)
    logits = hidden @ w2 + b2
    shifted = logits - logits.max(axis=1, keepdims=True)
    return hidden, shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def evaluate(weights: Weights, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return mean loss and accuracy."""
    _, log_chances = forward(weights, x)
    loss = -log_chances[np.arange(len(y)), y].mean()
    return float(loss), float((log_chances.argmax(axis=1) == y).mean())


def gradients(weights: Weights, x: np.ndarray, y: np.ndarray) -> tuple[float, Weights]:
    """Return the mean loss and its gradients."""
    hidden, log_chances = forward(weights, x)
    rows = np.arange(len(y))
    loss = -log_chances[rows, y].mean()
    error = np.exp(log_chances)
    error[rows, y] -= 1
    error /= len(y)
    slopes = (error @ weights[2].T) * (hidden > 0)
    return loss, [x.T @ slopes, slopes.sum(0), hidden.T @ error, error.sum(0)]


def updates(
    rates: Iterable[float],
    steps: int,
    *,
    optimizer: str = "SGD",
    batch_size: int = 32,
    seed: int = 1,
    clip: bool = False,
) -> Iterator[tuple[float, Weights]]:
    """Train; yield each batch's loss before its update, and the weights after it.

    Args:
        rates: the rate of each update, asked for when the update is made.
        steps: how many updates.
        optimizer: "SGD", "SGD with momentum", "Adam" or "AdamW", set as Keras does.
        batch_size: digits an update.
        seed: of the first weights and of the order of the digits.
        clip: whether gradients are scaled down to a global norm of 1.

    """
    x, y = small_digits()["train"]
    weights = start(seed)
    first = [np.zeros_like(w) for w in weights]
    second = [np.zeros_like(w) for w in weights]
    chosen = batches(seed, len(y), batch_size, steps)
    for t, (batch, rate) in enumerate(zip(chosen, rates, strict=False), start=1):
        loss, grads = gradients(weights, x[batch], y[batch])
        if clip:
            norm = np.sqrt(sum((g**2).sum() for g in grads))
            grads = [g * (1.0 / max(norm, 1.0)) for g in grads]
        for i, g in enumerate(grads):
            if optimizer == "SGD":
                weights[i] = weights[i] - rate * g
            elif optimizer == "SGD with momentum":
                first[i] = 0.9 * first[i] - rate * g
                weights[i] = weights[i] + first[i]
            else:
                if optimizer == "AdamW":
                    weights[i] = weights[i] - weights[i] * 0.004 * rate
                first[i] = first[i] + (g - first[i]) * (1 - 0.9)
                second[i] = second[i] + (g**2 - second[i]) * (1 - 0.999)
                alpha = rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
                weights[i] = weights[i] - first[i] * alpha / (np.sqrt(second[i]) + 1e-7)
        yield float(loss), weights


def train(
    rates: np.ndarray, plateau: bool = False, **settings: Any
) -> tuple[np.ndarray, Weights]:
    """Return the losses of all batches, and the final weights.

    Args:
        rates: the rate of each update, of shape `(steps,)`.
        plateau: halve the rate when a look at the validation digits finds no lower
            loss than before, as `ReduceLROnPlateau` with a patience of 1 does.
        settings: see `updates`.

    """
    steps, scale, best = len(rates), 1.0, np.inf
    # The page looks as often, at equal distances.
    every = steps // (5 if steps < 300 else 10 if steps < 1200 else 25)
    losses: list[float] = []
    used = (rate * scale for rate in rates)
    for loss, weights in updates(used, steps, **settings):
        losses.append(loss)
        if plateau and len(losses) % every == 0:
            found, _ = evaluate(weights, *small_digits()["validation"])
            if found < best - 1e-4:
                best = found
            else:
                scale *= 0.5
    return np.array(losses), weights


def final_results(
    rates: np.ndarray, seeds: Iterable[int] = range(1, 9), **settings: Any
) -> np.ndarray:
    """Return test loss and test accuracy after the last update, one row a seed.

    >>> losses, accuracies = final_results(np.full(100, 0.5), seeds=[1, 2]).T
    >>> losses.shape
    (2,)
    >>> bool(np.all(accuracies > 0.6))
    True

    """
    rows = []
    for seed in seeds:
        _, weights = train(rates, seed=seed, **settings)
        rows.append(evaluate(weights, *small_digits()["test"]))
    return np.array(rows)
