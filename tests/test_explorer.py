"""The explorer: what Python says of it, and what a reader does with it in Chromium.

The pages here are small ones of our own; the built book has its own tests.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, expect
from random_schedules import combined, examples, schedules

import lrlib
import lrlib.show.explorer
from lrlib.schedules import formula
from lrlib.schedules.kinds import Factor, Rate
from lrlib.schedules.schedule import schedule
from lrlib.show.explorer import _entry, bundle, training_files

FOLDER = Path(lrlib.show.explorer.__file__).parent
ORIGIN = "http://book.test/"
#: What a page loads.
FILES = {
    "explorer.js": bundle.script(FOLDER / "page.js"),
    "explorer.css": (FOLDER / "explorer.css").read_text(),
}
#: What it loads when a network trains on it.
TRAINING = training_files()
#: What the tests import: each module's exports, with the modules that it needs.
MODULES = {
    f"{name}.js": bundle.module(FOLDER / f"{name}.js")
    for name in ("explorer", "formulas", "job", "network", "numbers", "verdict")
}
TYPES = {".js": "text/javascript", ".css": "text/css"}

# A busy machine takes its time; a wrong page stays wrong.
expect.set_options(timeout=15_000)


# A page of our own ------------------------------------------------------------


def html_of(explorer) -> str:
    data, _ = explorer._repr_mimebundle_()
    return data["text/html"]


@dataclasses.dataclass
class Reader:
    """Opens pages that hold explorers, and notes what they ask for and get wrong."""

    context: object
    errors: list[str] = dataclasses.field(default_factory=list)
    requests: list[str] = dataclasses.field(default_factory=list)

    def open(self, *explorers, address: str = "", body: str = "", wait=True) -> Page:
        """Open a page with explorers, or with HTML in place of one."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda m: self.errors.append(m.text))
        page.on("request", lambda request: self.requests.append(request.url))
        html = (
            "<!doctype html><html lang='en'><head><title>Test</title>"
            "<meta charset='utf-8'><link rel='icon' href='data:,'>"
            "<meta name='viewport' content='width=device-width,initial-scale=1'>"
            "<link rel='stylesheet' href='explorer.css'>"
            "<script defer src='explorer.js'></script>"
            "<style>:root {color-scheme: light dark} main {max-width: 48rem}"
            "body {background: Canvas; color: CanvasText}</style>"
            f"</head><body><main><h1>Test</h1>{body}"
            f"{''.join(e if isinstance(e, str) else html_of(e) for e in explorers)}"
            "</main></body></html>"
        )

        def answer(route):
            name = route.request.url.removeprefix(ORIGIN).partition("#")[0]
            files = MODULES if name.startswith("modules/") else {**FILES, **TRAINING}
            file = name.removeprefix("modules/")
            if file in files:
                kind = TYPES[Path(file).suffix]
                route.fulfill(body=files[file], content_type=f"{kind}; charset=utf-8")
            elif name == "":
                route.fulfill(body=html, content_type="text/html")
            else:
                route.abort()

        page.route("**/*", answer)
        page.goto(ORIGIN + address)
        if wait:
            page.locator(".lines .current").first.wait_for(state="attached")
        return page


@pytest.fixture
def reader(browser: Browser):
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    context.set_default_timeout(20_000)
    reader = Reader(context)
    yield reader
    context.close()
    assert reader.errors == []
    assert {url.partition("#")[0] for url in reader.requests} <= {
        ORIGIN + name
        for name in ("", *FILES, *TRAINING, *(f"modules/{m}" for m in MODULES))
    }


def field(page: Page, name: str):
    return page.get_by_role("textbox", name=name, exact=True)


def slider(page: Page, name: str):
    return page.get_by_role("slider", name=name, exact=True)


def button(page: Page, name: str):
    return page.get_by_role("button", name=name, exact=True)


def curve(page: Page, kind: str = "current", chart: int = 0) -> str:
    return page.locator(f".charts > svg >> nth={chart}").locator(
        f".lines .{kind}"
    ).get_attribute("d")  # fmt: skip


def words(page: Page) -> str:
    return page.locator(".words").inner_text().replace("\n", " ")


# The formula in the browser ---------------------------------------------------


@pytest.fixture(scope="module")
def page_of_modules(browser: Browser):
    """A page without an explorer, for the functions that an explorer calls."""
    reader = Reader(browser.new_context())
    yield reader.open(wait=False)
    reader.context.close()
    assert reader.errors == []


COMPARE = """async ({ cases, steps }) => {
    const { sample, simulate } = (await import("./modules/formulas.js")).default;
    return cases.map(({ formula, params, view }) => {
        const rates = sample({ formula }, params, steps);
        const losses = simulate(rates, { steps, ...view }, 32);
        return [[...rates], [...losses].map((x) => (x === Infinity ? "inf" : x))];
    });
}"""


