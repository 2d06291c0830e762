"""The way to other libraries: source text that makes the same curve there.

Two ways lead there. Where a library has the curve, the tables below say by which of its
classes, with which arguments; a table is all that there is to add to. Everywhere else
the text is the formula, printed in the functions of that library.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Any

import sympy
from sympy import And, Eq, Gt, Le, Lt, Not, floor

from lrlib.libraries.formulas import comment, formula_text
from lrlib.schedules import formula
from lrlib.schedules.kinds import Choice, Numbers
from lrlib.schedules.schedule import Schedule

#: Where a number goes in a template: `{alpha}`, `{values.0}`, `{schedule.alpha}`.
PLACEHOLDER = re.compile(r"\{([a-z_][\w.]*)\}", re.IGNORECASE)

#: The longest line of a text.
_WIDTH = 72


# What a library is told -------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """A call of a library's function: its name and its keyword arguments.

    An argument is Python code with placeholders, another call, or a list of these.
    """

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Native:
    """How a library makes a curve by its own means.

    Attributes:
        call: makes the schedule or the scheduler.
        lr: the rate of the optimizer that a scheduler multiplies; empty where the
            scheduler sets it.
        when: the condition on the numbers under which it makes exactly this curve.
        until: the last step up to which it does.
        note: what happens then, or what else is to be known.
        setup: lines before the call.

    """

    call: Call
    lr: str = "{initial_learning_rate}"
    when: Any = sympy.true
    until: Any = sympy.oo
    note: str = ""
    setup: str = ""


def _native(name: str, /, **arguments: Any) -> Native:
    return Native(Call(name, arguments))


_Entry = Native | list[Native] | Callable[[Schedule], Native | list[Native]]
_number = sympy.Symbol


def _in_template(text: str) -> sympy.Symbol:
    """Return the number that a template of one placeholder stands for."""
    return _number(text[1:-1])


# Keras ------------------------------------------------------------------------

#: Keras' class for a schedule, and what it takes beside the schedule's own parameters.
KERAS_CLASSES: dict[str, tuple[str, dict[str, Any]]] = {
    "inverse_time": ("InverseTimeDecay", {}),
    "exponential": ("ExponentialDecay", {}),
    "step": ("ExponentialDecay", {"staircase": True}),
    "piecewise_constant": ("PiecewiseConstantDecay", {}),
    "polynomial": ("PolynomialDecay", {}),
    "linear": ("PolynomialDecay", {"power": 1.0}),
    "cosine": ("CosineDecay", {}),
    "warmup_cosine": ("CosineDecay", {}),
    "cosine_restarts": ("CosineDecayRestarts", {}),
}


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _own_arguments(schedule: Schedule) -> dict[str, Any]:
    """Return every parameter of a schedule under its own name."""
    arguments: dict[str, Any] = {}
    for name, kind in schedule.definition.kinds.items():
        value = schedule.params[name]
        if isinstance(kind, Numbers):
            arguments[name] = [f"{{{name}.{i}}}" for i in range(len(value))]
        else:
            fixed = isinstance(kind, Choice)
            arguments[name] = _literal(value) if fixed else f"{{{name}}}"
    return arguments


def _keras_class(schedule: Schedule) -> Native:
    name, extra = KERAS_CLASSES[schedule.name]
    more = {key: repr(value) for key, value in extra.items()}
    note = _LATE if extra.get("staircase") else ""
    return Native(Call(name, {**_own_arguments(schedule), **more}), note=note)


_LATE = (
    "Compiled, as fit does it, Keras's staircase drops one update late for some "
    "decay_steps (41, 47, 55, ...)."
)


def _keras_warmup(schedule: Schedule) -> list[Native]:
    if schedule.params["schedule"].name != "cosine":
        return []
    return [
        _native(
            "CosineDecay",
            initial_learning_rate="{start}",
            decay_steps="{schedule.decay_steps}",
            alpha="{schedule.alpha}",
            warmup_target="{schedule.initial_learning_rate}",
            warmup_steps="{steps}",
        )
    ]


_KERAS: dict[str, _Entry] = {
    "constant": replace(
        _native(
            "ExponentialDecay",
            initial_learning_rate="{initial_learning_rate}",
            decay_steps="1",
            decay_rate="1.0",
        ),
        note="Where Keras takes a schedule, it also takes a number.",
    ),
    **{name: _keras_class for name in KERAS_CLASSES},
    "cosine_annealing": _native(
        "CosineDecay",
        initial_learning_rate="{initial_learning_rate}",
        decay_steps="{decay_steps}",
        alpha="{end_learning_rate} / {initial_learning_rate}",
    ),
    "warmup": _keras_warmup,
}


# PyTorch ----------------------------------------------------------------------


def _geometric(schedule: Schedule) -> Any:
    """Whether each value of a piecewise constant is the same fraction of the last."""
    v = [_number(f"values.{i}") for i in range(len(schedule.params["values"]))]
    same = [
        Lt(sympy.Abs(b * v[0] - a * v[1]), 1e-9 * v[0] ** 2) for a, b in pairwise(v)
    ]
    return And(Gt(v[0], 0), *same)


def _torch_piecewise_constant(schedule: Schedule) -> Native:
    boundaries = _own_arguments(schedule)["boundaries"]
    call = Call(
        "MultiStepLR",
        {
            "milestones": [f"{b} + 1" for b in boundaries],
            "gamma": "{values.1} / {values.0}",
        },
    )
    return Native(call, lr="{values.0}", when=_geometric(schedule))


def _torch_polynomial(schedule: Schedule) -> list[Native]:
    if schedule.params["cycle"]:
        return []
    native = _native("PolynomialLR", total_iters="{decay_steps}", power="{power}")
    return [replace(native, when=Eq(_number("end_learning_rate"), 0))]


def _torch_cosine(eta_min: str) -> Native:
    call = Call("CosineAnnealingLR", {"T_max": "{decay_steps}", "eta_min": eta_min})
    note = "PyTorch's cosine rises again after T_max steps: stop there."
    return Native(call, until=_number("decay_steps"), note=note)


def _torch_one_cycle(schedule: Schedule) -> Native:
    arguments = {**_own_arguments(schedule), "cycle_momentum": "False"}
    return Native(
        Call("OneCycleLR", arguments),
        lr="{max_lr}",
        # A first phase of no length is divided by.
        when=Not(Eq(_number("pct_start") * _number("total_steps"), 1))
        & Gt(_number("total_steps"), 1),
        until=_number("total_steps") - 1,
        note="After total_steps updates the scheduler must not be stepped any more.",
    )


def _torch_cyclic(schedule: Schedule) -> Native:
    arguments = {**_own_arguments(schedule), "cycle_momentum": "False"}
    return Native(Call("CyclicLR", arguments), lr="{base_lr}")


def _sequential(start: str, steps: str, after: Native) -> Native:
    """PyTorch's warm-up: one scheduler after another."""
    climb = Call(
        "LinearLR", {"start_factor": f"{start} / {after.lr}", "total_iters": steps}
    )
    sequence = {"schedulers": [climb, after.call], "milestones": [steps]}
    first, last = _in_template(start), _in_template(after.lr)
    return replace(
        after,
        call=Call("SequentialLR", sequence),
        # LinearLR starts neither from 0 nor from above.
        when=And(after.when, Gt(first, 0), Le(first, last)),
        until=_in_template(steps) + after.until,
    )


