"""Find the best rate by the width of a network, for the chapter "Tuning the rate".

    python benchmarks/tuning.py

Networks with two hidden layers of 32, 128 and 512 units make 80 updates of 100 digits
at a constant rate: under Adam, under Adam whose rate falls with a layer's width, and
under SGD, three seeds each. The rates are a factor of two apart, and more are added
until the best has a worse one on either side. What is kept is the loss on 2,000 digits
held out of training.

Two minutes of processor time. `benchmarks/results/tuning/record.json` has the losses
and a digest of the code that made them; what is there isn't made again.
"""

import hashlib
import inspect
import json
from functools import cache
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import lrlib

RECORD = Path(__file__).parent / "results" / "tuning" / "record.json"
TRAIN = 6000  # of the 8,000; the others judge
WIDTHS, NARROW = (32, 128, 512), 32
UPDATES, BATCH_SIZE, SEEDS = 80, 100, range(3)
#: The optimizer, whether its rate falls with the width, and the first rates.
KINDS = {
    "Adam": (keras.optimizers.Adam, False, (0.002, 0.004, 0.008)),
    "Adam, 1/width": (keras.optimizers.Adam, True, (0.004, 0.008, 0.016)),
    "SGD": (keras.optimizers.SGD, False, (0.1, 0.2, 0.4)),
}


@cache
def digits():
    """Return the digits to train on and those to judge by, as tensors."""
    (x, y), _ = lrlib.load_digits()
    order = np.random.default_rng(0).permutation(len(x))
    with tf.init_scope():  # also when a function is being compiled
        return [
            (tf.constant(x[p] / 255, tf.float32), tf.constant(y[p], tf.int32))
            for p in (order[:TRAIN], order[TRAIN:])
        ]


class Trainer:
    """A network, compiled once, that trains at the rate it is given."""

    def __init__(self, width, optimizer, per_width):
        hidden = [keras.layers.Dense(width, activation="relu") for _ in range(2)]
        layers = [keras.layers.Flatten(), *hidden, keras.layers.Dense(10)]
        self.model = keras.Sequential([keras.Input((28, 28)), *layers])
        self.optimizer, self.per_width = optimizer, per_width
        optimizer.build(self.model.trainable_variables)
        if per_width:
            self.plain_update = optimizer.update_step
            optimizer.update_step = self._update_step
        self.loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self.updates = tf.function(self._updates)
        self.test = tf.function(self._test)

    def _update_step(self, gradient, variable, learning_rate):
        index = self.optimizer._get_variable_index(variable)
        self.plain_update(gradient, variable, learning_rate * self.factor(index))

    def factor(self, index):
        """Return what multiplies a weight's rate: of kernels that read hidden units."""
        weight = self.model.trainable_variables[index]
        reads_hidden = len(weight.shape) > 1 and index > 0
        return NARROW / weight.shape[0] if reads_hidden else 1.0

    def _updates(self, batches):
        train, weights = digits()[0], self.model.trainable_variables
        for step in tf.range(UPDATES):
            images, labels = (tf.gather(a, batches[step]) for a in train)
            with tf.GradientTape() as tape:
                loss = self.loss_of(labels, self.model(images, training=True))
            gradients = tape.gradient(loss, [w.value for w in weights])
            self.optimizer.apply(gradients, weights)

    def _test(self):
        x, y = digits()[1]
        return self.loss_of(y, self.model(x, training=False))

    def start(self, seed):
        """Set weights that the seed decides; the optimizer forgets."""
        rng = np.random.default_rng(seed)
        for weight in self.model.trainable_variables:
            he = np.sqrt(2 / weight.shape[0]) * (len(weight.shape) > 1)
            if self.per_width and weight.shape[1:] == (10,):
                he *= np.sqrt(NARROW / weight.shape[0])
            weight.assign(rng.normal(size=weight.shape) * he)
        for variable in self.optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))

    def loss(self, rate, seed):
        """Return the loss after training at this rate."""
        self.start(seed)
        self.optimizer.learning_rate.assign(rate)
        rng = np.random.default_rng([seed, 1])
        epochs = -(-UPDATES * BATCH_SIZE // TRAIN)
        order = np.concatenate([rng.permutation(TRAIN) for _ in range(epochs)])
        order = order[: UPDATES * BATCH_SIZE]
        self.updates(tf.constant(order.reshape(UPDATES, BATCH_SIZE), tf.int32))
        loss = float(self.test())
        return round(loss, 5) if np.isfinite(loss) else 1e9


def swept(trainer, rates):
    """Return losses by rate, with more rates until a worse lies on either side."""
    rates, found = sorted(rates), {}
    while True:
        for rate in rates:
            if rate not in found:
                found[rate] = [trainer.loss(rate, seed) for seed in SEEDS]
        best = min(found, key=lambda rate: np.mean(found[rate]))
        if best not in (rates[0], rates[-1]):
            return {f"{rate:g}": found[rate] for rate in rates}
        rates = [rates[0] / 2, *rates] if best == rates[0] else [*rates, rates[-1] * 2]


def made_by():
    """Return a digest of the code that decides the losses."""
    own = "\n".join(map(inspect.getsource, (digits, Trainer, swept)))
    settings = TRAIN, WIDTHS, NARROW, UPDATES, BATCH_SIZE, SEEDS
    return hashlib.sha256(f"{own}{settings}".encode()).hexdigest()


def load():
    """Return what is stored, if today's code made it."""
    stored = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return stored if stored.get("made_by") == made_by() else {}


def main():
    runs = load().get("runs", {})
    for width in WIDTHS:
        for name, (optimizer, per_width, rates) in KINDS.items():
            key = f"{name} {width}"
            if key in runs:
                continue
            runs[key] = swept(Trainer(width, optimizer(0.0), per_width), rates)
            RECORD.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"made_by": made_by(), "runs": runs})
            RECORD.with_suffix(".new").write_text(text + "\n")
            RECORD.with_suffix(".new").replace(RECORD)
            print(key, flush=True)


if __name__ == "__main__":
    main()
