"""Race schedules on three workloads for "Which schedule? A race", and keep the results.

    python benchmarks/workload_race.py                  run what is missing
    python benchmarks/workload_race.py mlp-sgd-120      what is missing of one cell
    python benchmarks/workload_race.py --again mlp-sgd-120
                                run a cell anew, and compare it with the stored one
    python benchmarks/workload_race.py --dask 2         in so many processes of Dask

The protocol, written down before the first run:

- A cell is a workload, an optimizer and a number of updates. In each of them nine
  schedules race; the share of the run in which `stable_decay` cools down is tuned too.
  (It was tried up to 40 % first. That was the best in seven of eight cells, so 60 and
  90 % were added after the other results were known.)
- The measure is the loss on held-out data after the last update.
- Peaks lie on a grid by factors of 2. It grows until each schedule's best peak has a
  worse one on either side; then the two at a factor of √2 from the best are tried, and
  those at factors of 2 and 4, which tell how much a wrong peak costs. The best is
  chosen by the mean validation loss over the `TUNING` seeds.
- What is reported are the `REPORTED` seeds, which the tuning has not seen, on test data
  that its weights have not seen. Each seed draws a split of its own of the same data.
- A run that diverges has an infinite loss and stays in.
- Differences are paired by seed, with a 95 % t interval. Three families of comparisons
  are tested, each over all cells and corrected by Holm's method: the eight others
  against `constant`, the seven others against `linear`, and `warmup_cosine` against
  `cosine`.

Each run is stored as soon as its race is over, so the script can be interrupted. Each
cell's file in `benchmarks/results/workload_race/` names the modules and the versions
that made it, and the processor time that it took.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import keras
import numpy as np
import psutil
import tensorflow as tf

import lrlib

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "book"))

from execute import code_of  # noqa: E402

RESULTS = Path(__file__).parent / "results" / "workload_race"
TUNING, REPORTED = range(100, 105), range(20)
OPTIMIZERS = {
    "sgd": partial(keras.optimizers.SGD, momentum=0.9),
    "adamw": partial(keras.optimizers.AdamW, weight_decay=0.01),
}
#: Where the grids of peaks begin.
FIRST = {"sgd": (0.05, 0.1, 0.2), "adamw": (0.002, 0.004, 0.008)}
#: What share of a run `stable_decay` falls over; the last leaves nothing stable.
COOLDOWNS = (0.1, 0.2, 0.4, 0.6, 0.9)
#: The most that a grid can grow by, to either side.
LOWEST, HIGHEST = 2.0**-8, 2.0**8


# The workloads ---------------------------------------------------------------------


@dataclass(frozen=True)
class Workload:
    """What is trained, on what.

    Attributes:
        model: builds it.
        parts: seed → three pairs of inputs and labels, to train on, to tune on and to
            test on.
        batch_size: samples per update.
        updates: the budgets.
        optimizers: their names.
        reported: how many seeds the results have.

    """

    model: Callable[[], keras.Model]
    parts: Callable[[int], list[tuple[np.ndarray, np.ndarray]]]
    batch_size: int
    updates: tuple[int, ...]
    optimizers: tuple[str, ...] = ("sgd", "adamw")
    reported: int = len(REPORTED)
    jit_compile: bool = False


@cache
def all_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the 10,000 digits that come with lrlib."""
    (x, y), (x_test, y_test) = lrlib.load_digits()
    images = np.concatenate([x, x_test])
    return np.divide(images, 255, dtype=np.float32), np.concatenate([y, y_test])


