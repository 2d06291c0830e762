"""The built book: whole, quiet, and the same on every screen."""

import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe

ROOT = Path(__file__).parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
CHAPTERS = [page for part in TOC["parts"] for page in part["chapters"]]
PAGES = [
    TOC["root"],
    *(p["file"] for page in CHAPTERS for p in (page, *page.get("sections", ()))),
]
#: Theme and width of the screens that each page is opened on.
SCREENS = [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360)]
PHONE = 390
#: How long a busy machine may take, in milliseconds.
PATIENCE = 120_000


class Page(HTMLParser):
    """The links, images and ids of a page."""

    def __init__(self, file):
        super().__init__()
        self.links, self.images, self.ids, self.described = [], [], set(), False
        self.source = file.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(filter(None, [attrs.get("id"), attrs.get("name")]))
        if tag == "img":
            self.images.append(attrs)
        if tag == "meta" and attrs.get("name") == "description":
            self.described = len(attrs.get("content", "")) > 40
        for key in ("href", "src"):
            if attrs.get(key):
                self.links.append(attrs[key])


@pytest.fixture(scope="module")
def pages(site):
    return {
        file.resolve(): Page(file)
        for file in site.folder.rglob("*.html")
        if "_static" not in file.parts
    }


@pytest.fixture(params=PAGES)
def name(request):
    return request.param


@pytest.fixture
def page(pages, site, name):
    return pages[(site.folder / f"{name}.html").resolve()]


