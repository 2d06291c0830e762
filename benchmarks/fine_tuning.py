"""Fine-tune a small network in several ways, for the chapter "Fine-tuning".

    python benchmarks/fine_tuning.py [experiment ...]

A convolutional network learns upright digits. Then it is tuned to digits turned by 45
degrees, of which few have labels, with a new last layer. Every way of doing so is tuned
alike: over a grid of rates, with seeds that serve nothing else, on turned digits held
out for that. What the chapter reports are other seeds, measured on the test digits. A
seed draws the labelled digits, the new layer's weights and the batches. The same is
done once more with a network that has learned the digits 0 to 4, for 5 to 9.

Takes some ten minutes on one core and writes `benchmarks/results/fine_tuning/`: the
pretrained weights, the accuracy and the loss of every run, and a record of what has
made them. Runs that are stored there, made by the same code, aren't made again.
"""

import hashlib
import inspect
import json
import sys
from functools import cache
from itertools import product
from pathlib import Path

import keras
import numpy as np
import scipy.ndimage
import tensorflow as tf

import lrlib
from lrlib.experiments import step
from lrlib.experiments.internals import fuse

RESULTS = Path(__file__).parent / "results" / "fine_tuning"
UPDATES, BATCH_SIZE = 100, 25
TUNING_SEEDS, SEEDS = range(100, 106), range(20)
# Of the 8,000 training digits: to pretrain on, to draw labels from, to tune rates by.
PRETRAIN, POOL, HELD_OUT = slice(5000), slice(5000, 7000), slice(7000, 8000)
LAYERS = 4  # two convolutions, a dense layer, the head
GRID = {  # which rates, or for `layerwise` which rate of the head and which factor
    "scratch": [(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)],
    "one": [(0.0003, 0.001, 0.003, 0.01, 0.03, 0.1)],
    "head": [(0.003, 0.01, 0.03, 0.1, 0.3, 1.0)],
    "two": [(0.01, 0.03, 0.1), (0.001, 0.003, 0.01)],
    "layerwise": [(0.003, 0.01, 0.03), (0.1, 0.2, 0.4, 0.7)],
    "gradual": [(0.003, 0.01, 0.03, 0.1)],
    "late": [(0.01, 0.03, 0.1), (0.01, 0.03, 0.1)],
    "twice": [(0.03, 0.1, 0.3), (0.003, 0.01, 0.03)],
}
#: Where the best rates with 200 labels lie higher than with 50.
MORE = {
    "head": [(*GRID["head"][0], 3.0, 10.0)],
    "two": [GRID["two"][0], (*GRID["two"][1], 0.03)],
}
EXPERIMENTS = {  # name: task, number of labels, what is tried
    "turned-50": ("turned", 50, tuple(GRID)),
    "turned-200": ("turned", 200, ("scratch", "one", "head", "two")),
    "others-100": ("others", 100, ("scratch", "one")),
}

# Data and pretrained weights --------------------------------------------------------


def turn(x):
    """Return the images turned by 45 degrees."""
    return scipy.ndimage.rotate(x, 45, axes=(1, 2), reshape=False, order=1)


@cache
def digits(task):
    """Return those to pretrain on, to draw from, to tune by, to test: (x, y) each."""
    (x, y), (x_test, y_test) = lrlib.load_digits()
    x, x_test = step.scale_pixels(x), step.scale_pixels(x_test)
    if task == "turned":
        turned, turned_test = turn(x), turn(x_test)
        parts = (x, y, PRETRAIN), (turned, y, POOL), (turned, y, HELD_OUT)
        return [(x[p], y[p]) for x, y, p in parts] + [(turned_test, y_test)]
    low, found = y < 5, []
    found.append((x[PRETRAIN][low[PRETRAIN]], y[PRETRAIN][low[PRETRAIN]]))
    for part in POOL, HELD_OUT:
        found.append((x[part][~low[part]], y[part][~low[part]] - 5))
    return [*found, (x_test[y_test >= 5], y_test[y_test >= 5] - 5)]


