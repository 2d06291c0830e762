"""`explore`: schedules with sliders, in a live notebook and on the published page.

The same JavaScript, `explorer.js` and what it imports, draws in both. All it gets is
data: `spec` lists the schedules with their parameters, bounds and formulas, and `state`
holds what is dialed in. This module keeps `state` in step with `Explorer.schedule`.

Where the explorer trains, the browser's workers do it. The digits and the code of the
workers reach them when the reader has scrolled there: as files beside a published page,
as a message from the kernel in a live notebook. Results come back as `Explorer.runs`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, get_args

import anywidget
import traitlets

from lrlib.libraries import writing as ports
from lrlib.schedules import formula
from lrlib.schedules.catalogue import catalogue
from lrlib.schedules.kinds import Choice, Inners, Leaf, Number, Rate, RateOrZero
from lrlib.schedules.schedule import Schedule
from lrlib.show import simulate as simulation
from lrlib.show.drawing import curve_svg
from lrlib.show.explorer import bundle
from lrlib.show.explorer.training import Runs, digits_as_text, read_runs

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

#: How an explorer trains: the kind of each setting, what it's called, its default.
TRAIN: dict[str, tuple[Number | Choice, str, Any]] = {
    "optimizer": (
        Choice(("SGD", "SGD with momentum", "Adam", "AdamW")),
        "optimizer",
        "SGD",
    ),
    "batch_size": (
        Number((16, 256), low=16, high=256, whole=True, log=True),
        "batch size",
        32,
    ),
    "seeds": (Number((1, 16), low=1, high=16, whole=True), "seeds", 8),
    "clip": (Choice((False, True)), "clip norm at 1", False),
    "sweep": (Choice((False, True)), "sweep", False),
}
#: Sliders of rates go higher where a network trains: small ones survive a lot.
_BOLD = {get_args(Rate)[1]: [1e-4, 5.0], get_args(RateOrZero)[1]: [0.0, 2.0]}
#: Of each curve: whether the rate is halved when the validation loss stalls.
PLATEAU = (Choice((False, True)), "halve on a plateau")
#: As long as the browser trains.
TRAINED_STEPS = Number((100, 2000), low=100, high=2000, whole=True)
#: Pinned curves have so many colors.
MOST_PINS = 5


def explore(
    *schedules: Schedule,
    steps: int | None = None,
    steps_per_epoch: int | None = None,
    log: bool = False,
    loss: bool | None = None,
    condition_number: float = 10.0,
    noise: float = 1.0,
    batch_size: int = 32,
    train: bool | Mapping[str, Any] = False,
    pins: Iterable[Schedule] = (),
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
        loss: also show what `lrlib.simulate` expects of the schedule. Default: unless
            the explorer trains.
        condition_number: of that simulation, and so the next two.
        noise: variance of the gradient of one example.
        batch_size: examples a gradient is averaged over.
        train: also train a network of 196, 32 and 10 units on small MNIST digits, in
            the browser, with the curve that is shown. A dict gives settings:
            `optimizer` ("SGD", "SGD with momentum", "Adam" or "AdamW"), `batch_size`
            (16 to 256), `seeds` (1 to 16), `clip` (the gradients' global norm at 1),
            `plateau` (halve the rate when the validation loss stalls) and `sweep`
            (train over a grid of peaks at once). `steps` is then 100 to 2,000, by
            default 500.
        pins: schedules pinned from the start, 5 at most.

    Returns:
        The `Explorer`.

    Raises:
        TypeError, ValueError: no schedule is given, or something else is; a setting is
            unknown or out of range.

    >>> import lrlib
    >>> explorer = lrlib.explore(lrlib.cosine(0.1, decay_steps=150), steps=200)
    >>> explorer.params = {"alpha": 0.5}
    >>> explorer.schedule
    cosine(initial_learning_rate=0.1, decay_steps=150, alpha=0.5)

    """
    schedules = Inners().check("explore: schedules", list(schedules))
    pins = list(pins)
    if len(pins) > MOST_PINS:
        raise ValueError(f"explore: pins must be {MOST_PINS} at most, got {len(pins)}")
    pins = Inners().check("explore: pins", pins) if pins else []
    settings = _check_train(train)
    if steps is None and settings:
        steps = 500
    elif steps is None:
        # A constant says nothing of how long to look at it.
        horizon = max(s.horizon for s in schedules)
        steps = min(horizon, MOST_STEPS) if horizon > 1 else 100
    view: dict[str, Any] = {
        "steps": steps,
        "steps_per_epoch": 100 if steps_per_epoch is None else steps_per_epoch,
        "epochs": steps_per_epoch is not None,
        "log": log,
        "loss": not settings if loss is None else loss,
        "condition_number": condition_number,
        "noise": noise,
        "batch_size": batch_size,
    }
    for name, (kind, _) in _view_kinds(bool(settings)).items():
        view[name] = kind.check(f"explore: {name}", view[name])
    offered: dict[str, Schedule] = {}
    for schedule in schedules:
        _offer(offered, schedule)
    return Explorer(offered, view, settings, pins)


