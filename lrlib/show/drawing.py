"""How a schedule looks at the end of a cell: its formula and its curve, as SVG."""

from __future__ import annotations

import re
from functools import lru_cache
from html import escape

import numpy as np

from lrlib.schedules.schedule import Schedule

WIDTH, HEIGHT = 640, 160


def schedule_html(schedule: Schedule) -> str:
    """Return the formula and the curve of a schedule as HTML."""
    words = escape(repr(schedule), quote=True)
    return (
        '<div class="lrlib-schedule">'
        f"{formula_svg(schedule.latex())}"
        f"{symbols_html(schedule)}"
        f"{curve_svg(schedule)}"
        f"<code>{words}</code></div>"
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
    items = (f"{_letter_html(letter)}: {name}" for name, letter in letters.items())
    return f"<small>{', '.join(items)}</small>"


def _letter_html(latex: str) -> str:
    r"""Write a letter of `formula.SYMBOLS` as HTML: \eta_0 → η with a small 0."""
    html = re.sub(r"\\mathrm\{([^}]*)\}|\\(max)", r"\1\2", latex)
    html = re.sub(r"_\{([^}]*)\}|_(\w)", r"<sub>\1\2</sub>", html)
    html = re.sub(r"\^\{([^}]*)\}", r"<sup>\1</sup>", html)
    html = re.sub(r"\\(\w+)", r"&\1;", html)  # HTML calls the Greek letters alike
    return f"<i>{html.replace('{', '').replace('}', '')}</i>"


@lru_cache(maxsize=256)
def formula_svg(latex: str, size: float = 18) -> str:
    """Return LaTeX math as an inline SVG in the colour of the text around it."""
    import ziafont
    import ziamath

    ziamath.config.svg2 = False  # no ids, which several formulas would share
    ziamath.config.math.color = "currentColor"
    ziafont.config.precision = 2  # of a pixel; a page holds many formulas
    svg = ziamath.Latex(_stretch_less(latex), size=size).svg()
    svg = re.sub(r'(?<= d=")[^"]*', _shorter, svg.replace(' fill="currentColor"', ""))
    label = escape(latex, quote=True)
    head = f'<svg role="img" aria-label="{label}" fill="currentColor" '
    return svg.replace("<svg ", head, 1)


def _shorter(path: re.Match[str]) -> str:
    """Write the path of a glyph without what can be left out."""
    d = re.sub(r" ?([MLQZ]) ?", r"\1", path[0])
    d = re.sub(r"M([^A-Z]+)L\1(?=[A-Z])", r"M\1", d)  # a line to where the pen is
    return d.replace(" -", "-").replace("-0.", "-.").replace(" 0.", " .")


def _stretch_less(latex: str) -> str:
    """Let only the outer brackets stretch.

    Each level of what stretches doubles the time that drawing takes, and brackets
    around one line need not.
    """
    flat = 1
    while flat:
        latex, flat = re.subn(
            r"\\left(\(|\\lfloor)((?:(?!\\left|\\right|\\frac|\\begin).)*?)"
            r"\\right(\)|\\rfloor)",
            r"\1\2\3",
            latex,
        )
    tokens, depth = [], 0
    for token in re.split(r"(\\(?:left|right|begin|end)(?![a-z]))", latex):
        depth -= token in (r"\right", r"\end")
        if token in (r"\left", r"\right") and depth > 1:
            tokens.append("")
        else:
            tokens.append(token)
        depth += token in (r"\left", r"\begin")
    return "".join(tokens)


def curve_svg(schedule: Schedule, steps: int | None = None) -> str:
    """Return the curve of a schedule as an inline SVG, its ends written out."""
    steps = steps or schedule.horizon
    x = np.unique(np.linspace(0, steps, 401).round())
    rates = schedule(x)
    top = rates.max() or 1.0
    left, right, head, foot = 56, WIDTH - 8, 10, HEIGHT - 22
    xs = left + (right - left) * x / steps
    ys = foot - (foot - head) * rates / top
    ys = ys.round(1)
    bends = np.ones_like(ys, dtype=bool)  # what lies inside a flat run is not needed
    bends[1:-1] = (ys[1:-1] != ys[:-2]) | (ys[1:-1] != ys[2:])
    points = " ".join(
        f"{a:.1f},{b:.1f}" for a, b in zip(xs[bends], ys[bends], strict=True)
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
        f'<polyline points="{points}" fill="none" stroke="var(--pst-color-primary, '
        'var(--jp-brand-color1, #0072b2))" stroke-width="2"/>'
        f'<text x="{left - 6}" y="{head + 5}" text-anchor="end" {grey}>{top:.3g}</text>'
        f'<text x="{left - 6}" y="{foot}" text-anchor="end" {grey}>0</text>'
        f'<text x="{left}" y="{HEIGHT - 6}" {grey}>step 0</text>'
        f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end" {grey}>{steps:,}</text>'
        "</svg>"
    )
