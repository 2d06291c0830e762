"""The catalogue's page is made from the catalogue."""

import json
from pathlib import Path
from types import MappingProxyType

import pytest

import lrlib
from lrlib.schedules.schedule import definitions

PAGE = Path(__file__).parent.parent / "book" / "catalogue.ipynb"


@pytest.fixture
def halving():
    """A schedule as a newcomer would add it."""
    from lrlib.schedules.kinds import Rate, Steps

    @lrlib.schedule
    def halving(t, initial_learning_rate: Rate = 0.1, every: Steps = 100):
        """Halved again and again.

        Source: a newcomer, 2027
        """
        return initial_learning_rate / 2 ** (t / every)

    yield halving
    del definitions["halving"]


def test_a_schedule_that_is_added_appears_on_the_page(monkeypatch, halving):
    cells = {cell["id"]: "".join(cell["source"]) for cell in notebook()["cells"]}
    extended = MappingProxyType({"constant": lrlib.constant, "halving": halving})
    monkeypatch.setattr(lrlib, "catalogue", extended)
    shown = []
    page = {}
    for cell in ("setup", "who-function", "entry-functions", "entry-page"):
        exec(cells[cell], page)
    page["display"] = lambda html: shown.append(html.data)
    exec(cells["entry-loop"], page)
    assert len(shown) == 2
    assert 'id="schedule-halving"' in shown[1]
    assert "Halved again and again." in shown[1]
    assert "a newcomer, 2027" in shown[1]
    assert "<summary>PyTorch</summary>" in shown[1]


def test_every_schedule_of_today_is_on_the_page():
    (loop,) = [cell for cell in notebook()["cells"] if cell["id"] == "entry-loop"]
    text = "".join("".join(o["data"]["text/html"]) for o in loop["outputs"])
    for name in lrlib.catalogue:
        assert f'id="schedule-{name}"' in text


def notebook():
    return json.loads(PAGE.read_text())
