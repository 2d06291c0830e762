"""How a notebook becomes a page: figures, folded cells, head."""

from __future__ import annotations

import json
import re
from html import escape, unescape
from pathlib import Path
from typing import Any

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from PIL import Image
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

#: The words above a folded cell, by its tag.
PROMPTS = {"check": "Checked", "solution": "Solution"}
#: A figure's pixels for one of the page: figure.dpi over 96.
DENSITY = 1.5
DESCRIPTION_LENGTH = 155
#: Words of code in the color of the text around them: most of a page's
#: elements, and half of its weight.
PLAIN_CODE = re.compile(r'<span class="(?:n|nn|p|w)">([^<]*)</span>')


def read_cells(app: Sphinx, docname: str, source: list[str]) -> None:
    """Turn the book's conventions in a notebook into MyST-NB's.

    A first line `# alt: ...` is the figure's text alternative and
    leaves the page; a cell tagged with one of PROMPTS folds under it.
    """
    if Path(app.env.doc2path(docname)).suffix != ".ipynb":
        return
    notebook = json.loads(source[0])
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        options = cell["metadata"].setdefault("mystnb", {})
        first, _, rest = "".join(cell["source"]).partition("\n")
        if first.startswith("# alt: "):
            cell["source"] = rest
            options["image"] = {"alt": first.removeprefix("# alt: ")}
        for tag in cell["metadata"].get("tags", ()):
            if tag in PROMPTS:
                options["code_prompt_show"] = PROMPTS[tag]
    source[0] = json.dumps(notebook)


def visit_fold(self: HTML5Translator, node: HideCodeCellNode) -> None:
    """Open what is folded away: one word that tells what is there."""
    self.body.append(
        f"<details><summary>{escape(node['prompt_show'])}</summary>"
    )


def depart_fold(self: HTML5Translator, node: HideCodeCellNode) -> None:
    """Close it."""
    self.body.append("</details>")


def describe_page(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Describe the page, size its images, drop idle markup."""
    text = app.config.html_title
    if doctree:
        for paragraph in doctree.findall(nodes.paragraph):
            text = " ".join(paragraph.astext().split())
            break
    if len(text) > DESCRIPTION_LENGTH:
        text = text[:DESCRIPTION_LENGTH].rsplit(" ", 1)[0] + " …"
    tag = f'<meta name="description" content="{escape(text)}" />'
    context["metatags"] = context.get("metatags", "") + tag

    sources = {out: src for src, (_, out) in app.env.images.items()}

    def with_size(match: re.Match[str]) -> str:
        source = sources.get(Path(unescape(match[2])).name, "")
        if not source.endswith(".png"):
            return match[0]
        with Image.open(Path(app.srcdir, source)) as image:
            width, height = (round(n / DENSITY) for n in image.size)
        return f'{match[1]} width="{width}" height="{height}">'

    if "body" in context:
        context["body"] = re.sub(
            r'(<img (?:[^>]*? )?src="([^"]+)"[^>]*?)\s*/?>',
            with_size,
            context["body"],
        )
        context["body"] = PLAIN_CODE.sub(r"\1", context["body"])
        # The corner of a table of pandas' heads nothing, and
        # docutils' roles for references have been withdrawn.
        for wrong, right in {
            "<th></th>": "<td></td>",
            ' role="doc-biblioentry"': "",
            '<div role="list" class="citation-list">': (
                '<div class="citation-list">'
            ),
        }.items():
            context["body"] = context["body"].replace(wrong, right)


def name_sidebar(app: Sphinx, error: Exception | None) -> None:
    """Make the theme's sidebar a landmark; name what unfolds in it."""
    if error or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text("utf-8")
        page.write_text(
            html.replace(
                '<div id="pst-primary-sidebar" ',
                '<div id="pst-primary-sidebar" role="complementary"'
                ' aria-label="The book" ',
            ).replace(
                '<summary><span class="toctree-toggle"',
                '<summary aria-label="Pages below this one">'
                '<span class="toctree-toggle"',
            ),
            "utf-8",
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of the above with Sphinx."""
    app.connect("source-read", read_cells)
    app.connect("html-page-context", describe_page)
    app.connect("build-finished", name_sidebar)
    app.setup_extension("myst_nb")
    app.add_node(
        HideCodeCellNode, override=True, html=(visit_fold, depart_fold)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
