"""`@schedule` and `Schedule`: one function gives formula, values, LaTeX and data."""

import functools
import pickle
import re
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest
import sympy

import lrlib
from lrlib.schedules import formula
from lrlib.schedules.kinds import Boundaries, Choice, Flag, Rate, Rates, Steps
from lrlib.schedules.schedule import from_config


@lrlib.schedule
def halving(t, initial_learning_rate: Rate = 0.1, every: Steps = 10):
    """Half the rate, again and again."""
    return initial_learning_rate / 2 ** sympy.floor(t / every)


def test_a_function_of_three_lines_becomes_a_schedule():
    s = halving(every=5)
    assert repr(s) == "halving(initial_learning_rate=0.1, every=5)"
    assert s([0, 4, 5, 10]).tolist() == [0.1, 0.1, 0.05, 0.025]
    assert r"\left\lfloor{\frac{t}{\mathrm{every}}}\right\rfloor" in s.latex()
    assert halving.__doc__ == "Half the rate, again and again."


def test_what_a_reader_has_defined_is_no_part_of_the_catalogue():
    assert "halving" not in lrlib.catalogue
    with pytest.raises(TypeError):
        lrlib.catalogue["halving"] = halving


@pytest.mark.parametrize("hints", [{}, {"rate": float}])
def test_a_parameter_without_a_kind_is_an_error(hints):
    def nameless(t, rate):
        return rate

    nameless.__annotations__ = hints
    with pytest.raises(TypeError, match="nameless: annotate rate with a kind"):
        lrlib.schedule(nameless)


def test_a_scalar_gives_a_float_and_an_array_its_own_shape():
    s = lrlib.cosine(0.1, 100)
    assert type(s(3)) is float
    assert type(s(np.int64(3))) is float
    grid = np.arange(6).reshape(2, 3)
    assert s(grid).shape == (2, 3)
    assert s(grid).dtype == np.float64
    assert s([]).shape == (0,)
    flat = lrlib.constant(0.1)(np.arange(3))
    flat[0] = 5  # an array of the caller's own, not a view of one number
    assert flat.tolist() == [5, 0.1, 0.1]


@pytest.mark.parametrize("t", [-1, [0, -0.5], float("nan"), float("inf")])
def test_a_step_that_is_none_is_a_value_error(t):
    with pytest.raises(ValueError, match="t must be finite and at least 0"):
        lrlib.cosine()(t)


@pytest.mark.parametrize("t", ["3", None, 1j, [object()], True])
def test_a_step_of_another_type_is_a_type_error(t):
    with pytest.raises(TypeError, match="t must be one or more steps"):
        lrlib.cosine()(t)


def test_schedules_are_values():
    s = lrlib.cosine(0.1, decay_steps=150, alpha=0.3)
    assert s == lrlib.cosine(0.1, 150, 0.3)
    assert s != lrlib.cosine(0.1, 150, 0.2)
    assert s != lrlib.linear(0.1, 150)
    assert len({s, lrlib.cosine(0.1, 150, 0.3)}) == 1
    assert pickle.loads(pickle.dumps(s)) == s
    s.params["alpha"] = 0.9
    assert s.params["alpha"] == 0.3
    with pytest.raises(AttributeError):
        s.alpha = 0.9


def test_replace_changes_what_it_is_told_to_and_checks_it():
    s = lrlib.cosine(0.1, 150, 0.3)
    assert s.replace(alpha=0.5) == lrlib.cosine(0.1, 150, 0.5)
    with pytest.raises(ValueError, match="alpha"):
        s.replace(alpha=2)
    with pytest.raises(TypeError, match="cosine: got an unexpected"):
        s.replace(beta=2)


def test_a_config_is_plain_data_and_comes_back():
    s = lrlib.join(
        [lrlib.warmup(lrlib.cosine(), 10), lrlib.piecewise_constant() * 0.5], [50]
    )
    config = s.get_config()
    assert from_config(config) == s
    assert pickle.loads(pickle.dumps(s)) == s


@pytest.mark.parametrize(
    "config",
    [
        None,
        {},
        {"schedule": "sine", "params": {}},
        {"schedule": "cosine"},
        3,
        {"schedule": "cosine", "params": []},
    ],
)
def test_a_config_of_no_schedule_is_a_value_error(config):
    with pytest.raises(ValueError, match="not a schedule of lrlib"):
        from_config(config)


