"""A reader's own formula gives the same number everywhere, or is refused."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest
import random_formulas as formulas
import sympy

import lrlib
from lrlib.kinds import Rate, Steps
from lrlib.schedules.formula import part, tree
from lrlib.schedules.operations import REWRITTEN, rewrite
from lrlib.show import explorer

COUNT = 600
STEPS = np.array(
    [0, 1, 2, 3, 6, 7, 14, 40, 41, 42, 47, 49, 50, 55, 61, 98, 99, 107, 200]
)


@pytest.fixture(scope="module")
def drawn():
    """Schedules with their rates by the second opinion; NaN where a jump is near."""
    pairs = []
    for seed in range(COUNT):
        schedule = formulas.draw_formula(seed)
        rates = []
        for step in STEPS:
            try:
                rates.append(formulas.second_opinion(schedule, int(step)))
            except formulas.Jump:
                rates.append((math.nan, math.nan))
        pairs.append((schedule, np.array(rates)))
    return pairs


def agree(schedule, found, expected, steps=STEPS):
    """Assert that the rates are the same, where no irrational jump is near."""
    rates, largest = expected.T
    clear = ~np.isnan(rates)
    error = np.abs(found - rates)[clear]
    allowed = (1e-6 * np.abs(rates) + 1e-9 * largest)[clear]
    wrong = steps[clear][~(error <= allowed)]
    assert not wrong.size, f"{schedule.formula} with {schedule.numbers} at {wrong}"


def test_numpy_gives_the_number_of_exact_arithmetic(drawn):
    assert len(drawn) >= 500
    for schedule, expected in drawn:
        agree(schedule, schedule(STEPS), expected)


@pytest.mark.parametrize("function", REWRITTEN)
def test_what_is_written_in_other_terms_is_the_same(function):
    x = sympy.Symbol("x")
    other = rewrite(function(x))
    assert not other.has(function)
    for value in (-1.75, 0.3, 2.6):
        assert float(other.subs(x, value)) == pytest.approx(float(function(value)))


def test_a_part_that_has_a_name_keeps_it():
    x = sympy.Symbol("x")
    named = part("i", sympy.frac(x))
    assert rewrite(named) == part("i", rewrite(sympy.frac(x)))
    assert rewrite(named) != named


def test_the_sign_of_0_is_0_everywhere():
    @lrlib.schedule
    def turning(t, rate: Rate = 0.5, T: Steps = 3):
        return rate * (1 + sympy.sign(t - T))

    steps = [2, 3, 4]
    np.testing.assert_allclose(turning()(steps), [0, 0.5, 1])
    keras_schedule = turning().to_keras()
    np.testing.assert_allclose([keras_schedule(t) for t in steps], [0, 0.5, 1])


def test_few_steps_are_left_out_for_lying_at_a_jump(drawn):
    left_out = sum(np.isnan(expected[:, 0]).sum() for _, expected in drawn)
    assert left_out < 0.05 * COUNT * len(STEPS)


IN_THE_BROWSER = """([cases, steps]) => cases.map(({ formula, numbers }) => {
    const names = Object.keys(numbers);
    const rate = formulas.compile(formula, names);
    return steps.map((t) => rate([t, ...names.map((name) => numbers[name])]));
})"""


def test_the_browser_gives_the_same_number(drawn, browser):
    source = Path(explorer.__file__).with_name("formulas.js").read_text("utf-8")
    context = browser.new_context()
    context.set_default_timeout(120_000)
    page = context.new_page()
    script = f"{source}\nglobalThis.formulas = {{ compile }};"
    page.add_script_tag(type="module", content=script)
    page.wait_for_function("globalThis.formulas")
    cases = [
        {"formula": tree(schedule.named_formula), "numbers": schedule.numbers}
        for schedule, _ in drawn
    ]
    found = page.evaluate(IN_THE_BROWSER, [cases, STEPS.tolist()])
    context.close()
    for (schedule, expected), rates in zip(drawn, found, strict=True):
        agree(schedule, np.array(rates, dtype=float), expected)


def test_keras_gives_the_same_number_eagerly(drawn):
    for schedule, expected in drawn:
        agree(schedule, np.asarray(schedule.to_keras()(STEPS)), expected)


def test_the_code_for_keras_gives_the_same_number(drawn):
    for schedule, expected in drawn[:60]:
        scope = {}
        exec(schedule.code("keras"), scope)
        found = np.array([float(scope["schedule"](int(step))) for step in STEPS])
        agree(schedule, found, expected)


class Weights(keras.Layer):
    """A weight for each schedule, in float64; its loss has the gradient 1."""

    def __init__(self, count):
        super().__init__(dtype="float64")
        self.weights_ = [
            self.add_weight(shape=(), initializer="zeros", name=f"w{i:03}")
            for i in range(count)
        ]

    def call(self, x):
        return sum(1 * w for w in self.weights_) + 0 * keras.ops.sum(x)


@pytest.mark.parametrize(("count", "jit_compile"), [(40, False), (8, True)])
def test_fit_moves_a_weight_by_that_number(drawn, count, jit_compile):
    chosen, steps = drawn[:count], int(STEPS[-1]) + 1
    layer = Weights(len(chosen))
    model = keras.Sequential([keras.Input((1,), dtype="float64"), layer])
    model(np.zeros((1, 1)))
    optimizers = {
        f".*w{i:03}": keras.optimizers.SGD(schedule.to_keras())
        for i, (schedule, _) in enumerate(chosen)
    }
    model.compile(
        keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(keras.optimizers.SGD(0.0), optimizers)
        ),
        loss=lambda y, prediction: keras.ops.mean(prediction),
        jit_compile=jit_compile,
    )
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(
            [float(w.numpy()) for w in layer.weights_]
        )
    )
    x = np.zeros((steps, 1))
    model.fit(x, x, batch_size=1, shuffle=False, verbose=0, callbacks=[note])
    moved = -np.diff(np.array([[0.0] * len(chosen), *seen]), axis=0)
    for (schedule, expected), used in zip(chosen, moved.T, strict=True):
        agree(schedule, used[STEPS], expected)


# What is refused, when it is defined ------------------------------------------------


def numpy_cos(t, peak: Rate = 0.1):
    return peak * np.cos(t)


def math_cos(t, peak: Rate = 0.1):
    return peak * math.cos(t)


def branch(t, peak: Rate = 0.1, length: Steps = 10):
    if t < length:
        return peak
    return 0


def smaller(t, peak: Rate = 0.1):
    return min(peak, t)


def no_return(t, peak: Rate = 0.1):
    peak * t


def text(t, peak: Rate = 0.1):
    return "peak * t"


def arc_tangent(t, peak: Rate = 0.1):
    return peak * sympy.atan(t)


def imaginary(t, peak: Rate = 0.1):
    return peak * sympy.sqrt(-1)


def infinite(t, peak: Rate = 0.1):
    return peak * sympy.oo


def huge(t, peak: Rate = 0.1):
    return peak * 10**400


def stranger(t, peak: Rate = 0.1):
    return peak * sympy.Symbol("alpha")


def unfinished(t, peak: Rate = 0.1):
    return sympy.Piecewise((peak, t < 5), (0, t > 8))


def relation(t, peak: Rate = 0.1):
    return t < 5


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (numpy_cos, "use sympy.cos in place of numpy.cos"),
        (math_cos, "use sympy.cos in place of math.cos"),
        (branch, "write sympy.Piecewise"),
        (smaller, "sympy.Min"),
        (no_return, "is a `return` missing"),
        (text, "must return a formula"),
        (arc_tangent, "holds atan, which not every library computes"),
        (imaginary, "holds I, which isn't a real number"),
        (infinite, "holds oo, which isn't a real number"),
        (huge, "no float can hold"),
        (stranger, "holds alpha, which isn't one of its parameters"),
        (unfinished, r"must end in \(…, True\)"),
        (relation, "must return a formula"),
    ],
)
def test_what_cannot_be_a_formula_is_refused_when_it_is_defined(body, words):
    with pytest.raises(TypeError, match=f"^{body.__name__}: .*{words}"):
        lrlib.schedule(body)


@pytest.mark.parametrize("name", ["t", "_rate", "__proto__"])
def test_a_name_that_a_parameter_cannot_have_is_refused(name):
    scope = {"Rate": Rate}
    exec(f"def own(step, {name}: Rate = 0.1): return {name}", scope)
    with pytest.raises(ValueError, match=f"own: a parameter can't be named '{name}'"):
        lrlib.schedule(scope["own"])


def test_a_formula_of_one_choice_out_of_two_is_tried():
    from lrlib.kinds import Flag

    def sometimes(t, peak: Rate = 0.1, odd: Flag = False):
        return peak * (sympy.atan(t) if odd else t)

    with pytest.raises(TypeError, match="sometimes: its formula holds atan"):
        lrlib.schedule(sometimes)
