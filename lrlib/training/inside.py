"""What lrlib reads of a Keras 3 optimizer that isn't public, all in one place.

Keras has no public way to ask where a rate comes from (the property `learning_rate`
calls a schedule), at which count a schedule is read (`iterations` counts updates, which
are fewer when gradients are accumulated), or what an adaptive optimizer keeps for each
weight. Checked with Keras 3.15.1; `tests/test_inside.py` fails where a later one
differs.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def source(optimizer: Any) -> Any:
    """Return where the rate comes from: a variable, a schedule, or a function."""
    return optimizer._learning_rate


def batches_seen(optimizer: Any) -> int:
    """Return the step at which a schedule is read for the next batch."""
    return int(optimizer._iterations.numpy())


def weights(optimizer: Any) -> list[Any]:
    """Return the variables that the optimizer was built for, in the model's order."""
    return optimizer._trainable_variables


def slots(optimizer: Any, name: str) -> list[np.ndarray]:
    """Return what the optimizer keeps for each weight under a name, in float64."""
    return [v.numpy().astype(np.float64) for v in getattr(optimizer, f"_{name}")]
