"""`convert`: the schedule that a text for another library means."""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np

from lrlib.libraries import configs
from lrlib.libraries.arithmetic import Refused, is_number
from lrlib.libraries.meanings import bound, settled
from lrlib.libraries.names import rows
from lrlib.libraries.script import Made, Script
from lrlib.libraries.values import Function, MissingValues, Open
from lrlib.schedules.kinds import check_whole
from lrlib.schedules.schedule import Schedule

#: How long a text may be, in characters.
LONGEST = 100_000
_COMMAND = re.compile(r"^\s*\$?\s*(python3?|torchrun|accelerate|deepspeed|bash|sh)\s")


def _read(text: str, values: Mapping[str, Any], steps: int | None) -> Schedule:
    text = _cleaned(text)
    if not text.strip():
        raise ValueError("the text is empty: it has no schedule")
    script = Script(text, values, steps)
    try:
        module = ast.parse(text)
    except SyntaxError as error:
        found = _one_call(script, text) or _other_text(script, text, error)
    else:
        found = _whole(script, module)
    if found.missing:
        raise MissingValues(_in_order(text, found.missing))
    return settled(found.schedule, steps)


def _in_order(text: str, missing: tuple[str, ...]) -> list[str]:
    def place(expression: str) -> int:
        at = text.find(expression)
        return at if at >= 0 else len(text)

    return sorted(dict.fromkeys(missing), key=place)


def _cleaned(text: str) -> str:
    """Take off what a paste brings along: prompts, fences, cell magics, indentation."""
    if len(text) > LONGEST:
        raise ValueError(f"the text is longer than {LONGEST} characters")
    lines = text.expandtabs().splitlines()
    lines = [
        line for line in lines if not re.match(r"\s*(```|[%!]\w|In \[|\.\.\.$)", line)
    ]
    if any(line.startswith(">>> ") for line in lines):
        lines = [line[4:] for line in lines if line[:4] in (">>> ", "... ")]
    return textwrap.dedent("\n".join(lines))


def _one_call(script: Script, text: str) -> Made | None:
    """Read `StepLR(30), lr=0.1`: a call, and the rate of the optimizer."""
    try:
        outer = ast.parse(f"_({text}\n)", mode="eval").body
    except SyntaxError:
        return None
    match outer:
        case ast.Call(args=[call], keywords=keywords):
            names = [keyword.arg for keyword in keywords]
        case _:
            return None
    if unknown := [str(name) for name in names if name != "lr"]:
        raise ValueError(f"only lr can stand after the call, got {unknown[0]}")
    if len(names) > 1:
        raise ValueError("lr is given twice after the call")
    script.lines = []  # the columns are those behind `_(`
    if keywords:
        script.rate = script.value(keywords[0].value, script.top)
        if not isinstance(script.rate, Open) and not is_number(script.rate):
            raise ValueError(f"{ast.unparse(keywords[0].value)} isn't a number")
    made = script.value(call, script.top)
    return _as_made(made, call)


def _as_made(value: Any, node: ast.AST) -> Made:
    if isinstance(value, Made):
        return value
    if isinstance(value, Open) and isinstance(node, ast.Call):
        name = ast.unparse(node.func).rpartition(".")[2]
        raise LookupError(f"no schedule that lrlib knows: {name}")
    raise ValueError(f"{ast.unparse(node)!r} isn't a schedule")


def _whole(script: Script, module: ast.Module) -> Made:
    """Read a text of statements: what it defines, trains with or ends with."""
    match module.body:
        case [ast.Expr(value=ast.Call() as call)]:
            script.alone = True
            value = script.value(call, script.top)
            return script.found() or _as_made(value, call)
        case [ast.Expr(value=ast.Dict() | ast.Name() | ast.Constant() as node)]:
            value = script.value(node, script.top)
            if isinstance(value, dict) and (made := configs.read(script, value)):
                return made
            raise ValueError(f"{ast.unparse(node)!r} has no schedule")
        case [*statements] if statements and all(
            isinstance(s, ast.AnnAssign) and s.value is None for s in statements
        ):
            return _other_text(script, script.text, None)
    script.block(module.body, script.top)
    made = script.found() or configs.found(script) or script.uncalled()
    if made is None:
        names = [n for n, v in script.top.names.items() if isinstance(v, Function)]
        hint = f"; {names[0]} has no formula of the step" if names else ""
        raise ValueError(
            "the text has no schedule that lrlib knows: write one call, or the script "
            f"around it{hint}"
        )
    return made


def _other_text(script: Script, text: str, error: SyntaxError | None) -> Made:
    """Read what isn't Python: a configuration, or nothing that can be read."""
    if _COMMAND.match(text):
        raise Refused(
            "a command line: what its script does with the numbers isn't in the text; "
            "paste the part of the script that makes the schedule"
        )
    if (settings := configs.parsed(text)) and (made := configs.read(script, settings)):
        return made
    raise ValueError(f"cannot read the text: {error or 'it has no schedule'}")