def _torch_warmup(schedule: Schedule) -> list[Native]:
    # Schedulers that set the optimizer's rate themselves cannot follow another.
    return [
        _sequential("{start}", "{steps}", inner)
        for inner in _inner("pytorch", schedule.params["schedule"], "schedule.")
        if inner.call.name in _TORCH_FOLLOWS
    ]


_TORCH_FOLLOWS = (
    *("ConstantLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts"),
    *("ExponentialLR", "MultiStepLR", "PolynomialLR", "StepLR"),
)

_PYTORCH: dict[str, _Entry] = {
    "constant": _native("ConstantLR", factor="1.0"),
    "exponential": _native(
        "ExponentialLR", gamma="{decay_rate} ** (1 / {decay_steps})"
    ),
    "step": _native("StepLR", step_size="{decay_steps}", gamma="{decay_rate}"),
    "piecewise_constant": _torch_piecewise_constant,
    "linear": replace(
        _native(
            "LinearLR",
            start_factor="1.0",
            end_factor="{end_learning_rate} / {initial_learning_rate}",
            total_iters="{decay_steps}",
        ),
        when=Le(_number("end_learning_rate"), _number("initial_learning_rate")),
    ),
    "polynomial": _torch_polynomial,
    "cosine": _torch_cosine("{alpha} * {initial_learning_rate}"),
    "cosine_annealing": _torch_cosine("{end_learning_rate}"),
    "warmup_cosine": _sequential(
        "{initial_learning_rate}",
        "{warmup_steps}",
        replace(_torch_cosine("{alpha} * {warmup_target}"), lr="{warmup_target}"),
    ),
    "cosine_restarts": replace(
        _native(
            "CosineAnnealingWarmRestarts",
            T_0="{first_decay_steps}",
            T_mult="int({t_mul})",
            eta_min="{alpha} * {initial_learning_rate}",
        ),
        when=Eq(_number("m_mul"), 1) & Eq(floor(_number("t_mul")), _number("t_mul")),
    ),
    "one_cycle": _torch_one_cycle,
    "cyclic": _torch_cyclic,
    "warmup": _torch_warmup,
}


