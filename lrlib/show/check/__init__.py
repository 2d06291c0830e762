"""`check`: what a schedule, an optimizer or a compiled model will do in a run."""

from __future__ import annotations

import inspect
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lrlib.schedules.kinds import Choice, Number, check_whole, shown
from lrlib.schedules.schedule import Schedule
from lrlib.show.check import curve as curves
from lrlib.show.check import sources
from lrlib.show.check.about import ABOUT
from lrlib.show.check.curve import SEVERITIES
from lrlib.show.check.features import Run, compare
from lrlib.show.check.features import features as features_of
from lrlib.show.check.report import CheckError, Finding, Report, link

__all__ = ["CheckError", "Finding", "Report", "check", "codes"]

_BATCH = 32  # fit's own


def check(
    what: Any,
    *,
    samples: Any = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    unit: str | None = None,
    values: Mapping[str, Any] | None = None,
    initial_learning_rate: float = 0.01,
    silence: Sequence[str] = (),
    **fit: Any,
) -> Report:
    """Say what a schedule or a model's setup will do in a run, before it trains.

    It trains nothing and changes nothing. Say how long the run is as you do to `fit`:
    by `samples`, `batch_size` and `epochs`, by the data as `x=`, or by `steps`.

    Args:
        what: a `Schedule`; a Keras schedule; a rate; a Keras optimizer; a compiled
            model; a function as `keras.callbacks.LearningRateScheduler` takes it, or
            that callback; or a text, which is read as `lrlib.convert` reads it.
        samples: how many examples an epoch has before `validation_split` takes some,
            or a `tf.data.Dataset` of batches whose length is known.
        batch_size: examples a batch. Default: 32, as in `fit`.
        epochs: as `fit` takes it: the number of the last epoch. Default: 1.
        steps: updates in the whole run, instead of the three before.
        unit: "update" or "epoch": what the schedule counts. Default: what the text or
            its library says; if nothing says it, both are tried, and a note asks.
        values: what a text leaves open, as in `lrlib.convert`.
        initial_learning_rate: where a function of the epoch and the rate starts from.
        silence: codes of findings to leave out.
        fit: what `fit` will be given: `x`, `validation_split`, `validation_data`,
            `initial_epoch`, `steps_per_epoch`, `callbacks`, and so on.

    Returns:
        A `Report`: `.findings`, each with `code`, `severity`, `text`, `fix` and
        `link`; `.ok`, whether none is worse than a note; `.rates`, a float64 array
        with the rate of each update; and `.raise_for`, which makes a test of it.

    Raises:
        TypeError: `what` is none of these, or `fit` doesn't take an argument.
        ValueError: the length of the run isn't known, a number is out of range, the
            model isn't compiled, or a text can't be read.
        LookupError: as `lrlib.convert`, for a text.

    >>> import lrlib
    >>> schedule = lrlib.cosine(0.1, decay_steps=10)
    >>> report = lrlib.check(schedule, samples=60_000, batch_size=32, epochs=10)
    >>> report.ok
    False
    >>> report.findings[0].code
    'LR016'
    >>> print(report.findings[0].fix)
    Multiply by the 1,875 updates of an epoch: 18750.
    >>> lrlib.check(lrlib.cosine(0.1, 18_750), steps=18_750).ok
    True

    """
    _check_names(unit, silence)
    if fit:
        _check_fit(fit)
    run = _run(what, samples, batch_size, epochs, steps, fit)
    first = Number((0.0, 1.0)).check("initial_learning_rate", initial_learning_rate)
    if isinstance(what, str):
        return _of_text(what, run, unit, values, silence)
    if values is not None:
        raise TypeError("check: values are for what a text leaves open")
    setup = None
    if "keras" in sys.modules:
        setup, what = _setup(what, fit)
    if setup is not None:
        return _of_setup(setup, run, unit, silence)
    if isinstance(what, Schedule):
        run = _in_unit(run, unit or "update")
        return _report(run, sources.of_schedule(what, run.n), silence)
    if isinstance(what, int | float | np.number) and not isinstance(what, bool):
        run = _in_unit(run, unit or "update")
        made = sources.of_number(Number((0.0, 1.0)).check("what", what), run.n)
        return _report(run, made, silence)
    if sources.is_keras_schedule(what):
        run = _in_unit(run, unit or "update")
        return _report(run, sources.of_keras(what, run.n), silence)
    if callable(what) and not isinstance(what, type):
        run = _in_unit(run, unit or ("epoch" if run.epochs else "update"))
        return _report(run, sources.of_epochs(what, run.n, first), silence)
    raise TypeError(
        "check: what must be a schedule, a rate, an optimizer, a compiled model, a "
        f"function of the epoch, or a text, got {shown(what)}"
    )


