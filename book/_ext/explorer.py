"""The explorer's files, on the published pages that hold one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

import lrlib.show.explorer

SOURCE = Path(lrlib.show.explorer.__file__).parent
FILES = ("explorer.js", "explorer.css", "mount.js")


def _copy(app: Sphinx) -> None:
    if app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "explorer"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(SOURCE / name, folder / name)


def _load(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    _: Any,
) -> None:
    # What is added while a page is made is added to that page alone.
    if 'class="lrlib-explorer"' in context.get("body", ""):
        app.add_css_file("explorer/explorer.css")
        app.add_js_file("explorer/mount.js", type="module")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", _copy)
    app.connect("html-page-context", _load)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