# optax ------------------------------------------------------------------------


def _join(schedules: list[Call | str], boundaries: list[str]) -> Native:
    arguments = {"schedules": schedules, "boundaries": boundaries}
    return Native(Call("join_schedules", arguments))


def _constant(value: str) -> Call:
    return Call("constant_schedule", {"value": value})


def _line(first: str, last: str, steps: str) -> Call:
    arguments = {"init_value": first, "end_value": last, "transition_steps": steps}
    return Call("linear_schedule", arguments)


def _optax_cosine(**more: str) -> Native:
    return _native(
        "cosine_decay_schedule",
        init_value="{initial_learning_rate}",
        decay_steps="{decay_steps}",
        **more,
    )


def _optax_piecewise_constant(schedule: Schedule) -> Native:
    own = _own_arguments(schedule)
    # Keras' boundary still has the rate before it, optax' already the one after.
    boundaries = [f"{b} + 1" for b in own["boundaries"]]
    return _join([_constant(value) for value in own["values"]], boundaries)


def _optax_piecewise_interpolate(schedule: Schedule) -> Native:
    own = _own_arguments(schedule)
    values = own["values"]
    pairs = zip(own["boundaries"], values, values[1:], strict=False)
    scales = ", ".join(f"{b}: {after} / {before}" for b, before, after in pairs)
    return Native(
        Call(
            "piecewise_interpolate_schedule",
            {
                "interpolate_type": own["interpolate_type"],
                "init_value": values[0],
                "boundaries_and_scales": f"{{{scales}}}",
            },
        ),
        when=And(*(Gt(_in_template(v), 0) for v in values[:-1])),
    )


def _optax_polynomial(schedule: Schedule) -> list[Native]:
    if schedule.params["cycle"]:
        return []
    native = _native(
        "polynomial_schedule",
        init_value="{initial_learning_rate}",
        end_value="{end_learning_rate}",
        power="{power}",
        transition_steps="{decay_steps}",
    )
    # Under jit what is left at the end can be just below 0, and a root of it is NaN.
    return [replace(native, when=Eq(floor(_number("power")), _number("power")))]


def _optax_warmup_stable_decay(schedule: Schedule) -> list[Native]:
    peak = "{warmup_target}"
    decays = {
        "linear": _line(peak, f"{{alpha}} * {peak}", "{decay_steps}"),
        "cosine": Call(
            "cosine_decay_schedule",
            {"init_value": peak, "decay_steps": "{decay_steps}", "alpha": "{alpha}"},
        ),
    }
    if schedule.params["decay_type"] not in decays:
        return []
    climb = _line("{initial_learning_rate}", peak, "{warmup_steps}")
    down = decays[schedule.params["decay_type"]]
    boundaries = ["{warmup_steps}", "{warmup_steps} + {stable_steps}"]
    return [_join([climb, _constant(peak), down], boundaries)]


