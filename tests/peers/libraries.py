"""Rates from the libraries: of a text that `Schedule.code` wrote, or of one call."""

from __future__ import annotations

import ast
import sys
import warnings
from importlib.util import find_spec, module_from_spec
from typing import Any

import numpy as np
import torch


def _timm_without_its_models() -> None:
    # `import timm` imports every model and torchvision, whose wheels may not fit a
    # PyTorch without CUDA. Its schedulers need PyTorch only.
    sys.modules["timm"] = module_from_spec(find_spec("timm"))


_timm_without_its_models()

import jax  # noqa: E402
import optax  # noqa: E402
import timm.scheduler  # noqa: E402
import transformers  # noqa: E402
from torch.optim import lr_scheduler  # noqa: E402


def of_text(text: str, framework: str, steps: int) -> np.ndarray:
    """Return the rates of updates 0..steps-1; NaN from where the library raises."""
    names: dict[str, Any] = {"model": torch.nn.Linear(1, 1)}
    exec(compile(text, f"<{framework}>", "exec"), names)
    if framework == "optax":
        return of_function(names["schedule"], steps)
    return of_scheduler(names["optimizer"], names["scheduler"], steps)


def of_function(schedule: Any, steps: int) -> np.ndarray:
    """Return the rates of an optax schedule, compiled as in a training step."""
    rates = jax.jit(jax.vmap(schedule))(np.arange(steps))
    return np.broadcast_to(np.asarray(rates, np.float64), (steps,))


def of_scheduler(optimizer: Any, scheduler: Any, steps: int) -> np.ndarray:
    """Return the rates that updates find in the optimizer."""
    rates = np.full(steps, np.nan)
    for t in range(steps):
        if isinstance(scheduler, timm.scheduler.scheduler.Scheduler):
            scheduler.step_update(t)  # one of the two does nothing:
            scheduler.step(t)  # it counts either updates or epochs
            rates[t] = optimizer.param_groups[0]["lr"]
            continue
        rates[t] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        try:
            scheduler.step()
        except ValueError:  # OneCycleLR is over
            break
    return rates


class _Calls(dict):
    """The libraries' names; a scheduler waits until it is given the optimizer."""

    def __missing__(self, name: str) -> Any:
        for library in (lr_scheduler, timm.scheduler, transformers, optax):
            if name in vars(library) or hasattr(library, name):
                made_by = getattr(library, name)
                return made_by if library is optax else self.late(name, made_by)
        raise KeyError(name)

    @staticmethod
    def late(name: str, made_by: Any) -> Any:
        def wait(*args: Any, **kwargs: Any) -> Any:
            def make(optimizer: Any) -> Any:
                def ready(value: Any) -> Any:
                    if isinstance(value, list):
                        return [ready(v) for v in value]
                    return value(optimizer) if callable(value) else value

                positional = [ready(value) for value in args]
                place = 1 if name == "get_scheduler" else 0
                if name != "ChainedScheduler":
                    positional.insert(place, optimizer)
                made = made_by(*positional, **{k: ready(v) for k, v in kwargs.items()})
                return made[0] if isinstance(made, tuple) else made  # timm's factory

            return make

        return wait


def of_call(text: str, steps: int) -> np.ndarray:
    """Return the rates of a call as `lrlib.convert` takes it: `"StepLR(3), lr=1."`."""
    node = ast.parse(f"_({text})", mode="eval").body
    lr = [ast.literal_eval(k.value) for k in node.keywords if k.arg == "lr"]
    call = ast.unparse(node.args[0]).replace("optax.", "")
    made = eval(call, {"__builtins__": {}}, _Calls())
    if not lr and call.partition("(")[0] not in ("CyclicLR", "OneCycleLR"):
        return of_function(made, steps)
    optimizer = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), *lr, momentum=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the order of steps without gradients
        return of_scheduler(optimizer, made(optimizer), steps)
