"""Race schedules for the chapter "Which schedule? A race", and keep the results.

    python benchmarks/schedule_race.py

Every schedule gets the same budget of updates and the same sweep of peak rates. The
peak is chosen on digits held out of training, with seeds of its own; what the chapter
reports are other seeds, measured on the test digits. Takes some minutes on two cores
and writes `benchmarks/results/schedule_race/`, with a digest of what made it.
"""

import hashlib
import json
from functools import partial
from pathlib import Path

import keras
import numpy as np

import lrlib

RESULTS = Path(__file__).parent / "results" / "schedule_race"
BATCH_SIZE = 100
TRAIN = 6000  # of the 8,000; the others choose the peak rate
BUDGETS = {"short": 2, "long": 10}  # epochs
TUNING_SEEDS, SEEDS = (100, 101), tuple(range(10))
OPTIMIZERS = {
    "sgd": partial(keras.optimizers.SGD, momentum=0.9),
    "adam": keras.optimizers.Adam,
}
PEAKS = {"sgd": (0.03, 0.1, 0.2, 0.4), "adam": (0.001, 0.003, 0.006, 0.012)}


def schedules(peak, steps):
    """Return the schedules that race, each with this peak over so many updates."""
    warmup = steps // 10
    return {
        "constant": lrlib.constant(peak),
        "step": lrlib.step(peak, decay_steps=steps // 3, decay_rate=0.1),
        "exponential": lrlib.exponential(peak, decay_steps=steps, decay_rate=0.01),
        "linear": lrlib.linear(peak, decay_steps=steps),
        "cosine": lrlib.cosine(peak, decay_steps=steps),
        "warmup_cosine": lrlib.warmup_cosine(
            decay_steps=steps - warmup, warmup_target=peak, warmup_steps=warmup
        ),
        "one_cycle": lrlib.one_cycle(peak, total_steps=steps),
        "stable_decay": lrlib.warmup_stable_decay(
            warmup_target=peak,
            warmup_steps=warmup,
            stable_steps=steps - 3 * warmup,
            decay_steps=2 * warmup,
        ),
        "inverse_sqrt": lrlib.warmup(lrlib.inverse_sqrt(peak, warmup), warmup),
    }


def entry(optimizer, schedule):
    return lambda: OPTIMIZERS[optimizer](schedule.to_keras())


def tune(optimizer, epochs, train, held_out):
    """Return the race of all peaks, and each schedule's best peak in it."""
    steps = epochs * (TRAIN // BATCH_SIZE)
    entries, names = {}, {}
    for peak in PEAKS[optimizer]:
        for name, schedule in schedules(peak, steps).items():
            entries[f"{name} {peak:g}"] = entry(optimizer, schedule)
            names[f"{name} {peak:g}"] = name, peak
    result = lrlib.race(
        entries, TUNING_SEEDS, epochs, BATCH_SIZE, data=(train, held_out)
    )
    accuracy = result.test_accuracy[:, :, -1].mean(axis=1)
    best = {}
    for i in np.argsort(accuracy, kind="stable"):
        name, peak = names[result.names[i]]
        best[name] = peak
    return result, best


def main():
    (x, y), (x_test, y_test) = lrlib.load_digits()
    x, x_test = (np.divide(a, 255, dtype=np.float32) for a in (x, x_test))
    train, held_out = (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:])
    RESULTS.mkdir(parents=True, exist_ok=True)
    peaks = {}
    for optimizer in OPTIMIZERS:
        for budget, epochs in BUDGETS.items():
            tuning, best = tune(optimizer, epochs, train, held_out)
            steps = epochs * (TRAIN // BATCH_SIZE)
            entries = {
                name: entry(optimizer, schedules(peak, steps)[name])
                for name, peak in best.items()
            }
            entries = {name: entries[name] for name in schedules(0.1, steps)}
            final = lrlib.race(
                entries, SEEDS, epochs, BATCH_SIZE, data=(train, (x_test, y_test))
            )
            tuning.save(RESULTS / f"{optimizer}-{budget}-tuning.npz")
            final.save(RESULTS / f"{optimizer}-{budget}.npz")
            peaks[f"{optimizer}-{budget}"] = best
            write_record(peaks)  # so that an interrupted script leaves what it has
            print(f"{optimizer}, {epochs} epochs\n{final.table()}\n", flush=True)


def write_record(peaks):
    files = [RESULTS / f"{name}{end}.npz" for name in peaks for end in ("", "-tuning")]
    digest = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [Path(__file__), *files]
    }
    record = {"peaks": peaks, "sha256": digest}
    (RESULTS / "record.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
