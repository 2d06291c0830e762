"""Files of lrlib, on the published pages that need them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx


def publish(
    app: Sphinx,
    name: str,
    files: Callable[[], Mapping[str, str]],
    scripts: Sequence[str],
) -> None:
    """Write files when the book is built, and link them where needed.

    Args:
        app: the book's build.
        name: the folder below `_static`, and of its style. A page that
            holds an element of the class `lrlib-name` gets the links.
        files: the text of each file by its name.
        scripts: the names of those to run, in order, without `.js`.

    """

    def write(app: Sphinx) -> None:
        if app.builder.format != "html":
            return
        folder = Path(app.outdir) / "_static" / name
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files().items():
            (folder / file).write_text(text, encoding="utf-8")

    def link(
        app: Sphinx,
        page: str,
        template: str,
        context: dict[str, Any],
        _: Any,
    ) -> None:
        if f'class="lrlib-{name}"' in context.get("body", ""):
            app.add_css_file(f"{name}/{name}.css")
            for script in scripts:
                app.add_js_file(
                    f"{name}/{script}.js", loading_method="defer"
                )

    app.connect("builder-inited", write)
    app.connect("html-page-context", link)
