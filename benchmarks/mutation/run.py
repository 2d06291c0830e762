"""Change lrlib in one place at a time, and see whether a test notices.

    python benchmarks/mutation/run.py             go on where the last run ended
    python benchmarks/mutation/run.py --again     only the survivors, with today's tests
    python benchmarks/mutation/run.py --report    what has been found so far

Cosmic Ray (`pip install cosmic-ray`) makes the mutants and keeps the results, in a
session file under `_build/mutants`. Starting Python and Keras for each of them would
take hours: here one process that has imported all but lrlib forks for each mutant, and
the fork imports the changed module from memory. No file of lrlib is written.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import resource
import sys
import time
import tomllib
from pathlib import Path

import pytest
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkResult

ROOT = Path(__file__).parents[2]
CONFIG = tomllib.loads((ROOT / "benchmarks/mutation/config.toml").read_text())
#: A mutant that computes for longer than this, in seconds, never ends.
LIMIT = 90
#: What the forks find imported.
NEEDED = ("hypothesis", "IPython.display", "keras", "math_core", "matplotlib.pyplot")
NEEDED += ("mpmath", "sympy")
KILLED, SURVIVED = TestOutcome.KILLED, TestOutcome.SURVIVED


def sources(folders: list[str]) -> list[Path]:
    """Return the modules in the folders, relative to the repository."""
    files = (p for folder in folders for p in sorted((ROOT / folder).glob("*.py")))
    return [p.relative_to(ROOT) for p in files]


def session() -> Path:
    """Return the session's file; other sources have another one."""
    digest = hashlib.sha256()
    for path in sources([*CONFIG["all"], *CONFIG["some"]]):
        digest.update(path.read_bytes())
    return ROOT / "_build" / "mutants" / f"{digest.hexdigest()[:12]}.sqlite"


def place(mutation: MutationSpec) -> tuple[str, tuple[int, int], str, int]:
    """Return what mutants are sorted by."""
    path, name = str(mutation.module_path), mutation.operator_name
    return path, mutation.start_pos, name, mutation.occurrence


def annotated(source: str) -> set[tuple[int, int]]:
    """Return where annotations begin and end that nothing evaluates, line by line."""
    found: set[tuple[int, int]] = set()
    for node in ast.walk(ast.parse(source)):
        for each in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(each, ast.BinOp):
                found |= {
                    (line, column)
                    for line in range(each.lineno, each.end_lineno + 1)
                    for column in range(
                        each.col_offset if line == each.lineno else 0,
                        each.end_col_offset if line == each.end_lineno else 200,
                    )
                }
    return found


def choose(db) -> list[tuple[str, MutationSpec]]:
    """Return the mutants to try, each with its id in the session."""
    operators = {f"core/{name}" for name in CONFIG["operators"]}
    types = {p: annotated(p.read_text()) for p in sources(CONFIG["all"])}
    types |= {p: annotated(p.read_text()) for p in sources(CONFIG["some"])}
    mutants = sorted(
        (
            (item.job_id, *item.mutations)
            for item in db.work_items
            if item.mutations[0].operator_name in operators
            and item.mutations[0].start_pos not in types[item.mutations[0].module_path]
        ),
        key=lambda pair: place(pair[1]),
    )
    every = [m for m in mutants if str(m[1].module_path).startswith(*CONFIG["all"])]
    other = [m for m in mutants if m not in every]
    drawn = random.Random(CONFIG["seed"]).sample(other, CONFIG["count"])
    chosen = [*every, *drawn]
    # In no order, so that a run that was cut short is a fair sample.
    return random.Random(CONFIG["seed"]).sample(chosen, len(chosen))


class Changed(importlib.abc.MetaPathFinder, importlib.machinery.SourceFileLoader):
    """Imports one module from a text instead of from its file."""

    def __init__(self, path: Path, text: str) -> None:
        name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        super().__init__(name, str(ROOT / path))
        self.text = text

    def find_spec(self, name, path=None, target=None):
        """Answer for the one module."""
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, fullname):
        """Compile the text."""
        return compile(self.text, self.path, "exec")


class OfOneSchedule:
    """Leaves out the catalogue's tests of all schedules but the one changed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep what is about the schedule, or about none."""
        import lrlib

        def about(item: pytest.Item) -> str:
            params = item.callspec.params if hasattr(item, "callspec") else {}
            thing = params.get("schedule", params.get("name", self.name))
            return thing if isinstance(thing, str) else getattr(thing, "name", "")

        others = {*lrlib.catalogue} - {self.name}
        items[:] = [item for item in items if about(item) not in others]


