"""Formulas as MathML, which a browser sets in line with the text around them."""

from __future__ import annotations

from functools import lru_cache

from math_core import LatexToMathML

_converter = LatexToMathML(fancy_error=False)


@lru_cache(maxsize=1024)
def mathml(latex: str, *, display: bool = False) -> str:
    r"""Return LaTeX math as MathML Core, with the fonts and colors of its context.

    Args:
        latex: the formula, without dollar signs.
        display: whether it stands in a line of its own, in full size, rather than
            within a sentence.

    Raises:
        math_core.LatexError: the LaTeX is malformed, or has an unknown command.

    >>> mathml(r"\eta_0")
    '<math><msub><mi>η</mi><mn>0</mn></msub></math>'

    """
    if display:  # as legible as the rest of the formula
        latex = latex.replace("{cases}", "{dcases}")
    markup = _converter.convert_with_local_state(latex, displaystyle=display)
    # A strut of a capital's height: around √v alone, Chromium hangs the root too low.
    return markup.replace("<msqrt>", '<msqrt><mspace height=".73em"/>')
