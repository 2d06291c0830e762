"""Learning-rate schedules as formulas: the module behind the book."""

from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING

import lazy_loader as _lazy
import wrapt as _wrapt

_getattr, _dir, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "digits": ["build_model", "load_digits"],
        "experiments.finder": ["find_learning_rate"],
        "experiments.lab": ["lab"],
        "experiments.race": ["RaceResult", "race"],
        "libraries.reading": ["convert"],
        "schedules.catalogue": ["catalogue"],
        "schedules.composition": ["clip", "cycle", "join", "warmup"],
        "schedules.schedule": ["Schedule", "schedule"],
        "show.explorer": ["explore"],
        "show.plotting": ["plot"],
        "show.sampling": ["sample"],
        "show.simulate": ["simulate"],
        "training.callbacks": ["RecordLearningRate"],
        "training.optimizers": ["current_learning_rate", "effective_learning_rates"],
        "training.plateau": ["Plateau"],
    },
)


def __getattr__(name: str):
    try:
        return _getattr(name)
    except AttributeError:
        # A module of the package is imported by name; all else may be a schedule.
        if name.startswith("_") or _find_spec(f"lrlib.{name}"):
            raise
        from lrlib.schedules.catalogue import catalogue

        if name in catalogue:
            return catalogue[name]
        raise


def __dir__() -> list[str]:
    from lrlib.schedules.catalogue import catalogue

    return [*_dir(), *catalogue]


@_wrapt.when_imported("keras")
def _register(_: object) -> None:
    """Let Keras load saved models whose schedules are lrlib's."""
    import lrlib.libraries.keras
    import lrlib.training.plateau  # noqa: F401


if TYPE_CHECKING:
    from lrlib.digits import build_model as build_model
    from lrlib.digits import load_digits as load_digits
    from lrlib.experiments.finder import find_learning_rate as find_learning_rate
    from lrlib.experiments.lab import lab as lab
    from lrlib.experiments.race import RaceResult as RaceResult
    from lrlib.experiments.race import race as race
    from lrlib.libraries.reading import convert as convert
    from lrlib.schedules.catalogue import *
    from lrlib.schedules.catalogue import catalogue as catalogue
    from lrlib.schedules.composition import clip as clip
    from lrlib.schedules.composition import cycle as cycle
    from lrlib.schedules.composition import join as join
    from lrlib.schedules.composition import warmup as warmup
    from lrlib.schedules.schedule import Schedule as Schedule
    from lrlib.schedules.schedule import schedule as schedule
    from lrlib.show.explorer import explore as explore
    from lrlib.show.plotting import plot as plot
    from lrlib.show.sampling import sample as sample
    from lrlib.show.simulate import simulate as simulate
    from lrlib.training.callbacks import RecordLearningRate as RecordLearningRate
    from lrlib.training.optimizers import current_learning_rate as current_learning_rate
    from lrlib.training.optimizers import (
        effective_learning_rates as effective_learning_rates,
    )
    from lrlib.training.plateau import Plateau as Plateau
