"""What `check` says of a setup: the sentences of its findings, by their codes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """A finding about a setup: what it is called, says and leads to."""

    title: str
    severities: tuple[str, ...]
    symptom: str
    text: str
    fix: str


ABOUT: dict[str, About] = {
    "LR101": About(
        "the optimizer isn't the one that was built",
        ("suspicious", "note"),
        "string-optimizer",
        "The model trains with {kind} and all its default settings, at a rate of "
        "{rate}, as compile(optimizer={string!r}) makes it{other}.",
        "Pass the optimizer itself: compile(optimizer={name}).",
    ),
    "LR102": About(
        "fit has compiled another rate",
        ("wrong",),
        "swapped-schedule",
        "fit has compiled its training step with another {what}, and keeps it: the one "
        "that the optimizer has now is ignored.",
        "Call model.compile(...) again after you change it.",
    ),
    "LR103": About(
        "optimizer.lr was set",
        ("wrong",),
        "lr-assigned",
        "{what} optimizer.lr{to}, which Keras 3 ignores: the rate is {rate}.",
        "Set optimizer.learning_rate.",
    ),
    "LR104": About(
        "a schedule and a callback that sets the rate",
        ("wrong", "suspicious"),
        "not-settable",
        "The optimizer has a schedule, whose rate {callback} can't set: fit raises a "
        "TypeError {when}.",
        "Keep one of them, or use lrlib.Plateau, which works with a schedule.",
    ),
    "LR105": About(
        "two callbacks that overwrite each other",
        ("wrong", "suspicious"),
        "cut-overwritten",
        "{first} sets the rate at the beginning of every epoch, so what {second} has "
        "set is gone by then.",
        "Keep one of them, or let the function change the rate that it is given.",
    ),
    "LR106": About(
        "early stopping comes before the plateau's cut",
        ("suspicious",),
        "early-stopping",
        "EarlyStopping waits {stops} epochs without an improvement and {callback} "
        "waits {patience}: training is over before the rate is cut.",
        "Give EarlyStopping two or three times the patience of {callback}.",
    ),
    "LR107": About(
        "a metric that fit won't log",
        ("wrong",),
        "val-loss-missing",
        "{callback} monitors {monitor!r}, which fit won't log, {so}: fit logs "
        "{logged}.",
        "{advice}",
    ),
    "LR108": About(
        "gradient accumulation: the schedule counts batches",
        ("wrong", "note"),
        "accumulation",
        "With gradient_accumulation_steps={every} the schedule counts every batch, "
        "{batches} in this run, and not its {updates} updates{so}.",
        "Give lengths in batches: multiply them by {every}.",
    ),
    "LR109": About(
        "steps_per_execution and callbacks of each batch",
        ("suspicious",),
        "steps-per-execution",
        "With steps_per_execution={every}, {callback} is called around every "
        "{every} updates, not around each.",
        "Use a schedule for a rate that changes with every update.",
    ),
    "LR110": About(
        "the optimizer has counted before",
        ("suspicious", "note"),
        "reset-iterations",
        "The optimizer has seen {count} batches, so the schedule goes on from there: "
        "this run begins at a rate of {rate}.",
        "For a new run, compile with a new optimizer, or call "
        "optimizer.iterations.assign(0).",
    ),
    "LR111": About(
        "a resumed run whose count is 0, or far behind",
        ("wrong", "suspicious"),
        "initial-epoch",
        "initial_epoch={epoch} doesn't move the schedule: the optimizer's count is "
        "{count}, so the rate starts at {rate}.",
        "Restore the optimizer as well: load_model, or BackupAndRestore.",
    ),
    "LR112": About(
        "weight decay ends with the rate",
        ("note",),
        "weight-decay-fades",
        "weight_decay={decay} is multiplied by the rate, so it fades with it, to "
        "{share} of what it was.",
        "That's what most recipes mean.",
    ),
    "LR113": About(
        "several optimizers in one",
        ("suspicious", "note"),
        "multioptimizer-alike",
        "The optimizer is a MultiOptimizer, and its parts have rates of their own; "
        "this report is about {name}, where it found most{so}.",
        "Check each of optimizer.optimizers, and give each its schedule.",
    ),
    "LR114": About(
        "a loss scale: skipped updates don't count",
        ("note",),
        "skipped-updates",
        "The optimizer scales the loss, and an update that it skips after an overflow "
        "doesn't advance the schedule.",
        "A few skipped updates at the beginning are normal.",
    ),
    "LR115": About(
        "a rate that counts its own calls",
        ("wrong", "suspicious"),
        "frozen",
        "{name} keeps a state or draws random numbers: {so}.",
        "Compute the rate from the step alone.",
    ),
    "LR116": About(
        "a function that can't be copied",
        ("suspicious",),
        "frozen",
        "{name} has a state that can't be copied ({why}), so it wasn't called: it "
        "would have changed what you train with.",
        "Compute the rate from the step alone.",
    ),
    "LR117": About(
        "a schedule that can't be saved",
        ("note",),
        "get-config",
        "{name} has no get_config, so a model with it can't be saved.",
        "Add get_config and register the class.",
    ),
    "LR118": About(
        "a floor above the rate",
        ("wrong",),
        "plateau-never",
        "{callback} has min_lr={floor}, and the rate is {rate}: it never cuts.",
        "Give a min_lr far below the rate.",
    ),
    "LR119": About(
        "a patience longer than the run",
        ("suspicious",),
        "plateau-never",
        "{callback} can cut at the end of epoch {earliest} at the earliest, and the "
        "run has {epochs}.",
        "Give a smaller patience.",
    ),
    "LR120": About(
        "a function that returns no float",
        ("wrong",),
        "schedule-output",
        "{name} returns {value}, where LearningRateScheduler takes only a float: fit "
        "raises a ValueError.",
        "Return float(...) in every case.",
    ),
    "LR121": About(
        "fit can't compute the rate",
        ("wrong",),
        "symbolic-bool",
        "{name} fails where fit calls it: {error}",
        "{advice}",
    ),
    "LR122": About(
        "a staircase or a restart that comes late",
        ("note",),
        "staircase-late",
        "Compiled, Keras's {name} jumps one update late, for the first time at {step}.",
        "lrlib.step and lrlib.cosine_restarts, made by to_keras(), jump at the very "
        "step.",
    ),
    "LR123": About(
        "nothing to train",
        ("wrong",),
        "initial-epoch",
        "initial_epoch={epoch} isn't below epochs={epochs}, so fit returns at once.",
        "epochs is the number of the last epoch, not how many to add.",
    ),
    "LR124": About(
        "a string in place of the optimizer",
        ("wrong",),
        "string-optimizer",
        "compile(optimizer={string!r}) makes a new optimizer with default settings: "
        "the one that the text builds is never used.",
        "Pass the optimizer itself.",
    ),
    "LR125": About(
        "a function as the rate",
        ("suspicious", "note"),
        "frozen",
        "{name} is called once, when fit compiles its training step, and the rate "
        "stays what it was then.",
        "For a rate that changes, use a schedule.",
    ),
    "LR126": About(
        "an optimizer that gets no weights",
        ("suspicious",),
        "multioptimizer-key",
        "In the MultiOptimizer, {name} trains nothing: its key matches none of the "
        "model's weights, which are called {paths}, for example.",
        "Write a key that matches the whole path, such as '.*{layer}/.*'.",
    ),
    "LR127": About(
        "a metric watched in the wrong direction",
        ("wrong",),
        "plateau-improving",
        "{callback} has mode={mode!r} and watches {monitor!r}, which is better the "
        "{better} it is: {so}.",
        "Set mode={right!r}, or leave it out.",
    ),
    "LR201": About(
        "an unusual size",
        ("note",),
        "adam-rate",
        "A rate of {rate} is {factor} times {side} what {kind} usually works with "
        "({source}).",
        "Sweep the rate: lrlib.find_learning_rate.",
    ),
}
