"""`@schedule` and `Schedule`: a function of three lines becomes a schedule.

The signature of the function gives the parameters, the annotations their kinds
(`lrlib.kinds`), the body the formula, and the docstring the catalogue's entry.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec

import numpy as np
import sympy

from lrlib.schedules import formula, printing
from lrlib.schedules.kinds import Choice, Inner, Inners, Kind, Number, Numbers

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
    def composes(self) -> bool:
        """Whether it makes a schedule out of others."""
        return any(isinstance(k, Inner | Inners) for k in self.kinds.values())

    @property
    def doc(self) -> str:
        """The docstring, cleaned."""
        return inspect.getdoc(self.body) or ""

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments as their kinds want them, or raise."""
        params = {
            name: kind.check(f"{self.name}: {name}", arguments[name])
            for name, kind in self.kinds.items()
        }
        for words, holds in self.requires.items():
            if not holds(**params):
                given = ", ".join(f"{k}={params[k]!r}" for k in _parameters(holds))
                raise ValueError(f"{self.name}: {words}, got {given}")
        return params


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
        TypeError: an annotation is no kind.
        ValueError: lrlib has a schedule of the same name.

    >>> from lrlib.schedules.kinds import Rate, Steps
    >>> @schedule
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
        """The name of the function that made it."""
        return self._definition.name

    @property
    def definition(self) -> Definition:
        """What `@schedule` knows of that function."""
        return self._definition

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters, by name."""
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
        """Return the schedule as plain data; `from_config` reads it back."""

        def plain(value: Any) -> Any:
            if isinstance(value, Schedule):
                return value.get_config()
            if isinstance(value, tuple):
                return [plain(v) for v in value]
            return value

        params = {name: plain(value) for name, value in self._params.items()}
        return {"schedule": self.name, "params": params}

    # Its formula

    @property
    def numbers(self) -> dict[str, float]:
        """Every number in the formula, by the name of its symbol.

        The i-th of several is called `values.i`, a parameter of an inner schedule
        `schedule.alpha`.
        """
        return {path: value for path, value, _ in self._leaves()}

    def _leaves(self, prefix: str = "") -> Iterator[tuple[str, float, Number]]:
        for name, kind in self._definition.kinds.items():
            value, path = self._params[name], f"{prefix}{name}"
            if isinstance(kind, Number):
                yield path, value, kind
            elif isinstance(kind, Numbers):
                for i, number in enumerate(value):
                    yield f"{path}.{i}", number, kind.each
            elif isinstance(kind, Inner):
                yield from value._leaves(f"{path}.")
            elif isinstance(kind, Inners):
                for i, inner in enumerate(value):
                    yield from inner._leaves(f"{path}.{i}.")

    @property
    def named_formula(self) -> sympy.Expr:
        """The formula as its author wrote it, with names for its parts."""
        return _formula(self._structure())

    @property
    def formula(self) -> sympy.Expr:
        """The SymPy expression in `t` and the parameters' symbols.

        >>> import lrlib
        >>> lrlib.exponential().formula
        decay_rate**(t/decay_steps)*initial_learning_rate
        """
        return formula.unfold(self.named_formula)

    def _structure(self) -> tuple[Any, ...]:
        """Return what decides the shape of the formula, whatever the numbers are."""

        def shape(kind: Kind, value: Any) -> Any:
            if isinstance(kind, Numbers):
                return len(value)
            if isinstance(kind, Choice):
                return value
            if isinstance(kind, Inner):
                return value._structure()
            if isinstance(kind, Inners):
                return tuple(v._structure() for v in value)
            return None

        shapes = (
            shape(kind, self._params[name])
            for name, kind in self._definition.kinds.items()
        )
        return (self._definition, *shapes)

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
        paths = {path: value for path, value, _ in self._leaves()}
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

        """
        steps = np.asarray(t)
        if steps.dtype.kind not in "iuf":
            raise TypeError(f"t must be one or more steps, got {t!r}")
        steps = steps.astype(np.float64, copy=False)
        if steps.size and not (steps.min() >= 0 and steps.max() < math.inf):
            raise ValueError(f"t must be finite and at least 0, got {t!r}")
        numbers = self.numbers
        symbols = (formula.t, *_symbols(self._structure()))
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
        """How many steps it takes to see what the schedule does."""
        return max(1, math.ceil(_horizon(self)))

    # What it becomes

    def __mul__(self, other: Any) -> Schedule:
        from lrlib.schedules import composition

        if isinstance(other, Schedule):
            return composition.product([self, other])
        if isinstance(other, int | float | np.number):
            return composition.scale(self, typing.cast(float, other))
        return NotImplemented

    __rmul__ = __mul__

    def to_keras(self) -> Any:
        """Return a `keras.optimizers.schedules.LearningRateSchedule`.

        Keras' own class where it has this schedule; otherwise
        `lrlib.keras_schedules.FormulaSchedule`, which computes the formula
        and can be saved and loaded like Keras' own.
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


def _horizon(s: Schedule) -> float:
    total = 0.0
    for name, kind in s.definition.kinds.items():
        value = s.params[name]
        if isinstance(kind, Number):
            total += kind.span * value
        elif isinstance(kind, Numbers):
            total += kind.each.span * max(value)
        elif isinstance(kind, Inner):
            total += _horizon(value)
        elif isinstance(kind, Inners):
            total += max(map(_horizon, value))
    return total


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
        params = config["params"]
        unknown = set(params) - set(definition.kinds)
    except (KeyError, TypeError):
        raise ValueError(f"no schedule of lrlib: {config!r}") from None
    if unknown:
        raise ValueError(f"{definition.name} has no parameter {sorted(unknown)[0]}")

    def revive(kind: Kind, value: Any) -> Any:
        if isinstance(kind, Inner):
            return from_config(value)
        if isinstance(kind, Inners):
            return [from_config(v) for v in value]
        return value

    return definition.make(
        **{name: revive(definition.kinds[name], v) for name, v in params.items()}
    )


# From structure to formula ---------------------------------------------------


def _symbol(path: str, kind: Number) -> sympy.Symbol:
    """Return a number's symbol; what is known of its sign simplifies the formula."""
    if kind.low > 0 or (kind.low == 0 and kind.above):
        return sympy.Symbol(path, positive=True)
    if kind.low == 0:
        return sympy.Symbol(path, nonnegative=True)
    return sympy.Symbol(path, real=True)


