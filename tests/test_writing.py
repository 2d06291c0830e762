"""`Schedule.code`: Keras' texts are run here; what the others did is recorded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import sympy

import lrlib
from lrlib.libraries import writing as ports
from lrlib.libraries.inverse import _forms, term, ways
from lrlib.libraries.layout import names_in
from lrlib.libraries.names import rows
from lrlib.libraries.table import TABLE, row
from lrlib.schedules.kinds import Rate, Steps
from lrlib.schedules.schedule import from_config

RECORDED = json.loads(
    (Path(__file__).parent / "golden" / "ports.json").read_text(encoding="utf-8")
)


def of_keras(text: str, steps: int) -> np.ndarray:
    names: dict = {}
    exec(compile(text, "<keras>", "exec"), names)
    return lrlib.sample(names["schedule"], steps)


@pytest.mark.parametrize("name", lrlib.catalogue)
def test_a_keras_text_makes_the_same_curve(name):
    schedule = lrlib.catalogue[name]()
    if name in ("noam", "power", "inverse_sqrt"):  # which take their time
        steps = 50
    else:
        steps = min(schedule.horizon + 10, 400)
    expected = schedule(np.arange(steps))
    rates = of_keras(schedule.code("keras"), steps)
    np.testing.assert_allclose(rates, expected, rtol=0, atol=2e-6 * expected.max())


@pytest.mark.parametrize(
    "schedule",
    [
        lrlib.clip(lrlib.cyclic(), 0.02, 0.05),
        lrlib.cosine(decay_steps=30) * lrlib.exponential(0.5, 20),
        lrlib.cycle(lrlib.rex(decay_steps=20), 30),
        lrlib.join([lrlib.constant(), lrlib.rex(decay_steps=20)], [10]),
        lrlib.polynomial(decay_steps=20, cycle=True, power=0.5),
        lrlib.warmup(lrlib.cosine(decay_steps=20, alpha=0.1), 10, 0.01),
        lrlib.warmup(lrlib.step(decay_steps=20), 10, 0.01, shape="exponential"),
    ],
    ids=lambda schedule: schedule.name,
)
def test_a_keras_text_of_a_composition_makes_the_same_curve(schedule):
    expected = schedule(np.arange(60))
    rates = of_keras(schedule.code("keras"), 60)
    np.testing.assert_allclose(rates, expected, rtol=0, atol=2e-6 * expected.max())


def keras_formulas() -> dict[str, lrlib.Schedule]:
    schedules = {json.dumps(e["schedule"]): e["schedule"] for e in RECORDED}
    made = map(from_config, schedules.values())
    texts = {schedule.code("keras"): schedule for schedule in made}
    return {text: s for text, s in texts.items() if "this is its formula" in text}


def test_a_keras_class_is_laid_out_as_ruff_would(tmp_path):
    texts = keras_formulas()
    assert len(texts) > 40
    for i, text in enumerate(texts):
        (tmp_path / f"text_{i}.py").write_text(text)
    ruff = [Path(sys.executable).with_name("ruff"), "format", "--isolated", "--diff"]
    done = subprocess.run([*ruff, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", lrlib.catalogue)
def test_a_keras_text_is_short_and_names_its_parameters(name):
    schedule = lrlib.catalogue[name]()
    text = schedule.code("keras")
    assert len(text.splitlines()) <= 40
    assert "get_config().values()" not in text
    assert "t < 0" not in text
    if "this is its formula" in text:
        used = {s.name for s in schedule.formula.free_symbols} - {"t"}
        for path in used:
            assert f"self.{path.replace('.', '_')}" in text


@pytest.mark.parametrize("title", ["Keras", "PyTorch", "optax", "Transformers", "timm"])
@pytest.mark.parametrize("name", lrlib.catalogue)
def test_a_docstring_names_the_call_that_is_written(name, title):
    """Or one that is only read, or a number where the library takes that."""
    make, library = lrlib.catalogue[name], title.lower()
    lines = make.definition.doc.splitlines()
    said = [line for line in lines if line.startswith(f"{title}: ")]
    variants = ports._variants(make(), library)
    written = {call for _, way in variants for call in names_in(way)}
    assert len(said) == 1 or not (said or written)
    if said and said != [f"{title}: a number"]:
        call = re.search(r"`(\w+)`", said[0])[1]
        assert rows()[call].library == library
        only_read = call not in {row.name for row, *_ in _forms(library)}
        assert call in written or only_read


LR, STEPS = "{initial_learning_rate}", "{decay_steps}"
READ_BACKWARD = {
    "linear(lr, a, lr * b)": (
        lrlib.linear(),
        {"a": STEPS, "b": f"{{end_learning_rate}} / {LR}"},
    ),
    "cosine(lr, a, b / lr)": (lrlib.cosine(), {"a": STEPS, "b": f"{{alpha}} * {LR}"}),
    "exponential(lr, a, b**a)": (
        lrlib.exponential(),
        {"a": STEPS, "b": f"{{decay_rate}} ** (1 / {STEPS})"},
    ),
    "knee(lr, b, a - b, 0.0)": (
        lrlib.knee(),
        {"a": f"{{explore_steps}} + {STEPS}", "b": "{explore_steps}"},
    ),
    "step(lr, a, 0.1) if b == 2 else rex(lr, a)": (
        lrlib.step(),
        {"a": STEPS, "b": "2"},
    ),
    "warm(cosine(lr, a, 0.0), b, 0.01, lr)": (
        lrlib.warmup(lrlib.cosine(), 10),
        {"a": "{schedule.decay_steps}", "b": "{steps}"},
    ),
    "cosine(lr, a - b)": (lrlib.cosine(), None),  # two unknowns
    "rex(b, a)": (lrlib.cosine(), None),
}


@pytest.mark.parametrize("meaning", READ_BACKWARD)
def test_a_row_is_read_backward(meaning, monkeypatch):
    schedule, arguments = READ_BACKWARD[meaning]
    made_up = replace(row("call(a, b=1.0)", meaning), library=meaning)
    monkeypatch.setitem(TABLE, meaning, [made_up])
    found = [way.arguments for way in ways(meaning, term(schedule))]
    assert found == ([] if arguments is None else [arguments])


def test_what_a_row_fixes_is_the_condition_of_its_call(monkeypatch):
    only = row("call(a, b=1.0)", "step(lr, a, 0.1)", when="a > 5")
    monkeypatch.setitem(TABLE, "made up", [replace(only, library="made up")])
    (way,) = ways("made up", term(lrlib.step()))
    rate, steps = sympy.symbols("decay_rate decay_steps")
    assert way.when == sympy.And(sympy.Eq(0.1, rate), steps > 5)


def test_a_floor_that_would_be_0_is_written_as_0():
    assert "eta_min=0.0)" in lrlib.cosine(alpha=0.0).code("pytorch")
    assert "eta_min=0.3 * 0.1" in lrlib.cosine(alpha=0.3).code("pytorch")


@pytest.mark.parametrize(
    ("schedule", "call", "warning"),
    [
        (lrlib.step(0.1, 41, 0.5), "staircase=True", "one update late"),
        (lrlib.cosine_restarts(0.1, 41), "CosineDecayRestarts(", "one update late"),
        (lrlib.polynomial(0.1, 7, cycle=True), "cycle=True", "one update early"),
    ],
)
def test_keras_own_class_comes_with_a_warning_where_fit_moves_a_jump(
    schedule, call, warning
):
    text = schedule.code("keras")
    assert call in text
    assert warning in text
    assert "one update" not in lrlib.polynomial(0.1, 7).code("keras")


def test_a_keras_class_from_a_text_is_saved_and_loaded():
    names: dict = {}
    exec(compile(lrlib.rex(0.1, 10).code("keras"), "<keras>", "exec"), names)
    saved = keras.optimizers.schedules.serialize(names["schedule"])
    loaded = keras.optimizers.schedules.deserialize(json.loads(json.dumps(saved)))
    assert type(loaded) is names["Rex"]
    assert float(loaded(5)) == float(names["schedule"](5))


@pytest.mark.parametrize("framework", [f for f in ports.FRAMEWORKS if f != "keras"])
def test_what_a_library_did_is_what_the_formula_says(framework):
    entries = [entry for entry in RECORDED if entry["framework"] == framework]
    assert len(entries) > 50
    for entry in entries:
        schedule = from_config(entry["schedule"])
        expected = schedule(np.arange(len(entry["rates"])))
        np.testing.assert_allclose(
            entry["rates"],
            expected,
            rtol=1e-4,  # five digits are recorded
            atol=2e-6 * expected.max(),
            err_msg=f"{framework}: {schedule}",
        )


def test_no_text_differs_from_the_one_that_was_run():
    for entry in RECORDED:
        schedule = from_config(entry["schedule"])
        text = schedule.code(entry["framework"])
        assert text == entry["code"], "run it: make test-peers RECORD=1"


@pytest.mark.parametrize("framework", ports.FRAMEWORKS)
@pytest.mark.parametrize("name", lrlib.catalogue)
def test_there_is_a_text_or_the_error_names_what_is_missing(name, framework):
    schedule = lrlib.catalogue[name]()
    try:
        text = schedule.code(framework)
    except LookupError:
        assert framework == "timm"
        with pytest.raises(LookupError, match=rf"timm has no scheduler .* {name}\("):
            schedule.code(framework)
    else:
        compile(text, "<text>", "exec")
        bound = "schedule = " if framework in ("keras", "optax") else "scheduler = "
        assert bound in text or "def schedule(count):" in text


def test_the_library_s_own_class_is_preferred():
    assert "CosineAnnealingLR(" in lrlib.cosine().code("pytorch")
    assert "optax.cosine_decay_schedule(" in lrlib.cosine().code("optax")
    assert "CosineLRScheduler(" in lrlib.cosine().code("timm")
    assert "CosineDecay(" in lrlib.cosine().code("keras")
    assert "get_cosine_with_min_lr_schedule" in lrlib.cosine().code("transformers")


@pytest.mark.parametrize(
    ("schedule", "own_class"),
    [
        (lrlib.cosine_restarts(t_mul=2.0), True),
        (lrlib.cosine_restarts(t_mul=1.5), False),
        (lrlib.cosine_restarts(t_mul=2.0, m_mul=0.5), False),
    ],
)
def test_a_class_is_used_only_where_it_makes_exactly_this_curve(schedule, own_class):
    text = schedule.code("pytorch")
    assert ("CosineAnnealingWarmRestarts(" in text) == own_class
    assert ("has no scheduler for this curve: its formula" in text) != own_class


def test_a_text_says_where_the_library_does_not_follow():
    assert "rises again" in lrlib.cosine().code("pytorch")
    assert "rises again" in lrlib.cosine().code("transformers")
    assert ports.follows_until(lrlib.cosine(decay_steps=70), "pytorch") == 70
    assert ports.follows_until(lrlib.cosine(decay_steps=70), "timm") == np.inf


@pytest.mark.parametrize("framework", ports.FRAMEWORKS)
@pytest.mark.parametrize("name", lrlib.catalogue)
def test_a_template_filled_in_is_the_text(name, framework):
    schedule = lrlib.catalogue[name]()
    holds = None
    for condition, template in ports.code_variants(schedule, framework):
        places = set(ports.PLACEHOLDER.findall(template))
        assert places <= set(schedule.numbers)
        if holds is None and condition is True:
            holds = template
    if holds and len(ports.code_variants(schedule, framework)) == 1:
        filled = ports.PLACEHOLDER.sub(
            lambda found: repr(schedule.numbers[found[1]]), holds
        )
        assert filled == schedule.code(framework)
        assert holds == ports.code_template(schedule, framework)


def test_a_condition_is_data_for_the_browser():
    _, (condition, _), (always, _) = ports.code_variants(
        lrlib.cosine_restarts(), "pytorch"
    )
    assert condition[0] == "And"
    assert {"m_mul", "t_mul"} <= set(str(condition).replace("'", " ").split())
    assert always is True


@pytest.mark.parametrize("framework", ["torch", "", None, "Keras"])
def test_an_unknown_framework_is_told(framework):
    with pytest.raises(ValueError, match="framework must be one of 'keras', "):
        lrlib.cosine().code(framework)


def test_the_text_is_the_same_under_every_hash_seed():
    line = "import lrlib; print(lrlib.one_cycle().code('optax'))"
    texts = {
        subprocess.run(
            [sys.executable, "-c", line],
            env={"PYTHONHASHSEED": seed, "PATH": ""},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


@lrlib.schedule
def literal_stairs(t, rate: Rate = 1.0):
    return rate / 2 ** sympy.floor(t / 49)


@lrlib.schedule
def product_stairs(t, rate: Rate = 1.0, a: Steps = 7, b: Steps = 7):
    return rate / 2 ** sympy.floor(t / (a * b)) + rate * sympy.floor(t / (a * b))


@lrlib.schedule
def fractions(t, peak: Rate = 1.0, every: Steps = 7):
    return peak * sympy.frac(t / every)


@lrlib.schedule
def odd_names(
    t,
    floor: Rate = 0.5,
    min: Steps = 5,
    max: Steps = 9,
    lambda_: Rate = 0.3,
    constructor: Rate = 0.2,
    E: Rate = 0.1,
    I: Rate = 0.4,  # noqa: E741
    x0: Rate = 0.1,
):
    rising = sympy.Min(sympy.Max(t, min), max) / max
    falls = floor * lambda_ ** sympy.floor(t / min) + constructor * E
    return rising * falls + I * x0 * sympy.sqrt(1 + sympy.Min(t, max) / max)


OWN = {
    "literal_stairs": lambda t: 0.5 ** (t // 49),
    "product_stairs": lambda t: 0.5 ** (t // 49) + t // 49,
    "fractions": lambda t: t % 7 / 7,
    "odd_names": lambda t: (
        min(max(t, 5), 9) / 9 * (0.5 * 0.3 ** (t // 5) + 0.02)
        + 0.04 * (1 + min(t, 9) / 9) ** 0.5
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_a_reader_s_formula_is_the_same_in_every_code(name):
    schedule, steps = globals()[name](), range(150)
    expected = [OWN[name](t) for t in steps]
    np.testing.assert_allclose(schedule(steps), expected, rtol=1e-12, atol=1e-12)
    text = schedule.code("pytorch").replace("import torch\n", "")
    own = text[: text.index("# LambdaLR multiplies")].replace(
        "from torch.optim.lr_scheduler import LambdaLR\n", ""
    )
    names: dict = {}
    exec(compile(own, "<pytorch>", "exec"), names)
    np.testing.assert_allclose([names["rate"](t) for t in steps], expected, 1e-12)
    rates = of_keras(schedule.code("keras"), len(expected))
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-7)
    rates = lrlib.sample(schedule.to_keras(), len(expected))
    np.testing.assert_allclose(rates, expected, rtol=1e-6, atol=1e-7)
    back = lrlib.convert(schedule.code("optax"))
    np.testing.assert_allclose(back(steps), expected, rtol=1e-12, atol=1e-12)
