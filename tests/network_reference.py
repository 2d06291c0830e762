"""The explorer's network and its training in NumPy, to compare the page with.

Written on its own, from Keras's definitions: matrices here, loops over pixels there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

INPUTS, HIDDEN, CLASSES = 196, 32, 10
LIMIT = 1 << 32


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


def start(seed: int) -> list[np.ndarray]:
    """Glorot uniform weights, biases of 0."""
    numbers = random(seed, 0)

    def glorot(inputs: int, outputs: int) -> np.ndarray:
        limit = np.sqrt(6 / (inputs + outputs))
        drawn = [next(numbers) for _ in range(inputs * outputs)]
        return ((2 * np.array(drawn, float)) / LIMIT - 1).reshape(inputs, -1) * limit

    first, second = glorot(INPUTS, HIDDEN), glorot(HIDDEN, CLASSES)
    return [first, np.zeros(HIDDEN), second, np.zeros(CLASSES)]


def batches(seed: int, examples: int, batch_size: int) -> Iterator[np.ndarray]:
    """Indices of the batches: every pass is shuffled anew and full batches only."""
    numbers, order = random(seed, 1), np.arange(examples)
    while True:
        for i in range(examples - 1, 0, -1):
            j = int(next(numbers) / LIMIT * (i + 1))
            order[i], order[j] = order[j], order[i]
        for at in range(0, examples - batch_size + 1, batch_size):
            yield order[at : at + batch_size].copy()


def forward(weights, x):
    w1, b1, w2, b2 = weights
    hidden = np.maximum(x @ w1 + b1, 0)
    logits = hidden @ w2 + b2
    shifted = logits - logits.max(axis=1, keepdims=True)
    return hidden, shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def evaluate(weights, x, y) -> tuple[float, float]:
    """Mean loss and accuracy."""
    _, log_chances = forward(weights, x)
    loss = -log_chances[np.arange(len(y)), y].mean()
    return float(loss), float((log_chances.argmax(axis=1) == y).mean())


def gradients(weights, x, y):
    hidden, log_chances = forward(weights, x)
    rows = np.arange(len(y))
    loss = -log_chances[rows, y].mean()
    error = np.exp(log_chances)
    error[rows, y] -= 1
    error /= len(y)
    slopes = (error @ weights[2].T) * (hidden > 0)
    return loss, [x.T @ slopes, slopes.sum(0), hidden.T @ error, error.sum(0)]


def train(x, y, rates, *, optimizer, batch_size, seed, clip):
    """Return the loss of every batch before its update, and the final weights."""
    weights = start(seed)
    first = [np.zeros_like(w) for w in weights]
    second = [np.zeros_like(w) for w in weights]
    losses = []
    for t, (rate, batch) in enumerate(
        zip(rates, batches(seed, len(y), batch_size), strict=False), start=1
    ):
        loss, grads = gradients(weights, x[batch], y[batch])
        losses.append(loss)
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
    return np.array(losses), weights
