"""Tune a rate in several ways for the chapter "Tuning the rate"; keep the results.

    python benchmarks/tuning_the_rate.py [seconds]

One small network, AdamW, a warm-up and a line down to 0. Three things are tuned: the
peak, the share of warm-up and the weight decay. A trial is judged by the loss on 2,000
digits held out of training; what each study ends with is trained again with ten other
seeds and judged by the test digits. Then: how the best rate moves with the batch, the
number of updates and the width, for SGD, for Adam, and for Adam at rates as 1/width.

It goes on where it was stopped, and stops by itself after so many seconds. Takes some
fifteen minutes on two cores. `made_by` in `record.json` says what made it.
"""

import hashlib
import json
import sys
import time
from functools import cache, partial
from pathlib import Path

import keras
import numpy as np
import optuna
import tensorflow as tf

import lrlib

RECORD = Path(__file__).parent / "results" / "tuning_the_rate" / "record.json"
TRAIN, UPDATES, BATCH, RUNGS = 6000, 160, 50, 4
SEEDS = (0, 1, 2)
NEW_SEEDS = tuple(range(50, 60))
STUDIES, TRIALS = 6, 18
SPACE = {"peak": (1e-4, 1e-1), "warmup": (0.0, 0.5), "decay": (1e-4, 1.0)}
GRID = {
    "peak": (0.001, 0.003, 0.01),
    "warmup": (0.0, 0.1, 0.3),
    "decay": (0.001, 0.1),
}
PEAKS = tuple(float(f"{rate:.3g}") for rate in np.geomspace(1e-4, 1e-1, 9))
FINE = tuple(float(f"{rate:.3g}") for rate in np.geomspace(1e-4, 1e-1, 25))
PEAKS_BY_TWO = tuple(5e-4 * 2**i for i in range(8))
METHODS = ("peaks", "grid", "random", "tpe", "pruned")
WIDTHS = (32, 128, 512)
WIDTH_RATES = {
    "sgd": (0.05, 0.1, 0.2, 0.4, 0.8, 1.6),
    "adam": (0.001, 0.002, 0.004, 0.008, 0.016, 0.032),
    "scaled": (0.004, 0.008, 0.016, 0.032, 0.064, 0.128),
}


@cache
def digits():
    """Return what to train on, what to choose by and what to judge by, as tensors."""
    (x, y), (x_test, y_test) = lrlib.load_digits()
    x, x_test = (np.divide(a, 255, dtype=np.float32) for a in (x, x_test))
    order = np.random.default_rng(0).permutation(len(x))
    fit, held_out = order[:TRAIN], order[TRAIN:]
    parts = (x[fit], y[fit]), (x[held_out], y[held_out]), (x_test, y_test)
    return [(tf.constant(a), tf.constant(b, tf.int32)) for a, b in parts]


class Scaled(keras.optimizers.Adam):
    """Adam whose rate for the kernels behind the first falls as 1/width."""

    def update_step(self, gradient, variable, learning_rate):
        path = self._trainable_variables[self._get_variable_index(variable)].path
        wide = "kernel" in path and "first" not in path
        factor = 32 / self.width if wide else 1.0
        super().update_step(gradient, variable, learning_rate * factor)