def in_browser(page: Page, schedules, steps: int, views) -> list:
    cases = [
        {
            "formula": formula.tree(s.named_formula),
            "params": s.numbers,
            "view": view,
        }
        for s, view in zip(schedules, views, strict=True)
    ]
    return page.evaluate(COMPARE, {"cases": cases, "steps": steps})


VIEW = {"condition_number": 10.0, "noise": 1.0, "batch_size": 32}


VIEWS = st.fixed_dictionaries(
    {
        "condition_number": st.floats(0, 4).map(lambda x: 10.0**x),
        "noise": st.floats(-2, 2).map(lambda x: 10.0**x),
        "batch_size": st.integers(0, 11).map(lambda x: 2**x),
    }
)


def compare_with_numpy(page: Page, schedules: list, view: dict) -> None:
    steps = 400
    answers = in_browser(page, schedules, steps, [view] * len(schedules))
    for s, (rates, losses) in zip(schedules, answers, strict=True):
        expected = s(np.arange(steps + 1))
        # Relative to the curve's peak: where a curve ends at 0 any rounding is
        # infinitely far from it.
        peak = np.abs(expected).max()
        error = np.abs(np.array(rates) - expected).max()
        assert error <= 1e-12 * peak, (s, error)
        np.testing.assert_allclose(
            np.array(losses, dtype=float),
            lrlib.simulate(s, steps, **view),
            rtol=1e-9,
            err_msg=repr(s),
        )


@pytest.mark.parametrize("name", lrlib.catalogue)
@examples(40)
@given(data=st.data(), view=VIEWS)
def test_the_browser_computes_what_numpy_computes(page_of_modules, name, data, view):
    compare_with_numpy(page_of_modules, [data.draw(schedules(name))], view)


@examples(10)
@given(made=combined(), view=VIEWS)
def test_the_browser_computes_what_is_made_of_schedules(page_of_modules, made, view):
    compare_with_numpy(page_of_modules, made, view)


def test_numbers_are_written_as_python_writes_them(page_of_modules):
    rng = np.random.default_rng(0)
    floats = [0.0, 1.0, 0.1, 1e-4, 9.9e-5, 1e-5, 123456.0, 1e15, 1e16, 1.5e300, -2.5]
    floats += (10 ** rng.uniform(-20, 20, 500)).tolist()
    whole = [0, 1, 150, 10**15]
    texts = page_of_modules.evaluate(
        """async ({ floats, whole }) => {
            const { python } = (await import("./modules/numbers.js")).default;
            const one = floats.map((x) => python(x, false));
            return [...one, ...whole.map((x) => python(x, true))];
        }""",
        {"floats": floats, "whole": whole},
    )
    assert texts == [repr(x) for x in [*floats, *whole]]


# What the reader does ---------------------------------------------------------


def cosine():
    return lrlib.explore(lrlib.cosine(0.1, decay_steps=150, alpha=0.3), steps=300)


def test_the_curve_and_the_words_follow_a_slider(reader):
    page = reader.open(cosine())
    assert "ends at 0.03, loss" in words(page)
    rate, loss = curve(page), curve(page, chart=1)
    slider(page, "alpha").focus()
    page.keyboard.press("End")
    expect(field(page, "alpha")).to_have_value("1")
    assert "ends at 0.1, loss" in words(page)
    assert curve(page) != rate
    assert curve(page, chart=1) != loss
    label = page.get_by_role("img", name=re.compile("cosine: learning rate"))
    expect(label).to_have_attribute(
        "aria-label",
        "cosine: learning rate 0.1 at step 0, highest 0.1, 0.1 at step 300",
    )
    button(page, "Reset").click()
    assert curve(page) == rate


def test_the_grid_moves_with_the_curves(reader):
    page = reader.open(lrlib.explore(lrlib.linear(1.5, 100), steps=100))
    grid = page.locator(".grid").first
    assert grid.locator("text").all_text_contents()[:4] == ["0", "0.5", "1", "1.5"]

    def ends():
        """Where the line of 1.5 lies, and where the curve begins, from the top."""
        row = grid.locator(":scope > g > g").nth(3).get_attribute("transform")
        return float(re.match(r"translate\(44 ([\d.]+)\)", row)[1]) - 26, float(
            re.match(r"M[\d.]+ (-?[\d.]+)", curve(page))[1]
        )

    line, start = ends()
    assert line == pytest.approx(start, abs=0.1)
    field(page, "initial_learning_rate").fill("1.6")
    assert grid.locator("text").all_text_contents()[:4] == ["0", "0.5", "1", "1.5"]
    below, top = ends()
    assert top == pytest.approx(start, abs=0.1)
    assert below > line + 5


