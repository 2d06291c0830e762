"""Schedules in configurations: Hydra's, Keras's, Lightning's, MMEngine's, Trainer's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from lrlib.libraries.arithmetic import Refused, is_number
from lrlib.libraries.meanings import after, bound, m, settled
from lrlib.libraries.names import KERAS_RATES, RATES, rows
from lrlib.libraries.script import Made, Script, once_known
from lrlib.libraries.values import Open

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
    return once_known([lr, given], lambda: bound(row, lr, [], given), name)


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

    def make() -> Any:
        if len({bool(entry.get("by_epoch", True)) for entry in entries}) > 1:
            raise Refused(
                "param_scheduler counts epochs in one entry and iterations in another: "
                "write all of them in iterations, with by_epoch=False"
            )
        made, until = m["constant"](lr), 0
        for entry in entries:
            begin, end = entry.get("begin", 0), entry.get("end", math.inf)
            piece = settled(_piece(entry, lr, end - begin), end - begin)
            if begin >= until:
                made = after(begin, made, piece)
            elif "CosineAnnealingLR" in {each.get("type") for each in entries}:
                raise Refused(
                    "param_scheduler has a cosine and something else at the same time: "
                    "keep one of them, or let one begin where the other ends"
                )
            else:  # at the same time they multiply
                piece = after(begin, m["constant"](lr), piece)
                made = made * piece * (1 / lr)
            until = max(until, end)
        return made

    return once_known([lr, entries], make, "param_scheduler")


def _piece(entry: Mapping[str, Any], lr: float, steps: float) -> Any:
    """Return what one entry of param_scheduler does, from its own step 0."""
    name = str(entry.get("type")).replace("ParamScheduler", "LR")
    if name not in _OF_MMENGINE:
        raise Refused(f"lrlib has no such schedule: {name} of param_scheduler")
    row = replace(rows()[name], needs="")  # which are PyTorch's alone
    takes = row.signature.parameters
    given = {k: v for k, v in entry.items() if k in takes and v is not None}
    if "eta_min_ratio" in entry:
        given["eta_min"] = lr * entry["eta_min_ratio"]
    if _OF_MMENGINE[name]:
        # The last of its steps has the end's factor.
        length = steps - 1 if _OF_MMENGINE[name] == "total_iters" else steps
        given = {_OF_MMENGINE[name]: length, **given}
    return bound(row, lr, [], given)


#: MMEngine's schedulers that are PyTorch's, and the length that `end` gives them.
_OF_MMENGINE = {
    **{"LinearLR": "total_iters", "ConstantLR": "total_iters"},
    **{"CosineAnnealingLR": "T_max", "MultiStepLR": "", "StepLR": ""},
    "ExponentialLR": "",
}
