"""The explorer's network trains as the reference in NumPy does, to many digits."""

import base64

import numpy as np
import pytest
from test_explorer import FOLDER

from lrlib.show.explorer import bundle, reference
from lrlib.show.explorer.training import digits_as_text, small_digits

STEPS = 200
RATES = {"SGD": 0.5, "SGD with momentum": 0.1, "Adam": 0.01, "AdamW": 0.01}
TRAIN = """async ({ source, sets, cases, rates }) => {
    const { Run, digits, evaluate } = (await import(source)).default;
    const [train, validation] = [sets.train, sets.validation].map((s) => digits(...s));
    return cases.map((settings) => {
        const run = new Run(train, settings);
        const losses = rates.map((share) => run.step(settings.peak * share));
        return [losses, evaluate(run.weights, validation)];
    });
}"""
CASES = [
    {"optimizer": name, "batchSize": size, "seed": seed, "clip": clip, "peak": peak}
    for seed, (name, peak) in enumerate(RATES.items())
    for size, clip in ((16, False), (32, True), (256, False))
]


@pytest.fixture(scope="module")
def trained(browser):
    tab = browser.new_page()
    module = bundle.module(FOLDER / "network.js").encode()
    encoded = base64.b64encode(module).decode()
    found = tab.evaluate(
        TRAIN,
        {
            "source": f"data:text/javascript;base64,{encoded}",
            "sets": digits_as_text(),
            "cases": CASES,
            "rates": [1 - t / STEPS for t in range(STEPS)],
        },
    )
    tab.close()
    return found


@pytest.mark.parametrize("i", range(len(CASES)))
def test_the_page_trains_as_the_reference_does(trained, i):
    case, (losses, end) = CASES[i], trained[i]
    expected, weights = reference.train(
        case["peak"] * (1 - np.arange(STEPS) / STEPS),
        optimizer=case["optimizer"],
        batch_size=case["batchSize"],
        seed=case["seed"],
        clip=case["clip"],
    )
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    loss, accuracy = reference.evaluate(weights, *small_digits()["validation"])
    assert end["loss"] == pytest.approx(loss, rel=1e-6)
    assert end["accuracy"] == pytest.approx(accuracy, abs=1.5e-3)
