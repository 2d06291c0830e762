"""Formulas: LaTeX becomes MathML, which stands on the line of the text around it."""

import itertools
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from docutils import nodes
from docutils.utils import new_document
from test_book import PAGES, open_page, use_theme

import lrlib
from lrlib.show.mathml import mathml

FONTS = Path(__file__).parent.parent / "book" / "_static" / "fonts"
WIDTHS = WIDE, PHONE = 1280, 390
#: At 150 %, a window of 1280 pixels is 853 pixels of CSS wide.
ZOOMS = (1, 1.5)
CATALOGUE_BYTES = 700_000

#: How far each formula within a sentence is off the line, in pixels of CSS. An empty
#: box stands on the baseline of the text, an empty space on that of the formula.
OFF_THE_LINE = """() => {
    document.querySelectorAll("details").forEach((d) => (d.open = true));
    return [...document.querySelectorAll("math:not([display])")].map((math) => {
        const line = document.createElement("span");
        line.style.whiteSpace = "nowrap";
        const text = document.createElement("span");
        text.style.cssText = "display: inline-block; width: 0; height: 0";
        const own = document.createElementNS(math.namespaceURI, "mspace");
        math.replaceWith(line);
        line.append(text, math);
        math.prepend(own);
        const bottom = (element) => element.getBoundingClientRect().bottom;
        const off = bottom(own) - bottom(text);
        own.remove();
        line.replaceWith(math);
        return [off, math.textContent];
    });
}"""

#: Formulas in a line of their own: what they say, whether they are wider than their
#: box, and whether that box scrolls by mouse and by keyboard.
BOXES = """() => [...document.querySelectorAll("math[display=block]")].map((math) => {
    const box = math.closest(".math, .lrlib-formula");
    box.scrollLeft = 9999;
    const scrolled = box.scrollLeft > 0 && box.tabIndex === 0;
    const wide = math.getBoundingClientRect().width > box.clientWidth;
    return [math.textContent, wide, scrolled];
})"""


# LaTeX to MathML ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        ("t", "<mi>t</mi>"),
        (r"\eta_{\max}", "<mi>max</mi>"),
        (r"\mathrm{every\_so}", "<mi>every_so</mi>"),
        (r"\texttt{weight\_decay}", "<code>weight_decay</code>"),
        (r"\hat v", '<mover accent="true">'),
        ("1/2", '<mo lspace="0" rspace="0">/</mo>'),
        ("x'", "<mo>′</mo>"),
        (r"\lfloor u \rfloor", '<mo stretchy="false">⌊</mo>'),
        (r"a < b", "<mo>&lt;</mo>"),
    ],
)
def test_it_keeps_what_the_book_writes(latex, expected):
    assert expected in mathml(latex)


def test_a_root_is_as_high_as_a_capital():
    assert '<msqrt><mspace height=".73em"/><mi>v</mi></msqrt>' in mathml(r"\sqrt v")


def test_cases_in_a_line_of_their_own_are_in_full_size():
    latex = r"\begin{cases} \frac{a}{b} & t < T \\ c & \text{otherwise} \end{cases}"
    assert 'displaystyle="true"' in mathml(latex, display=True)
    assert 'displaystyle="false"' in mathml(latex)


def test_brackets_stretch_only_around_what_is_tall():
    assert r"\left" not in lrlib.linear().latex()
    assert r"\left(\frac{" in lrlib.exponential_sweep().latex()


# In a notebook ------------------------------------------------------------------------


def test_an_output_holds_its_latex_too():
    s = lrlib.inverse_time()
    latex = r"\eta(t) = \frac{\eta_0}{1 + \frac{\gamma t}{T}}"
    assert s._repr_latex_() == rf"$\displaystyle {latex}$"
    assert f"$${latex}$$" in s._repr_html_()
    # What is read as HTML is escaped.
    assert "x &amp;= " in lrlib.cosine()._repr_html_()


# In the book's sources ----------------------------------------------------------------


@pytest.fixture
def extension(monkeypatch):
    monkeypatch.syspath_prepend(str(FONTS.parent.parent / "_ext"))
    import formulas

    return formulas


def test_a_formula_stays_with_its_comma(extension):
    document = new_document("page")
    formulas = [nodes.math("", "x"), nodes.math("", "y"), nodes.math("", "z")]
    x, y, z = formulas
    document += nodes.paragraph(
        *("", "", x, nodes.Text(" is one ("), y, nodes.Text("), and\nso on, "), z)
    )
    extension.KeepTogether(document).run()
    assert [f.parent.astext() for f in formulas] == ["x", "(y),", "z"]
    assert document.astext() == "x is one (y), and\nso on, z"


