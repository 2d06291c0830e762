"""axe finds nothing on any page of the built book."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from test_book import PAGES, open_page, use_theme

#: One word of each kind of highlighted code stays marked up, in each kind of place.
#: Thousands would be measured otherwise, each of the same two colours.
ONE_OF_EACH = """() => {
    const seen = new Set();
    for (const word of document.querySelectorAll(".highlight pre span")) {
        const place = word.closest(".cell_input, .cell_output, .admonition, body");
        const kind = `${word.className} in ${place.className}`;
        if (seen.has(kind)) word.replaceWith(word.textContent);
        seen.add(kind);
    }
}"""


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser, site, name):
    tab, *_ = open_page(browser, f"{site.url}/{name}.html")
    # What is folded is there too.
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    tab.evaluate(ONE_OF_EACH)
    found = []
    for theme in ("light", "dark"):
        use_theme(tab, theme)
        result = Axe().run(tab, options={"resultTypes": ["violations"]})
        found += result.response["violations"]
    tab.context.close()
    assert not [
        (v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found
    ]
