"""Sweep AdamW, Lion and Muon for the chapter "Today's optimizers"; keep the results.

    python benchmarks/optimizers_today.py [seconds]

On two workloads each optimizer trains at a constant rate and with a line down to 0, at
rates of a grid that is extended until a worse rate lies on either side of the best,
with five seeds. On the first, AdamW does so with an average of its weights as well, and
in its schedule-free form. The best rate is the one with the lowest mean loss on digits
held out of training. The first workload's winners then train with twenty seeds that had
no part in this, on two other splits, and are judged by the test digits.

It stores the loss and the accuracy of every run after its last update, goes on where it
was stopped, and stops by itself after so many seconds. Takes some fifteen minutes on
two cores. `made_by` in `record.json` says what made it.
"""

import hashlib
import json
import sys
import time
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import lrlib

RECORD = Path(__file__).parent / "results" / "optimizers_today" / "record.json"
BATCH_SIZE = 100
TRAIN = 6000  # of the 8,000; the others choose the rate
EPOCHS = {"mlp": 4, "convnet": 2}
STEPS = {name: n * TRAIN // BATCH_SIZE for name, n in EPOCHS.items()}
TUNING_SEEDS = tuple(range(100, 105))
SPLITS = {1: tuple(range(10)), 2: tuple(range(10, 20))}


def mlp():
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(10, activation="softmax", name="head"),
        ]
    )


def convnet():
    """Return lrlib's convnet with a head that `exclude_layers` can name."""
    body = lrlib.build_convnet().layers[:-1]
    head = keras.layers.Dense(10, activation="softmax", name="head")
    return keras.Sequential([keras.Input((28, 28)), *body, head])


WORKLOADS = {"mlp": mlp, "convnet": convnet}
OPTIMIZERS = {
    "adamw": keras.optimizers.AdamW,
    "lion": keras.optimizers.Lion,
    "muon": partial(keras.optimizers.Muon, exclude_layers=["head"]),
}
RATES = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
#: Where each sweep starts: the first and the last of its rates.
START = {
    "mlp": {
        "adamw": {"constant": (0.002, 0.05), "linear": (0.002, 0.05)},
        "lion": {"constant": (0.0005, 0.01), "linear": (0.0005, 0.01)},
        "muon": {"constant": (0.002, 0.05), "linear": (0.002, 0.05)},
        "schedule_free": {"constant": (0.005, 0.02)},
    },
    "convnet": {
        "adamw": {"constant": (0.005, 0.02), "linear": (0.01, 0.05)},
        "lion": {"constant": (0.001, 0.005), "linear": (0.002, 0.01)},
        "muon": {"constant": (0.005, 0.02), "linear": (0.01, 0.05)},
    },
}
#: What comes after what: 0 is a sweep, the others are splits to judge its winners by.
PLAN = [
    *((n, "mlp", name) for n in (0, *SPLITS) for name in OPTIMIZERS),
    *((0, "convnet", name) for name in ("adamw", "lion")),
    *((n, "mlp", name) for name in ("average", "schedule_free") for n in (0, *SPLITS)),
    (0, "convnet", "muon"),
]
SHAPES = {
    "constant": lambda rate, steps: lrlib.constant(rate),
    "linear": lrlib.linear,
}
#: Of the average of the weights: how much of it each update keeps.
KEPT = (0.9, 0.95, 0.98)
MIDDLE = (0.005, 0.01, 0.02)


class ScheduleFree(keras.optimizers.Adam):
    """Schedule-Free AdamW without its decay, on the average after `last` updates.

    The weights are y, at which gradients are taken; x is the average, z what is moved.
    """

    def __init__(self, learning_rate, last, **settings):
        super().__init__(learning_rate, **settings)
        self.last = last

    def update_step(self, gradient, variable, learning_rate):
        ops, beta, keep = keras.ops, self.beta_1, self.beta_2
        index = self._get_variable_index(variable)
        z_kept, v_kept = self._momentums[index], self._velocities[index]
        t = ops.cast(self.iterations + 1, variable.dtype)
        y = ops.convert_to_tensor(variable)
        z = ops.where(t == 1, y, z_kept)
        x = (y - (1 - beta) * z) / beta
        v = keep * v_kept + (1 - keep) * gradient**2
        unbiased = v / (1 - keep**t)
        z = z - learning_rate * gradient / (ops.sqrt(unbiased) + self.epsilon)
        x = x + (z - x) / t
        y = (1 - beta) * z + beta * x
        v_kept.assign(v)
        z_kept.assign(z)
        variable.assign(ops.where(t == self.last, x, y))


def entry(optimizer, shape, rate, steps, **settings):
    schedule = SHAPES[shape](rate, steps)
    return lambda: OPTIMIZERS[optimizer](schedule.to_keras(), **settings)


