"""Training in the page: what a reader sees in Chromium, against NumPy and SciPy."""

from __future__ import annotations

import re

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from scipy import stats
from sympy import Abs
from test_explorer import (
    TRAINING,
    Reader,
    button,
    curve,
    field,
    html_of,
    slider,
    tab_to,
)
from test_explorer import reader as reader  # a fixture

import lrlib
from lrlib.schedules.kinds import Rate
from lrlib.schedules.schedule import schedule
from lrlib.show.explorer import reference
from lrlib.show.explorer.training import small_digits

#: A busy machine trains slowly.
PATIENCE = 120_000


def trained(*schedules, steps=100, pins=(), **settings):
    train = {"batch_size": 16, "seeds": 5, **settings}
    return lrlib.explore(*schedules, steps=steps, train=train, pins=pins)


def bold_and_cautious(**settings):
    """A bold constant rate, pinned, and a decay from it."""
    bold = lrlib.constant(1.5)
    return trained(lrlib.linear(1.5, 100), bold, pins=[bold], **settings)


def said(page: Page, words: str | re.Pattern = re.compile(".")):
    """Wait for the verdict, or whatever stands in its place."""
    place = page.locator(".verdict")
    expect(place).to_have_text(words, timeout=PATIENCE)
    return place.inner_text()


def results(rates, seeds=5, **settings):
    settings = {"batch_size": 16, **settings}
    found = reference.final_results(rates, range(1, seeds + 1), **settings)
    return found[:, 0], found[:, 1]


def interval(differences):
    n = len(differences)
    half = stats.t.ppf(0.975, n - 1) * stats.sem(differences)
    return differences.mean() - half, differences.mean() + half


# What a worker does, against NumPy ----------------------------------------------

RUN_JOBS = """async ({ sets, jobs }) => {
    const { Network } = (await import("./modules/network.js")).default;
    const { Job } = (await import("./modules/job.js")).default;
    const network = new Network(sets);
    return jobs.map((settings) => {
        const rates = Float64Array.from(settings.rates);
        const job = new Job(network, { ...settings, rates });
        while (!job.ended) job.advance();
        const { losses, checks, cuts } = job;
        return { losses, checks, cuts, ...job.outcome() };
    });
}"""


@pytest.fixture(scope="module")
def modules(browser):
    reader = Reader(browser.new_context())
    yield reader.open(wait=False)
    reader.context.close()
    assert reader.errors == []


def run_jobs(page: Page, *jobs):
    from lrlib.show.explorer.training import digits_as_text

    made = [
        {"optimizer": "SGD", "batchSize": 32, "seed": 1, "clip": False, **job}
        for job in jobs
    ]
    return page.evaluate(RUN_JOBS, {"sets": digits_as_text(), "jobs": made})


def with_plateau(rates, checks, **settings):
    """ReduceLROnPlateau at each of so many checks: halve, patience 1."""
    steps, scale, best, cuts, losses, seen = len(rates), [1.0], np.inf, [], [], []
    lazy = (rate * scale[0] for rate in rates)
    every = steps // checks
    for t, (loss, weights) in enumerate(reference.updates(lazy, steps, **settings), 1):
        losses.append(loss)
        if t % every:
            continue
        seen.append(reference.evaluate(weights, *small_digits()["validation"]))
        if t == steps:
            break
        if seen[-1][0] < best - 1e-4:
            best = seen[-1][0]
        else:
            scale[0] *= 0.5
            cuts.append(t)
    test = reference.evaluate(weights, *small_digits()["test"])
    return np.array(losses), np.array(seen), cuts, test


@pytest.mark.parametrize("plateau", [False, True])
def test_a_run_is_what_numpy_computes(modules, plateau):
    rates = np.full(500, 1.0)
    (found,) = run_jobs(modules, {"rates": rates.tolist(), "plateau": plateau})
    if plateau:
        losses, seen, cuts, test = with_plateau(rates, 10)
        assert len(cuts) > 1
        assert found["cuts"] == cuts
    else:
        losses, weights = reference.train(rates)
        seen = [reference.evaluate(weights, *small_digits()["validation"])]
        test = reference.evaluate(weights, *small_digits()["test"])
        assert found["cuts"] == []
    pieces = losses.reshape(50, 10).mean(axis=1)
    np.testing.assert_allclose(found["losses"], pieces, rtol=1e-6)
    checks = [[check["loss"], check["accuracy"]] for check in found["checks"]]
    assert len(checks) == 10
    np.testing.assert_allclose(checks[-len(seen) :], seen, rtol=1e-6, atol=1.5e-3)
    assert found["test"]["loss"] == pytest.approx(test[0], rel=1e-6)
    assert found["test"]["accuracy"] == pytest.approx(test[1], abs=1.5e-3)
    assert found["diverged"] is None


