"""What a parameter may be: bounds to the last number, and the words for them."""

import numpy as np
import pytest

from lrlib.schedules.kinds import Number, Numbers

ENDS = (0.0, 1.0)
#: A kind, its words, what it takes and what it refuses.
NUMBERS = [
    (Number(ENDS), "a number", [-1e300, 0, 1e300], [np.inf, np.nan]),
    (Number(ENDS, low=0), "a number of at least 0", [0, 9], [-1e-300]),
    (Number(ENDS, low=0, above=True), "a number above 0", [1e-300], [0, -1]),
    (Number(ENDS, high=1), "a number of at most 1", [1, -9], [1.0000001]),
    (Number(ENDS, high=1, below=True), "a number below 1", [0.9999], [1, 2]),
    (Number(ENDS, low=0, high=1), "a number in [0, 1]", [0, 1], [-1e-9, 1.0001]),
    (
        Number(ENDS, low=0, high=1, above=True),
        "a number in (0, 1]",
        [1e-9, 1],
        [0, 1.0001],
    ),
    (Number(ENDS, low=0, high=1, below=True), "a number in [0, 1)", [0, 0.99], [1]),
    (Number(ENDS, low=1, whole=True), "a whole number of at least 1", [1, 2.0], [0]),
    (Number(ENDS, whole=True), "a whole number", [-3, 2.0], [0.5, 2.000001]),
    (
        Number(ENDS, low=1, gap=0.5),
        "1, or a number of at least 1.5",
        [1, 1.5],
        [1.25, 0.5],
    ),
]


@pytest.mark.parametrize(
    ("kind", "words", "taken", "refused"), NUMBERS, ids=[each[1] for each in NUMBERS]
)
def test_a_number_is_taken_up_to_its_bounds(kind, words, taken, refused):
    assert str(kind) == words
    for value in taken:
        assert kind.check("n", value) == value
        assert type(kind.check("n", np.float64(value))) is (
            int if kind.whole else float
        )
    for value in refused:
        with pytest.raises(ValueError, match="n must be"):
            kind.check("n", value)


def test_what_a_library_would_run_is_taken_loosely():
    length, rate = Number(ENDS, low=1, whole=True, span=1.0), Number(ENDS, low=0)
    assert float(length.loose(2.5)) == 2.5
    assert float(rate.loose(0)) == 0
    for kind, value in (length, 0), (length, -1), (rate, -0.5), (rate, np.inf):
        assert kind.loose(value) is None


def test_a_list_is_taken_up_to_its_bounds():
    rising = Numbers(Number(ENDS, low=0), increasing=True)
    assert str(rising).startswith("a list of one or more strictly increasing values")
    assert rising.check("n", [1, 2]) == (1.0, 2.0)
    assert rising.check("n", [3]) == (3.0,)
    for wrong in [], [1, 1], [2, 1]:
        with pytest.raises(ValueError, match="n must be a list"):
            rising.check("n", wrong)
    assert [*map(float, rising.loose([0.5, 2]))] == [0.5, 2]
    for wrong in [], [2, 1], [-1, 1], 3:
        assert rising.loose(wrong) is None
    two = Numbers(Number(ENDS), shortest=2)
    assert str(two).startswith("a list of 2 or more values")
    assert two.check("n", np.array([2, 1])) == (2.0, 1.0)
    with pytest.raises(ValueError, match="2 or more"):
        two.check("n", [1])


def test_how_many_go_together_is_known_from_the_default_alone():
    several = Numbers(Number(ENDS))
    (pair,), (triple,) = several.shapes((1, 2)), several.shapes((1, 2, 3))
    assert len(pair) == 2
    assert len(triple) == 3
    assert [*several.shapes(None)] == []


def test_a_slider_has_the_bounds_that_there_are():
    for low, high in ((0, 1), (0, np.inf), (-np.inf, 1)):
        control = Number(ENDS, low=low, high=high).control()
        bounds = [None if np.isinf(each) else each for each in (low, high)]
        assert [control["low"], control["high"]] == bounds
