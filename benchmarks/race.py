"""`lrlib.race` against `model.fit`, and its epoch against NumPy, side by side.

    python benchmarks/race.py

Prints times, ratios and peak memory, and fails if a ratio misses its bound.

`race` runs as its documentation advises, with one thread an operation. `fit` is
measured twice, each time in a process of its own: as TensorFlow starts it, which is
what the bounds are for, and with one thread an operation, which makes it faster too.
"""

import os
import resource
import subprocess
import sys
import time
from functools import partial

import keras
import numpy as np
import tensorflow as tf

import lrlib
from lrlib.experiments import race as racing
from lrlib.experiments.step import batches

EPOCHS, SEEDS, BATCH_SIZE = 10, 5, 32
RATES = {"SGD": 0.1, "Adam": 0.001}
FIT, NUMPY, MEMORY = {"SGD": 8.0, "Adam": 3.0}, 1.2, 2.0
THREADS = "TF_NUM_INTRAOP_THREADS"


def digits():
    (x, y), (x_test, y_test) = lrlib.load_digits()
    x, x_test = (np.divide(a, 255, dtype=np.float32) for a in (x, x_test))
    return (x, y), (x_test, y_test)


def entries(name):
    optimizer = getattr(keras.optimizers, name)
    rate, steps = RATES[name], EPOCHS * 250
    return {
        "cosine": lambda: optimizer(lrlib.cosine(rate, steps).to_keras()),
        "linear": lambda: optimizer(lrlib.linear(rate, steps).to_keras()),
    }


def fit_one_after_another(candidates):
    (x, y), test = digits()
    for make in candidates.values():
        for seed in range(SEEDS):
            keras.utils.set_random_seed(seed)
            model = lrlib.build_model()
            model.compile(
                make(), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
            )
            model.fit(
                x,
                y,
                batch_size=BATCH_SIZE,
                epochs=EPOCHS,
                validation_data=test,
                verbose=0,
            )


def fit_elsewhere(name, threads):
    """Return the seconds that the runs take by fit, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if k != THREADS} | threads
    command = [sys.executable, __file__, name]
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout)


def race(candidates):
    return lrlib.race(candidates, SEEDS, EPOCHS, BATCH_SIZE, progress=False)


def numpy_epoch(x, y, order, weights, rate=0.1, dropout=0.2):
    """Train the tutorial's network for an epoch of SGD, in NumPy."""
    w1, b1, w2, b2 = weights
    rng = np.random.default_rng(0)
    for batch in order:
        images, labels = x[batch], y[batch]
        hidden = np.maximum(images @ w1 + b1, 0)
        kept = (rng.random(hidden.shape, dtype=np.float32) >= dropout) / np.float32(
            1 - dropout
        )
        dropped = hidden * kept
        scores = dropped @ w2 + b2
        scores -= scores.max(axis=1, keepdims=True)
        error = np.exp(scores)
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(len(labels)), labels] -= 1
        error /= len(labels)
        back = error @ w2.T * kept * (hidden > 0)
        w2 -= rate * (dropped.T @ error)
        b2 -= rate * error.sum(axis=0)
        w1 -= rate * (images.T @ back)
        b1 -= rate * back.sum(axis=0)


def seconds(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def epochs_side_by_side(repeats=7):
    """Return the median seconds of a race's epoch and of NumPy's, taken in turn."""
    (x, y), test = digits()
    # One test sample: NumPy's epoch does not test.
    data = ((x, y), (test[0][:1], test[1][:1]))
    job = racing._Job(
        {"sgd": lambda: keras.optimizers.SGD(0.1)},
        1,
        BATCH_SIZE,
        lrlib.build_model,
        data,
    )
    trainer = racing._Trainer(job, "sgd")
    weights = [w.numpy().copy() for w in trainer.model.trainable_variables]
    images = x.reshape(len(x), -1)
    times = []
    for epoch in range(repeats + 1):
        order = batches(0, epoch, len(x), BATCH_SIZE)
        ours = seconds(lambda o=order: trainer.epoch(tf.constant(o))[0].numpy())
        theirs = seconds(lambda o=order: numpy_epoch(images, y, o, weights))
        times.append((ours, theirs))
    return np.median(times[1:], axis=0)


def main():
    if os.environ.get(THREADS) != "1":
        sys.exit(f"race needs {THREADS}=1 to be at its fastest, as make bench sets it")
    missed = []

    def line(what, value, bound, holds, unit="×"):
        bound = "" if bound is None else f"  (bound {bound:g}{unit})"
        print(f"{what:76s} {value:6.2f}{unit}{bound}", flush=True)
        if not holds:
            missed.append(what)

    ours, theirs = epochs_side_by_side()
    ratio = ours / theirs
    line("an epoch of race, in NumPy epochs", ratio, NUMPY, ratio <= NUMPY)
    for name, bound in FIT.items():
        ours = seconds(partial(race, entries(name)))
        for setting, threads, least in (
            ("", {}, bound),
            (" with one thread an operation", {THREADS: "1"}, None),
        ):
            theirs = fit_elsewhere(name, threads)
            ratio = theirs / ours
            line(
                f"{name}: {2 * SEEDS} runs by race {ours:.1f} s, by fit{setting} "
                f"{theirs:.1f} s",
                ratio,
                least,
                least is None or ratio >= least,
            )
    many = {
        f"{rate:.3f}": partial(keras.optimizers.SGD, float(rate))
        for rate in np.linspace(0.01, 0.2, 8)
    }
    lrlib.race(many, seeds=5, epochs=1, progress=False)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    line("peak memory of all this and 40 runs", peak, MEMORY, peak < MEMORY, " GiB")
    if missed:
        sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(seconds(partial(fit_one_after_another, entries(sys.argv[1]))))
    else:
        main()
