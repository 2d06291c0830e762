"""`Plateau`: a learning rate that also depends on how training goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
from keras.optimizers import schedules

from lrlib.schedules.kinds import Choice, Number, check_whole
from lrlib.training.optimizers import unwrap


@keras.saving.register_keras_serializable(package="lrlib")
class ScaledSchedule(schedules.LearningRateSchedule):
    """A Keras schedule times a number that may be changed between updates.

    Args:
        schedule: a Keras `LearningRateSchedule`.
        scale: the number to begin with.

    Attributes:
        scale: the number, a `keras.Variable`.

    >>> s = ScaledSchedule(schedules.PolynomialDecay(0.5, 4, 0.0))
    >>> _ = s.scale.assign(0.5)
    >>> float(s(2))
    0.125

    """

    def __init__(
        self, schedule: schedules.LearningRateSchedule, scale: float = 1.0
    ) -> None:
        self.schedule = schedule
        self.scale = keras.Variable(scale, trainable=False, name="scale")

    def __call__(self, step: Any) -> Any:
        """Return the rate at `step`."""
        rate = self.schedule(step)
        return rate * keras.ops.cast(self.scale, rate.dtype)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` needs."""
        schedule = keras.saving.serialize_keras_object(self.schedule)
        return {"schedule": schedule, "scale": float(self.scale)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ScaledSchedule:
        """Return the schedule that `get_config` has written down."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["scale"])


class Plateau(keras.callbacks.ReduceLROnPlateau):
    """Lower the learning rate when a metric has stopped improving.

    It counts as `keras.callbacks.ReduceLROnPlateau` does, epoch for epoch, and takes
    the same arguments. What it can do beyond that:

    - It also drives a schedule: the rate is schedule(t) × `scale`, and `scale` is what
      is cut. Keras' own raises a TypeError when it first wants to cut.
    - It carries on where an interrupted run stopped. Keras' own starts to count anew.
    - With `greedy` it also raises the rate again while things go well.

    To count as Keras does means: an improvement is one by more than `min_delta`, not by
    a share of the best value (PyTorch); the rate is cut at the end of the `patience`-th
    epoch in a row without one, so `patience=0` is `patience=1`, and PyTorch's
    `patience=p` is p + 1 here; a cooldown of c holds the count still for c - 1 epochs.

    Args:
        monitor: the metric, one of the names in the epoch's logs.
        factor: what the rate is multiplied by, in (0, 1).
        patience: after how many epochs without an improvement.
        verbose: 1 to print a line for each change.
        mode: "min", "max", or "auto": what the metric itself says is better.
        min_delta: what counts as an improvement, at least 0.
        cooldown: epochs after a cut that are not counted.
        min_lr: no cut goes below this rate.
        greedy: also divide by `factor` after `patience` improvements in a row.
        max_scale: `greedy` goes up to so many times the schedule, or the number, that
            training began with.
        backup_dir: the directory that `keras.callbacks.BackupAndRestore` is given.
            The state is written there after every epoch, and read when a run goes on
            from there. Without it, carry the state over by `get_state` and `set_state`.

    Attributes:
        scale: what the rate is multiplied by now, since the beginning of training.

    Raises:
        TypeError, ValueError: an argument that is not what is said above; in training,
            TypeError for a `MultiOptimizer`.

    Notes:
        The optimizer's schedule becomes a `ScaledSchedule` of it, and remains one after
        training; models that are saved with it can be loaded wherever lrlib has been
        imported. A rate that is a number stays one.

    >>> import keras
    >>> import lrlib
    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(lrlib.linear(1e-9, 8).to_keras()), "mse")
    >>> x = np.ones([2, 1])
    >>> plateau = lrlib.Plateau("loss", factor=0.5, patience=2)
    >>> _ = model.fit(x, x, epochs=6, callbacks=[plateau], verbose=0)
    >>> plateau.scale
    0.25
    >>> f"{float(model.optimizer.learning_rate):.3g}"  # 1e-9 × 2/8 × 0.25
    '6.25e-11'

    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        *,
        greedy: bool = False,
        max_scale: float = 1.0,
        backup_dir: str | Path | None = None,
    ) -> None:
        if not isinstance(monitor, str):
            raise TypeError(f"monitor must be the name of a metric, got {monitor!r}")
        share = Number((0, 1), low=0, high=1, above=True, below=True)
        at_least_0 = Number((0, 1), low=0)
        super().__init__(
            monitor,
            factor=share.check("factor", factor),
            patience=check_whole("patience", patience, low=0),
            verbose=check_whole("verbose", verbose, low=0),
            mode=str(Choice(("auto", "min", "max")).check("mode", mode)),
            min_delta=at_least_0.check("min_delta", min_delta),
            cooldown=check_whole("cooldown", cooldown, low=0),
            min_lr=at_least_0.check("min_lr", min_lr),
        )
        self.greedy = bool(Choice((False, True)).check("greedy", greedy))
        self.max_scale = Number((1, 10), low=1).check("max_scale", max_scale)
        if not isinstance(backup_dir, str | Path | None):
            raise TypeError(f"backup_dir must be a path, got {backup_dir!r}")
        self._backup = Path(backup_dir) / "plateau.json" if backup_dir else None
        self._saved: dict[str, Any] | None = None
        self._reset()
        self._base, self.scale = 0.0, 1.0

    def _reset(self) -> None:
        super()._reset()
        self.streak = 0  # improvements in a row

    # Its state

    def get_state(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on as if it had not stopped.

        Numbers and None by name: it can be written as JSON.
        """
        return {
            "base": self._base,
            "scale": self.scale,
            "best": None if self.best is None else float(self.best),
            "wait": self.wait,
            "cooldown_counter": self.cooldown_counter,
            "streak": self.streak,
        }

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` has returned, from the next training on.

        Args:
            state: what `get_state` has returned.

        Raises:
            ValueError: it is something else.

        """
        if not isinstance(state, dict) or not self.get_state().keys() <= state.keys():
            raise ValueError(f"state must be what get_state returned, got {state!r}")
        self._saved = dict(state)

    def _restore(self, state: dict[str, Any]) -> None:
        self._base, self.best = state["base"], state["best"]
        self.wait, self.streak = state["wait"], state["streak"]
        self.cooldown_counter = state["cooldown_counter"]
        self._rescale(state["scale"])

    # What Keras calls

    def on_train_begin(self, logs: Any = None) -> None:
        """Put the scale into the optimizer."""
        super().on_train_begin(logs)
        optimizer = unwrap(self.model.optimizer)
        rate = optimizer._learning_rate
        if isinstance(rate, ScaledSchedule):
            self.scale = float(rate.scale)
        elif isinstance(rate, schedules.LearningRateSchedule):
            self.scale = 1.0
            optimizer.learning_rate = ScaledSchedule(rate)
            # A step that is compiled already would go on with the schedule alone.
            self.model.make_train_function(force=True)
        else:
            self._base, self.scale = float(optimizer.learning_rate), 1.0
        if self._saved is None and self._backup and self._backup.exists():
            self._saved = json.loads(self._backup.read_text())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go on where the state was written, and nowhere else."""
        # Only now does the optimizer have its weights back from BackupAndRestore,
        # and only now is it known whether this is the run that the file is of.
        if self._saved and self._saved.get("epoch", epoch) == epoch:
            self._restore(self._saved)
        self._saved = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count, and cut or raise the rate."""
        before = self.best
        super().on_epoch_end(epoch, logs)
        improved = before is not None and self.best != before
        self.streak = self.streak + 1 if improved else 0
        if self.greedy and self.streak >= max(self.patience, 1):
            self._change(min(self.scale / self.factor, self.max_scale), epoch)
            self.streak = 0
        if self._backup:
            self._backup.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"epoch": epoch + 1, **self.get_state()})
            unfinished = self._backup.with_suffix(".tmp")
            unfinished.write_text(text)
            unfinished.replace(self._backup)  # whole or not at all

    def on_train_end(self, logs: Any = None) -> None:
        """Leave no state behind, unless BackupAndRestore does."""
        if self._backup and not (self._backup.parent / "latest.weights.h5").exists():
            self._backup.unlink(missing_ok=True)

    # The rate

    def _reduce_optimizer_lr(self, optimizer: Any, epoch: int, name: str = "") -> bool:
        rate = float(unwrap(optimizer).learning_rate)
        if rate <= self.min_lr:
            return False
        self._change(self.scale * max(self.factor, self.min_lr / rate), epoch)
        return True

    def _change(self, scale: float, epoch: int) -> None:
        if self.verbose and scale != self.scale:
            print(f"\nEpoch {epoch + 1}: Plateau sets the scale to {scale:.4g}.")
        self._rescale(scale)

    def _rescale(self, scale: float) -> None:
        self.scale = scale
        optimizer = unwrap(self.model.optimizer)
        if isinstance(optimizer._learning_rate, ScaledSchedule):
            optimizer._learning_rate.scale.assign(scale)
        else:
            optimizer.learning_rate = self._base * scale
