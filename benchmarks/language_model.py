"""Train a small language model for the chapter of that name, and keep the results.

    python benchmarks/language_model.py

A post-LN Transformer of width 32 (30,657 weights) predicts the next character of 4,000
windows of Shakespeare, 500 updates of 16 windows in two epochs; what is kept is its
loss on 512 windows of the last tenth of the text, after 250 updates and after 500.
AdamW, weight decay 0.1, eight seeds: all schedules of a seed have the same start and
the same batches, so that a cooldown branched from a trunk is a schedule that has been
the trunk's up to there. Variants have a pre-LN model, clipped gradients or another
weight decay.

Some twenty minutes of processor time. It writes what it has after every two seeds, and
makes no run again that is stored and was made by the same code at the same rates.
`benchmarks/results/language_model/` has the runs, and a digest of what made them.
"""

import hashlib
import inspect
import json
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np

import lrlib
from lrlib import shakespeare
from lrlib.experiments import step

sys.path.insert(0, str(Path(__file__).parents[1] / "book"))
from execute import code_of

RESULTS = Path(__file__).parent / "results" / "language_model"
WINDOWS, TEST, BATCH_SIZE, STEPS, WARMUP = 4000, 512, 16, 500, 50
SEEDS = tuple(range(8))
PEAKS = (0.01, 0.02, 0.04)
#: The peak at which cooldowns and longer training are compared.
PEAK = 0.02


def data():
    """Return the windows to train and to test on."""
    (x, y), (x_test, y_test) = lrlib.load_shakespeare(context=32)
    return (x[:WINDOWS], y[:WINDOWS]), (x_test[:TEST], y_test[:TEST])


def model(pre_norm=False):
    return lrlib.build_transformer(context=32, width=32, pre_norm=pre_norm)


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
    **{f"linear {p:g}": linear(p) for p in PEAKS},
    **{f"no warm-up {p:g}": linear(p, 0) for p in PEAKS},
    **{f"cosine {p:g}": cosine(p) for p in PEAKS},
    **{f"constant {p:g}": warm(lrlib.constant(p)) for p in (0.005, 0.01, 0.02)},
    **{f"cooldown {n}": wsd(n) for n in (50, 100, 200)},
    "cosine again": then(HALF, cosine(PEAK, STEPS // 2)),
    "cosine again, no warm-up": then(HALF, lrlib.cosine(PEAK, STEPS // 2)),
    "low rate": then(HALF, lrlib.constant(PEAK / 10)),
    "cooldown twice": then(wsd(50, STEPS // 2), again(50)),
}


#: The same with something else changed: the change, then name → schedule.
PRE_LN = {"pre_norm": True}
CLIPPED = {"global_clipnorm": 1.0}
DECAYS = (0.0, 0.3, 1.0)
VARIANTS = [
    ({}, {"no warm-up 0.005": linear(0.005, 0)}),
    (
        PRE_LN,
        {f"pre-LN, linear {p:g}": linear(p) for p in (*PEAKS, 0.08)}
        | {f"pre-LN, no warm-up {p:g}": linear(p, 0) for p in (*PEAKS, 0.08)},
    ),
    (
        CLIPPED,
        {f"clipped, linear {p:g}": linear(p) for p in PEAKS}
        | {f"clipped, no warm-up {p:g}": linear(p, 0) for p in PEAKS},
    ),
    *(
        (
            {"weight_decay": decay},
            {
                f"decay {decay:g}, linear 0.02": linear(0.02),
                f"decay {decay:g}, constant 0.01": warm(lrlib.constant(0.01)),
            },
        )
        for decay in DECAYS
    ),
]
#: What is stored in which file.
FILES = {"runs.npz": [({}, ENTRIES)], "variants.npz": VARIANTS}


def adamw(schedule, weight_decay=0.1, **settings):
    """Return a function that makes an optimizer with this schedule."""
    settings["weight_decay"] = weight_decay
    return lambda: keras.optimizers.AdamW(schedule.to_keras(), **settings)


def run(entries, seeds, pre_norm=False, **settings):
    """Return a race of these schedules, by name, for some seeds."""
    return lrlib.race(
        {name: adamw(schedule, **settings) for name, schedule in entries.items()},
        seeds,
        epochs=2,
        batch_size=BATCH_SIZE,
        model=partial(model, pre_norm),
        data=data,
        jit_compile=True,
    )


def add(whole, part):
    """Copy what a race has measured into another that has its entries and seeds."""
    for i, name in enumerate(part.names):
        k = whole.names.index(name)
        whole.rates[k] = part.rates[i]
        for j, seed in enumerate(part.seeds):
            at = k, whole.seeds.index(seed)
            for key in ("loss", "test_loss", "test_accuracy", "finished", "diverged"):
                getattr(whole, key)[at] = getattr(part, key)[i, j]


def stored(file):
    """Return the runs that are there, if today's code at today's rates made them."""
    entries = {k: v for _, each in FILES[file] for k, v in each.items()}
    names, steps = tuple(entries), WINDOWS // BATCH_SIZE
    blank = lrlib.RaceResult(names, SEEDS, 2, BATCH_SIZE, steps)
    if not (RESULTS / "record.json").exists() or not (RESULTS / file).exists():
        return blank
    record = json.loads((RESULTS / "record.json").read_text())["sha256"]
    if {**record, **made_of()} != record:
        return blank
    part = lrlib.RaceResult.load(RESULTS / file)
    todays = [schedule(np.arange(STEPS)) for schedule in entries.values()]
    same = part.names == names and np.allclose(part.rates, todays, atol=1e-7)
    return part if same and part.seeds == SEEDS else blank


def save(file, whole):
    RESULTS.mkdir(parents=True, exist_ok=True)
    whole.save(RESULTS / file)
    digest = made_of()
    for each in FILES:
        if (RESULTS / each).exists():
            content = (RESULTS / each).read_bytes()
            digest[each] = hashlib.sha256(content).hexdigest()
    (RESULTS / "record.json").write_text(
        json.dumps({"sha256": digest}, indent=1) + "\n"
    )


def made_of():
    """Return hashes of what makes a run, its rates apart: code, model, text."""
    own = "\n".join(map(inspect.getsource, (data, model, adamw, run)))
    settings = f"{WINDOWS, TEST, BATCH_SIZE, STEPS}"
    code = {
        "benchmarks/language_model.py": f"{own}\n{settings}",
        "lrlib.build_transformer": inspect.getsource(lrlib.build_transformer),
        "lrlib/experiments/step.py": inspect.getsource(step),
        "lrlib/experiments/race.py": inspect.getsource(
            sys.modules[lrlib.race.__module__]
        ),
        "lrlib/shakespeare.py": Path(shakespeare.__file__).read_text(),
    }
    hashes = {
        k: hashlib.sha256(code_of(v).encode()).hexdigest() for k, v in code.items()
    }
    return {**hashes, "lrlib/data/shakespeare.txt.xz": shakespeare.SHA256}


def main():
    wholes = {file: stored(file) for file in FILES}
    for file, whole in wholes.items():
        done = whole.finished.all(axis=0)
        missing = [seed for seed, there in zip(SEEDS, done, strict=True) if not there]
        for i in range(0, len(missing), 2):
            for changes, entries in FILES[file]:
                add(whole, run(entries, missing[i : i + 2], **changes))
            save(file, whole)
            print(file, missing[i : i + 2], flush=True)
        print(whole.table())


if __name__ == "__main__":
    main()