def test_wrong_latex_is_reported_where_it_stands(extension, monkeypatch):
    said = []
    monkeypatch.setattr(
        extension.logger, "warning", lambda text, *args, **where: said.append(args)
    )
    assert extension.convert(r"\frc{1}{2}", nodes.math(), display=False) == ""
    (said,) = said
    assert "frc" in str(said[0])
    assert said[1] == r"\frc{1}{2}"


# On the built pages -------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_every_formula_in_a_sentence_is_on_its_line(browser, site, name):
    off, seen = [], 0
    for zoom in ZOOMS:
        tab, *_ = open_page(
            browser, f"{site.url}/{name}.html", device_scale_factor=zoom
        )
        for width, theme in itertools.product(WIDTHS, ("light", "dark")):
            size = {"width": round(width / zoom), "height": round(900 / zoom)}
            tab.set_viewport_size(size)
            use_theme(tab, theme)
            found = tab.evaluate(OFF_THE_LINE)
            seen += len(found)
            off += [
                (text, round(pixels * zoom, 2), width, zoom, theme)
                for pixels, text in found
                if abs(pixels * zoom) > 0.5
            ]
        tab.context.close()
    source = (site.folder / f"{name}.html").read_text()
    assert seen == 8 * source.count("<math>")
    assert not off


def test_there_are_formulas_to_measure(site):
    count = sum((site.folder / f"{n}.html").read_text().count("<math>") for n in PAGES)
    assert count > 100


@pytest.mark.parametrize("name", PAGES)
def test_what_is_too_wide_for_a_phone_scrolls_by_itself(browser, site, name):
    tab, *_ = open_page(
        browser,
        f"{site.url}/{name}.html",
        viewport={"width": PHONE, "height": 844},
    )
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    wide = tab.evaluate("document.documentElement.scrollWidth")
    boxes = tab.evaluate(BOXES)
    broken = tab.evaluate(
        "() => [...document.querySelectorAll('.formula')]"
        ".filter((f) => f.getBoundingClientRect().height > 60).length"
    )
    tab.context.close()
    assert wide == PHONE
    assert [text for text, wide, scrolls in boxes if wide and not scrolls] == []
    assert broken == 0, "a formula is parted from its comma"


def test_adams_three_formulas_are_three_lines_on_a_phone(browser, site):
    tab, *_ = open_page(
        browser,
        f"{site.url}/book/adam.html",
        viewport={"width": PHONE, "height": 844},
    )
    tops = tab.locator("div.math").first.evaluate(
        "(box) => [...box.children].map((m) => m.getBoundingClientRect().top)"
    )
    tab.context.close()
    assert len(set(tops)) == len(tops) == 3


@pytest.mark.parametrize("name", ["adam", "catalogue", "sgd"])
def test_axe_finds_nothing_in_formulas(browser, site, name):
    tab, *_ = open_page(
        browser,
        f"{site.url}/book/{name}.html",
        viewport={"width": PHONE, "height": 844},
    )
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    # Code is another test's, and there is much of it.
    tab.evaluate("document.querySelectorAll('.highlight').forEach(e => e.remove())")
    found = []
    for theme in ("light", "dark"):
        use_theme(tab, theme)
        result = Axe().run(tab, options={"resultTypes": ["violations"]})
        found += result.response["violations"]
    tab.context.close()
    assert not [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found]


@pytest.mark.parametrize("name", ["adam", "adaptive", "batches", "catalogue", "sgd"])
def test_every_letter_of_a_formula_is_of_the_books_own_font(browser, site, name):
    tab, *_ = open_page(browser, f"{site.url}/book/{name}.html")
    tab.evaluate("document.querySelectorAll('math code').forEach(e => e.remove())")
    protocol = tab.context.new_cdp_session(tab)
    protocol.send("DOM.enable")
    protocol.send("CSS.enable")
    root = protocol.send("DOM.getDocument")["root"]["nodeId"]
    math = {"nodeId": root, "selector": "math"}
    used = set()
    for node in protocol.send("DOM.querySelectorAll", math)["nodeIds"]:
        fonts = protocol.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
        used |= {(font["familyName"], font["isCustomFont"]) for font in fonts}
    tab.context.close()
    assert used == {("Book Math", True)}


def test_the_math_font_comes_with_its_license():
    text = (FONTS / "book-math-OFL.txt").read_text()
    assert "SIL OPEN FONT LICENSE Version 1.1" in text
    assert "Reserved Font Name Erewhon Math" in text
    style = (FONTS.parent / "book.css").read_text()
    files = set(re.findall(r"url\(fonts/([\w.-]+)\)", style))
    assert files == {path.name for path in FONTS.glob("*.woff2")}


def test_the_catalogue_is_not_heavy(site):
    size = (site.folder / "book" / "catalogue.html").stat().st_size
    assert size <= CATALOGUE_BYTES