@pytest.mark.parametrize("steps", [100, 137, 299, 300, 1199, 1200, 2000])
def test_a_run_makes_as_many_updates_as_it_has_rates(modules, steps):
    # A rate of 0 leaves the weights alone, so only the last rate changes anything.
    rates = [0.0] * (steps - 1) + [0.5]
    found, still = run_jobs(
        modules,
        {"rates": rates, "batchSize": 16},
        {"rates": [0.0] * steps, "batchSize": 16},
    )
    checks = [check["loss"] for check in found["checks"]]
    assert len(checks) == len(still["checks"]) >= 5
    assert len(set(checks[:-1])) == 1
    assert checks[-1] != checks[0]
    assert len(found["losses"]) == 50


def test_a_run_that_diverges_is_counted_and_a_slow_one_is_not(modules):
    steps = 100
    runs = run_jobs(
        modules,
        *({"rates": [peak] * steps, "seed": seed} for peak in (30, 1e6, 1e200)
          for seed in (1, 2)),
        {"rates": [1e-5] * steps, "batchSize": 16},
        {"rates": [0.5] * steps},
    )  # fmt: skip
    assert [run["diverged"] is not None for run in runs] == [True] * 6 + [False] * 2
    for run in runs[:6]:
        assert 1 <= run["diverged"] < 20
        assert len(run["losses"]) == 50
        assert len(run["checks"]) == 5


# The verdict --------------------------------------------------------------------

SENTENCES = """async (pairs) => {
    const module = await import("./modules/verdict.js");
    const { sentence, paired, QUANTILES } = module.default;
    const accuracies = (runs) => runs.map(({ test }) => test.accuracy);
    return [QUANTILES, pairs.map(([ours, theirs]) => [
        sentence({ name: "linear", runs: ours }, { name: "constant A", runs: theirs }),
        ours.length < 5 ? null : paired(accuracies(ours), accuracies(theirs)),
    ])];
}"""


def outcomes(accuracies, losses=None, diverged=()):
    losses = np.full(len(accuracies), 0.5) if losses is None else losses
    return [
        {
            "test": {"accuracy": float(a), "loss": float(loss)},
            "diverged": 7 if i in diverged else None,
        }
        for i, (a, loss) in enumerate(zip(accuracies, losses, strict=True))
    ]


def sentences(page: Page, *pairs):
    quantiles, found = page.evaluate(SENTENCES, list(pairs))
    return quantiles, found


def test_the_quantiles_are_students(modules):
    quantiles, _ = sentences(modules)
    expected = stats.t.ppf(0.975, np.arange(4, 16))
    np.testing.assert_allclose(quantiles, expected, rtol=1e-9)


def test_nothing_is_better_where_the_interval_holds_0(modules):
    rng = np.random.default_rng(0)
    pairs = []
    for n in rng.integers(5, 17, 200):
        a, b = rng.normal(0.9, 0.01, (2, n))
        b = b + rng.choice([-0.015, 0, 0.015])
        pairs.append((outcomes(a, rng.random(n)), outcomes(b, rng.random(n))))
    _, found = sentences(modules, *pairs)
    kinds = {"better": 0, "worse": 0, "neither": 0}
    for (ours, theirs), (text, numbers) in zip(pairs, found, strict=True):
        d = [100 * (x["test"]["accuracy"] - y["test"]["accuracy"])
             for x, y in zip(ours, theirs, strict=True)]  # fmt: skip
        low, high = interval(np.array(d))
        assert [100 * numbers["low"], 100 * numbers["high"]] == pytest.approx(
            [low, high], rel=1e-8
        )
        kind = "better" if low > 0 else "worse" if high < 0 else "neither"
        kinds[kind] += 1
        assert ("better" in text, "worse" in text) == (
            kind == "better",
            kind == "worse",
        )
        assert ("don't show a difference" in text) == (kind == "neither")
        assert f"{len(ours)} seeds" in text
        losses = [x["test"]["loss"] - y["test"]["loss"]
                  for x, y in zip(ours, theirs, strict=True)]  # fmt: skip
        low, high = interval(np.array(losses))
        assert ("higher" in text, "lower" in text) == (low > 0, high < 0)
    assert min(kinds.values()) > 10


def test_the_sentence_reads_as_it_should(modules):
    spread = np.array([-1, -0.5, 0, 0.5, 1, -0.25, 0.25, 0.0])
    base = outcomes(np.full(8, 0.9))
    cases = {
        "linear ends 0.9 points better than constant A (0.4 to 1.4, 8 seeds); the test "
        "loss doesn't show a difference (0.00 to 0.00).": (
            outcomes(0.909 + 0.009 * spread),
            base,
        ),
        "linear ends 2.0 points worse than constant A (1.5 to 2.5, 8 seeds); 1 of 8 "
        "runs of linear diverged, 2 of 8 runs of constant A diverged.": (
            outcomes(0.88 + 0.01 * spread, diverged=[3]),
            outcomes(np.full(8, 0.9), diverged=[0, 1]),
        ),
        "8 seeds don't show a difference between linear and constant A in accuracy "
        "(−0.4 to +0.6 points) nor in test loss (−0.01 to +0.01).": (
            outcomes(0.901 + 0.01 * spread, 0.5 + 0.01 * spread),
            base,
        ),
        "8 seeds don't show a difference between linear and constant A in accuracy "
        "(−0.4 to +0.6 points); the test loss of linear is 0.10 lower (0.09 to "
        "0.11).": (
            outcomes(0.901 + 0.01 * spread, 0.4 + 0.01 * spread),
            base,
        ),
        "No verdict from fewer than 5 seeds.": (base[:4], base[:4]),
    }
    _, found = sentences(modules, *cases.values())
    assert [text for text, _ in found] == list(cases)


