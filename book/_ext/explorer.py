"""The explorer's files, on the published pages that hold one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from assets import publish
from sphinx.application import Sphinx

import lrlib.show.explorer
from lrlib.show.explorer import bundle, training_files

SOURCE = Path(lrlib.show.explorer.__file__).parent


def files() -> dict[str, str]:
    """Join the explorer's modules into one classic script.

    A browser loads no module script from the disk. What trains is
    loaded when a network trains on a page, and not before.
    """
    return {
        "explorer.js": bundle.script(SOURCE / "page.js"),
        "explorer.css": (SOURCE / "explorer.css").read_text("utf-8"),
        **training_files(),
    }


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    publish(app, "explorer", files, ["explorer"])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
