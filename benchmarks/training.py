"""How long the page trains: the explorer in Chromium, and others for the same.

All train a network of 196, 32 and 10 units on 2,500 small MNIST digits for 500 updates
of 32, by SGD at 0.5:

- the explorer: a job of a worker, with all that it reports on the way; eight seeds
  until the verdict; the first curve after a slider is let go; and the redraw of the
  rate while workers train;
- ConvNetJS 0.3 and TensorFlow.js with its CPU backend, in the same browser;
- Keras's `fit` and `lrlib.race` in Python, eight runs each.

    python benchmarks/training.py

It needs Node.js's npm, which installs the two JavaScript libraries beside this file.
"""

from __future__ import annotations

import base64
import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

import numpy as np
from playwright.sync_api import Page
from redraw import browser, time_redraws

import lrlib
import lrlib.show.explorer
from lrlib.show.explorer import bundle, training_files, worker_source
from lrlib.show.explorer.training import digits_as_text, small_digits

HERE = Path(__file__).resolve().parent
RIVALS = HERE / "rivals"
FOLDER = Path(lrlib.show.explorer.__file__).parent
STEPS, BATCH, RATE, SEEDS = 500, 32, 0.5, 8

ONE_RUN = """async ({ source, sets, steps, rate, batch, runs }) => {
    const url = URL.createObjectURL(new Blob([source]));
    const worker = new Worker(url);
    worker.postMessage({ sets });
    const rates = new Float64Array(steps).fill(rate);
    const settings = { optimizer: "SGD", batchSize: batch, clip: false };
    const times = [];
    for (let seed = 1; seed <= runs; seed++) {
        const start = performance.now();
        await new Promise((done) => {
            worker.onmessage = ({ data }) => data.outcome && done();
            worker.postMessage({ id: seed, job: { ...settings, rates, seed } });
        });
        times.push(performance.now() - start);
    }
    worker.terminate();
    return times;
}"""

#: The updates alone, as the others are timed.
UPDATES = """async ({ module, sets, steps, rate, batch, runs }) => {
    const { Network } = (await import(module)).default;
    const network = new Network(sets);
    const times = [];
    for (let seed = 1; seed <= runs; seed++) {
        const settings = { optimizer: "SGD", batchSize: batch, clip: false, seed };
        const start = performance.now();
        network.begin(settings);
        for (let t = 0; t < steps; t++) network.step(rate);
        times.push(performance.now() - start);
    }
    return times;
}"""

#: Whether the workers have gone on reporting since the last notch of a slider.
LISTEN = """
    window.busy = [];
    let reports = 0;
    const Plain = window.Worker;
    window.Worker = class extends Plain {
        constructor(url) {
            super(url);
            this.addEventListener("message", ({ data }) => {
                if (data.losses) reports++;
            });
        }
    };
    document.addEventListener("input", () => {
        busy.push(reports > 3);
        reports = 0;
    }, true);
"""

#: Press a key on the slider; the time until the second number of runs, and the verdict.
WATCH = """(seeds) => {
    const [pending, verdict] = ["pending", "verdict"].map((name) =>
        document.querySelector(`.report .${name}`));
    const slider = document.querySelector(".params input[type=range]");
    window.seen = [];
    let start = null, first = null;
    slider.addEventListener("input", () => {
        [start, first] = [performance.now(), null];
    });
    const look = () => {
        if (start === null) return;
        const [done] = pending.textContent.split(" ");
        const now = performance.now() - start;
        if (first === null && (+done > seeds || verdict.textContent)) first = now;
        if (verdict.textContent) { seen.push([first, now]); start = null; }
    };
    new MutationObserver(look).observe(document.querySelector(".report"),
        { childList: true, subtree: true, characterData: true });
    slider.focus();
}"""

CONVNETJS = """({ x, y, steps, batch, rate, runs }) => {
    const times = [];
    for (let run = 0; run < runs; run++) {
        const net = new convnetjs.Net();
        net.makeLayers([
            { type: "input", out_sx: 1, out_sy: 1, out_depth: 196 },
            { type: "fc", num_neurons: 32, activation: "relu" },
            { type: "softmax", num_classes: 10 },
        ]);
        const trainer = new convnetjs.Trainer(net,
            { method: "sgd", learning_rate: rate, momentum: 0, batch_size: batch });
        const volumes = x.map((pixels) => {
            const volume = new convnetjs.Vol(1, 1, 196, 0);
            pixels.forEach((value, i) => { volume.w[i] = value; });
            return volume;
        });
        const start = performance.now();
        for (let i = 0; i < steps * batch; i++) {
            trainer.train(volumes[i % x.length], y[i % x.length]);
        }
        times.push(performance.now() - start);
        const right = volumes.filter((volume, i) => {
            net.forward(volume);
            return net.getPrediction() === y[i];
        });
        if (right.length < 0.7 * x.length) throw new Error("ConvNetJS has not learned");
    }
    return times;
}"""

