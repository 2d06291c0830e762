"""Run the book's notebooks afresh and store what they show.

    python book/execute.py [--jobs N] [notebook ...]

A notebook is written back only when every cell has run without an error
and without a word on stderr, in one step: an interrupted or failing run
leaves the file as it was. What is stored is clean: no widget state, no
times, no random ids. With it goes a digest of all that made the
outputs, so that a test can tell when they are out of date.
"""

from __future__ import annotations

import argparse
import ast
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
#: The longest that one cell may run, in seconds.
CELL_TIMEOUT = 300
KERNELSPEC = {
    "display_name": "Python 3",
    "language": "python",
    "name": "python3",
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"

#: What stands beside lrlib's modules and shapes the outputs, too.
DATA_SUFFIXES = {".css", ".js", ".json", ".mplstyle", ".npz", ".xz"}
PACKAGES = {
    *("anywidget", "ipython", "ipywidgets", "keras", "math-core"),
    *("matplotlib", "matplotlib-inline", "numpy", "pandas", "pillow"),
    *("scipy", "sympy", "tensorflow", "tf-keras"),
}
#: The last cell of a run, which isn't stored: what it has imported.
IMPORTED = """
{
    name: module.__file__
    for name, module in sorted(__import__("sys").modules.items())
    if name.partition(".")[0] == "lrlib"
    and getattr(module, "__file__", None)
}
"""


class NotebookError(Exception):
    """A notebook did not run as it should; the text names the cell."""


@dataclass(frozen=True)
class Sources:
    """What outputs are made of, beside the cells, at one moment.

    Attributes:
        files: a hash of each file of lrlib, by its path.
        locked: the lines of requirements.txt that matter.

    """

    files: dict[str, str]
    locked: tuple[str, ...]

    @classmethod
    def read(cls) -> Sources:
        """Return what they are now."""
        files = {}
        for path in (ROOT / "lrlib").rglob("*"):
            if path.suffix == ".py":
                content = code_of(path.read_text("utf-8")).encode()
            elif path.suffix in DATA_SUFFIXES:
                content = path.read_bytes()
            else:
                continue
            name = path.relative_to(ROOT).as_posix()
            files[name] = hashlib.sha256(content).hexdigest()
        lines = (ROOT / "requirements.txt").read_text().splitlines()
        locked = (x for x in lines if x.split("==")[0] in PACKAGES)
        return cls(files, tuple(locked))

    def of(self, modules: Iterable[str]) -> dict[str, str]:
        """Return the hashes of some modules and of their data.

        A file of data belongs to the innermost package around it. A
        module that is no longer there has the hash "".
        """
        used, packages = {}, set()
        for module in modules:
            path = module.replace(".", "/")
            package = f"{path}/__init__.py"
            if package in self.files:
                packages.add(path)
                used[package] = self.files[package]
            else:
                used[f"{path}.py"] = self.files.get(f"{path}.py", "")
        for path, value in self.files.items():
            if not path.endswith(".py") and (
                self._package(path) in packages
            ):
                used[path] = value
        return used

    def _package(self, path: str) -> str:
        folder = path.rpartition("/")[0]
        if not folder or f"{folder}/__init__.py" in self.files:
            return folder
        return self._package(folder)

    def digest(
        self, notebook: NotebookNode, modules: Iterable[str]
    ) -> str:
        """Return the SHA-256 of all that makes a notebook's outputs."""
        cells = [c for c in notebook.cells if c.cell_type == "code"]
        made_of = [
            [cell.source for cell in cells],
            self.of(modules),
            self.locked,
        ]
        text = json.dumps(made_of, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@functools.cache
def code_of(source: str) -> str:
    """Return what Python reads in a source: no comment, no docstring.

    It is the same for every version of Python that the book runs on,
    which `ast.dump` is not.
    """

    def plain(node: Any) -> Any:
        if isinstance(node, ast.AST):
            fields = {
                name: plain(value)
                for name, value in ast.iter_fields(node)
            }
            given = {
                k: v for k, v in fields.items() if v not in (None, [])
            }
            return [type(node).__name__, given]
        if isinstance(node, list):
            return [plain(each) for each in node if not is_text(each)]
        return node if node is None else repr(node)

    def is_text(node: Any) -> bool:
        return (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        )

    return json.dumps(plain(ast.parse(source)))


def is_current(notebook: NotebookNode) -> bool:
    """Return whether a notebook shows what it would show if run now."""
    stored = notebook.metadata
    if not {"digest", "modules"} <= set(stored):
        return False
    return stored.digest == Sources.read().digest(
        notebook, stored.modules
    )


def imported(cell: NotebookNode) -> list[str]:
    """Return the modules of lrlib that a run has imported.

    Raises:
        NotebookError: they are another copy of lrlib than the book's.

    """
    files = ast.literal_eval(cell.outputs[0].data["text/plain"])
    for name, file in files.items():
        if ROOT / "lrlib" not in Path(file).resolve().parents:
            raise NotebookError(f"{name} was imported from {file}")
    return list(files)


def clean(notebook: NotebookNode) -> None:
    """Drop from an executed notebook what differs between runs.

    Raises:
        NotebookError: a cell wrote on stderr.

    """
    notebook.metadata = NotebookNode(
        kernelspec=KERNELSPEC,
        language_info={"name": "python"},
    )
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = (
            NotebookNode(tags=tags) if tags else NotebookNode()
        )
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise NotebookError(
                    f"cell {cell.id} wrote on stderr:\n{output.text}"
                )
            if (
                output.output_type == "error"
            ):  # the frames name this machine's paths
                output.traceback = [f"{output.ename}: {output.evalue}"]
            for mime in set(output.get("data", ())) & {WIDGET_VIEW}:
                del output.data[
                    mime
                ]  # a random id; the page takes what is beside it


def execute(path: Path) -> float:
    """Run one notebook, write it back, return how many seconds it took.

    Raises:
        NotebookError: a cell failed or wrote on stderr, or the file
            or a module that it imports changed meanwhile.

    """
    start = time.monotonic()
    # The kernel of this folder: quiet, and run by this very Python.
    os.environ["JUPYTER_PATH"] = str(BOOK / "_jupyter")
    sources = Sources.read()
    before = path.read_bytes()
    notebook = nbformat.reads(before.decode(), as_version=4)
    notebook.cells.append(new_code_cell(IMPORTED, id="imported"))
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    try:
        client.execute(
            stderr=subprocess.DEVNULL
        )  # TensorFlow's start-up lines
    except CellExecutionError as error:
        failed = next(
            (
                f"cell {cell.id}"
                for cell in notebook.cells
                for output in cell.get("outputs", ())
                if output.output_type == "error"
                and "raises-exception"
                not in cell.metadata.get("tags", ())
            ),
            "a cell",
        )
        trace = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback)
        raise NotebookError(f"{failed} failed:\n{trace}") from None
    except (CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(str(error)) from None
    modules = imported(notebook.cells.pop())
    clean(notebook)
    if Sources.read().of(modules) != sources.of(modules):
        raise NotebookError("lrlib was changed while it ran")
    notebook.metadata.digest = sources.digest(notebook, modules)
    notebook.metadata.modules = modules
    nbformat.validate(notebook)
    if path.read_bytes() != before:
        raise NotebookError("the file was changed while it ran")
    whole = path.with_name(f".{path.name}.new")
    try:
        whole.write_text(
            nbformat.writes(notebook) + "\n", encoding="utf-8"
        )
        whole.chmod(path.stat().st_mode)
        whole.replace(path)
    finally:
        whole.unlink(missing_ok=True)
    return time.monotonic() - start


def main() -> int:
    """Run the notebooks named, or all; return the exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="how many at a time"
    )
    parser.add_argument(
        "notebooks", nargs="*", type=Path, help="default: all"
    )
    args = parser.parse_args()
    paths = args.notebooks or sorted(BOOK.glob("*.ipynb"))
    failed = 0
    with ProcessPoolExecutor(args.jobs) as pool:
        running = {
            pool.submit(execute, path.resolve()): path for path in paths
        }
        try:
            for done in as_completed(running):
                try:
                    print(
                        f"{running[done]}: {done.result():.0f} s",
                        flush=True,
                    )
                except (NotebookError, OSError, ValueError) as error:
                    failed += 1
                    print(
                        f"{running[done]}: left as it was; {error}",
                        flush=True,
                    )
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            print(
                "interrupted: what had not finished is left as it was"
            )
            return 130
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