def test_a_slider_dragged_by_the_mouse_gives_round_values(reader):
    page = reader.open(cosine())
    box = slider(page, "initial_learning_rate").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    page.mouse.up()
    value = float(field(page, "initial_learning_rate").input_value())
    assert 0.002 < value < 0.005  # the middle of a logarithmic scale 1e-5 .. 1
    assert value == float(f"{value:.2g}")


def test_a_number_typed_in_is_taken_exactly_and_a_wrong_one_is_not(reader):
    page = reader.open(cosine())
    before = curve(page)
    field(page, "decay_steps").fill("137")
    assert curve(page) != before
    taken = curve(page)
    for wrong in ("0", "12.5", "many", "", "1e999", "-3"):
        field(page, "decay_steps").fill(wrong)
        expect(field(page, "decay_steps")).to_have_attribute("aria-invalid", "true")
        expect(page.get_by_role("status")).to_have_text(
            "decay_steps must be a whole number of at least 1"
        )
        assert curve(page) == taken
    field(page, "decay_steps").blur()
    expect(field(page, "decay_steps")).to_have_value("137")
    expect(page.get_by_role("status")).to_have_text("")


def test_a_number_in_the_gap_above_1_is_not_taken(reader):
    page = reader.open(lrlib.explore(lrlib.cosine_restarts(0.1, 50), steps=200))
    for text, refused in (("1.00001", "true"), ("1", "false"), ("1.0001", "false")):
        field(page, "t_mul").fill(text)
        expect(field(page, "t_mul")).to_have_attribute("aria-invalid", refused)


def test_the_pointer_reads_the_curve_at_its_step(reader):
    explorer = lrlib.explore(lrlib.linear(0.1, 200), steps=200, steps_per_epoch=50)
    page = reader.open(explorer)
    plot = page.locator(".scrub").bounding_box()
    page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2)
    loss = lrlib.simulate(lrlib.linear(0.1, 200), 200)[100]
    reading = f"epoch 2.00 · step 100 of 200 · rate 0.05 · loss {loss:.2g}"
    assert words(page).startswith(reading)


def test_only_the_picked_schedule_has_controls_and_it_keeps_its_values(reader):
    page = reader.open(lrlib.explore(lrlib.cosine(), lrlib.step(), steps=300))
    field(page, "alpha").fill("0.25")
    page.get_by_label("Schedule").select_option("step")
    expect(field(page, "alpha")).to_have_count(0)
    expect(field(page, "decay_rate")).to_have_value("0.5")
    page.get_by_label("Schedule").select_option("cosine")
    expect(field(page, "alpha")).to_have_value("0.25")


def test_a_choice_has_its_own_formula(reader):
    page = reader.open(lrlib.explore(lrlib.polynomial(0.1, 100), steps=300))
    assert "ends at 1e-4" in words(page)
    page.get_by_label("cycle").check()
    page.locator(".scrub").focus()
    for _ in range(50):  # from the end to step 250
        page.keyboard.press("ArrowLeft")
    expected = lrlib.polynomial(0.1, 100, cycle=True)(250)
    assert f"step 250 of 300 · rate {expected:.3g}" in words(page)


def test_a_number_that_the_chosen_shape_does_not_use_is_out_of_the_way(reader):
    page = reader.open(lrlib.explore(lrlib.cyclic(), lrlib.cosine(), steps=100))
    expect(field(page, "gamma")).to_be_hidden()
    expect(slider(page, "gamma")).to_be_hidden()
    mode = page.get_by_label("mode")
    mode.select_option("exp_range")
    expect(field(page, "gamma")).to_be_visible()
    mode.select_option("triangular2")
    expect(field(page, "gamma")).to_be_hidden()
    picker = page.get_by_label("Schedule")
    for name in ("cosine", "cyclic"):
        picker.select_option(name)
    expect(field(page, "max_lr")).to_be_visible()
    expect(field(page, "gamma")).to_be_hidden()


def test_pins_stay_while_the_curve_moves_and_can_be_dropped(reader):
    page = reader.open(cosine())
    button(page, "Pin").click()
    first = curve(page, "pin-0")
    assert curve(page) == first
    field(page, "alpha").fill("0.6")
    assert curve(page) != first
    assert curve(page, "pin-0") == first
    expect(page.locator(".pins li")).to_have_text(re.compile("cosine A.*alpha 0.3"))
    for _ in range(4):
        button(page, "Pin").click()
    expect(button(page, "Pin")).to_be_disabled()
    names = page.locator(".names").first.locator("text").all_text_contents()
    assert sorted(names) == ["cosine", *(f"cosine {letter}" for letter in "ABCDE")]
    button(page, "Drop cosine B").click()
    expect(page.locator(".lines .pin-1")).to_have_count(0)
    assert curve(page, "pin-0") == first
    button(page, "Pin").click()  # the free colour again
    expect(page.locator(".charts > svg >> nth=0").locator(".pin-1")).not_to_have_count(
        0
    )
    page.get_by_title("Back to cosine A").click()
    expect(field(page, "alpha")).to_have_value("0.3")
    assert curve(page) == first


