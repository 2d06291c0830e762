"""`simulate`: what a schedule does to SGD on the noisy quadratic model."""

from __future__ import annotations

from typing import Any

import numpy as np

from lrlib.schedules.kinds import Number, check_whole
from lrlib.show.sampling import sample

#: How many directions the model has.
DIRECTIONS = 32

CONDITION_NUMBER = Number((1.0, 1e4), low=1, high=1e8, log=True)
NOISE = Number((0.01, 100.0), low=0, high=1e8, log=True)
BATCH_SIZE = Number((1, 4096), low=1, high=1e8, whole=True, log=True)


def simulate(
    schedule: Any,
    steps: int,
    *,
    condition_number: float = 10.0,
    noise: float = 1.0,
    batch_size: int = 32,
) -> np.ndarray:
    r"""Return the expected loss of SGD on the noisy quadratic model.

    The loss is a bowl, ½ Σ hᵢ θᵢ². Each direction i has its own curvature hᵢ; the 32 of
    them lie evenly on a logarithmic scale from 1 down to 1/condition_number. A
    gradient is hᵢ θᵢ plus noise of variance noise · hᵢ / batch_size. An update at rate
    η therefore turns the expected squared error eᵢ = E[θᵢ²] into

        eᵢ ← (1 - η hᵢ)² eᵢ + η² hᵢ noise / batch_size

    where the first term says how fast SGD learns and the second why it stalls. At the
    start eᵢ = 1/hᵢ, so that every direction has the same share in the loss. What
    comes back is the mean of hᵢ eᵢ: the expected loss as a multiple of the
    expected loss at the start.

    Args:
        schedule: anything that `lrlib.sample` takes.
        steps: how many updates, at least 1.
        condition_number: the largest curvature over the smallest, at least 1.
        noise: variance of the gradient of one example in a direction of curvature 1.
        batch_size: examples a gradient is averaged over.

    Returns:
        A float64 array of shape `(steps + 1,)`: the loss before each update, then the
        loss after the last. Where it grows beyond all floats it is `inf`.

    Raises:
        TypeError, ValueError: an argument is out of its range, or what `lrlib.sample`
            says.

    Source: Zhang et al. (2019), "Which Algorithmic Choices Matter at Which Batch
    Sizes? Insights From a Noisy Quadratic Model". Theirs has 10⁴ directions with
    hᵢ = 1/i.

    >>> import lrlib
    >>> high = lrlib.simulate(lrlib.constant(0.5), 1000)
    >>> low = lrlib.simulate(lrlib.constant(0.05), 1000)
    >>> bool(high[50] < low[50]), bool(high[1000] < low[1000])  # fast, then stalled
    (True, False)

    """
    steps = check_whole("steps", steps, low=1)
    condition_number = CONDITION_NUMBER.check("condition_number", condition_number)
    noise = NOISE.check("noise", noise)
    batch_size = int(BATCH_SIZE.check("batch_size", batch_size))
    rates = sample(schedule, steps)

    h = condition_number ** -(np.arange(DIRECTIONS) / (DIRECTIONS - 1))
    errors = 1 / h
    added = h * noise / batch_size
    losses = np.empty(steps + 1)
    losses[0] = 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        for t, rate in enumerate(rates):
            errors = (1 - rate * h) ** 2 * errors + rate**2 * added
            losses[t + 1] = np.mean(h * errors)
    # Beyond all floats, an update that would undo the error makes 0 · inf of it.
    losses[np.isnan(losses)] = np.inf
    return losses
