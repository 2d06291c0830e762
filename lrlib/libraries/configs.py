"""Schedules in configurations: Hydra's, Keras's, Lightning's, MMEngine's, Trainer's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from lrlib.libraries.arithmetic import Refused, is_number
from lrlib.libraries.meanings import MEANINGS, after, settled
from lrlib.libraries.names import KERAS_RATES, RATES, rows
from lrlib.libraries.script import Made, Script, bound
from lrlib.libraries.values import Open, unknowns

_TYPES = ("_target_", "class_path", "class_name", "type", "name")
_ARGUMENTS = ("init_args", "config", "params", "kwargs")


def parsed(text: str) -> dict[str, Any] | None:
    """Return what a text in YAML or JSON says, or None."""
    try:
        import yaml

        value = yaml.safe_load(text)
    except Exception:
        return None
    return _numbers(value) if isinstance(value, dict) else None


def _numbers(value: Any) -> Any:
    """Make numbers of 1e-4, which is a text in YAML."""
    if isinstance(value, dict):
        return {k: _numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    if isinstance(value, str):
        try:
            return float(value) if math.isfinite(float(value)) else value
        except ValueError:
            return Open((value,)) if value.startswith("${") else value
    return value


def found(script: Script) -> Made | None:
    """Return the schedule in the dictionaries that a script assigns."""
    names = script.top.names
    settings = {k: v for k, v in names.items() if isinstance(v, dict | list)}
    return read(script, settings) if settings else None


def read(script: Script, settings: Mapping[str, Any]) -> Made | None:
    """Return the schedule that settings describe, or None."""
    if "lr_scheduler_type" in settings:
        return script.of_training(settings)
    if schedulers := settings.get("param_scheduler"):
        return _mmengine(script, settings, schedulers)
    entries = list(_typed(settings))
    calls = [e for e in entries if e[0] in rows()]
    if len(calls) > 1:
        names = " and ".join(name for name, _ in calls)
        raise Refused(f"the text has several schedules, {names}: keep one of them")
    if not calls:
        return None
    name, arguments = calls[0]
    row = rows()[name]
    given = {k: v for k, v in arguments.items() if not k.startswith("_")}
    given.pop("optimizer", None)
    lr = _rate(script, settings, entries) if "lr" in row.uses else None
    texts = (*unknowns(lr), *unknowns(given))
    if texts:
        return Made(None, texts, None, name)
    return Made(bound(row, lr, [], given), (), None, name)


def _typed(settings: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (name, arguments) of everything that is called by its name."""
    if isinstance(settings, list):
        for each in settings:
            yield from _typed(each)
    if not isinstance(settings, dict):
        return
    key = next((k for k in _TYPES if isinstance(settings.get(k), str)), None)
    if key:
        rest = {k: v for k, v in settings.items() if k != key}
        inner = next(
            (rest[k] for k in _ARGUMENTS if isinstance(rest.get(k), dict)), rest
        )
        yield settings[key].rpartition(".")[2], inner
    for value in settings.values():
        yield from _typed(value)


def _rate(script: Script, settings: Any, entries: list[Any]) -> Any:
    """Return the rate of the only optimizer in the settings."""
    if script.rate is not None:
        return script.rate
    rates = [
        arguments.get("lr", arguments.get("learning_rate"))
        for name, arguments in entries
        if name in RATES or name in KERAS_RATES
    ]
    rates = [rate for rate in rates if rate is not None]
    if not rates:
        named = ("lr", "learning_rate")
        rates = [settings[k] for k in named if is_number(settings.get(k))]
    if not rates and len(script.optimizers) == 1:
        return script.optimizers[0].rate()
    if not rates:
        known = script.values.get("lr")
        return Open(("lr",)) if known is None else known
    if len(set(map(str, rates))) > 1:
        raise Refused(f"the text has several rates, {rates}: keep one of them")
    return rates[0]


def _mmengine(script: Script, settings: Mapping[str, Any], schedulers: Any) -> Made:
    """Return the schedule of MMEngine's param_scheduler."""
    entries = schedulers if isinstance(schedulers, list) else [schedulers]
    lr = _rate(script, settings, list(_typed(dict(settings))))
    texts = (*unknowns(lr), *unknowns(entries))
    if texts:
        return Made(None, texts, None, "param_scheduler")
    units = {bool(entry.get("by_epoch", True)) for entry in entries}
    if len(units) > 1:
        raise Refused(
            "param_scheduler counts epochs in one entry and iterations in another: "
            "write all of them in iterations, with by_epoch=False"
        )
    made: Any = MEANINGS["constant"](lr)
    for entry in entries:
        begin, end = entry.get("begin", 0), entry.get("end", math.inf)
        piece = _piece(entry, lr, begin, end)
        made = piece if begin == 0 else after(begin, settled(made), settled(piece))
    return Made(made, (), None, "param_scheduler")


def _piece(entry: Mapping[str, Any], lr: float, begin: float, end: float) -> Any:
    """Return what one entry of param_scheduler does, from its own step 0."""
    kind = entry.get("type")
    match kind:
        case "LinearLR" | "LinearParamScheduler":
            start, stop = entry.get("start_factor", 1 / 3), entry.get("end_factor", 1.0)
            # The last of its steps has the end's factor.
            return MEANINGS["line"](lr * start, lr * stop, end - begin - 1)
        case "CosineAnnealingLR":
            steps = entry.get("T_max") or end - begin
            floor = entry.get("eta_min", 0.0)
            if "eta_min_ratio" in entry:
                floor = lr * entry["eta_min_ratio"]
            wave = MEANINGS["wave"](lr, steps, floor)
            return wave.decay if end - begin <= steps else wave
        case "MultiStepLR":
            return MEANINGS["stairs"](lr, entry["milestones"], entry.get("gamma", 0.1))
        case "StepLR":
            return MEANINGS["step"](lr, entry["step_size"], entry.get("gamma", 0.1))
        case "ExponentialLR":
            return MEANINGS["exponential"](lr, 1, entry["gamma"])
        case "ConstantLR":
            first = MEANINGS["constant"](lr * entry.get("factor", 1 / 3))
            return after(end - begin - 1, first, MEANINGS["constant"](lr))
    raise Refused(f"lrlib has no such schedule: {kind} of param_scheduler")
