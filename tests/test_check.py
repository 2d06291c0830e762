"""`check` finds what is wrong with a curve, and is silent over good ones."""

import re
import time
from pathlib import Path

import check_corpus
import check_forum
import nbformat
import numpy as np
import pytest
from check_corpus import CASES, HOSTILE, RUN

import lrlib
from lrlib.show.check import CheckError, codes, conditions, curve

ROOT = Path(__file__).parent.parent


def faults(report):
    return {each.code for each in report.findings if each.severity != "note"}


def found(what, code, **run):
    """Return the finding of that code."""
    (finding,) = (f for f in lrlib.check(what, **run).findings if f.code == code)
    return finding


# A corpus of texts -----------------------------------------------------------------

ENTRIES = [*check_corpus.ENTRIES, *check_forum.ENTRIES]
FAULTY = [entry for entry in ENTRIES if entry.faults]
GOOD = [entry for entry in ENTRIES if not entry.faults]


@pytest.fixture(scope="module")
def reports():
    return {e.name: lrlib.check(e.text, **e.run) for e in ENTRIES}


@pytest.mark.parametrize("entry", FAULTY, ids=lambda e: e.name)
def test_a_fault_is_found_and_nothing_else(reports, entry):
    assert faults(reports[entry.name]) == set(entry.faults)


@pytest.mark.parametrize("entry", GOOD, ids=lambda e: e.name)
def test_over_a_good_text_it_is_silent(reports, entry):
    assert reports[entry.name].ok, str(reports[entry.name])


def test_the_corpus_is_large_and_its_faults_are_of_many_kinds():
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES) >= 180
    kinds = {code for entry in FAULTY for code in entry.faults}
    assert len(kinds) >= 18


@pytest.mark.parametrize("name", lrlib.catalogue)
def test_over_the_catalogue_it_is_silent(name):
    schedule = lrlib.catalogue[name]()
    report = lrlib.check(schedule, steps=schedule.horizon)
    assert report.ok, str(report)


# Each finding about a curve: the fault has it, the fix hasn't ----------------------


@pytest.mark.parametrize("code", CASES)
def test_a_fault_of_a_schedule_and_its_fix(code):
    fault, fixed = CASES[code]
    assert code in faults(lrlib.check(fault, **RUN))
    report = lrlib.check(fixed, **RUN)
    assert report.ok, str(report)


def test_LR027_a_length_in_updates_stepped_by_epoch():
    by_epoch = RUN | {"unit": "epoch"}
    assert "LR027" in faults(lrlib.check(lrlib.cosine(0.1, 2_000), **by_epoch))
    report = lrlib.check(lrlib.cosine(0.1, 20), **by_epoch)
    assert "LR027" not in faults(report)
    assert report.ok
    assert len(report.rates) == 2_000
    assert report.rates[99] == report.rates[0] > report.rates[100]


def test_LR004_LR006_LR021_LR022_and_LR024_are_notes():
    def notes(what, **run):
        report = lrlib.check(what, **run)
        assert report.ok, str(report)
        return {each.code for each in report.findings}

    falling = lrlib.cosine(0.1, 100)
    assert "LR004" in notes(0.1, steps=100)
    assert "LR004" not in notes(falling, steps=100)
    assert "LR006" in notes(lrlib.warmup(lrlib.cosine(0.1, 90), 10), steps=100)
    rising = lrlib.warmup(lrlib.cosine(0.1, 90), 10, start=0.01)
    assert "LR006" not in notes(rising, steps=100)

    text = "CosineDecay(0.1, 20_000_000)"
    long = lrlib.check(text, steps=20_000_000)
    assert long.sampled
    assert "LR021" in {each.code for each in long.findings}
    assert "LR021" not in notes(text.replace("20_", "1_"), steps=1_000_000)
    fraction = "CosineDecay(0.1, 100, alpha=1e-5)"
    assert "LR024" in notes(fraction, steps=100)
    assert "LR024" not in notes(fraction.replace("1e-5", "0.01"), steps=100)

    run = {"samples": 50_000, "epochs": 90}
    assert "LR022" in notes("StepLR(30), lr=0.1", **run)
    assert "LR022" not in notes("StepLR(30), lr=0.1", **run, unit="epoch")
    asked = lrlib.check("StepLR(30), lr=0.1", **run)
    assert "If it counts updates" in str(asked)


def test_a_unit_that_nobody_has_said_makes_nothing_wrong():
    text = "StepLR(1), lr=0.1"
    report = lrlib.check(text, samples=50_000, epochs=90)
    assert not report.ok
    assert all(each.severity != "wrong" for each in report.findings)


@pytest.mark.parametrize(
    ("loop", "unit"),
    [
        ("for epoch in range(9):\n    train()\n    scheduler.step()", "epoch"),
        (
            "for epoch in range(9):\n    for x in loader:\n        scheduler.step()",
            "update",
        ),
        (
            "for epoch in range(9):\n    for x in loader:\n        opt.step()\n"
            "    scheduler.step()",
            "epoch",
        ),
        ("for x, y in loader:\n    opt.step()\n    scheduler.step()", "update"),
    ],
)
def test_the_unit_is_read_from_the_loop(loop, unit):
    text = f"opt = SGD(params, lr=0.1)\nscheduler = StepLR(opt, 3)\n{loop}"
    assert lrlib.check(text, **RUN).run.unit == unit


def test_timm_counts_epochs_unless_it_is_told():
    text = "CosineLRScheduler(opt, t_initial={}, t_in_epochs={}), lr=0.1"
    assert lrlib.check(text.format(20, True), **RUN).run.unit == "epoch"
    assert lrlib.check(text.format(2000, False), **RUN).run.unit == "update"


# The report ------------------------------------------------------------------------


