"""What can be wrong with a curve of rates: each finding said once, as data.

A finding is a condition over a few numbers of the curve, its features, and a sentence
that has some of them in it. `DEFINITIONS` holds all of them; `data()` is the same as
plain lists, from which the browser computes the same findings with the evaluator that
it has for formulas.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lrlib.show.check.conditions import evaluate, sentence, tree, written

SEVERITIES = ("wrong", "suspicious", "note")


@dataclass(frozen=True)
class Definition:
    """A finding: when it is there, what it says, what to write instead.

    Attributes:
        code: its stable name.
        title: what it is about, for a table.
        wrong, suspicious, note: the conditions; the first that holds is its severity.
        text, fix: sentences with features in them.
        symptom: the entry of the page "Symptoms" without its prefix.
        at: the step at which it is marked, or "".
        repair: what the page does to the text: ["length", value], ["float"] or
            ["remove", argument].

    """

    code: str
    title: str
    text: str
    fix: str
    symptom: str
    wrong: str = ""
    suspicious: str = ""
    note: str = ""
    at: str = ""
    repair: tuple[str, ...] = field(default=())

    def severities(self) -> list[tuple[str, str]]:
        """Return the severities that it can have, with their conditions."""
        found = [(name, getattr(self, name)) for name in SEVERITIES]
        return [(name, condition) for name, condition in found if condition]


_SPECIFIC = "(counts_epochs + counts_samples + counts_one_epoch + counts_updates) == 0"

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        "LR001",
        "over before most of the run",
        "The schedule is over after {over_at:count} of {n:count} {units} "
        "({over_at / n:percent} of the run): from there on the rate stays at "
        "{last:rate}, down from {high:rate}.",
        "Give lengths in {units}: this run has {n:plain}.",
        "over-early",
        wrong=f"bad == 0 and over_at < 0.1 * n and last <= 0.1 * high and high > 0 "
        f"and at_high <= over_at and n > 10 and integer == 0 and {_SPECIFIC}",
        suspicious=f"bad == 0 and over_at < 0.3 * n and last < 0.5 * high and "
        f"at_high <= over_at and n > 10 and integer == 0 and {_SPECIFIC}",
        at="over_at",
        repair=("length", "n"),
    ),
    Definition(
        "LR002",
        "never decays in this run",
        "In the {n:count} {units} of this run the rate never falls: it ends at "
        "{last:rate}, and the schedule would lower it only later.",
        "Give lengths in {units}: this run has {n:plain}.",
        "never-decays",
        wrong="n > 4 and fall == 0 and rise == 0 and later_low < 0.9 * last and "
        "idle_warmup == 0 and integer == 0",
        suspicious="n > 4 and fall == 0 and rise > 0 and at_high < n - 2 and "
        "later_low < 0.9 * last",
        at="n - 1",
        repair=("length", "n"),
    ),
    Definition(
        "LR003",
        "ends far above its floor",
        "The run ends at a rate of {last:rate}, far above the {floor:rate} that the "
        "schedule comes down to: it's cut off.",
        "Make the schedule as long as the run, {n:plain} {units}.",
        "never-decays",
        suspicious="n > 4 and fall > 0 and restarts == 0 and turns <= 1 and "
        "rising == 0 and "
        "past == 0 and counts_all + counts_samples + counts_updates == 0 and "
        "floor < 0.8 * high and "
        "((settles == 1 and settles_at > n + 1 and last - floor > 0.1 * high) or "
        "(settles == 0 and last > 0.8 * high and later_low < 0.5 * last))",
        at="n - 1",
        repair=("length", "n"),
    ),
    Definition(
        "LR004",
        "a constant rate",
        "The rate is {first:rate} from the first update to the last.",
        "That's fine if you mean it. A schedule that ends low often helps: see "
        "lrlib.cosine.",
        "bounces",
        note="rise == 0 and fall == 0 and bad == 0 and first > 0 and "
        "(known_later == 0 or (later_low == last and later_high == last))",
    ),
    Definition(
        "LR005",
        "the warm-up is longer than the run",
        "The rate rises for the whole run, from {first:rate} to {last:rate}, and "
        "training ends before the warm-up does.",
        "Shorten the warm-up to a small part of the run's {n:plain} {units}.",
        "no-warm-up",
        wrong="n > 4 and rise > 0 and fall == 0 and should_fall == 0 and "
        "at_high >= n - 1 and "
        "later_high > 1.001 * high and ((settles == 1 and settles_at > 1.1 * n) or "
        "later_falls == 1 or capped == 1) and integer == 0 and counts_updates == 0",
        note="rise > 0 and fall == 0 and should_fall == 0 and at_high >= n - 1",
        at="n - 1",
    ),
    Definition(
        "LR006",
        "the first update has a rate of 0",
        "The first update has a rate of 0, so it changes nothing.",
        "Start the warm-up above 0 if that update matters to you.",
        "first-update",
        note="first == 0 and high > 0 and zero_start == 1",
        at="0",
    ),
    Definition(
        "LR007",
        "a rate of 0 for part of the run",
        "For {max(zero_start, zero_end):count} of {n:count} {units} the rate is "
        "exactly 0: these updates change nothing.",
        "Keep the rate above 0, or make the schedule as long as the run, "
        "{n:plain} {units}.",
        "past-the-end",
        wrong="high == 0 and low == 0 and bad == 0",
        suspicious="bad == 0 and ((zero_end > 0.3 * n and over_at >= 0.3 * n) or "
        "(zero_start > 1 and zero_start > 0.02 * n))",
        note="zero_end > 1",
        at="n - zero_end",
    ),
    Definition(
        "LR008",
        "a negative rate",
        "The rate is negative for {negative:count} {units}, down to {low:rate}, "
        "first at {at_negative:count}: these updates climb the loss.",
        "End the schedule where the run ends, at {n:plain} {units}, or clip the "
        "rate: lrlib.clip(schedule, 0.0, {high:rate}).",
        "past-the-end",
        wrong="negative > 0",
        at="at_negative",
    ),
    Definition(
        "LR009",
        "the rate isn't a number",
        "The rate is NaN or infinite for {bad:count} {units}, first at "
        "{at_bad:count}: from that update on, so are the weights.",
        "Look for a division by 0, or a root of a negative number, at that step.",
        "nan",
        wrong="bad > 0",
        at="at_bad",
    ),
    Definition(
        "LR010",
        "the run ends in the middle of a cycle",
        "The last restart is at {at_restart:count} of {n:count} {units}, and the run "
        "ends before that cycle does, at a rate of {last:rate}.",
        "Choose cycles that end with the run, or stop it where a cycle ends.",
        "restart-jump",
        suspicious="restarts > 0 and last > 0.9 * cycle_high and counts_one_epoch == 0",
        note="restarts > 0 and last > 0.25 * cycle_high and counts_one_epoch == 0",
        at="at_restart",
    ),
    Definition(
        "LR011",
        "the rate rises again",
        "After {at_trough:count} {units} the rate is down to {trough:rate}, then it "
        "rises again, and the run ends at {last:rate}.",
        "Make the cosine as long as the run, {n:plain} {units}.",
        "past-the-end",
        suspicious="rising == 1 and restarts == 0 and last > trough + 0.1 * high and "
        "fall > 0.3 * high and counts_epochs == 0 and counts_one_epoch == 0 and "
        "counts_samples == 0",
        note="turns > 1 and restarts == 0 and first == high and at_trough >= 0",
        at="at_trough",
        repair=("length", "n"),
    ),
    Definition(
        "LR012",
        "a decay that rises",
        "The rate rises from {first:rate} to {last:rate}, though the schedule is there "
        "to lower it: its end is above its start.",
        "Give an end below {first:rate}. PolynomialDecay's end_learning_rate is "
        "0.0001 unless you set it.",
        "polynomial-rises",
        wrong="should_fall == 1 and rise > 0.001 * high and fall == 0 and integer == 0",
        at="n - 1",
        repair=("end",),
    ),
    Definition(
        "LR013",
        "a jump up by more than a factor of 10",
        "At {at_jump:count} the rate jumps up by a factor of {jump:count}, to a "
        "rate that the run hasn't seen before.",
        "Let a warm-up end at the rate that the next part starts from.",
        "restart-jump",
        suspicious="jump > 10 and bad == 0",
        at="at_jump",
    ),
    Definition(
        "LR014",
        "boundaries past the end of the run",
        "{past:count} of {boundaries:count} boundaries come too late, the first at "
        "{first_past:count}: the run has {n:count} {units}.",
        "Give boundaries in {units}, all below {n:plain}.",
        "never-decays",
        suspicious="past > 0 and past < boundaries and first_past > n",
        note="past > 0 and past < boundaries",
        at="n - 1",
    ),
    Definition(
        "LR015",
        "boundaries that aren't sorted",
        "The boundaries aren't in increasing order, and Keras adds up the values of "
        "all intervals that a step lies in: the rate goes up to {high:rate}.",
        "Sort the boundaries.",
        "boundaries",
        wrong="unsorted == 1",
    ),
    Definition(
        "LR016",
        "a length in epochs where updates count",
        "A length of {length:count} is the number of epochs, but the schedule counts "
        "updates, of which the run has {n:count}: at update {length:count}, after "
        "{length / n:percent} of the run, it's as far as it should be at the end.",
        "Multiply by the {steps_per_epoch:count} updates of an epoch: "
        "{length * steps_per_epoch:plain}.",
        "over-early",
        wrong="counts_epochs == 1",
        at="length",
        repair=("length", "length * steps_per_epoch"),
    ),
    Definition(
        "LR017",
        "a length in samples where updates count",
        "A length of {length:count} counts examples, not updates: an epoch has "
        "{samples:count} examples but {steps_per_epoch:count} updates, and the run "
        "has {n:count}.",
        "Give lengths in updates: this run has {n:plain}.",
        "never-decays",
        wrong="counts_samples == 1",
        at="n - 1",
        repair=("length", "n"),
    ),
    Definition(
        "LR018",
        "a length that forgets validation_split",
        "The schedule is {length:count} updates long, for all examples. "
        "validation_split keeps some of them back, the run has {n:count} updates, and "
        "it ends at {last:rate}.",
        "Count the examples that are trained on: {n:plain} updates.",
        "never-decays",
        suspicious="counts_all == 1",
        at="n - 1",
        repair=("length", "n"),
    ),
    Definition(
        "LR019",
        "a whole number as a rate",
        "The initial rate is a whole number, so Keras computes the schedule in whole "
        "numbers: a decay_rate of 0.5 becomes 0, and π becomes 3.",
        "Write it with a point: {first:plain}.0 for {first:plain}.",
        "integer-rate",
        wrong="integer == 1",
        at="0",
        repair=("float",),
    ),
    Definition(
        "LR020",
        "warmup_steps without warmup_target",
        "warmup_steps is set and warmup_target isn't, so Keras skips the warm-up: the "
        "first update has the full rate of {first:rate}.",
        "Add warmup_target={high:rate} and let initial_learning_rate be where the "
        "warm-up starts, such as 0.0.",
        "no-warm-up",
        wrong="idle_warmup == 1",
        at="0",
        repair=("warmup",),
    ),
    Definition(
        "LR021",
        "more steps than float32 can count",
        "The run has {n:count} updates. From 16,777,216 on, Keras's own schedules "
        "can't tell a step from the next one: they compute in float32.",
        "lrlib's schedules compute in float64: schedule.to_keras() of a formula.",
        "past-the-end",
        note="keras == 1 and n > 16777216",
        at="16777216",
    ),
    Definition(
        "LR022",
        "whether it counts updates or epochs isn't clear",
        "Nothing says whether this schedule is stepped once an update or once an "
        "epoch. It is read as counting {units}.",
        'Say which: unit="update" or unit="epoch".',
        "scheduler-step",
        note="asks == 1",
    ),
    Definition(
        "LR023",
        "a warm-up of most of the run",
        "The warm-up takes {at_high / n:percent} of the run: the rate is at its "
        "highest, {high:rate}, only after {at_high:count} of {n:count} {units}.",
        "Shorten the warm-up; a few percent of the run is usual.",
        "no-warm-up",
        suspicious="at_high > 0.6 * n and at_high < n - 1 and first < 0.5 * high and "
        "turns <= 1 and fall > 0 and restarts == 0",
        at="at_high",
    ),
    Definition(
        "LR024",
        "alpha taken for a rate",
        "alpha={alpha:rate} is a fraction of the highest rate: the floor is "
        "{alpha * high:rate}.",
        "For a floor of {alpha:rate} write alpha={alpha / high:rate}.",
        "alpha",
        note="alpha > 0 and alpha < 0.001",
    ),
    Definition(
        "LR025",
        "a decay that compounds",
        "Each rate is made from the one before and from the epoch, so the factors "
        "multiply: the rate falls from {high:rate} to {last:rate}. The decay that this "
        "looks like would start from the initial rate each time.",
        "Compute it from the initial rate: initial / (1 + d * epoch), or "
        "initial * d ** epoch.",
        "compounding",
        suspicious="compounds == 1",
        at="n - 1",
    ),
    Definition(
        "LR026",
        "one epoch's length where the run counts",
        "A length of {length:count} is one epoch's updates, but the run has "
        "{epochs:count} epochs: {n:count} updates.",
        "Multiply by the epochs: {length * epochs:plain}.",
        "over-early",
        suspicious="counts_one_epoch == 1",
        at="length",
        repair=("length", "length * epochs"),
    ),
    Definition(
        "LR027",
        "a length in updates where epochs count",
        "A length of {length:count} is the run's number of updates, but the schedule "
        "is stepped once an epoch, {n:count} times in all: it ends at {last:rate}.",
        "Step it after every update, or give lengths in epochs: {n:plain}.",
        "scheduler-step",
        wrong="counts_updates == 1",
        at="n - 1",
        repair=("length", "n"),
    ),
    Definition(
        "LR028",
        "hardly changes in this run",
        "From {high:rate} the rate changes by only {(high - low) / high:percent} in "
        "the {n:count} {units} of this run.",
        "If it's made for a longer run, or for another unit, give lengths in {units}.",
        "never-decays",
        suspicious="n > 4 and high > low and high - low < 0.01 * high and low > 0 and "
        "bad == 0 and known_later == 0",
        at="n - 1",
    ),
)


@dataclass(frozen=True)
class Compiled:
    """A definition whose conditions and sentences are trees."""

    definition: Definition
    conditions: list[tuple[str, Any]]
    text: list[Any]
    fix: list[Any]
    at: Any

    @classmethod
    def of(cls, definition: Definition) -> Compiled:
        """Return the trees of a definition."""
        return cls(
            definition,
            [(name, tree(text)) for name, text in definition.severities()],
            sentence(definition.text),
            sentence(definition.fix),
            tree(definition.at) if definition.at else None,
        )


COMPILED = [Compiled.of(each) for each in DEFINITIONS]


def findings(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the findings of a curve with these features, the worst first."""
    found = []
    for each in COMPILED:
        for severity, condition in each.conditions:
            if evaluate(condition, values):
                at = None if each.at is None else int(evaluate(each.at, values))
                found.append(
                    {
                        "code": each.definition.code,
                        "severity": severity,
                        "text": written(each.text, values),
                        "fix": written(each.fix, values),
                        "symptom": each.definition.symptom,
                        "step": at,
                    }
                )
                break
    return sorted(found, key=lambda each: SEVERITIES.index(each["severity"]))


def data() -> list[dict[str, Any]]:
    """Return all definitions as plain lists, for the browser."""
    return [
        {
            "code": each.definition.code,
            "conditions": [list(pair) for pair in each.conditions],
            "text": each.text,
            "fix": each.fix,
            "symptom": each.definition.symptom,
            "at": each.at,
            "repair": [
                tree(x) if i else x for i, x in enumerate(each.definition.repair)
            ],
        }
        for each in COMPILED
    ]