def codes() -> list[dict[str, str]]:
    """Return every finding: its code, its severities, and what it is about.

    >>> codes()[0]["code"], codes()[0]["severity"]
    ('LR001', 'wrong, suspicious')
    """
    found = [
        {
            "code": each.code,
            "severity": ", ".join(name for name, _ in each.severities()),
            "finding": each.title,
        }
        for each in curves.DEFINITIONS
    ]
    return found + [
        {
            "code": code,
            "severity": ", ".join(about.severities),
            "finding": about.title,
        }
        for code, about in ABOUT.items()
    ]


# The arguments -----------------------------------------------------------------


def _check_names(unit: Any, silence: Any) -> None:
    if unit is not None:
        Choice(("update", "epoch")).check("unit", unit)
    if isinstance(silence, str) or not all(isinstance(each, str) for each in silence):
        raise TypeError(f"silence must be a list of codes, got {shown(silence)}")


def _check_fit(fit: Mapping[str, Any]) -> None:
    from lrlib.show.check import setup

    setup.fit_arguments(fit)


def _run(
    what: Any,
    samples: Any,
    batch_size: Any,
    epochs: Any,
    steps: Any,
    fit: Mapping[str, Any],
) -> Run:
    """Return the run, counted in updates, from what fit is given."""
    resumed = check_whole("initial_epoch", fit.get("initial_epoch") or 0, low=0)
    if epochs is not None:
        epochs = check_whole("epochs", epochs, low=1)
    if batch_size is not None:
        batch_size = check_whole("batch_size", batch_size, low=1)
    if steps is not None:
        steps = check_whole("steps", steps, low=1)
    share = float(fit.get("validation_split") or 0.0)
    if not 0 <= share < 1:
        raise ValueError(f"validation_split must be in [0, 1), got {share}")
    if fit.get("validation_data") is not None:
        share = 0.0  # fit ignores validation_split then
    data = fit.get("x") if samples is None else samples
    if (given := fit.get("steps_per_epoch")) is not None:
        per_epoch = whole = check_whole("steps_per_epoch", given, low=1)
        count = 0
    else:
        per_epoch, count = _length(data, batch_size or _BATCH, share)
        whole, _ = _length(data, batch_size or _BATCH, 0.0)
    if steps is not None:
        if not per_epoch and epochs:
            per_epoch = math.ceil(steps / epochs)
        trained = epochs or (math.ceil(steps / per_epoch) if per_epoch else 0)
        return Run(steps, "update", per_epoch, trained, count, 0)
    by_epoch = callable(what) and not isinstance(what, Schedule)
    if not per_epoch and epochs and by_epoch:
        per_epoch = 1  # a function of the epoch needs no more
    if not per_epoch:
        raise ValueError(
            "check: how long is the run? Give samples and epochs (and batch_size), "
            "the data as x, or steps"
        )
    epochs = 1 if epochs is None else epochs
    trained = max(epochs - resumed, 1)
    return Run(per_epoch * trained, "update", per_epoch, epochs, count, whole * trained)