# On the page --------------------------------------------------------------------


def test_the_page_says_what_the_reference_computes(reader):
    page = reader.open(bold_and_cautious())
    text = said(page, re.compile("linear .*constant A"))
    t = np.arange(100)
    ours = results(lrlib.linear(1.5, 100)(t))
    theirs = results(lrlib.constant(1.5)(t))
    low, high = interval(100 * (ours[1] - theirs[1]))
    if low > 0:
        mean = 100 * (ours[1] - theirs[1]).mean()
        words = f"linear ends {mean:.1f} points better than constant A ({low:.1f} to"
        assert text.startswith(words)
    else:
        assert f"({low:.1f} to +{high:.1f} points)".replace("-", "−") in text
    score = page.locator(".score").inner_text()
    assert re.match(r"training loss \d\.\d\d · validation accuracy \d\d\.\d %", score)
    expect(page.locator(".runs .current")).to_have_count(2)
    expect(page.locator(".runs .pin-0")).to_have_count(2)
    expect(page.locator(".bands path")).to_have_count(4)
    label = page.get_by_role("img", name="Validation accuracy")
    expect(label).to_have_attribute(
        "aria-label",
        re.compile(r"constant A \d\d\.\d % at step 100, linear \d\d\.\d %"),
    )


def test_nothing_trains_or_loads_until_the_reader_has_scrolled_there(reader):
    page = reader.open(trained(lrlib.constant(0.5)), body="<p style='height:3000px'>")
    page.wait_for_timeout(500)
    assert not any("digits" in url for url in reader.requests)
    expect(page.locator(".pending").first).to_have_text(re.compile("^0 of 5 runs"))
    page.locator(".charts").scroll_into_view_if_needed()
    said(page, re.compile("Pin this curve"))
    assert sum("digits.js" in url for url in reader.requests) == 1


@pytest.mark.parametrize(
    "script",
    [
        "Object.defineProperty(navigator, 'connection', { value: { saveData: true } })",
        "const ask = window.matchMedia.bind(window); window.matchMedia = (query) => "
        "query.includes('reduced-data') ? { matches: true } : ask(query)",
    ],
)
def test_a_browser_that_saves_data_is_asked_first(reader, script):
    reader.context.add_init_script(script)
    page = reader.open(trained(lrlib.constant(0.5)))
    expect(page.locator(".pending").first).to_contain_text("140 kB")
    page.wait_for_timeout(500)
    assert not any("digits" in url for url in reader.requests)
    button(page, "Train").click()
    said(page, re.compile("Pin this curve"))
    expect(button(page, "Train")).to_be_hidden()


HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_nothing_trains_in_a_background_tab(reader):
    page = reader.open(trained(lrlib.constant(0.5), steps=2000, seeds=16))
    count = page.locator(".pending").first
    expect(count).to_have_text(re.compile("^[1-9]"), timeout=PATIENCE)
    page.evaluate(HIDE, True)
    page.wait_for_timeout(300)
    before = count.text_content()
    page.wait_for_timeout(1500)
    assert count.text_content() == before
    page.evaluate(HIDE, False)
    expect(count).not_to_have_text(before, timeout=PATIENCE)


#: Workers that write down what they are sent and what they say.
LOGGED = """
window.log = [];
const Plain = window.Worker;
window.Worker = class extends Plain {
    constructor(url) {
        super(url);
        this.addEventListener("message", ({ data }) => log.push(["from", data]));
    }
    postMessage(data) {
        if (!data.sets) log.push(["to", data]);
        super.postMessage(data);
    }
};
"""


def test_moving_on_stops_what_is_running_at_once(reader):
    reader.context.add_init_script(LOGGED)
    page = reader.open(trained(lrlib.constant(0.5), steps=2000, seeds=16))
    page.wait_for_function("log.some(([way]) => way === 'from')", timeout=PATIENCE)
    field(page, "initial_learning_rate").fill("0.25")
    # The last entry has the new rate and its first piece.
    page.wait_for_function(
        "log.some(([way, data]) => way === 'to' && data.job?.rates[0] === 0.25)",
        timeout=PATIENCE,
    )
    log = page.evaluate("""log.map(([way, { stop, job, outcome }]) =>
        [way, stop, job?.rates[0], Boolean(outcome)])""")
    sent = [rate for way, _, rate, _ in log if way == "to" and rate]
    stopped = [stop for way, stop, *_ in log if way == "to" and stop]
    assert stopped
    # At most what every worker had begun of the old curve, and nothing after it.
    ended = sum(ended for *_, ended in log)
    assert sent.index(0.25) <= ended + len(stopped)
    assert set(sent[sent.index(0.25) :]) == {0.25}


