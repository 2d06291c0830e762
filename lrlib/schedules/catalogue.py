"""The catalogue: every schedule, each a formula of a few lines.

To add one, write a function here. It is then in `lrlib.catalogue`, in the explorer, on
the catalogue page, in Keras and under every test. Its docstring says what the schedule
does and what it is for; then, each on a line, its source and its name in each library.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from sympy import Eq, Max, Min, Piecewise, ceiling, cos, floor, log, pi, sqrt, tanh

from lrlib.schedules.formula import part
from lrlib.schedules.kinds import (
    Anneal,
    Boundaries,
    CyclicMode,
    Decay,
    DecayType,
    Divisor,
    Factor,
    Flag,
    Fraction,
    Growth,
    Interpolation,
    LargeDivisor,
    LowerBound,
    ModelSize,
    Period,
    Power,
    Rate,
    RateOrZero,
    Rates,
    Shrinkage,
    Steps,
    StepsOrZero,
    SweepEnd,
    SweepStart,
    Timescale,
    UpperBound,
)
from lrlib.schedules.schedule import Schedule, definitions, schedule

# Flat, and without an end ------------------------------------------------------


@schedule
def constant(t: Any, initial_learning_rate: RateOrZero = 0.01) -> Any:
    """The same rate at every step.

    What an optimizer does when it is given a number. The one to beat: a schedule
    that doesn't isn't worth its parameters.

    Source: Bottou, Curtis and Nocedal, 2018, arXiv:1606.04838, section 4
    Keras: a number
    PyTorch: a number
    optax: `constant_schedule`
    Transformers: `get_constant_schedule`
    timm: a number
    """
    return initial_learning_rate


@schedule
def inverse_time(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Timescale = 100,
    decay_rate: Decay = 0.5,
) -> Any:
    """Divided by a number that grows by `decay_rate` every `decay_steps` steps.

    Also known as time-based decay, and as 1/t decay. It never ends. The source
    proves convergence for step sizes "of type 1/n".

    Source: Robbins and Monro, 1951, A stochastic approximation method
    Keras: `InverseTimeDecay`
    """
    return initial_learning_rate / (1 + decay_rate * t / decay_steps)


@schedule
def exponential(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Timescale = 100,
    decay_rate: Decay = 0.5,
) -> Any:
    """Multiplied by `decay_rate` every `decay_steps` steps, smoothly.

    It never ends. The form η₀·exp(-kt) is this one with decay_rate = exp(-k) and
    decay_steps = 1. You needn't know the length of training, but all its
    rates together have a finite sum.

    Source: Li, Zhuang and Orabona, 2021, arXiv:2002.05273
    Keras: `ExponentialDecay`
    PyTorch: `ExponentialLR`
    optax: `exponential_decay`
    """
    return initial_learning_rate * decay_rate ** (t / decay_steps)


@schedule
def power(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    timescale: Timescale = 100,
    power: Power = 0.75,
    offset: StepsOrZero = 0,
) -> Any:
    """Divided by a power of the time: flat for `offset` steps, then falling ever less.

    For `power` above 0.5 and up to 1, the rates have an infinite sum and their squares
    a finite one; 1 is `inverse_time`, 0.5 is `inverse_sqrt`. After `timescale` steps
    the rate has fallen by the factor 2^power. `timescale=1, offset=1` is the power of
    t itself that TensorFlow's model garden calls `DirectPowerDecay`, in its
    `official/modeling/optimization/lr_schedule.py`.

    Source: Bach and Moulines, 2011, Non-asymptotic analysis of stochastic approximation
    timm: `WSDLRScheduler` with `stable_fn`
    """
    return initial_learning_rate / (1 + Max(t - offset, 0) / timescale) ** power


@schedule
def inverse_sqrt(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    timescale: Timescale = 100,
    offset: StepsOrZero = 0,
) -> Any:
    """Divided by the square root of the time: flat for `offset` steps, then down.

    For pre-training of unknown length: it never ends, and any point of it can be
    continued. With `lrlib.warmup` in front, Transformers' `inverse_sqrt`; with
    `timescale` equal to `offset`, T5's 1/√max(t, offset).

    Source: Raffel et al., 2020, arXiv:1910.10683; Zhai et al., 2022, arXiv:2106.04560
    Transformers: `get_inverse_sqrt_schedule`
    timm: `WSDLRScheduler` with `stable_fn="rsqrt"`
    """
    return initial_learning_rate / sqrt(1 + Max(t - offset, 0) / timescale)


@schedule
def noam(t: Any, d_model: ModelSize = 512, warmup_steps: Timescale = 4000) -> Any:
    """A line up for `warmup_steps`, then the inverse square root of the step.

    As the first Transformer was trained; the rate follows from the model's width
    and the length of the warm-up. The paper counts steps from 1, so n = t + 1, and the
    first update is not wasted; copies that start from 0 begin with a rate of 0.

    Source: Vaswani et al., 2017, arXiv:1706.03762, equation 3
    """
    n = part("n", t + 1)
    return Min(1 / sqrt(n), n / sqrt(warmup_steps) ** 3) / sqrt(d_model)


# In stairs ---------------------------------------------------------------------


@schedule
def step(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Timescale = 100,
    decay_rate: Decay = 0.5,
) -> Any:
    """Multiplied by `decay_rate` at every `decay_steps`-th step, at once.

    The drop is at t = k·decay_steps itself. Each stair is a training run of its own at
    a constant rate, which makes it easy to reason about.

    Source: Ge et al., 2019, arXiv:1904.12838
    Keras: `ExponentialDecay` with `staircase=True`
    PyTorch: `StepLR`
    optax: `exponential_decay` with `staircase=True`
    timm: `StepLRScheduler`
    """
    return initial_learning_rate * decay_rate ** floor(t / decay_steps)


_ONE_MORE_VALUE = {
    "values must have one entry more than boundaries": (
        lambda boundaries, values, **_: len(values) == len(boundaries) + 1
    )
}


@schedule(requires=_ONE_MORE_VALUE)
def piecewise_constant(
    t: Any,
    boundaries: Boundaries = (100, 200),
    values: Rates = (0.1, 0.05, 0.01),
) -> Any:
    """One rate for each stretch between boundaries.

    A boundary itself still has the rate before it, as in Keras; PyTorch and optax
    switch one step earlier. For training whose plateaus are known from earlier runs.

    Source: He et al., 2016, arXiv:1512.03385, section 4.2, who trained ResNet with it
    Keras: `PiecewiseConstantDecay`
    PyTorch: `MultiStepLR`
    optax: `piecewise_constant_schedule`
    timm: `MultiStepLRScheduler`
    """
    stretches = zip(values, boundaries, strict=False)
    return Piecewise(*((v, t <= b) for v, b in stretches), (values[-1], True))


#: Ways from one rate, at x = 0, to another, at x = 1.
_CURVES: dict[Any, Callable[[Any, Any, Any], Any]] = {
    "linear": lambda a, b, x: a + (b - a) * x,
    "cosine": lambda a, b, x: a + (b - a) * (1 - cos(pi * x)) / 2,
    "1-sqrt": lambda a, b, x: a + (b - a) * sqrt(x),
}
_CURVES["cos"] = _CURVES["cosine"]  # what PyTorch calls it


def _through(t: Any, points: Any, curve: str) -> Any:
    """Through points (step, rate), then flat."""
    pieces = []
    for (start, a), (end, b) in pairwise(points):
        x = part("x", (t - start) / (end - start))
        pieces.append((_CURVES[curve](a, b, x), t < end))
    return Piecewise(*pieces, (points[-1][1], True))


@schedule(requires=_ONE_MORE_VALUE)
def piecewise_interpolate(
    t: Any,
    boundaries: Boundaries = (50, 150, 200),
    values: Rates = (0.01, 0.1, 0.02, 0.0),
    interpolate_type: Interpolation = "linear",
) -> Any:
    """From one rate to the next between boundaries, along a line or half a cosine.

    values[0] is the rate at step 0, values[i + 1] the one at boundaries[i], the last
    stays. Any curve can be put together from these pieces; optax does so with its
    one-cycle schedules, and triangles and trapezoids are this with three values.

    Source: the documentation of optax
    optax: `piecewise_interpolate_schedule`
    """
    points = zip((0, *boundaries), values, strict=True)
    return _through(t, list(points), interpolate_type)


# Down to an end ----------------------------------------------------------------


@schedule
def linear(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Steps = 100,
    end_learning_rate: RateOrZero = 0.0,
) -> Any:
    """A straight line from the initial rate to `end_learning_rate`, then flat.

    BERT was pre-trained with it (arXiv:1810.04805, appendix A.2). To zero, it did
    better overall than the usual schedules, cosine among them (the source's
    abstract).

    Source: Defazio et al., 2023, arXiv:2310.07831
    Keras: `PolynomialDecay` with `power=1`
    PyTorch: `LinearLR`
    optax: `linear_schedule`
    Transformers: `get_linear_schedule_with_warmup`
    timm: `PolyLRScheduler` with `power=1`
    """
    fall = initial_learning_rate - end_learning_rate
    progress = Min(t, decay_steps) / decay_steps
    return end_learning_rate + fall * (1 - part("x", progress))


@schedule
def polynomial(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Steps = 100,
    end_learning_rate: RateOrZero = 0.0001,
    power: Power = 1.0,
    cycle: Flag = False,
) -> Any:
    """From the initial rate down to `end_learning_rate` along a power of the time left.

    Then flat; with `cycle`, decay_steps is stretched to its next multiple whenever it
    is over, so the rate jumps up and goes down again. The end is a rate, not a
    fraction: with an initial rate below it the schedule rises. Known as "poly" in
    image segmentation, with a power of 0.9.

    Source: Chen et al., 2018, arXiv:1606.00915
    Keras: `PolynomialDecay`
    PyTorch: `PolynomialLR`
    optax: `polynomial_schedule`
    Transformers: `get_polynomial_decay_schedule_with_warmup`
    timm: `PolyLRScheduler`
    """
    if cycle:
        progress = t / (decay_steps * Max(1, ceiling(t / decay_steps)))
    else:
        progress = Min(t, decay_steps) / decay_steps
    fall = initial_learning_rate - end_learning_rate
    return end_learning_rate + fall * (1 - part("x", progress)) ** power


def _half_cosine(progress: Any, alpha: Any) -> Any:
    """From 1 at progress 0 to alpha at progress 1."""
    return alpha + (1 - alpha) * (1 + cos(pi * progress)) / 2


@schedule
def cosine(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Steps = 100,
    alpha: Fraction = 0.0,
) -> Any:
    """Half a cosine from the initial rate down to `alpha` of it, then flat.

    One cycle of SGDR without the restart. `alpha` is a fraction of the initial rate.
    Long at a high rate, long at a low one.

    Source: Loshchilov and Hutter, 2017, arXiv:1608.03983, equation 5
    Keras: `CosineDecay`
    PyTorch: `CosineAnnealingLR`
    optax: `cosine_decay_schedule`
    Transformers: `get_cosine_with_min_lr_schedule_with_warmup`
    timm: `CosineLRScheduler`
    """
    progress = part("x", Min(t, decay_steps) / decay_steps)
    return initial_learning_rate * _half_cosine(progress, alpha)


@schedule
def cosine_annealing(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Steps = 100,
    end_learning_rate: RateOrZero = 0.001,
) -> Any:
    """Half a cosine down to a floor that is given as a rate, then flat.

    The same curve as `cosine`, in the paper's own form. PyTorch's and Transformers'
    rise again after the end.

    Source: Loshchilov and Hutter, 2017, arXiv:1608.03983, equation 5
    Keras: `CosineDecay` with the floor as a fraction
    PyTorch: `CosineAnnealingLR`
    optax: `cosine_decay_schedule` with the floor as a fraction
    Transformers: `get_cosine_with_min_lr_schedule_with_warmup`
    timm: `CosineLRScheduler`
    """
    fall = initial_learning_rate - end_learning_rate
    progress = part("x", Min(t, decay_steps) / decay_steps)
    return end_learning_rate + fall * (1 + cos(pi * progress)) / 2


@schedule
def cosine_exponent(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Steps = 100,
    alpha: Fraction = 0.0,
    exponent: Power = 2.0,
) -> Any:
    """Half a cosine, raised to a power: above 1 it falls earlier, below 1 later.

    `alpha` is a fraction of the initial rate.

    Source: the documentation of optax, for the power
    optax: `cosine_decay_schedule` with `exponent`
    """
    progress = part("x", Min(t, decay_steps) / decay_steps)
    falling = (1 + cos(pi * progress)) ** exponent / 2**exponent
    return initial_learning_rate * (alpha + (1 - alpha) * falling)


@schedule
def cosine_k_decay(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Steps = 100,
    end_learning_rate: RateOrZero = 0.0,
    k_decay: Power = 1.5,
) -> Any:
    """Half a cosine of the k-th power of the progress: above 1 it falls later.

    Source: Zhang and Li, 2020, arXiv:2004.05909
    timm: `CosineLRScheduler` with `k_decay`
    """
    fall = initial_learning_rate - end_learning_rate
    progress = part("x", Min(t, decay_steps) / decay_steps)
    return end_learning_rate + fall * (1 + cos(pi * progress**k_decay)) / 2


@schedule
def polynomial_k_decay(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Steps = 100,
    end_learning_rate: RateOrZero = 0.0,
    power: Power = 1.0,
    k_decay: Power = 1.5,
) -> Any:
    """A power of what is left of the k-th power of the progress.

    Above 1, `k_decay` keeps the rate high for longer and ends it more steeply.

    Source: Zhang and Li, 2020, arXiv:2004.05909
    timm: `PolyLRScheduler` with `k_decay`
    """
    fall = initial_learning_rate - end_learning_rate
    progress = part("x", Min(t, decay_steps) / decay_steps)
    return end_learning_rate + fall * (1 - progress**k_decay) ** power


@schedule
def rex(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Steps = 100,
    end_learning_rate: RateOrZero = 0.0,
) -> Any:
    """Almost a line at first, then steeper and steeper down to the end: REX.

    Short for reflected exponential. Made for small budgets of updates, where it holds
    the rate above a line's all the way.

    Source: Chen et al., 2022, arXiv:2107.04197
    """
    fall = initial_learning_rate - end_learning_rate
    x = part("x", Min(t, decay_steps) / decay_steps)
    return end_learning_rate + fall * (1 - x) / (1 - x / 2)


@schedule
def hyperbolic_tangent(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    decay_steps: Steps = 100,
    end_learning_rate: RateOrZero = 0.0,
    lb: LowerBound = -7.0,
    ub: UpperBound = 3.0,
) -> Any:
    """The hyperbolic tangent between `lb` and `ub`: flat, a slope, flat.

    -lb/(ub - lb) of the steps lie before the middle of the slope. tanh(ub) is not quite
    1, so the last step, to `end_learning_rate`, is a small jump.

    Source: Hsueh et al., 2019, arXiv:1806.01593
    timm: `TanhLRScheduler`
    """
    fall = initial_learning_rate - end_learning_rate
    x = part("x", lb + (ub - lb) * t / decay_steps)
    return Piecewise(
        (end_learning_rate + fall * (1 - tanh(x)) / 2, t < decay_steps),
        (end_learning_rate, True),
    )


@schedule
def knee(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    explore_steps: StepsOrZero = 50,
    decay_steps: Steps = 50,
    end_learning_rate: RateOrZero = 0.0,
) -> Any:
    """Flat for `explore_steps`, then a straight line down.

    The flat part is for finding a wide minimum, the line for getting to its bottom.

    Source: Iyer et al., 2023, arXiv:2003.03977
    optax: `join_schedules` of `constant_schedule` and `linear_schedule`
    Transformers: `get_wsd_schedule` with `decay_type="linear"`
    timm: `WSDLRScheduler` with `decay_fn="linear"`
    """
    fall_begins = (explore_steps, initial_learning_rate)
    fall_ends = (explore_steps + decay_steps, end_learning_rate)
    points = [(0, initial_learning_rate), fall_begins, fall_ends]
    return _through(t, points, "linear")


# Up and down -------------------------------------------------------------------


@schedule
def warmup_cosine(
    t: Any,
    initial_learning_rate: RateOrZero = 0.0,
    decay_steps: Steps = 100,
    alpha: Fraction = 0.0,
    warmup_target: Rate = 0.1,
    warmup_steps: Steps = 20,
) -> Any:
    """A straight line up to `warmup_target`, then half a cosine down.

    The whole takes warmup_steps + decay_steps: as in Keras, and unlike optax and
    Transformers, decay_steps does not include the warm-up. `alpha` is a fraction of the
    peak.

    Source: Goyal et al., 2017, arXiv:1706.02677, for the warm-up
    Keras: `CosineDecay` with `warmup_target`
    PyTorch: `SequentialLR` of `LinearLR` and `CosineAnnealingLR`
    optax: `warmup_cosine_decay_schedule`
    Transformers: `get_cosine_with_min_lr_schedule_with_warmup`
    timm: `CosineLRScheduler` with `warmup_t` and `warmup_prefix=True`
    """
    climb = warmup_target - initial_learning_rate
    progress = part("x", Min(t - warmup_steps, decay_steps) / decay_steps)
    return Piecewise(
        (initial_learning_rate + climb * t / warmup_steps, t < warmup_steps),
        (warmup_target * _half_cosine(progress, alpha), True),
    )


@schedule
def warmup_stable_decay(
    t: Any,
    initial_learning_rate: RateOrZero = 0.0,
    warmup_target: Rate = 0.1,
    warmup_steps: StepsOrZero = 20,
    stable_steps: StepsOrZero = 80,
    decay_steps: Steps = 50,
    decay_type: DecayType = "1-sqrt",
    alpha: Fraction = 0.0,
) -> Any:
    """A line up, a long flat stretch, a short way down: WSD, also known as trapezoid.

    Only the end has to know how long training takes: the flat stretch can go on as long
    as there is data, and be decayed from anywhere. `alpha` is a fraction of the peak.

    Source: Hu et al., 2024, arXiv:2404.06395; Hägele et al., 2024, arXiv:2405.18392,
        for 1-sqrt
    Transformers: `get_wsd_schedule`
    timm: `WSDLRScheduler`
    """
    climb = warmup_target - initial_learning_rate
    stable = warmup_steps + stable_steps
    x = part("x", Min(t - stable, decay_steps) / decay_steps)
    return Piecewise(
        (initial_learning_rate + climb * t / warmup_steps, t < warmup_steps),
        (warmup_target, t < stable),
        (_CURVES[decay_type](warmup_target, alpha * warmup_target, x), True),
    )


@schedule
def one_cycle(
    t: Any,
    max_lr: Rate = 0.1,
    total_steps: Steps = 100,
    pct_start: Fraction = 0.3,
    anneal_strategy: Anneal = "cos",
    div_factor: Divisor = 25.0,
    final_div_factor: LargeDivisor = 10_000.0,
    three_phase: Flag = False,
) -> Any:
    """Up to `max_lr`, down to far below the start: super-convergence.

    It starts from max_lr/div_factor and ends with max_lr/div_factor/final_div_factor.
    With `three_phase`, as first published, the way down passes the start again, as long
    after the peak as the peak is after the start.

    The peak is at t = pct_start·total_steps - 1 and the end at t = total_steps - 1, the
    last update: PyTorch's convention. (optax has them at pct_start·total_steps and
    total_steps: see `piecewise_interpolate`.) After that it is flat, where PyTorch's
    climbs for one step and then raises an error.

    Source: Smith and Topin, 2018, arXiv:1708.07120
    PyTorch: `OneCycleLR`
    """
    start = max_lr / div_factor
    end = start / final_div_factor
    peak, last = pct_start * total_steps - 1, total_steps - 1
    if three_phase:
        points = [(0, start), (peak, max_lr), (2 * peak, start), (last, end)]
    else:
        points = [(0, start), (peak, max_lr), (last, end)]
    return _through(t, points, anneal_strategy)


@schedule
def exponential_sweep(
    t: Any,
    start_lr: SweepStart = 1e-7,
    end_lr: SweepEnd = 10.0,
    num_it: Steps = 100,
) -> Any:
    """Up from `start_lr` to `end_lr`, by the same factor at every step, then flat.

    Not for training, but for finding the range of rates that train: the learning-rate
    range test, with fastai's names and spacing.

    Source: Smith, 2017, arXiv:1506.01186, section 3.3
    """
    progress = part("x", Min(t, num_it) / num_it)
    return start_lr * (end_lr / start_lr) ** progress


# Again and again ---------------------------------------------------------------


#: Pushes a quotient of logarithms that should be a whole number over it. Without this,
#: rounding puts a restart one step late here and on time there.
_NUDGE = 1e-9


@schedule
def cosine_restarts(
    t: Any,
    initial_learning_rate: Rate = 0.1,
    first_decay_steps: Period = 100,
    t_mul: Growth = 2.0,
    m_mul: Factor = 1.0,
    alpha: Fraction = 0.0,
) -> Any:
    """Half a cosine, again and again: SGDR.

    Each cycle is `t_mul` times as long as the one before and starts `m_mul` times as
    high. `alpha` is a fraction of the initial rate in every cycle. It never ends. Every
    cycle ends at a low rate: a model to keep for an ensemble, or a place to stop.

    Source: Loshchilov and Hutter, 2017, arXiv:1608.03983
    Keras: `CosineDecayRestarts`
    PyTorch: `CosineAnnealingWarmRestarts`
    optax: `sgdr_schedule`
    Transformers: `get_cosine_with_hard_restarts_schedule_with_warmup`
    timm: `CosineLRScheduler` with `cycle_mul`
    """
    u = part("u", t / first_decay_steps)
    same_length = Eq(t_mul, 1)
    grown = floor(log(1 + u * (t_mul - 1)) / log(t_mul) + _NUDGE)
    i = part("i", Piecewise((floor(u), same_length), (grown, True)))
    # The cycles before cycle i took s times first_decay_steps: 1 + t_mul + t_mul² ...
    s = part("s", Piecewise((i, same_length), ((t_mul**i - 1) / (t_mul - 1), True)))
    x = part("x", (u - s) / t_mul**i)
    falling = (1 - alpha) * m_mul**i * (1 + cos(pi * x)) / 2
    return initial_learning_rate * (alpha + falling)


@schedule
def cyclic(
    t: Any,
    base_lr: Rate = 0.01,
    max_lr: Rate = 0.1,
    step_size_up: Period = 50,
    step_size_down: Period = 50,
    mode: CyclicMode = "triangular",
    gamma: Shrinkage = 0.99,
) -> Any:
    """A line up from `base_lr` to `max_lr`, a line down, again and again.

    In the mode triangular2 each peak rises half as far as the one before, in exp_range
    it shrinks by `gamma` at every step; triangular does not use `gamma`. For finding
    good rates on the way through bad ones.

    Source: Smith, 2017, arXiv:1506.01186
    PyTorch: `CyclicLR`
    """
    period = step_size_up + step_size_down
    c = part("c", floor(t / period))
    s = part("s", t - c * period)
    triangle = Piecewise(
        (s / step_size_up, s < step_size_up), ((period - s) / step_size_down, True)
    )
    height = {"triangular": 1, "triangular2": 1 / 2**c, "exp_range": gamma**t}[mode]
    return base_lr + (max_lr - base_lr) * height * part("x", triangle)


#: Name → the function that makes the schedule, in the book's order.
catalogue: Mapping[str, Callable[..., Schedule]] = MappingProxyType(
    {
        name: definition.make
        for name, definition in definitions.items()
        if definition.body.__module__ == __name__
    }
)