class Trainer:
    """A network and its optimizer, compiled once: rates and decay are fed."""

    def __init__(self, kind="adamw", hidden=(64, 32)):
        digits()  # before anything is traced
        self.kind, layers = kind, [keras.Input((28, 28)), keras.layers.Flatten()]
        for i, width in enumerate(hidden):
            name = f"hidden_{i}" if i else "first"
            layers.append(keras.layers.Dense(width, "relu", name=name))
        layers.append(keras.layers.Dense(10, name="head"))
        self.model = keras.Sequential(layers)
        new = {"sgd": keras.optimizers.SGD, "scaled": Scaled}
        self.optimizer = new.get(kind, keras.optimizers.Adam)(0.0)
        self.optimizer.width = hidden[-1]
        self.optimizer.build(self.model.trainable_variables)
        self.loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.train, self.judge = tf.function(self._train), tf.function(self._judge)

    def start(self, seed):
        """Set the weights that this seed begins with, and forget all moments."""
        rng = np.random.default_rng(seed)
        for weight in self.model.trainable_variables:
            scale = np.sqrt(2 / weight.shape[0])
            if self.kind == "scaled" and "head" in weight.path:
                scale = 1 / weight.shape[0]
            kernel = len(weight.shape) > 1
            weight.assign(rng.normal(size=weight.shape) * (scale if kernel else 0))
        for variable in self.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))

    def _train(self, order, rates, decay):
        x, y = digits()[0]
        for step in tf.range(len(rates)):
            rate, batch = rates[step], order[step]
            weights = self.model.trainable_variables
            with tf.GradientTape() as tape:
                outputs = self.model(tf.gather(x, batch), training=True)
                loss = self.loss(tf.gather(y, batch), outputs)
            gradients = tape.gradient(loss, [w.value for w in weights])
            if self.kind == "adamw":
                for weight in weights:
                    if len(weight.shape) > 1:
                        weight.assign(weight * (1 - rate * decay))
            self.optimizer.learning_rate.assign(rate)
            self.optimizer.apply(gradients, weights)

    def _judge(self, x, y):
        return self.loss(y, self.model(x, training=False))

    def run(self, rates, seed, decay=0.0, batch=BATCH, pieces=1, part=1):
        """Train; yield the loss on held-out (1) or test (2) digits after each piece."""
        self.start(seed)
        rng = np.random.default_rng([seed, 1])
        epochs = -(-len(rates) * batch // TRAIN)
        order = np.concatenate([rng.permutation(TRAIN) for _ in range(epochs)])
        order = order[: len(rates) * batch].reshape(len(rates), batch)
        for some in np.array_split(np.arange(len(rates)), pieces):
            self.train(
                tf.constant(order[some], tf.int32),
                tf.constant(rates[some], tf.float32),
                tf.constant(decay, tf.float32),
            )
            yield min(float(np.nan_to_num(self.judge(*digits()[part]), nan=1e9)), 1e9)


def rates_of(peak, warmup=0.1, updates=UPDATES):
    """Return a warm-up over this share of the updates and a line down to 0."""
    climb = round(warmup * updates)
    schedule = lrlib.linear(peak, updates - climb)
    if climb:
        schedule = lrlib.warmup(schedule, climb)
    return schedule(np.arange(updates))


@cache
def trainer(kind="adamw", hidden=(64, 32)):
    return Trainer(kind, hidden)


def value(peak, warmup=0.1, decay=0.01, seeds=SEEDS, part=1):
    """Return the loss of each seed."""
    rates = rates_of(peak, warmup)
    return [*(list(trainer().run(rates, s, decay, part=part))[-1] for s in seeds)]


def objective(trial, seeds):
    """Train seed after seed, rung after rung; give up where it looks bad."""
    peak = trial.suggest_float("peak", *SPACE["peak"], log=True)
    warmup = trial.suggest_float("warmup", *SPACE["warmup"])
    decay = trial.suggest_float("decay", *SPACE["decay"], log=True)
    rates, last = rates_of(peak, warmup), []
    for i, seed in enumerate(seeds):
        for rung, loss in enumerate(trainer().run(rates, seed, decay, pieces=RUNGS)):
            trial.report(loss, RUNGS * i + rung)
            trial.set_user_attr("rungs", RUNGS * i + rung + 1)
            if trial.should_prune():
                raise optuna.TrialPruned
        last.append(loss)
    return float(np.mean(last))


def study(method, seed):
    """Run a study; return what it tried, what that gave, and its winner's test loss."""
    seeds = 100 + 2 * seed, 101 + 2 * seed  # each study has its own luck
    if method in {"peaks", "grid"}:
        rows = (
            [{"peak": p, "warmup": 0.1, "decay": 0.01} for p in PEAKS]
            if method == "peaks"
            else [
                {"peak": p, "warmup": w, "decay": d}
                for p in GRID["peak"]
                for w in GRID["warmup"]
                for d in GRID["decay"]
            ]
        )
        losses = [float(np.mean(value(**row, seeds=seeds))) for row in rows]
        tried = [
            {**row, "loss": loss, "rungs": RUNGS * len(seeds)}
            for row, loss in zip(rows, losses, strict=True)
        ]
    else:
        samplers = optuna.samplers
        new = samplers.RandomSampler if method == "random" else samplers.TPESampler
        pruners = optuna.pruners
        pruner = (
            pruners.MedianPruner(n_startup_trials=5)
            if method == "pruned"
            else pruners.NopPruner()
        )
        made = optuna.create_study(sampler=new(seed=seed), pruner=pruner)
        made.optimize(partial(objective, seeds=seeds), n_trials=TRIALS)
        tried = [
            {
                **t.params,
                "loss": t.value if t.state.name == "COMPLETE" else None,
                "rungs": t.user_attrs["rungs"],
            }
            for t in made.trials
        ]
    done = [row for row in tried if row["loss"] is not None]
    best = min(done, key=lambda row: row["loss"])
    setting = {name: best[name] for name in SPACE}
    test = value(**setting, seeds=NEW_SEEDS, part=2)
    return {"tried": [rounded(row) for row in tried], "test": rounded(test)}


def rounded(found):
    if isinstance(found, dict):
        return {key: rounded(each) for key, each in found.items()}
    if isinstance(found, list):
        return [rounded(each) for each in found]
    return float(f"{found:.5g}") if isinstance(found, float) else found


def sweep(kind, rates, hidden=(64, 32), updates=UPDATES, batch=BATCH, seeds=SEEDS):
    """Return the held-out loss of each peak, for each seed."""
    made = trainer(kind, hidden)
    found = {}
    for peak in rates:
        plan = rates_of(peak, 0.0, updates)
        runs = [list(made.run(plan, s, batch=batch))[-1] for s in seeds]
        found[f"{peak:g}"] = rounded(runs)
    return found


def fine():
    """Return the held-out loss of each peak of a fine grid, for six seeds."""
    return {f"{peak:g}": rounded(value(peak, seeds=range(6))) for peak in FINE}


def jobs(record):
    """Yield what is to be done: where it is kept, and a function that does it."""
    yield record, "fine", fine
    for width in WIDTHS:
        for kind, rates in WIDTH_RATES.items():
            place = record.setdefault("width", {}).setdefault(kind, {})
            run = partial(sweep, kind, rates, (width, width), updates=80, batch=100)
            yield place, str(width), run
    place = record.setdefault("length", {})
    for updates in (40, 160, 640):
        yield place, str(updates), partial(sweep, "adam", PEAKS_BY_TWO, updates=updates)
    place = record.setdefault("batch", {})
    for batch in (10, 50, 250):
        yield place, str(batch), partial(sweep, "adam", PEAKS_BY_TWO, batch=batch)
    for seed in range(STUDIES):
        for method in METHODS:
            place = record.setdefault("studies", {}).setdefault(method, {})
            yield place, str(seed), partial(study, method, seed)


def made_by():
    return {
        "script": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
        "keras": keras.__version__,
        "optuna": optuna.__version__,
        "tensorflow": tf.__version__,
    }


def load():
    if RECORD.exists():
        return json.loads(RECORD.read_text())
    return {}


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
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
        RECORD.write_text(json.dumps(record) + "\n")
        print(key, round(time.monotonic() - began), flush=True)


if __name__ == "__main__":
    main()
