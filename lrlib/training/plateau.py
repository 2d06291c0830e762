"""`Plateau`: a learning rate that also depends on how training goes."""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras.optimizers import schedules

from lrlib.schedules.kinds import Choice, Number, check_whole
from lrlib.training.inside import batches_seen, source
from lrlib.training.optimizers import (
    current_learning_rate,
    is_schedule,
    number,
    unwrap,
    warn_if_idle,
)


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
        return {"schedule": schedule, "scale": number(self.scale)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ScaledSchedule:
        """Return the schedule that `get_config` has written down."""
        schedule = keras.saving.deserialize_keras_object(config["schedule"])
        return cls(schedule, config["scale"])


class _Memory(keras.layers.Layer):
    """The states of the plateaus of a training, as an attribute of its optimizer.

    Keras saves and restores what an optimizer holds along with its variables, in every
    file of weights, if it is of a class of Keras. So the counters come back with them,
    and a schedule's scale, which isn't one of the optimizer's variables.
    """

    def __init__(self) -> None:
        super().__init__()
        self.training: Any = None  # the History of the training they belong to
        self.plateaus: tuple[Plateau, ...] = ()

    def save_own_variables(self, store: Any) -> None:
        """Put the states of all plateaus into a file of weights."""
        for plateau in self.plateaus:
            plateau._just_saved = True
        states = json.dumps([plateau.get_state() for plateau in self.plateaus])
        store["states"] = np.frombuffer(states.encode(), np.uint8)

    def load_own_variables(self, store: Any) -> None:
        """Hand each plateau its state, if the file has one."""
        if "states" not in store.keys():  # noqa: SIM118, not a dict
            return
        states = json.loads(bytes(np.asarray(store["states"])))
        for plateau, state in zip(self.plateaus, states, strict=False):
            plateau._set_scale(state["scale"])
            if not plateau._training:
                plateau._from_weights = state


class Plateau(keras.callbacks.ReduceLROnPlateau):
    """Lower the learning rate when a metric has stopped improving.

    It counts as `keras.callbacks.ReduceLROnPlateau` does, epoch for epoch, takes the
    same arguments, and like it multiplies the rate that it finds, whatever else has set
    that. What it can do beyond that:

    - It also drives a schedule: the rate is schedule(t) × `scale`, and `scale` is what
      is cut. Keras's own raises a TypeError when it first wants to cut.
    - It carries on where an interrupted run stopped. Keras's own starts counting anew.
    - With `greedy` it also raises the rate again while things go well.

    To count as Keras does means: an improvement is one by more than `min_delta`, not by
    a share of the best value (PyTorch); the rate is cut at the end of the `patience`-th
    epoch in a row without one, so `patience=0` is `patience=1`, and PyTorch's
    `patience=p` is p + 1 here; a cooldown of c holds the count still for c - 1 epochs.

    List it before callbacks that save the model, such as `BackupAndRestore` and
    `ModelCheckpoint`: what they save at the end of an epoch then includes its cut, and
    a run that `BackupAndRestore` resumes goes on as if it hadn't stopped.

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
        max_scale: `greedy` raises `scale` up to this number.
        backup_dir: the directory that `keras.callbacks.BackupAndRestore` is given.
            The state is written there after every epoch, and read when a run goes on
            from there, so that the two may stand in any order.

    Attributes:
        scale: of a schedule, what it is multiplied by now; of a number, the product of
            the changes that this callback has made since training began.

    Raises:
        TypeError, ValueError: an argument that is not what is said above; in training,
            TypeError for a `MultiOptimizer`, and for a rate that is a function.

    Warns:
        UserWarning: in training, if the weights were saved just before a cut; if a
            schedule's optimizer has made updates that were loaded from a file of
            weights, which lacks the cuts; or if the optimizer made no update in an
            epoch, as when `train_step` uses others.

    Notes:
        The optimizer's schedule becomes a `ScaledSchedule` of it, and remains one after
        training; models that are saved with it can be loaded wherever lrlib has been
        imported. A rate that is a number stays one. Weights that you load yourself
        bring back a number that was cut, not a schedule's scale, and no counters:
        carry those over by `get_state` and `set_state`.

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
        self._given: dict[str, Any] | None = None  # by set_state
        self._from_weights: dict[str, Any] | None = None
        self._training = self._just_saved = False
        self._before: int | None = None
        self._scale, self.streak = 1.0, 0  # improvements in a row

    # Its state

    @property
    def scale(self) -> float:
        """What the rate is multiplied by."""
        scaled = self._scaled()
        return number(scaled.scale) if scaled else self._scale

    def _set_scale(self, scale: float) -> None:
        self._scale = scale
        scaled = self._scaled()
        if scaled:
            scaled.scale.assign(scale)
            if keras.backend.backend() == "jax":
                # JAX has compiled the last one into the training step, as a constant.
                self.model.make_train_function(force=True)

    def _scaled(self) -> ScaledSchedule | None:
        """Return the optimizer's schedule, once training has begun with one."""
        optimizer = getattr(self.model, "optimizer", None)
        if not isinstance(optimizer, keras.optimizers.Optimizer):
            return None
        rate = source(unwrap(optimizer))
        return rate if isinstance(rate, ScaledSchedule) else None

    def get_state(self) -> dict[str, Any]:
        """Return what a resumed run needs to go on as if it had not stopped.

        Numbers and None by name: it can be written as JSON.
        """
        optimizer = getattr(self.model, "optimizer", None)
        return {
            "rate": optimizer and number(unwrap(optimizer).learning_rate),
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
        if (
            not isinstance(state, dict)
            or not {"scale", "best", "wait", "cooldown_counter", "streak"} <= set(state)
            or not all(v is None or isinstance(v, int | float) for v in state.values())
        ):
            raise ValueError(f"state must be what get_state returned, got {state!r}")
        self._given = dict(state)

    def _restore(self, state: dict[str, Any]) -> None:
        self.best, self.wait = state["best"], state["wait"]
        self.cooldown_counter, self.streak = state["cooldown_counter"], state["streak"]
        self._set_scale(state["scale"])

    def _restore_rate(self, state: dict[str, Any]) -> None:
        optimizer = unwrap(self.model.optimizer)
        # Before it kept the rate, lrlib kept what the scale was to be multiplied by.
        rate = state.get("rate") or state.get("base", 0.0) * state["scale"]
        if rate and not is_schedule(source(optimizer)):
            optimizer.learning_rate = rate

    # What Keras calls

    def set_model(self, model: Any) -> None:
        """Put scale and memory into the optimizer, before any callback restores it."""
        super().set_model(model)
        if not isinstance(model.optimizer, keras.optimizers.Optimizer):
            return
        optimizer = unwrap(model.optimizer)
        rate = source(optimizer)
        self._scale = 1.0
        if is_schedule(rate) and not isinstance(rate, ScaledSchedule):
            compiled = getattr(model, "train_function", None) is not None
            if batches_seen(optimizer) and not compiled and not self._given:
                warnings.warn(
                    "the optimizer has made updates by a schedule that Plateau hasn't "
                    "scaled. If you loaded the weights of a run with Plateau, its cuts "
                    "are not among them: carry them over by get_state and set_state, "
                    "or save the whole model",
                    stacklevel=2,
                )
            optimizer.learning_rate = ScaledSchedule(rate)
            # A step that is compiled already would go on with the schedule alone.
            model.make_train_function(force=True)
        memory = getattr(optimizer, "plateau_memory", None)
        if memory is None:
            memory = optimizer.plateau_memory = _Memory()
        training = getattr(model, "history", None)
        if memory.training is not training:
            memory.training, memory.plateaus = training, ()
        memory.plateaus = (*(p for p in memory.plateaus if p is not self), self)

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to count."""
        super().on_train_begin(logs)
        self.streak = 0
        optimizer = unwrap(self.model.optimizer)
        if callable(source(optimizer)) and not self._scaled():
            raise TypeError(
                "Plateau needs a learning_rate that is a number or a schedule, got "
                f"the function {source(optimizer)!r}"
            )
        if self._given:
            self._restore_rate(self._given)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go on where the state was saved, and nowhere else."""
        # Only now does the optimizer have its weights back from BackupAndRestore,
        # and only now is it known whether this is the run that the file is of.
        if not self._training:
            self._training = True
            backup = None
            if self._backup and self._backup.exists():
                backup = json.loads(self._backup.read_text())
            if self._given or (backup and backup["epoch"] != epoch):
                backup = None
            if backup:
                self._restore_rate(backup)
            state = self._given or backup or self._from_weights
            if state:
                self._restore(state)
            self._given = self._from_weights = None
        self._before = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Note where the epoch begins, and that what has been saved is old."""
        self._just_saved = False
        if self._before is None:
            self._before = batches_seen(unwrap(self.model.optimizer))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Count, and cut or raise the rate."""
        before = self.best
        super().on_epoch_end(epoch, logs)
        # NaN differs from itself, but the same NaN is the same object.
        improved = before is not None and self.best is not before
        self.streak = self.streak + 1 if improved else 0
        if self.greedy and self.streak >= max(self.patience, 1):
            self._multiply(min(1 / self.factor, self.max_scale / self.scale), epoch)
            self.streak = 0
        warn_if_idle(self, self._before)
        if self._backup:
            self._backup.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"epoch": epoch + 1, **self.get_state()})
            unfinished = self._backup.with_suffix(".tmp")
            unfinished.write_text(text)
            unfinished.replace(self._backup)  # whole or not at all

    def on_train_end(self, logs: Any = None) -> None:
        """Leave no state behind, unless BackupAndRestore does."""
        self._training = False
        if self._backup and not (self._backup.parent / "latest.weights.h5").exists():
            self._backup.unlink(missing_ok=True)

    # The rate

    def _reduce_optimizer_lr(self, optimizer: Any, epoch: int, name: str = "") -> bool:
        rate = current_learning_rate(optimizer)
        # A schedule times a scale reaches the bound to within rounding.
        if rate <= np.float32(self.min_lr) * (1 + 1e-6):
            return False
        if self._just_saved and not self._backup:
            warnings.warn(
                "the weights were saved just before Plateau cut the rate, so a run "
                "that is restored from them lacks the cut. List Plateau before "
                "callbacks that save, or give it BackupAndRestore's backup_dir",
                stacklevel=2,
            )
        self._multiply(max(self.factor, self.min_lr / rate), epoch)
        return True

    def _multiply(self, by: float, epoch: int) -> None:
        if math.isclose(by, 1, rel_tol=1e-6):
            return
        scale, optimizer = self.scale * by, unwrap(self.model.optimizer)
        self._set_scale(scale)
        if not self._scaled():
            optimizer.learning_rate = number(optimizer.learning_rate) * by
        if self.verbose:
            print(f"\nEpoch {epoch + 1}: Plateau sets the scale to {scale:.4g}.")
