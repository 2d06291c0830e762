"""Train a small language model for the chapter of that name, and keep the results.

    python benchmarks/language_model.py

A post-LN Transformer of width 32 (30,657 weights) predicts the next character of 4,000
windows of Shakespeare, 500 updates of 16 windows in two epochs; what is kept is its
loss on 512 windows of the last tenth of the text, after 250 updates and after 500.
AdamW, weight decay 0.1, five seeds: all schedules of a seed have the same start and the
same batches, so that a cooldown branched from a trunk is a schedule that has been the
trunk's up to there.

Some six minutes of processor time, in two sittings: it writes what it has after the
first, and goes on from there when started again. It ends with
`benchmarks/results/language_model/`: the runs, and a digest of what made them.
"""

import hashlib
import inspect
import json
import sys
from pathlib import Path

import keras
import numpy as np

import lrlib
from lrlib import shakespeare

sys.path.insert(0, str(Path(__file__).parents[1] / "book"))
from execute import code_of

RESULTS = Path(__file__).parent / "results" / "language_model"
WINDOWS, TEST, BATCH_SIZE, STEPS, WARMUP = 4000, 512, 16, 500, 50
SEEDS = ((0, 1, 2), (3, 4))  # of one sitting each
#: The peak at which cooldowns and longer training are compared.
PEAK = 0.02


def data():
    """Return the windows to train and to test on."""
    (x, y), (x_test, y_test) = lrlib.load_shakespeare(context=32)
    return (x[:WINDOWS], y[:WINDOWS]), (x_test[:TEST], y_test[:TEST])


def model():
    return lrlib.build_transformer(context=32, width=32)


def warm(schedule):
    return lrlib.warmup(schedule, WARMUP)


def linear(peak, warmup=WARMUP):
    """Return a line to zero, all in all of 500 updates."""
    line = lrlib.linear(peak, STEPS - warmup)
    return warm(line) if warmup else line


def cosine(peak, steps=STEPS):
    """Return a warm-up and half a cosine to zero."""
    return warm(lrlib.cosine(peak, steps - WARMUP))


def wsd(cooldown, steps=STEPS):
    """Return a warm-up, a flat stretch, and a line to zero."""
    return lrlib.warmup_stable_decay(
        warmup_target=PEAK,
        warmup_steps=WARMUP,
        stable_steps=steps - WARMUP - cooldown,
        decay_steps=cooldown,
        decay_type="linear",
    )


def then(first, second):
    """Return a schedule that is finished after half of the updates, and another."""
    return lrlib.join([first, second], [STEPS // 2])


def again(cooldown):
    """Return the flat stretch once more, and a cooldown."""
    return lrlib.warmup_stable_decay(
        warmup_target=PEAK,
        warmup_steps=0,
        stable_steps=STEPS // 2 - cooldown,
        decay_steps=cooldown,
        decay_type="linear",
    )


HALF = cosine(PEAK, STEPS // 2)
#: What runs: name → schedule.
ENTRIES = {
    **{f"linear {p:g}": linear(p) for p in (0.01, 0.02, 0.04)},
    **{f"no warm-up {p:g}": linear(p, 0) for p in (0.01, 0.02, 0.04)},
    **{f"cosine {p:g}": cosine(p) for p in (0.01, 0.02, 0.04)},
    **{f"constant {p:g}": warm(lrlib.constant(p)) for p in (0.005, 0.01, 0.02)},
    **{f"cooldown {n}": wsd(n) for n in (50, 100, 200)},
    "cosine again": then(HALF, cosine(PEAK, STEPS // 2)),
    "cosine again, no warm-up": then(HALF, lrlib.cosine(PEAK, STEPS // 2)),
    "low rate": then(HALF, lrlib.constant(PEAK / 10)),
    "cooldown twice": then(wsd(50, STEPS // 2), again(50)),
}


def adamw(schedule):
    """Return a function that makes an optimizer with this schedule."""
    return lambda: keras.optimizers.AdamW(schedule.to_keras(), weight_decay=0.1)


def run(seeds):
    """Return a race of all entries, for some seeds."""
    return lrlib.race(
        {name: adamw(s) for name, s in ENTRIES.items()},
        seeds,
        epochs=2,
        batch_size=BATCH_SIZE,
        model=model,
        data=data,
        jit_compile=True,
    )


def together(parts):
    """Return races of the same entries with different seeds as one."""
    first = parts[0]
    whole = lrlib.RaceResult(
        first.names,
        tuple(seed for part in parts for seed in part.seeds),
        first.epochs,
        first.batch_size,
        first.steps_per_epoch,
    )
    for name in ("loss", "test_loss", "test_accuracy", "finished", "diverged"):
        arrays = [getattr(part, name) for part in parts]
        setattr(whole, name, np.concatenate(arrays, axis=1))
    whole.rates = first.rates
    return whole


def made_of():
    """Return hashes of what makes the results: this script, the model, the text."""
    code = {
        "benchmarks/language_model.py": Path(__file__).read_text(),
        "lrlib.build_transformer": inspect.getsource(lrlib.build_transformer),
        "lrlib/shakespeare.py": Path(shakespeare.__file__).read_text(),
    }
    hashes = {
        k: hashlib.sha256(code_of(v).encode()).hexdigest() for k, v in code.items()
    }
    return {**hashes, "lrlib/data/shakespeare.txt.xz": shakespeare.SHA256}


def main():
    RESULTS.mkdir(parents=True, exist_ok=True)
    paths = [RESULTS / f"seed-{seeds[0]}.npz" for seeds in SEEDS]
    for path, seeds in zip(paths, SEEDS, strict=True):
        if not path.exists():
            run(seeds).save(path)
            print(seeds, flush=True)
    whole = together([lrlib.RaceResult.load(path) for path in paths])
    whole.save(RESULTS / "runs.npz")
    for path in paths:
        path.unlink()
    content = (RESULTS / "runs.npz").read_bytes()
    digest = {**made_of(), "runs.npz": hashlib.sha256(content).hexdigest()}
    (RESULTS / "record.json").write_text(
        json.dumps({"sha256": digest}, indent=1) + "\n"
    )
    print(whole.table())


if __name__ == "__main__":
    main()
