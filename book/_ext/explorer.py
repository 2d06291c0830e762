"""The explorer's files, on the published pages that hold one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import lrlib.show.explorer
from lrlib.show.explorer import bundle, training_files

SOURCE = Path(lrlib.show.explorer.__file__).parent


def write_files(app: Sphinx) -> None:
    """Join the explorer's modules into one classic script.

    A browser loads no module script from the disk.
    """
    if app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "explorer"
    folder.mkdir(parents=True, exist_ok=True)
    script = bundle.script(SOURCE / "page.js")
    (folder / "explorer.js").write_text(script, encoding="utf-8")
    shutil.copyfile(SOURCE / "explorer.css", folder / "explorer.css")
    # What a page loads when a network trains on it, and not before.
    for name, text in training_files().items():
        (folder / name).write_text(text, encoding="utf-8")


def add_files(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    _: Any,
) -> None:
    """Add them to a page that holds an explorer, and to no other."""
    if 'class="lrlib-explorer"' in context.get("body", ""):
        app.add_css_file("explorer/explorer.css")
        app.add_js_file("explorer/explorer.js", loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_files)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