@pytest.fixture
def faulty():
    return lrlib.check(lrlib.cosine(0.1, 20), **RUN)


def test_a_finding_says_what_where_and_what_to_do(faulty):
    finding = faulty.findings[0]
    assert (finding.code, finding.severity) == ("LR016", "wrong")
    assert "2,000" in finding.text
    assert "2000" in finding.fix
    assert finding.step == 20
    assert finding.link.endswith("symptoms.html#symptom-over-early")


def test_rates_are_those_of_the_run(faulty):
    np.testing.assert_array_equal(
        faulty.rates, lrlib.sample(lrlib.cosine(0.1, 20), 2_000)
    )
    assert faulty.rates.dtype == np.float64
    assert faulty.steps.tolist() == list(range(2_000))


def test_it_is_shown_as_text_and_as_html(faulty):
    assert "wrong LR016" in str(faulty)
    assert "2,000 updates (20 epochs of 100)" in str(faulty)
    html = faulty._repr_html_()
    assert "LR016" in html
    assert "<circle" in html
    assert 'href="symptoms.html#symptom-over-early"' in html
    assert "Nothing found." in str(lrlib.check(lrlib.cosine(0.1, 100), steps=100))


def test_it_makes_a_test_in_one_line(faulty):
    lrlib.check(lrlib.cosine(0.1, 100), steps=100).raise_for()
    with pytest.raises(CheckError, match="LR016"):
        faulty.raise_for()
    with pytest.raises(AssertionError):
        faulty.raise_for("wrong")
    faulty.raise_for("LR001")
    with pytest.raises(CheckError):
        faulty.raise_for("LR016")
    with pytest.raises(ValueError, match="severe"):
        faulty.raise_for("severe")


def test_a_finding_can_be_silenced():
    report = lrlib.check(lrlib.cosine(0.1, 20), **RUN, silence=["LR016", "LR001"])
    assert report.ok
    with pytest.raises(TypeError, match="silence"):
        lrlib.check(0.1, steps=3, silence="LR016")


@pytest.mark.parametrize(
    ("what", "run", "error"),
    [
        (lrlib.cosine(), {}, ValueError),
        (lrlib.cosine(), {"steps": 0}, ValueError),
        (lrlib.cosine(), {"steps": 1.5}, ValueError),
        (lrlib.cosine(), {"steps": 5, "unit": "batch"}, ValueError),
        (lrlib.cosine(), {"steps": 5, "values": {"a": 1}}, TypeError),
        (lrlib.cosine(), {"samples": "many", "epochs": 1}, TypeError),
        ("no schedule", {"steps": 5}, ValueError),
        ("StepLR(opt, n), lr=0.1", {"steps": 5}, LookupError),
        (None, {"steps": 5}, TypeError),
        (float("nan"), {"steps": 5}, ValueError),
    ],
)
def test_wrong_arguments_are_refused(what, run, error):
    with pytest.raises(error):
        lrlib.check(what, **run)


def test_what_a_text_leaves_open_is_asked_for_or_given():
    text = "CosineDecay(0.1, epochs * len(loader))"
    with pytest.raises(LookupError) as caught:
        lrlib.check(text, **RUN)
    assert caught.value.missing == ["epochs", "len(loader)"]
    values = {"epochs": 20, "len(loader)": 100}
    assert lrlib.check(text, **RUN, values=values).ok


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_at_once_with_a_sentence(name):
    times, said = [], ""
    for _ in range(3):  # the first may still import
        start = time.process_time()
        try:
            lrlib.check(HOSTILE[name], samples=640, epochs=5)
        except (LookupError, ValueError) as error:
            said = str(error)
        times.append(time.process_time() - start)
    assert len(said) > 10 or name == "many ifs"  # which is harmless, though long
    assert min(times) < 0.1


def test_a_million_steps_take_less_than_a_second():
    schedule = lrlib.warmup(lrlib.cosine(0.1, 10**6), 1_000)
    lrlib.check(schedule, steps=10)
    start = time.process_time()
    report = lrlib.check(schedule, steps=10**6)
    assert time.process_time() - start < 1
    assert len(report.rates) == 10**6


# The definitions -------------------------------------------------------------------


def test_every_finding_has_a_test_of_its_fault_and_one_of_the_corrected_code():
    here = Path(__file__).parent
    tests = "".join((here / f"test_check{x}.py").read_text() for x in ("", "_setups"))
    for code in (each["code"] for each in codes()):
        assert code in CASES or f'"{code}" in ' in tests, code
        assert code in CASES or f'"{code}" not in ' in tests, code
    assert len(codes()) >= 30


def test_codes_are_unique_and_links_lead_somewhere():
    from lrlib.show.check.about import ABOUT

    names = [each["code"] for each in codes()]
    assert len(set(names)) == len(names)
    page = nbformat.read(ROOT / "book" / "symptoms.ipynb", as_version=4)
    anchors = set(
        re.findall(r"\(symptom-([\w-]+)\)=", "\n".join(c.source for c in page.cells))
    )
    used = {d.symptom for d in curve.DEFINITIONS} | {a.symptom for a in ABOUT.values()}
    assert used <= anchors


def test_conditions_are_computed_as_python_would():
    values = {"a": 3.0, "b": 0.5, "n": 10, "word": "updates"}
    for text in [
        "a > b and n == 10",
        "a - b < 2 or not (n != 10)",
        "max(a, b) / b",
        "min(a, n) * 2 + b",
        "a <= 3 and b >= 1",
    ]:
        expected = eval(text, {}, values | {"max": max, "min": min})
        assert conditions.evaluate(conditions.tree(text), values) == expected
    parts = conditions.sentence("{n:count} {word} at {a / n:percent}")
    assert conditions.written(parts, values) == "10 updates at 30 %"
