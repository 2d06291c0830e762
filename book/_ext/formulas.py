"""Formulas in the text: LaTeX becomes MathML when the book is built."""

from __future__ import annotations

import re

from docutils import nodes
from math_core import LatexError
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

from lrlib.show.mathml import mathml

logger = logging.getLogger(__name__)


class KeepTogether(SphinxPostTransform):
    """Keep a formula on one line with the comma or bracket next to it.

    Browsers would break a line there, even before a full stop.
    """

    default_priority = 500
    formats = ("html",)

    def run(self, **kwargs: object) -> None:
        """Wrap each formula and the text that adjoins it in a span."""
        for formula in list(self.document.findall(nodes.math)):
            kept = nodes.inline("", "", classes=["formula"])
            left = _cut(formula, -1, r"(.*?)(\S*)")
            right = _cut(formula, 1, r"(\S*)(.*)")
            formula.replace_self(kept)
            kept += [*left, formula, *right]


def _cut(
    formula: nodes.math, side: int, pattern: str
) -> list[nodes.Text]:
    """Take the text that adjoins a formula out of its neighbor."""
    siblings = formula.parent
    i = siblings.index(formula) + side
    if not 0 <= i < len(siblings) or not isinstance(
        siblings[i], nodes.Text
    ):
        return []
    match = re.fullmatch(pattern, siblings[i], re.DOTALL)
    assert match
    kept, rest = match.groups()[::side]
    siblings[i] = nodes.Text(rest)
    return [nodes.Text(kept)] if kept else []


def convert(latex: str, node: nodes.Node, *, display: bool) -> str:
    """Return a formula as MathML; warn where its LaTeX is wrong."""
    try:
        return mathml(latex, display=display)
    except LatexError as error:
        logger.warning(
            "%s in the formula %s", error, latex, location=node
        )
        return ""


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a sentence."""
    self.body.append(convert(node.astext(), node, display=False))
    raise nodes.SkipNode


def visit_math_block(
    self: HTML5Translator, node: nodes.math_block
) -> None:
    r"""Write a formula that stands by itself, and its number if any.

    What `\qquad` separates wraps into lines on a narrow screen; what is
    still too wide scrolls, for which the keyboard needs a tab stop.
    """
    latex = node.astext()
    if r"\\" in latex and r"\begin" not in latex:
        latex = rf"\begin{{aligned}}{latex}\end{{aligned}}"
    parts = [latex]
    if r"\begin" not in latex:
        parts = re.split(r"\\qquad", latex)
    self.body.append(
        self.starttag(node, "div", CLASS="math", tabindex="0")
    )
    self.body += [convert(part, node, display=True) for part in parts]
    if number := node["number"] and get_node_equation_number(
        self, node
    ):
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_post_transform(KeepTogether)
    app.add_html_math_renderer(
        "mathml", (visit_math, None), (visit_math_block, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