_OPTAX_CYCLES = 20


def _optax_cosine_restarts(schedule: Schedule) -> Native:
    peak = "({alpha} + (1 - {alpha}) * {m_mul} ** i)"
    arguments = {
        "init_value": f"{{initial_learning_rate}} * {peak}",
        "decay_steps": "lengths[i]",
        "alpha": f"{{alpha}} / {peak}",
    }
    one = _text(Call("cosine_decay_schedule", arguments), "optax.")
    cycles = f"[\n{textwrap.indent(one, '    ')}\n    for i in range(cycles)\n]"
    return replace(
        _native(
            "join_schedules",
            schedules=cycles,
            boundaries="[sum(lengths[:i]) for i in range(1, cycles)]",
        ),
        setup=f"cycles = {_OPTAX_CYCLES}\n"
        "lengths = [{first_decay_steps} * {t_mul} ** i for i in range(cycles)]\n",
        until=sum(
            _number("first_decay_steps") * _number("t_mul") ** i
            for i in range(_OPTAX_CYCLES)
        ),
        note="optax wants to know how many cycles there are. The last one ends flat.",
    )


def _optax_join(schedule: Schedule) -> list[Native]:
    inners = [
        _inner("optax", s, f"schedules.{i}.")
        for i, s in enumerate(schedule.params["schedules"])
    ]
    if not all(inners) or any(inner[0].setup for inner in inners):
        return []
    boundaries = _own_arguments_of_numbers(schedule, "boundaries")
    joined = _join([inner[0].call for inner in inners], boundaries)
    return [replace(joined, when=And(*(inner[0].when for inner in inners)))]


def _own_arguments_of_numbers(schedule: Schedule, name: str) -> list[str]:
    return [f"{{{name}.{i}}}" for i in range(len(schedule.params[name]))]


def _optax_warmup(schedule: Schedule) -> list[Native]:
    variants = []
    for inner in _inner("optax", schedule.params["schedule"], "schedule."):
        climb = _line("{start}", "after(0)", "{steps}")
        joined = _join([climb, "after"], ["{steps}"])
        setup = f"{inner.setup}after = {_text(inner.call, 'optax.')}\n"
        variants.append(
            replace(
                inner,
                call=joined.call,
                setup=setup,
                until=_number("steps") + inner.until,
            )
        )
    return variants


_OPTAX: dict[str, _Entry] = {
    "constant": _native("constant_schedule", value="{initial_learning_rate}"),
    "exponential": _native(
        "exponential_decay",
        init_value="{initial_learning_rate}",
        transition_steps="{decay_steps}",
        decay_rate="{decay_rate}",
    ),
    "step": _native(
        "exponential_decay",
        init_value="{initial_learning_rate}",
        transition_steps="{decay_steps}",
        decay_rate="{decay_rate}",
        staircase="True",
    ),
    "piecewise_constant": _optax_piecewise_constant,
    "piecewise_interpolate": _optax_piecewise_interpolate,
    "linear": Native(
        _line("{initial_learning_rate}", "{end_learning_rate}", "{decay_steps}")
    ),
    "polynomial": _optax_polynomial,
    "cosine": _optax_cosine(alpha="{alpha}"),
    "cosine_annealing": _optax_cosine(
        alpha="{end_learning_rate} / {initial_learning_rate}"
    ),
    "cosine_exponent": _optax_cosine(alpha="{alpha}", exponent="{exponent}"),
    "knee": _join(
        [
            _constant("{initial_learning_rate}"),
            _line("{initial_learning_rate}", "{end_learning_rate}", "{decay_steps}"),
        ],
        ["{explore_steps}"],
    ),
    "warmup_cosine": _native(
        "warmup_cosine_decay_schedule",
        init_value="{initial_learning_rate}",
        peak_value="{warmup_target}",
        warmup_steps="{warmup_steps}",
        # optax counts the warm-up into decay_steps.
        decay_steps="{warmup_steps} + {decay_steps}",
        end_value="{alpha} * {warmup_target}",
    ),
    "warmup_stable_decay": _optax_warmup_stable_decay,
    "cosine_restarts": _optax_cosine_restarts,
    "join": _optax_join,
    "warmup": _optax_warmup,
}


