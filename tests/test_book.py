"""The built book: whole, quiet, and the same on every screen."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml

ROOT = Path(__file__).parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
CHAPTERS = [page for part in TOC["parts"] for page in part["chapters"]]
PAGES = [
    TOC["root"],
    *(p["file"] for page in CHAPTERS for p in (page, *page.get("sections", ()))),
]
#: Theme and width of the screens that each page is opened on.
SCREENS = [("light", 1280), ("dark", 1280), ("light", 360), ("dark", 360)]


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
    """Open a page; return it, what went wrong there, and what it asked for."""
    tab = browser.new_context(**options).new_page()
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
    if options.get("java_script_enabled", True):
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
    return [url for url in asked if not url.startswith(home)]


def move_every_slider(tab):
    """Move each slider until a curve changes, and go back."""
    for explorer in tab.locator(".lrlib-explorer").all():
        sliders = explorer.locator(".side [type=range]:visible").all()
        assert sliders
        for slider in sliders:
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


def test_a_page_as_a_person_sees_it_over_http_and_from_the_disk(browser, site, name):
    # A page from the disk has the same widths: one screen is enough there.
    screens = (SCREENS, SCREENS[-1:])
    for address, each in zip(site.addresses(name), screens, strict=True):
        tab, wrong, asked = open_page(browser, address)
        for theme, width in each:
            use_theme(tab, theme)
            tab.set_viewport_size({"width": width, "height": 900})
            wide = tab.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{wide} px wide on a screen of {width}"
        move_every_slider(tab)
        tab.context.close()
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
    tab.wait_for_timeout(1000)
    tab.goto(site.addresses("book/adam")[1])
    assert tab.evaluate(mode) == "dark"
    tab.context.close()
    assert wrong == []


def test_a_page_can_be_read_without_javascript(browser, site, name):
    tab, *_ = open_page(browser, f"{site.url}/{name}.html", java_script_enabled=False)
    assert tab.locator("article h1").first.is_visible()
    for explorer in tab.locator(".lrlib-explorer").all():
        assert explorer.locator("svg").first.is_visible()
    tab.context.close()


def test_the_example_in_the_readme_runs():
    import numpy as np

    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    names = {}
    exec(example[1], names)
    assert names["s"](600) == pytest.approx(0.08)
    np.testing.assert_allclose(names["s"].to_keras()(600), 0.08, rtol=1e-6)
