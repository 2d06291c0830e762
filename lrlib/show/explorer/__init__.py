"""`explore`: schedules with sliders, in a live notebook and on the published page.

The same JavaScript, `explorer.js` and what it imports, draws in both. All it gets is
data: `spec` lists the schedules with their parameters, bounds and formulas, and `state`
holds what is dialed in. This module keeps `state` in step with `Explorer.schedule`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from lrlib.libraries import writing as ports
from lrlib.schedules import formula
from lrlib.schedules.kinds import Choice, Inners, Number
from lrlib.schedules.schedule import Schedule
from lrlib.show import simulate as simulation
from lrlib.show.drawing import curve_svg
from lrlib.show.explorer import bundle

_FOLDER = Path(__file__).parent

MOST_STEPS = 100_000

#: Settings that belong to no schedule: their kind and what they are called.
VIEW: dict[str, tuple[Number | Choice, str]] = {
    "steps": (Number((10, 5000), low=2, high=MOST_STEPS, whole=True), "steps"),
    "steps_per_epoch": (
        Number((1, 2000), low=1, high=MOST_STEPS, whole=True),
        "of",
    ),
    "epochs": (Choice((False, True)), "epochs"),
    "log": (Choice((False, True)), "log rate"),
    "loss": (Choice((False, True)), "loss"),
    "condition_number": (simulation.CONDITION_NUMBER, "condition number"),
    "noise": (simulation.NOISE, "noise"),
    "batch_size": (simulation.BATCH_SIZE, "batch size"),
}


def explore(
    *schedules: Schedule,
    steps: int | None = None,
    steps_per_epoch: int | None = None,
    log: bool = False,
    loss: bool = True,
    condition_number: float = 10.0,
    noise: float = 1.0,
    batch_size: int = 32,
) -> Explorer:
    """Show schedules with a slider for each parameter.

    In a live notebook what it returns is a widget in step with Python: `.schedule` is
    the schedule that the sliders say, `.params` its parameters, and both can be set.
    On the published page the same sliders work without a kernel.

    Args:
        schedules: one or more, to pick from; the first is shown.
        steps: how many updates to show. Default: enough to see what the schedules do.
        steps_per_epoch: count in epochs of so many steps on the x axis.
        log: a logarithmic axis for the rate.
        loss: also show what `lrlib.simulate` expects of the schedule.
        condition_number: of that simulation, and so the next two.
        noise: variance of the gradient of one example.
        batch_size: examples a gradient is averaged over.

    Returns:
        The `Explorer`.

    Raises:
        TypeError, ValueError: there is no schedule, one is none, or a number is out of
            range.

    >>> import lrlib
    >>> explorer = lrlib.explore(lrlib.cosine(0.1, decay_steps=150), steps=200)
    >>> explorer.params = {"alpha": 0.5}
    >>> explorer.schedule
    cosine(initial_learning_rate=0.1, decay_steps=150, alpha=0.5)

    """
    schedules = Inners().check("explore: schedules", list(schedules))
    if steps is None:
        # A constant says nothing of how long to look at it.
        horizon = max(s.horizon for s in schedules)
        steps = min(horizon, MOST_STEPS) if horizon > 1 else 100
    view: dict[str, Any] = {
        "steps": steps,
        "steps_per_epoch": 100 if steps_per_epoch is None else steps_per_epoch,
        "epochs": steps_per_epoch is not None,
        "log": log,
        "loss": loss,
        "condition_number": condition_number,
        "noise": noise,
        "batch_size": batch_size,
    }
    for name, (kind, _) in VIEW.items():
        view[name] = kind.check(f"explore: {name}", view[name])
    offered: dict[str, Schedule] = {}
    for schedule in schedules:
        _offer(offered, schedule)
    return Explorer(offered, view)


def _offer(offered: dict[str, Schedule], schedule: Schedule) -> str:
    """Add a schedule under a key that stays its key, and return the key."""
    same = sum(other.name == schedule.name for other in offered.values())
    key = f"{schedule.name} {same + 1}" if same else schedule.name
    offered[key] = schedule
    return key


class Explorer(anywidget.AnyWidget):
    """The widget that `explore` returns.

    Attributes:
        schedule: the current schedule. Can be set and observed. A schedule that isn't
            offered yet joins the others in the picker.
        spec, state: what Python sends to the browser, and what both of them change.

    """

    _esm = bundle.module(_FOLDER / "explorer.js")
    _css = _FOLDER / "explorer.css"

    schedule = traitlets.Instance(Schedule)
    spec = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, offered: Mapping[str, Schedule], view: Mapping[str, Any]):
        """Offer the schedules by name, the first one shown."""
        self._offered = dict(offered)
        key, schedule = next(iter(offered.items()))
        super().__init__(
            spec=_spec(self._offered),
            state={
                "schedule": key,
                "params": _values(schedule),
                "view": dict(view),
                "pins": [],
            },
            schedule=schedule,
        )

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of the current schedule; set some of them to change it."""
        return self.schedule.params

    @params.setter
    def params(self, params: Mapping[str, Any]) -> None:
        self.schedule = self.schedule.replace(**params)

    @traitlets.observe("state")
    def _from_browser(self, change: Any) -> None:
        offered = self._offered[self.state["schedule"]]
        self.schedule = offered.fill(self.state["params"])

    @traitlets.observe("schedule")
    def _to_browser(self, change: Any) -> None:
        key, values = self.state["schedule"], _values(self.schedule)
        fitting = [k for k, s in self._offered.items() if _alike(s, self.schedule)]
        with self.hold_sync():
            if not fitting:  # the browser has no formula for it yet
                # The others keep their keys: pins and links are known by them.
                fitting = [_offer(self._offered, self.schedule)]
                self.spec = _spec(self._offered)
            if key not in fitting:
                key = fitting[0]
            if (key, values) != (self.state["schedule"], self.state["params"]):
                self.state = {**self.state, "schedule": key, "params": values}

    def __repr__(self) -> str:
        """Say what is shown, the same in every run."""
        others = [key for key in self._offered if key != self.state["schedule"]]
        shown = ", ".join([repr(self.schedule), *others])
        return f"Explorer({shown}, steps={self.state['view']['steps']})"

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/html": self._repr_html()}, metadata

    def _repr_html(self) -> str:
        """What the published page holds: the data, and the curve as a picture."""
        data = json.dumps(
            {"spec": self.spec, "state": self.state},
            ensure_ascii=False,
            separators=(",", ":"),
        ).replace("<", "\\u003c")
        return (
            '<div class="lrlib-explorer">'
            f'<script type="application/json">{data}</script>'
            f"{curve_svg(self.schedule, self.state['view']['steps'])}</div>"
        )