#: The curve that is drawn whenever a worker is told to stop.
STOPS = """
window.stops = [];
const Plain = window.Worker;
window.Worker = class extends Plain {
    postMessage(data) {
        const line = document.querySelector(".lines .current");
        if (data.stop) stops.push(line.getAttribute("d"));
        super.postMessage(data);
    }
};
"""


def test_what_trains_stops_before_the_new_curve_is_drawn(reader):
    reader.context.add_init_script(STOPS)
    pin = lrlib.constant(1.5)
    page = reader.open(
        trained(lrlib.linear(0.5, 100), pins=[pin], steps=2000, seeds=16)
    )
    count = page.locator(".pending").first
    expect(count).to_have_text(re.compile("^[1-9]"), timeout=PATIENCE)
    before = curve(page)
    slider(page, "initial_learning_rate").press("ArrowLeft")
    page.wait_for_function("stops.length")
    assert curve(page) != before
    assert page.evaluate("stops[0]") == before


MOVE = """slider => {
    slider.value = slider.min;
    slider.dispatchEvent(new Event("input"));
    const kind = (part) => part.getAttribute("class");
    return Array.from(document.querySelectorAll(".runs path, .bands path"), kind);
}"""


TYPE = """field => {
    field.dispatchEvent(new Event("input"));
    const parts = document.querySelectorAll(".runs path, .bands path");
    return Array.from(parts, (part) => part.classList[1]);
}"""


def test_what_was_trained_before_fades_as_soon_as_a_slider_moves(reader):
    page = reader.open(bold_and_cautious())
    first = said(page, re.compile("linear"))
    rate = slider(page, "initial_learning_rate")
    assert rate.evaluate(MOVE) == ["pin-0", "current stale"] * 4
    assert said(page, re.compile("linear")) != first
    expect(page.locator(".stale")).to_have_count(0)
    # Other settings are for all curves.
    field(page, "batch size").evaluate("f => f.value = 17")
    assert field(page, "batch size").evaluate(TYPE) == ["stale"] * 8


def test_the_verdict_is_said_once(reader):
    reader.context.add_init_script("""
        window.texts = [];
        new MutationObserver(() => {
            const text = document.querySelector(".verdict")?.textContent;
            if (text !== undefined && text !== texts.at(-1)) texts.push(text);
        }).observe(document, { childList: true, subtree: true, characterData: true });
    """)
    page = reader.open(bold_and_cautious())
    first = said(page, re.compile("linear"))
    expect(page.locator(".verdict")).to_have_attribute("aria-live", "polite")
    field(page, "initial_learning_rate").fill("0.5")
    expect(page.locator(".verdict")).to_have_text("")
    second = said(page, re.compile("linear"))
    page.wait_for_timeout(300)
    spoken = [text for text in page.evaluate("texts") if text]
    assert spoken == [first, second]


def test_a_change_of_the_seeds_runs_all_anew(reader):
    page = reader.open(bold_and_cautious(seeds=2))
    said(page, "No verdict from fewer than 5 seeds.")
    field(page, "seeds").fill("6")
    expect(page.locator(".pending").first).to_have_text(
        re.compile("^[0-9] of 12 runs"), timeout=PATIENCE
    )
    assert "6 seeds" in said(page, re.compile("linear"))
    for wrong in ("0", "17", "2.5", "many"):
        field(page, "seeds").fill(wrong)
        expect(page.get_by_role("status")).to_have_text(
            "seeds must be a whole number in [1, 16]"
        )
    field(page, "batch size").fill("0")
    expect(page.get_by_role("status")).to_have_text(
        "batch size must be a whole number in [16, 256]"
    )
    field(page, "steps").fill("1000000")
    expect(page.get_by_role("status")).to_have_text(
        "steps must be a whole number in [100, 2000]"
    )


def test_a_run_that_diverges_is_marked_and_counted(reader):
    page = reader.open(trained(lrlib.constant(30.0), lrlib.linear(0.5, 100)))
    said(page, re.compile("^5 of 5 runs diverged"))
    crosses = page.locator(".crosses path")
    assert crosses.count() == 10  # in both charts
    button(page, "Pin").click()
    page.get_by_label("Schedule").select_option("linear")
    text = said(page, re.compile("linear ends"))
    assert text.endswith("; 5 of 5 runs of constant A diverged.")
    assert "loss" not in text


