"""What an optimizer's learning rate is now, and how far each weight moves."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras.optimizers import schedules

from lrlib.training.inside import batches_seen, slots, source, weights

# The current rate ------------------------------------------------------------


def current_learning_rate(optimizer: Any) -> float:
    """Return the learning rate that the optimizer's next update will use.

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
        TypeError: it isn't such an optimizer, or it's a `MultiOptimizer`, which has
            several rates: ask each of its `.optimizers`.

    Notes:
        It asks the optimizer, which can't know what `fit` has compiled. A compiled
        training step keeps the schedule that it was compiled with until
        `model.compile`, whatever the optimizer has been given since; and where the
        rate is a function, it keeps the number that the function returned then. In
        both cases `RecordLearningRate` tells what the updates use, or that it can't.

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
    return rate_function(source(optimizer))(batch // group * group + group - 1)


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
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise TypeError(
            "optimizer must be a Keras optimizer, such as the .optimizer of a compiled "
            f"model, got {optimizer!r}"
        )
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        raise TypeError(
            "a MultiOptimizer has several learning rates: ask each of its .optimizers"
        )
    inner = getattr(optimizer, "inner_optimizer", None)
    return unwrap(inner) if inner is not None else optimizer


def batches_per_update(optimizer: Any) -> int:
    """Return how many batches' gradients make one update."""
    return optimizer.gradient_accumulation_steps or 1


def is_schedule(rate: Any) -> bool:
    """Return whether a rate's source is read at the step."""
    return isinstance(rate, schedules.LearningRateSchedule)


def number(value: Any) -> float:
    """Return a tensor or a variable as a float, also one that a strategy copies."""
    variable = isinstance(value, keras.Variable)
    return float(value.numpy() if variable else keras.ops.convert_to_numpy(value))


def rate_function(rate: Any, model: Any = None) -> Callable[[int], float]:
    """Return the rate at a step as a function.

    Args:
        rate: the `source` of an optimizer's rate.
        model: the model whose training step reads it, which may be compiled; a
            compiler may compute another number, as `floor(step * (1 / 41))` for
            `floor(step / 41)`. Default: the rate is read outside of such a step.

    """
    if not is_schedule(rate):
        value = number(rate() if callable(rate) else rate)
        return lambda t: value
    read: Callable[[Any], Any] = rate
    backend = keras.backend.backend()
    if model is not None and compiles(model) and backend == "tensorflow":
        import tensorflow as tf

        if not tf.config.functions_run_eagerly():
            # Like fit, without AutoGraph.
            read = tf.function(
                lambda t: rate(t),
                input_signature=[tf.TensorSpec((), tf.int64)],
                autograph=False,
                jit_compile=model.jit_compile,
            )
    elif model is not None and compiles(model) and backend == "jax":
        import jax

        read = jax.jit(lambda t: rate(t))
    # An integer tensor, as the optimizer has it: what a schedule computes may depend
    # on the type of the step.
    return lambda t: number(read(keras.ops.convert_to_tensor(t, dtype="int")))


def compiles(model: Any) -> bool:
    """Return whether `fit` compiles the model's training step."""
    if model.run_eagerly:
        return False
    return keras.backend.backend() == "tensorflow" or bool(model.jit_compile)


def warn_if_idle(callback: keras.callbacks.Callback, before: int | None) -> None:
    """Warn if the model's optimizer has made no update since it had seen `before`.

    None stands for an epoch without a batch.
    """
    if batches_seen(unwrap(callback.model.optimizer)) == before:
        warnings.warn(
            f"{type(callback).__name__} looks at model.optimizer, which made no "
            "update in this epoch. If train_step uses other optimizers, ask each of "
            "them, as in lrlib.current_learning_rate(model.generator_optimizer)",
            stacklevel=3,
        )


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
    next gradient has entered. Weight decay isn't part of a.

    Args:
        optimizer: a Keras 3 optimizer of one of these kinds which has made an update.

    Returns:
        One float64 array for each trainable variable, of its shape and in the order
        of `model.trainable_variables`.

    Raises:
        TypeError: it isn't one of these optimizers.
        ValueError: it has made no update yet.

    Notes:
        Of a rate that callbacks set, and of one that a function returns, only the
        present value is known; it stands for all. What `fit` has compiled, the
        optimizer can't know: see `current_learning_rate`.

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
    rates = rule(optimizer, _rate(optimizer, updates), updates)
    shapes = [tuple(v.shape) for v in weights(optimizer)]
    return [np.broadcast_to(r, s).copy() for r, s in zip(rates, shapes, strict=True)]


def _last_rates(optimizer: Any, updates: int) -> np.ndarray:
    """Return the learning rates of the last `updates` updates, the latest first."""
    group = batches_per_update(optimizer)
    last = batches_seen(optimizer) // group * group - 1
    rate = rate_function(source(optimizer))
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


# Each takes the optimizer, η and k, and returns a for each weight.


def _rmsprop(o: Any, rate: float, k: int) -> list[Any]:
    spreads = slots(o, "velocities")
    if o.centered:
        means = slots(o, "average_gradients")
        spreads = [v - m**2 for v, m in zip(spreads, means, strict=True)]
    return [rate / np.sqrt(spread + o.epsilon) for spread in spreads]


def _adadelta(o: Any, rate: float, k: int) -> list[Any]:
    steps, gradients = slots(o, "accumulated_delta_vars"), slots(o, "accumulated_grads")
    return [
        rate * np.sqrt((step + o.epsilon) / (gradient + o.epsilon))
        for step, gradient in zip(steps, gradients, strict=True)
    ]


def _adam(o: Any, rate: float, k: int) -> list[Any]:
    velocities = slots(o, "velocity_hats" if o.amsgrad else "velocities")
    corrected = rate * math.sqrt(1 - o.beta_2**k)
    return [corrected / (np.sqrt(v) + o.epsilon) for v in velocities]


def _nadam(o: Any, rate: float, k: int) -> list[Any]:
    return [
        rate / (np.sqrt(v / (1 - o.beta_2**k)) + o.epsilon)
        for v in slots(o, "velocities")
    ]


_RULES: dict[type, Callable[[Any, float, int], list[Any]]] = {
    keras.optimizers.SGD: lambda o, rate, k: [rate for _ in weights(o)],
    keras.optimizers.Adagrad: lambda o, rate, k: [
        rate / np.sqrt(a + o.epsilon) for a in slots(o, "accumulators")
    ],
    keras.optimizers.Adadelta: _adadelta,
    keras.optimizers.RMSprop: _rmsprop,
    keras.optimizers.Adam: _adam,
    keras.optimizers.Adamax: lambda o, rate, k: [
        rate / (norm + o.epsilon) for norm in slots(o, "u")
    ],
    keras.optimizers.Nadam: _nadam,
}


def _rule(optimizer: Any) -> Callable[[Any, float, int], list[Any]]:
    for kind, rule in _RULES.items():
        if isinstance(optimizer, kind):
            return rule
    known = ", ".join(kind.__name__ for kind in _RULES)
    raise TypeError(
        f"step sizes are known for {known} and AdamW, got {type(optimizer).__name__}"
    )
