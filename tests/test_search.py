"""The search: what it finds, how it is used, and what the page loads for it."""

import hashlib
import json
import re
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from test_book import PAGES, ROOT, use_theme

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import search

STATIC = ROOT / "book" / "_static" / "search"
#: What readers type, and the beginnings of the sections that answer it.
SEARCHES = json.loads((ROOT / "tests/golden/searches.json").read_text())
FIRST = 3
DIALOG = "#pst-search-dialog"
RESULTS = {"dialog": f"{DIALOG} li a", "page": "#search-results li a"}


@pytest.fixture(params=["http", "file"])
def root(request, site):
    """The address of the built book: on a server, and in a folder."""
    return site.url if request.param == "http" else site.folder.as_uri()


@pytest.fixture(scope="module")
def tabs():
    """The open tab of each address: a search is typed where the last one was."""
    opened = {}
    yield opened
    for tab in opened.values():
        tab.context.close()


def new_tab(browser, **options):
    tab = browser.new_context(**options).new_page()
    tab.wrong = []
    tab.on("pageerror", lambda error: tab.wrong.append(str(error)))
    return tab


def open_dialog(tab):
    tab.keyboard.press("Control+k")
    tab.locator(f"{DIALOG} input").wait_for()


@pytest.fixture
def dialog(browser, root, tabs):
    """A page with its search dialog open and empty."""
    if root not in tabs:
        tabs[root] = new_tab(browser)
    tab = tabs[root]
    if not tab.url.endswith("book/glossary.html"):
        tab.goto(f"{root}/book/glossary.html")
    if not tab.locator(DIALOG).is_visible():
        open_dialog(tab)
    tab.locator(f"{DIALOG} input").fill("")
    tab.wait_for_function("() => globalThis.bookSearch?.isReady()")
    return tab


def hits(tab, where="dialog"):
    """The addresses of the results, from the root of the book."""
    links = tab.locator(RESULTS[where]).evaluate_all("list => list.map(a => a.href)")
    return [re.sub(r"^.*?/(?=book/[^/]+\.html)", "", link) for link in links]


def paste(tab, text):
    """Put a text into the field that has the focus, as pasting it does."""
    tab.keyboard.insert_text(text)


# What it finds -------------------------------------------------------------------


@pytest.mark.parametrize("case", SEARCHES, ids=lambda case: case["query"][-60:])
def test_a_search_finds_its_section_among_the_first_three(dialog, case):
    paste(dialog, case["query"])
    found = hits(dialog)[:FIRST]
    assert any(hit.startswith(wanted) for hit in found for wanted in case["finds"]), (
        found
    )


def test_there_are_searches_of_every_kind():
    queries = [case["query"] for case in SEARCHES]
    assert len(queries) == len(set(queries)) >= 60
    assert any(query.count("\n") >= 2 for query in queries)
    assert sum("Error" in query for query in queries) >= 8


@pytest.fixture(scope="module")
def documents(site):
    text = (site.folder / "_static/search/documents.js").read_text("utf-8")
    return json.loads(
        json.loads(re.fullmatch(r"bookSearch\.documents\((.*)\);", text)[1])
    )


def missed(tab, wanted):
    """Those of [query, address] that aren't among the first three results."""
    return tab.evaluate(
        """([wanted, first]) => wanted.filter(([query, href]) =>
            !bookSearch.search(query).slice(0, first).some((hit) => hit.href === href))
        """,
        [wanted, FIRST],
    )


def test_every_heading_finds_its_section(dialog, documents):
    pages, sections = documents["pages"], documents["sections"]
    times = Counter(title for _, _, title, *_ in sections)
    wanted = [
        [title, f"{pages[page][0]}#{anchor}"]
        for page, anchor, title, *_ in sections
        if times[title] == 1  # every chapter has its "Exercises"
    ]
    assert len(wanted) > 150
    assert missed(dialog, wanted) == []


