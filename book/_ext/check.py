"""The check of a pasted schedule, on the published page that has it.

Its script is joined from lrlib's modules, as the explorer's is, and
what it reads texts by comes from lrlib as data. All of them are classic
scripts: a browser loads no other from the disk.
"""

from __future__ import annotations

import json
import re
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sphinx.application import Sphinx

import lrlib
import lrlib.show.check
from lrlib.show.check import codes
from lrlib.show.check.data import data
from lrlib.show.explorer import bundle

SOURCE = Path(lrlib.show.check.__file__).parent
#: A schedule that a cell shows: how long its curve is, and its call.
SHOWN = re.compile(
    r'(<div class="lrlib-schedule">.*?at step ([\d,]+)"'
    r".*?<code>(\w+\(.*?\))</code>)",
    re.DOTALL,
)
KNOWN = {
    *lrlib.catalogue,
    *("clip", "cycle", "join", "product", "scale", "warmup"),
}
#: Where a page has the table of findings.
CODES = '<div class="lrlib-codes">'
CALL = re.compile(r"(?<![\w.'])([a-z]\w*)\(")


def write_files(app: Sphinx) -> None:
    """Write the page's script, its data and its style."""
    if app.builder.format != "html":
        return
    folder = Path(app.outdir) / "_static" / "check"
    folder.mkdir(parents=True, exist_ok=True)
    script = bundle.script(SOURCE / "checker.js")
    (folder / "check.js").write_text(script, encoding="utf-8")
    text = json.dumps(data(), separators=(",", ":"))
    assigned = f"globalThis.lrlibCheck = {text};\n"
    (folder / "data.js").write_text(assigned, encoding="utf-8")
    shutil.copyfile(SOURCE / "check.css", folder / "check.css")


def add_files(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    _: Any,
) -> None:
    """Add them to a page that holds a check, and to no other."""
    if "body" in context:
        body = SHOWN.sub(add_link, context["body"])
        if CODES in body:
            body = body.replace(CODES, CODES + table())
        context["body"] = body
    if 'class="lrlib-check"' in context.get("body", ""):
        app.add_css_file("check/check.css")
        for name in ("parser", "data", "check"):
            app.add_js_file(f"check/{name}.js", loading_method="defer")


def table() -> str:
    """Return the table of all findings, made from the code."""

    def row(cell: str, texts: Iterable[str]) -> str:
        cells = (f"<{cell}>{escape(text)}</{cell}>" for text in texts)
        return f"<tr>{''.join(cells)}</tr>"

    found = codes()
    body = "".join(row("td", each.values()) for each in found)
    return (
        f"<table class='table'><thead>{row('th', found[0])}</thead>"
        f"<tbody>{body}</tbody></table>"
    )


def add_link(shown: re.Match[str]) -> str:
    """Put a link to the check below a schedule that a cell shows."""
    html, steps, code = shown.groups()
    text = unescape(code)
    if not set(CALL.findall(text)) <= KNOWN:  # a reader's own schedule
        return html
    numbers = {"batch_size": 32, "epochs": 1}
    query = {
        "text": CALL.sub(r"lrlib.\1(", text),
        "samples": 32 * int(steps.replace(",", "")),
        **numbers,
    }
    # The theme takes what follows # for a selector: it must be valid.
    word = urlsafe_b64encode(urlencode(query).encode()).decode()
    address = f"check.html#q-{word.rstrip('=')}"
    return f'{html} <a href="{address}">Check it in my run</a>'


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_files)
    app.connect("html-page-context", add_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
