"""The book's search: what can be found, read from the pages.

Sphinx's own search is off. Once the pages are written, this module
reads them and writes a document for each section into one script, which
the page loads when somebody searches, from a server or from a folder.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

#: Scripts of Sphinx's search and of its highlighting.
UNUSED = ("searchtools.js", "language_data.js", "sphinx_highlight.js")
#: The page to offer when nothing is found, if the book has it.
SYMPTOMS = "book/symptoms"

HEADINGS = {f"h{level}" for level in range(1, 7)}
VOID = {"br", "col", "hr", "img", "input", "link", "meta", "wbr"}
#: A line of text ends where one of these begins or ends.
BLOCKS = HEADINGS | {
    *("p", "pre", "li", "tr", "dl", "dt", "dd", "table", "caption"),
    *("div", "section", "article", "aside", "blockquote", "figcaption"),
    "small",  # the legend under a schedule
}
#: What nobody wrote for people to read as text.
SKIPPED = {"annotation", "button", "script", "style", "summary", "svg"}
SKIPPED_CLASSES = {
    *("headerlink", "linenos", "lrlib-explorer"),
    *("section-number", "tag_check"),
}
#: The code of such a cell only draws a figure.
DRAWS = "tag_hide-input"
#: Drawings are most of a page. They go first, for speed.
DRAWING = re.compile(r"<svg\b.*?</svg>", re.DOTALL)
SYNONYMS = re.compile(r"\s*synonyms:(.*)", re.DOTALL)
IMPORT = re.compile(r"(import|from) \w")
EMPTY_CELLS = re.compile(r"·( ·)+")


@dataclass
class Document:
    """What can be found under one anchor of a page."""

    anchor: str
    title: str = ""
    synonyms: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)


@dataclass
class Element:
    """An open element of a page."""

    tag: str
    skipped: bool
    preformatted: bool
    in_row: bool
    outer: Document | None  # the one to return to when it closes


class Article(HTMLParser):
    """Reads a page into `documents`, the page's beginning first.

    A document begins at a section, at a term of the glossary, at an
    object of the reference, and at a heading with an id that a cell has
    written. `<!-- synonyms: a, b -->` adds words to the document around
    it.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.documents: list[Document] = []
        self._document: Document | None = None
        self._stack: list[Element] = []
        self._words: list[str] = []
        self._is_title = False
        self._draws = False
        self.feed(DRAWING.sub("", html))
        self.close()

    def handle_starttag(
        self, tag: str, attrs: list[tuple[str, str | None]]
    ) -> None:
        """Go into an element."""
        attributes = {name: value or "" for name, value in attrs}
        classes = set(attributes.get("class", "").split())
        if not self._stack:
            if tag == "article" and "bd-article" in classes:
                self._stack.append(
                    Element(tag, False, False, False, None)
                )
            return
        parent = self._stack[-1]
        if tag in BLOCKS:
            self._end_block(parent)
        if "cell" in classes:
            self._draws = DRAWS in classes
        element = Element(
            tag,
            skipped=parent.skipped
            or tag in SKIPPED
            or not SKIPPED_CLASSES.isdisjoint(classes)
            or (self._draws and "cell_input" in classes),
            preformatted=parent.preformatted or tag == "pre",
            in_row=parent.in_row or tag == "tr",
            outer=self._document,
        )
        if not element.skipped:
            if tag == "br":
                self._words.append("\n")
            elif tag in {"td", "th"}:
                self._words.append(" · ")
            elif tag == "img":
                self._words.append(attributes.get("alt", ""))
                self._end_line()
            self._begin(tag, attributes.get("id", ""), classes)
        if tag not in VOID:
            self._stack.append(element)

    def _begin(self, tag: str, anchor: str, classes: set[str]) -> None:
        """Begin a document where an element does."""
        if tag in HEADINGS and self._document and not anchor:
            self._is_title = not self._document.title
        elif anchor and tag in {*HEADINGS, "section", "dt"}:
            # An object of the reference goes by its whole name.
            is_object = "sig" in classes
            self._document = Document(anchor, anchor * is_object)
            self.documents.append(self._document)
            self._is_title = tag != "section" and not is_object

    def handle_endtag(self, tag: str) -> None:
        """Go out of an element, and of those left open within it."""
        if all(element.tag != tag for element in self._stack):
            return
        if tag == "tr":
            self._end_line()
        elif tag in BLOCKS:
            self._end_block(self._stack[-1])
        closed = None
        while closed != tag:
            element = self._stack.pop()
            closed = element.tag
            # A definition follows its term, a text its heading.
            if closed in {"section", "dl"}:
                self._document = element.outer

    def handle_data(self, data: str) -> None:
        """Collect words."""
        if self._stack and not self._stack[-1].skipped:
            self._words.append(data)

    def handle_comment(self, data: str) -> None:
        """Collect synonyms."""
        found = SYNONYMS.match(data)
        if found and self._document:
            words = (
                " ".join(word.split()) for word in found[1].split(",")
            )
            self._document.synonyms += filter(None, words)

    def _end_block(self, parent: Element) -> None:
        """End a line, but not the row of a table."""
        if parent.in_row:
            self._words.append(" ")
        else:
            self._end_line()

    def _end_line(self) -> None:
        """Give the words since the last line to the document."""
        text, self._words = "".join(self._words), []
        if not self._document or not any(map(str.isalpha, text)):
            return
        line = " ".join(text.split())
        if self._is_title:
            self._document.title = line
            self._is_title = False
        elif self._stack[-1].preformatted:
            self._document.code += [
                line.rstrip()
                for line in text.splitlines()
                if line.strip() and not IMPORT.match(line)
            ]
        else:
            line = EMPTY_CELLS.sub("·", line).strip("· ")
            self._document.text.append(line)