def test_every_synonym_finds_its_section(dialog, documents):
    pages, sections = documents["pages"], documents["sections"]
    wanted = [
        [word, f"{pages[page][0]}#{anchor}"]
        for page, anchor, _, synonyms, *_ in sections
        for word in synonyms
    ]
    assert len(wanted) > 100
    assert missed(dialog, wanted) == []


def test_synonyms_are_not_shown(site, documents, browser):
    tab = new_tab(browser)
    tab.goto(f"{site.url}/book/warmup.html")
    assert "burn-in" in str(documents["sections"])
    assert "burn-in" not in tab.locator("body").inner_text()
    tab.context.close()


@pytest.fixture(scope="module")
def engine(browser):
    """The engine alone, with some sections that only have a title."""
    titles = [
        *("ReduceLROnPlateau", "steps_per_epoch", "1cycle", "warm-up", "annealing"),
        *("model.optimizer.set_value", "An if in a schedule"),
    ]
    tab = new_tab(browser)
    for name in ("minisearch.js", "engine.js"):
        tab.add_script_tag(path=STATIC / name)
    data = {
        "pages": [["a.html", ""]],
        "words": [""],
        "sections": [[0, title, title, [], [], []] for title in titles],
        "symptoms": "",
    }
    tab.evaluate("data => bookSearch.documents(JSON.stringify(data))", data)
    yield tab
    tab.context.close()


@pytest.mark.parametrize(
    ("query", "title"),
    {
        "reducelronplateau": "ReduceLROnPlateau",
        "reduce lr": "ReduceLROnPlateau",
        "plateau": "ReduceLROnPlateau",
        "redcuelronplateau": "ReduceLROnPlateau",
        "STEPS_PER_EPOCH": "steps_per_epoch",
        "per epoch": "steps_per_epoch",
        "cycle": "1cycle",
        "warmup": "warm-up",
        "warm up": "warm-up",
        "anneal": "annealing",
        "anneali": "annealing",
        "set_value": "model.optimizer.set_value",
        "optimizer": "model.optimizer.set_value",
        "if": "An if in a schedule",
    }.items(),
)
def test_a_word_is_found_whole_in_parts_and_misspelled(engine, query, title):
    found = engine.evaluate("query => bookSearch.search(query)", query)
    assert found[0]["title"] == title


@pytest.mark.parametrize("query", ["", "  ", "?!", "12.5", "thee", "__proto__"])
def test_a_query_that_says_nothing_finds_nothing(engine, query):
    assert engine.evaluate("query => bookSearch.search(query)", query) == []


# How it is used ------------------------------------------------------------------


def test_a_result_shows_page_section_and_the_sentence_with_the_words(dialog):
    paste(dialog, "patience min_delta wrong by one")
    first = dialog.locator(RESULTS["dialog"]).first
    assert first.locator(".book-search-where").inner_text() == "Adaptive learning rates"
    assert first.locator(".book-search-title").inner_text() == (
        "How it counts: patience, cooldown, min_delta"
    )
    excerpt = first.locator(".book-search-excerpt")
    assert "easy to get wrong by one" in excerpt.inner_text()
    marked = excerpt.locator("mark").all_inner_texts()
    assert {"Patience", "min_delta", "wrong"} <= set(marked)
    assert not {"and", "are", "to", "easy"} & set(marked)


def test_results_come_with_every_key(dialog):
    for typed, letter in enumerate("plateau", 1):
        dialog.keyboard.type(letter)
        if typed >= 3:
            assert hits(dialog)
    assert any("plateau" in hit for hit in hits(dialog))


