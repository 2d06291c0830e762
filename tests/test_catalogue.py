"""The catalogue against Keras, other libraries, papers, and its own promises."""

import contextlib
import itertools
import json
import math
import pickle
import re
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from random_schedules import examples, schedules

import lrlib
from lrlib import catalogue
from lrlib.schedules.kinds import Choice, Number
from lrlib.schedules.schedule import from_config
from lrlib.show import drawing
from lrlib.show.mathml import mathml

GOLDEN = json.loads((Path(__file__).parent / "golden_values.json").read_text())


def warm(s, steps, start=0.0):
    return lrlib.warmup(s, steps, start=start)


# What other libraries print for t = 0, 1, 2, ..., and the lrlib schedule that it is. A
# number of steps says until when: PyTorch and Transformers rise again after the end.
SAME = {
    "keras ExponentialDecay(1.,4,.5)": lrlib.exponential(1, 4, 0.5),
    "keras ExponentialDecay(1.,4,.5,staircase=True)": lrlib.step(1, 4, 0.5),
    "keras PiecewiseConstantDecay([3,6],[1.,.5,.1])": lrlib.piecewise_constant(
        [3, 6], [1, 0.5, 0.1]
    ),
    "keras PolynomialDecay(1.,8,.1,power=2.)": lrlib.polynomial(1, 8, 0.1, 2),
    "keras PolynomialDecay(1.,4,.1,cycle=True)": lrlib.polynomial(
        1, 4, 0.1, cycle=True
    ),
    "keras InverseTimeDecay(1.,4,.5)": lrlib.inverse_time(1, 4, 0.5),
    "keras CosineDecay(1.,8,alpha=.1)": lrlib.cosine(1, 8, 0.1),
    "keras CosineDecay(.2,8,alpha=.1,warmup_target=1.,warmup_steps=3)": (
        lrlib.warmup_cosine(0.2, 8, 0.1, warmup_target=1, warmup_steps=3)
    ),
    "keras CosineDecayRestarts(1.,3,2.,.5,.1)": lrlib.cosine_restarts(
        1, 3, 2, 0.5, 0.1
    ),
    "optax polynomial_schedule(1.,.1,2,8,transition_begin=2)": lrlib.join(
        [lrlib.constant(1), lrlib.polynomial(1, 8, 0.1, 2)], [2]
    ),
    "optax piecewise_constant_schedule(1.,{3:.5,6:.2})": lrlib.piecewise_constant(
        [2, 5], [1, 0.5, 0.1]
    ),
    "optax piecewise_interpolate_schedule('cosine',1.,{4:.5,8:.2})": (
        lrlib.piecewise_interpolate([4, 8], [1, 0.5, 0.1], "cosine")
    ),
    "optax exponential_decay(1.,4,.5,transition_begin=2,end_value=.3)": lrlib.clip(
        lrlib.join([lrlib.constant(1), lrlib.exponential(1, 4, 0.5)], [2]), low=0.3
    ),
    "optax warmup_cosine_decay_schedule(.2,1.,3,11,.1)": lrlib.warmup_cosine(
        0.2, 8, 0.1, warmup_target=1, warmup_steps=3
    ),
    "optax cosine_onecycle_schedule(10,1.)": lrlib.piecewise_interpolate(
        [3, 10], [1 / 25, 1, 1 / 25e4], "cosine"
    ),
    "optax linear_onecycle_schedule(10,1.)": lrlib.piecewise_interpolate(
        [3, 8, 10], [1 / 25, 1, 1 / 25, 1 / 25e4], "linear"
    ),
    "tfm PolynomialWarmUp(1.,4,power=2.)": (
        lrlib.warmup(lrlib.constant(1), 4, shape="polynomial", power=2),
        slice(1, None),  # it wastes its first update on the rate of its second
    ),
    "tfm PowerAndLinearDecay(1.,10,power=-.5,linear_decay_fraction=.4)": (
        lrlib.power(1, timescale=1, power=0.5, offset=1)
        * lrlib.knee(1, explore_steps=6, decay_steps=4)
    ),
    "torch StepLR(4,.5)": lrlib.step(1, 4, 0.5),
    "torch MultiStepLR([3,6],.5)": lrlib.piecewise_constant([2, 5], [1, 0.5, 0.25]),
    "torch LinearLR(.25,1.,4)": lrlib.linear(0.25, 4, 1),
    "torch PolynomialLR(8,2.)": lrlib.polynomial(1, 8, 0, 2),
    "torch CosineAnnealingLR(8,.1)": (lrlib.cosine_annealing(1, 8, 0.1), slice(9)),
    "torch CosineAnnealingWarmRestarts(3,2,.1)": lrlib.cosine_restarts(
        1, 3, 2, alpha=0.1
    ),
    "torch OneCycleLR(1.,total_steps=10)": (lrlib.one_cycle(1, 10), slice(10)),
    "torch OneCycleLR(1.,total_steps=10,anneal_strategy='linear')": (
        lrlib.one_cycle(1, 10, anneal_strategy="linear"),
        slice(10),
    ),
    "torch CyclicLR(.1,1.,2,4)": lrlib.cyclic(0.1, 1, 2, 4),
    "torch CyclicLR(.1,1.,2,mode='triangular2')": lrlib.cyclic(
        0.1, 1, 2, 2, mode="triangular2"
    ),
    "torch SequentialLR([LinearLR(.25,1.,4),CosineAnnealingLR(8)],[4])": lrlib.join(
        [lrlib.linear(0.25, 4, 1), lrlib.cosine(1, 8)], [4]
    ),
    "hf linear W=3 T=11": warm(lrlib.linear(1, 8), 3),
    "hf cosine W=3 T=11": (warm(lrlib.cosine(1, 8), 3), slice(12)),
    "hf cosine_with_restarts W=3 T=11 num_cycles=2": (
        warm(lrlib.cosine_restarts(1, 4, t_mul=1), 3),
        slice(11),
    ),
    "hf polynomial W=3 T=11 lr_end=.1 power=2": warm(lrlib.polynomial(1, 8, 0.1, 2), 3),
    "hf inverse_sqrt W=4": warm(lrlib.inverse_sqrt(1, timescale=4), 4),
    "hf cosine_warmup_with_min_lr W=3 T=11 min_lr=.1": (
        warm(lrlib.cosine_annealing(1, 8, 0.1), 2, start=1 / 3),
        slice(11),
    ),
    "hf warmup_stable_decay W=3 stable=4 decay=4 min_lr_ratio=.1": (
        lrlib.warmup_stable_decay(0.1, 1, 3, 4, 4, "cosine", 0.1)
    ),
    "timm MultiStepLRScheduler([3,6],.5)": lrlib.piecewise_constant(
        [1, 4], [1, 0.5, 0.25]
    ),
    "timm CosineLRScheduler(8,lr_min=.1,warmup_t=3,warmup_prefix=True)": warm(
        lrlib.cosine_annealing(1, 8, 0.1), 3
    ),
    "timm TanhLRScheduler(10)": lrlib.hyperbolic_tangent(1, 10),
    "timm PolyLRScheduler(8)": lrlib.polynomial(1, 8, 0, 0.5),
    "timm WSDLRScheduler(8,4,lr_min=.1,warmup_t=3)": lrlib.warmup_stable_decay(
        0, 1, 3, 4, 4, "1-sqrt", 0.1
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_prints_what_the_other_library_prints(name):
    schedule, steps = SAME[name] if isinstance(SAME[name], tuple) else (SAME[name], ...)
    expected = np.array([np.nan if v == "raises" else v for v in GOLDEN[name]])
    rates = schedule(np.arange(len(expected)))
    np.testing.assert_allclose(rates[steps], expected[steps], rtol=0, atol=2e-6)


# Against plain Python -----------------------------------------------------------------


def _noam(t, d_model, warmup_steps):
    n = t + 1
    return d_model**-0.5 * min(n**-0.5, n * warmup_steps**-1.5)


def _left(t, decay_steps):
    return 1 - t / decay_steps if t < decay_steps else 0.0


def _inverse_time(t, initial_learning_rate, decay_steps, decay_rate):
    return initial_learning_rate / (1 + decay_rate * t / decay_steps)


def _power(t, initial_learning_rate, timescale, power, offset):
    late = t - offset if t > offset else 0
    return initial_learning_rate * ((timescale + late) / timescale) ** -power


def _step(t, initial_learning_rate, decay_steps, decay_rate):
    rate = initial_learning_rate
    for _ in range(t // decay_steps):
        rate *= decay_rate
    return rate


def _piecewise_constant(t, boundaries, values):
    return values[sum(t > b for b in boundaries)]


def _piecewise_interpolate(t, boundaries, values, interpolate_type):
    points = list(zip((0, *boundaries), values, strict=True))
    for (a, low), (b, high) in itertools.pairwise(points):
        if t < b:
            x = (t - a) / (b - a)
            if interpolate_type == "cosine":
                x = math.sin(math.pi * x / 2) ** 2
            return (1 - x) * low + x * high
    return values[-1]


def _polynomial(t, initial_learning_rate, decay_steps, end_learning_rate, power, cycle):
    while cycle and t > decay_steps * max(1, cycle):
        cycle = cycle + 1
    left = _left(t, decay_steps * max(1, cycle))
    return (initial_learning_rate - end_learning_rate) * left**power + end_learning_rate


def _half_wave(x):
    return (1 + math.cos(math.pi * x)) / 2


def _cosine(t, initial_learning_rate, decay_steps, alpha, exponent=1.0):
    wave = max(_half_wave(1 - _left(t, decay_steps)), 0) ** exponent
    return initial_learning_rate * ((1 - alpha) * wave + alpha)


def _cosine_k_decay(t, initial_learning_rate, decay_steps, end_learning_rate, k_decay):
    wave = _half_wave((1 - _left(t, decay_steps)) ** k_decay)
    return wave * initial_learning_rate + (1 - wave) * end_learning_rate


def _polynomial_k_decay(
    t, initial_learning_rate, decay_steps, end_learning_rate, power, k_decay
):
    share = (1 - (1 - _left(t, decay_steps)) ** k_decay) ** power
    return share * initial_learning_rate + (1 - share) * end_learning_rate


def _rex(t, initial_learning_rate, decay_steps, end_learning_rate):
    # As the paper has it: z / (1/2 + z/2), where z is what is left.
    z = _left(t, decay_steps)
    share = z / (0.5 + 0.5 * z)
    return share * initial_learning_rate + (1 - share) * end_learning_rate


def _hyperbolic_tangent(
    t, initial_learning_rate, decay_steps, end_learning_rate, lb, ub
):
    if t >= decay_steps:
        return end_learning_rate
    left = _left(t, decay_steps)
    share = (1 - math.tanh(lb * left + ub * (1 - left))) / 2
    return share * initial_learning_rate + (1 - share) * end_learning_rate


def _knee(t, initial_learning_rate, explore_steps, decay_steps, end_learning_rate):
    left = _left(t - explore_steps, decay_steps) if t > explore_steps else 1
    return left * initial_learning_rate + (1 - left) * end_learning_rate


def _warmup_cosine(
    t, initial_learning_rate, decay_steps, alpha, warmup_target, warmup_steps
):
    if t >= warmup_steps:
        return _cosine(t - warmup_steps, warmup_target, decay_steps, alpha)
    x = t / warmup_steps
    return (1 - x) * initial_learning_rate + x * warmup_target


def _warmup_stable_decay(
    t,
    initial_learning_rate,
    warmup_target,
    warmup_steps,
    stable_steps,
    decay_steps,
    decay_type,
    alpha,
):
    if t < warmup_steps:
        x = t / warmup_steps
        return (1 - x) * initial_learning_rate + x * warmup_target
    if t < warmup_steps + stable_steps:
        return warmup_target
    x = 1 - _left(t - warmup_steps - stable_steps, decay_steps)
    share = {"linear": 1 - x, "cosine": _half_wave(x), "1-sqrt": 1 - math.sqrt(x)}
    return warmup_target * (alpha + (1 - alpha) * share[decay_type])


def _one_cycle(
    t,
    max_lr,
    total_steps,
    pct_start,
    anneal_strategy,
    div_factor,
    final_div_factor,
    three_phase,
):
    start, end = max_lr / div_factor, max_lr / (div_factor * final_div_factor)
    ends = [pct_start * total_steps - 1, total_steps - 1]
    rates = [start, max_lr, end]
    if three_phase:
        ends.insert(1, 2 * ends[0])
        rates.insert(2, start)
    begin = 0
    for until, a, b in zip(ends, rates, rates[1:], strict=False):
        if t < until:
            x = (t - begin) / (until - begin)
            x = x if anneal_strategy == "linear" else 1 - _half_wave(x)
            return (1 - x) * a + x * b
        begin = until
    return end


def _exponential_sweep(t, start_lr, end_lr, num_it):
    x = 1 - _left(t, num_it)
    return math.exp((1 - x) * math.log(start_lr) + x * math.log(end_lr))


def _cosine_restarts(t, initial_learning_rate, first_decay_steps, t_mul, m_mul, alpha):
    length, height = float(first_decay_steps), 1.0
    while t >= length * (1 - 1e-9):
        t, length, height = t - length, length * t_mul, height * m_mul
    wave = height * _half_wave(max(t, 0) / length)
    return initial_learning_rate * ((1 - alpha) * wave + alpha)


def _cyclic(t, base_lr, max_lr, step_size_up, step_size_down, mode, gamma):
    height = 1.0
    s = t
    while s >= step_size_up + step_size_down:
        s -= step_size_up + step_size_down
        height /= 2 if mode == "triangular2" else 1
    if mode == "exp_range":
        height = gamma**t
    if s < step_size_up:
        return base_lr + (max_lr - base_lr) * height * s / step_size_up
    return base_lr + (max_lr - base_lr) * height * (
        1 - (s - step_size_up) / step_size_down
    )


#: The schedules once more, without SymPy, each in another way where there is one.
PLAIN = {
    "constant": lambda t, initial_learning_rate: initial_learning_rate,
    "inverse_time": _inverse_time,
    "exponential": lambda t, initial_learning_rate, decay_steps, decay_rate: (
        initial_learning_rate * math.exp(math.log(decay_rate) * t / decay_steps)
    ),
    "power": _power,
    "inverse_sqrt": lambda t, initial_learning_rate, timescale, offset: _power(
        t, initial_learning_rate, timescale, 0.5, offset
    ),
    "noam": _noam,
    "step": _step,
    "piecewise_constant": _piecewise_constant,
    "piecewise_interpolate": _piecewise_interpolate,
    "linear": lambda t, a, decay_steps, b: _polynomial(t, a, decay_steps, b, 1, False),
    "polynomial": _polynomial,
    "cosine": _cosine,
    "cosine_annealing": lambda t, a, decay_steps, b: _cosine_k_decay(
        t, a, decay_steps, b, 1
    ),
    "cosine_exponent": _cosine,
    "cosine_k_decay": _cosine_k_decay,
    "polynomial_k_decay": _polynomial_k_decay,
    "rex": _rex,
    "hyperbolic_tangent": _hyperbolic_tangent,
    "knee": _knee,
    "warmup_cosine": _warmup_cosine,
    "warmup_stable_decay": _warmup_stable_decay,
    "one_cycle": _one_cycle,
    "exponential_sweep": _exponential_sweep,
    "cosine_restarts": _cosine_restarts,
    "cyclic": _cyclic,
}


def every_schedule(count, but=()):
    """Run a test on every schedule of the catalogue, with so many sets of numbers."""

    def decorate(test):
        @pytest.mark.parametrize("name", [n for n in catalogue if n not in but])
        @examples(count)
        @given(data=st.data())
        def on_schedule(name, data):
            test(data.draw(schedules(name)))

        return on_schedule

    return decorate


STEPS = np.arange(200)


def peak(schedule):
    """The highest rate that its parameters speak of."""
    rates = ("learning_rate", "_lr", "target", "values")
    return max(v for k, v in schedule.numbers.items() if any(r in k for r in rates))


@every_schedule(60)
def test_the_formula_is_that_of_plain_python(schedule):
    plain = PLAIN[schedule.name]
    expected = [plain(int(t), *schedule.params.values()) for t in STEPS]
    scale = max(expected)
    np.testing.assert_allclose(schedule(STEPS), expected, rtol=1e-9, atol=1e-9 * scale)


@every_schedule(15)
def test_rates_are_finite_and_not_negative(schedule):
    # With m_mul above 1, which Keras allows too, peaks grow without an end.
    assume(schedule.params.get("m_mul", 1) <= 1)
    rates = schedule(np.array([*STEPS, 0.5, 1e3, 12345.6, 1e6]))
    assert np.isfinite(rates).all()
    # Nothing below zero but what rounding leaves of a zero.
    assert rates.min() >= -1e-16


@every_schedule(15)
def test_no_rate_is_higher_than_the_highest_that_was_asked_for(schedule):
    if schedule.name == "noam":  # its height is in its formula
        bound = schedule(schedule.params["warmup_steps"] - 1)
    else:
        bound = peak(schedule)
    assume(schedule.params.get("m_mul", 1) <= 1)  # no peaks that grow
    assert schedule(STEPS).max() <= bound * (1 + 1e-12)


@every_schedule(8)
def test_an_array_has_the_rates_of_its_steps_in_any_order_and_shape(schedule):
    rates = schedule(STEPS)
    np.testing.assert_array_equal(schedule(STEPS[::-1]), rates[::-1])
    np.testing.assert_array_equal(schedule(STEPS.reshape(4, 50)), rates.reshape(4, 50))
    # One at a time NumPy's cos, exp and power may round otherwise.
    singly = [schedule(int(t)) for t in STEPS[::7]]
    np.testing.assert_allclose(singly, rates[::7], rtol=1e-12, atol=1e-15)


#: Schedules that jump, or do for some of their parameters.
JUMPS = {"step", "piecewise_constant", "cosine_restarts", "hyperbolic_tangent"}


@every_schedule(15, but=JUMPS)
def test_where_nothing_is_said_of_jumps_there_are_none(schedule):
    assume(not schedule.params.get("cycle"))
    # A small power makes a curve almost as steep as a jump.
    flat = {k: max(v, 0.5) for k, v in schedule.numbers.items() if k in STEEP}
    schedule = schedule.replace(**flat)
    just_before = schedule(STEPS[1:] - 1e-9)
    scale = max(just_before.max(), schedule(0))
    np.testing.assert_allclose(just_before, schedule(STEPS[1:]), atol=1e-3 * scale)


STEEP = {"power", "exponent", "k_decay"}


@every_schedule(5)
def test_copies_are_equal_and_changed_ones_are_not(schedule):
    copy = pickle.loads(pickle.dumps(schedule))
    assert copy == schedule
    assert hash(copy) == hash(schedule)
    assert from_config(json.loads(json.dumps(schedule.get_config()))) == schedule
    assert eval(repr(schedule), dict(catalogue)) == schedule
    for name, kind in schedule.definition.kinds.items():
        if isinstance(kind, Number):
            low, high = kind.slider
            other = low if schedule.params[name] != low else high
            with contextlib.suppress(ValueError):  # out of its range
                assert schedule.replace(**{name: other}) != schedule


# In every form ------------------------------------------------------------------------


def variants():
    """Every schedule, once for each way to set what is no number."""
    for name, make in catalogue.items():
        kinds = make.definition.kinds
        choices = {k: v.options for k, v in kinds.items() if isinstance(v, Choice)}
        for options in itertools.product(*choices.values()):
            chosen = dict(zip(choices, options, strict=True))
            label = "-".join([name, *map(str, chosen.values())])
            yield pytest.param(make(**chosen), id=label)


@pytest.mark.parametrize("schedule", variants())
@pytest.mark.parametrize("with_values", [False, True])
def test_its_formula_can_be_drawn(schedule, with_values):
    latex = schedule.latex(values=with_values)
    markup = mathml(latex, display=True)
    assert markup.startswith('<math display="block">')
    assert "nan" not in markup.lower()
    # Every number that matters has its sign in it.
    if not with_values:
        for text in schedule._symbol_names(values=False).values():
            assert text in latex


@pytest.mark.parametrize("schedule", variants())
def test_every_letter_of_its_formula_is_explained(schedule):
    key = drawing.symbols_html(schedule)
    for path in schedule.symbol_names():
        name = "step" if path == "t" else path.rstrip("0123456789").rstrip(".")
        assert f": {name}" in key


def test_letters_are_written_as_in_the_formula():
    key = drawing.symbols_html(lrlib.warmup(lrlib.one_cycle(), 10))
    assert mathml(r"\rho") + ": schedule.pct_start" in key
    assert mathml(r"d_{\mathrm{end}}") + ": schedule.final_div_factor" in key
    key = drawing.symbols_html(lrlib.piecewise_constant([5, 9], [3.0, 2.0, 1.0]))
    t, b, v = map(mathml, "tbv")
    assert key == f"<small>{t}: step, {b}: boundaries, {v}: values</small>"
    key = drawing.symbols_html(lrlib.constant() * lrlib.constant())
    assert mathml(r"{\eta_0}^{(2)}") in key


def test_the_picture_of_a_curve_breaks_where_it_has_no_number():
    class Rates:
        name = "broken"
        horizon = 10

        def __call__(self, t):
            return np.select([t == 0, t == 4, t == 5], [np.inf, np.nan, np.nan], t)

    lines = re.findall('points="([^"]*)"', drawing.curve_svg(Rates()))
    steps = [len(line.split()) for line in lines]
    assert steps == [3, 5]  # 1 to 3, and 6 to 10
    assert "nan" not in "".join(lines)
    (line,) = re.findall('points="([^"]*)"', drawing.curve_svg(lrlib.linear()))
    assert line.startswith("56.0,10.0 ")


@pytest.mark.parametrize("schedule", variants())
def test_keras_and_the_formula_agree(schedule):
    in_keras = schedule.to_keras()
    end = schedule.horizon
    edges = [p + d for p in schedule.numbers.values() if p < 1e5 for d in (-1, 0, 1)]
    steps = np.unique([0, 1, end, 2 * end, *np.abs(edges).astype(int)])
    got = [float(in_keras(int(t))) for t in steps]
    expected = schedule(steps)
    np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-6 * expected.max())


@pytest.mark.parametrize("schedule", variants())
def test_a_saved_model_trains_on(schedule, tmp_path):
    model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(schedule.to_keras()), "mse")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras").optimizer._learning_rate
    assert type(loaded) is type(schedule.to_keras())
    for t in (0, 3, schedule.horizon // 2, schedule.horizon):
        assert float(loaded(t)) == pytest.approx(float(schedule.to_keras()(t)))


@pytest.mark.parametrize("name", catalogue)
def test_its_docstring_is_an_entry_of_the_catalogue(name):
    summary, empty, *rest = catalogue[name].definition.doc.split("\n")
    assert summary.endswith(".")
    assert empty == ""
    assert rest


def test_cycles_that_hardly_grow_are_refused_since_rounding_would_misplace_them():
    assert lrlib.cosine_restarts(0.1, 2, t_mul=1)(2) == 0.1
    with pytest.raises(ValueError, match=r"t_mul must be 1, or a number of at"):
        lrlib.cosine_restarts(0.1, 2, t_mul=1 + 2**-52)