def test_settings_change_the_axes(reader):
    page = reader.open(cosine())
    linear = curve(page)
    page.get_by_label("log rate").check()
    assert curve(page) != linear
    page.get_by_label("log rate").uncheck()
    page.get_by_label("epochs").check()
    ticks = page.locator(".grid").nth(1).locator("text").all_text_contents()
    assert {"0", "1", "2", "3", "epoch"} <= set(ticks)
    field(page, "steps").fill("150")
    assert "step 150 of 150" in words(page)
    page.get_by_label("loss", exact=True).uncheck()
    expect(page.locator(".charts > svg >> nth=1")).to_be_hidden()
    assert "loss" not in words(page)


def test_too_high_a_rate_blows_up_in_words_and_leaves_the_chart(reader):
    page = reader.open(lrlib.explore(lrlib.constant(3.0), steps=2000))
    assert "loss ∞" in words(page)
    assert "NaN" not in curve(page, chart=1)


def test_parameters_that_do_not_go_together_get_a_notice_and_no_curve(reader):
    explorer = lrlib.explore(lrlib.clip(lrlib.cosine(), 0.01, 0.05), steps=100)
    page = reader.open(explorer)
    field(page, "low").fill("0.06")
    notice = "clip: low must not be above high"
    expect(page.get_by_role("status")).to_have_text(notice)
    expect(page.get_by_role("img").first).to_have_attribute("aria-label", notice)
    expect(page.locator(".lines .current")).to_have_count(0)
    expect(button(page, "Pin")).to_be_disabled()
    field(page, "high").fill("0.07")
    expect(page.locator(".lines .current")).to_have_count(2)
    expect(page.get_by_role("status")).to_have_text("")


def test_boundaries_that_do_not_increase_get_a_notice(reader):
    page = reader.open(lrlib.explore(lrlib.piecewise_constant(), steps=300))
    field(page, "boundaries[0]").fill("200")
    expect(page.get_by_role("status")).to_contain_text("boundaries must increase")


def test_every_condition_of_the_catalogue_reaches_the_browser():
    for make in lrlib.catalogue.values():
        s = make()
        told = {
            text.partition(": ")[2]
            for v in _entry(s)["variants"].values()
            for text, _ in v["requires"]
        }
        of_lengths = re.compile("as many|one more|one entry")
        for text in make.definition.requires:
            assert text in told or of_lengths.search(text), (s.name, text)


def test_the_code_follows_the_sliders(reader):
    page = reader.open(lrlib.explore(lrlib.cosine(), lrlib.rex(), steps=300))
    page.get_by_text("Code", exact=True).click()
    field(page, "alpha").fill("0.25")
    field(page, "initial_learning_rate").fill("0.00001")
    s = lrlib.cosine(1e-5, 100, 0.25)
    for library in ("keras", "pytorch", "optax", "transformers", "timm"):
        page.get_by_label("Library").select_option(library)
        assert page.locator("pre").text_content() == s.code(library)
    page.get_by_label("Schedule").select_option("rex")
    page.get_by_label("Library").select_option("keras")
    assert page.locator("pre").text_content() == lrlib.rex().code("keras")


# The address ------------------------------------------------------------------


def linked(reader, explorer) -> str:
    """The address of a page after a reader has changed a good deal of it."""
    page = reader.open(explorer)
    field(page, "alpha").fill("0.45")
    button(page, "Pin").click()
    page.get_by_label("Schedule").select_option("polynomial")
    page.get_by_label("cycle").check()
    field(page, "steps").fill("250")
    field(page, "noise").fill("2.5")
    page.get_by_label("log rate").check()
    page.wait_for_function("location.hash.includes('log=true')")
    page.wait_for_timeout(250)
    return page.evaluate("location.hash")


def both():
    return lrlib.explore(lrlib.cosine(), lrlib.polynomial(0.1, 100), steps=300)


def picture(page: Page) -> list[str]:
    return page.locator(".lines path").evaluate_all("all => all.map(e => e.outerHTML)")


