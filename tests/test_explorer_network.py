"""The explorer's network trains as the reference in NumPy does, to many digits."""

import base64
import hashlib
import re

import numpy as np
import pytest
from test_explorer import FOLDER

from lrlib.show.explorer import bundle, reference
from lrlib.show.explorer.training import digits_as_text, small_digits

STEPS = 200
RATES = {"SGD": 0.5, "SGD with momentum": 0.1, "Adam": 0.01, "AdamW": 0.01}
TRAIN = """async ({ source, sets, cases, rates, plain }) => {
    const { Network, fastest } = (await import(source)).default;
    if (plain) globalThis.WebAssembly = undefined;
    const sums = fastest();
    const network = new Network(sets, sums);
    const found = cases.map((settings) => {
        network.begin(settings);
        const losses = rates.map((share) => network.step(settings.peak * share));
        return { losses, end: network.evaluate("validation") };
    });
    return [sums.constructor.name, found];
}"""
CASES = [
    {"optimizer": name, "batchSize": size, "seed": seed, "clip": clip, "peak": peak}
    for seed, (name, peak) in enumerate(RATES.items())
    for size, clip in ((16, False), (32, True), (256, False))
]
#: These blow up, one at once.
BURST = [{**CASES[i], "peak": peak} for i in (0, 6) for peak in (1e4, 1e200)]


def train_in(browser, plain):
    tab = browser.new_page()
    module = bundle.module(FOLDER / "network.js").encode()
    encoded = base64.b64encode(module).decode()
    name, found = tab.evaluate(
        TRAIN,
        {
            "source": f"data:text/javascript;base64,{encoded}",
            "sets": digits_as_text(),
            "cases": CASES + BURST,
            "rates": [1 - t / STEPS for t in range(STEPS)],
            "plain": plain,
        },
    )
    tab.close()
    assert name == ("Plain" if plain else "Simd")
    return found


@pytest.fixture(scope="module")
def trained(browser):
    return train_in(browser, plain=False)


@pytest.mark.parametrize("i", range(len(CASES)))
def test_the_page_trains_as_the_reference_does(trained, i):
    case, (losses, end) = CASES[i], trained[i].values()
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


def test_without_webassembly_the_page_computes_the_same_to_the_last_bit(
    browser, trained
):
    plain = train_in(browser, plain=True)
    assert len(plain) == len(trained) == len(CASES) + len(BURST)
    for ours, theirs in zip(plain, trained, strict=True):
        np.testing.assert_array_equal(ours["losses"], theirs["losses"])
        np.testing.assert_array_equal(ours["end"]["loss"], theirs["end"]["loss"])
        assert ours["end"]["accuracy"] == theirs["end"]["accuracy"]
    for run in plain[-len(BURST) :]:
        assert not run["end"]["loss"] < 2


def test_the_compiled_kernel_is_that_of_its_source():
    source = (FOLDER / "kernel.c").read_bytes()
    compiled = (FOLDER / "kernel.js").read_text()
    assert hashlib.sha256(source).hexdigest() in compiled
    code = bytes.fromhex(re.search('"(.*)"', compiled)[1])
    assert code.startswith(b"\0asm\1\0\0\0")
    assert len(code) < 2_500
