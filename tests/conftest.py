"""What several test files need: a quiet TensorFlow, a browser, the built book."""

from __future__ import annotations

import atexit
import functools
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Three folders have a file of this name; pytest would import them as one module when it
# looks for doctests, of which there are none here.
collect_ignore = ["conftest.py"]


def watched_kernels() -> dict[str, str]:
    """Return where IPython finds that its kernels load `check_book`."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    profile = Path(folder, "profile_default")
    profile.mkdir()
    config = 'get_config().IPKernelApp.extensions = ["check_book"]\n'
    (profile / "ipython_kernel_config.py").write_text(config)
    paths = [str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")]
    return {"IPYTHONDIR": folder, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def share_cores() -> None:
    """Give each worker of pytest-xdist its share of the cores.

    What trains takes a thread for each core that it may use. Two kernels with two
    threads each, on two cores, take more processor time than with one thread each.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        number = int(worker.removeprefix("gw")) % len(cores)
        workers = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        os.sched_setaffinity(0, cores[number::workers])


# Before anything imports TensorFlow or starts a kernel.
share_cores()
os.environ |= {
    "CUDA_VISIBLE_DEVICES": "-1",
    "JUPYTER_PATH": str(ROOT / "book" / "_jupyter"),
    "MPLBACKEND": "agg",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTRAOP_THREADS": "1",
    **watched_kernels(),
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


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The book as `make book` builds it, served on 127.0.0.1.

    One worker builds it, if it is older than what it is made of; the others wait.
    """
    import fcntl  # Windows has none, and builds no book

    make = ["make", "-s", "-o", ".venv/ready", f"BIN={Path(sys.executable).parent}"]
    outside = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MFLAGS"}}
    (ROOT / "_build").mkdir(exist_ok=True)
    with (ROOT / "_build" / "book.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [*make, "_build/book.log"],
            cwd=ROOT,
            env=outside,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode:
        pytest.fail(f"the book does not build:\n{done.stdout}", pytrace=False)
    html, log = ROOT / "_build" / "html", ROOT / "_build" / "book.log"
    handler = functools.partial(Handler, directory=str(html))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Site(html, f"http://127.0.0.1:{server.server_port}", log.read_text())
        server.shutdown()


# The order, and how many cells nbval compared ------------------------------------

#: What takes longest goes first, so that no core waits for it at the end: the pages,
#: for which the book is built meanwhile, the notebooks, then what trains in pages.
LONGEST = ("test_book.py", ".ipynb", "test_training_in_the_page.py", "test_explorer.py")
LONGEST += (
    "test_check_setups.py",
    "test_race.py",
    "test_search.py",
    "test_jupyterlab.py",
)


def _turn(item: pytest.Item) -> int:
    name = item.path.name
    return next((i for i, end in enumerate(LONGEST) if name.endswith(end)), 99)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort the files, and mark what nbval compares and what needs pages."""
    items.sort(key=_turn)
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