def test_a_link_brings_everything_back(reader):
    address = linked(reader, both())
    page = reader.open(both(), address=address)
    assert picture(page) == picture(reader.context.pages[0])
    expect(field(page, "noise")).to_have_value("2.5")
    expect(page.get_by_label("Schedule")).to_have_value("polynomial")
    expect(page.locator(".pins li")).to_contain_text("cosine A")


def test_a_link_is_followed_on_a_page_that_is_open(reader):
    address = linked(reader, both())
    page = reader.open(both())
    page.evaluate("hash => { location.hash = hash }", address)
    expect(field(page, "noise")).to_have_value("2.5")


def test_a_link_is_for_one_explorer_of_the_page(reader):
    address = linked(reader, both()).replace("explorer=1", "explorer=2")
    page = reader.open(both(), both(), address=address)
    expect(page.locator(".lrlib-explorer").nth(0)).to_contain_text("step 300 of 300")
    expect(page.locator(".lrlib-explorer").nth(1)).to_contain_text("step 250 of 250")


#: The address of a state, and what an explorer with no address shows: made once.
linked_before: list[str] = []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("initial_learning_rate=0.1", "initial_learning_rate=NaN"),
        ("initial_learning_rate=0.1", "initial_learning_rate=Infinity"),
        ("initial_learning_rate=0.1", "initial_learning_rate=1e999"),
        ("initial_learning_rate=0.1", "initial_learning_rate=0"),
        ("initial_learning_rate=0.1", "initial_learning_rate="),
        ("initial_learning_rate=0.1", "initial_learning_rate=0x1"),
        ("initial_learning_rate=0.1", "initial_learning_rate=alert(1)"),
        ("&initial_learning_rate=0.1", ""),
        ("initial_learning_rate=0.1", "initial_learning_rate=0.1&__proto__=1"),
        ("initial_learning_rate=0.1", "initial_learning_rate=0.1&power=1"),
        ("schedule=polynomial", "schedule=constructor"),
        ("schedule=polynomial", "schedule=<img src=x onerror=alert(1)>"),
        ("schedule=polynomial", "schedule=polynomial&schedule=cosine"),
        ("cycle=true", "cycle=maybe"),
        ("decay_steps=100", "decay_steps=2.5"),
        ("view.steps=250", "view.steps=1e9"),
        ("view.steps=250", "view.steps=-1"),
        ("view.noise=2.5", "view.noise=2.5&view.color=red"),
        ("pin=A", "pin=F"),
        ("alpha%3D0.45", "alpha%3D4.5"),
        ("alpha%3D0.45", "alpha%3D%3Cscript%3E"),
    ],
)
def test_an_address_with_anything_unknown_is_ignored_with_a_notice(reader, old, new):
    if not linked_before:
        linked_before.append(linked(reader, both()))
        linked_before.append(picture(reader.open(both())))
    good, untouched = linked_before
    address = good.replace(old.replace("pin=A", "pin%3DA"), new.replace("=F", "%3DF"))
    assert address != good
    dialogs = []
    reader.context.on("dialog", lambda dialog: dialogs.append(dialog))
    page = reader.open(both(), address=address)
    expect(page.get_by_role("status")).to_contain_text("The link was not followed")
    assert picture(page) == untouched
    assert page.locator("img[src], script:not([src])").count() == 0
    assert dialogs == []


def test_an_address_of_something_else_is_left_alone(reader):
    page = reader.open(cosine(), address="#in-one-sentence")
    expect(page.get_by_role("status")).to_have_text("")
    assert page.evaluate("location.hash") == "#in-one-sentence"


def test_text_of_a_schedule_is_never_html(reader):
    @schedule
    def hostile(t, rate: Rate = 0.1):
        """</script><img src=x onerror=alert(1)> `<b>`."""
        return rate

    page = reader.open(lrlib.explore(hostile(), steps=10))
    expect(page.locator(".doc")).to_contain_text("</script><img src=x")
    assert page.locator("img[src]").count() == 0


# By keyboard, for everyone, everywhere ----------------------------------------


def tab_to(page: Page, locator) -> None:
    for _ in range(80):
        if locator.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key never came to {locator}")


