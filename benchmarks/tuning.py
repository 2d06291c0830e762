"""Tune one small network again and again for the chapter "Tuning the rate".

    python benchmarks/tuning.py [part ...]

The network and the training are the chapter's: 784-64-32-10, AdamW, batches of 50, a
warm-up and a line down to 0, 160 updates in all. There are three parts:

- `peaks`: the loss on digits held out of training at 65 peaks with 16 seeds each, which
  is what a search that draws peaks can find.
- `studies`: five studies each of a grid, of random search, of TPE and of TPE with
  pruning, 20 trials with two seeds, and the loss of each study's winner on the test
  digits with eight other seeds; beside them a sweep of nine peaks.
- `widths`: the best constant rate for two hidden layers of 32, 128 and 512 units, three
  seeds, under Adam, under Adam whose rate falls with a layer's width, and under SGD.

The grids of the widths are extended until the best rate has a worse one on either side.
Five minutes of processor time; a part that is stored in
`benchmarks/results/tuning/record.json`, made by the same code, isn't made again.
"""

import hashlib
import inspect
import json
import sys
from functools import cache
from pathlib import Path

import keras
import numpy as np
import optuna
import tensorflow as tf

import lrlib

RECORD = Path(__file__).parent / "results" / "tuning" / "record.json"
TRAIN = 6000  # of the 8,000; the others choose
PEAKS = np.geomspace(1e-4, 1e-1, 65)
SEEDS = range(16)
STUDIES, TRIALS, JUDGES = range(5), 20, range(50, 58)
# The middles of five ranges of peaks, two of warm-ups and two of decays.
GRID = {
    "peak": [10 ** (-4 + 3 * (i + 0.5) / 5) for i in range(5)],
    "warmup": [0.125, 0.375],
    "decay": [0.001, 0.1],
}
WIDTHS, WIDTH_UPDATES, NARROW = (32, 128, 512), 80, 32

# Training ---------------------------------------------------------------------------


@cache
def digits():
    """Return the digits to train on, to choose by and to test on, as tensors."""
    (x, y), test = lrlib.load_digits()
    order = np.random.default_rng(0).permutation(len(x))
    parts = [(x[p], y[p]) for p in (order[:TRAIN], order[TRAIN:])]
    with tf.init_scope():  # also when a function is being compiled
        return [
            (tf.constant(x / 255, tf.float32), tf.constant(y, tf.int32))
            for x, y in [*parts, test]
        ]