def test_the_plateau_rule_cuts_the_rate_and_pins_keep_it(reader):
    page = reader.open(trained(lrlib.constant(1.5), steps=500, seeds=1, batch_size=32))
    said(page)
    expect(page.locator(".used")).to_have_attribute("d", "")
    page.get_by_label("halve on a plateau").check()
    expect(page.locator(".used")).to_have_attribute(
        "d", re.compile("^M"), timeout=PATIENCE
    )
    button(page, "Pin").click()
    page.get_by_label("halve on a plateau").uncheck()
    said(page)
    expect(page.locator(".used")).to_have_attribute("d", "")
    lines = [page.locator(f".runs .{kind}").first for kind in ("pin-0", "current")]
    pinned, current = (line.get_attribute("d") for line in lines)
    assert pinned != current
    assert pinned.split("L")[:10] == current.split("L")[:10]
    page.get_by_title("Back to constant A").click()
    expect(page.get_by_label("halve on a plateau")).to_be_checked()


# The sweep ----------------------------------------------------------------------


def test_a_sweep_shows_its_progress_and_its_best_peaks(reader):
    page = reader.open(bold_and_cautious(seeds=1))
    said(page)
    button(page, "Sweep peaks").click()
    progress = page.locator(".sweep .pending")
    expect(progress).to_have_text(re.compile(r"^\d+ of 72 runs$"), timeout=PATIENCE)
    best = page.locator(".said")
    expect(best).to_have_text(
        re.compile(
            r"^Lowest at the end: constant A 0.\d+ at a peak of .*; linear 0.\d+"
        ),
        timeout=PATIENCE,
    )
    expect(page.locator(".sweep .runs path")).to_have_count(2)
    ticks = page.locator(".sweep .grid text").all_text_contents()
    assert {"0.05", "0.5", "5"} <= set(ticks)
    # What the shapes' lowest losses are, by the reference.
    t = np.arange(100)
    validation = small_digits()["validation"]
    for name, s in (("constant A", lrlib.constant(1.0)), ("linear", lrlib.linear(1.0))):
        s = s.replace(decay_steps=100) if name == "linear" else s
        losses = []
        for peak in (0.28, 0.5, 0.89, 1.6):
            runs = [
                reference.train(peak * s(t), seed=seed, batch_size=16)[1]
                for seed in (1, 2, 3, 4)
            ]
            found = [reference.evaluate(weights, *validation)[0] for weights in runs]
            losses.append(np.median(found))
        assert f"{name} {min(losses):.2g} at a peak of" in best.inner_text()
    field(page, "initial_learning_rate").fill("0.7")
    expect(page.locator(".sweep > svg")).to_be_hidden()
    expect(best).to_have_text("")


def test_a_sweep_can_be_stopped(reader):
    page = reader.open(trained(lrlib.constant(0.5), steps=2000, seeds=1))
    said(page)
    button(page, "Sweep peaks").click()
    expect(page.locator(".sweep .pending")).to_have_text(re.compile("of 36 runs"))
    button(page, "Stop the sweep").click()
    expect(page.locator(".sweep > svg")).to_be_hidden()
    expect(page.locator(".sweep .pending")).to_have_text("")
    expect(button(page, "Sweep peaks")).to_be_enabled()
    button(page, "Sweep peaks").click()
    expect(page.locator(".sweep .pending")).to_have_text(re.compile("of 36 runs"))


# Links and Python ---------------------------------------------------------------


def test_a_link_brings_the_training_back(reader):
    page = reader.open(bold_and_cautious())
    page.get_by_label("optimizer").select_option("Adam")
    field(page, "batch size").fill("64")
    field(page, "seeds").fill("6")
    page.get_by_label("clip norm at 1").check()
    page.get_by_label("halve on a plateau").check()
    field(page, "steps").fill("150")
    first = said(page, re.compile("6 "))
    page.wait_for_function("location.hash.includes('plateau=true')")
    page.wait_for_timeout(250)
    address = page.evaluate("location.hash")
    other = reader.open(bold_and_cautious(), address=address)
    assert said(other, re.compile("6 ")) == first
    expect(other.get_by_label("optimizer")).to_have_value("Adam")
    expect(field(other, "batch size")).to_have_value("64")
    expect(field(other, "steps")).to_have_value("150")
    expect(other.get_by_label("clip norm at 1")).to_be_checked()
    expect(other.get_by_label("halve on a plateau")).to_be_checked()


#: What the page writes for `bold_and_cautious(seeds=1)` with five seeds.
LINK = (
    "#explorer=1&schedule=linear&plateau=false&initial_learning_rate=1.5"
    "&decay_steps=100&end_learning_rate=0&view.steps=100&view.steps_per_epoch=100"
    "&view.epochs=false&view.log=false&view.loss=false&view.condition_number=10"
    "&view.noise=1&view.batch_size=32&train.optimizer=SGD&train.batch_size=16"
    "&train.seeds=5&train.clip=false&train.sweep=false"
)