def collect(folder: Path, names: list[str]) -> dict[str, Any]:
    """Return what engine.js reads, from the pages with these names.

    Most words come again and again. So that the browser reads each of
    them once, a text is a list of numbers: places in `words`, the most
    frequent first, where 0 ends a line.
    """
    pages: list[list[str]] = []
    found: list[tuple[int, Document]] = []
    for name in names:
        html = (folder / f"{name}.html").read_text("utf-8")
        documents = [d for d in Article(html).documents if d.title]
        found += ((len(pages), document) for document in documents)
        if documents:
            pages.append([f"{name}.html", documents[0].title])
    count = Counter(
        word
        for _, document in found
        for line in (*document.text, *document.code)
        for word in line.split()
    )
    words = sorted(count, key=lambda word: (-count[word], word))
    place = {word: number for number, word in enumerate(words, 1)}

    def numbers(lines: list[str]) -> list[int]:
        split = (
            [place[word] for word in line.split()] for line in lines
        )
        return list(chain.from_iterable([*line, 0] for line in split))

    sections = [
        [
            page,
            document.anchor,
            document.title,
            document.synonyms,
            numbers(document.text),
            numbers(document.code),
        ]
        for page, document in found
    ]
    symptoms = f"{SYMPTOMS}.html" if SYMPTOMS in names else ""
    return {
        "pages": pages,
        "words": ["", *words],
        "sections": sections,
        "symptoms": symptoms,
    }


def write_documents(app: Sphinx, error: Exception | None) -> None:
    """Write what can be found, drop the scripts of Sphinx's search."""
    if error or app.builder.format != "html":
        return
    data = collect(Path(app.outdir), sorted(app.env.found_docs))
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # A browser reads JSON faster than the same in its own language.
    script = (
        f"bookSearch.documents({json.dumps(text, ensure_ascii=False)});"
    )
    static = Path(app.outdir) / "_static"
    (static / "search" / "documents.js").write_text(script, "utf-8")
    for name in UNUSED:
        (static / name).unlink(missing_ok=True)


def choose_scripts(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Take the scripts of Sphinx's search off the page."""
    unused = {f"_static/{name}" for name in UNUSED}
    # It folds the groups of a module index; the rest serves the search.
    if templatename != "domainindex.html":
        unused.add("_static/doctools.js")
    context["script_files"][:] = [
        script
        for script in context["script_files"]
        if str(getattr(script, "filename", script)) not in unused
    ]


def replace_search(app: Sphinx) -> None:
    """Turn Sphinx's search off."""
    if isinstance(app.builder, StandaloneHTMLBuilder):
        app.builder.search = False


def add_page(app: Sphinx) -> list[tuple[str, dict[str, Any], str]]:
    """Add the page of results."""
    return [("search", {}, "search.html")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", replace_search)
    app.connect("html-collect-pages", add_page)
    app.connect("html-page-context", choose_scripts)
    app.connect("build-finished", write_documents)
    app.add_css_file("search/search.css")
    app.add_js_file("search/search.js", loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