def _from_keras(schedule: Any) -> Schedule:
    from lrlib.libraries import keras as keras_schedules

    if isinstance(schedule, keras_schedules.FormulaSchedule):
        return schedule.schedule
    made_by = type(schedule)
    row = rows().get(made_by.__name__)
    if not made_by.__module__.startswith("keras.") or row is None:
        raise LookupError(f"no schedule that lrlib knows: {made_by.__name__}")
    return settled(bound(row, None, [], schedule.get_config()))


def _checked(values: Any) -> dict[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise TypeError(
            f"values must be a mapping of expressions to values, got {values!r}"
        )
    checked = {}
    for key, value in values.items():
        if not isinstance(key, str):
            raise TypeError(f"values: an expression must be a text, got {key!r}")
        try:
            name = ast.unparse(ast.parse(key.strip(), mode="eval").body)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise ValueError(f"values: {key!r} isn't an expression") from None
        checked[name] = _plain(key, value)
    return checked


def _plain(key: str, value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(key, each) for each in value]
    if isinstance(value, dict):
        return {k: _plain(key, v) for k, v in value.items()}
    if not isinstance(value, bool | int | float | str):
        raise TypeError(f"values: {key} must be a number, got {value!r}")
    if isinstance(value, float) and not np.isfinite(value):
        raise ValueError(f"values: {key} must be finite, got {value!r}")
    return value


def convert(
    schedule_or_call: Any,
    values: Mapping[str, Any] | None = None,
    steps: int | None = None,
) -> Schedule:
    """Return the lrlib schedule that makes the same curve as another library's.

    A text is parsed and never run. It may be one call; for schedulers of PyTorch,
    Transformers and timm, which multiply the optimizer's rate, followed by that:
    `"StepLR(30, gamma=0.5), lr=0.1"`. Or it is a script as it stands: assignments,
    optimizers, functions of the step, classes, what `Schedule.code` has written. One
    step of a scheduler is one update.

    What the text leaves open, such as `len(loader)`, comes in `values`; without them
    the error lists all that is needed. Two schedules in one text, groups of weights
    with different rates and whatever else has more than one meaning are refused.

    The schedule follows the other one also past its end: PyTorch's and Transformers'
    cosines, for example, rise again. If training ends before that, say so by `steps`,
    and the schedule is the plain decay. One exception: `OneCycleLR`, which raises
    after its last step, stays flat there.

    Args:
        schedule_or_call: a Keras `LearningRateSchedule`, or a text.
        values: what expressions of the text are, by their code: numbers, or texts,
            booleans and lists of these. A number for an optimizer is its rate.
        steps: how many updates the training has, at least 1.

    Raises:
        LookupError: a call that lrlib does not know, or whose curve it does not have.
            Where the text leaves values open, it has `.missing`, the list of these
            expressions as the text writes them.
        ValueError: the text cannot be read, or an argument is wrong.
        TypeError: neither a Keras schedule nor a text.

    >>> import lrlib
    >>> lrlib.convert("StepLR(30, gamma=0.5), lr=0.1")
    step(initial_learning_rate=0.1, decay_steps=30, decay_rate=0.5)
    >>> lrlib.convert("CosineAnnealingLR(T_max=9, eta_min=0.01), lr=0.1", steps=9)
    cosine_annealing(initial_learning_rate=0.1, decay_steps=9, end_learning_rate=0.01)
    >>> text = "schedule = optax.linear_schedule(0.1, 0.0, 3 * len(loader))"
    >>> lrlib.convert(text, values={"len(loader)": 250})
    linear(initial_learning_rate=0.1, decay_steps=750, end_learning_rate=0.0)
    >>> try:
    ...     lrlib.convert(text)
    ... except LookupError as error:
    ...     error.missing
    ['len(loader)']

    """
    if steps is not None:
        steps = check_whole("steps", steps, low=1)
    known = _checked(values)
    if isinstance(schedule_or_call, str):
        try:
            return _read(schedule_or_call, known, steps)
        except (ArithmeticError, MemoryError, RecursionError, SyntaxError) as error:
            raise ValueError(f"cannot read the text: {error}") from None
    if isinstance(schedule_or_call, Schedule):
        return schedule_or_call
    if "keras" in sys.modules:
        from lrlib.libraries import keras as keras_schedules

        if keras_schedules.is_keras_schedule(schedule_or_call):
            return _from_keras(schedule_or_call)
    raise TypeError(
        "schedule_or_call must be a Keras schedule or the text of a call, "
        f"got {schedule_or_call!r}"
    )
