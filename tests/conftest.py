"""What several test files need: a quiet TensorFlow, a browser, the built book."""

from __future__ import annotations

import functools
import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Before anything imports TensorFlow or starts a kernel.
os.environ |= {
    "CUDA_VISIBLE_DEVICES": "-1",
    "JUPYTER_PATH": str(ROOT / "book" / "_jupyter"),
    "MPLBACKEND": "agg",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "1",
}


#: The path of a Chromium, or None.
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A headless Chromium, driven by Playwright."""
    if not CHROMIUM:
        missing = "no Chromium found; on Debian: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    switches = "no-sandbox disable-gpu disable-background-networking no-first-run"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[f"--{switch}" for switch in switches.split()],
        )
        yield chromium
        chromium.close()


class Handler(SimpleHTTPRequestHandler):
    """Serve files compressed, as every web host does, and say nothing."""

    def send_head(self):  # type: ignore[no-untyped-def]
        """Send a text file compressed where the browser takes that."""
        path = Path(self.translate_path(self.path))
        if path.suffix not in {".html", ".css", ".js", ".svg"} or not path.is_file():
            return super().send_head()
        body = gzip.compress(path.read_bytes(), 6)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return None

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Site(NamedTuple):
    """The built book: its folder, its address, and what the build said."""

    folder: Path
    url: str
    log: str

    def addresses(self, page: str) -> list[str]:
        """Return the page's address over HTTP, and that of its file on the disk."""
        return [f"{self.url}/{page}.html", (self.folder / f"{page}.html").as_uri()]


def build_book(folder: Path) -> subprocess.CompletedProcess[str]:
    """Build the book, as `make book` does."""
    return subprocess.run(
        [
            *(Path(sys.executable).parent / "jupyter-book", "build", ROOT),
            *("--path-output", folder, "--all", "-W", "-n", "--keep-going", "--quiet"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def build() -> Callable[[Path], subprocess.CompletedProcess[str]]:
    """Build the book once more, into another folder."""
    return build_book


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The book, built once for all workers and served on 127.0.0.1."""
    import fcntl  # Windows has none, and builds no book

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    said = folder / "book.json"
    with (folder / "book.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            done = build_book(folder)
            said.write_text(json.dumps([done.returncode, done.stdout]))
    code, log = json.loads(said.read_text())
    if code:
        pytest.fail(f"the book does not build:\n{log}", pytrace=False)
    html = folder / "_build" / "html"
    handler = functools.partial(Handler, directory=str(html))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(html, f"http://127.0.0.1:{server.server_port}", log)
        server.shutdown()


# How many cells nbval compared ---------------------------------------------------


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the notebook cells whose outputs nbval compares, and tests of pages."""
    for item in items:
        if {"browser", "site", "fork"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("pages")
        if getattr(item, "options", {}).get("check") and hasattr(item, "cell_num"):
            item.user_properties.append(("compared", True))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cells nbval compared, and of how many notebooks."""
    compared = {
        report.nodeid
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if ("compared", True) in report.user_properties
    }
    notebooks = {nodeid.partition("::")[0] for nodeid in compared}
    if compared:
        terminalreporter.write_line(
            f"nbval compared the outputs of {len(compared)} cells "
            f"in {len(notebooks)} notebooks"
        )