def test_everything_can_be_done_by_keyboard_alone(reader):
    page = reader.open(both())
    press = page.keyboard.press
    tab_to(page, page.get_by_label("Schedule"))
    press("ArrowDown")
    expect(page.get_by_label("Schedule")).to_have_value("polynomial")
    tab_to(page, page.locator(".scrub"))
    press("ArrowLeft")
    assert words(page).startswith("step 299 of 300")
    tab_to(page, page.get_by_label("log rate"))
    press("Space")
    expect(page.get_by_label("log rate")).to_be_checked()
    at_first = curve(page)
    for name in ("initial_learning_rate", "decay_steps", "end_learning_rate", "power"):
        tab_to(page, field(page, name))
        press("ControlOrMeta+A")
        page.keyboard.type("2")
        tab_to(page, slider(page, name))
        press("ArrowLeft")
        assert field(page, name).input_value() != "2"
    assert curve(page) != at_first
    tab_to(page, page.get_by_label("cycle"))
    press("Space")
    expect(page.get_by_label("cycle")).to_be_checked()
    tab_to(page, button(page, "Pin"))
    press("Enter")
    for name in ("condition number", "noise", "batch size"):
        before = curve(page, chart=1)
        tab_to(page, slider(page, name))
        press("ArrowRight")
        assert curve(page, chart=1) != before
    tab_to(page, page.locator("summary"))
    press("Enter")
    tab_to(page, page.get_by_label("Library"))
    tab_to(page, button(page, "Drop polynomial A"))
    press("Enter")
    expect(page.locator(".pins li")).to_have_count(0)
    assert button(page, "Pin").evaluate("e => e === document.activeElement")
    tab_to(page, button(page, "Reset"))
    press("Enter")
    expect(page.get_by_label("cycle")).not_to_be_checked()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(reader, scheme):
    page = reader.open(both(), lrlib.explore(lrlib.join([lrlib.cosine()] * 2, [50])))
    page.emulate_media(color_scheme=scheme)
    for name in ("Pin", "Pin"):
        button(page, name).first.click()
    page.get_by_text("Code", exact=True).first.click()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


def test_a_phone_never_scrolls_sideways(reader):
    explorers = [both(), lrlib.explore(lrlib.warmup(lrlib.piecewise_constant(), 20))]
    page = reader.open(*explorers)
    page.set_viewport_size({"width": 360, "height": 800})
    for name in ("Pin", "Pin"):
        button(page, name).first.click()
        field(page, "alpha").fill("0.123456789")
    page.get_by_text("Code", exact=True).first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    side, chart = (
        page.locator(name).first.bounding_box() for name in (".side", ".charts")
    )
    assert side["y"] > chart["y"] + chart["height"]  # the controls are under the chart
    assert chart["width"] > 280


def test_without_javascript_the_curve_is_there(browser):
    context = browser.new_context(java_script_enabled=False)
    page = Reader(context).open(cosine(), wait=False)
    expect(page.get_by_role("img")).to_be_visible()
    label = page.get_by_role("img").get_attribute("aria-label")
    assert label.startswith("cosine: learning rate 0.1 at step 0")
    assert page.locator("polyline").get_attribute("points").count(" ") > 100
    context.close()


def test_on_paper_there_is_the_chart_and_no_buttons(reader):
    page = reader.open(cosine())
    page.emulate_media(media="print")
    expect(page.locator(".charts > svg >> nth=0")).to_be_visible()
    expect(button(page, "Reset")).to_be_hidden()


def test_its_files_are_small():
    def sent(text: str) -> int:
        return len(gzip.compress(text.encode(), 6))

    # All that an explorer needs until something trains, a good third of it for that.
    assert sum(map(sent, FILES.values())) < 24_000
    # A fifth of it is the compiled kernel.
    assert sent(TRAINING["worker.js"]) < 6_000
    assert sent(TRAINING["digits.js"]) <= 140_000


# What goes wrong --------------------------------------------------------------


def damaged(explorer, old: str, new: str) -> str:
    """The HTML of an explorer with something else in its data."""
    html = html_of(explorer)
    assert old in html
    return html.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('{"spec"', "{spec", "JSON"),
        ('"spec"', '"other"', "undefined"),
        ('"cos"', '"cosinus"', "unknown operation cosinus"),
        ('"schedule":"cosine"', '"schedule":"sine"', "undefined"),
    ],
)
def test_an_explorer_that_fails_says_so_in_its_place_and_leaves_the_others_alone(
    reader, old, new, message
):
    bad = damaged(lrlib.explore(lrlib.cosine(), steps=300), old, new)
    page = reader.open(cosine(), bad, lrlib.explore(lrlib.rex()))
    failed = page.locator(".lrlib-explorer").nth(1)
    alert = failed.get_by_role("alert")
    expect(alert).to_contain_text("This explorer failed, so you see only a picture")
    expect(alert.locator("pre")).to_contain_text(message)
    expect(failed.get_by_role("img", name="cosine: learning rate")).to_be_visible()
    expect(failed.locator(".frame")).to_have_count(0)
    for i, name in ((0, "cosine"), (2, "rex")):
        explorer = page.locator(".lrlib-explorer").nth(i)
        expect(explorer.locator(".head .title")).to_have_text(name)
        before = explorer.locator(".lines .current").first.get_attribute("d")
        explorer.get_by_role("slider").nth(2).press("Home")
        line = explorer.locator(".lines .current").first
        expect(line).not_to_have_attribute("d", before)
    page.evaluate("location.hash = 'explorer=2&schedule=cosine'")
    assert len(reader.errors) == 1  # for who looks into the console
    assert message in reader.errors.pop()