@functools.cache
def _symbols(structure: tuple[Any, ...]) -> tuple[sympy.Symbol, ...]:
    """All symbols of the formula but t, in the order of `Schedule.numbers`."""
    definition, *shapes = structure
    symbols: list[sympy.Symbol] = []
    for (name, kind), shape in zip(definition.kinds.items(), shapes, strict=True):
        if isinstance(kind, Number):
            symbols.append(_symbol(name, kind))
        elif isinstance(kind, Numbers):
            symbols += [_symbol(f"{name}.{i}", kind.each) for i in range(shape)]
        elif isinstance(kind, Inner):
            symbols += _prefixed(shape, f"{name}.").values()
        elif isinstance(kind, Inners):
            for i, inner in enumerate(shape):
                symbols += _prefixed(inner, f"{name}.{i}.").values()
    return tuple(symbols)


def _prefixed(
    structure: tuple[Any, ...], prefix: str
) -> dict[sympy.Symbol, sympy.Symbol]:
    return {
        s: sympy.Symbol(prefix + s.name, **s._assumptions_orig)
        for s in _symbols(structure)
    }


@functools.cache
def _formula(structure: tuple[Any, ...]) -> sympy.Expr:
    """Call the function once, with symbols for numbers: the result is the formula."""
    definition, *shapes = structure
    arguments: dict[str, Any] = {}
    for (name, kind), shape in zip(definition.kinds.items(), shapes, strict=True):
        if isinstance(kind, Number):
            arguments[name] = _symbol(name, kind)
        elif isinstance(kind, Numbers):
            arguments[name] = tuple(
                _symbol(f"{name}.{i}", kind.each) for i in range(shape)
            )
        elif isinstance(kind, Choice):
            arguments[name] = shape
        elif isinstance(kind, Inner):
            arguments[name] = _as_function(shape, f"{name}.")
        else:
            arguments[name] = tuple(
                _as_function(inner, f"{name}.{i}.") for i, inner in enumerate(shape)
            )
    return sympy.sympify(definition.body(formula.t, **arguments))


