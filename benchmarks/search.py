"""How long the search takes: to load its index, and to answer a key.

In Chromium, on a page of the built book, opened over HTTP and as a file:

- loading: from the focus of the field until the index answers, each time in a browser
  that has never seen it;
- a key: from its input event until the results are in the page and laid out, while
  every search of the tests is typed letter by letter.

    make book && python benchmarks/search.py
"""

from __future__ import annotations

import functools
import json
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parent.parent
HTML = ROOT / "_build" / "html"
SEARCHES = json.loads((ROOT / "tests/golden/searches.json").read_text())
LOADS = 15
LONGEST = 60  # letters of a query that are typed
LOAD_LIMIT = 300.0  # ms, the median
KEY_LIMIT = 50.0  # ms, at the 95th percentile

#: Resolves with the milliseconds until the search answers.
LOAD = """() => new Promise((resolve) => {
    const start = performance.now();
    const ready = () => globalThis.bookSearch?.isReady();
    document.querySelector("#pst-search-dialog").showModal();
    const channel = new MessageChannel();
    channel.port1.onmessage = () =>
        ready() ? resolve(performance.now() - start) : channel.port2.postMessage(0);
    channel.port2.postMessage(0);
})"""

#: Types a text letter by letter and returns the milliseconds of each.
TYPE = """(text) => {
    const input = document.querySelector("#pst-search-dialog input");
    return [...text].map((_, i) => {
        input.value = text.slice(0, i + 1);
        const start = performance.now();
        input.dispatchEvent(new InputEvent("input", { bubbles: true }));
        document.querySelector("#pst-search-dialog").getBoundingClientRect();
        return performance.now() - start;
    });
}"""


class Quiet(SimpleHTTPRequestHandler):
    """Serve files, and say nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def addresses() -> Iterator[dict[str, str]]:
    handler = functools.partial(Quiet, directory=str(HTML))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        http = f"http://127.0.0.1:{server.server_port}"
        yield {"HTTP": http, "file": HTML.as_uri()}
        server.shutdown()


def open_page(browser: Browser, root: str) -> Page:
    page = browser.new_context().new_page()
    page.goto(f"{root}/book/glossary.html", wait_until="networkidle")
    return page


def measure(browser: Browser, root: str) -> dict[str, np.ndarray]:
    loads = []
    for _ in range(LOADS):
        page = open_page(browser, root)
        loads.append(page.evaluate(LOAD))
        page.context.close()
    page = open_page(browser, root)
    page.evaluate(LOAD)
    keys: list[float] = []
    for case in SEARCHES:
        keys += page.evaluate(TYPE, case["query"][:LONGEST])
    page.context.close()
    return {"load": np.array(loads), "key": np.array(keys)}


def main() -> None:
    if not (HTML / "_static/search/documents.js").exists():
        sys.exit("The book isn't built: make book")
    missed = False
    with addresses() as roots, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )
        print(f"{'ms':14}{'median':>8}{'95 %':>8}{'most':>8}{'times':>8}")
        for name, root in roots.items():
            for what, times in measure(chromium, root).items():
                median, high = np.percentile(times, [50, 95])
                print(
                    f"{f'{what}, {name}':14}{median:8.1f}{high:8.1f}"
                    f"{times.max():8.1f}{len(times):8}"
                )
                missed |= median > LOAD_LIMIT if what == "load" else high > KEY_LIMIT
        chromium.close()
    limits = f"limits {LOAD_LIMIT:.0f} ms and {KEY_LIMIT:.0f} ms"
    print(f"{limits}: {'MISSED' if missed else 'kept'}")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
