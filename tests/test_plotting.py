"""`lrlib.plot` as it is drawn."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest

import lrlib

ENDS_CLOSE = [
    lrlib.cosine(0.1, 150),
    lrlib.linear(0.1, 150),
    *(lrlib.constant(rate) for rate in (0.05, 0.052, 0.049)),
]


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@pytest.mark.parametrize("log", [False, True])
def test_names_at_the_ends_of_lines_do_not_touch(log):
    ax = lrlib.plot(*ENDS_CLOSE, steps=200, log=log)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == len(ENDS_CLOSE)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))
    # Those with ends of their own stay there, in the colour of their line.
    names = {text.get_color(): text for text in ax.texts}
    for line in ax.lines:
        _, y = ax.transData.transform((0, max(line.get_ydata()[-1], ax.get_ylim()[0])))
        box = names[line.get_color()].get_window_extent()
        assert abs((box.y0 + box.y1) / 2 - y) < 2.5 * box.height


def test_rates_are_drawn_over_epochs():
    ax = lrlib.plot(lrlib.linear(1.0, 100), steps=100, steps_per_epoch=25)
    (line,) = ax.lines
    np.testing.assert_allclose(line.get_xdata(), np.arange(100) / 25)
    np.testing.assert_allclose(line.get_ydata(), 1 - np.arange(100) / 100)
    assert ax.get_xlabel() == "epoch"
    assert not ax.texts
