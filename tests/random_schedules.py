"""Random schedules for Hypothesis, drawn from what the annotations of each say."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st

import lrlib
from lrlib.schedules.kinds import Choice, Number, Numbers


def examples(count: int) -> settings:
    """Let a test see so many examples, the same ones in every run."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def numbers(kind: Number) -> st.SearchStrategy[float]:
    """Any number that the slider of a `Number` can be at."""
    low, high = kind.slider
    if kind.whole:
        return st.integers(int(low), max(60, 2 * int(low)))
    if kind.log:
        low = low or high * 1e-5
        exponents = st.floats(math.log(low), math.log(high))
        return exponents.map(lambda e: min(max(math.exp(e), low), high))
    least = low + kind.gap
    floats = st.floats(least, high, allow_subnormal=False)
    return st.just(low) | floats if kind.gap else floats


def values(kind: Any, length: int) -> st.SearchStrategy[Any]:
    """Any value of a parameter; a list is that long."""
    if isinstance(kind, Number):
        return numbers(kind)
    if isinstance(kind, Choice):
        return st.sampled_from(kind.options)
    lists = st.lists(
        numbers(kind.each), min_size=length, max_size=length, unique=kind.increasing
    )
    return lists.map(sorted) if kind.increasing else lists


@st.composite
def schedules(draw: st.DrawFn, name: str) -> lrlib.Schedule:
    """A schedule of the catalogue with any parameters, lists of any length."""
    definition = lrlib.catalogue[name].definition
    usual = {
        key: len(definition.defaults[key])
        for key, kind in definition.kinds.items()
        if isinstance(kind, Numbers)
    }
    # One value more than boundaries where the defaults have it so.
    more = draw(st.integers(1, 4)) - min(usual.values()) if usual else 0
    params = {
        key: draw(values(kind, usual.get(key, 0) + more))
        for key, kind in definition.kinds.items()
    }
    try:
        return lrlib.catalogue[name](**params)
    except ValueError:  # the parameters don't go together
        assume(False)
        raise


@st.composite
def combined(draw: st.DrawFn) -> list[lrlib.Schedule]:
    """Schedules made of schedules."""
    a, b, c = (
        draw(schedules(name))
        for name in ("cosine_restarts", "polynomial", "piecewise_constant")
    )
    return [
        lrlib.join([a, b, c], [70, 190]),
        lrlib.warmup(a, 25, start=0.01),
        lrlib.cycle(lrlib.warmup(b, 7), 40),
        lrlib.clip(a * 0.7 * b, 1e-4, 0.3),
    ]
