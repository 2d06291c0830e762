"""Run the book's notebooks afresh and store what they show.

    python book/execute.py [--jobs N] [notebook ...]

A notebook is written back only when every cell has run without an error
and without a word on stderr, in one step: an interrupted or failing run
leaves the file as it was. What is stored is clean: no widget state, no
times, no random ids, and a digest of all that made the outputs, so that
a test can tell when they are out of date.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import (
    CellExecutionError,
    CellTimeoutError,
    DeadKernelError,
)
from nbformat import NotebookNode

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

#: What of lrlib and of the locked packages shapes the outputs.
LRLIB_SUFFIXES = {".css", ".js", ".json", ".mplstyle", ".npz", ".py"}
PACKAGES = {
    *(
        "anywidget",
        "ipython",
        "ipywidgets",
        "keras",
        "math-core",
        "matplotlib",
    ),
    *(
        "matplotlib-inline",
        "numpy",
        "pandas",
        "pillow",
        "scipy",
        "sympy",
    ),
    *("tensorflow", "tf-keras"),
}


class NotebookError(Exception):
    """A notebook did not run as it should; the text names the cell."""


def lrlib_digest() -> str:
    """Return the SHA-256 of lrlib and the output-shaping packages."""
    digest = hashlib.sha256()
    for file in sorted((ROOT / "lrlib").rglob("*")):
        if file.suffix in LRLIB_SUFFIXES:
            digest.update(
                file.relative_to(ROOT).as_posix().encode() + b"\0"
            )
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    for line in (ROOT / "requirements.txt").read_text().splitlines():
        if line.split("==")[0] in PACKAGES:
            digest.update(line.encode() + b"\n")
    return digest.hexdigest()


def digest(notebook: NotebookNode) -> str:
    """Return the SHA-256 of all that made a notebook's outputs."""
    code = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]
    text = "\0".join([lrlib_digest(), *code])
    return hashlib.sha256(text.encode()).hexdigest()


def clean(notebook: NotebookNode) -> None:
    """Drop from an executed notebook what differs between runs.

    Raises:
        NotebookError: a cell wrote on stderr.

    """
    notebook.metadata = NotebookNode(
        kernelspec=KERNELSPEC,
        language_info={"name": "python"},
        digest=digest(notebook),
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
            changed meanwhile.

    """
    start = time.monotonic()
    # The kernel of this folder: quiet, and run by this very Python.
    os.environ["JUPYTER_PATH"] = str(BOOK / "_jupyter")
    before = path.read_bytes()
    notebook = nbformat.reads(before.decode(), as_version=4)
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
            cell
            for cell in notebook.cells
            for output in cell.get("outputs", ())
            if output.output_type == "error"
            and "raises-exception" not in cell.metadata.get("tags", ())
        )
        trace = re.sub(r"\x1b\[[0-9;]*m", "", error.traceback)
        raise NotebookError(
            f"cell {failed.id} failed:\n{trace}"
        ) from None
    except (CellTimeoutError, DeadKernelError) as error:
        raise NotebookError(str(error)) from None
    clean(notebook)
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