def _as_function(
    structure: tuple[Any, ...], prefix: str
) -> Callable[[Any], sympy.Expr]:
    """Return an inner schedule as the function of t that an outer one calls."""

    def at(t: Any) -> sympy.Expr:
        renamed = _prefixed(structure, prefix)
        return _formula(structure).xreplace({formula.t: sympy.sympify(t), **renamed})

    return at


# Rates from anything -----------------------------------------------------------


def sample(source: Any, steps: int, *, initial_learning_rate: float = 0.01) -> Any:
    """Return the learning rates of the first `steps` updates.

    Args:
        source: a `Schedule`; a number; a Keras `LearningRateSchedule`, also one that
            refuses arrays; a function as `keras.callbacks.LearningRateScheduler`
            takes it, `f(epoch)` or `f(epoch, learning_rate)`, where an epoch counts
            as a step; or a recorded run with `.rates`, such as
            `lrlib.RecordLearningRate`.
        steps: how many, at least 1.
        initial_learning_rate: where `f(epoch, learning_rate)` starts from.

    Returns:
        A float64 array of shape `(steps,)`.

    Raises:
        TypeError: `source` is none of these.
        ValueError: `steps` is no positive whole number, the run is shorter, or the
            function returns no finite number.

    >>> sample(lambda epoch, rate: rate * 0.5, 3, initial_learning_rate=0.4)
    array([0.2 , 0.1 , 0.05])

    """
    from lrlib.schedules.kinds import check_whole

    steps = check_whole("steps", steps, low=1)
    if isinstance(source, Schedule):
        return source(np.arange(steps))
    if isinstance(source, bool):
        raise TypeError(f"no learning rate: {source!r}")
    if isinstance(source, int | float | np.number):
        return np.full(steps, float(source))
    if "keras" in sys.modules:
        from lrlib.libraries import keras as keras_schedules

        if keras_schedules.is_keras_schedule(source):
            return keras_schedules.sample_keras(source, steps)
    if hasattr(source, "rates"):
        rates = np.asarray(source.rates, dtype=np.float64)
        if len(rates) < steps:
            raise ValueError(f"steps={steps}, but the run has {len(rates)}")
        return rates[:steps]
    if callable(source) and not isinstance(source, type):
        return _sample_epochs(source, steps, initial_learning_rate)
    raise TypeError(
        "source must be a Schedule, a Keras schedule, a function of the epoch, a "
        f"number or a recorded run, got {source!r}"
    )


def _sample_epochs(
    function: Callable[..., Any], epochs: int, learning_rate: float
) -> np.ndarray:
    signature = inspect.signature(function)
    try:  # with the rate if it can be, as Keras does it
        signature.bind(0, learning_rate)
        takes_rate = True
    except TypeError:
        takes_rate = False
    rates = np.empty(epochs)
    for epoch in range(epochs):
        # The first epoch's rate, too, is what the function makes of the initial one;
        # so does Keras.
        learning_rate = (
            function(epoch, learning_rate) if takes_rate else function(epoch)
        )
        if not isinstance(learning_rate, int | float | np.number) or not math.isfinite(
            learning_rate
        ):
            raise ValueError(
                f"source must return a learning rate, got {learning_rate!r} for epoch "
                f"{epoch}"
            )
        rates[epoch] = learning_rate
    return rates