def averaged(rate, keep, steps):
    """Return AdamW at a constant rate that ends on the average of its weights."""
    settings = {"ema_momentum": keep, "ema_overwrite_frequency": steps}
    return entry("adamw", "constant", rate, steps, use_ema=True, **settings)


def schedule_free(rate, steps):
    return lambda: ScheduleFree(rate, steps)


def digits(split):
    """Return 6,000 digits to train on, the 2,000 others, and the test digits."""
    (x, y), (x_test, y_test) = lrlib.load_digits()
    x, x_test = (np.divide(a, 255, dtype=np.float32) for a in (x, x_test))
    order = np.random.default_rng(split).permutation(len(x))
    train, held_out = order[:TRAIN], order[TRAIN:]
    return (x[train], y[train]), (x[held_out], y[held_out]), (x_test, y_test)


def train(entries, workload, seeds, data):
    """Race the entries; return the last loss and accuracy of each run."""
    result = lrlib.race(
        entries,
        seeds,
        EPOCHS[workload],
        BATCH_SIZE,
        WORKLOADS[workload],
        data,
        progress=False,
    )
    # A loss that is no longer finite is written as a very large one.
    loss = np.nan_to_num(result.test_loss[:, :, -1].astype(float), posinf=1e9)
    accuracy = result.test_accuracy[:, :, -1].astype(float)
    return {
        name: {
            "loss": loss[i].round(5).tolist(),
            "accuracy": accuracy[i].round(4).tolist(),
        }
        for i, name in enumerate(result.names)
    }


def tuning_entry(sweep, name, steps):
    """Return the entry that a sweep calls so."""
    first, rate = name.split()[0], float(name.split()[1])
    if sweep == "average":
        return averaged(rate, float(first), steps)
    if sweep == "schedule_free":
        return schedule_free(rate, steps)
    return entry(sweep, first, rate, steps)


def tune(sweep, workload):
    """Return a sweep, extended until each best rate has a worse one on either side."""
    fit, held_out, _ = digits(0)
    if sweep == "average":
        ranges = {f"{keep:g}": (MIDDLE[0], MIDDLE[-1]) for keep in KEPT}
    else:
        ranges = START[workload][sweep]
    found = {}
    while True:
        names = [
            f"{first} {rate:g}"
            for first, (low, high) in ranges.items()
            for rate in RATES
            if low <= rate <= high and f"{first} {rate:g}" not in found
        ]
        if not names:
            return found
        entries = {n: tuning_entry(sweep, n, STEPS[workload]) for n in names}
        found |= train(entries, workload, TUNING_SEEDS, (fit, held_out))
        for first, (low, high) in ranges.items():
            i = RATES.index(float(best(found, f"{first} ").split()[1]))
            ranges[first] = min(low, RATES[i - 1]), max(high, RATES[i + 1])


def best(sweep, prefix=""):
    """Return the entry of a sweep with the lowest mean loss over its seeds."""
    means = {n: np.mean(r["loss"]) for n, r in sweep.items() if n.startswith(prefix)}
    return min(means, key=means.get)


def judge(sweep, workload, tuning, split):
    """Train a sweep's winners with the seeds of a split, for the test digits."""
    steps, entries = STEPS[workload], {}
    for shape in SHAPES if sweep in OPTIMIZERS else ("",):
        name = best(tuning[sweep], shape)
        label = f"{sweep} {shape}".strip()
        entries[label] = tuning_entry(sweep, name, steps)
    fit, _, test = digits(split)
    return train(entries, workload, SPLITS[split], (fit, test))


def jobs(record):
    """Yield what is to be done: where it is kept, and a function that does it."""
    for number, workload, sweep in PLAN:
        tuning = record["tuning"].setdefault(workload, {})
        if not number:
            yield tuning, sweep, partial(tune, sweep, workload)
            continue
        place = record["final"].setdefault(workload, {}).setdefault(str(number), {})
        yield place, sweep, partial(judge, sweep, workload, tuning, number)


def digest(*files):
    found = hashlib.sha256()
    for file in sorted(files):
        found.update(file.read_bytes())
    return found.hexdigest()


def made_by():
    experiments = Path(lrlib.__file__).parent / "experiments"
    return {
        "script": digest(Path(__file__)),
        "lrlib.experiments": digest(*experiments.glob("*.py")),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }


def load():
    if RECORD.exists():
        return json.loads(RECORD.read_text())
    return {"tuning": {}, "final": {}}


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else np.inf
    began = time.monotonic()
    for number in range(len(list(jobs(load())))):
        record = load()
        place, key, run = list(jobs(record))[number]
        if key in place:
            continue
        if time.monotonic() - began > seconds:
            return
        found = run()
        record = load()  # another run of this script may have written to it
        place, key, _ = list(jobs(record))[number]
        place[key] = found
        record["made_by"] = made_by()
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps(record, indent=1) + "\n")
        print(key, round(time.monotonic() - began), flush=True)


if __name__ == "__main__":
    main()
