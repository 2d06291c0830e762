"""axe finds nothing on any page of the built book."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from test_book import PAGES, open_page, use_theme

#: What axe is asked for; in the dark only what colours can change.
FOUND = {"resultTypes": ["violations"]}
COLORS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing(browser, site, name):
    tab, *_ = open_page(browser, f"{site.url}/{name}.html")
    # What is folded is there too.
    tab.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = []
    for theme, options in {"light": FOUND, "dark": FOUND | {"runOnly": COLORS}}.items():
        use_theme(tab, theme)
        found += Axe().run(tab, options=options).response["violations"]
    tab.context.close()
    assert not [
        (v["id"], v["help"], [n["html"][:200] for n in v["nodes"][:3]]) for v in found
    ]
