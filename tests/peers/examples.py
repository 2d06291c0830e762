"""Schedules to try: from the catalogue itself, and drawn at random from the kinds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import lrlib
from lrlib.schedules.kinds import Choice, Kind, Number, Numbers
from lrlib.schedules.schedule import Schedule

#: Where more than the defaults decides which class a library uses.
_PARTICULAR = [
    lrlib.cosine_restarts(first_decay_steps=7, t_mul=1.0),
    lrlib.cosine_restarts(first_decay_steps=7, t_mul=2.0, alpha=0.1),
    lrlib.cosine_restarts(first_decay_steps=7, t_mul=3.0),
    lrlib.cosine_restarts(first_decay_steps=5, t_mul=1.5, m_mul=0.7, alpha=0.2),
    lrlib.hyperbolic_tangent(decay_steps=20, lb=-3.0, ub=2.0),
    lrlib.inverse_sqrt(timescale=9, offset=5),
    lrlib.knee(explore_steps=0, decay_steps=9),
    lrlib.linear(decay_steps=9, end_learning_rate=0.02),
    lrlib.linear(0.01, decay_steps=9, end_learning_rate=0.02),
    lrlib.one_cycle(total_steps=10, pct_start=0.1),
    lrlib.piecewise_constant([4, 9], [1.0, 0.1, 0.01]),
    lrlib.piecewise_constant([4, 9], [0.0, 0.1, 0.01]),
    lrlib.piecewise_interpolate([4, 9], [0.0, 0.1, 0.01]),
    lrlib.polynomial(decay_steps=9, end_learning_rate=0.0, power=2.0),
    lrlib.polynomial(0.01, decay_steps=9, end_learning_rate=0.02),
    lrlib.polynomial(decay_steps=27, power=0.9),
    lrlib.power(timescale=9, offset=5),
    lrlib.warmup_cosine(0.01, decay_steps=9, alpha=0.1, warmup_steps=4),
    lrlib.warmup_stable_decay(0.01, 0.1, 5, 8, 6, alpha=0.1, decay_type="linear"),
]
_COMPOSED = [
    lrlib.cosine(decay_steps=9) * 0.5,
    lrlib.cosine(decay_steps=9) * lrlib.exponential(decay_steps=5),
    lrlib.clip(lrlib.cyclic(step_size_up=5, step_size_down=8), 0.02, 0.05),
    lrlib.cycle(lrlib.linear(decay_steps=9), 12),
    lrlib.join([lrlib.constant(), lrlib.cyclic(step_size_up=5)], [7]),
    lrlib.join([lrlib.linear(decay_steps=4), lrlib.cosine(decay_steps=9)], [7]),
    lrlib.warmup(lrlib.warmup(lrlib.cosine(decay_steps=9), 5), 6),
    lrlib.warmup(lrlib.step(decay_steps=9), 5, 0.01, shape="polynomial"),
    lrlib.warmup(lrlib.step(decay_steps=9), 5, 0.01, shape="exponential"),
]


def recorded() -> Iterator[Schedule]:
    """Yield every schedule of the catalogue, short, under each of its choices."""
    for make in lrlib.catalogue.values():
        short = _short(make)
        yield short
        for name, kind in make.definition.kinds.items():
            if isinstance(kind, Choice):
                yield from (short.replace(**{name: o}) for o in kind.options[1:])
        if short(0) > 0:
            yield lrlib.warmup(short, 5)
            yield lrlib.warmup(short, 5, short(0) / 10)
    yield from _PARTICULAR
    yield from _COMPOSED


def _short(make: Callable[..., Schedule]) -> Schedule:
    """Make a schedule with its defaults, but done within some forty steps."""
    defaults = make.definition.defaults
    params = {
        name: _scaled(kind, defaults[name])
        for name, kind in make.definition.kinds.items()
    }
    return make(**params)


def _scaled(kind: Kind, value: Any) -> Any:
    if isinstance(kind, Numbers):
        return [_scaled(kind.each, v) for v in value]
    if isinstance(kind, Number) and kind.span:
        return max(int(kind.low), round(value / 7) if value < 1000 else 9)
    return value


def drawn(make: Callable[..., Schedule], seed: int) -> Schedule:
    """Return a schedule with random parameters, each of its kind."""
    # A seed of one's own for each, so that a new schedule changes no other.
    dice = random.Random(f"{make.definition.name} {seed}")
    for _ in range(1000):
        params = {n: _draw(k, dice) for n, k in make.definition.kinds.items()}
        try:
            return make(**params)
        except ValueError:  # a condition between parameters
            continue
    raise AssertionError(f"no parameters found for {make.definition.name}")


def _draw(kind: Kind, dice: random.Random) -> Any:
    if isinstance(kind, Choice):
        return dice.choice(kind.options)
    if isinstance(kind, Numbers):
        values = [_draw(kind.each, dice) for _ in range(3)]
        return sorted(set(values))[:2] if kind.increasing else values
    assert isinstance(kind, Number)
    low = max(kind.low, kind.slider[0])
    high = min(kind.high, kind.slider[1])
    if kind.whole:
        return dice.randint(int(low), int(min(high, low + 30)))
    if kind.log:
        return low * (high / low) ** dice.random()
    return dice.uniform(low, high)
