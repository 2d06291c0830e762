"""A Transformer and a convnet through `lrlib.race`'s step against `model.fit`.

    python benchmarks/networks.py

The same model, optimizer and 250 batches in all, in turn, on one core; what each takes
to compile is printed apart. Prints milliseconds an update and ratios to `fit`. Fails if
the faster of the race's two ways, with XLA or without, is below its bound.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import tensorflow as tf

import lrlib
from lrlib.experiments import race as racing
from lrlib.experiments.step import batches

STEPS, REPEATS = 250, 3


@dataclass(frozen=True)
class Case:
    """What is trained on what, and how much faster than `fit` the race must be."""

    model: Callable[[], keras.Model]
    optimizer: Callable[..., keras.optimizers.Optimizer]
    data: Callable[[], tuple[np.ndarray, np.ndarray]]
    batch_size: int
    bound: float

    def make(self) -> keras.optimizers.Optimizer:
        """Return a new optimizer with a schedule."""
        return self.optimizer(lrlib.cosine(0.01, STEPS).to_keras())


def text() -> tuple[np.ndarray, np.ndarray]:
    return lrlib.load_shakespeare(context=32)[0]


def digits() -> tuple[np.ndarray, np.ndarray]:
    (x, y), _ = lrlib.load_digits()
    return np.divide(x, 255, dtype=np.float32), y


CASES = {
    "Transformer": Case(
        lrlib.build_transformer, keras.optimizers.AdamW, text, 16, bound=2
    ),
    "convnet": Case(
        lrlib.build_convnet,
        partial(keras.optimizers.SGD, momentum=0.9),
        digits,
        32,
        bound=3,
    ),
}


def seconds(function: Callable[[], object]) -> float:
    """Return the processor time that a call takes."""
    start = time.process_time()
    function()
    return time.process_time() - start


def ways(case: Case) -> dict[str, Callable[[], object]]:
    """Return functions that train for so many batches, all compiled."""
    x, y = (each[: STEPS * case.batch_size] for each in case.data())
    order = tf.constant(batches(0, 0, len(x), case.batch_size))
    model = case.model()
    logits = model.layers[-1].activation is not keras.activations.softmax
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    model.compile(case.make(), loss)
    found = {"fit": partial(model.fit, x, y, case.batch_size, verbose=0)}
    for name, xla in (("race", False), ("race, XLA", True)):
        data = ((x, y), (x[:1], y[:1]))
        job = racing._Job({"it": case.make}, 1, case.batch_size, case.model, data, xla)
        trainer = racing._Trainer(job, "it")
        found[name] = partial(trainer.train, order, tf.zeros([STEPS]))
    for name, run in found.items():
        print(f"  {name}: compiled in {seconds(run):.1f} s", flush=True)
    return found


def main() -> None:
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    missed = []
    for title, case in CASES.items():
        print(title, flush=True)
        runs = ways(case)
        times = {name: [] for name in runs}
        for _ in range(REPEATS):
            for name, run in runs.items():
                times[name].append(1000 * seconds(run) / STEPS)
        medians = {name: float(np.median(each)) for name, each in times.items()}
        for name, each in medians.items():
            ratio = medians["fit"] / each
            print(f"  {name:10s} {each:6.2f} ms an update, {ratio:.2f} × fit")
        best = medians["fit"] / min(medians["race"], medians["race, XLA"])
        if best < case.bound:
            missed.append(f"{title}: {best:.2f} × fit, not {case.bound:g}")
    if missed:
        sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