def tests(path: Path) -> list[str]:
    """Return the tests of a module: its own doctests first."""
    names = next(v for k, v in CONFIG["tests"].items() if str(path).startswith(k))
    return [str(path), *(f"tests/{name}.py" for name in names)]


def run(path: Path, text: str, name: str | None, log: Path) -> bool:
    """Return whether the tests pass on a module with this text, in a fork."""
    if not (child := os.fork()):
        resource.setrlimit(resource.RLIMIT_CPU, (LIMIT, LIMIT))
        with log.open("w") as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        sys.meta_path.insert(0, changed := Changed(path, text))
        plugins = [OfOneSchedule(name)] if name else []
        slow = f"not ({' or '.join(CONFIG['left_out'])})"
        options = ["-xq", "-m", "not pages", "-k", slow, "--tb=line"]
        options += ["-W", "ignore", "--no-header"]
        try:
            # Before pytest, which imports the files that it is given by itself.
            importlib.import_module(changed.name)
            # File by file: most mutants die before the large ones are even collected.
            for file in tests(path):
                print(file, f"{time.process_time():.1f} s", flush=True)
                if pytest.main([*options, file], plugins) not in (0, 5):
                    os._exit(1)
            print(f"{time.process_time():.1f} s", flush=True)
            os._exit(0)
        finally:
            os._exit(3)
    return os.waitpid(child, 0)[1] == 0


def main() -> None:
    """Try what has not been tried yet."""
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--again", action="store_true", help="survivors only")
    arguments.add_argument("--report", action="store_true", help="try nothing")
    options = arguments.parse_args()
    os.chdir(ROOT)
    file = session()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = not file.exists()
    with use_db(file) as db:
        if fresh:
            init(sources([*CONFIG["all"], *CONFIG["some"]]), db, {})
        mutants = choose(db)
        done = dict(db.results)
        todo = [
            (job, mutation)
            for job, mutation in mutants
            if (
                job in done and done[job].test_outcome == SURVIVED
                if options.again
                else job not in done
            )
        ]
        if not options.report:
            try_all(db, todo, file.with_suffix(".log"))
        report(mutants, dict(db.results))


def try_all(db, todo: list[tuple[str, MutationSpec]], log: Path) -> None:
    """Run the tests on each mutant and store what they said."""
    for name in NEEDED:
        importlib.import_module(name)

    # Plugins are found once, and no fork looks for garbage in what all share.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    gc.freeze()
    original: dict[Path, str] = {}
    sound: set[tuple[str, ...]] = set()
    for number, (job, mutation) in enumerate(todo, 1):
        path, start = mutation.module_path, time.monotonic()
        if path not in original:
            original[path] = path.read_text()
            wanted = tuple(tests(path)[1:])
            if wanted not in sound and not run(path, original[path], None, log):
                sys.exit(f"{path}: its tests fail as it is:\n{log.read_text()}")
            sound.add(wanted)
            start = time.monotonic()
        operator = get_operator(mutation.operator_name)(**mutation.operator_args)
        text = mutate_code(original[path], operator, mutation.occurrence)
        name = mutation.definition_name if path.name == "catalogue.py" else None
        passed = run(path, text, name, log)
        lines = difflib.unified_diff(
            original[path].split("\n"), text.split("\n"), n=0, lineterm=""
        )
        result = WorkResult(
            worker_outcome=WorkerOutcome.NORMAL,
            output=log.read_text()[-2000:],
            test_outcome=SURVIVED if passed else KILLED,
            diff="\n".join([*lines][2:]),
        )
        db.set_result(job, result)
        print(
            f"{number}/{len(todo)} {path}:{mutation.start_pos[0]} "
            f"{mutation.operator_name[5:]} {result.test_outcome.value} "
            f"{time.monotonic() - start:.1f} s",
            flush=True,
        )


def report(mutants: list[tuple[str, MutationSpec]], done) -> None:
    """Print the survivors, and how many there are of each outcome by module."""
    counts: dict[Path, list[int]] = {}
    for job, mutation in mutants:
        outcome = done[job].test_outcome if job in done else None
        row = counts.setdefault(mutation.module_path, [0, 0, 0])
        row[{KILLED: 0, SURVIVED: 1, None: 2}[outcome]] += 1
        if outcome == SURVIVED:
            print(f"{mutation.module_path} {mutation.operator_name[5:]}")
            print(done[job].diff)
    print(f"{'killed':>8}{'survived':>10}{'not run':>9}")
    total = [sum(each) for each in zip(*counts.values(), strict=True)]
    for path, row in [*sorted(counts.items()), ("all", total)]:
        print(f"{row[0]:>8}{row[1]:>10}{row[2]:>9}  {path}")


if __name__ == "__main__":
    main()