def test_a_link_that_is_whole_is_followed(reader):
    page = reader.open(bold_and_cautious(seeds=1), address=LINK)
    expect(page.get_by_role("status")).to_have_text("")
    expect(field(page, "seeds")).to_have_value("5")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("view.steps=100", "view.steps=1000000", "steps is out of range"),
        ("train.batch_size=16", "train.batch_size=0", "batch size is out of range"),
        ("train.seeds=5", "train.seeds=17", "seeds is out of range"),
        ("train.seeds=5", "train.seeds=NaN", "seeds is out of range"),
        ("optimizer=SGD", "optimizer=LARS", "optimizer is out of range"),
        ("&train.clip=false", "", "train.clip must come once"),
        ("initial_learning_rate=1.5", "initial_learning_rate=NaN", "out of range"),
        ("plateau=false", "plateau=perhaps", "plateau is out of range"),
        ("train.seeds=5", "train.seeds=5&train.gpu=1", "an unknown name"),
    ],
)
def test_a_bad_link_gets_a_sentence_and_the_page_goes_on(reader, old, new, words):
    assert old in LINK
    page = reader.open(bold_and_cautious(seeds=1), address=LINK.replace(old, new))
    expect(page.get_by_role("status")).to_contain_text("The link was not followed")
    expect(page.get_by_role("status")).to_contain_text(words)
    said(page)


COPIED = """
Object.defineProperty(navigator, "clipboard", {
    value: { writeText: async (words) => { window.copied = words; } },
});
"""


def test_the_python_that_is_copied_does_the_same(reader):
    reader.context.add_init_script(COPIED)
    page = reader.open(bold_and_cautious(clip=True, optimizer="SGD with momentum"))
    field(page, "initial_learning_rate").fill("0.2")
    said(page, re.compile("linear"))
    score = page.locator(".score b").nth(1).inner_text()
    button(page, "Copy as Python").click()
    page.wait_for_function("window.copied")
    code = page.evaluate("copied")
    assert "momentum=0.9, global_clipnorm=1.0" in code
    spaces: dict = {}
    exec(compile(code, "copied", "exec"), spaces)
    s = spaces["schedules"]
    assert s["linear"] == lrlib.linear(0.2, 100)
    assert s["constant A"] == lrlib.constant(1.5)
    result = spaces["result"]
    assert result.test_accuracy.shape == (2, 5, 1)
    assert result.steps_per_epoch == 100
    # The same network, digits and rates from other starts.
    accuracy = result.test_accuracy[list(result.names).index("linear")].mean()
    assert abs(100 * accuracy - float(score.split()[0])) < 4


def test_the_expression_of_every_schedule_makes_it(reader):
    reader.context.add_init_script(COPIED)
    made = [make() for make in lrlib.catalogue.values()]
    made += [
        lrlib.warmup(lrlib.cosine(0.1, 150), 20),
        lrlib.join([lrlib.cosine(), lrlib.step()], [50]),
        lrlib.clip(lrlib.cyclic(), 0.01, 0.05),
        lrlib.cycle(lrlib.rex(0.3, 40), 40),
    ]
    explorer = lrlib.explore(*made, train={"seeds": 1})
    page = reader.open(explorer, body="<p style='height:3000px'>")
    for key, s in zip(explorer.spec["schedules"], made, strict=True):
        page.get_by_label("Schedule").select_option(key)
        page.evaluate("window.copied = ''")
        button(page, "Copy as Python").evaluate("button => button.click()")
        page.wait_for_function("window.copied")
        text = page.evaluate("copied").partition("schedules = ")[2]
        text = text.partition("\n\n\n")[0]
        assert eval(text, {"lrlib": lrlib}) == {key: s}


# In Python ----------------------------------------------------------------------


def test_runs_come_back_as_arrays():
    explorer = bold_and_cautious()
    assert explorer.runs == {}
    curves = [
        {
            "name": name,
            "rates": [0.1] * 100,
            "losses": [[1.0, None]] * 5,
            "checks": [[[0.5, 0.9], [0.4, 0.92]]] * 5,
            "tests": [[0.4, 0.9]] * 5,
            "diverged": [None, 3, None, None, None],
        }
        for name in ("constant A", "linear")
    ]
    explorer.results = {"steps": 100, "seeds": 5, "curves": curves}
    assert list(explorer.runs) == ["constant A", "linear"]
    runs = explorer.runs["linear"]
    assert runs.training_loss.shape == (5, 2)
    assert np.isnan(runs.training_loss[:, 1]).all()
    assert runs.validation_accuracy[0].tolist() == [0.9, 0.92]
    assert runs.test_loss.tolist() == [0.4] * 5
    assert runs.steps.tolist() == runs.checks.tolist() == [50, 100]
    assert runs.diverged.tolist() == [-1, 3, -1, -1, -1]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"train": "yes"}, TypeError, "train must be True, False or a dict"),
        ({"train": {"gpu": 1}}, ValueError, "train has no setting 'gpu'"),
        ({"train": {"seeds": 0}}, ValueError, r"train: seeds must be .* \[1, 16\]"),
        ({"train": {"batch_size": 8}}, ValueError, "train: batch_size must be"),
        ({"train": {"optimizer": "sgd"}}, ValueError, "train: optimizer must be one"),
        ({"train": {"clip": 1}}, TypeError, "train: clip must be one of"),
        ({"train": True, "steps": 50}, ValueError, r"steps must be .* \[100, 2000\]"),
        ({"pins": [0.1]}, TypeError, r"pins\[0\] must be an lrlib Schedule"),
        ({"pins": [lrlib.rex()] * 6}, ValueError, "pins must be 5 at most, got 6"),
    ],
)
def test_explore_names_what_is_wrong_with_the_training(options, error, words):
    with pytest.raises(error, match=words):
        lrlib.explore(lrlib.cosine(), **options)