def test_every_notebook_and_text_is_in_the_table_of_contents():
    files = [*(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]
    assert {f"book/{file.stem}" for file in files} == set(PAGES)


def test_the_build_says_nothing_on_warnings(site):
    assert not re.search("warning|error", site.log, re.IGNORECASE), site.log


def test_no_link_leads_nowhere(pages, site):
    broken = []
    for file, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (
                (file.parent / unquote(parts.path)).resolve() if parts.path else file
            )
            if target.is_dir():
                target /= "index.html"
            anchor = unquote(parts.fragment)
            if target.name == "check.html" and anchor.startswith("q-"):
                anchor = ""  # what the check is opened with
            if not target.exists() or (
                anchor and target in pages and anchor not in pages[target].ids
            ):
                broken.append(f"{file.relative_to(site.folder.resolve())}: {link}")
    assert not broken


def test_a_page_asks_no_other_host_for_what_it_shows(page):
    shown = (
        r'<(?:script|link|img|iframe|source)\b[^>]*\b(?:src|href)="(?:https?:)?//[^"]*"'
    )
    assert re.findall(shown, page.source) == []


def test_images_have_words_and_a_size(page):
    for image in page.images:
        assert image.get("alt"), image
        assert image["src"].endswith(".svg") or image.get("width"), image


def test_no_stderr_and_no_traceback(page):
    assert "output stderr" not in page.source
    assert "Traceback (most recent call last)" not in page.source


def test_a_page_is_described_and_named(page):
    assert page.described
    assert re.search(r"<title>.{10,}</title>", page.source.replace("\n", " "))


def test_formulas_are_drawn_when_the_book_is_built(page):
    # Sections have a class for MathJax to pass over; no script is of it.
    assert not re.search(r"<script[^>]*mathjax", page.source, re.IGNORECASE)
    # Nor is any LaTeX left that one would have to draw.
    text = re.sub(r"(?s)<(code|pre|script|span)\b.*?</\1>", "", page.source)
    assert not re.search(r"\\[\[(]|\$\$", text)


#: No explorer on the page is still on its way.
EXPLORERS_ARE_THERE = """() => {
    const explorers = [...document.querySelectorAll(".lrlib-explorer")];
    return explorers.every((each) => each.querySelector(".lines .current, .failure"));
}"""
#: The current curves with the numbers at their axes, which follow the largest rate;
#: nothing where there is no curve.
CURVES = """explorer => {
    const curves = [...explorer.querySelectorAll(".lines .current")];
    const numbers = [...explorer.querySelectorAll(".grid text")];
    const all = curves.map((curve) => curve.getAttribute("d"));
    return all.length && [...all, ...numbers.map((each) => each.textContent)].join(" ");
}"""


def open_page(browser, url, **options):
    """Open a page by itself; return it, what went wrong there, what it asked for."""
    return open_tab(browser.new_context(**options), url, **options)


def open_tab(context, url, java_script_enabled=True, **_):
    """Open a page in a context, which takes less than to open both."""
    tab = context.new_page()
    tab.set_default_timeout(PATIENCE)
    wrong, asked = [], []
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on(
        "console",
        lambda line: line.type in {"error", "warning"} and wrong.append(line.text),
    )
    tab.on(
        "response", lambda r: r.status >= 400 and wrong.append(f"{r.status} {r.url}")
    )
    tab.on("requestfailed", lambda r: wrong.append(f"{r.failure} {r.url}"))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(url)
    if java_script_enabled:
        tab.wait_for_function(EXPLORERS_ARE_THERE)
    return tab, wrong, asked


def use_theme(tab, theme):
    """Ask for a light or dark page, and wait until it is."""
    tab.emulate_media(color_scheme=theme)
    is_used = "theme => document.documentElement.dataset.theme === theme"
    tab.wait_for_function(is_used, arg=theme)


def elsewhere(asked, site):
    """The requests that leave the site."""
    home = (site.url, site.folder.as_uri(), "data:")
    # A worker is made of a blob, which the page has itself.
    return [url for url in asked if not url.startswith((*home, "blob:"))]


def move_sliders(explorer, count=None):
    """Move each slider, or the first `count`, until a curve changes, and go back."""
    sliders = explorer.locator(".side [type=range]:visible").all()
    assert sliders
    for slider in sliders[:count]:
        value, before = slider.input_value(), explorer.evaluate(CURVES)
        # One step may be too short to see. At an end the value may not go with the
        # other parameters: no curve there.
        for key in ("ArrowRight", "Home", "End"):
            slider.press(key)
            after = explorer.evaluate(CURVES)
            if after and after != before:
                break
        else:
            pytest.fail(f"no curve follows {slider.get_attribute('aria-label')}")
        slider.fill(value)


# Each page over HTTP ---------------------------------------------------------------
#
# It is loaded once, for all of these tests. What one of them changes on it (its size,
# its theme, what is folded) does not matter to the next.


@pytest.fixture(scope="module")
def context(browser):
    """A browser's context for pages that leave nothing there."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture(scope="module", params=PAGES)
def visit(context, site, request):
    tab, wrong, asked = open_tab(context, f"{site.url}/{request.param}.html")
    yield Visit(request.param, tab, wrong, asked)
    tab.close()


class Visit(NamedTuple):
    """A page that is open: its name, what went wrong there, what it asked for."""

    name: str
    tab: Any
    wrong: list[str]
    asked: list[str]


def test_no_page_is_wider_than_its_screen(visit):
    for theme, width in SCREENS:
        use_theme(visit.tab, theme)
        visit.tab.set_viewport_size({"width": width, "height": 900})
        wide = visit.tab.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} px wide on a screen of {width}"


def test_a_curve_follows_each_slider(visit):
    for explorer in visit.tab.locator(".lrlib-explorer").all():
        move_sliders(explorer)


#: Formulas in a line of their own: what they say, whether they are wider than their
#: box, and whether that box scrolls by mouse and by keyboard.
BOXES = """() => [...document.querySelectorAll("math[display=block]")].map((math) => {
    const box = math.closest(".math, .lrlib-formula");
    box.scrollLeft = 9999;
    const scrolled = box.scrollLeft > 0 && box.tabIndex === 0;
    const wide = math.getBoundingClientRect().width > box.clientWidth;
    return [math.textContent, wide, scrolled];
})"""


def unfold(tab):
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")


def test_a_formula_too_wide_for_a_phone_scrolls_by_itself(visit):
    visit.tab.set_viewport_size({"width": PHONE, "height": 844})
    unfold(visit.tab)
    assert visit.tab.evaluate("document.documentElement.scrollWidth") == PHONE
    boxes = visit.tab.evaluate(BOXES)
    assert [text for text, wide, scrolls in boxes if wide and not scrolls] == []
    broken = visit.tab.evaluate(
        "() => [...document.querySelectorAll('.formula')]"
        ".filter((f) => f.getBoundingClientRect().height > 60).length"
    )
    assert broken == 0, "a formula is parted from its comma"


#: How far each formula within a sentence is off the line, in pixels of CSS. An empty
#: box stands on the baseline of the text, an empty space on that of the formula.
OFF_THE_LINE = """() => {
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


def test_every_formula_in_a_sentence_is_on_its_line(visit, site):
    source = (site.folder / f"{visit.name}.html").read_text()
    count = source.count("<math>")
    unfold(visit.tab)
    off, seen = [], 0
    protocol = visit.tab.context.new_cdp_session(visit.tab)
    # At 150 %, a window of 1280 pixels is 853 pixels of CSS wide.
    for zoom, width in itertools.product((1, 1.5), (1280, PHONE)):
        size = {"width": round(width / zoom), "height": round(900 / zoom)}
        screen = {"deviceScaleFactor": zoom, "mobile": False}
        protocol.send("Emulation.setDeviceMetricsOverride", size | screen)
        found = visit.tab.evaluate(OFF_THE_LINE)
        seen += len(found)
        off += [
            (text, round(pixels * zoom, 2), width, zoom)
            for pixels, text in found
            if abs(pixels * zoom) > 0.5
        ]
    protocol.send("Emulation.clearDeviceMetricsOverride")
    assert seen == 4 * count
    assert not off


#: One word of each kind of highlighted code stays marked up, in each kind of place.
#: axe would look at thousands otherwise, each of the same two colours.
ONE_OF_EACH = """() => {
    const seen = new Set();
    for (const word of document.querySelectorAll(".highlight pre span")) {
        const place = word.closest(".cell_input, .cell_output, .admonition, body");
        const kind = `${word.className} in ${place.className}`;
        if (seen.has(kind)) word.replaceWith(word.textContent);
        seen.add(kind);
    }
}"""


#: Mark a text of each kind of contrast, for axe takes milliseconds for each. A page has
#: hundreds of the same size, weight and colour, with the same backgrounds behind them.
MARK_CONTRASTS = """() => {
    const behind = new Map([[null, ""]]);
    const kinds = new Set();
    for (const each of document.querySelectorAll("html, body, body *")) {
        const style = getComputedStyle(each);
        const own = ["backgroundColor", "backgroundImage", "opacity", "filter"]
            .map((key) => style[key]).join();
        const plain = own === "rgba(0, 0, 0, 0),none,1,none";
        behind.set(each, behind.get(each.parentElement) + (plain ? "" : own));
        const text = ["color", "fontSize", "fontWeight", "textShadow", "fill"];
        const kind = [behind.get(each), ...text.map((key) => style[key])].join();
        const says = each.value || each.placeholder || [...each.childNodes].some(
            (node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
        const shown = says && each.checkVisibility();
        each.toggleAttribute("data-measured", Boolean(shown && !kinds.has(kind)));
        if (shown) kinds.add(kind);
    }
}"""


#: The theme has seen which code is too wide for the screen now.
CAN_BE_SCROLLED = """() => [...document.querySelectorAll("pre")].every(
    (code) => code.scrollWidth <= code.clientWidth || code.tabIndex === 0
)"""


def test_axe_finds_nothing(visit):
    unfold(visit.tab)
    visit.tab.evaluate(ONE_OF_EACH)
    found, axe = [], Axe()
    contrast = {"color-contrast": {"enabled": False}}
    for theme, width in (("light", 1280), ("dark", PHONE)):
        use_theme(visit.tab, theme)
        visit.tab.set_viewport_size({"width": width, "height": 900})
        visit.tab.wait_for_function(CAN_BE_SCROLLED)
        visit.tab.evaluate(MARK_CONTRASTS)
        for place, rules in (
            (None, {"rules": contrast}),
            ("[data-measured]", {"runOnly": ["color-contrast"]}),
        ):
            options = {"resultTypes": ["violations"], **rules}
            result = axe.run(visit.tab, context=place, options=options)
            found += result.response["violations"]
    assert not [
        (v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found
    ]


def test_nothing_went_wrong_on_a_page_and_it_asked_no_other_host(visit, site):
    assert visit.wrong == []
    assert elsewhere(visit.asked, site) == []


# The same from the disk -----------------------------------------------------------


def test_a_page_works_from_the_disk(context, site, name):
    tab, wrong, asked = open_tab(context, site.addresses(name)[1])
    for explorer in tab.locator(".lrlib-explorer").all():
        move_sliders(explorer, 1)
    tab.close()
    assert wrong == []
    assert elsewhere(asked, site) == []


def test_the_pages_that_sphinx_adds_work_over_http_and_from_the_disk(browser, site):
    pages = {
        file.relative_to(site.folder).with_suffix("").as_posix()
        for file in site.folder.rglob("*.html")
        if "_static" not in file.parts
    }
    assert {"index", "search"} <= pages - {*PAGES}
    for page in sorted(pages - {*PAGES}):
        for address in site.addresses(page):
            tab, wrong, asked = open_page(browser, address)
            if page == "index":
                tab.wait_for_url("**/book/index.html")
            tab.context.close()
            assert wrong == [], address
            assert elsewhere(asked, site) == [], address


def test_a_link_to_an_explorer_can_be_followed_from_the_disk(browser, site):
    address = site.addresses("book/cosine")[1]
    tab, *_ = open_page(browser, address)
    explorer = tab.locator(".lrlib-explorer").first
    explorer.get_by_label("alpha", exact=True).first.fill("0.45")
    explorer.get_by_role("button", name="Pin", exact=True).click()
    tab.wait_for_function("location.hash.includes('alpha=0.45&')")
    tab.wait_for_function("location.hash.includes('pin=')")
    link = tab.evaluate("location.href")
    tab.context.close()
    assert link.startswith(address)
    tab, wrong, _ = open_page(browser, link)
    explorer = tab.locator(".lrlib-explorer").first
    assert explorer.get_by_label("alpha", exact=True).first.input_value() == "0.45"
    assert explorer.locator(".pins li").count() == 1
    tab.context.close()
    assert wrong == []


def pasted(tab):
    """What is in the clipboard."""
    tab.evaluate("document.body.prepend(document.createElement('textarea'))")
    area = tab.locator("body > textarea")
    area.press("ControlOrMeta+V")
    text = area.input_value()
    area.evaluate("area => area.remove()")
    return text


def test_code_can_be_copied_from_the_disk(browser, site):
    tab, wrong, _ = open_page(browser, site.addresses("book/sgd")[1])
    cell = tab.locator("div.highlight:visible").first
    cell.hover()
    cell.locator(".copybtn").click()
    assert pasted(tab) == cell.locator("pre").inner_text().rstrip("\n")
    explorer = tab.locator(".lrlib-explorer").first
    explorer.get_by_text("Code", exact=True).click()
    explorer.get_by_role("button", name="Copy code").click()
    explorer.get_by_text("The code is in the clipboard.").wait_for()
    assert pasted(tab) == explorer.locator("pre").text_content()
    tab.context.close()
    assert wrong == []


def test_a_theme_that_was_chosen_stays_on_the_next_page_from_the_disk(browser, site):
    tab, wrong, _ = open_page(browser, site.addresses("book/sgd")[1])
    mode = "document.documentElement.dataset.mode"
    while tab.evaluate(mode) != "dark":
        before = tab.evaluate(mode)
        tab.get_by_role("button", name="Color mode").first.click()
        assert tab.evaluate(mode) != before
    # The next page may have a process of its own, which learns of it a moment later.
    for _ in range(100):
        tab.goto(site.addresses("book/adam")[1])
        if tab.evaluate(mode) == "dark":
            break
        tab.wait_for_timeout(100)
    assert tab.evaluate(mode) == "dark"
    tab.context.close()
    assert wrong == []


def test_a_page_can_be_read_without_javascript(page):
    (article,) = re.findall(r"(?s)<article\b.*?</article>", page.source)
    assert re.search(r"<h1[ >]", article)
    for explorer in article.split('class="lrlib-explorer"')[1:]:
        assert re.search(r"<svg\b", explorer)


def test_a_curve_shows_without_javascript(browser, site):
    address = f"{site.url}/book/cosine.html"
    tab, *_ = open_page(browser, address, java_script_enabled=False)
    assert tab.locator("article h1").first.is_visible()
    explorers = tab.locator(".lrlib-explorer").all()
    assert explorers
    for explorer in explorers:
        assert explorer.locator("svg").first.is_visible()
    tab.context.close()
