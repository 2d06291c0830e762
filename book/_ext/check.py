"""The check of a pasted schedule, on the published page that has it.

Its script is joined from lrlib's modules, as the explorer's is, and
what it reads texts by comes from lrlib as data. All of them are classic
scripts: a browser loads no other from the disk.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from html import escape, unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from assets import publish
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


def files() -> dict[str, str]:
    """Return the page's script, its data and its style."""
    text = json.dumps(data(), separators=(",", ":"))
    return {
        "check.js": bundle.script(SOURCE / "checker.js"),
        "data.js": f"globalThis.lrlibCheck = {text};\n",
        "check.css": (SOURCE / "check.css").read_text("utf-8"),
    }


def add_links(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    _: Any,
) -> None:
    """Link the schedules that a page shows to their check."""
    if "body" in context:
        body = SHOWN.sub(add_link, context["body"])
        if CODES in body:
            body = body.replace(CODES, CODES + table())
        context["body"] = body


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
    publish(app, "check", files, ["parser", "data", "check"])
    app.connect("html-page-context", add_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