def _length(data: Any, batch_size: int, share: float) -> tuple[int, int]:
    """Return the batches and the examples of an epoch; 0 where they aren't known."""
    if data is None:
        return 0, 0
    if hasattr(data, "cardinality"):
        batches = int(data.cardinality())
        if batches < 1:
            raise ValueError(
                "samples: the dataset doesn't know its length; give steps_per_epoch, "
                "or dataset.apply(tf.data.experimental.assert_cardinality(n))"
            )
        return batches, 0
    if getattr(data, "num_batches", None):  # a PyDataset
        return int(data.num_batches), 0
    if isinstance(data, int | float | np.number) and not isinstance(data, bool):
        examples = check_whole("samples", data, low=1)
    else:
        first = data
        while isinstance(first, dict | list | tuple) and len(first):
            first = next(iter(first.values())) if isinstance(first, dict) else first[0]
        if hasattr(data, "__next__"):
            raise ValueError(
                "check: how long is the run? A generator doesn't know its length: give "
                "steps_per_epoch"
            )
        if not hasattr(first, "shape") or not first.shape:
            raise TypeError(f"samples must be a number or a Dataset, got {shown(data)}")
        examples = int(first.shape[0])
    examples = math.floor(examples * (1 - share))
    return math.ceil(examples / batch_size), examples


def _in_unit(run: Run, unit: str) -> Run:
    """Return the run counted in its schedule's unit."""
    if unit == "update" or not run.steps_per_epoch:
        return replace(run, unit="update")
    return replace(run, n=math.ceil(run.n / run.steps_per_epoch), unit="epoch")


def _setup(what: Any, fit: Mapping[str, Any]) -> tuple[Any, Any]:
    """Return a setup where there is one, and what else there is to look at."""
    import keras

    from lrlib.show.check import setup

    if isinstance(what, keras.callbacks.LearningRateScheduler):
        return None, what.schedule
    if not setup.is_setup(what):
        return None, what
    names = {}
    caller = inspect.currentframe()
    while caller is not None and caller.f_globals.get("__name__", "") == __name__:
        caller = caller.f_back
    if caller is not None:
        here = {**caller.f_globals, **caller.f_locals}
        kind = keras.optimizers.Optimizer
        models = [v for v in here.values() if isinstance(v, keras.Model)]
        used = [getattr(model, "optimizer", None) for model in models]
        names = {
            k: v
            for k, v in here.items()
            if isinstance(v, kind) and not any(v is each for each in used)
        }
    return setup.setup_of(what, fit, names), what


# The report --------------------------------------------------------------------


def _values(run: Run, made: sources.Curve) -> dict[str, Any]:
    return {
        **features_of(made.at, made.rates, run.n, made.later),
        **compare(run, made.lengths),
        **made.call,
    }


def _found(run: Run, made: sources.Curve) -> list[Finding]:
    found = [
        Finding(
            each["code"],
            each["severity"],
            each["text"],
            each["fix"],
            link(each["symptom"]),
            each["step"],
        )
        for each in curves.findings(_values(run, made))
    ]
    troubles = [_of_trouble(*trouble) for trouble in made.troubles]
    unknown = any(
        each.code in _NO_CURVE or (each.code, each.severity) == ("LR115", "wrong")
        for each in troubles
    )
    return troubles if unknown else found + troubles


def _of_trouble(code: str, severity: str, numbers: Mapping[str, Any]) -> Finding:
    about = ABOUT[code]
    text, fix = about.text.format(**numbers), about.fix.format(**numbers)
    return Finding(code, severity, text, fix, link(about.symptom))


def _report(
    run: Run,
    made: sources.Curve,
    silence: Sequence[str],
    more: Sequence[Finding] = (),
    other: str = "",
) -> Report:
    found = [*_found(run, made), *more]
    found = [each for each in found if each.code not in silence]
    found.sort(key=lambda each: SEVERITIES.index(each.severity))
    rates, steps = made.rates, made.at
    sampled = len(made.at) < run.n
    if run.unit == "epoch":
        each = run.steps_per_epoch or 1
        if not sampled:
            rates = np.repeat(rates, each)
            steps = np.arange(len(rates))
        else:
            steps = steps * each
    return Report(found, rates, steps, run, sampled, other)


