"""What readers see and code relies on, schedule by schedule, as it was agreed.

`golden/parameters.txt` has every parameter with its place, default, bounds and slider:
code calls schedules by position, and links and saved models hold their parameters.
`golden/formulas.txt` has every formula as LaTeX, with names and with numbers. After a
change that is meant, write both anew:

    python tests/test_contract.py
"""

from pathlib import Path

import pytest
from sympy import Piecewise

import lrlib
from lrlib.kinds import Rate, Steps

GOLDEN = Path(__file__).parent / "golden"
CATALOGUE = lrlib.catalogue.values()


@lrlib.schedule
def in_three(t, rate: Rate = 0.001, T: Steps = 100):
    """A formula of a reader's own."""
    return rate * Piecewise((1, t < T / 4), (2 - t / T, t < T), (0.5, True))


COMPOSED = {
    "warmup(…)": lrlib.warmup(lrlib.cosine(), 5),
    "join(…)": lrlib.join(
        [lrlib.step(), lrlib.linear(), lrlib.constant(0.01)], [100, 150]
    ),
    "cycle(…)": lrlib.cycle(lrlib.rex(), 100),
    "clip(…)": lrlib.clip(lrlib.noam(), 1e-4, 1e-3),
    "… * …": lrlib.cosine() * lrlib.step(),
    "in_three": in_three(),
}


def parameters():
    """One line for each parameter of each schedule."""
    made = *CATALOGUE, lrlib.clip, lrlib.cycle, lrlib.join, lrlib.warmup
    return [
        f"{each.definition.name} {name} = "
        f"{each.definition.defaults.get(name)!r}: {kind!r}"
        for each in made
        for name, kind in each.definition.kinds.items()
    ]


def formulas():
    """Two lines for each schedule, and for one of each way to compose them."""
    schedules = {f"{make.definition.name}": make() for make in CATALOGUE} | COMPOSED
    return [
        f"{name}: {schedule.latex(values=values)}"
        for name, schedule in schedules.items()
        for values in (False, True)
    ]


@pytest.mark.parametrize("lines", [parameters, formulas])
def test_what_readers_rely_on_is_as_it_was(lines):
    agreed = (GOLDEN / f"{lines.__name__}.txt").read_text().splitlines()
    for now, before in zip(lines(), agreed, strict=True):
        assert now == before


if __name__ == "__main__":
    for lines in parameters, formulas:
        (GOLDEN / f"{lines.__name__}.txt").write_text("\n".join(lines()) + "\n")