def test_arrows_walk_through_the_results_and_back(dialog):
    dialog.keyboard.type("cosine")
    count = dialog.locator(RESULTS["dialog"]).count()
    assert count > 2

    def focused():
        return dialog.evaluate(
            "selector => [...document.querySelectorAll(selector)]"
            ".indexOf(document.activeElement)",
            RESULTS["dialog"],
        )

    for key, place in [
        *(("ArrowDown", 0), ("ArrowDown", 1), ("ArrowUp", 0), ("End", count - 1)),
        *(("ArrowDown", count - 1), ("Home", 0), ("ArrowUp", -1)),
    ]:
        dialog.keyboard.press(key)
        assert focused() == place, key
    # A letter goes on with the query.
    dialog.keyboard.press("ArrowDown")
    dialog.keyboard.type(" decay")
    assert dialog.locator(f"{DIALOG} input").input_value() == "cosine decay"


@pytest.mark.parametrize("keys", [["Enter"], ["ArrowDown", "Enter"]])
def test_enter_opens_the_section_and_scrolls_to_it(dialog, keys):
    paste(dialog, "layer-wise learning rate decay")
    wanted = hits(dialog)[0]
    for key in keys:
        dialog.keyboard.press(key)
    dialog.wait_for_url(f"**/{wanted}")
    dialog.wait_for_load_state("networkidle")
    anchor = wanted.partition("#")[2]
    assert anchor == "two-rates-in-one-model"
    place = dialog.locator(f"[id='{anchor}']").bounding_box()
    assert 0 <= place["y"] < dialog.viewport_size["height"] / 2


def test_a_section_of_the_same_page_comes_out_from_behind_the_dialog(dialog):
    paste(dialog, "patience")
    links = dialog.locator(RESULTS["dialog"])
    link = links.and_(dialog.locator("[href$='glossary.html#term-patience']"))
    link.click()
    assert dialog.url.endswith("glossary.html#term-patience")
    assert not dialog.locator(DIALOG).is_visible()
    assert dialog.locator("#term-patience").bounding_box()["y"] >= 0


def test_the_dialog_leads_to_all_results(dialog):
    paste(dialog, "learning rate")
    assert dialog.locator(RESULTS["dialog"]).count() == 8
    dialog.get_by_role("link", name=re.compile("Show all \\d+ results")).click()
    dialog.locator(RESULTS["page"]).nth(8).wait_for()
    assert dialog.url.endswith("search.html?q=learning%20rate")


def open_page(browser, root, query):
    tab = new_tab(browser)
    tab.goto(f"{root}/search.html?q={quote(query)}")
    tab.wait_for_function("() => globalThis.bookSearch?.isReady()")
    tab.locator("#search-results [role=status]:not(:empty)").wait_for()
    return tab


def test_the_search_page_answers_its_address(browser, root):
    tab = open_page(browser, root, "ReduceLROnPlateau\nnot settable")
    first = tab.locator(RESULTS["page"]).first
    assert tab.locator("main input").input_value() == "ReduceLROnPlateau not settable"
    assert "reducelronplateau-with" in hits(tab, "page")[0]
    tab.locator("main input").press("Enter")
    assert first.evaluate("link => link === document.activeElement")
    tab.keyboard.press("Enter")
    tab.wait_for_url(
        "**/book/adaptive.html#reducelronplateau-with-a-schedule-typeerror"
    )
    assert tab.wrong == []
    tab.context.close()


def test_the_search_page_answers_while_you_type(browser, root):
    tab = open_page(browser, root, "cosine")
    field = tab.locator("main input")
    assert field.evaluate("field => field === document.activeElement")
    field.fill("weight decay schedule")
    assert hits(tab, "page")[0].endswith("#weight-decay-fades-as-the-rate-falls")
    assert tab.url.endswith("search.html?q=weight%20decay%20schedule")
    field.fill("")
    assert hits(tab, "page") == []
    assert tab.locator("#search-results").inner_text() == ""
    assert tab.wrong == []
    tab.context.close()


def test_no_results_says_so_and_offers_the_symptoms(dialog, site):
    paste(dialog, "qqqzzzxx")
    said = dialog.locator(f"{DIALOG} [role=status]")
    assert "Nothing found for “qqqzzzxx”" in said.inner_text()
    offered = said.locator("a").evaluate_all("list => list.map(a => a.href)")
    there = (site.folder / f"{search.SYMPTOMS}.html").exists()
    assert [link.rpartition("/")[2] for link in offered] == ["symptoms.html"] * there


