"""`plot`: schedules as curves, in the book's style."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lrlib.schedules.kinds import check_whole
from lrlib.schedules.schedule import Schedule
from lrlib.show.sampling import sample

#: Style file of the book's figures, for `plt.style.use`.
STYLE = "lrlib.book"


def plot(
    *sources: Any,
    steps: int | None = None,
    labels: Sequence[str] | None = None,
    steps_per_epoch: int | None = None,
    log: bool = False,
    ax: Any = None,
    **line: Any,
) -> Any:
    """Draw learning rates over the steps of training.

    Args:
        sources: anything that `lrlib.sample` takes.
        steps: how many updates to draw. Default: enough to see what the schedules do;
            needed where a source is no `Schedule`.
        labels: one name for each source, written at the end of its line. Default: the
            schedules' names where several are drawn.
        steps_per_epoch: count in epochs of so many steps on the x axis.
        log: a logarithmic axis for the rate.
        ax: the Matplotlib `Axes` to draw into. Default: a new figure.
        line: passed on to `Axes.plot`.

    Returns:
        The `Axes`.

    Raises:
        TypeError, ValueError: nothing to draw, not as many labels as sources,
            `steps` missing, or what `lrlib.sample` says.

    >>> import lrlib
    >>> ax = lrlib.plot(lrlib.cosine(0.1, 150), lrlib.linear(0.1, 150), steps=200)
    >>> [text.get_text() for text in ax.texts]
    ['cosine', 'linear']

    """
    import matplotlib.pyplot as plt

    if not sources:
        raise TypeError("plot needs at least one schedule")
    if steps is None:
        if not all(isinstance(s, Schedule) for s in sources):
            raise TypeError("steps is needed to draw what isn't an lrlib Schedule")
        steps = max(s.horizon for s in sources)
    if labels is None and len(sources) > 1:
        labels = [getattr(s, "name", type(s).__name__) for s in sources]
    if labels is not None and len(labels) != len(sources):
        raise ValueError(f"{len(sources)} schedules, but {len(labels)} labels")
    per_unit = 1
    if steps_per_epoch is not None:
        per_unit = check_whole("steps_per_epoch", steps_per_epoch, low=1)

    curves = [sample(source, steps) for source in sources]
    with plt.style.context(STYLE):
        if ax is None:
            _, ax = plt.subplots()
        x = np.arange(steps) / per_unit
        lines = [ax.plot(x, rates, **line)[0] for rates in curves]
        ax.set_xlabel("step" if steps_per_epoch is None else "epoch")
        ax.set_ylabel("learning rate")
        if log:
            ax.set_yscale("log")
        else:
            ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
        ax.margins(x=0)
        if labels is not None:
            _name_ends(ax, lines, labels)
    return ax


def _name_ends(ax: Any, lines: Sequence[Any], labels: Sequence[str]) -> None:
    """Write a name at each line's end; names that would touch move apart."""
    points = 72 / ax.figure.dpi
    floor = ax.get_ylim()[0]  # where a rate of 0 leaves a logarithmic axis
    ends = [(x, max(y, floor)) for x, y in (line.get_xydata()[-1] for line in lines)]
    heights = [ax.transData.transform(end)[1] * points for end in ends]
    lowest = -np.inf
    for i in np.argsort(heights, kind="stable"):
        place = max(heights[i], lowest)
        ax.annotate(
            labels[i],
            ends[i],
            xytext=(6, place - heights[i]),
            textcoords="offset points",
            color=lines[i].get_color(),
            va="center",
        )
        lowest = place + 12
