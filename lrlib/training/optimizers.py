"""What an optimizer's learning rate is now, and how far each weight moves."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras.optimizers import schedules

# The current rate ------------------------------------------------------------


def current_learning_rate(optimizer: Any) -> float:
    """Return the learning rate that the next update will use.

    It means the same whatever the rate comes from: a float, a value that a callback
    has set, or a schedule. With `gradient_accumulation_steps=n` only every n-th batch
    makes an update, and Keras reads the schedule at that batch, so this does too.

    Args:
        optimizer: an optimizer of Keras 3, or of Keras 2 (`tf_keras`, its `legacy`
            ones as well). Of a `LossScaleOptimizer` it is the inner one's rate.

    Returns:
        The rate as a float: after k updates by a schedule s, s(k). That is so for
        every version of Keras; `optimizer.learning_rate` is s(k), s(k - 1) or s.

    Raises:
        TypeError: it is no such optimizer, or a `MultiOptimizer`, which has several
            rates: ask each of its `.optimizers`.

    >>> import keras
    >>> import lrlib
    >>> s = keras.optimizers.schedules.PolynomialDecay(1.0, 8, 0.0)
    >>> optimizer = keras.optimizers.SGD(s)
    >>> w = keras.Variable(3.0)
    >>> for _ in range(2):
    ...     optimizer.apply([1.0], [w])
    >>> lrlib.current_learning_rate(optimizer)
    0.75

    """
    if _is_keras_2(optimizer):
        return _keras_2_rate(optimizer)
    optimizer = unwrap(optimizer)
    batch, group = batches_seen(optimizer), batches_per_update(optimizer)
    return rate_function(optimizer)(batch // group * group + group - 1)


def _is_keras_2(optimizer: Any) -> bool:
    if "tf_keras" not in sys.modules:
        return False
    from tf_keras import optimizers

    return isinstance(optimizer, optimizers.Optimizer | optimizers.legacy.Optimizer)


def _keras_2_rate(optimizer: Any) -> float:
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    if hasattr(optimizer, "_decayed_lr"):  # the legacy ones, with their `decay`
        return float(optimizer._decayed_lr("float32"))
    rate = optimizer._learning_rate
    return float(rate(optimizer.iterations) if callable(rate) else rate)


# How Keras 3 counts ----------------------------------------------------------


def unwrap(optimizer: Any) -> Any:
    """Return the Keras 3 optimizer that holds the rate: this one or its inner one."""
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        raise TypeError(
            "a MultiOptimizer has several learning rates: ask each of its .optimizers"
        )
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "optimizer must be a Keras optimizer, such as the .optimizer of a compiled "
            f"model, got {optimizer!r}"
        )
    return getattr(optimizer, "inner_optimizer", optimizer)


def batches_per_update(optimizer: Any) -> int:
    """Return how many batches' gradients make one update."""
    return optimizer.gradient_accumulation_steps or 1


def batches_seen(optimizer: Any) -> int:
    """Return the step at which a schedule is read for the next batch.

    The public `iterations` counts updates, which are fewer when gradients are
    accumulated; schedules are read at this one.
    """
    return int(optimizer._iterations.numpy())


def rate_function(optimizer: Any) -> Callable[[int], float]:
    """Return the rate at a step as the optimizer stands now, as a function."""
    schedule = optimizer._learning_rate
    if isinstance(schedule, schedules.LearningRateSchedule):
        # An integer tensor, as the optimizer has it: what a schedule computes may
        # depend on the type of the step.
        return lambda t: float(schedule(keras.ops.convert_to_tensor(t, dtype="int64")))
    rate = float(optimizer.learning_rate)
    return lambda t: rate


# The rate of each weight -----------------------------------------------------


def effective_learning_rates(optimizer: Any) -> list[np.ndarray]:
    r"""Return the step size of each weight in the last update.

    An update moves a weight by -a·d. Here d is a weighted mean of the weight's
    gradients so far, and the step size a is what this function returns. η is the
    learning rate of that update, k is how many there have been, and the other names
    are those of the optimizer's arguments:

    ========== ============================================ =======================
    optimizer  a                                            d
    ========== ============================================ =======================
    SGD        η                                            the last gradient
    Adagrad    η / √(accumulator + ε)                       the last gradient
    RMSprop    η / √(velocity + ε), `centered`: the         the last gradient
               velocity less the squared mean gradient
    Adadelta   η √(mean squared step + ε)                   the next gradient
               / √(mean squared gradient + ε)
    Adam,      η √(1 - β₂ᵏ) / (√velocity + ε), `amsgrad`:   momentum / (1 - β₁ᵏ)
    AdamW      the largest velocity so far
    Adamax     η / (norm + ε)                               momentum / (1 - β₁ᵏ)
    Nadam      η / (√(velocity / (1 - β₂ᵏ)) + ε)            its momentum, looked
                                                            ahead by one step
    ========== ============================================ =======================

    SGD and RMSprop with momentum µ add gradients up where Adam averages them. Their η
    is a sum too: the last update's rate, plus µ times the one before, plus µ² ...;
    `nesterov` goes one term further. For RMSprop it is as if the divisor had always
    been the last one, since the optimizer does not keep the others. Adadelta keeps
    nothing of what the last update used: its a is that of the next one, before the
    next gradient has entered. Weight decay is no part of a.

    Args:
        optimizer: a Keras 3 optimizer of one of these kinds which has made an update.

    Returns:
        One float64 array for each trainable variable, of its shape and in the order
        of `model.trainable_variables`.

    Raises:
        TypeError: it is no optimizer, or none of these.
        ValueError: it has made no update yet.

    Notes:
        Of a rate that callbacks set, only today's value is known; it stands for all.

    >>> import keras
    >>> import lrlib
    >>> optimizer = keras.optimizers.Adam(0.1)
    >>> w = keras.Variable([3.0, 4.0])
    >>> optimizer.apply([[0.5, 2.0]], [w])
    >>> lrlib.effective_learning_rates(optimizer)[0].round(4)
    array([0.2 , 0.05])

    """
    optimizer = unwrap(optimizer)
    rule = _rule(optimizer)
    updates = batches_seen(optimizer) // batches_per_update(optimizer)
    if updates == 0:
        raise ValueError(
            "the optimizer has made no update yet, so it has no step sizes"
        )
    rates = rule(optimizer, updates)
    shapes = [tuple(v.shape) for v in optimizer._trainable_variables]
    return [np.broadcast_to(r, s).copy() for r, s in zip(rates, shapes, strict=True)]