def test_the_symptoms_are_offered_where_the_book_has_them(tmp_path):
    (tmp_path / "book").mkdir()
    for name in ("book/sgd", search.SYMPTOMS):
        (tmp_path / f"{name}.html").write_text("")
    assert search.collect(tmp_path, ["book/sgd"])["symptoms"] == ""
    both = search.collect(tmp_path, ["book/sgd", search.SYMPTOMS])
    assert both["symptoms"] == "book/symptoms.html"


@pytest.mark.parametrize(
    "query", ["constructor", "toString", "hasOwnProperty", "__proto__", "valueOf()"]
)
def test_a_name_of_javascript_is_a_word_like_others(dialog, query):
    paste(dialog, query)
    said = dialog.locator(f"{DIALOG} [role=status]").inner_text()
    assert re.search("result|Nothing found", said)
    assert dialog.wrong == []


def test_a_very_long_paste_is_answered_by_its_end(dialog):
    frames = (
        '  File "/some/where.py", line 12, in call\n    return outer(inner)\n' * 3000
    )
    message = "AttributeError: 'Adam' object has no attribute 'minimize'"
    paste(dialog, frames + message)
    assert "minimize" in hits(dialog)[0]
    assert dialog.wrong == []


@pytest.mark.parametrize(
    "query",
    [
        "<img src=x onerror='window.ran = true'>",
        "qqqzzz <script>window.ran = true</script>",
        "<b id=injected>cosine</b>",
    ],
)
def test_html_in_a_query_stays_text(dialog, query):
    paste(dialog, query)
    place = dialog.locator(f"{DIALOG} .book-search")
    assert place.locator("img, script, b, #injected").count() == 0
    assert dialog.evaluate("window.ran") is None


def test_html_in_a_section_stays_text(browser, site):
    hostile = "<img src=x onerror='window.ran=1'>"
    data = {
        "pages": [["book/a.html", hostile]],
        "words": ["", *f"here {hostile} rates".split()],
        "sections": [[0, "a", f"{hostile} rates", [hostile], [1, 2, 3, 4, 5, 0], []]],
        "symptoms": "",
    }
    script = f"bookSearch.documents({json.dumps(json.dumps(data))})"
    tab = new_tab(browser)
    tab.route("**/documents.js", lambda route: route.fulfill(body=script))
    tab.goto(f"{site.url}/book/glossary.html")
    open_dialog(tab)
    tab.keyboard.type("rate")
    link = tab.locator(RESULTS["dialog"])
    assert link.inner_text().count(hostile) == 3
    assert link.locator("mark").all_inner_texts() == ["rates", "rates"]
    assert tab.locator(f"{DIALOG} img").count() == 0
    assert tab.evaluate("window.ran") is None
    tab.context.close()


@pytest.mark.parametrize("query", ["plateau", "qqqzzzxx"])
@pytest.mark.parametrize("where", RESULTS)
def test_axe_finds_nothing_in_the_search(browser, site, where, query):
    if where == "page":
        tab = open_page(browser, site.url, query)
    else:
        tab = new_tab(browser)
        tab.goto(f"{site.url}/book/glossary.html")
        open_dialog(tab)
        tab.keyboard.type(query)
        tab.locator(f"{DIALOG} [role=status]:not(:empty)").wait_for()
    if query == "plateau":
        tab.locator(RESULTS[where]).first.wait_for()
    found = []
    for theme in ("light", "dark"):
        use_theme(tab, theme)
        found += Axe().run(tab).response["violations"]
    tab.context.close()
    assert not [(v["id"], [n["html"][:200] for n in v["nodes"]]) for v in found]


