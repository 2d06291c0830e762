"""Learning-rate schedules as formulas: the module behind the book."""

from importlib.util import find_spec as _find_spec
from typing import TYPE_CHECKING

import lazy_loader as _lazy
import wrapt as _wrapt

_getattr, _dir, __all__ = _lazy.attach(
    __name__,
    submod_attrs={
        "callbacks": ["RecordLearningRate"],
        "composition": ["clip", "cycle", "join", "warmup"],
        "conversion": ["convert"],
        "core": ["Schedule", "sample", "schedule"],
        "digits": ["build_model", "load_digits"],
        "explorer": ["explore"],
        "laboratory": ["lab"],
        "optimizers": ["current_learning_rate", "effective_learning_rates"],
        "plateau": ["Plateau"],
        "plotting": ["plot"],
        "racing": ["RaceResult", "race"],
        "range_test": ["find_learning_rate"],
        "schedules": ["catalogue"],
        "simulation": ["simulate"],
    },
)


def __getattr__(name: str):
    try:
        return _getattr(name)
    except AttributeError:
        # A module of the package is imported by name; all else may be a schedule.
        if name.startswith("_") or _find_spec(f"lrlib.{name}"):
            raise
        from lrlib.schedules import catalogue

        if name in catalogue:
            return catalogue[name]
        raise


def __dir__() -> list[str]:
    from lrlib.schedules import catalogue

    return [*_dir(), *catalogue]


@_wrapt.when_imported("keras")
def _register(_: object) -> None:
    """Let Keras load saved models whose schedules are lrlib's."""
    import lrlib.keras_schedules
    import lrlib.plateau  # noqa: F401


if TYPE_CHECKING:
    from lrlib.callbacks import RecordLearningRate as RecordLearningRate
    from lrlib.composition import clip as clip
    from lrlib.composition import cycle as cycle
    from lrlib.composition import join as join
    from lrlib.composition import warmup as warmup
    from lrlib.conversion import convert as convert
    from lrlib.core import Schedule as Schedule
    from lrlib.core import sample as sample
    from lrlib.core import schedule as schedule
    from lrlib.digits import build_model as build_model
    from lrlib.digits import load_digits as load_digits
    from lrlib.explorer import explore as explore
    from lrlib.laboratory import lab as lab
    from lrlib.optimizers import current_learning_rate as current_learning_rate
    from lrlib.optimizers import effective_learning_rates as effective_learning_rates
    from lrlib.plateau import Plateau as Plateau
    from lrlib.plotting import plot as plot
    from lrlib.racing import RaceResult as RaceResult
    from lrlib.racing import race as race
    from lrlib.range_test import find_learning_rate as find_learning_rate
    from lrlib.schedules import *
    from lrlib.schedules import catalogue as catalogue
    from lrlib.simulation import simulate as simulate
