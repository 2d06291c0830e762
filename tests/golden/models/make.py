"""Save small models whose optimizers hold lrlib's schedules, as files for a test.

    python tests/golden/models/make.py

The files beside this script come from lrlib as of commit 63cb0b7. They stay as they
are: a later lrlib must load what an earlier one has saved. Add a file for what is new,
under a new name.
"""

import json
from pathlib import Path

import keras
import numpy as np

import lrlib
from lrlib.kinds import Rate, Steps

HERE = Path(__file__).parent
#: How many updates each model has made before it was saved.
UPDATES = 3
STEPS = 25


@lrlib.schedule
def halving_in_the_tests(t, initial_learning_rate: Rate = 0.1, every: Steps = 10):
    """Halve the rate every `every` steps."""
    return initial_learning_rate / 2 ** (t / every)


SCHEDULES = {
    "cosine": lrlib.cosine(0.1, 20, alpha=0.1),
    "step": lrlib.step(0.1, 7, 0.5),
    "rex": lrlib.rex(0.1, 20),
    "warmup_one_cycle": lrlib.warmup(lrlib.one_cycle(0.1, total_steps=20), 5),
    "composed": lrlib.clip(
        lrlib.join([lrlib.constant(0.1), lrlib.linear(0.1, 10)], [4])
        * lrlib.cycle(lrlib.exponential(1.0, 9), 12),
        0.001,
        0.09,
    ),
    "reader": halving_in_the_tests(0.1, 7),
    "plateau": lrlib.warmup(lrlib.cosine(0.1, 20), 5),
}
OPTIMIZERS = {
    "rex": keras.optimizers.Adam,
    "composed": lambda s: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(s)),
}
#: What `Plateau` has multiplied the schedule by.
SCALES = {"plateau": 0.5}


def build(name):
    """Return a model whose bias falls by the learning rate itself at each update.

    Its output is its bias, and the mean distance from a far target has a slope of 1.
    """
    model = keras.Sequential(
        [keras.Input([1]), keras.layers.Dense(1, kernel_initializer="zeros")]
    )
    optimizer = OPTIMIZERS.get(name, keras.optimizers.SGD)
    model.compile(optimizer(SCHEDULES[name].to_keras()), "mae")
    return model


def main():
    expected = {}
    x, y = np.zeros((1, 1)), np.full((1, 1), -1e3)
    for name, s in SCHEDULES.items():
        model, scale = build(name), SCALES.get(name, 1.0)
        callbacks = []
        if scale != 1:
            callbacks = [lrlib.Plateau("loss", scale, 1, min_delta=1e6)]  # never better
        model.fit(x, y, epochs=UPDATES - 1, callbacks=callbacks, verbose=0)
        model.fit(x, y, verbose=0)
        rates = scale * s(np.arange(STEPS))
        model.save(HERE / f"{name}.keras")
        expected[name] = {
            "rates": [float(f"{rate:.9g}") for rate in rates],
            "bias": float(f"{float(model.layers[0].bias[0]):.9g}"),
        }
    (HERE / "expected.json").write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