# Transformers -----------------------------------------------------------------

#: The functions whose warm-up is a line from 0 that `lrlib.warmup` can be.
_TRANSFORMERS_WARM = (
    "get_cosine_with_min_lr_schedule_with_warmup",
    "get_inverse_sqrt_schedule",
    "get_linear_schedule_with_warmup",
    "get_polynomial_decay_schedule_with_warmup",
)


def _transformers(name: str, **more: str) -> Native:
    return _native(
        f"get_{name}_with_warmup",
        num_warmup_steps="0",
        num_training_steps="{decay_steps}",
        **more,
    )


def _transformers_polynomial(power: str) -> Native:
    return replace(
        _transformers(
            "polynomial_decay_schedule", lr_end="{end_learning_rate}", power=power
        ),
        when=Lt(_number("end_learning_rate"), _number("initial_learning_rate")),
    )


def _transformers_cosine(**floor: str) -> Native:
    return replace(
        _transformers("cosine_with_min_lr_schedule", **floor),
        until=_number("decay_steps"),
        note="Transformers' cosine rises again after num_training_steps: stop there.",
    )


def _transformers_warm(native: Native, steps: str, lr: str) -> Native:
    """Put a line from 0 in front; num_training_steps includes it."""
    arguments = {**native.call.arguments, "num_warmup_steps": steps}
    if "num_training_steps" in arguments:
        arguments["num_training_steps"] = f"{steps} + {arguments['num_training_steps']}"
    return replace(
        native,
        call=Call(native.call.name, arguments),
        lr=lr,
        until=_in_template(steps) + native.until,
    )


def _transformers_warmup(schedule: Schedule) -> list[Native]:
    inner = schedule.params["schedule"]
    from_zero = Eq(_number("start"), 0)
    if inner.name == "constant":
        native = _native(
            "get_constant_schedule_with_warmup", num_warmup_steps="{steps}"
        )
        lr = "{schedule.initial_learning_rate}"
        return [replace(native, lr=lr, when=from_zero)]
    return [
        replace(
            _transformers_warm(native, "{steps}", native.lr),
            when=And(native.when, from_zero),
        )
        for native in _inner("transformers", inner, "schedule.")
        if native.call.name in _TRANSFORMERS_WARM
        and native.call.arguments["num_warmup_steps"] == "0"
    ]


def _transformers_warmup_stable_decay(schedule: Schedule) -> Native:
    return replace(
        _native(
            "get_wsd_schedule",
            num_warmup_steps="{warmup_steps}",
            num_stable_steps="{stable_steps}",
            num_decay_steps="{decay_steps}",
            decay_type=_literal(schedule.params["decay_type"]),
            min_lr_ratio="{alpha}",
        ),
        lr="{warmup_target}",
        # The warm-up, too, starts from min_lr_ratio.
        when=Eq(
            _number("initial_learning_rate"),
            _number("alpha") * _number("warmup_target"),
        ),
    )


_TRANSFORMERS: dict[str, _Entry] = {
    "constant": _native("get_constant_schedule"),
    "inverse_sqrt": replace(
        _native(
            "get_inverse_sqrt_schedule", num_warmup_steps="0", timescale="{timescale}"
        ),
        when=Eq(_number("offset"), 0),
    ),
    "linear": [
        replace(
            _transformers("linear_schedule"),
            when=Eq(_number("end_learning_rate"), 0),
        ),
        _transformers_polynomial("1.0"),
    ],
    "polynomial": lambda schedule: (
        [] if schedule.params["cycle"] else [_transformers_polynomial("{power}")]
    ),
    "cosine": _transformers_cosine(min_lr_rate="{alpha}"),
    "cosine_annealing": _transformers_cosine(min_lr="{end_learning_rate}"),
    "warmup_cosine": replace(
        _transformers_warm(
            _transformers_cosine(min_lr_rate="{alpha}"),
            "{warmup_steps}",
            "{warmup_target}",
        ),
        when=Eq(_number("initial_learning_rate"), 0),
    ),
    "warmup_stable_decay": _transformers_warmup_stable_decay,
    "warmup": _transformers_warmup,
}


