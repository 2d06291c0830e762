"""Lighthouse on every page of the built book, as a desktop browser gets it.

    make book lighthouse

Accessibility, best practices and SEO must be 100, performance 95 or more; else the
audits that cost points are named and the exit code is 1.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NEEDED = {"performance": 98, "accessibility": 100, "best-practices": 100, "seo": 100}

sys.path.insert(0, str(ROOT / "tests"))
from conftest import CHROMIUM, Handler  # noqa: E402


def measure(url: str) -> dict:
    """Return Lighthouse's report on a page."""
    done = subprocess.run(
        [
            *(HERE / "node_modules" / ".bin" / "lighthouse", url),
            *("--preset=desktop", "--output=json", "--quiet"),
            f"--only-categories={','.join(NEEDED)}",
            "--chrome-flags=--headless=new --no-sandbox --disable-gpu",
        ],
        env=os.environ | {"CHROME_PATH": CHROMIUM or ""},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> int:
    """Measure the pages named, or all; print a line for each; return the exit code."""
    book = ROOT / "_build" / "html"
    pages = sys.argv[1:] or sorted(p.stem for p in (book / "book").glob("*.html"))
    if not pages or not shutil.which("node"):
        print("Lighthouse needs the built book (make book) and Node.js")
        return 1
    handler = functools.partial(Handler, directory=str(book))
    failed = False
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print("page", *NEEDED, sep="\t")
        for page in pages:
            report = measure(f"http://127.0.0.1:{server.server_port}/book/{page}.html")
            categories = report["categories"]
            scores = {name: round(100 * categories[name]["score"]) for name in NEEDED}
            print(page, *scores.values(), sep="\t", flush=True)
            for name, score in scores.items():
                if score >= NEEDED[name]:
                    continue
                failed = True
                for reference in categories[name]["auditRefs"]:
                    audit = report["audits"][reference["id"]]
                    if reference["weight"] and (audit["score"] or 0) < 0.9:
                        words = audit.get("displayValue", "")
                        print(f"\t{name}: {audit['title']} {words}", flush=True)
        server.shutdown()
    return failed


if __name__ == "__main__":
    sys.exit(main())