def _rule(optimizer: Any) -> Callable[[Any, int], list[Any]]:
    for kind, rule in _RULES.items():
        if isinstance(optimizer, kind):
            return rule
    known = ", ".join(kind.__name__ for kind in _RULES)
    raise TypeError(
        f"step sizes are known for {known} and AdamW, got {type(optimizer).__name__}"
    )


def _last_rates(optimizer: Any, updates: int) -> np.ndarray:
    """Return the learning rates of the last `updates` updates, the latest first."""
    group = batches_per_update(optimizer)
    last = batches_seen(optimizer) // group * group - 1
    rate = rate_function(optimizer)
    return np.array([rate(last - i * group) for i in range(updates)])


def _rate(optimizer: Any, updates: int) -> float:
    """Return η: the last update's rate or, with momentum, the sum over its buffer."""
    momentum = getattr(optimizer, "momentum", 0.0)
    if not momentum:
        return float(_last_rates(optimizer, 1)[0])
    terms = updates
    if momentum < 1:  # older ones are below the resolution of float32
        terms = min(terms, math.ceil(math.log(1e-8) / math.log(momentum)))
    rates = _last_rates(optimizer, terms)
    total = np.sum(rates * momentum ** np.arange(terms))
    if getattr(optimizer, "nesterov", False):
        total = rates[0] + momentum * total
    return float(total)


def _arrays(variables: list[Any]) -> list[np.ndarray]:
    return [v.numpy().astype(np.float64) for v in variables]


def _sgd(optimizer: Any, updates: int) -> list[Any]:
    return [_rate(optimizer, updates) for _ in optimizer._trainable_variables]


def _adagrad(optimizer: Any, updates: int) -> list[Any]:
    rate = _rate(optimizer, updates)
    return [
        rate / np.sqrt(accumulator + optimizer.epsilon)
        for accumulator in _arrays(optimizer._accumulators)
    ]


def _rmsprop(optimizer: Any, updates: int) -> list[Any]:
    rate = _rate(optimizer, updates)
    spreads = _arrays(optimizer._velocities)
    if optimizer.centered:
        means = _arrays(optimizer._average_gradients)
        spreads = [v - m**2 for v, m in zip(spreads, means, strict=True)]
    return [rate / np.sqrt(spread + optimizer.epsilon) for spread in spreads]


def _adadelta(optimizer: Any, updates: int) -> list[Any]:
    rate = _rate(optimizer, updates)
    gradients = _arrays(optimizer._accumulated_grads)
    steps = _arrays(optimizer._accumulated_delta_vars)
    return [
        rate * np.sqrt((step + optimizer.epsilon) / (gradient + optimizer.epsilon))
        for step, gradient in zip(steps, gradients, strict=True)
    ]


def _adam(optimizer: Any, updates: int) -> list[Any]:
    velocities = (
        optimizer._velocity_hats if optimizer.amsgrad else optimizer._velocities
    )
    rate = _rate(optimizer, updates) * math.sqrt(1 - optimizer.beta_2**updates)
    return [rate / (np.sqrt(v) + optimizer.epsilon) for v in _arrays(velocities)]


def _adamax(optimizer: Any, updates: int) -> list[Any]:
    rate = _rate(optimizer, updates)
    return [rate / (norm + optimizer.epsilon) for norm in _arrays(optimizer._u)]


def _nadam(optimizer: Any, updates: int) -> list[Any]:
    rate = _rate(optimizer, updates)
    correction = 1 - optimizer.beta_2**updates
    return [
        rate / (np.sqrt(v / correction) + optimizer.epsilon)
        for v in _arrays(optimizer._velocities)
    ]


_RULES: dict[type, Callable[[Any, int], list[Any]]] = {
    keras.optimizers.SGD: _sgd,
    keras.optimizers.Adagrad: _adagrad,
    keras.optimizers.Adadelta: _adadelta,
    keras.optimizers.RMSprop: _rmsprop,
    keras.optimizers.Adam: _adam,
    keras.optimizers.Adamax: _adamax,
    keras.optimizers.Nadam: _nadam,
}
