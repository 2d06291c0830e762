"""What `check` returns: findings, rates, and how both are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from importlib import metadata

import numpy as np

from lrlib.show.check.conditions import rate
from lrlib.show.check.curve import SEVERITIES
from lrlib.show.check.features import Run


@dataclass(frozen=True)
class Finding:
    """Something that a schedule or a setup will do, and what to write instead.

    Attributes:
        code: its name, such as "LR001", which stays the same.
        severity: "wrong", "suspicious" or "note".
        text: a sentence with this run's numbers.
        fix: what to write instead.
        link: the entry of the book's page "Symptoms and error messages".
        step: where on the curve it is, counted as `Report.steps`, or None.

    """

    code: str
    severity: str
    text: str
    fix: str
    link: str
    step: int | None = None

    def __str__(self) -> str:
        return f"{self.severity} {self.code}: {self.text} → {self.fix}"


class CheckError(AssertionError):
    """What `Report.raise_for` raises; its text lists the findings."""


def link(symptom: str) -> str:
    """Return the address of an entry of the book's page of symptoms.

    It is relative to the book's pages unless the package says where they are.
    """
    try:
        urls = metadata.metadata("lrlib").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        urls = []
    named = dict(url.split(", ", 1) for url in urls)
    site = named.get("Documentation", "").rstrip("/")
    page = f"{site}/book/" if site else ""
    return f"{page}symptoms.html#symptom-{symptom}"


@dataclass(frozen=True)
class Report:
    """What a schedule, optimizer or model will do in a run.

    Attributes:
        findings: a list of `Finding`, the worst first.
        rates: the learning rate of each update of the run, a float64 array. Where the
            rates were sampled, those at `steps`.
        steps: the updates of these rates, an int array of the same shape.
        run: how long the run is, and what its schedule counts.
        sampled: whether only some of the steps were computed.

    """

    findings: list[Finding]
    rates: np.ndarray
    steps: np.ndarray
    run: Run
    sampled: bool = False
    _other: str = field(default="", repr=False)

    @property
    def ok(self) -> bool:
        """Whether nothing is worse than a note."""
        return all(each.severity == "note" for each in self.findings)

    def raise_for(self, *what: str) -> None:
        """Raise if there are findings of these severities or codes.

        Args:
            what: severities, where "suspicious" includes "wrong", or codes. Default:
                whatever is worse than a note.

        Raises:
            CheckError: an AssertionError that lists the findings.
            ValueError: neither a severity nor a code.

        """
        for each in what:
            if each not in SEVERITIES and not each.startswith("LR"):
                words = ", ".join(SEVERITIES)
                raise ValueError(f"give {words}, or codes such as LR001, got {each!r}")
        severities = [each for each in what or ("suspicious",) if each in SEVERITIES]
        level = max((SEVERITIES.index(each) for each in severities), default=-1)
        found = [
            each
            for each in self.findings
            if SEVERITIES.index(each.severity) <= level or each.code in what
        ]
        if found:
            raise CheckError("\n".join(map(str, found)))

    # How it is shown

    def _summary(self) -> str:
        """Say how long the run is, and how its rate begins and ends."""
        run, rates = self.run, self.rates
        words = f"{run.updates:,} updates"
        if run.epochs and run.steps_per_epoch:
            words += f" ({run.epochs:,} epochs of {run.steps_per_epoch:,})"
        ends = f"the rate goes from {rate(rates[0])} to {rate(rates[-1])}"
        high = rates[np.isfinite(rates)].max(initial=rates[0])
        if high > 1.001 * max(rates[0], rates[-1]):
            ends += f", at most {rate(high)}"
        if self.sampled:
            ends += f"; sampled at {len(rates):,} steps"
        return f"{words}; {ends}."

    def _lines(self) -> Iterator[str]:
        yield self._summary()
        if self._other:
            yield self._other
        if not self.findings:
            yield "Nothing found."
        for each in self.findings:
            yield f"{each.severity} {each.code}: {each.text}"
            yield f"    {each.fix}"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<li><b>{number}. {each.severity}</b> "
            f"<code>{each.code}</code> {escape(each.text)}<br>{escape(each.fix)} "
            f'<a href="{escape(each.link, quote=True)}">More about this</a></li>'
            for number, each in enumerate(self.findings, start=1)
        )
        listed = (
            f'<ul style="list-style:none;padding-left:0">{rows}</ul>'
            if rows
            else "<p>Nothing found.</p>"
        )
        other = f"<p>{escape(self._other)}</p>" if self._other else ""
        return (
            f'<div class="lrlib-report"><p>{escape(self._summary())}</p>{other}'
            f"{self._svg()}{listed}</div>"
        )

    def _svg(self) -> str:
        """Draw the curve over the run, with the findings' numbers on it."""
        width, height, left, head, foot = 640, 180, 56, 24, 158
        right, last = width - 8, max(self.run.updates - 1, 1)
        kept = np.unique(np.linspace(0, len(self.rates) - 1, 401).round().astype(int))
        rates = np.where(np.isfinite(self.rates), self.rates, 0.0)
        top = rates.max() if rates.max() > 0 else 1.0
        bottom = min(rates.min(), 0.0)

        def across(step: float) -> float:
            return left + (right - left) * min(step, last) / last

        def down(value: float) -> float:
            return float(foot - (foot - head) * (value - bottom) / (top - bottom))

        points = " ".join(
            f"{across(self.steps[i]):.1f},{down(rates[i]):.1f}" for i in kept
        )
        marks = ""
        taken: dict[int, int] = {}
        for number, each in enumerate(self.findings, start=1):
            if each.step is None:
                continue
            step = each.step * (
                1 if self.run.unit == "update" else self.run.steps_per_epoch or 1
            )
            i = min(int(np.searchsorted(self.steps, step)), len(rates) - 1)
            x, y = across(step), down(rates[i])
            row = taken[round(x)] = taken.get(round(x), -1) + 1
            anchor = "end" if x > right - 20 else "start"
            shift = -7 if anchor == "end" else 7
            marks += (
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="#d55e00"/>'
                f'<text x="{x + shift:.1f}" y="{max(y - 7 - 14 * row, 12):.1f}" '
                f'text-anchor="{anchor}" font-size="13" font-weight="bold" '
                f'fill="currentColor">{number}</text>'
            )
        grey = 'fill="currentColor" opacity="0.7" font-size="12"'
        marked = sum(each.step is not None for each in self.findings)
        label = f"{self._summary()} {marked} findings are marked on the curve."
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'role="img" aria-label="{escape(label, quote=True)}" '
            f'style="display:block;width:100%;max-width:{width}px">'
            f'<path d="M{left} {head}V{foot}H{right}" fill="none" '
            'stroke="currentColor" opacity="0.3"/>'
            f'<polyline points="{points}" fill="none" '
            'stroke="var(--pst-color-primary, var(--jp-brand-color1, #0072b2))" '
            f'stroke-width="2"/>{marks}'
            f'<text x="{left - 6}" y="{head + 5}" text-anchor="end" {grey}>'
            f"{rate(float(top))}</text>"
            f'<text x="{left - 6}" y="{foot}" text-anchor="end" {grey}>'
            f"{rate(float(bottom))}</text>"
            f'<text x="{left}" y="{height - 6}" {grey}>update 0</text>'
            f'<text x="{right}" y="{height - 6}" text-anchor="end" {grey}>'
            f"{self.run.updates:,}</text></svg>"
        )
