"""Models that an earlier lrlib has saved load with `import lrlib`, and train on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

MODELS = Path(__file__).parent / "golden" / "models"
EXPECTED = json.loads((MODELS / "expected.json").read_text())
UPDATES, MORE = 3, 2

#: What a reader's script is: its imports, its own schedule if any, and Keras.
SCRIPT = """
import json, sys
import {first}
import {second}
import numpy as np

# What a model needs is imported where Keras meets it in the file.
found = {{"formulas": "lrlib.schedules.formula" in sys.modules}}
for name in {names}:
    if name == "reader":
        from lrlib.kinds import Rate, Steps

        @lrlib.schedule
        def halving_in_the_tests(
            t, initial_learning_rate: Rate = 0.1, every: Steps = 10
        ):
            return initial_learning_rate / 2 ** (t / every)

    model = keras.saving.load_model(f"{models}/{{name}}.keras")
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    before, updates = float(model.layers[0].bias[0]), int(optimizer.iterations)
    rates = [float(optimizer._learning_rate(t)) for t in range({steps})]
    x, y = np.zeros(({more}, 1)), np.full(({more}, 1), -1e3)
    model.fit(x, y, batch_size=1, verbose=0)
    after = float(model.layers[0].bias[0])
    found[name] = dict(before=before, after=after, updates=updates, rates=rates)
print(json.dumps(found))
"""
NAMES = sorted(EXPECTED)


def load(first, second, names):
    script = SCRIPT.format(
        first=first,
        second=second,
        names=names,
        models=MODELS,
        steps=len(EXPECTED["rex"]["rates"]),
        more=MORE,
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# Each class that lrlib registers with Keras is the first that one of them meets.
@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        ("lrlib", "keras", ["plateau", *NAMES]),
        ("keras", "lrlib", ["rex", *NAMES]),
    ],
)
def test_a_model_of_an_earlier_lrlib_loads_and_trains_on(first, second, names):
    found = load(first, second, list(dict.fromkeys(names)))
    assert not found.pop("formulas")
    assert set(found) == set(EXPECTED)
    for name, model in found.items():
        rates = EXPECTED[name]["rates"]
        np.testing.assert_allclose(model["rates"], rates, rtol=1e-5, atol=1e-9)
        assert model["updates"] == UPDATES
        assert model["before"] == pytest.approx(EXPECTED[name]["bias"], rel=1e-6)
        # The bias falls by the rate itself; Adam divides by the root of a mean of ones.
        moved = model["before"] - model["after"]
        assert moved == pytest.approx(sum(rates[UPDATES : UPDATES + MORE]), rel=1e-4)
