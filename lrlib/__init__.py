"""Learning-rate schedules as formulas: the module behind the book."""

from importlib import import_module as _import_module
from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING
from typing import Any as _Any

import lazy_loader as _lazy
import wrapt as _wrapt

_getattr, _dir, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "digits": ["load_digits"],
        "experiments.finder": ["find_learning_rate"],
        "experiments.lab": ["lab"],
        "experiments.network": ["build_convnet", "build_model", "build_transformer"],
        "experiments.race": ["race"],
        "experiments.results": ["RaceResult"],
        "libraries.reading": ["convert"],
        "schedules.catalogue": ["catalogue"],
        "schedules.composition": ["clip", "cycle", "join", "warmup"],
        "schedules.schedule": ["Schedule", "schedule"],
        "shakespeare": ["load_shakespeare"],
        "show.check": ["check"],
        "show.explorer": ["explore"],
        "show.plotting": ["plot"],
        "show.sampling": ["sample"],
        "show.simulate": ["simulate"],
        "training.callbacks": ["RecordLearningRate"],
        "training.optimizers": ["current_learning_rate", "effective_learning_rates"],
        "training.plateau": ["Plateau"],
    },
)


def __getattr__(name: str) -> _Any:
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


class _Saved:
    """A class of lrlib's in a saved model, imported only where Keras meets it."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name

    def from_config(self, config: object) -> object:
        kind = getattr(_import_module(self.module), self.name)
        return kind.from_config(config)


@_wrapt.when_imported("keras")
def _register(keras: _Any) -> None:
    """Let Keras load saved models whose schedules are lrlib's."""
    known = keras.saving.get_custom_objects()
    known["lrlib>FormulaSchedule"] = _Saved("lrlib.libraries.keras", "FormulaSchedule")
    known["lrlib>ScaledSchedule"] = _Saved("lrlib.training.plateau", "ScaledSchedule")


if TYPE_CHECKING:
    from lrlib.digits import load_digits as load_digits
    from lrlib.experiments.finder import find_learning_rate as find_learning_rate
    from lrlib.experiments.lab import lab as lab
    from lrlib.experiments.network import build_convnet as build_convnet
    from lrlib.experiments.network import build_model as build_model
    from lrlib.experiments.network import build_transformer as build_transformer
    from lrlib.experiments.race import race as race
    from lrlib.experiments.results import RaceResult as RaceResult
    from lrlib.libraries.reading import convert as convert
    from lrlib.schedules.catalogue import *
    from lrlib.schedules.catalogue import catalogue as catalogue
    from lrlib.schedules.composition import clip as clip
    from lrlib.schedules.composition import cycle as cycle
    from lrlib.schedules.composition import join as join
    from lrlib.schedules.composition import warmup as warmup
    from lrlib.schedules.schedule import Schedule as Schedule
    from lrlib.schedules.schedule import schedule as schedule
    from lrlib.shakespeare import load_shakespeare as load_shakespeare
    from lrlib.show.check import check as check
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