def test_a_schedule_that_fails_when_it_is_picked_says_so(reader):
    two = lrlib.explore(lrlib.rex(), lrlib.cosine(), steps=300)
    page = reader.open(damaged(two, '"cos"', '"cosinus"'))
    page.get_by_label("Schedule").select_option("cosine")
    expect(page.get_by_role("alert")).to_contain_text("unknown operation cosinus")
    assert "unknown operation cosinus" in reader.errors.pop()


#: A widget in a live notebook: `send` does what a message from Python does.
LIVE = """async ({ spec, state }) => {
    const { render } = (await import("./modules/explorer.js")).default;
    const el = document.createElement("div");
    document.querySelector("main").append(el);
    const values = { spec, state };
    const heard = [];
    const model = {
        get: (name) => values[name],
        set: (name, value) => (values[name] = value),
        save_changes() {},
        on: (names, hear) => heard.push(hear),
        off() {},
    };
    render({ model, el });
    window.live = values;
    window.send = (sent) => {
        Object.assign(values, sent);
        heard.forEach((hear) => hear());
    };
}"""


def live(reader, explorer) -> Page:
    """A page that shows the explorer as a live notebook does."""
    page = reader.open(wait=False)
    page.evaluate(LIVE, {"spec": explorer.spec, "state": explorer.state})
    return page


def test_pins_and_values_stay_when_python_sets_a_new_schedule(reader):
    explorer = cosine()
    page = live(reader, explorer)
    button(page, "Pin").click()
    field(page, "alpha").fill("0.6")
    pinned = curve(page, "pin-0")
    explorer.state = page.evaluate("live.state")
    explorer.schedule = lrlib.rex()
    page.evaluate("send", {"spec": explorer.spec, "state": explorer.state})
    picker = page.get_by_label("Schedule")
    expect(picker).to_have_value("rex")
    expect(page.locator(".lines .current")).to_have_count(2)
    expect(page.locator(".pins li")).to_have_text(re.compile("cosine A"))
    picker.select_option("cosine")
    expect(field(page, "alpha")).to_have_value("0.6")
    expect(page.locator(".pins li")).to_have_text(re.compile("cosine A.*alpha 0.3"))
    page.get_by_title("Back to cosine A").click()
    assert curve(page) == curve(page, "pin-0")
    assert pinned


def test_a_live_explorer_that_failed_recovers_with_what_python_sets_next(reader):
    explorer = cosine()
    page = live(reader, explorer)
    good = {"spec": explorer.spec, "state": explorer.state}
    page.evaluate("send", {"state": {**explorer.state, "schedule": "sine"}})
    expect(page.get_by_role("alert")).to_contain_text("its curve and sliders are gone")
    reader.errors.pop()
    page.evaluate("send", good)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".lines .current")).to_have_count(2)


# The clipboard ----------------------------------------------------------------


@pytest.mark.parametrize(
    "clipboard",
    ["navigator.clipboard", "undefined", "{ writeText: () => Promise.reject() }"],
)
def test_code_is_copied_with_and_without_the_clipboard_of_the_browser(
    reader, clipboard
):
    reader.context.add_init_script(
        f"Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard} }})"
    )
    page = reader.open(cosine(), body="<textarea></textarea>")
    page.get_by_text("Code", exact=True).click()
    button(page, "Copy code").click()
    expect(page.get_by_role("status")).to_have_text("The code is in the clipboard.")
    expect(button(page, "Copy code")).to_be_focused()
    page.locator("textarea").press("ControlOrMeta+V")
    expect(page.locator("textarea")).to_have_value(page.locator("pre").text_content())
    assert page.locator("textarea").count() == 1


# In Python --------------------------------------------------------------------


def test_schedule_and_params_go_both_ways():
    explorer = lrlib.explore(lrlib.cosine(0.1, 150), lrlib.step(), steps=200)
    seen = []
    explorer.observe(lambda change: seen.append(change.new), "schedule")
    params = {"initial_learning_rate": 0.2, "decay_steps": 90, "alpha": 0.5}
    explorer.state = {**explorer.state, "params": params}  # what the browser sends
    assert explorer.schedule == lrlib.cosine(0.2, 90, 0.5)
    assert explorer.params == params
    assert seen == [lrlib.cosine(0.2, 90, 0.5)]

    explorer.params = {"alpha": 0.1}
    assert explorer.schedule == lrlib.cosine(0.2, 90, 0.1)
    assert explorer.state["params"]["alpha"] == 0.1

    explorer.schedule = lrlib.step(0.3)
    assert explorer.state["schedule"] == "step"
    assert explorer.params["initial_learning_rate"] == 0.3