def _check_train(train: bool | Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of the training, or nothing where there is none."""
    if not isinstance(train, (bool, Mapping)):
        raise TypeError(
            f"explore: train must be True, False or a dict of settings, got {train!r}"
        )
    if train is False:
        return {}
    kinds = {name: kind for name, (kind, _, _) in TRAIN.items()}
    kinds["plateau"] = PLATEAU[0]
    settings = {name: default for name, (_, _, default) in TRAIN.items()}
    settings["plateau"] = False
    for name, value in ({} if train is True else train).items():
        if name not in kinds:
            raise ValueError(
                f"explore: train has no setting {name!r}; it has "
                f"{', '.join(map(repr, kinds))}"
            )
        settings[name] = kinds[name].check(f"explore: train: {name}", value)
    return settings


def _view_kinds(train: bool) -> dict[str, tuple[Number | Choice, str]]:
    return {**VIEW, "steps": (TRAINED_STEPS, "steps")} if train else VIEW


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
        results: what the browser has trained, as `runs` reads it.

    """

    _esm = bundle.module(_FOLDER / "explorer.js")
    _css = _FOLDER / "explorer.css"

    schedule = traitlets.Instance(Schedule)
    spec = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    results = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        offered: Mapping[str, Schedule],
        view: Mapping[str, Any],
        train: Mapping[str, Any] | None = None,
        pins: Iterable[Schedule] = (),
    ):
        """Offer the schedules by name, the first one shown, and pin some."""
        self._offered = dict(offered)
        self._trains = bool(train)
        key, schedule = next(iter(offered.items()))
        settings = dict(train or {})
        plateau = {"plateau": settings.pop("plateau")} if settings else {}
        pinned = [
            {
                "schedule": self._key(pin),
                "params": _values(pin),
                "color": color,
                **dict.fromkeys(plateau, False),
            }
            for color, pin in enumerate(pins)
        ]
        super().__init__(
            spec=_spec(self._offered, self._trains),
            state={
                "schedule": key,
                "params": _values(schedule),
                **plateau,
                "view": dict(view),
                "pins": pinned,
                **({"train": settings} if settings else {}),
            },
            schedule=schedule,
        )
        if self._trains:
            self.on_msg(self._send_digits)

    def _key(self, schedule: Schedule) -> str:
        """Return the key that a schedule is offered under; offer it if it has none."""
        for key, other in self._offered.items():
            if _alike(other, schedule):
                return key
        return _offer(self._offered, schedule)

    def _send_digits(self, _: Any, message: Any, buffers: Any) -> None:
        """Answer the browser, which is about to train."""
        if message == {"ask": "digits"}:
            self.send({"source": worker_source(), "sets": digits_as_text()})

    @property
    def runs(self) -> dict[str, Runs]:
        """The runs that the browser has trained, by curve; each a `Runs`.

        It has the curves of the chart, once all their seeds are in; before that, and
        where nothing trains, it is empty.
        """
        return read_runs(self.results)

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
                self.spec = _spec(self._offered, self._trains)
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
            f'<div class="lrlib-explorer"{" data-trains" if self._trains else ""}>'
            f'<script type="application/json">{data}</script>'
            f"{curve_svg(self.schedule, self.state['view']['steps'])}</div>"
        )