class Trainer:
    """A network, compiled once, that trains at the rates it is fed."""

    def __init__(self, hidden, optimizer, per_width=False):
        dense = keras.layers.Dense
        layers = [keras.Input((28, 28)), keras.layers.Flatten()]
        layers += [dense(units, activation="relu") for units in hidden]
        self.model = keras.Sequential([*layers, dense(10)])
        self.optimizer, self.per_width = optimizer, per_width
        optimizer.build(self.model.trainable_variables)
        if per_width:
            self.plain_update = optimizer.update_step
            optimizer.update_step = self._update_step
        self.loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.updates = tf.function(self._updates)
        self.loss_on = tf.function(
            lambda x, y: self.loss_of(y, self.model(x, training=False))
        )

    def scale(self, index):
        """Return what multiplies the rate of a weight when it falls with the width."""
        weight = self.model.trainable_variables[index]
        kernel = len(weight.shape) > 1 and index > 0
        return NARROW / weight.shape[0] if kernel else 1.0

    def _update_step(self, gradient, variable, learning_rate):
        factor = self.scale(self.optimizer._get_variable_index(variable))
        self.plain_update(gradient, variable, learning_rate * factor)

    def _updates(self, batches, rates, decay):
        train, weights = digits()[0], self.model.trainable_variables
        for step in tf.range(tf.size(rates)):
            images, labels = (tf.gather(a, batches[step]) for a in train)
            with tf.GradientTape() as tape:
                loss = self.loss_of(labels, self.model(images, training=True))
            gradients = tape.gradient(loss, [w.value for w in weights])
            for weight in weights:
                if len(weight.shape) > 1:
                    weight.assign(weight * (1 - rates[step] * decay))
            self.optimizer.learning_rate.assign(rates[step])
            self.optimizer.apply(gradients, weights)

    def start(self, seed):
        """Set weights that the seed decides; the optimizer forgets."""
        rng = np.random.default_rng(seed)
        for weight in self.model.trainable_variables:
            he = np.sqrt(2 / weight.shape[0]) * (len(weight.shape) > 1)
            if self.per_width and len(weight.shape) > 1 and weight.shape[1] == 10:
                he = np.sqrt(2 * NARROW) / weight.shape[0]  # He's at that width
            weight.assign(rng.normal(size=weight.shape) * he)
        for variable in self.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))

    def run(self, rates, seed, decay=0.01, rungs=1, judge=1, batch_size=50):
        """Train; yield the loss on held-out (1) or test digits (2) at each rung."""
        self.start(seed)
        rng = np.random.default_rng([seed, 1])
        size = len(rates), batch_size
        epochs = -(-size[0] * size[1] // TRAIN)
        order = [rng.permutation(TRAIN) for _ in range(max(3, epochs))]
        batches = np.concatenate(order)[: size[0] * size[1]].reshape(size)
        for part in np.array_split(np.arange(len(rates)), rungs):
            self.updates(
                tf.constant(batches[part], tf.int32),
                tf.constant(rates[part], tf.float32),
                tf.constant(decay, tf.float32),
            )
            loss = float(self.loss_on(*digits()[judge]))
            yield round(loss, 5) if np.isfinite(loss) else 1e9


@cache
def small():
    return Trainer((64, 32), keras.optimizers.Adam(0.0))


def rates_of(peak, warmup=0.1, steps=160):
    """Return the rates of a warm-up, a share of the updates, and a line down to 0."""
    climb = round(warmup * steps)
    line = lrlib.linear(peak, steps - climb)
    whole = lrlib.warmup(line, climb) if climb else line
    return whole(np.arange(steps))


def last(peak, seed, warmup=0.1, decay=0.01, steps=160, **options):
    rates = rates_of(peak, warmup, steps)
    return list(small().run(rates, seed, decay, **options))[-1]


# The three parts -----------------------------------------------------------------------


def peaks():
    return {f"{peak:.6g}": [last(peak, seed) for seed in SEEDS] for peak in PEAKS}


def objective(seeds):
    """Return what a study minimizes: the mean loss with two seeds."""

    def of(trial):
        peak = trial.suggest_float("peak", 1e-4, 1e-1, log=True)
        warmup = trial.suggest_float("warmup", 0.0, 0.5)
        decay = trial.suggest_float("decay", 1e-4, 1.0, log=True)
        ends = []
        for turn, seed in enumerate(seeds):
            rungs = small().run(rates_of(peak, warmup), seed, decay, rungs=4)
            for rung, now in enumerate(rungs):
                trial.report(now, step=4 * turn + rung)
                if trial.should_prune():
                    raise optuna.TrialPruned
            ends.append(now)
        return np.mean(ends)

    return of


def studies():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    samplers, found = optuna.samplers, {}
    never = optuna.pruners.NopPruner()
    for number in STUDIES:
        seeds = 2 * number, 2 * number + 1
        methods = {
            "grid": (samplers.GridSampler(GRID, seed=number), never),
            "random": (samplers.RandomSampler(seed=number), never),
            "TPE": (samplers.TPESampler(seed=number), never),
            "TPE, pruned": (
                samplers.TPESampler(seed=number),
                optuna.pruners.MedianPruner(5),
            ),
        }
        for name, (sampler, pruner) in methods.items():
            study = optuna.create_study(sampler=sampler, pruner=pruner)
            study.optimize(objective(seeds), n_trials=TRIALS)
            best, value = study.best_params, study.best_value
            rungs = sum(len(t.intermediate_values) for t in study.trials)
            found.setdefault(name, []).append(judged(best, value, rungs))
        sweep = {p: np.mean([last(p, s) for s in seeds]) for p in PEAKS[::8]}
        best = {"peak": float(min(sweep, key=sweep.get))}
        found.setdefault("nine peaks", []).append(
            judged(best, min(sweep.values()), 4 * 2 * len(sweep))
        )
    return found


def judged(settings, value, rungs):
    tests = [last(seed=seed, judge=2, **settings) for seed in JUDGES]
    return {"settings": settings, "value": value, "rungs": rungs, "test": tests}


def swept(loss, rates, seeds):
    """Return losses by rate, more rates until a worse one lies on either side."""
    rates, found = sorted(rates), {}
    while True:
        for rate in rates:
            if rate not in found:
                found[rate] = [loss(rate, seed) for seed in seeds]
        best = min(found, key=lambda rate: np.mean(found[rate]))
        if best not in (rates[0], rates[-1]):
            return {f"{rate:g}": found[rate] for rate in rates}
        rates = [rates[0] / 2, *rates] if best == rates[0] else [*rates, rates[-1] * 2]


def widths():
    found, kinds = (
        {},
        {
            "Adam": (keras.optimizers.Adam, False, [0.002, 0.004, 0.008]),
            "Adam, 1/width": (keras.optimizers.Adam, True, [0.004, 0.008, 0.016]),
            "SGD": (keras.optimizers.SGD, False, [0.1, 0.2, 0.4]),
        },
    )
    for width in WIDTHS:
        for name, (optimizer, per_width, rates) in kinds.items():
            trainer = Trainer((width, width), optimizer(0.0), per_width)

            def loss(rate, seed, trainer=trainer):
                rates = np.full(WIDTH_UPDATES, rate)
                return list(trainer.run(rates, seed, 0.0, batch_size=100))[-1]

            found[f"{name} {width}"] = swept(loss, rates, range(3))
    return found


PARTS = {"widths": widths, "peaks": peaks, "studies": studies}


def made_by(part):
    """Return a digest of the code that decides a part."""
    one = [small, rates_of, last]
    own, settings = {
        "widths": ([swept], (WIDTHS, WIDTH_UPDATES, NARROW)),
        "peaks": (one, (PEAKS.tolist(), SEEDS)),
        "studies": ([*one, objective, judged], (STUDIES, TRIALS, JUDGES, GRID)),
    }[part]
    own = [digits, Trainer, *own, PARTS[part]]
    text = "\n".join(map(inspect.getsource, own)) + repr((TRAIN, settings))
    return hashlib.sha256(text.encode()).hexdigest()


def load():
    return json.loads(RECORD.read_text()) if RECORD.exists() else {}


def main():
    for part in sys.argv[1:] or PARTS:
        if load().get(part, {}).get("made_by") == made_by(part):
            continue
        result = {"made_by": made_by(part), "runs": PARTS[part]()}
        record = load() | {part: result}
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        new = RECORD.with_suffix(".new")
        new.write_text(json.dumps(record, separators=(",", ":")) + "\n")
        new.replace(RECORD)
        print(part, flush=True)


if __name__ == "__main__":
    main()
