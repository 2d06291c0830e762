"""The explorer in a live JupyterLab, worked as a person works it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import Browser, Page, expect

import lrlib

CELLS = [
    "import lrlib\n"
    "explorer = lrlib.explore(lrlib.cosine(0.1, decay_steps=150), steps=200)\n"
    "explorer",
    "print('alpha is', explorer.params['alpha'], 'at the end', explorer.schedule(150))",
    "explorer.params = {'alpha': 0.25, 'initial_learning_rate': 0.2}",
    "explorer.schedule = lrlib.rex()",
]
TRAINING_CELLS = [
    "import lrlib\n"
    "pins = [lrlib.constant(0.5)]\n"
    "schedule = lrlib.linear(0.5, 100)\n"
    "train = {'batch_size': 16, 'seeds': 5}\n"
    "explorer = lrlib.explore(schedule, steps=100, train=train, pins=pins)\n"
    "explorer",
    "from lrlib.show.explorer.reference import final_results\n"
    "runs = explorer.runs['linear']\n"
    "expected = final_results(runs.rates, range(1, 6), batch_size=16)\n"
    "equal = abs(runs.test_loss - expected[:, 0]).max() < 1e-6\n"
    "print(list(explorer.runs), runs.training_loss.shape, equal)",
]
#: A kernel starts slowly on a busy machine.
PATIENCE = 120_000


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a JupyterLab that holds the notebook."""
    folder = tmp_path_factory.mktemp("lab")
    cells = [new_code_cell(source) for source in CELLS]
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "explorer.ipynb")
    cells = [new_code_cell(source) for source in TRAINING_CELLS]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "training.ipynb")
    stored = new_output("display_data", {"text/html": lrlib.noam()._repr_html_()})
    cells = [new_code_cell("import lrlib\nlrlib.noam()", outputs=[stored])]
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "schedule.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": "",
        "LabApp.news_url": "None",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    own = {
        name: str(folder / name)
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    url = f"http://127.0.0.1:{port}"
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *arguments],
            stdout=log,
            stderr=log,
            env={**os.environ, **own},
            start_new_session=True,
        )
        try:
            wait_for(f"{url}/api", server, folder / "log")
            yield url
        finally:
            server.terminate()
            server.wait(30)


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(240):
        if server.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()}")


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """A notebook in JupyterLab, in which no script fails."""
    context = browser.new_context(viewport={"width": 1300, "height": 1600})
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address, timeout=PATIENCE)
    page.locator(".jp-CodeCell").first.wait_for(timeout=PATIENCE)
    yield page
    assert errors == []
    context.close()


def wait_for_kernel(page: Page) -> None:
    ready = page.get_by_text(re.compile(r"Python 3.*\| Idle"))
    expect(ready).to_be_visible(timeout=PATIENCE)


def run_cell(page: Page, number: int) -> None:
    """Click into the cell and press Shift+Enter, and wait for its number."""
    cell = page.locator(".jp-CodeCell").nth(number)
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    prompt = cell.locator(".jp-InputPrompt")
    expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=PATIENCE)


def test_a_slider_moved_in_jupyterlab_is_read_back_by_the_next_cell(
    browser: Browser, lab: str
) -> None:
    with opened(browser, f"{lab}/lab/tree/explorer.ipynb") as page:
        wait_for_kernel(page)
        run_cell(page, 0)
        alpha = page.get_by_role("textbox", name="alpha", exact=True)
        expect(alpha).to_have_value("0", timeout=PATIENCE)
        # The widget, not the picture that the published page starts from.
        expect(page.locator(".lrlib-explorer .charts")).to_be_visible()
        expect(page.locator(".jp-OutputArea polyline")).to_have_count(0)
        expect(page.get_by_role("button", name="Copy link")).to_have_count(0)

        slider = page.get_by_role("slider", name="alpha", exact=True)
        box = slider.bounding_box()
        page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + box["height"] / 2)
        clicked = float(alpha.input_value())
        assert 0.2 < clicked < 0.4
        # An arrow key on a slider is the slider's, no shortcut of JupyterLab's.
        page.keyboard.press("ArrowRight")
        expect(alpha).not_to_have_value(f"{clicked:g}")
        dialled = float(alpha.input_value())
        assert clicked < dialled < clicked + 0.1
        run_cell(page, 1)
        output = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output")
        end = lrlib.cosine(0.1, decay_steps=150, alpha=dialled)(150)
        expect(output).to_have_text(
            f"alpha is {dialled} at the end {end}", timeout=PATIENCE
        )

        run_cell(page, 2)
        expect(alpha).to_have_value("0.25", timeout=PATIENCE)
        rate = page.get_by_role("textbox", name="initial_learning_rate", exact=True)
        expect(rate).to_have_value("0.2")

        # A new schedule joins the picker; the pin and the old one's values stay.
        page.get_by_role("button", name="Pin", exact=True).click()
        run_cell(page, 3)
        picker = page.get_by_label("Schedule")
        expect(picker).to_have_value("rex", timeout=PATIENCE)
        expect(alpha).to_have_count(0)
        expect(page.locator(".lrlib-explorer .lines path")).to_have_count(4)
        expect(page.locator(".pins li")).to_contain_text("cosine A")
        picker.select_option("cosine")
        expect(alpha).to_have_value("0.25")


def test_a_formula_shows_before_its_notebook_is_trusted_and_when_it_is_run(
    browser: Browser, lab: str
) -> None:
    # Not the workspace in which the other notebook is open.
    address = f"{lab}/lab/workspaces/own/tree/schedule.ipynb"
    with opened(browser, address) as page:
        output = page.locator(".jp-OutputArea-output")
        # What somebody else has stored may hold no MathML: JupyterLab sets the LaTeX.
        expect(output.locator("mjx-container")).to_be_visible(timeout=PATIENCE)
        expect(output.locator(".lrlib-formula")).to_be_hidden()
        expect(output.locator(".lrlib-formula math")).to_have_count(0)

        wait_for_kernel(page)
        run_cell(page, 0)
        formula = output.locator(".lrlib-formula math")
        expect(formula).to_be_visible(timeout=PATIENCE)
        expect(formula).to_have_css("font-family", re.compile("Cambria Math.*, math"))
        expect(output.locator("mjx-container")).to_be_hidden()
        expect(output.locator("polyline")).to_be_visible()


def test_what_the_browser_trained_is_in_the_kernel(browser: Browser, lab: str) -> None:
    address = f"{lab}/lab/workspaces/train/tree/training.ipynb"
    with opened(browser, address) as page:
        wait_for_kernel(page)
        run_cell(page, 0)
        # The kernel sends the digits, the browser trains and sends the runs back.
        verdict = page.locator(".verdict")
        expect(verdict).to_have_text(re.compile("linear.*constant A"), timeout=PATIENCE)
        run_cell(page, 1)
        output = page.locator(".jp-CodeCell").nth(1).locator(".jp-OutputArea-output")
        expect(output).to_have_text(
            "['constant A', 'linear'] (5, 50) True", timeout=PATIENCE
        )
