"""Let lrlib.check look at every `fit` of the book's notebooks, just before it trains.

    python tests/check_book.py [NOTEBOOK ...]

A cell that shows a fault on purpose has the tag `fault`; everywhere else the check must
find nothing worse than a note. What it finds is printed, cell by cell, and a finding in
a cell without the tag is an error. It takes as long as the notebooks: some minutes.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "book"

#: Runs first in each kernel: `fit` writes what the check finds, then trains.
WATCH = """
import json as _json, os as _os
import keras as _keras
import lrlib as _lrlib

_fit = _keras.Model.fit

def _checked(self, x=None, y=None, batch_size=None, epochs=1, **more):
    told = {k: v for k, v in more.items() if k != "verbose"}
    found = {"cell": _cell, "codes": []}
    try:
        report = _lrlib.check(
            self, x=x, batch_size=batch_size, epochs=epochs, **told
        )
        found["codes"] = [
            [f.code, f.severity, f.text] for f in report.findings
            if f.severity != "note"
        ]
    except Exception as error:
        found["error"] = f"{type(error).__name__}: {error}"
    with open(_os.environ["LRLIB_FOUND"], "a") as file:
        file.write(_json.dumps(found) + "\\n")
    return _fit(self, x, y, batch_size, epochs, **more)

_keras.Model.fit = _checked
"""


def findings(path: Path) -> list[dict]:
    """Return what the check finds at each `fit` of a notebook."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not any("fit(" in cell.source for cell in code):
        return []
    for cell in code:
        cell.source = f"_cell = {cell.id!r}\n{cell.source}"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(WATCH))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LRLIB_FOUND"] = str(Path(folder, "found"))
        client = NotebookClient(
            notebook, timeout=600, resources={"metadata": {"path": BOOK}}
        )
        client.execute()
        found = Path(os.environ["LRLIB_FOUND"])
        lines = found.read_text().splitlines() if found.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    paths = [Path(name) for name in sys.argv[1:]] or sorted(BOOK.glob("*.ipynb"))
    alarms = fits = 0
    for path in paths:
        cells = nbformat.read(path, as_version=4).cells
        faulty = {c.id for c in cells if "fault" in c.metadata.get("tags", ())}
        found = findings(path)
        fits += len(found)
        for each in found:
            if not each["codes"] and "error" not in each:
                continue
            meant = each["cell"] in faulty and "error" not in each
            alarms += not meant
            words = each.get("error") or "; ".join(
                f"{a} {b}: {c}" for a, b, c in each["codes"]
            )
            print(f"{path.stem}/{each['cell']}{' (fault)' if meant else ''}: {words}")
        silent = sorted(faulty - {each["cell"] for each in found if each["codes"]})
        print(
            f"{path.stem}: {len(found)} fits; without a finding: {silent}", flush=True
        )
    print(f"{fits} fits, {alarms} findings where none was meant")
    sys.exit(bool(alarms))


if __name__ == "__main__":
    main()
