"""What backs the sentences of a notebook: its checks and its citations.

`golden/claims.json` records both. If a check or a citation goes, or a check asserts
less, a test fails and quotes the text that may have lost its proof. After a change
that you meant, `python tests/test_claims.py` writes the record; read its diff.
"""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import nbformat
import pytest

RECORD = Path(__file__).parent / "golden" / "claims.json"
NOTEBOOKS = sorted((RECORD.parents[2] / "book").glob("*.ipynb"))


def backing(cells):
    """Return the asserts of each check with the text before it, and what is cited."""
    checks, cited, text = {}, Counter(), ""
    for cell in cells:
        if cell.cell_type == "markdown":
            text = cell.id
            for keys in re.findall(r"\{cite\w*\}`([^`]+)`", cell.source):
                cited.update(keys.replace(" ", "").split(","))
        elif {"check", "solution"} & set(cell.metadata.get("tags", ())):
            nodes = ast.walk(ast.parse(cell.source))
            checks[cell.id] = [sum(isinstance(n, ast.Assert) for n in nodes), text]
    return {"checks": checks, "cited": dict(sorted(cited.items()))}


def lost(recorded, cells):
    """Return a sentence for each check and citation that is gone or has shrunk."""
    now, texts = backing(cells), {cell.id: cell.source for cell in cells}
    for name, (count, text) in recorded["checks"].items():
        left, _ = now["checks"].get(name, (0, text))
        if left < count:
            claim = texts.get(text, "a text that is gone as well")
            yield f"{name} has {left} of {count} asserts. Is this still proved? {claim}"
    for key, count in recorded["cited"].items():
        if (left := now["cited"].get(key, 0)) < count:
            yield f"{key} is cited {left} times, not {count}. What did it back?"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_claim_has_lost_its_proof(path):
    recorded = json.loads(RECORD.read_text("utf-8")).get(path.stem, backing([]))
    cells = nbformat.read(path, as_version=4).cells
    assert not (gone := [*lost(recorded, cells)]), gone
    assert recorded == backing(cells), "record it: python tests/test_claims.py"


if __name__ == "__main__":
    pages = {p.stem: backing(nbformat.read(p, as_version=4).cells) for p in NOTEBOOKS}
    text = json.dumps(pages, indent=1, ensure_ascii=False)
    RECORD.write_text(re.sub(r"\[\s+(\d+),\s+(\S+)\s+\]", r"[\1, \2]", text) + "\n")