@pytest.mark.parametrize("width", [1280, 360])
def test_the_results_fit_the_screen(browser, site, width):
    tab = new_tab(browser, viewport={"width": width, "height": 700})
    tab.goto(f"{site.url}/book/glossary.html")
    open_dialog(tab)
    tab.keyboard.type("schedule")
    tab.locator(RESULTS["dialog"]).nth(7).wait_for()
    box = tab.locator(DIALOG).bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= 700
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    # What doesn't fit is scrolled to.
    last = tab.locator(RESULTS["dialog"]).last
    tab.keyboard.press("End")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("End")
    assert last.evaluate("link => link === document.activeElement")
    assert last.bounding_box()["y"] + 10 < 700
    tab.context.close()


def test_a_text_becomes_numbers_of_words(tmp_path):
    (tmp_path / "a.html").write_text(
        """<article class="bd-article"><section id="x"><h1>X</h1>
        <p>One, two and one.</p><p>Three.</p><pre>one(2)</pre></section>"""
    )
    data = search.collect(tmp_path, ["a"])
    [[page, anchor, title, synonyms, text, code]] = data["sections"]
    assert [page, anchor, title, synonyms] == [0, "x", "X", []]
    words = data["words"]
    assert [words[number] for number in text] == [
        *("One,", "two", "and", "one.", "", "Three.", "")
    ]
    assert [words[number] for number in code] == ["one(2)", ""]
    assert len(words) == len(set(words))


# What the page loads -------------------------------------------------------------


def test_the_documents_are_loaded_when_somebody_searches(browser, site):
    tab = new_tab(browser)
    asked = []
    tab.on("request", lambda request: asked.append(request.url.partition("?")[0]))
    tab.goto(f"{site.url}/book/glossary.html", wait_until="networkidle")
    later = ["minisearch.js", "engine.js", "documents.js"]
    loaded = [url for url in asked if url.rpartition("/")[2] in later]
    assert loaded == []
    open_dialog(tab)
    tab.wait_for_function("() => globalThis.bookSearch?.isReady()")
    loaded = [url.rpartition("/")[2] for url in asked]
    assert [name for name in loaded if name in later] == later
    assert all(url.startswith(site.url) for url in asked)
    tab.context.close()


def test_documents_that_did_not_load_are_asked_for_again(browser, site):
    tab = new_tab(browser)
    tab.route("**/documents.js", lambda route: route.abort())
    tab.goto(f"{site.url}/book/glossary.html")
    open_dialog(tab)
    tab.keyboard.type("cosine")
    said = tab.locator(f"{DIALOG} [role=status]")
    said.get_by_text("documents.js didn't load").wait_for()
    tab.unroute("**/documents.js")
    tab.keyboard.type(" decay")
    tab.locator(RESULTS["dialog"]).first.wait_for()
    tab.context.close()


def test_nothing_of_sphinx_search_is_left(site):
    names = ("searchindex.js", "searchtools.js", "language_data.js")
    files = {file.name for file in site.folder.rglob("*.js")}
    assert not files & {*names, "sphinx_highlight.js"}
    assert {"search.js", "documents.js"} <= files
    for page in [*PAGES, "search"]:
        html = (site.folder / f"{page}.html").read_text("utf-8")
        scripts = re.findall(r'<script[^>]*\bsrc="([^"?]*)', html)
        found = {Path(script).name for script in scripts}
        assert not found & {*names, "doctools.js", "sphinx_highlight.js"}
        assert "search.js" in found


def test_the_library_is_the_one_that_was_published():
    about = json.loads((STATIC / "vendored.json").read_text())
    source = (STATIC / about["file"]).read_bytes()
    assert hashlib.sha256(source).hexdigest() == about["sha256"]
    assert about["version"] == "7.2.0"
    assert about["license"] == "MIT"
    assert "Luca Ongaro" in (STATIC / about["licenseFile"]).read_text()


# How a page is read --------------------------------------------------------------


def read(html):
    article = search.Article(f'<nav>no</nav><article class="bd-article">{html}')
    return {d.anchor: d for d in article.documents}