# timm -------------------------------------------------------------------------


def _timm(name: str, **arguments: Any) -> Native:
    return _native(f"{name}LRScheduler", **arguments, t_in_epochs="False")


def _timm_to_end(name: str, **arguments: Any) -> Native:
    return _timm(
        name, t_initial="{decay_steps}", lr_min="{end_learning_rate}", **arguments
    )


def _timm_endless(**arguments: str) -> Native:
    native = _timm("WSD", t_initial="10**9", decay_t="1", **arguments)
    note = "timm wants an end; this one is far away."
    return replace(native, note=note, when=Eq(_number("offset"), 0))


def _timm_piecewise_constant(schedule: Schedule) -> Native:
    own = _own_arguments(schedule)
    native = _timm(
        "MultiStep",
        # timm drops one step before the milestone, Keras one after the boundary.
        decay_t=[f"{b} + 2" for b in own["boundaries"]],
        decay_rate="{values.1} / {values.0}",
    )
    return replace(native, lr="{values.0}", when=_geometric(schedule))


def _timm_warm(native: Native, steps: str, start: str) -> Native:
    arguments = {**native.call.arguments, "warmup_t": steps, "warmup_lr_init": start}
    if native.call.name != "WSDLRScheduler":  # whose warm-up is always in front
        arguments["warmup_prefix"] = "True"
    return replace(native, call=Call(native.call.name, arguments))


def _timm_warmup(schedule: Schedule) -> list[Native]:
    return [
        _timm_warm(native, "{steps}", "{start}")
        for native in _inner("timm", schedule.params["schedule"], "schedule.")
        if "warmup_t" not in native.call.arguments
        # Its warm-up climbs to the optimizer's rate; tanh starts a little below that.
        and native.call.name != "TanhLRScheduler"
    ]


_TIMM: dict[str, _Entry] = {
    "constant": _timm("Step", decay_t="1", decay_rate="1.0"),
    "inverse_sqrt": _timm_endless(stable_fn='"rsqrt"', stable_timescale="{timescale}"),
    "power": _timm_endless(
        stable_fn='"power"', stable_timescale="{timescale}", stable_power="{power}"
    ),
    "step": _timm("Step", decay_t="{decay_steps}", decay_rate="{decay_rate}"),
    "piecewise_constant": _timm_piecewise_constant,
    "linear": _timm_to_end("Poly", power="1.0"),
    "polynomial": lambda schedule: (
        [] if schedule.params["cycle"] else [_timm_to_end("Poly", power="{power}")]
    ),
    "polynomial_k_decay": _timm_to_end("Poly", power="{power}", k_decay="{k_decay}"),
    "cosine": _timm(
        "Cosine",
        t_initial="{decay_steps}",
        lr_min="{alpha} * {initial_learning_rate}",
    ),
    "cosine_annealing": _timm_to_end("Cosine"),
    "cosine_k_decay": _timm_to_end("Cosine", k_decay="{k_decay}"),
    "hyperbolic_tangent": _timm_to_end("Tanh", lb="{lb}", ub="{ub}"),
    "knee": replace(
        _timm(
            "WSD",
            t_initial="{explore_steps} + {decay_steps}",
            decay_t="{decay_steps}",
            lr_min="{end_learning_rate}",
            decay_fn='"linear"',
        ),
        when=Le(_number("end_learning_rate"), _number("initial_learning_rate")),
    ),
    "warmup_cosine": replace(
        _timm_warm(
            _timm(
                "Cosine", t_initial="{decay_steps}", lr_min="{alpha} * {warmup_target}"
            ),
            "{warmup_steps}",
            "{initial_learning_rate}",
        ),
        lr="{warmup_target}",
    ),
    "warmup_stable_decay": lambda schedule: replace(
        _timm_warm(
            _timm(
                "WSD",
                t_initial="{stable_steps} + {decay_steps}",
                decay_t="{decay_steps}",
                lr_min="{alpha} * {warmup_target}",
                decay_fn=_literal(schedule.params["decay_type"]),
            ),
            "{warmup_steps}",
            "{initial_learning_rate}",
        ),
        lr="{warmup_target}",
    ),
    "cosine_restarts": replace(
        _timm(
            "Cosine",
            t_initial="{first_decay_steps}",
            lr_min="{alpha} * {initial_learning_rate}",
            cycle_mul="{t_mul}",
            cycle_decay="{m_mul}",
            cycle_limit="10**9",
        ),
        # timm's floor stays where Keras' is scaled with the cycle, and its cycle is
        # the floor of a logarithm, which is exact for powers of 2 only.
        when=(Eq(_number("m_mul"), 1) | Eq(_number("alpha"), 0))
        & (Eq(_number("t_mul"), 1) | Eq(_number("t_mul"), 2)),
    ),
    "warmup": _timm_warmup,
}


