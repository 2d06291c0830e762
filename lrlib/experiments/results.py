"""`RaceResult`: what a race has measured, and what the numbers support."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrlib.schedules.kinds import check_whole

if TYPE_CHECKING:
    import pandas as pd

#: What `compare` and `plot` can look at, and whether more of it is better.
METRICS = {"loss": False, "test_loss": False, "test_accuracy": True}

VERSION = 1


@dataclass
class Run:
    """What one run of a race has measured.

    Attributes:
        loss, rates: of each update up to the one at which it diverged, `(steps,)`.
        test_loss, test_accuracy: after each epoch, `(epochs,)`.
        diverged: as in `RaceResult`.

    """

    loss: np.ndarray
    rates: np.ndarray
    test_loss: np.ndarray
    test_accuracy: np.ndarray
    diverged: int


@dataclass(eq=False)
class RaceResult:
    """What `race` has measured.

    Attributes:
        names: the entries, in order.
        seeds: the seeds, in order.
        epochs, batch_size, steps_per_epoch: what each run did.
        loss: the loss of each batch, before its update, of shape
            `(entries, seeds, steps)`; NaN after a run has diverged.
        rates: the learning rate of each update, of shape `(entries, steps)`.
        test_loss: the loss on the test data after each epoch, of shape
            `(entries, seeds, epochs)`; infinite once a run has diverged.
        test_accuracy: the share of the test data that is classified correctly after
            each epoch, of the same shape; 0 once a run has diverged.
        finished: which runs there are, `(entries, seeds)`. The others are NaN.
        diverged: the first update whose loss was no longer finite, or the last of the
            first epoch after which the test loss no longer was, `(entries, seeds)`;
            -1 if there is none.
        errors: `(name, seed)` → what went wrong, for runs that failed.

    >>> import keras, lrlib
    >>> import numpy as np
    >>> x, y = np.eye(4, dtype="float32"), np.arange(4)
    >>> def linear_model():
    ...     return keras.Sequential([keras.Input((4,)), keras.layers.Dense(4)])
    >>> result = lrlib.race(
    ...     {
    ...         "slow": lambda: keras.optimizers.SGD(0.001),
    ...         "fast": lambda: keras.optimizers.SGD(1.0),
    ...     },
    ...     seeds=2, epochs=5, batch_size=2,
    ...     model=linear_model, data=((x, y), (x, y)), progress=False,
    ... )
    >>> result["fast"]["rates"].tolist() == [1.0] * 10
    True
    >>> result.compare("fast", "slow", "test_loss").mean < 0
    True

    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    epochs: int
    batch_size: int
    steps_per_epoch: int
    errors: dict[tuple[str, int], str] = field(default_factory=dict)
    loss: np.ndarray = field(init=False, repr=False)
    rates: np.ndarray = field(init=False, repr=False)
    test_loss: np.ndarray = field(init=False, repr=False)
    test_accuracy: np.ndarray = field(init=False, repr=False)
    finished: np.ndarray = field(init=False, repr=False)
    diverged: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "steps_per_epoch"):
            check_whole(name, getattr(self, name), low=1)
        runs = (len(self.names), len(self.seeds))
        steps = self.epochs * self.steps_per_epoch
        self.loss = np.full((*runs, steps), np.nan, np.float32)
        self.rates = np.full((runs[0], steps), np.nan, np.float32)
        self.test_loss = np.full((*runs, self.epochs), np.nan, np.float32)
        self.test_accuracy = np.full((*runs, self.epochs), np.nan, np.float32)
        self.finished = np.zeros(runs, bool)
        self.diverged = np.full(runs, -1)

    def _add(self, name: str, seed: int, outcome: Run | str) -> None:
        i, j = self.names.index(name), self.seeds.index(seed)
        if isinstance(outcome, str):
            self.errors[name, seed] = outcome
            return
        done = len(outcome.loss)
        self.loss[i, j, :done] = outcome.loss
        if done > np.isfinite(self.rates[i]).sum():  # all seeds have the same rates
            self.rates[i, :done] = outcome.rates
        self.test_loss[i, j] = outcome.test_loss
        self.test_accuracy[i, j] = outcome.test_accuracy
        self.finished[i, j] = True
        self.diverged[i, j] = outcome.diverged

    def _index(self, name: str) -> int:
        if name not in self.names:
            raise KeyError(f"no entry {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)

    def __getitem__(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of one entry, by their names."""
        i = self._index(name)
        arrays = ("loss", "rates", "test_loss", "test_accuracy", "finished", "diverged")
        return {key: getattr(self, key)[i] for key in arrays}

    def _per_epoch(self, metric: str) -> np.ndarray:
        """Return a metric per epoch, `(entries, seeds, epochs)`."""
        if not isinstance(metric, str):
            raise TypeError(f"metric must be a string, got {metric!r}")
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}: {metric!r}")
        if metric != "loss":
            return np.asarray(getattr(self, metric))
        shape = (len(self.names), len(self.seeds), self.epochs, self.steps_per_epoch)
        means = self.loss.reshape(shape).mean(axis=-1)
        return np.where(self.finished[..., None] & np.isnan(means), np.inf, means)

    def table(self) -> pd.DataFrame:
        """Return one row per entry, as it stands after the last epoch.

        Accuracies and losses are rounded to three decimals. `loss` is the training
        loss of the last epoch, dropout and all.
        """
        import pandas as pd

        last = {m: self._per_epoch(m)[..., -1].astype(float) for m in METRICS}
        rows = []
        for i in range(len(self.names)):
            done = self.finished[i]
            accuracy = last["test_accuracy"][i, done]
            rows.append(
                {
                    "test accuracy": np.median(accuracy) if done.any() else np.nan,
                    "lowest": accuracy.min(initial=1) if done.any() else np.nan,
                    "highest": accuracy.max(initial=0) if done.any() else np.nan,
                    "test loss": np.median(last["test_loss"][i, done])
                    if done.any()
                    else np.nan,
                    "loss": np.median(last["loss"][i, done]) if done.any() else np.nan,
                    "runs": int(done.sum()),
                    "diverged": int((self.diverged[i] >= 0).sum()),
                }
            )
        return pd.DataFrame(rows, index=list(self.names)).round(3)

    def compare(
        self, a: str, b: str, metric: str = "test_accuracy", epoch: int = -1
    ) -> Comparison:
        """Return the difference a − b, paired over seeds, with its 95 % interval.

        Args:
            a: the name of an entry.
            b: the name of another.
            metric: `"test_accuracy"`, `"test_loss"` or `"loss"`, the training loss.
            epoch: after which epoch; the last one by default.

        Raises:
            KeyError: there is no such entry.
            TypeError, ValueError: there is no such metric or epoch, or fewer than two
                seeds have finished both.

        """
        i, j = self._index(a), self._index(b)
        epoch = check_whole("epoch", epoch, low=-self.epochs)
        if epoch >= self.epochs:
            raise ValueError(f"epoch must be less than {self.epochs}, got {epoch}")
        both = self.finished[i] & self.finished[j]
        if both.sum() < 2:
            raise ValueError(
                f"comparing {a!r} with {b!r} needs two seeds or more that finished "
                f"both, there are {both.sum()}"
            )
        values = self._per_epoch(metric).astype(np.float64)[..., epoch]
        with np.errstate(invalid="ignore"):  # two infinite losses
            differences = values[i, both] - values[j, both]
        return Comparison(a, b, metric, differences)

    def plot(self, metric: str = "loss", *, names: Iterable[str] | None = None) -> Any:
        """Draw the rates, and beside them a metric: its median and range over seeds.

        Args:
            metric: `"loss"`, `"test_loss"` or `"test_accuracy"`.
            names: which entries. Default: all.

        Returns:
            The two Matplotlib `Axes`.

        Raises:
            KeyError: there is no such entry.
            TypeError, ValueError: there is no such metric; `names` isn't a list.

        """
        import matplotlib.pyplot as plt

        values = self._per_epoch(metric)
        if not isinstance(names, Iterable | None) or isinstance(names, str):
            raise TypeError(f"names must be a list of entries, got {names!r}")
        indices = [self._index(name) for name in (names or self.names)]
        with plt.style.context("lrlib.book"):
            figure, axes = plt.subplots(1, 2)
            epoch = np.arange(self.rates.shape[1]) / self.steps_per_epoch
            after = np.arange(1, self.epochs + 1)
            for i in indices:
                axes[0].plot(epoch, self.rates[i], label=self.names[i])
                done = values[i, self.finished[i]]
                if not len(done):
                    axes[1].plot([], [])
                    continue
                done = np.where(np.isfinite(done), done, np.nan)
                (line,) = axes[1].plot(after, np.median(done, axis=0), marker=".")
                axes[1].fill_between(
                    after,
                    done.min(axis=0),
                    done.max(axis=0),
                    color=line.get_color(),
                    alpha=0.2,
                    linewidth=0,
                )
            axes[0].set(xlabel="epoch", ylabel="learning rate", ylim=(0, None))
            axes[1].set(xlabel="epoch", ylabel=metric.replace("_", " "))
            axes[1].xaxis.get_major_locator().set_params(integer=True)
            if metric == "loss":
                axes[1].set_ylabel("training loss")
            figure.legend(loc="outside right upper")
        return axes

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a file, whole or not at all."""
        meta = {
            "version": VERSION,
            "names": self.names,
            "seeds": self.seeds,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "steps_per_epoch": self.steps_per_epoch,
            "errors": [[*key, text] for key, text in self.errors.items()],
        }
        target = Path(path)
        partial = target.with_name(target.name + ".partial")
        with open(partial, "wb") as file:
            np.savez_compressed(file, meta=json.dumps(meta), **self._arrays())
        os.replace(partial, target)

    def _arrays(self) -> dict[str, Any]:
        return {
            key: value
            for key, value in vars(self).items()
            if isinstance(value, np.ndarray)
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> RaceResult:
        """Read what `save` has written.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is damaged, or another version of lrlib wrote it.

        """
        try:
            # NumPy leaves a damaged file open that it has opened itself.
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                content = {key: arrays[key] for key in arrays.files}
            meta = json.loads(str(content.pop("meta")))
            version = meta.pop("version")
        except FileNotFoundError:
            raise
        except (
            OSError,
            ValueError,
            KeyError,
            EOFError,
            AttributeError,
            TypeError,
            zipfile.BadZipFile,
            zlib.error,
            NotImplementedError,
        ) as error:
            raise ValueError(f"{path} is damaged or holds no race: {error}") from error
        if version != VERSION:
            raise ValueError(
                f"{path} was written by another version of lrlib: format {version}, "
                f"this one reads {VERSION}"
            )
        errors = {(name, seed): text for name, seed, text in meta.pop("errors")}
        meta["names"], meta["seeds"] = tuple(meta["names"]), tuple(meta["seeds"])
        result = cls(**meta, errors=errors)
        for key, blank in result._arrays().items():
            if key not in content or content[key].shape != blank.shape:
                raise ValueError(f"{path} is damaged: its {key} does not fit")
            setattr(result, key, content[key])
        return result


@dataclass(frozen=True, eq=False)
class Comparison:
    """The difference between two entries, paired over seeds.

    Attributes:
        a, b: the names of the entries.
        metric: what is compared.
        differences: a − b for each seed.

    """

    a: str
    b: str
    metric: str
    differences: np.ndarray

    @property
    def mean(self) -> float:
        """The mean difference."""
        return float(np.mean(self.differences))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval of the mean, by Student's t.

        Unbounded where a run has diverged and its loss is infinite.
        """
        n = len(self.differences)
        if not np.isfinite(self.differences).all():
            return -np.inf, np.inf
        error = np.std(self.differences, ddof=1) / np.sqrt(n)
        half = float(_t_quantile(n - 1) * error)
        return self.mean - half, self.mean + half

    @property
    def better(self) -> str | None:
        """The name of the better entry; None if the interval reaches 0."""
        low, high = self.interval
        if low <= 0 <= high:
            return None
        return self.a if (low > 0) == METRICS[self.metric] else self.b

    def __repr__(self) -> str:
        scale, unit = (100, " points") if self.metric == "test_accuracy" else (1, "")
        digits = 2 if scale == 100 else 4
        mean, low, high = (
            f"{scale * value:+.{digits}f}" for value in (self.mean, *self.interval)
        )
        verdict = f"{self.better} is better" if self.better else "no difference shown"
        return (
            f"{self.a} − {self.b}, {self.metric.replace('_', ' ')}: {mean}{unit}, "
            f"95 % interval {low} to {high}, {len(self.differences)} seeds: {verdict}"
        )


def _t_quantile(freedom: int) -> float:
    """Return what Student's t exceeds in either direction with a chance of 5 %."""
    from mpmath import mp

    def excess(t: Any) -> Any:
        x = freedom / (freedom + t**2)
        return mp.betainc(freedom / 2, 0.5, 0, x, regularized=True) - 0.05

    return float(mp.findroot(excess, (1.9, 13), solver="anderson"))
