"""`@schedule` and `Schedule`: a function of three lines becomes a schedule.

The signature of the function gives the parameters, the annotations their kinds
(`lrlib.kinds`), the body the formula, and the docstring the catalogue's entry.
"""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec

import numpy as np
import sympy

from lrlib.schedules import formula, operations, printing
from lrlib.schedules.kinds import Kind, Leaf, Number, shown

P = ParamSpec("P")

#: Every schedule that `@schedule` has made, by name; saved models look here.
definitions: dict[str, Definition] = {}


@dataclass(frozen=True, eq=False)
class Definition:
    """What `@schedule` has read off a function.

    Attributes:
        name: the function's name.
        body: the function itself: `body(t, **parameters)` returns the formula.
        make: what readers call: `make(**parameters)` returns a `Schedule`.
        kinds: the kind of each parameter, in order.
        defaults: the default of each parameter that has one.
        requires: conditions between parameters; the key says them in words.

    """

    name: str
    body: Callable[..., Any]
    make: Callable[..., Schedule]
    kinds: dict[str, Kind]
    defaults: dict[str, Any]
    requires: Mapping[str, Callable[..., Any]]

    @property
    def doc(self) -> str:
        """The docstring, cleaned."""
        return inspect.getdoc(self.body) or ""

    def forms(self) -> Iterator[Form]:
        """Yield every form that the formula can take, lists as long as by default."""
        shapes = [k.shapes(self.defaults.get(name)) for name, k in self.kinds.items()]
        return (Form(self, each) for each in itertools.product(*shapes))

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as their kinds want them, or raise."""
        params = {
            name: kind.check(f"{self.name}: {name}", arguments[name])
            for name, kind in self.kinds.items()
        }
        for words, holds in self.requires.items():
            if not holds(**params):
                named = _parameters(holds)
                given = ", ".join(f"{k}={shown(params[k])}" for k in named)
                raise ValueError(f"{self.name}: {words}, got {given}")
        return params


@dataclass(frozen=True)
class Form:
    """What decides the form of a schedule's formula, whatever its numbers are.

    Attributes:
        definition: whose formula it is.
        shapes: the `Kind.shape` of each parameter, in order.

    """

    definition: Definition
    shapes: tuple[Any, ...]

    def parameters(self) -> Iterator[tuple[str, Kind, Any]]:
        """Yield the name, the kind and the shape of each parameter."""
        kinds = self.definition.kinds
        return zip(kinds, kinds.values(), self.shapes, strict=True)

    def renamed(self, prefix: str) -> dict[sympy.Symbol, sympy.Symbol]:
        """Return, for each symbol of the formula, the same with `prefix` in front."""
        return {
            s: sympy.Symbol(prefix + s.name, **s._assumptions_orig)
            for s in _symbols(self)
        }

    def at(self, t: Any, prefix: str) -> sympy.Expr:
        """Return the formula at step `t`, as a part of another."""
        moved = {formula.t: sympy.sympify(t), **self.renamed(prefix)}
        return _formula(self).xreplace(moved)


@functools.cache
def _symbols(form: Form) -> tuple[sympy.Symbol, ...]:
    """Return all symbols of the formula but t, in the order of `Schedule.numbers`."""
    return tuple(
        s for name, kind, x in form.parameters() for s in kind.symbols(name, x)
    )


@functools.cache
def _formula(form: Form) -> sympy.Expr:
    """Call the function once, with symbols for numbers: the result is the formula."""
    arguments = {name: kind.argument(name, x) for name, kind, x in form.parameters()}
    body = form.definition.body
    if _is_ours(body):
        return sympy.sympify(body(formula.t, **arguments))
    known = {formula.t, *_symbols(form)}
    return operations.call(form.definition.name, body, arguments, known)


#: Stands for any schedule inside another, where a form has to be tried.
PLAINEST = Form(
    Definition(
        name="schedule",
        body=lambda t, rate: rate,
        make=lambda rate: None,  # type: ignore[arg-type,return-value]
        kinds={"rate": Number((0.0, 1.0), low=0)},
        defaults={},
        requires={},
    ),
    (None,),
)


def _parameters(function: Callable[..., Any]) -> list[str]:
    kinds = inspect.Parameter
    return [
        name
        for name, p in inspect.signature(function).parameters.items()
        if p.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
    ]


@typing.overload
def schedule(body: Callable[Concatenate[Any, P], Any], /) -> Callable[P, Schedule]: ...


@typing.overload
def schedule(
    *, requires: Mapping[str, Callable[..., Any]]
) -> Callable[[Callable[Concatenate[Any, P], Any]], Callable[P, Schedule]]: ...


def schedule(body: Any = None, /, *, requires: Any = None) -> Any:
    """Make a schedule of a function `body(t, parameters...)` that returns its rate.

    Args:
        body: the formula, in SymPy's functions. Each parameter has an annotation
            from `lrlib.kinds` and, where it can, a default.
        requires: conditions between the parameters. The key says the condition in
            words, the value is a function of the parameters it concerns (and
            `**_`) that returns whether it holds.

    Returns:
        A function of the same parameters without `t`, which returns a `Schedule`.

    Raises:
        TypeError: a parameter has no kind, or the function, called with symbols, gives
            something other than a formula that every library can compute; the message
            says what to write instead.
        ValueError: lrlib has a schedule of the same name, or a parameter has a name
            that it can't have.

    >>> import lrlib
    >>> from lrlib.kinds import Rate, Steps
    >>> @lrlib.schedule
    ... def halving(t, initial_learning_rate: Rate = 0.1, every: Steps = 100):
    ...     return initial_learning_rate / 2 ** (t / every)
    >>> halving(every=10)([0, 10, 20])
    array([0.1  , 0.05 , 0.025])

    """
    if body is None:
        return functools.partial(schedule, requires=requires)
    if not _is_ours(body):
        from lrlib.schedules import catalogue, composition  # noqa: F401, what they define

        if body.__name__ in definitions and _is_ours(definitions[body.__name__].body):
            raise ValueError(
                f"{body.__name__}: lrlib has a schedule of this name, which saved "
                "models and other libraries' classes go by; give yours another one"
            )
    signature = inspect.signature(body)
    _, *parameters = signature.parameters.values()
    hints = typing.get_type_hints(body, include_extras=True)
    kinds = {p.name: _kind(body, p.name, hints.get(p.name)) for p in parameters}
    for name in kinds:
        if name == formula.t.name or name.startswith("_"):
            raise ValueError(
                f"{body.__name__}: a parameter can't be named {name!r}; `t` is the "
                "step, and names with a leading underscore are lrlib's"
            )
    signature = signature.replace(parameters=parameters, return_annotation=Schedule)

    @functools.wraps(body)
    def make(*args: Any, **kwargs: Any) -> Schedule:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{body.__name__}: {error}") from None
        bound.apply_defaults()
        return Schedule(definition, definition.check(bound.arguments))

    definition = Definition(
        name=body.__name__,
        body=body,
        make=make,
        kinds=kinds,
        defaults={p.name: p.default for p in parameters if p.default is not p.empty},
        requires=requires or {},
    )
    make.__signature__ = signature  # type: ignore[attr-defined]
    make.definition = definition  # type: ignore[attr-defined]
    if not _is_ours(body):
        for form in definition.forms():
            _formula(form)
    definitions[definition.name] = definition
    return make


def _is_ours(body: Callable[..., Any]) -> bool:
    return str(body.__module__).startswith("lrlib.")


def _kind(body: Callable[..., Any], name: str, hint: Any) -> Kind:
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Kind):
            return extra
    raise TypeError(f"{body.__name__}: annotate {name} with a kind from lrlib.kinds")


class Schedule:
    """A learning rate as a function of the step: immutable, pure, comparable.

    Calling it evaluates its formula in NumPy, in float64. Schedules are made by the
    functions in `lrlib.catalogue` and combined by `lrlib.join`, `lrlib.warmup`,
    `lrlib.clip`, `lrlib.cycle`, and `*`.

    >>> import lrlib
    >>> s = lrlib.cosine(0.1, decay_steps=150, alpha=0.3)
    >>> s
    cosine(initial_learning_rate=0.1, decay_steps=150, alpha=0.3)
    >>> s(150)
    0.03
    >>> s([0, 150, 9999])
    array([0.1 , 0.03, 0.03])
    """

    __slots__ = ("_definition", "_params")
    __array_ufunc__ = None  # so that np.float64(0.5) * s comes to __rmul__

    def __init__(self, definition: Definition, params: Mapping[str, Any]) -> None:
        self._definition = definition
        self._params = dict(params)

    # What it is

    @property
    def name(self) -> str:
        """The name of the function that made it.

        >>> import lrlib
        >>> lrlib.linear().name
        'linear'
        """
        return self._definition.name

    @property
    def definition(self) -> Definition:
        """What `@schedule` knows of that function."""
        return self._definition

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters, by name.

        >>> import lrlib
        >>> lrlib.exponential(0.1, 50, 0.5).params
        {'initial_learning_rate': 0.1, 'decay_steps': 50, 'decay_rate': 0.5}
        """
        return dict(self._params)

    def replace(self, **params: Any) -> Schedule:
        """Return the same schedule with some parameters changed.

        >>> import lrlib
        >>> lrlib.cosine(0.1, decay_steps=150).replace(alpha=0.5).params["alpha"]
        0.5
        """
        return self._definition.make(**{**self._params, **params})

    def __repr__(self) -> str:
        params = ", ".join(f"{k}={v!r}" for k, v in self._params.items())
        return f"{self.name}({params})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schedule):
            return NotImplemented
        return self._definition is other._definition and self._params == other._params

    def __hash__(self) -> int:
        return hash((self.name, tuple(self._params.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self._definition.make, self._params)

    def get_config(self) -> dict[str, Any]:
        """Return the schedule as plain data: dicts, lists, strings and numbers.

        >>> import lrlib
        >>> lrlib.constant(0.1).get_config()
        {'schedule': 'constant', 'params': {'initial_learning_rate': 0.1}}
        """
        kinds = self._definition.kinds
        params = {name: kinds[name].to_data(v) for name, v in self._params.items()}
        return {"schedule": self.name, "params": params}

    # Its formula

    @property
    def numbers(self) -> dict[str, float]:
        """Every number in the formula, by the name of its symbol.

        The i-th of several is called `values.i`, a parameter of an inner schedule
        `schedule.alpha`.

        >>> import lrlib
        >>> lrlib.clip(lrlib.constant(0.1), high=0.05).numbers
        {'schedule.initial_learning_rate': 0.1, 'low': 0.0, 'high': 0.05}
        """
        return {x.path: x.value for x in self.leaves() if x.kind.numeric}

    def leaves(self, prefix: str = "") -> Iterator[Leaf]:
        """Yield each number and each choice, those of inner schedules included."""
        group = f"{prefix[:-1]}: {self.name}" if prefix else ""
        for name, kind in self._definition.kinds.items():
            yield from kind.leaves(f"{prefix}{name}", group, name, self._params[name])

    def fill(
        self, values: Mapping[str, Any], *, make: bool = True, prefix: str = ""
    ) -> Schedule:
        """Return the same schedule with other numbers and choices.

        Args:
            values: what changes, by the path of its leaf.
            make: check the result, as when it is made. Without it the numbers may not
                go together; only the formula is of use then.
            prefix: what the paths in `values` begin with.

        >>> import lrlib
        >>> lrlib.warmup(lrlib.cosine(0.1, 90), 10).fill({"schedule.alpha": 0.5})(100)
        0.05

        """
        params = {
            name: kind.fill(f"{prefix}{name}", self._params[name], values, make)
            for name, kind in self._definition.kinds.items()
        }
        if make:
            return self._definition.make(**params)
        return Schedule(self._definition, params)

    def conditions(self, prefix: str = "") -> Iterator[tuple[str, sympy.Basic]]:
        """Yield what its numbers must satisfy together: in words, and as a relation.

        A condition that isn't a relation between symbols, such as one on how many
        values there are, is left out: no change of a number breaks it.
        """
        arguments: dict[str, Any] = {}
        for name, kind in self._definition.kinds.items():
            path, value = f"{prefix}{name}", self._params[name]
            arguments[name] = kind.argument(path, kind.shape(value))
            yield from kind.conditions(self.name, path, value)
        for words, holds in self._definition.requires.items():
            try:
                relation = sympy.sympify(holds(**arguments))
            except TypeError:
                continue
            if relation != True:  # noqa: E712
                yield f"{self.name}: {words}", relation

    @property
    def named_formula(self) -> sympy.Expr:
        """The formula as its author wrote it, with names for its parts."""
        return _formula(self.form)

    @property
    def formula(self) -> sympy.Expr:
        """The SymPy expression in `t` and the parameters' symbols.

        >>> import lrlib
        >>> lrlib.exponential().formula
        decay_rate**(t/decay_steps)*initial_learning_rate
        """
        return formula.unfold(self.named_formula)

    @property
    def form(self) -> Form:
        """What decides the form of the formula, whatever the numbers are."""
        kinds = self._definition.kinds
        shapes = (kinds[name].shape(value) for name, value in self._params.items())
        return Form(self._definition, tuple(shapes))

    @property
    def symbols(self) -> tuple[sympy.Symbol, ...]:
        """The symbols of the formula but `t`, in the order of `numbers`."""
        return _symbols(self.form)

    def latex(self, *, values: bool = False) -> str:
        r"""Return the formula as LaTeX, with symbols or with this one's numbers.

        >>> import lrlib
        >>> lrlib.exponential().latex()
        '\\eta(t) = \\eta_0 \\gamma^{\\frac{t}{T}}'
        >>> lrlib.exponential(0.1, 50, 0.5).latex(values=True)
        '\\eta(t) = 0.1 \\cdot 0.5^{\\frac{t}{50}}'
        """
        return formula.latex(self.named_formula, self._symbol_names(values))

    def symbol_names(self) -> dict[str, str]:
        r"""Return how the formula writes each of its numbers, in LaTeX.

        >>> import lrlib
        >>> lrlib.exponential().symbol_names()["decay_rate"]
        '\\gamma'
        """
        names = self._symbol_names(values=False)
        return {symbol.name: name for symbol, name in names.items()}

    def _symbol_names(self, values: bool) -> dict[sympy.Symbol, str]:
        paths = self.numbers
        if values:
            texts = {path: _number_latex(value) for path, value in paths.items()}
        else:
            bases = {path: _base_symbol(path) for path in paths}
            texts = {}
            for path, base in bases.items():
                same = [p for p in paths if bases[p] == base]
                if len(same) == 1:
                    texts[path] = base
                else:  # the same letter in several inner schedules
                    texts[path] = f"{{{base}}}^{{({same.index(path) + 1})}}"
        return {
            symbol: texts[symbol.name]
            for symbol in self.formula.free_symbols
            if symbol.name in texts
        } | {formula.t: "t"}

    # Its values

    @typing.overload
    def __call__(self, t: float, /) -> float: ...

    @typing.overload
    def __call__(self, t: Any, /) -> Any: ...

    def __call__(self, t: Any, /) -> Any:
        """Return the learning rate at step `t`, the 0-based index of an update.

        Args:
            t: a number, or an array-like of any shape.

        Returns:
            A float for a number; a float64 array of the same shape otherwise.

        Raises:
            TypeError: `t` holds something that is no real number.
            ValueError: a step is negative, infinite or NaN.

        >>> import lrlib
        >>> lrlib.linear(0.1, decay_steps=4)([0, 1, 9])
        array([0.1  , 0.075, 0.   ])

        """
        try:
            steps = np.asarray(t)
        except ValueError:  # lists of unequal lengths
            steps = np.asarray(None)
        if steps.dtype.kind not in "iuf":
            raise TypeError(f"t must be one or more steps, got {shown(t)}")
        steps = steps.astype(np.float64, copy=False)
        if steps.size and not (steps.min() >= 0 and steps.max() < math.inf):
            raise ValueError(f"t must be finite and at least 0, got {shown(t)}")
        numbers = self.numbers
        symbols = (formula.t, *self.symbols)
        function = printing.compile_numpy(self.named_formula, symbols)
        # where() computes every branch, also those that it does not take.
        with np.errstate(all="ignore"):
            rates = function(steps, *map(np.float64, numbers.values()))
        if steps.ndim == 0:
            return float(rates)
        if np.shape(rates) == steps.shape and not np.may_share_memory(rates, steps):
            return rates
        return np.broadcast_to(rates, steps.shape).astype(np.float64, copy=True)

    @property
    def horizon(self) -> int:
        """How many steps it takes to see what the schedule does.

        >>> import lrlib
        >>> lrlib.linear(0.1, decay_steps=100).horizon
        125
        """
        return max(1, math.ceil(self.extent))

    @property
    def extent(self) -> float:
        """What its parameters account for of the step axis; `horizon` rounds it up."""
        kinds = self._definition.kinds
        return sum(kinds[name].extent(value) for name, value in self._params.items())

    def at(self, step: Any) -> sympy.Expr:
        """Return its formula with its numbers in it, at a step that may be a formula.

        >>> import lrlib
        >>> from sympy import Symbol
        >>> lrlib.exponential(0.5, 10, 0.25).at(Symbol("n"))
        0.5*0.25**(n/10)
        """
        numbers = {
            symbol: sympy.Integer(value) if value == int(value) else sympy.Float(value)
            for symbol, value in zip(self.symbols, self.numbers.values(), strict=True)
        }
        with sympy.evaluate(False):  # SymPy would look for simpler forms, for seconds
            made = self.formula.xreplace(numbers)
            return made.xreplace({formula.t: sympy.sympify(step)})

    # Doors to what stands above: imported when they are opened

    def __mul__(self, other: Any) -> Schedule:
        """Return the schedule times a number, or times another schedule.

        Raises:
            TypeError: `other` is neither.

        >>> import lrlib
        >>> (lrlib.linear(0.1, decay_steps=4) * 0.5)([0, 2])
        array([0.05 , 0.025])

        """
        from lrlib.schedules import composition

        if isinstance(other, Schedule):
            return composition.product([self, other])
        if isinstance(other, int | float | np.number):
            return composition.scale(self, typing.cast(float, other))
        return NotImplemented

    __rmul__ = __mul__

    def to_keras(self) -> Any:
        """Return a `keras.optimizers.schedules.LearningRateSchedule`.

        Keras' own class where it makes this curve in `fit`; otherwise
        `lrlib.libraries.keras.FormulaSchedule`, which computes the formula
        and can be saved and loaded like Keras' own. Keras has classes for `step`,
        `cosine_restarts` and `polynomial(cycle=True)`, but when they're compiled, a
        jump comes one update late or early for some lengths.

        >>> import lrlib
        >>> float(lrlib.linear(0.5, decay_steps=10).to_keras()(5))
        0.25
        >>> lrlib.noam(64).to_keras()
        FormulaSchedule(noam(d_model=64, warmup_steps=4000))
        """
        from lrlib.libraries.keras import to_keras

        return to_keras(self)

    def code(self, framework: str) -> str:
        """Return source text that makes the same curve in another library.

        The text is complete, imports included. It uses the library's own class or
        function where that makes this curve, else the formula, and says so.

        Args:
            framework: `"keras"` and `"optax"`: the text binds `schedule`, a function
                from the step to the rate. `"pytorch"` and `"transformers"`: it takes a
                `model` and binds `optimizer` and `scheduler`; call `scheduler.step()`
                after every update. `"timm"`: the same, but call
                `scheduler.step_update(t)` before update t, the first of which is 0.

        Raises:
            LookupError: the library has no means to make this curve.
            ValueError: there is no such framework.

        >>> import lrlib
        >>> print(lrlib.cosine(0.1, decay_steps=150, alpha=0.3).code("keras"))
        import keras
        <BLANKLINE>
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.1,
            decay_steps=150,
            alpha=0.3,
        )
        <BLANKLINE>

        """
        from lrlib.libraries.writing import code

        return code(self, framework)

    def _repr_html_(self) -> str:
        from lrlib.show.drawing import schedule_html

        return schedule_html(self)

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {self.latex()}$"


def _number_latex(value: float) -> str:
    mantissa, e, exponent = f"{value:.6g}".partition("e")
    if e:
        scale = f"10^{{{int(exponent)}}}"
        return f"({scale})" if mantissa == "1" else rf"({mantissa} \cdot {scale})"
    return mantissa if value >= 0 else f"({mantissa})"


def _base_symbol(path: str) -> str:
    """LaTeX of a number's own name: `schedule.alpha` → α, `values.2` → v₂."""
    *_, owner, last = ["", *path.split(".")]
    name, index = (owner, last) if last.isdigit() else (last, "")
    words = name.replace("_", r"\_")
    symbol = formula.SYMBOLS.get(name, rf"\mathrm{{{words}}}")
    return f"{symbol}_{{{index}}}" if index else symbol


def _rebuild(make: Callable[..., Schedule], params: dict[str, Any]) -> Schedule:
    return make(**params)


def from_config(config: Mapping[str, Any]) -> Schedule:
    """Return the schedule that `Schedule.get_config` has written down.

    Raises:
        ValueError: the data is of no schedule that lrlib knows.

    """
    from lrlib.schedules import catalogue, composition  # noqa: F401, what they define

    try:
        definition = definitions[config["schedule"]]
        params = dict(config["params"].items())
    except (AttributeError, KeyError, TypeError):
        raise ValueError(f"not a schedule of lrlib: {shown(config)}") from None
    if unknown := [name for name in params if name not in definition.kinds]:
        raise ValueError(f"{definition.name} has no parameter {shown(unknown[0])}")
    kinds = definition.kinds
    return definition.make(
        **{name: kinds[name].from_data(data) for name, data in params.items()}
    )