_NATIVES: dict[str, dict[str, _Entry]] = {
    "keras": _KERAS,
    "pytorch": _PYTORCH,
    "optax": _OPTAX,
    "transformers": _TRANSFORMERS,
    "timm": _TIMM,
}

#: The libraries that `Schedule.code` writes for.
FRAMEWORKS = tuple(_NATIVES)


def _natives(framework: str, schedule: Schedule) -> list[Native]:
    """Return what the library has for the schedule, the best first."""
    if schedule.params.get("shape", "linear") != "linear":
        return []  # every library's warm-up is a line
    entry = _NATIVES[framework].get(schedule.name, [])
    found = entry if isinstance(entry, Native | list) else entry(schedule)
    return [found] if isinstance(found, Native) else found


def _inner(framework: str, schedule: Schedule, prefix: str) -> list[Native]:
    """Return the same for a schedule inside another one."""

    def prefixed(value: Any) -> Any:
        if isinstance(value, Call):
            arguments = {k: prefixed(v) for k, v in value.arguments.items()}
            return Call(value.name, arguments)
        if isinstance(value, list):
            return [prefixed(v) for v in value]
        return PLACEHOLDER.sub(rf"{{{prefix}\1}}", value)

    def renamed(e: Any) -> Any:
        return e.xreplace({s: _number(prefix + s.name) for s in e.free_symbols})

    return [
        Native(
            call=prefixed(native.call),
            lr=prefixed(native.lr),
            when=renamed(native.when),
            until=renamed(native.until),
            note=native.note,
            setup=prefixed(native.setup),
        )
        for native in _natives(framework, schedule)
    ]


# Text -------------------------------------------------------------------------


