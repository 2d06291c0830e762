"""Every text that `Schedule.code` writes is run by its library."""

from __future__ import annotations

import os

import numpy as np
import pytest
from examples import drawn, recorded
from libraries import of_text

import lrlib
from lrlib.libraries import writing as ports
from lrlib.libraries.ways import WAYS
from lrlib.schedules.schedule import Schedule

PEERS = [framework for framework in ports.FRAMEWORKS if framework != "keras"]


def compared(schedule: Schedule, framework: str) -> dict | None:
    """Run the text up to past the end; return what the library did."""
    try:
        text = schedule.code(framework)
    except LookupError:
        return None
    steps = min(schedule.horizon + 10, 120)
    rates = of_text(text, framework, steps)
    expected = schedule(np.arange(steps))
    follows = np.arange(steps) <= ports.follows_until(schedule, framework)
    np.testing.assert_allclose(
        rates[follows],
        expected[follows],
        rtol=0,
        atol=2e-6 * expected.max(),
        err_msg=f"{framework}: {schedule}\n{text}",
    )
    shown = rates[follows][:50]
    return {
        "framework": framework,
        "schedule": schedule.get_config(),
        "code": text,
        "rates": [float(f"{rate:.5g}") for rate in shown],
    }


def test_every_text_makes_the_same_curve(golden):
    seen = [compared(s, framework) for s in recorded() for framework in PEERS]
    golden("ports.json", [entry for entry in seen if entry])


@pytest.mark.parametrize("framework", PEERS)
@pytest.mark.parametrize("name", lrlib.catalogue)
def test_random_parameters_make_the_same_curve(name, framework):
    for seed in range(int(os.environ.get("LRLIB_DRAWS", 4))):
        compared(drawn(lrlib.catalogue[name], seed), framework)


@pytest.mark.parametrize("framework", PEERS)
def test_every_class_of_the_tables_is_run(framework):
    run = {s.name for s in recorded() if _uses_its_own(s, framework)}
    assert run == set(WAYS[framework])


def _uses_its_own(schedule: Schedule, framework: str) -> bool:
    try:
        return ports._chosen(schedule, framework) is not None
    except LookupError:
        return False