# What the browser gets ----------------------------------------------------------


def worker_source() -> str:
    """Return the classic script that a worker runs."""
    return bundle.script(_FOLDER / "worker.js")


def training_files() -> dict[str, str]:
    """Return what a published page loads when something trains: name → script."""
    merge = "globalThis.lrlibTraining = Object.assign(globalThis.lrlibTraining || {},"
    data: dict[str, dict[str, Any]] = {
        "worker.js": {"source": worker_source()},
        "digits.js": {"sets": digits_as_text()},
    }
    return {
        name: f"{merge}{json.dumps(held, separators=(',', ':'))});\n"
        for name, held in data.items()
    }


def _values(schedule: Schedule) -> dict[str, Any]:
    return {leaf.path: leaf.value for leaf in schedule.leaves()}


def _alike(one: Schedule, other: Schedule) -> bool:
    """Return whether two schedules have the same sliders and formulas."""
    sliders = [[(leaf.path, leaf.group) for leaf in s.leaves()] for s in (one, other)]
    return one.definition is other.definition and sliders[0] == sliders[1]


def _spec(offered: Mapping[str, Schedule], train: bool = False) -> dict[str, Any]:
    view = _view_kinds(train)
    spec = {
        "schedules": {key: _entry(s, train) for key, s in offered.items()},
        "view": [_control(name, "", words, k) for name, (k, words) in view.items()],
        "directions": simulation.DIRECTIONS,
    }
    if not train:
        return spec
    settings = [_control(name, "", words, k) for name, (k, words, _) in TRAIN.items()]
    kind, words = PLATEAU
    return {**spec, "train": settings, "plateau": _control("plateau", "", words, kind)}


def _entry(schedule: Schedule, train: bool = False) -> dict[str, Any]:
    """Describe a schedule: its controls, and a formula for every set of choices.

    One that trains also has the Python expression that makes it.
    """
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
            **({"expression": _expression(schedule, chosen)} if train else {}),
        }
    return {
        "doc": schedule.definition.doc.partition("\n")[0],
        "controls": [
            {
                **_control(*leaf[:4]),
                **(_bold(leaf) if train else {}),
                "value": leaf.value,
            }
            for leaf in leaves
        ],
        "choices": list(choices),
        "variants": variants,
    }


def _bold(leaf: Leaf) -> dict[str, Any]:
    """Return a longer slider for a rate; one that ends a decay stays small."""
    first = leaf.path.endswith("initial_learning_rate")
    if leaf.kind in _BOLD and (first or leaf.kind.log):
        return {"slider": _BOLD[leaf.kind]}
    return {}


def _control(path: str, group: str, label: str, kind: Any) -> dict[str, Any]:
    return {"path": path, "group": group, "label": label, **kind.control()}


def _code(schedule: Schedule) -> dict[str, Any]:
    """Return, by library, its texts and the conditions under which each is right."""
    found = {name: ports.code_variants(schedule, name) for name in ports.FRAMEWORKS}
    return {name: variants for name, variants in found.items() if variants}


class _Placeholder:
    """Stands for a number in the text of a schedule."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"{{{self.path}}}"


def _expression(schedule: Schedule, chosen: Mapping[str, Any]) -> str:
    """Return the call that makes a schedule, with its numbers as `{path}`."""
    numbers = {leaf.path: _Placeholder(leaf.path) for leaf in schedule.leaves()}
    text = repr(schedule.fill({**numbers, **chosen}, make=False))
    known = {*catalogue, "join", "warmup", "clip", "cycle"}
    prefix = r"(?<![\w.'{])(\w+)(?=\()"
    return re.sub(prefix, lambda m: f"lrlib.{m[1]}" if m[1] in known else m[1], text)
