"""Keep links to renamed headings alive.

`book/anchors.yml` says for each page which anchors it once had, and
which section of today stands in for each.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

FILE = Path(__file__).parent.parent / "anchors.yml"


def add_former(app: Sphinx, doctree: nodes.document) -> None:
    """Give the sections of a page their former anchors, too.

    Raises:
        ExtensionError: there is no section of that anchor, or the page
            still has the former one.

    """
    page = Path(app.env.docname).name
    former = yaml.safe_load(FILE.read_text("utf-8")).get(page, {})
    ids = {
        name: node
        for node in doctree.findall(nodes.Element)
        for name in node["ids"]
    }
    for old, new in former.items():
        if new not in ids:
            raise ExtensionError(
                f"anchors.yml: {page} has no #{new} to stand in for "
                f"#{old}; it has {', '.join(ids)}"
            )
        if old in ids:
            raise ExtensionError(
                f"anchors.yml: {page} still has #{old}; drop its line"
            )
        ids[new]["ids"].append(old)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", add_former)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