def pretrained(task):
    """Return the weights of a network that has learned the task's first digits."""
    file = RESULTS / f"pretrained-{task}.npz"
    if not file.exists():
        (x, y), *_ = digits(task)
        keras.utils.set_random_seed(0)
        model = lrlib.build_convnet(int(y.max()) + 1)
        rate = lrlib.linear(0.003, 20 * (len(x) // 50)).to_keras()
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=50, epochs=20, verbose=0)
        half = [w.astype(np.float16) for w in model.get_weights()]
        np.savez_compressed(file, *half)
    with np.load(file) as arrays:
        return [arrays[name].astype(np.float32) for name in arrays.files]


# Ways of fine-tuning: the rate of each layer at each update --------------------------

FALL = 1 - np.arange(UPDATES)[:, None] / UPDATES
ABOVE = np.arange(LAYERS)[::-1]  # how many layers are above this one


def falling(*rates):
    """Return rates that fall in straight lines to 0."""
    return FALL * np.array(rates, float)


def two(head, body):
    return falling(body, body, body, head)


def joining(rates, starts):
    """Return the rates, 0 for each layer before the update at which it joins."""
    return np.where(np.arange(UPDATES)[:, None] >= np.array(starts), rates, 0)


def warmed(rates, updates):
    """Return the rates, climbing in a straight line over the first updates."""
    return np.minimum(1, (np.arange(UPDATES)[:, None] + 1) / updates) * rates


def way(name):
    """Return whether to begin from scratch, and the rates, `(updates, layers)`."""
    kind, *rates = name.split()
    rates = [float(rate) for rate in rates]
    if kind in {"scratch", "one"}:
        return kind == "scratch", falling(*rates * LAYERS)
    if kind == "head":
        return False, two(*rates, 0)
    if kind == "gradual":  # a layer more every ten updates, from above
        return False, joining(falling(*rates * LAYERS), 10 * ABOVE)
    if kind == "two":
        return False, two(*rates)
    if kind == "late":  # the body is frozen for the first half
        return False, joining(two(*rates), [UPDATES // 2] * (LAYERS - 1) + [0])
    if kind == "twice":  # the head alone, then all at a low rate, in halves
        head, low = rates
        first, second = two(head, 0), falling(*[low] * LAYERS)
        return False, np.concatenate([first[::2], second[::2]])
    if kind == "layerwise":
        head, factor = rates
        return False, falling(*head * factor**ABOVE)
    warm_up, head, body = rates
    return False, warmed(two(head, body), int(warm_up))


def axes(experiment):
    """Return the rates that an experiment tunes by: kind → axes."""
    *_, kinds = EXPERIMENTS[experiment]
    own = MORE if experiment == "turned-200" else {}
    return {kind: own.get(kind, GRID[kind]) for kind in kinds}


def grid(experiment):
    """Return the names of all that is tuned."""
    settings = [
        (k, rates) for k, a in axes(experiment).items() for rates in product(*a)
    ]
    return [f"{kind} {' '.join(f'{r:g}' for r in rates)}" for kind, rates in settings]


# Training --------------------------------------------------------------------------


class Tuner:
    """A network that is tuned again and again, compiled once."""

    def __init__(self, task, labels, seeds):
        _, self.pool, *parts = digits(task)
        x, y = parts[seeds is SEEDS]
        self.labels, self.seeds, self.start = labels, seeds, pretrained(task)
        self.test_data = tf.constant(x), tf.constant(y, tf.int64)
        self.new = {}  # first, as seeding makes TensorFlow optimize all anew
        for seed in seeds:
            with step.seeded(seed):
                self.model = lrlib.build_convnet(int(y.max()) + 1)
            self.new[seed] = self.model.get_weights()
        self.optimizer = keras.optimizers.Adam(1.0)
        self.optimizer.build(self.model.trainable_variables)
        fuse(self.optimizer)
        self.plain_update = self.optimizer.update_step
        self.optimizer.update_step = self._update_step
        self.blank = [v.numpy() for v in self.optimizer.variables]
        self.train = tf.function(self._train)
        self.test = tf.function(self._test)

    def _update_step(self, gradient, variable, learning_rate):
        layer = self.optimizer._get_variable_index(variable) // 2  # kernel and bias
        self.plain_update(gradient, variable, self.rates[layer])

    def _train(self, x, y, order, rates):
        loss = step.training_loss(self.model)
        for update in tf.range(UPDATES):
            self.rates = rates[update]
            xs, ys = tf.gather(x, order[update]), tf.gather(y, order[update])
            step.update(self.model, self.optimizer, loss, xs, ys)

    def _test(self):
        x, y = self.test_data
        outputs = self.model(x, training=False)
        right = tf.cast(tf.argmax(outputs, -1) == y, tf.float32)
        return tf.reduce_mean(right), step.crossentropy(self.model)(y, outputs)

    def run(self, seed, scratch, rates):
        """Return the accuracy and the loss after fine-tuning with this seed."""
        new = self.new[seed]
        weights = new if scratch else [*self.start[:-2], *new[-2:]]
        self.model.set_weights(weights)
        for variable, value in zip(self.optimizer.variables, self.blank, strict=True):
            variable.assign(value)
        x, y, order = drawn(seed, self.pool, self.labels)
        self.train(
            tf.constant(x),
            tf.constant(y, tf.int64),
            tf.constant(order),
            tf.constant(rates, tf.float32),
        )
        return [float(value) for value in self.test()]


def drawn(seed, pool, labels):
    """Return the digits with labels, and which of them each batch takes."""
    x, y = pool
    few = np.random.default_rng(seed).choice(len(x), labels, replace=False)
    epochs = UPDATES * BATCH_SIZE // labels + 1
    order = [step.batches(seed, e, labels, BATCH_SIZE) for e in range(epochs)]
    return x[few], y[few], np.concatenate(order)[:UPDATES]


# What is run and kept ---------------------------------------------------------------


def made_by():
    """Return a digest of the code that decides what a run gives."""
    own = [turn, digits, pretrained, falling, two, joining, warmed, way, Tuner, drawn]
    theirs = [lrlib.build_convnet, step.update, step.batches, step.crossentropy]
    settings = [UPDATES, BATCH_SIZE, TUNING_SEEDS, SEEDS, PRETRAIN, POOL, HELD_OUT]
    text = "".join(map(inspect.getsource, own + theirs)) + repr(settings)
    return hashlib.sha256(text.encode()).hexdigest()


MADE_BY = made_by()


class Record:
    """Accuracies and losses by run, in a file."""

    def __init__(self, name):
        self.file, self.runs = RESULTS / f"{name}.json", {}
        if self.file.exists():
            stored = json.loads(self.file.read_text())
            if stored["made_by"] == MADE_BY:
                self.runs = stored["runs"]

    def fill(self, names, *tuned):
        """Run what isn't there; return accuracies and losses, `(names, seeds, 2)`."""
        tuner = None
        for name in names:
            if name not in self.runs:
                tuner = tuner or Tuner(*tuned)
                scratch, rates = way(name)
                found = [tuner.run(seed, scratch, rates) for seed in tuner.seeds]
                self.runs[name] = [[round(v, 5) for v in pair] for pair in found]
                self.save()
        return np.array([self.runs[name] for name in names])

    def save(self):
        content = {"made_by": MADE_BY, "runs": self.runs}
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        new.replace(self.file)


def best(names, values):
    """Return the best of each kind by mean accuracy, then by mean loss."""
    found = {}
    accuracy, loss = values.mean(axis=1).T
    for i in np.lexsort((-loss, accuracy.round(4))):
        found[names[i].split()[0]] = names[i]
    return found


def curves(winners):
    """Return what the chapter shows besides the winners."""
    _, head, body = winners["two"].split()
    one = float(winners["one"].split()[1])
    bolder = min(rate for rate in GRID["one"][0] if rate > one)
    rates = (1e-5, 1e-4, *GRID["one"][0])
    names = [f"one {rate:g}" for rate in rates]
    names += [f"two {head} {rate:g}" for rate in rates[:-1] if rate != 1e-4]
    names += [f"head {head}", *(f"warm {n} {head} {body}" for n in (5, 10, 20))]
    return names + [f"warm 10 {rate:g} {rate:g}" for rate in (one, bolder)]


def main():
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or EXPERIMENTS:
        task, labels, kinds = EXPERIMENTS[name]
        names = grid(name)
        tuning = Record(f"{name}-tuning").fill(names, task, labels, TUNING_SEEDS)
        winners = best(names, tuning)
        more = curves(winners) if "late" in kinds else []
        shown = list(dict.fromkeys([*winners.values(), *more]))
        values = Record(name).fill(shown, task, labels, SEEDS)
        print(name)
        for each, (accuracy, loss) in zip(shown, values.mean(axis=1), strict=True):
            print(f"  {each:24} {accuracy:.4f} {loss:.4f}", flush=True)


if __name__ == "__main__":
    main()