TENSORFLOWJS = """async ({ x, y, steps, batch, rate, runs }) => {
    await tf.setBackend("cpu");
    const times = [];
    for (let run = 0; run < runs; run++) {
        const model = tf.sequential({ layers: [
            tf.layers.dense({ units: 32, activation: "relu", inputShape: [196] }),
            tf.layers.dense({ units: 10, activation: "softmax" }),
        ] });
        model.compile({ optimizer: tf.train.sgd(rate),
            loss: "sparseCategoricalCrossentropy" });
        const batches = Math.floor(x.length / batch);
        const all = Array.from({ length: batches }, (_, i) => [
            tf.tensor2d(x.slice(i * batch, (i + 1) * batch)),
            tf.tensor1d(y.slice(i * batch, (i + 1) * batch), "float32"),
        ]);
        const start = performance.now();
        let loss;
        for (let t = 0; t < steps; t++) {
            loss = await model.trainOnBatch(...all[t % batches]);
        }
        times.push(performance.now() - start);
        if (!(loss < 1)) throw new Error("TensorFlow.js has not learned");
        tf.disposeVariables();
    }
    return times;
}"""


def explorer_page(
    page: Page, folder: Path, steps: int, pins: int, **train: int
) -> None:
    """Open a page from the disk that trains, and wait for its verdict."""
    explorer = lrlib.explore(
        lrlib.linear(RATE, steps),
        steps=steps,
        train=train,
        pins=[lrlib.linear(RATE / (i + 2), steps) for i in range(pins)],
    )
    data, _ = explorer._repr_mimebundle_()
    files = {
        "explorer.js": bundle.script(FOLDER / "page.js"),
        "explorer.css": (FOLDER / "explorer.css").read_text(),
        **training_files(),
        "index.html": "<!doctype html><meta charset='utf-8'><title>Training</title>"
        "<link rel='stylesheet' href='explorer.css'>"
        f"<script defer src='explorer.js'></script>{data['text/html']}",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    page.goto((folder / "index.html").as_uri())
    page.locator(".charts").wait_for()


def measure_browser(folder: Path) -> dict[str, np.ndarray]:
    run = {"steps": STEPS, "batch": BATCH, "rate": RATE}
    found: dict[str, np.ndarray] = {}
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1100, "height": 1200})
        page.set_default_timeout(120_000)
        page.goto("about:blank")
        ours = {**run, "source": worker_source(), "sets": digits_as_text(), "runs": 25}
        network = base64.b64encode(bundle.module(FOLDER / "network.js").encode())
        ours["module"] = f"data:text/javascript;base64,{network.decode()}"
        found["one run"] = np.array(page.evaluate(ONE_RUN, ours))[3:]

        explorer_page(page, folder, STEPS, pins=1, seeds=SEEDS)
        page.wait_for_function("document.querySelector('.verdict').textContent")
        page.evaluate(WATCH, SEEDS)
        for i in range(20):
            page.keyboard.press("ArrowLeft")
            page.wait_for_function("n => seen.length > n", arg=i)
        first, verdict = np.array(page.evaluate("seen")).T
        found["first curve"], found["verdict"] = first, verdict

        # Long runs of many seeds and large batches: the workers never rest, but the
        # hand does, so that the next notch comes while they train. Those that follow
        # it at once, as a held key repeats, come before anything trains anew.
        page.add_init_script(LISTEN)
        explorer_page(page, folder, 2000, pins=3, seeds=16, batch_size=256)
        page.wait_for_function("document.querySelector('.runs .current')")
        times = time_redraws(page, 240, rest=0.4)
        busy = np.array(page.evaluate("busy"))[-len(times) :]
        assert busy.sum() >= len(times) // 4
        found["redraw"], found["redraw, key held"] = times[busy], times[~busy]

        pixels, labels = small_digits()["train"]
        data = {**run, "x": pixels.tolist(), "y": labels.tolist(), "runs": 4}
        page.goto("about:blank")
        packages = RIVALS / "node_modules"
        scripts = {
            "ConvNetJS": ("convnetjs/build/convnet-min.js", CONVNETJS),
            "TensorFlow.js": ("@tensorflow/tfjs/dist/tf.min.js", TENSORFLOWJS),
        }
        for name, (script, measure) in scripts.items():
            page.add_script_tag(path=packages / script)
            found[name] = np.array(page.evaluate(measure, data))[1:]
            # Ours right after theirs, so that both meet the same machine.
            updates = np.array(page.evaluate(UPDATES, ours))[3:]
            found[f"against {name}"] = updates
    return found


