"""A Transformer through `lrlib.race`'s step against `model.fit`, side by side.

    python benchmarks/transformer.py

The same model, optimizer and 250 batches in both, in turn, on one core; what either
takes to compile is printed apart. Prints milliseconds an update and ratios, and fails
if the race is less than twice as fast under XLA.
"""

import os
import sys
import time

import keras
import numpy as np
import tensorflow as tf

import lrlib
from lrlib.experiments import race as racing
from lrlib.experiments.step import batches

BATCH_SIZE, STEPS, REPEATS, BOUND = 16, 250, 3, 2.0


def adamw():
    return keras.optimizers.AdamW(lrlib.cosine(0.01, STEPS).to_keras())


def seconds(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def main():
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
    (x, y), _ = lrlib.load_shakespeare(context=32)
    x, y = x[: STEPS * BATCH_SIZE], y[: STEPS * BATCH_SIZE]
    order = tf.constant(batches(0, 0, len(x), BATCH_SIZE))
    rates = tf.zeros([STEPS])
    model = lrlib.build_transformer()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(adamw(), loss)
    runs = {"fit": lambda: model.fit(x, y, BATCH_SIZE, verbose=0)}
    for name, xla in (("race", False), ("race, XLA", True)):
        data = ((x, y), (x[:1], y[:1]))
        job = racing._Job(
            {"adamw": adamw}, 1, BATCH_SIZE, lrlib.build_transformer, data, xla
        )
        made = []
        took = seconds(
            lambda job=job, made=made: made.append(racing._Trainer(job, "adamw"))
        )
        runs[name] = lambda t=made[0]: t.train(order, rates)[0].numpy()
        print(f"{name}: built and traced in {took:.1f} s", flush=True)
    for name, run in runs.items():
        print(f"{name}: first epoch, compiled, {seconds(run):.1f} s", flush=True)
    times = {name: [] for name in runs}
    for _ in range(REPEATS):
        for name, run in runs.items():
            times[name].append(1000 * seconds(run) / STEPS)
    medians = {name: float(np.median(each)) for name, each in times.items()}
    for name, each in medians.items():
        ratio = medians["fit"] / each
        print(f"{name:10s} {each:6.2f} ms an update, {ratio:.2f} × fit", flush=True)
    if medians["fit"] / medians["race, XLA"] < BOUND:
        sys.exit(f"missed: the race is less than {BOUND:g} × as fast")


if __name__ == "__main__":
    main()
