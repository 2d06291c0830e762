"""Every parameter of every schedule, given what it cannot take.

The cases come from the annotations, so a schedule that is added is tested too. An error
must come at once, name the argument, and show what came.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lrlib
from lrlib.schedules import composition
from lrlib.schedules.kinds import Choice, Inner, Inners, Kind, Number, Numbers
from lrlib.schedules.schedule import definitions

NOT_NUMBERS = (None, "0.1", True, False, 1j, [0.1], np.array([1.0, 2.0]), object())


def wrong(kind: Kind) -> Iterator[tuple[Any, type[Exception]]]:
    """Values that a kind must refuse, each with the error that says so."""
    if isinstance(kind, Number):
        for value in NOT_NUMBERS:
            yield value, TypeError
        for value in (math.nan, math.inf, -math.inf, np.float32("nan")):
            yield value, ValueError
        for bound, out, away in (
            (kind.low, kind.above, -math.inf),
            (kind.high, kind.below, math.inf),
        ):
            if math.isfinite(bound):
                yield bound + math.copysign(1, away), ValueError
                yield bound if out else math.nextafter(bound, away), ValueError
        if kind.whole:
            yield kind.low + 0.5, ValueError
    elif isinstance(kind, Numbers):
        for value in (None, 3, "12", {1, 2}, {1: 2}, np.float64(1)):
            yield value, TypeError
        yield [], ValueError
        good = [2, 3, 4]
        for value, error in wrong(kind.each):
            yield [*good, value], error
        if kind.increasing:
            yield [5, 3], ValueError
            yield [3, 3], ValueError
        if kind.shortest > 1:
            yield good[: kind.shortest - 1], ValueError
    elif isinstance(kind, Choice):
        other = "none of them" if isinstance(kind.options[0], str) else 1
        yield other, ValueError if isinstance(other, str) else TypeError
        for value in (None, 0.5, ["linear"]):
            yield value, TypeError
    elif isinstance(kind, Inner):
        for value in (None, 0.1, "cosine", lrlib.cosine, [lrlib.cosine()]):
            yield value, TypeError
    elif isinstance(kind, Inners):
        for value in (None, 0.1, "cosine", lrlib.cosine(), [0.1], [None]):
            yield value, TypeError
        yield [], ValueError


s = lrlib.constant(0.1)
#: What the parameters without a default may be.
GOOD = {"schedule": s, "schedules": [s, s], "boundaries": [5], "steps": 5, "period": 5}
#: The schedules of lrlib itself; tests may have made others.
OURS = [
    d for d in definitions.values() if d.body.__module__.startswith("lrlib.schedules.")
]


def required(definition):
    return {k: GOOD[k] for k in definition.kinds if k not in definition.defaults}


CASES = [
    pytest.param(
        d, name, value, error, id=f"{d.name}-{name}-{i}-{type(value).__name__}"
    )
    for d in OURS
    for name, kind in d.kinds.items()
    for i, (value, error) in enumerate(wrong(kind))
]


def test_no_schedule_and_no_parameter_is_forgotten():
    functions = vars(composition).items()
    composed = {
        name
        for name, function in functions
        if getattr(function, "__module__", "") == composition.__name__
        and name in definitions
    }
    assert {d.name for d in OURS} == {*lrlib.catalogue, *composed}
    assert "warmup" in composed
    tried = {(case.values[0].name, case.values[1]) for case in CASES}
    assert tried == {(d.name, name) for d in OURS for name in d.kinds}


@pytest.mark.parametrize(("definition", "name", "value", "error"), CASES)
def test_a_wrong_value_is_named_with_what_came(definition, name, value, error):
    with pytest.raises(error) as raised:
        definition.make(**{**required(definition), name: value})
    message = str(raised.value)
    assert type(raised.value) is error
    assert message.startswith(f"{definition.name}: {name}")
    assert "must be" in message
    # The value itself, or the one in the list that is wrong, or how either begins.
    culprits = [value, *(value if isinstance(value, list) else [])]
    assert any(repr(culprit)[:50] in message for culprit in culprits)


@pytest.mark.parametrize("definition", OURS, ids=[d.name for d in OURS])
def test_an_argument_that_is_none_of_its_own_is_named(definition):
    with pytest.raises(TypeError, match=rf"{definition.name}: .*no_such_argument"):
        definition.make(**required(definition), no_such_argument=1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: lrlib.piecewise_constant([1, 2], [0.1, 0.2]), "one entry more"),
        (lambda: lrlib.piecewise_interpolate([1], [0.1, 0.2, 0.3]), "one entry more"),
        (lambda: lrlib.join([s], [5]), "one schedule more"),
        (lambda: lrlib.join([s, s, s], [5]), "one schedule more"),
        (lambda: lrlib.clip(s, 0.2, 0.1), "low must not be above high"),
        (lambda: lrlib.warmup(s, 5, 0.0, "exponential"), "start must be above 0"),
    ],
)
def test_what_does_not_fit_together_is_said_in_words(make, words):
    with pytest.raises(ValueError, match=words) as raised:
        make()
    assert "got" in str(raised.value)


@pytest.mark.parametrize(
    ("misuse", "error", "named"),
    [
        (lambda: s("3"), TypeError, "t must be"),
        (lambda: s(None), TypeError, "t must be"),
        (lambda: s([1, None]), TypeError, "t must be"),
        (lambda: s(-1), ValueError, "t must be"),
        (lambda: s(math.nan), ValueError, "t must be"),
        (lambda: s([0, math.inf]), ValueError, "t must be"),
        (lambda: s * -0.5, ValueError, "factor must be"),
        (lambda: s * math.nan, ValueError, "factor must be"),
        (lambda: s * True, TypeError, "factor must be"),
        (lambda: s * "2", TypeError, "unsupported|can't multiply"),
        (lambda: s.replace(alpha=0.5), TypeError, "alpha"),
        (lambda: s.replace(initial_learning_rate=-1), ValueError, "initial_learning"),
        (lambda: lrlib.sample("cosine", 3), TypeError, "source must be"),
        (lambda: lrlib.sample(s, 0), ValueError, "steps must be"),
        (lambda: lrlib.sample(s, 2.5), ValueError, "steps must be"),
        (lambda: lrlib.sample(s, "3"), TypeError, "steps must be"),
        (lambda: lrlib.plot(), TypeError, "at least one schedule"),
        (lambda: lrlib.plot(s, steps=0), ValueError, "steps must be"),
        (lambda: lrlib.plot(s, steps_per_epoch=0), ValueError, "steps_per_epoch"),
        (lambda: lrlib.plot(s, labels=["a", "b"]), ValueError, "2 labels"),
        (lambda: lrlib.plot("cosine", steps=3), TypeError, "source must be"),
        (lambda: lrlib.plot(lambda epoch: 0.1), TypeError, "steps is needed"),
    ],
)
def test_a_wrong_use_of_a_schedule_is_named(misuse, error, named):
    with pytest.raises(error, match=named):
        misuse()


@pytest.mark.parametrize("value", [1, np.int64(1), np.float32(1), np.float64(1)])
def test_a_number_of_any_library_is_a_number(value):
    assert lrlib.cosine(value, alpha=value * 0.5) == lrlib.cosine(1.0, alpha=0.5)
    assert type(lrlib.cosine(value).params["initial_learning_rate"]) is float
