"""What a race does with the insides of Keras, TensorFlow and concurrent.futures.

All of it is here, because none of it is public. Checked with Keras 3.15.1, TensorFlow
2.21 and Python 3.11 to 3.13; `tests/test_internals.py` fails where others differ.
"""

from __future__ import annotations

import contextlib
import random
import sys
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import keras

from lrlib.experiments.backend import tf

#: The module whose `python_random` Keras draws the seeds of layers from.
seed_module: Any = sys.modules[keras.random.SeedGenerator.__module__]


@contextlib.contextmanager
def layer_seeds(seed: int) -> Iterator[None]:
    """Let Keras draw the seeds of layers from a generator that no other thread uses.

    Keras draws them from Python's own generator, from which other threads may draw in
    between, as Dask's do.
    """
    before = seed_module.python_random
    seed_module.python_random = random.Random(seed)
    try:
        yield
    finally:
        seed_module.python_random = before


def fuse(optimizer: Any) -> None:
    """Let an optimizer of Keras make each update in one pass over the weights.

    Keras writes the updates of SGD and Adam as several operations, each of which goes
    through memory for all weights. TensorFlow has kernels that do all of it at once:
    what they give is the same to within rounding. What Keras does around an update,
    such as clipping, weight decay or averages, stays with Keras, and an optimizer that
    writes an update of its own keeps it.
    """
    ops = tf.raw_ops
    plain_update = optimizer.update_step
    of_keras = getattr(plain_update, "__func__", None)

    def sgd(gradient: Any, variable: Any, rate: Any) -> None:
        if not optimizer.momentum:
            ops.ResourceApplyGradientDescent(
                var=variable.handle, alpha=rate, delta=gradient
            )
            return
        index = optimizer._get_variable_index(variable)
        ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=optimizer.momentums[index].value.handle,
            lr=rate,
            grad=gradient,
            momentum=optimizer.momentum,
            use_nesterov=optimizer.nesterov,
        )

    def adam(gradient: Any, variable: Any, rate: Any) -> None:
        step = tf.cast(optimizer.iterations + 1, rate.dtype)
        index = optimizer._get_variable_index(variable)
        ops.ResourceApplyAdam(
            var=variable.handle,
            m=optimizer._momentums[index].value.handle,
            v=optimizer._velocities[index].value.handle,
            beta1_power=tf.pow(tf.cast(optimizer.beta_1, rate.dtype), step),
            beta2_power=tf.pow(tf.cast(optimizer.beta_2, rate.dtype), step),
            lr=rate,
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=gradient,
        )

    if of_keras is keras.optimizers.SGD.update_step:
        fused_update = sgd
    elif of_keras is keras.optimizers.Adam.update_step and not optimizer.amsgrad:
        fused_update = adam
    else:
        return

    def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
        if isinstance(gradient, tf.IndexedSlices):  # rows of an embedding
            plain_update(gradient, variable, learning_rate)
            return
        dtype = variable.dtype
        fused_update(tf.cast(gradient, dtype), variable, tf.cast(learning_rate, dtype))

    optimizer.update_step = update_step


def start_method(pool: futures.ProcessPoolExecutor) -> str:
    """Return how a pool starts its processes: "fork", "spawn" or "forkserver"."""
    context: Any = vars(pool)["_mp_context"]
    return context.get_start_method()


def same_pool(pool: futures.ProcessPoolExecutor) -> futures.ProcessPoolExecutor:
    """Return a new pool like one that a dead process has broken for good."""
    state: Any = vars(pool)
    return futures.ProcessPoolExecutor(
        state["_max_workers"],
        state["_mp_context"],
        state["_initializer"],
        state["_initargs"],
    )
