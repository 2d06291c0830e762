"""Schedules made of schedules.

Each is a `@schedule` like any other; a parameter of kind `Inner` reaches the
formula as a function of t.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from sympy import Max, Min, Mod, Piecewise

from lrlib.schedules.kinds import (
    Boundaries,
    Choice,
    Inner,
    Inners,
    Number,
    Period,
    Power,
    RateOrZero,
    Steps,
)
from lrlib.schedules.schedule import Schedule, schedule

One = Annotated[Schedule, Inner()]
Several = Annotated[Sequence[Schedule], Inners()]
WarmupShape = Annotated[str, Choice(("linear", "polynomial", "exponential"))]
Scale = Annotated[float, Number((0.0, 2.0), low=0)]


@schedule(
    requires={
        "there must be one schedule more than boundaries": (
            lambda schedules, boundaries, **_: len(schedules) == len(boundaries) + 1
        )
    }
)
def join(t: Any, schedules: Several, boundaries: Boundaries):
    """One schedule after another, each from its own step 0.

    The next one takes over at the boundary itself: t = boundaries[i] is step 0 of
    schedules[i + 1]. As optax.join_schedules and PyTorch's SequentialLR.

    >>> import lrlib
    >>> lrlib.join([lrlib.constant(0.1), lrlib.linear(0.1, 4)], [2])([0, 1, 2, 4, 6])
    array([0.1 , 0.1 , 0.1 , 0.05, 0.  ])
    """
    starts = (0, *boundaries)
    pieces = [s(t - start) for s, start in zip(schedules, starts, strict=True)]
    cases = zip(pieces, boundaries, strict=False)
    return Piecewise(*((p, t < b) for p, b in cases), (pieces[-1], True))


@schedule(
    requires={
        "start must be above 0 for an exponential warm-up": (
            lambda start, shape, **_: shape != "exponential" or start > 0
        )
    }
)
def warmup(
    t: Any,
    schedule: One,
    steps: Steps,
    start: RateOrZero = 0.0,
    shape: WarmupShape = "linear",
    power: Power = 2.0,
):
    """From `start` up to the schedule's first rate, then the schedule.

    The way up is a line; with `shape="polynomial"` a power of it, slower at first for a
    `power` above 1; with "exponential" the same factor at every step.

    The schedule is moved: its step 0 is at t = steps. With `start=0` the first update
    changes nothing; start at a fraction 1/(steps + 1) of the first rate to use it.

    >>> import lrlib
    >>> lrlib.warmup(lrlib.linear(0.1, 4), 2)([0, 1, 2, 4, 6])
    array([0.  , 0.05, 0.1 , 0.05, 0.  ])
    >>> lrlib.warmup(lrlib.constant(0.1), 2, 0.001, shape="exponential")([0, 1, 2])
    array([0.001, 0.01 , 0.1  ])
    """
    progress, first = t / steps, schedule(0)
    if shape == "exponential":
        climb = start * (first / start) ** progress
    else:
        climb = start + (first - start) * progress ** (
            power if shape == "polynomial" else 1
        )
    return Piecewise((climb, t < steps), (schedule(t - steps), True))


@schedule
def scale(t: Any, schedule: One, factor: Scale = 1.0):
    """Every rate times `factor`; written `schedule * factor`."""
    return schedule(t) * factor


@schedule
def product(t: Any, schedules: Several):
    """The rates multiplied with each other; written `a * b`."""
    rate = 1
    for s in schedules:
        rate = rate * s(t)
    return rate


@schedule(requires={"low must not be above high": lambda low, high, **_: low <= high})
def clip(t: Any, schedule: One, low: RateOrZero = 0.0, high: RateOrZero = 1.0):
    """No rate below `low`, none above `high`.

    >>> import lrlib
    >>> lrlib.clip(lrlib.linear(0.1, 4), low=0.05, high=0.08)([0, 1, 2, 3, 4])
    array([0.08 , 0.075, 0.05 , 0.05 , 0.05 ])
    """
    return Min(Max(schedule(t), low), high)


@schedule
def cycle(t: Any, schedule: One, period: Period):
    """The first `period` steps of the schedule, again and again.

    >>> import lrlib
    >>> lrlib.cycle(lrlib.linear(0.1, 4), period=2)([0, 1, 2, 3, 4])
    array([0.1  , 0.075, 0.1  , 0.075, 0.1  ])
    """
    return schedule(Mod(t, period))