def measure_python() -> dict[str, float]:
    """Seconds for eight runs."""
    import keras

    sets = small_digits()
    (x, y), test = sets["train"], sets["test"]
    x = np.resize(x, (STEPS * BATCH, 196)).astype("float32")
    y = np.resize(y, STEPS * BATCH)

    def network() -> keras.Model:
        hidden = keras.layers.Dense(32, "relu")
        classes = keras.layers.Dense(10, "softmax")
        return keras.Sequential([keras.Input([196]), hidden, classes])

    def fit() -> None:
        for seed in range(SEEDS):
            keras.utils.set_random_seed(seed)
            model = network()
            loss = keras.losses.SparseCategoricalCrossentropy()
            model.compile(keras.optimizers.SGD(RATE), loss, metrics=["accuracy"])
            model.fit(x, y, BATCH, 1, verbose=0, validation_data=test)

    def race() -> None:
        entries = {"SGD": lambda: keras.optimizers.SGD(RATE)}
        data = ((x, y), (test[0].astype("float32"), test[1]))
        lrlib.race(entries, SEEDS, 1, BATCH, network, data, progress=False)

    times = {}
    for name, work in {"Keras fit": fit, "lrlib.race": race}.items():
        start = time.perf_counter()
        work()
        times[name] = time.perf_counter() - start
    return times


def weights() -> tuple[int, int]:
    """Bytes, compressed: what training adds to a page before it starts, and after."""

    def sent(text: str) -> int:
        return len(gzip.compress(text.encode(), 6))

    training = {"bands", "plan", "pool", "racing", "source", "sweep", "training"}
    whole = bundle.script(FOLDER / "page.js")
    parts = ["// " + part for part in whole.split("\n// ")]
    without = [
        p for p in parts if p.split(".js\n")[0][3:] not in {*training, "verdict"}
    ]
    added = sent(whole) - sent("\n".join(without))
    return added, sum(sent(text) for text in training_files().values())


def main() -> None:
    npm = ["npm", "ci", "--prefix", RIVALS, "--no-audit", "--no-fund", "--silent"]
    subprocess.run([*npm, "--ignore-scripts"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        browser = measure_browser(Path(folder))
    python = measure_python()
    added, loaded = weights()

    one = np.median(browser["one run"])
    eight = np.median(browser["verdict"])
    first, redraw = (np.percentile(browser[n], 95) for n in ("first curve", "redraw"))
    convnet, tensorflow = (
        np.median(browser[name]) / np.median(browser[f"against {name}"])
        for name in ("ConvNetJS", "TensorFlow.js")
    )
    rows = [
        ("one run of 500 updates, median", one, "ms", 100, True),
        ("eight seeds until the verdict, median", eight, "ms", 3000, True),
        ("first curve, 95 %", first, "ms", 300, True),
        ("redraw while workers train, 95 %", redraw, "ms", 16, True),
        ("ConvNetJS 0.3, the updates of a run", convnet, "×", 15, False),
        ("TensorFlow.js, the updates of a run", tensorflow, "×", 40, False),
        ("added to a page", added / 1000, "kB", 15, True),
    ]
    missed = 0
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")
    for name, value, unit, bound, at_most in rows:
        kept = value <= bound if at_most else value >= bound
        missed += not kept
        words = f"{'at most' if at_most else 'at least'} {bound} {unit}"
        print(f"{name:40}{value:9.1f} {unit:3} {words:18}{'' if kept else 'MISSED'}")
    alone = np.median(browser["against ConvNetJS"])
    print(f"the updates of one run alone: {alone:.0f} ms")
    print(f"loaded when something trains: {loaded / 1000:.0f} kB")
    held = np.percentile(browser["redraw, key held"], 95)
    print(f"redraw while a key is held, 95 %: {held:.1f} ms")
    for name, seconds in python.items():
        ratio = 1000 * seconds / eight
        print(f"{name}, eight runs: {seconds:.1f} s, {ratio:.1f} times the page's")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