def test_an_explorer_that_does_not_train_has_nothing_of_it():
    html = html_of(lrlib.explore(lrlib.cosine(), pins=[lrlib.cosine(0.2)]))
    assert '"train"' not in html
    assert '"pins":[{"schedule":"cosine"' in html
    assert '"expression"' not in html


# What goes wrong ----------------------------------------------------------------


def test_without_its_digits_the_page_says_so_and_tries_again(reader):
    text = TRAINING.pop("digits.js")
    sentence = re.compile("^Training stopped: .*digits.js did not load")
    try:
        page = reader.open(trained(lrlib.constant(0.5)))
        said(page, sentence)
        before = curve(page)
        slider(page, "initial_learning_rate").press("Home")
        assert curve(page) != before  # all else works
        # The new curve asks for the digits anew.
        page.wait_for_timeout(500)
        said(page, sentence)
    finally:
        TRAINING["digits.js"] = text
    button(page, "Try again").click()
    said(page, re.compile("^Pin this curve"))
    assert all("ERR_FAILED" in error for error in reader.errors)
    assert reader.errors
    reader.errors.clear()


DEAD = """
const Plain = window.Worker;
const dead = `data:text/javascript,onmessage=()=>{throw Error("gone")}`;
let made = 0;
window.Worker = class extends Plain {
    constructor(url) {
        super(made++ ? url : dead);
    }
};
"""


def test_a_worker_that_dies_is_reported_and_replaced_on_request(reader):
    reader.context.add_init_script(
        "Object.defineProperty(navigator, 'hardwareConcurrency', { value: 2 });" + DEAD
    )
    page = reader.open(trained(lrlib.constant(0.5)))
    said(page, re.compile("^Training stopped: a worker stopped: .*gone"))
    button(page, "Try again").click()
    said(page, re.compile("^Pin this curve"))
    expect(button(page, "Try again")).to_be_hidden()


#: A worker as an old browser would run it.
NO_WEBASSEMBLY = """
const Plain = window.Blob;
window.made = 0;
window.Blob = class extends Plain {
    constructor(parts, options) {
        made++;
        super(["globalThis.WebAssembly = undefined;", ...parts], options);
    }
};
"""


def test_without_webassembly_the_page_says_the_same(reader):
    first = said(reader.open(bold_and_cautious()), re.compile("linear"))
    reader.context.add_init_script(NO_WEBASSEMBLY)
    page = reader.open(bold_and_cautious())
    assert said(page, re.compile("linear")) == first
    assert page.evaluate("made") == 1


def falls_below(t, start: Rate = 0.1, slope: Rate = 0.01):
    """Below 0."""
    return start - slope * t


def has_no_root(t, start: Rate = 0.1, slope: Rate = 0.01):
    """Not a number."""
    return (start - slope * t) ** 0.5


def has_a_pole(t, start: Rate = 0.5, pole: Rate = 8.0):
    """Infinite at one step."""
    return start / Abs(t - pole)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (falls_below, "at step 11 is negative"),
        (has_no_root, "at step 11 is not a number"),
        (has_a_pole, "at step 8 is infinite"),
    ],
)
def test_rates_that_cannot_be_trained_with_get_a_sentence(reader, function, words):
    with np.errstate(all="ignore"):
        explorer = trained(schedule(function)(), lrlib.constant(0.5))
        page = reader.open(explorer)
    said(page, f"Nothing trains: the rate of {function.__name__} {words}.")
    page.get_by_label("Schedule").select_option("constant")
    said(page, re.compile("^Pin this curve"))


# For everyone, everywhere -------------------------------------------------------