def _text(value: Any, prefix: str = "", first: str = "") -> str:
    """Return the code of a call, on one line if it fits."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        items = [_text(v, prefix, first) for v in value]
        start, end = "[", "]"
    else:
        items = [first] if first else []
        items += [f"{k}={_text(v, prefix, first)}" for k, v in value.arguments.items()]
        start, end = f"{prefix}{value.name}(", ")"
    line = f"{start}{', '.join(items)}{end}"
    if "\n" not in line and len(PLACEHOLDER.sub("0.0001", line)) <= _WIDTH - 14:
        return line
    inside = "".join(f"{item},\n" for item in items)
    return f"{start}\n{textwrap.indent(inside, '    ')}{end}"


def _names(value: Any) -> Iterator[str]:
    """Yield the names that a call needs imported."""
    if isinstance(value, Call):
        yield value.name
        value = list(value.arguments.values())
    if isinstance(value, list):
        for v in value:
            yield from _names(v)


#: How the schedulers of a library are moved on.
_STEPPING = {
    "pytorch": "Call scheduler.step() after every update.",
    "transformers": "Call scheduler.step() after every update.",
    "timm": "Call scheduler.step_update(t) before update t, the first of which is 0.",
}
_MODULES = {
    "pytorch": "torch.optim.lr_scheduler",
    "transformers": "transformers",
    "timm": "timm.scheduler",
}


def _native_text(framework: str, native: Native) -> str:
    note = comment(native.note)
    if framework == "keras":
        call = _text(native.call, "keras.optimizers.schedules.")
        return f"import keras\n\n{note}schedule = {call}\n"
    if framework == "optax":
        call = _text(native.call, "optax.")
        return f"import optax\n\n{note}{native.setup}schedule = {call}\n"
    call = _text(native.call, first="optimizer")
    names = ", ".join(sorted(set(_names(native.call))))
    return (
        f"import torch\nfrom {_MODULES[framework]} import {names}\n\n"
        f"optimizer = torch.optim.SGD(model.parameters(), lr={native.lr})\n"
        f"{note}scheduler = {call}\n{comment(_STEPPING[framework])}"
    )


# What the rest of lrlib calls ------------------------------------------------------


_MISSING = {
    "timm": "timm has no scheduler that makes {}, and none that takes a function; "
    'code("pytorch") has one',
}


def _variants(schedule: Schedule, framework: str) -> list[tuple[Any, Native | None]]:
    """Return (condition, native) in order; None stands for the formula."""
    if framework not in _NATIVES:
        known = ", ".join(map(repr, FRAMEWORKS))
        raise ValueError(f"framework must be one of {known}, got {framework!r}")
    variants: list[tuple[Any, Native | None]] = []
    for native in chain.from_iterable(map(_computed, _natives(framework, schedule))):
        variants.append((native.when, native))
        if native.when == sympy.true:
            return variants
    if framework not in _MISSING:
        variants.append((sympy.true, None))
    return variants


def _computed(native: Native) -> list[Native]:
    """Return the same with 0.0 written where a product would be 0."""
    found = re.search(r"'\{([\w.]+)\} \* \{[\w.]+\}'", repr(native.call))
    if not found:
        return [native]

    def zero(value: Any) -> Any:
        if isinstance(value, Call):
            return Call(value.name, {k: zero(v) for k, v in value.arguments.items()})
        if isinstance(value, list):
            return [zero(v) for v in value]
        return "0.0" if value == found[0][1:-1] else value

    when = And(native.when, Eq(_number(found[1]), 0))
    return [replace(native, call=zero(native.call), when=when), native]


def _chosen(schedule: Schedule, framework: str) -> Native | None:
    for condition, native in _variants(schedule, framework):
        if _with_numbers(condition, schedule) == True:  # noqa: E712
            return native
    raise LookupError(_MISSING[framework].format(schedule))


def _with_numbers(e: Any, schedule: Schedule) -> Any:
    # SymPy does not take 2.0 for 2.
    return e.subs(
        {
            _number(path): int(value) if value == int(value) else value
            for path, value in schedule.numbers.items()
        }
    )


def _template(schedule: Schedule, framework: str, native: Native | None) -> str:
    if native is None:
        return formula_text(framework, schedule, comment(_STEPPING.get(framework, "")))
    return _native_text(framework, native)


def code_variants(schedule: Schedule, framework: str) -> list[tuple[Any, str]]:
    """Return the templates that `code` chooses from, with the condition of each.

    The first whose condition holds is the one. A condition is a tree as
    `formula.tree` makes it, over the names of `schedule.numbers`, or True; so a
    page can follow its sliders. The list is empty where the library has nothing.
    """
    return [
        (
            formula.tree(condition),
            _template(schedule, framework, native),
        )
        for condition, native in _variants(schedule, framework)
    ]


def code_template(schedule: Schedule, framework: str) -> str:
    """Return the text of `code` with a placeholder in the place of each number.

    A placeholder is a name of `schedule.numbers` in braces; braces around anything
    else are Python's.

    >>> import lrlib
    >>> print(code_template(lrlib.linear(), "optax"))
    import optax
    <BLANKLINE>
    schedule = optax.linear_schedule(
        init_value={initial_learning_rate},
        end_value={end_learning_rate},
        transition_steps={decay_steps},
    )
    <BLANKLINE>
    """
    return _template(schedule, framework, _chosen(schedule, framework))


def code(schedule: Schedule, framework: str) -> str:
    """Return `schedule.code(framework)`; see there."""
    return _filled(code_template(schedule, framework), schedule)


def _filled(template: str, schedule: Schedule) -> str:
    numbers = schedule.numbers
    return PLACEHOLDER.sub(lambda found: repr(numbers[found[1]]), template)


def follows_until(schedule: Schedule, framework: str) -> float:
    """Return the last step up to which the text of `code` makes the same curve."""
    native = _chosen(schedule, framework)
    return float(_with_numbers(native.until, schedule)) if native else math.inf