def _of_setup(setup: Any, run: Run, unit: str | None, silence: Sequence[str]) -> Report:
    reports = [
        _of_part(replace(setup, part=i), run, unit, silence)
        for i in range(len(setup.parts))
    ]
    return max(reports, key=_badness)


def _of_part(setup: Any, run: Run, unit: str | None, silence: Sequence[str]) -> Report:
    from lrlib.show.check import setup as setups
    from lrlib.training.optimizers import is_schedule, number

    source, function = setup.source, setups.scheduler_function(setup)
    if function is not None:
        run = _in_unit(run, unit or "epoch")
        first = number(source) if not callable(source) else 0.01
        made = sources.of_epochs(function, run.n, first)
    elif is_schedule(source):
        run = _in_unit(run, "update")
        made = sources.of_keras(source, run.n, setup.count)
    elif callable(source):
        run = _in_unit(run, "update")
        made = sources.of_rate_function(source, run.n)
    else:
        run = _in_unit(run, "update")
        made = sources.of_number(number(source), run.n)
    highest = float(made.rates.max())
    if setup.count and is_schedule(source):
        before = sources.of_keras(source, setup.count).rates.max()
        highest = max(highest, float(before))
    found = setups.troubles(setup, run, made, highest)
    return _report(run, made, silence, [_of_trouble(*each) for each in found])


def _of_text(
    text: str,
    run: Run,
    unit: str | None,
    values: Mapping[str, Any] | None,
    silence: Sequence[str],
) -> Report:
    made, about = sources.of_text(text, values, run)
    made.troubles += [(code, "wrong", numbers) for code, numbers in about.troubles]
    said = unit or about.unit
    if said or not run.steps_per_epoch or run.epochs < 2:
        run = _in_unit(run, said or "update")
        if said == "epoch":
            made = replace(
                sources.of_text(text, values, run)[0], troubles=made.troubles
            )
        return _report(run, made, silence)
    return _of_both(text, run, values, made, silence)


def _of_both(
    text: str,
    run: Run,
    values: Mapping[str, Any] | None,
    by_update: sources.Curve,
    silence: Sequence[str],
) -> Report:
    """Report on a text that counts updates or epochs, and doesn't say which."""
    by_epoch_run = _in_unit(run, "epoch")
    by_epoch = replace(
        sources.of_text(text, values, by_epoch_run)[0], troubles=by_update.troubles
    )
    both = [(_in_unit(run, "update"), by_update), (by_epoch_run, by_epoch)]
    reports = [_report(r, c, silence) for r, c in both]
    likely = min((0, 1), key=lambda i: (_badness(reports[i]), i))
    chosen_run, chosen = both[likely]
    chosen.call = {**chosen.call, "asks": 1}
    other = reports[1 - likely]
    words = f"If it counts {other.run.unit}s: {other._summary()}"
    worse = [each for each in other.findings if each.severity != "note"]
    if worse:
        words += f" {worse[0].text}"
    report = _report(chosen_run, chosen, silence, other=words)
    # A unit that nobody has said makes nothing wrong.
    softened = [
        replace(each, severity="suspicious")
        if each.severity == "wrong" and each.code not in _ANY_UNIT
        else each
        for each in report.findings
    ]
    return replace(report, findings=softened)


_ANY_UNIT = {"LR015", "LR019", "LR020", "LR104", "LR120", "LR124"}
#: With these nobody knows the curve.
_NO_CURVE = {"LR116", "LR120", "LR121"}


def _badness(report: Report) -> int:
    weights = {"wrong": 100, "suspicious": 10, "note": 0}
    return sum(weights[each.severity] for each in report.findings)