def test_a_config_with_a_parameter_that_is_none_names_it():
    config = lrlib.linear().get_config()
    config["params"] = config["params"] | {"bogus": 1}
    with pytest.raises(ValueError, match="linear has no parameter 'bogus'"):
        from_config(config)


def test_numbers_name_every_number_of_the_formula():
    inner = lrlib.piecewise_constant([3], [0.1, 0.2])
    s = lrlib.warmup(inner, 5, start=0.01, shape="polynomial", power=3)
    assert s.numbers == {
        "schedule.boundaries.0": 3,
        "schedule.values.0": 0.1,
        "schedule.values.1": 0.2,
        "steps": 5,
        "start": 0.01,
        "power": 3,
    }
    symbols = {symbol.name for symbol in s.formula.free_symbols}
    assert symbols == {*s.numbers, "t"}


def test_the_same_letter_in_two_inner_schedules_gets_a_number():
    joined = lrlib.join([lrlib.exponential(), lrlib.exponential()], [5])
    text = joined.latex()
    assert r"{\gamma}^{(1)}" in text
    assert r"{\gamma}^{(2)}" in text


def test_a_long_formula_is_printed_in_named_parts():
    text = lrlib.cosine().latex()
    assert r"\cos{(\pi x )}" in text
    assert r"x &= \frac{\min(t, T)}{T}" in text
    assert not lrlib.cosine().formula.has(formula.Part)


def test_latex_shows_the_numbers_when_asked():
    assert lrlib.inverse_time(0.1, 50, 0.25).latex(values=True) == (
        r"\eta(t) = \frac{0.1}{1 + \frac{0.25 t}{50}}"
    )


def test_t_over_T_is_divided_and_not_multiplied_by_the_inverse():
    # 49 * (1 / 49) < 1: a step schedule, whose formula has t / T twice, was late there.
    twice = lrlib.step(1.0, 49, 0.5) * lrlib.step(1.0, 49, 0.5)
    assert 49 * (1 / 49) < 1
    for s in (twice, lrlib.cosine_restarts(1.0, 49, 1.0)):
        at_once = s(np.arange(200.0) * 49)
        one_by_one = [s(49 * k) for k in range(200)]
        assert at_once.tolist() == one_by_one
    assert lrlib.cosine_restarts(1.0, 49, 1.0)(np.arange(200) * 49).min() == 1


def test_a_flag_and_a_choice_decide_the_shape_of_the_formula():
    @lrlib.schedule
    def shaped(
        t,
        initial_learning_rate: Rate = 0.1,
        falls: Flag = True,
        shape: typing.Annotated[str, Choice(("flat", "half"))] = "flat",
    ):
        rate = initial_learning_rate / 2 if shape == "half" else initial_learning_rate
        return rate / (1 + t) if falls else rate

    assert shaped(falls=False)([0, 1]).tolist() == [0.1, 0.1]
    assert shaped(shape="half")(1) == 0.025
    with pytest.raises(ValueError, match="one of 'flat', 'half', got 'double'"):
        shaped(shape="double")
    with pytest.raises(TypeError, match="one of False, True, got 1"):
        shaped(falls=1)


def test_conditions_between_parameters_are_said_in_words():
    @lrlib.schedule(requires={"as many values": lambda values, **_: len(values) == 2})
    def pair(t, boundaries: Boundaries = (1,), values: Rates = (1, 2)):
        return values[0]

    with pytest.raises(ValueError, match=r"pair: as many values, got values="):
        pair(values=[1, 2, 3])


@pytest.mark.parametrize("factor", [0.5, np.float64(0.5), np.float32(0.5), 2])
def test_a_factor_may_stand_on_either_side(factor):
    s = lrlib.linear(0.1, 100)
    assert (factor * s)(10) == (s * factor)(10) == pytest.approx(float(factor) * 0.09)


@pytest.mark.parametrize("other", ["2", None, [1, 2], object()])
def test_times_anything_else_is_a_type_error(other):
    with pytest.raises(TypeError):
        lrlib.linear() * other


