"""Scripts that make schedulers: which calls they are, and what is used in the end."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sympy
from sympy.logic.boolalg import Boolean

from lrlib.libraries.arithmetic import (
    Refused,
    exact,
    is_formula,
    is_number,
)
from lrlib.libraries.by_formula import of_expression
from lrlib.libraries.meanings import bound, missing, settled
from lrlib.libraries.names import (
    FOLLOW_RESULTS,
    KERAS_RATES,
    LIBRARIES,
    OPTAX_OPTIMIZERS,
    RATES,
    rows,
)
from lrlib.libraries.python import Reader
from lrlib.libraries.recursion import unrolled
from lrlib.libraries.table import Row
from lrlib.libraries.values import (
    Class,
    Function,
    Instance,
    Open,
    Scope,
    unknowns,
)
from lrlib.schedules import formula

_OPTIMIZER = re.compile(r"(^|[_.])opt(im|imizer|imiser)?s?(\d*|_\w*)$", re.IGNORECASE)
#: Calls that look like schedules: one that lrlib doesn't know mustn't be passed over.
_SCHEDULE = re.compile(r"^[A-Z]\w*(Schedule[r]?|LR|Warmup\w*|Anneal\w*|Decay\w*)$")
_FACTORY = re.compile(r"^(get|make|build|create)_\w*(schedule|scheduler)\w*$")
_HARMLESS = {"LRFinder", "LearningRateMonitor", "LearningRateScheduler"}


@dataclass(eq=False)
class Optimizer:
    """An optimizer of the text and the rates of its groups of weights."""

    rates: list[Any]
    name: str

    def rate(self) -> Any:
        """Return the rate that its scheduler multiplies."""
        different = list(dict.fromkeys(map(str, self.rates)))
        if len(different) > 1:
            raise Refused(
                f"{self.name} has groups of weights with rates of their own, "
                f"{' and '.join(different)}: each has a curve; keep one of them"
            )
        return self.rates[0]


@dataclass(eq=False)
class Made:
    """A schedule that a call of the text makes, or what would have to be known."""

    schedule: Any
    missing: tuple[str, ...] = ()
    optimizer: Any = None
    name: str = ""
    used: bool = False
    trains: bool = False

    def __repr__(self) -> str:
        # As error messages call it.
        return self.name or "a schedule"


def once_known(
    needed: Any, make: Callable[[], Any], name: str, optimizer: Any = None
) -> Made:
    """Return what `make` makes, or what would have to be known for it."""
    texts = tuple(unknowns(needed))
    return Made(None if texts else make(), texts, optimizer, name)


def of_rate(rate: Any, name: str, optimizer: Any = None) -> Made:
    """Return the schedule of a rate at step t: a number, a formula or `Open`."""
    return once_known(rate, lambda: of_expression(rate), name, optimizer)


@dataclass
class _Call:
    """A call with the values of its arguments."""

    node: ast.Call
    positional: list[Any]
    named: dict[str, Any]


class Script(Reader):
    """Reads a script, and keeps what it makes."""

    def __init__(self, text: str, values: Mapping[str, Any], steps: int | None) -> None:
        super().__init__(text, values)
        self.text, self.steps = text, steps
        self.made: list[Made] = []
        self.optimizers: list[Optimizer] = []
        self.refused: list[str] = []
        self.rate: Any = None
        #: Whether the text is one call, which needs no optimizer.
        self.alone = False

    # Calls

    def called(self, name: str, node: ast.Call, scope: Scope) -> Any:
        """Return what a call of a library makes."""
        if name in rows():
            return self.keep(self.of_row(rows()[name], node, scope))
        if name in FOLLOW_RESULTS:
            raise missing(f"{name} follows results, as lrlib.Plateau does")
        if name in ("LambdaLR", "MultiplicativeLR"):
            return self.keep(self.of_lambda(name, node, scope))
        if name == "LearningRateScheduler":
            return self.keep(self.of_callback(node, scope))
        keywords = [keyword.arg for keyword in node.keywords]
        if name.endswith("TrainingArguments") or "lr_scheduler_type" in keywords:
            _, named = self.arguments(node, scope)
            return self.keep(self.of_training(named))
        if self.is_optimizer(name, node):
            return self.of_optimizer(name, node, scope)
        looks = _SCHEDULE.match(name) or _FACTORY.match(name)
        if looks and name not in _HARMLESS and "config" not in name.lower():
            self.refused.append(name)
        return None

    def undecided(self, asked: Open, statement: ast.If) -> None:
        """Ask for the condition if a schedule depends on it."""
        calls = (n for n in ast.walk(statement) if isinstance(n, ast.Call))
        names = {ast.unparse(call.func).rpartition(".")[2] for call in calls}
        if names & {*rows(), "LambdaLR", "MultiplicativeLR", *FOLLOW_RESULTS}:
            self.keep(Made(None, asked.texts, None, "an if"))

    def attribute(self, node: ast.Attribute, scope: Scope) -> Any:
        """Return the value of `a.b`; Transformers' types are texts."""
        if ast.unparse(node.value).endswith("SchedulerType"):
            return node.attr.lower()
        return super().attribute(node, scope)

    def keep(self, made: Made) -> Made:
        """Remember what a call has made."""
        self.made.append(made)
        return made

    def of_row(self, row: Row, node: ast.Call, scope: Scope) -> Made:
        """Return what a call of a row makes."""
        call = _Call(node, *self.arguments(node, scope))
        optimizer = None
        if LIBRARIES[row.library].LIBRARY.stepping:
            optimizer = self.optimizer_of(call, 1 if row.name == "get_scheduler" else 0)
        try:
            given = row.signature.bind(*call.positional, **call.named).arguments
        except TypeError as error:
            raise ValueError(f"{row.name}: {error}") from None
        needed = [value for name, value in given.items() if name in row.uses]
        lr = self.rate_of(optimizer, row.name) if "lr" in row.uses else None
        for part in _parts(needed):
            part.used = True
            needed += map(Open, [part.missing] if part.missing else [])
        positional = [_plain(value) for value in call.positional]
        named = {k: _plain(v) for k, v in call.named.items()}
        return once_known(
            [*needed, lr],
            lambda: bound(row, lr, positional, named),
            row.name,
            optimizer,
        )

    def optimizer_of(self, call: _Call, place: int) -> Any:
        """Take the optimizer out of a call's arguments."""
        if "optimizer" in call.named:
            return call.named.pop("optimizer")
        if len(call.positional) <= place:
            return None
        value, node = call.positional[place], call.node.args[place]
        named = isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        is_one = isinstance(value, Optimizer)
        if named and isinstance(value, Open):
            is_one = not self.short() or bool(_OPTIMIZER.search(ast.unparse(node)))
        if named and is_number(value) and self.given(node) is not None:
            is_one = not self.short()
        if is_one:
            return call.positional.pop(place)
        return None

    def short(self) -> bool:
        """Return whether the text is one call, in which no optimizer need be."""
        return self.alone or self.rate is not None

    def rate_of(self, optimizer: Any, name: str) -> Any:
        """Return the rate that a scheduler multiplies."""
        if isinstance(optimizer, Optimizer):
            return optimizer.rate()
        if self.rate is not None:
            return self.rate
        if isinstance(optimizer, Open) and not self.alone:
            return optimizer
        if is_number(optimizer):
            return optimizer
        if len(self.optimizers) == 1:
            return self.optimizers[0].rate()
        raise ValueError(
            f"{name} multiplies the optimizer's rate: add it, as in "
            f'"{name}(...), lr=0.1"'
        )

    def of_lambda(self, name: str, node: ast.Call, scope: Scope) -> Made:
        """Return PyTorch's scheduler with a function of the step."""
        call = _Call(node, *self.arguments(node, scope))
        optimizer = self.optimizer_of(call, 0)
        function = call.named.get("lr_lambda", (call.positional or [None])[0])
        if isinstance(function, list):
            if len(function) != 1:
                raise Refused(f"{name} has a function for each group: keep one of them")
            function = function[0]
        if not isinstance(function, Function):
            code = ast.unparse(node.args[-1] if node.args else node)
            raise missing(f"{name} takes a function, and {code} isn't in the text")
        lr, factor = self.rate_of(optimizer, name), self.of_step(function, name)
        if name == "MultiplicativeLR" and is_number(factor):
            factor = exact(factor) ** formula.t
        elif name == "MultiplicativeLR" and is_formula(factor):
            raise missing("MultiplicativeLR with a factor that changes")
        return once_known(
            [lr, factor],
            lambda: of_expression(exact(lr) * exact(factor)),
            name,
            optimizer,
        )

    def of_step(self, function: Function, name: str, *given: Any) -> Any:
        """Return a function's value at step t: a number, a formula or `Open`."""
        value = self.apply(function, list(given or [formula.t]), {})
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if is_number(value) or isinstance(value, Open):
            return value
        if is_formula(value) and not isinstance(value, Boolean):
            return value
        raise missing(f"{name} returns no rate that has a formula")

    def of_callback(self, node: ast.Call, scope: Scope) -> Made:
        """Return Keras's callback: a function of the epoch, and perhaps of the rate."""
        positional, named = self.arguments(node, scope)
        function = named.get("schedule", (positional or [None])[0])
        if isinstance(function, Function):
            return self.of_function(function)
        raise missing("LearningRateScheduler with a function that isn't in the text")

    def of_function(self, function: Function) -> Made:
        """Return the schedule of a function of the step, or of the epoch and rate."""
        name = getattr(function.node, "name", "the lambda")
        arguments = function.node.args.args
        if len(function.parameters) == 1 and len(arguments) == 1:
            return of_rate(self.of_step(function, name), name)
        if len(arguments) == 2 and len(function.parameters) >= 1:
            return self.of_recursion(function, arguments[1].arg, name)
        raise missing(f"{name} isn't a function of the step")

    def of_recursion(self, function: Function, rate: str, name: str) -> Made:
        """Return the schedule of f(epoch, rate), each rate made of the one before."""
        before = sympy.Symbol(rate, positive=True)
        value = self.of_step(function, name, formula.t, before)
        if isinstance(value, Open) or not exact(value).has(before):
            return of_rate(value, name)
        first: Any = self.values.get(rate)
        if first is None and len(self.optimizers) == 1:
            first = self.optimizers[0].rate()
        if first is None:
            first = Open((rate,))
        return once_known(
            first, lambda: of_expression(unrolled(value, before, first, name)), name
        )

    def of_training(self, named: Mapping[str, Any]) -> Made:
        """Return the schedule of Transformers' settings for a training."""
        lr = named.get("learning_rate", 5e-5)
        total = named.get("max_steps", -1)
        if not isinstance(total, Open) and (not is_number(total) or total <= 0):
            total = self.values.get("max_steps", self.steps)
            total = Open(("max_steps",)) if total is None else total
        warmup, ratio = named.get("warmup_steps", 0), named.get("warmup_ratio", 0)
        kind = named.get("lr_scheduler_type", "linear")
        more = dict(named.get("lr_scheduler_kwargs") or {})

        def make() -> Any:
            share = warmup if 0 < warmup < 1 else ratio if not warmup else 0
            first = -int(-(total * share) // 1) if share else int(warmup)
            name = kind.rpartition(".")[2].lower() if isinstance(kind, str) else kind
            return bound(
                rows()["get_scheduler"], lr, [name, first, int(total), more], {}
            )

        return once_known([lr, total, warmup, ratio, kind], make, "TrainingArguments")

    # Optimizers

    def is_optimizer(self, name: str, node: ast.Call) -> bool:
        """Return whether a call makes an optimizer, by what is called."""
        if name in RATES or name in KERAS_RATES or name in OPTAX_OPTIMIZERS:
            return True
        keywords = {k.arg for k in node.keywords}
        weights = any("param" in ast.unparse(a) for a in node.args)
        made = (name[:1].isupper() and weights) or name == "create_optimizer_v2"
        return made and "lr" in keywords

    def of_optimizer(self, name: str, node: ast.Call, scope: Scope) -> Any:
        """Return an optimizer, with its rates or the schedule that it is given."""
        positional, named = self.arguments(node, scope)
        code = ast.unparse(node.func)
        weights = positional[0] if positional else None
        first = isinstance(weights, Made | Function) or is_number(weights)
        theirs = (
            "keras" in code
            or "optax" in code
            or code.startswith("tf.")
            or (name in OPTAX_OPTIMIZERS or "learning_rate" in named or first)
        )
        if theirs or (not positional and "params" not in named and "lr" not in named):
            rate = named.get("learning_rate", named.get("lr", weights))
            if rate is None:
                rate = KERAS_RATES.get(name, Open((f"{code}()",)))
            groups = None
        else:
            place = positional[1] if len(positional) > 1 else RATES.get(name)
            rate = named.get("lr", place)
            groups = named.get("params", weights)
        if rate is None:
            return None
        if isinstance(rate, Function):
            rate = self.keep(self.of_function(rate))
            scales = name == "scale_by_schedule" and rate.schedule is not None
            if scales and rate.schedule(1) < 0:  # updates go down with a minus
                rate.schedule = of_expression(-rate.schedule.at(formula.t))
        if isinstance(rate, Made):
            rate.trains = True
            return Open((self.source(node),))
        rates = [rate]
        if isinstance(groups, list) and groups and isinstance(groups[0], dict):
            rates = [group.get("lr", rate) for group in groups]
        made = Optimizer(rates, self.source(node.func))
        self.optimizers.append(made)
        return made

    def parts(self, value: Any, targets: list[ast.expr]) -> list[Any]:
        """Let `scheduler, epochs = create_scheduler_v2(...)` bind the scheduler."""
        rest = super().parts(value, targets)
        return [value, *rest[1:]] if isinstance(value, Made) else rest

    def applied(self, function: Any, arguments: list[Any]) -> Any:
        """Return a schedule's rate at a step."""
        if not isinstance(function, Made) or not arguments:
            return None
        t = arguments[0]
        if isinstance(t, Open) or function.missing:
            return Open((*unknowns(t), *function.missing))
        if is_number(t):
            return settled(function.schedule)(t)
        function.used = True
        return settled(function.schedule).at(exact(t))

    def make(self, made_by: Class, node: ast.Call, scope: Scope) -> Any:
        """Return what a class of the text makes; a schedule if it is a kind of one."""
        made = super().make(made_by, node, scope)
        kinds = " ".join(made_by.bases)
        if "LearningRateSchedule" in kinds and "__call__" in made_by.scope.names:
            method = made_by.scope.names["__call__"]
            function = Function(method.node, method.scope, made)
            rate = self.of_step(function, made_by.name)
            return self.keep(of_rate(rate, made_by.name))
        if "LRScheduler" in kinds and "get_lr" in made_by.scope.names:
            return self.keep(self.of_scheduler(made, node, scope))
        return made

    def of_scheduler(self, made: Instance, node: ast.Call, scope: Scope) -> Made:
        """Return a PyTorch scheduler whose class is in the text."""
        values = [self.value(a, scope) for a in node.args]
        values += [self.value(k.value, scope) for k in node.keywords]
        optimizer = next((v for v in values if isinstance(v, Optimizer)), None)
        lr = self.rate_of(optimizer or values[0], made.made_by.name)
        made.attributes |= {"last_epoch": formula.t, "base_lrs": [lr]}
        if isinstance(lr, Open):
            return of_rate(lr, made.made_by.name, optimizer)
        method = made.made_by.scope.names["get_lr"]
        value = self.apply(Function(method.node, method.scope, made), [], {})
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not (is_number(value) or is_formula(value)):
            raise missing(f"get_lr of {made.made_by.name} has no formula")
        return of_rate(value, made.made_by.name, optimizer)

    # What is used in the end

    def found(self) -> Made | None:
        """Return the schedule that the text trains with, or refuse to choose."""
        if self.refused:
            raise LookupError(f"no schedule that lrlib knows: {self.refused[0]}")
        free = [m for m in self.made if not m.used]
        ends = [m for m in free if m.trains or m.optimizer is not None] or free
        different = {str(m.schedule) + str(m.missing): m for m in ends}
        if len(different) > 1:
            names = " and ".join(dict.fromkeys(m.name for m in ends))
            owners = [m.optimizer for m in ends if m.optimizer is not None]
            if len(owners) == len(ends) and len(set(map(id, owners))) == 1:
                raise Refused(
                    f"one optimizer has several schedulers, {names}: what they do "
                    "together depends on how they are stepped; keep one"
                )
            raise Refused(f"the text has several schedules, {names}: keep one of them")
        if not ends:
            return self.function()
        return ends[0]

    def function(self) -> Made | None:
        """Return the schedule of the only function of the step in a text."""
        if any(m.used for m in self.made):
            return None
        torch = [o for o in self.optimizers if o.name.split(".")[0] != "keras"]
        found = []
        for value in self.top.names.values():
            if isinstance(value, Function) and not torch:
                try:
                    found.append(self.of_function(value))
                except (LookupError, TypeError, ValueError):
                    continue
        found = [m for m in found if m.schedule is not None or m.missing]
        if len(found) > 1:
            names = " and ".join(m.name for m in found)
            raise Refused(f"the text has several functions of the step: {names}")
        return found[0] if found else None

    def uncalled(self) -> Made | None:
        """Return what a function of the text makes that the text doesn't call."""
        functions = [v for v in self.top.names.values() if isinstance(v, Function)]
        for made_by in self.top.names.values():
            if isinstance(made_by, Class):
                instance = Instance(made_by, {})
                methods = made_by.scope.names.values()
                functions += [
                    Function(m.node, m.scope, instance)
                    for m in methods
                    if isinstance(m, Function)
                ]
        for function in functions:
            names = function.parameters
            self.apply(function, [Open((name,)) for name in names], {})
        return self.found() if self.made or self.refused else None


def _parts(value: Any) -> list[Made]:
    if isinstance(value, Made):
        return [value]
    if isinstance(value, list):
        return [made for each in value for made in _parts(each)]
    return []


def _plain(value: Any) -> Any:
    if isinstance(value, Made):
        return value.schedule
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