# What the browser gets ----------------------------------------------------------


def _values(schedule: Schedule) -> dict[str, Any]:
    return {leaf.path: leaf.value for leaf in schedule.leaves()}


def _alike(one: Schedule, other: Schedule) -> bool:
    """Return whether two schedules have the same sliders and formulas."""
    sliders = [[(leaf.path, leaf.group) for leaf in s.leaves()] for s in (one, other)]
    return one.definition is other.definition and sliders[0] == sliders[1]


def _spec(offered: Mapping[str, Schedule]) -> dict[str, Any]:
    return {
        "schedules": {key: _entry(schedule) for key, schedule in offered.items()},
        "view": [_control(name, "", words, k) for name, (k, words) in VIEW.items()],
        "directions": simulation.DIRECTIONS,
    }


def _entry(schedule: Schedule) -> dict[str, Any]:
    """Describe a schedule: its controls, and a formula for every set of choices."""
    leaves = list(schedule.leaves())
    choices = {
        x.path: x.kind.options if x.value in x.kind.options else (x.value,)  # a text
        for x in leaves
        if not x.kind.numeric
    }
    variants = {}
    for options in product(*choices.values()):
        chosen = dict(zip(choices, options, strict=True))
        # The numbers may not go with these choices; the browser checks that.
        variant = schedule.fill(chosen, make=False)
        conditions = variant.conditions()
        variants[json.dumps(options, separators=(",", ":"))] = {
            "formula": formula.tree(variant.named_formula),
            "requires": [[words, formula.tree(c)] for words, c in conditions],
            "code": _code(variant),
        }
    return {
        "doc": schedule.definition.doc.partition("\n")[0],
        "controls": [{**_control(*leaf[:4]), "value": leaf.value} for leaf in leaves],
        "choices": list(choices),
        "variants": variants,
    }


def _control(path: str, group: str, label: str, kind: Any) -> dict[str, Any]:
    return {"path": path, "group": group, "label": label, **kind.control()}


def _code(schedule: Schedule) -> dict[str, Any]:
    """Return, by library, its texts and the conditions under which each is right."""
    found = {name: ports.code_variants(schedule, name) for name in ports.FRAMEWORKS}
    return {name: variants for name, variants in found.items() if variants}