class TestSample:
    def test_takes_schedules_and_numbers(self):
        s = lrlib.linear(0.1, 10)
        assert lrlib.sample(s, 3).tolist() == s([0, 1, 2]).tolist()
        assert lrlib.sample(0.5, 2).tolist() == [0.5, 0.5]

    def test_takes_functions_of_the_epoch(self):
        assert lrlib.sample(lambda epoch: 0.1 / (epoch + 1), 2).tolist() == [0.1, 0.05]

    def test_hands_the_last_rate_to_functions_that_want_it(self):
        rates = lrlib.sample(lambda epoch, rate: rate / 2, 3, initial_learning_rate=0.8)
        assert rates.tolist() == [0.4, 0.2, 0.1]

    def test_takes_a_recorded_run_that_is_long_enough(self):
        class Run:
            rates: typing.ClassVar = [0.1, 0.2, 0.3]

        assert lrlib.sample(Run(), 2).tolist() == [0.1, 0.2]
        with pytest.raises(ValueError, match="steps=4, but the run has 3"):
            lrlib.sample(Run(), 4)

    @pytest.mark.parametrize("source", ["cosine", None, True, [0.1], lrlib.Schedule])
    def test_refuses_what_has_no_rates(self, source):
        with pytest.raises(TypeError):
            lrlib.sample(source, 3)

    @pytest.mark.parametrize("steps", [0, -1, 2.5, float("nan")])
    def test_wants_a_number_of_steps(self, steps):
        with pytest.raises(ValueError, match="steps must be a whole number of at"):
            lrlib.sample(0.1, steps)


def test_importing_lrlib_imports_nothing_heavy():
    code = (
        "import sys, lrlib; heavy = {'tensorflow', 'keras', 'sympy', 'matplotlib'};"
        "print(sorted(heavy & set(sys.modules)));"
        "lrlib.cosine()(3); lrlib.cosine()._repr_html_();"
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    seen = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert seen.stdout.split("\n")[:2] == ["[]", "[]"]


def test_what_the_reference_says_needs_no_keras_needs_none():
    code = (
        "import sys; sys.modules['keras'] = None; import lrlib;"
        "s = lrlib.warmup(lrlib.cosine(0.1, 10), 3); lrlib.plot(s, steps=20);"
        "lrlib.convert('StepLR(3), lr=0.1'); lrlib.simulate(s, 10); lrlib.explore(s);"
        "lrlib.load_digits(); lrlib.load_shakespeare(); s.code('keras')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_known_to_type_checkers():
    source = Path(lrlib.__file__).read_text()
    for name in lrlib.__all__:
        assert re.search(rf"\b{name} as {name}\b", source)
        getattr(lrlib, name)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="cosinus"):
        _ = lrlib.cosinus


def test_the_name_of_a_schedule_of_lrlib_is_taken():
    # Saved models and other libraries' classes are found by it.
    with pytest.raises(ValueError, match="cosine: lrlib has a schedule of this name"):

        @lrlib.schedule
        def cosine(t, rate: Rate = 0.1):
            return rate

    assert lrlib.cosine.definition.make is lrlib.cosine


def test_schedules_are_listed_among_the_names():
    assert {"cosine", "one_cycle", "race", "warmup"} <= set(dir(lrlib))


@pytest.mark.parametrize("rate", [None, float("nan"), "0.1"])
def test_a_function_must_return_a_rate(rate):
    with pytest.raises(ValueError, match="must return a learning rate, got"):
        lrlib.sample(lambda epoch: rate if epoch else 0.1, 3)


def test_a_function_is_called_as_keras_calls_it():
    def scaled(epoch, k):
        return k * 0.1

    assert lrlib.sample(functools.partial(scaled, k=2), 2).tolist() == [0.2, 0.2]
    assert lrlib.sample(lambda *args: args[1] / 2, 2).tolist() == [0.005, 0.0025]


def test_a_parameter_that_code_uses_itself_gets_another_name():
    @lrlib.schedule
    def fading(t, rate: Rate = 0.1, count: Steps = 100):
        return rate * 2 ** (-t / count)

    s, names = fading(0.1, 10), {}
    exec(s.code("keras"), names)
    assert float(names["schedule"](10)) == pytest.approx(s(10))
    for framework in ("pytorch", "optax"):
        assert "rate_ = 0.1\ncount_ = 10\n" in s.code(framework)