def digits(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return 6,000 digits to train on, 2,000 to tune on and 2,000 to test on."""
    x, y = all_digits()
    order = np.random.default_rng([seed, 1]).permutation(len(x))
    return [(x[part], y[part]) for part in np.split(order, [6000, 8000])]


def text(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return 4,000 windows to train on, 1,000 to tune on and 1,000 to test on.

    They come in blocks of 500 that follow each other, so that a window to test on has
    no neighbors among those to train on, but for the ends of its block.
    """
    (x, y), (x_test, y_test) = lrlib.load_shakespeare(context=32)
    windows, after = np.concatenate([x, x_test]), np.concatenate([y, y_test])
    starts = 500 * np.random.default_rng([seed, 1]).permutation(len(windows) // 500)
    places = (starts[:12, None] + np.arange(500)).ravel()
    parts = np.split(places, [4000, 5000])
    return [(windows[part], after[part]) for part in parts]


def transformer() -> keras.Model:
    """Build a character Transformer of 30,657 weights."""
    return lrlib.build_transformer(context=32, width=32)


WORKLOADS = {
    "mlp": Workload(lrlib.build_model, digits, 100, (120, 480)),
    "convnet": Workload(lrlib.build_convnet, digits, 100, (120, 480)),
    "transformer": Workload(
        *(transformer, text, 16, (250, 1000), ("adamw",)),
        reported=10,
        jit_compile=True,
    ),
}


# The schedules ---------------------------------------------------------------------


def schedules(peak: float, steps: int) -> dict[str, lrlib.Schedule]:
    """Return all that race, each with this peak over so many updates."""
    warmup = steps // 10
    climb = {"warmup_target": peak, "warmup_steps": warmup}
    stable = {
        f"stable_decay {share:.0%}": lrlib.warmup_stable_decay(
            stable_steps=steps - warmup - round(share * steps),
            decay_steps=round(share * steps),
            **climb,
        )
        for share in COOLDOWNS
    }
    return {
        "constant": lrlib.constant(peak),
        "step": lrlib.step(peak, decay_steps=steps // 3, decay_rate=0.1),
        "exponential": lrlib.exponential(peak, decay_steps=steps, decay_rate=0.01),
        "linear": lrlib.linear(peak, decay_steps=steps),
        "cosine": lrlib.cosine(peak, decay_steps=steps),
        "warmup_cosine": lrlib.warmup_cosine(decay_steps=steps - warmup, **climb),
        "one_cycle": lrlib.one_cycle(peak, total_steps=steps),
        "inverse_sqrt": lrlib.warmup(lrlib.inverse_sqrt(peak, warmup), warmup),
        **stable,
    }


# A cell ----------------------------------------------------------------------------


@dataclass
class Cell:
    """One workload, one optimizer, one budget: its runs so far, and what is missing.

    Attributes:
        runs: part ("tuning" or "test") → name → peak → seed → loss and accuracy.
        seconds: of processor time that its races have taken.

    """

    name: str
    executor: Executor | None = None
    folder: Path = RESULTS
    runs: dict = field(init=False)
    seconds: float = field(init=False, default=0.0)

    def __post_init__(self) -> None:
        kind, self.optimizer, steps = self.name.split("-")
        self.workload, self.steps = WORKLOADS[kind], int(steps)
        self.runs = {"tuning": {}, "test": {}}
        if self.file.exists():
            stored = json.loads(self.file.read_text())
            if stored["made_by"] != made_by():
                raise RuntimeError(f"{self.file} was made by other code: delete it")
            self.runs, self.seconds = stored["runs"], stored["seconds"]

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.json"

    def run(self) -> None:
        """Tune, then race with what the tuning has chosen."""
        peaks = {name: set(FIRST[self.optimizer]) for name in schedules(0.1, 100)}
        while self.measure("tuning", peaks, TUNING):
            for name, tried in peaks.items():
                tried |= self.wanted(name, tried)
        reported = REPORTED[: self.workload.reported]
        self.measure("test", {n: {p} for n, p in self.chosen().items()}, reported)

    def wanted(self, name: str, tried: set[float]) -> set[float]:
        """Return the peaks that the protocol asks for next."""
        low, high = min(tried), max(tried)
        best = min(tried, key=lambda peak: self.mean(name, peak))
        if best in (low, high):
            further = best / 2 if best == low else best * 2
            if not LOWEST < further / min(FIRST[self.optimizer]) < HIGHEST:
                raise RuntimeError(f"{self.name}: {name} has no best peak")
            return {further}
        return {best * 2.0**k for k in (-2, -1, -0.5, 0.5, 1, 2)}

    def losses(self, part: str, name: str, peak: float) -> np.ndarray:
        """Return the last losses of one entry, `(seeds,)`."""
        runs = self.runs[part][name][f"{peak:.6g}"]
        return np.array([float(loss) for loss, _ in runs.values()])

    def mean(self, name: str, peak: float) -> float:
        """Return an entry's mean loss over the tuning seeds."""
        return float(self.losses("tuning", name, peak).mean())

    def peaks(self, name: str) -> list[float]:
        """Return the peaks that one schedule was tuned over, in order."""
        return sorted(map(float, self.runs["tuning"][name]))

    def chosen(self) -> dict[str, float]:
        """Return each schedule's best peak, and which cooldown is the best."""
        best = {
            name: min(self.peaks(name), key=lambda peak: self.mean(name, peak))
            for name in self.runs["tuning"]
        }
        cooldowns = [name for name in best if name.startswith("stable_decay")]
        kept = min(cooldowns, key=lambda name: self.mean(name, best[name]))
        return {n: p for n, p in best.items() if n == kept or n not in cooldowns}

    def measure(self, part: str, peaks: dict[str, set[float]], seeds: range) -> bool:
        """Run what is missing, seed by seed; return whether anything was."""
        ran = False
        for seed in seeds:
            missing = {
                f"{name} {peak:.6g}": (name, float(f"{peak:.6g}"))
                for name, wanted in peaks.items()
                for peak in sorted(wanted)
                if str(seed) not in self.runs[part].get(name, {}).get(f"{peak:.6g}", {})
            }
            if missing:
                self.race(part, missing, seed)
                ran = True
        return ran

    def race(self, part: str, missing: dict[str, tuple[str, float]], seed: int) -> None:
        """Run these entries from one seed, and store how they end."""
        start = processor_time()
        work = self.workload
        train, tuned, test = work.parts(seed)
        epochs = self.steps // (len(train[0]) // work.batch_size)
        make = OPTIMIZERS[self.optimizer]
        result = lrlib.race(
            {
                label: partial(entry, make, schedules(peak, self.steps)[name])
                for label, (name, peak) in missing.items()
            },
            seeds=[seed],
            epochs=epochs,
            batch_size=work.batch_size,
            model=work.model,
            data=(train, tuned if part == "tuning" else test),
            jit_compile=work.jit_compile,
            executor=self.executor,
            progress=False,
        )
        assert result.loss.shape[-1] == self.steps
        for i, (name, peak) in enumerate(missing.values()):
            rows = self.runs[part].setdefault(name, {}).setdefault(f"{peak:.6g}", {})
            loss, accuracy = result.test_loss[i, 0, -1], result.test_accuracy[i, 0, -1]
            rows[str(seed)] = [f"{loss:.6g}", f"{accuracy:.4g}"]
        self.seconds += processor_time() - start
        self.save()
        print(f"{self.name} {part} seed {seed}: {len(missing)} runs", flush=True)

    def save(self) -> None:
        """Write all runs so far, and what made them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            "seconds": round(self.seconds),
            "made_by": made_by(),
            "runs": self.runs,
        }
        partial_file = self.file.with_suffix(".partial")
        partial_file.write_text(json.dumps(content, indent=1) + "\n")
        os.replace(partial_file, self.file)


def entry(make: Callable, schedule: lrlib.Schedule) -> keras.optimizers.Optimizer:
    """Return a new optimizer with this schedule."""
    return make(schedule.to_keras())


def processor_time() -> float:
    """Return the seconds that this process and its children have used."""
    process = psutil.Process()
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(each.user + each.system for each in times)


@cache
def made_by() -> dict[str, str]:
    """Return what decides the numbers: versions, and file → digest of its code."""
    lrlib_files = (ROOT / "lrlib").rglob("*.py")
    used = ("schedules", "libraries", "experiments", "digits.py", "shakespeare.py")
    files = [Path(__file__)]
    files += [f for f in lrlib_files if f.relative_to(ROOT / "lrlib").parts[0] in used]
    return {"tensorflow": tf.__version__, "keras": keras.__version__} | {
        str(file.relative_to(ROOT)): hashlib.sha256(
            code_of(file.read_text()).encode()
        ).hexdigest()[:16]
        for file in sorted(files)
    }


def cells() -> list[str]:
    """Return the names of all cells, the cheapest first."""
    every = [
        (steps, f"{name}-{optimizer}-{steps}")
        for name, work in WORKLOADS.items()
        for optimizer in work.optimizers
        for steps in work.updates
    ]
    return [name for _, name in sorted(every)]


@contextlib.contextmanager
def processes(count: int) -> Iterator[Executor | None]:
    """Yield an executor of so many processes of Dask, or None for 0."""
    if not count:
        yield None
        return
    from dask.distributed import Client

    with Client(n_workers=count, threads_per_worker=1) as client:
        yield client.get_executor()


def compare(name: str, executor: Executor | None) -> None:
    """Run a cell from its first run on, and print it beside the stored one."""
    stored = json.loads((RESULTS / f"{name}.json").read_text())["runs"]["test"]
    with tempfile.TemporaryDirectory() as folder:
        cell = Cell(name, executor, Path(folder))
        cell.run()
    print(f"{'mean test loss':<20}{'peak':>10}{'now':>8}{'peak':>10}{'stored':>8}")
    for schedule in {**cell.runs["test"], **stored}:
        line = f"{schedule:<20}"
        for runs in (cell.runs["test"], stored):
            for peak, rows in runs.get(schedule, {"-": {}}).items():
                losses = [float(loss) for loss, _ in rows.values()] or [np.nan]
                line += f"{peak:>10}{np.mean(losses):8.4f}"
        print(line)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("cells", nargs="*", metavar="cell", help=", ".join(cells()))
    arguments.add_argument("--again", action="store_true", help="run anew and compare")
    arguments.add_argument("--dask", type=int, default=0, metavar="PROCESSES")
    options = arguments.parse_args()
    unknown = {*options.cells} - {*cells()}
    if unknown:
        arguments.error(f"no such cell: {', '.join(unknown)}")
    with processes(options.dask) as executor:
        for name in options.cells or cells():
            if options.again:
                compare(name, executor)
            else:
                Cell(name, executor).run()


if __name__ == "__main__":
    main()