def test_training_can_be_set_by_keyboard(reader):
    page = reader.open(bold_and_cautious())
    press = page.keyboard.press
    tab_to(page, page.get_by_label("optimizer"))
    press("ArrowDown")
    expect(page.get_by_label("optimizer")).to_have_value("SGD with momentum")
    tab_to(page, field(page, "batch size"))
    press("ControlOrMeta+A")
    page.keyboard.type("64")
    tab_to(page, field(page, "seeds"))
    press("ControlOrMeta+A")
    page.keyboard.type("6")
    for name in ("clip norm at 1", "halve on a plateau"):
        tab_to(page, page.get_by_label(name))
        press("Space")
        expect(page.get_by_label(name)).to_be_checked()
    said(page, re.compile("6 "))
    tab_to(page, button(page, "Sweep peaks"))
    press("Enter")
    expect(button(page, "Stop the sweep")).to_be_focused()
    press("Enter")
    tab_to(page, button(page, "Copy as Python"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_where_a_network_trains(reader, scheme):
    page = reader.open(bold_and_cautious(seeds=5, sweep=True))
    page.emulate_media(color_scheme=scheme)
    said(page, re.compile("linear"))
    expect(page.locator(".said")).to_have_text(re.compile("Lowest"), timeout=PATIENCE)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("width", [320, 360])
def test_a_phone_and_a_page_at_200_percent_never_scroll_sideways(reader, width):
    page = reader.open(bold_and_cautious(sweep=True))
    page.set_viewport_size({"width": width, "height": 800})
    said(page, re.compile("linear"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    form, chart = (
        page.locator(name).first.bounding_box() for name in (".trained", ".charts")
    )
    assert form["y"] > chart["y"] + chart["height"]


# In a live notebook -------------------------------------------------------------

LIVE = """async ({ spec, state, digits }) => {
    const { render } = (await import("./modules/explorer.js")).default;
    const el = document.createElement("div");
    document.querySelector("main").append(el);
    const values = { spec, state };
    const heard = new Set();
    const model = {
        get: (name) => values[name],
        set: (name, value) => (values[name] = value),
        save_changes() {},
        on: (name, hear) => name === "msg:custom" && heard.add(hear),
        off: (name, hear) => heard.delete(hear),
        send: (message) => {
            window.asked = [...(window.asked ?? []), message];
            setTimeout(() => heard.forEach((hear) => hear(digits)));
        },
    };
    window.end = render({ model, el });
    window.live = values;
}"""


def test_in_a_notebook_the_digits_come_as_a_message_and_the_runs_go_back(reader):
    explorer = bold_and_cautious()
    sent = []
    explorer.send = sent.append
    explorer._send_digits(explorer, {"ask": "digits"}, [])
    page = reader.open(wait=False)
    page.evaluate(
        LIVE, {"spec": explorer.spec, "state": explorer.state, "digits": sent[0]}
    )
    said(page, re.compile("linear"))
    assert page.evaluate("asked") == [{"ask": "digits"}]
    assert not any("digits" in url for url in reader.requests)
    explorer.results = page.evaluate("live.results")
    runs = explorer.runs["linear"]
    rates = lrlib.linear(1.5, 100)(np.arange(100))
    loss, accuracy = results(rates)
    np.testing.assert_allclose(runs.rates, rates, atol=1e-12)
    np.testing.assert_allclose(runs.test_loss, loss, rtol=1e-6)
    np.testing.assert_allclose(runs.test_accuracy, accuracy, atol=1.5e-3)
    assert runs.training_loss.shape == (5, 50)
    assert runs.validation_loss.shape == (5, 5)
    page.evaluate("end()")


# What the playground says it finds ------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "peak", "words"),
    [
        ("SGD", 0.1, "worse than"),
        ("SGD with momentum", 0.2, "better than"),
        ("Adam", 0.03, "better than"),
    ],
)
def test_the_page_gives_rows_of_the_playgrounds_table(reader, optimizer, peak, words):
    pin = lrlib.constant(peak)
    linear = lrlib.linear(peak, 500)
    explorer = lrlib.explore(linear, train={"optimizer": optimizer}, pins=[pin])
    text = said(reader.open(explorer), re.compile("linear .*constant A"))
    t = np.arange(500)
    runs = [reference.final_results(s(t), optimizer=optimizer) for s in (linear, pin)]
    points = 100 * (runs[0] - runs[1])[:, 1]
    ends = np.abs(interval(points))
    low, high = sorted(ends)
    expected = (
        f"linear ends {abs(points.mean()):.1f} points {words} constant A "
        f"({low:.1f} to {high:.1f}, 8 seeds); the test loss of linear is "
    )
    assert text.startswith(expected)


@pytest.mark.parametrize("i", [0, 1], ids=["http", "file"])
def test_the_playground_of_the_built_book_trains(browser, site, i):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("requestfailed", lambda request: wrong.append(request.url))
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(site.addresses("book/playground")[i])
    page.wait_for_load_state("load")
    page.locator(".lrlib-explorer .report").scroll_into_view_if_needed()
    said(page, re.compile("cosine ends .* points better than constant A"))
    home = (site.url, site.folder.as_uri(), "data:", "blob:")
    assert [url for url in asked if not url.startswith(home)] == []
    digits = [url for url in asked if "digits.js" in url]
    assert len(digits) == 1
    assert wrong == []
    context.close()
