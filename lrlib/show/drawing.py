"""How a schedule looks at the end of a cell: its formula and its curve."""

from __future__ import annotations

from html import escape

import numpy as np

from lrlib.schedules.schedule import Schedule
from lrlib.show.mathml import mathml

WIDTH, HEIGHT = 640, 160


#: Goes with every output, because a notebook has no style sheet for it. In a notebook
#: that isn't trusted, JupyterLab removes this style and the tags of MathML and SVG.
#: What they held stays hidden then, and JupyterLab typesets the LaTeX beside it.
STYLE = (
    ".lrlib-formula,.lrlib-curve{display:block!important}"
    ".lrlib-formula+span{display:none}"
    ".lrlib-formula{overflow:auto hidden;padding:.3em 0}"
    ".lrlib-formula math{margin:0;width:max-content}"
    ":where(.lrlib-schedule) math{font-family:"
    '"Cambria Math","STIX Two Math","Latin Modern Math","DejaVu Math TeX Gyre",math}'
)


def schedule_html(schedule: Schedule) -> str:
    """Return the formula and the curve of a schedule as HTML."""
    latex = schedule.latex()
    hidden = 'style="display:none"'
    return (
        f'<div class="lrlib-schedule"><style>{STYLE}</style>'
        f'<div class="lrlib-formula" tabindex="0" {hidden}>'
        f"{mathml(latex, display=True)}</div>"
        f"<span>$${escape(latex, quote=False)}$$</span>"
        f"{symbols_html(schedule)}"
        f'<div class="lrlib-curve" {hidden}>{curve_svg(schedule)}</div>'
        f"<code>{escape(repr(schedule))}</code></div>"
    )


def symbols_html(schedule: Schedule) -> str:
    """Return which parameter each letter of the formula stands for, as HTML."""
    names = schedule.symbol_names()
    letters = {"step": "t"}
    for path in schedule.numbers:
        if path in names:
            parameter, _, index = path.rpartition(".")
            if not index.isdigit():
                parameter, letter = path, names[path]
            else:  # v₀, v₁, ... are one list
                letter = names[path].replace(f"_{{{index}}}", "")
            letters[parameter] = letter
    items = (f"{mathml(letter)}: {name}" for name, letter in letters.items())
    return f"<small>{', '.join(items)}</small>"


def curve_svg(schedule: Schedule, steps: int | None = None) -> str:
    """Return the curve of a schedule as an inline SVG, its ends written out."""
    steps = steps or schedule.horizon
    x = np.unique(np.linspace(0, steps, 401).round())
    rates = schedule(x)
    finite = np.isfinite(rates)
    top = (rates[finite].max() if finite.any() else 0) or 1.0
    left, right, head, foot = 56, WIDTH - 8, 10, HEIGHT - 22
    xs = left + (right - left) * x / steps
    ys = foot - (foot - head) * rates / top
    ys = ys.round(1)
    bends = np.ones_like(ys, dtype=bool)  # what lies inside a flat run is not needed
    bends[1:-1] = (ys[1:-1] != ys[:-2]) | (ys[1:-1] != ys[2:])
    # Where a rate is infinite or no number the line is broken.
    drawn = np.flatnonzero(bends & finite)
    pieces = np.split(drawn, np.flatnonzero(np.diff(np.cumsum(~finite)[drawn])) + 1)
    lines = "".join(
        f'<polyline points="{" ".join(f"{xs[i]:.1f},{ys[i]:.1f}" for i in piece)}" '
        'fill="none" stroke="var(--pst-color-primary, '
        'var(--jp-brand-color1, #0072b2))" stroke-width="2"/>'
        for piece in pieces
    )
    label = (
        f"{schedule.name}: learning rate {rates[0]:.4g} at step 0, highest "
        f"{top:.4g}, {rates[-1]:.4g} at step {steps:,}"
    )
    grey = 'fill="currentColor" opacity="0.7" font-size="12"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'role="img" aria-label="{escape(label, quote=True)}" '
        f'style="display:block;width:100%;max-width:{WIDTH}px">'
        f'<path d="M{left} {head}V{foot}H{right}" fill="none" '
        'stroke="currentColor" opacity="0.3"/>'
        f"{lines}"
        f'<text x="{left - 6}" y="{head + 5}" text-anchor="end" {grey}>{top:.3g}</text>'
        f'<text x="{left - 6}" y="{foot}" text-anchor="end" {grey}>0</text>'
        f'<text x="{left}" y="{HEIGHT - 6}" {grey}>step 0</text>'
        f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end" {grey}>{steps:,}</text>'
        "</svg>"
    )