def test_a_schedule_of_another_shape_brings_its_formula():
    explorer = lrlib.explore(lrlib.piecewise_constant(), steps=200)
    longer = lrlib.piecewise_constant([10, 20, 30], [0.4, 0.3, 0.2, 0.1])
    explorer.schedule = longer
    added = explorer.spec["schedules"][explorer.state["schedule"]]
    paths = [control["path"] for control in added["controls"]]
    assert paths == [leaf.path for leaf in longer.leaves()]
    explorer.state = {
        **explorer.state,
        "params": {**explorer.state["params"], "values.3": 0.05},
    }
    assert explorer.schedule(99) == 0.05
    explorer.schedule = lrlib.rex()
    assert explorer.state["schedule"] == "rex"


def test_a_schedule_that_joins_the_others_leaves_them_their_names():
    two = (lrlib.piecewise_constant(), lrlib.piecewise_constant([9], [0.2, 0.1]))
    explorer = lrlib.explore(lrlib.cosine(), *two, steps=200)
    before = explorer.spec["schedules"]
    pin = {"schedule": "cosine", "params": explorer.state["params"], "color": 0}
    explorer.state = {**explorer.state, "pins": [pin]}
    explorer.schedule = lrlib.rex()
    explorer.schedule = lrlib.piecewise_constant([1, 2, 3], [0.4, 0.3, 0.2, 0.1])
    offered = explorer.spec["schedules"]
    assert list(offered) == [*before, "rex", "piecewise_constant 3"]
    assert {key: offered[key] for key in before} == before
    assert explorer.state["pins"] == [pin]
    explorer.schedule = two[1]
    assert explorer.state["schedule"] == "piecewise_constant 2"
    explorer.schedule = lrlib.cosine(0.3)
    assert explorer.state["schedule"] == "cosine"
    assert list(explorer.spec["schedules"]) == list(offered)


def test_what_is_set_is_checked():
    explorer = lrlib.explore(lrlib.cosine(), steps=200)
    with pytest.raises(ValueError, match="alpha must be a number in"):
        explorer.params = {"alpha": 7}
    with pytest.raises(TypeError, match="beta"):
        explorer.params = {"beta": 7}
    assert explorer.schedule == lrlib.cosine()


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((), {}, ValueError, "explore: schedules must be a list of one or more"),
        ((lrlib.cosine,), {}, TypeError, r"schedules\[0\] must be an lrlib Schedule"),
        ((0.1,), {}, TypeError, r"schedules\[0\] must be"),
        (
            (lrlib.cosine(),),
            {"steps": 1},
            ValueError,
            "steps must be a whole number in",
        ),
        ((lrlib.cosine(),), {"steps_per_epoch": 0}, ValueError, "steps_per_epoch"),
        ((lrlib.cosine(),), {"log": "yes"}, TypeError, "log must be one of"),
        ((lrlib.cosine(),), {"noise": -1}, ValueError, "noise must be a number"),
    ],
)
def test_explore_names_what_is_wrong(arguments, options, error, words):
    with pytest.raises(error, match=words):
        lrlib.explore(*arguments, **options)


def test_its_text_is_the_same_in_every_run():
    code = (
        "import lrlib, sys; e = lrlib.explore(*(f() for f in "
        "lrlib.catalogue.values()), lrlib.warmup(lrlib.one_cycle(), 10));"
        "data, _ = e._repr_mimebundle_();"
        "assert 'tensorflow' not in sys.modules;"
        "print(data['text/plain'], data['text/html'])"
    )
    texts = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert texts[0] == texts[1]
    assert texts[0].startswith("Explorer(constant(")


def test_the_page_and_the_widget_hold_the_same():
    explorer = cosine()
    data, _ = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    held = re.search(
        r'<script type="application/json">(.*?)</script>', data["text/html"]
    )
    told = {"spec": explorer.spec, "state": explorer.state}
    assert json.loads(held[1]) == json.loads(json.dumps(told))
    assert data["text/plain"] == (
        "Explorer(cosine(initial_learning_rate=0.1, decay_steps=150, alpha=0.3), "
        "steps=300)"
    )


def test_a_condition_that_only_python_can_check_does_no_harm():
    @schedule(requires={"low < middle < 3": lambda low, middle, **_: low < middle < 3})
    def picky(t, low: Rate = 0.1, middle: Factor = 0.2):
        return low * middle

    explorer = lrlib.explore(picky(), steps=10)
    with pytest.raises(ValueError, match="low < middle < 3"):
        explorer.params = {"low": 0.5}