def test_a_section_is_read_without_those_within_it():
    documents = read(
        """<section id="a"><h1><span class="section-number">1. </span>Title
        <a class="headerlink" href="#a">#</a></h1><p>One <em>line</em>.</p>
        <section id="b"><h2>Part</h2><p>Inner.</p></section><p>After.</p></section>"""
    )
    assert list(documents) == ["a", "b"]
    assert documents["a"].title == "Title"
    assert documents["a"].text == ["One line.", "After."]
    assert documents["b"].text == ["Inner."]


def test_terms_objects_and_headings_of_a_cell_have_documents():
    documents = read(
        """<section id="a"><h1>Title</h1>
        <dl class="glossary"><dt id="term-x">x<a class="headerlink">#</a></dt>
        <dd><p>What x is.</p></dd><dt id="term-y">y</dt><dd>What y is.</dd></dl>
        <dl class="py class"><dt class="sig sig-object py" id="lrlib.C">
        <span>class</span> <span>lrlib.</span><span>C</span>(<em>n</em>)</dt>
        <dd><p>A class.</p><dl class="field-list"><dt>Parameters</dt><dd>n</dd></dl>
        <dl class="py method"><dt class="sig" id="lrlib.C.run">run()</dt>
        <dd><p>Runs.</p></dd></dl><p>More of it.</p></dd></dl>
        <div class="output text_html"><h3 id="schedule-z">z</h3><p>Falls.</p></div>
        <div class="output text_html"><h4>Plain</h4></div></section>
        <section id="b"><h2>Next</h2></section>"""
    )
    found = {anchor: (d.title, d.text) for anchor, d in documents.items()}
    assert found == {
        "a": ("Title", []),
        "term-x": ("x", ["What x is."]),
        "term-y": ("y", ["What y is."]),
        "lrlib.C": (
            "lrlib.C",
            ["class lrlib.C(n)", "A class.", "Parameters", "n", "More of it."],
        ),
        "lrlib.C.run": ("lrlib.C.run", ["run()", "Runs."]),
        "schedule-z": ("z", ["Falls.", "Plain"]),
        "b": ("Next", []),
    }


def test_code_and_outputs_are_read_and_what_only_draws_or_checks_is_not():
    def cell(tags, code):
        return (
            f'<div class="cell {tags} docutils"><div class="cell_input">'
            f"<details><summary>The code</summary><pre><span>import x</span>\n"
            f'{code}</pre></details></div><div class="cell_output">'
            f"<pre>Error: {code} &lt;failed&gt;</pre></div></div>"
        )

    documents = read(
        '<section id="a"><h1>Title</h1>'
        + cell("", "shown()")
        + cell("tag_hide-input", "draws()")
        + cell("tag_check tag_hide-cell", "checks()")
        + "<svg><text>drawn</text></svg><script>ran()</script>"
        '<img alt="A falling line." src="x.png"></section>'
    )
    assert documents["a"].code == [
        "shown()",
        "Error: shown() <failed>",
        "Error: draws() <failed>",
    ]
    assert documents["a"].text == ["A falling line."]


def test_a_row_of_a_table_is_a_line():
    documents = read(
        """<section id="a"><h1>T</h1><table><tr><th></th><th><p>name</p></th></tr>
        <tr><td><p>rate</p></td><td></td><td>0.1</td></tr>
        <tr><td>1</td><td>2</td></tr></table></section>"""
    )
    assert documents["a"].text == ["name", "rate · 0.1"]


def test_synonyms_belong_to_the_section_around_them():
    documents = read(
        """<section id="a"><h1>T</h1><!-- synonyms: 1cycle,
        lr_find, --><section id="b"><h2>U</h2><!-- synonyms: x --><!-- other -->
        <!-- synonyms: y z --></section></section>"""
    )
    assert documents["a"].synonyms == ["1cycle", "lr_find"]
    assert documents["b"].synonyms == ["x", "y z"]
