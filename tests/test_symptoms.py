"""What the page of symptoms quotes is what the installed libraries say."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "book" / "symptoms.ipynb"
RAISES = "It raises"
GROUPS = [
    RAISES,
    "It runs, but the rate isn't what I set",
    "It trains badly",
    "After saving, loading, resuming",
    "Several devices, accumulation, mixed precision",
    "Coming from Keras 2 or PyTorch",
]

#: Runs the page's cells, and prints for each entry what was given to `show`.
RUN = """
import json, linecache, sys

cells = json.load(sys.stdin)
sys.stdout, out = sys.stderr, sys.stdout
page, shown = {"__name__": "__main__"}, {}
for entry, id, source in cells:
    # Keras looks up the source of a lambda that is saved.
    linecache.cache[id] = len(source), None, source.splitlines(True), id
    exec(compile(source, id, "exec"), page)
    if id == "show":
        print_line = page["show"]
        page["show"] = lambda problem, *args: (
            print_line(problem, *args),
            shown.setdefault(entry, []).append(
                f"{type(problem).__name__}: {problem}"
            ),
        )
json.dump(shown, out)
"""


def entries():
    """Return the page's entries: group, anchor, heading, and their code cells."""
    group, found = None, []
    for cell in nbformat.read(PAGE, as_version=4).cells:
        if cell.cell_type == "code":
            if found:
                found[-1][3].append(cell)
            continue
        for line in cell.source.splitlines():
            if line.startswith("## "):
                group = line.removeprefix("## ")
            if line.startswith("### "):
                anchor = re.match(r"\((symptom-[a-z0-9-]+)\)=\n### ", cell.source)
                assert anchor, f"{cell.id} has no anchor above its heading"
                found.append((group, anchor[1], line.removeprefix("### "), []))
    return found


def message(heading):
    """Return the message that a heading quotes, or None if it is in our own words."""
    quoted = re.fullmatch(r"(`+)(?!`)(.+?)(?<!`)\1", heading)
    return quoted and quoted[2].strip()


def joined(text):
    """Return the text with any run of white space as one space."""
    return " ".join(text.split())


def without_space(text):
    """Return the text without white space: a line may be broken within a word."""
    return "".join(text.split())


@pytest.fixture(scope="module")
def shown():
    """What the page's cells gave to `show` when they were run just now, by anchor."""
    cells = [("", cell.id, cell.source) for cell in preamble()]
    for _, anchor, _, code in entries():
        cells += [(anchor, cell.id, cell.source) for cell in code]
    run = subprocess.run(
        [sys.executable, "-c", RUN],
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        cwd=PAGE.parent,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


def preamble():
    """Return the code cells before the first entry."""
    cells = nbformat.read(PAGE, as_version=4).cells
    first = next(i for i, cell in enumerate(cells) if "\n### " in cell.source)
    return [cell for cell in cells[:first] if cell.cell_type == "code"]


def test_it_has_its_groups_in_order_and_enough_entries():
    assert list(dict.fromkeys(group for group, *_ in entries())) == GROUPS
    assert len(entries()) >= 45


def test_every_entry_has_an_anchor_that_no_other_has_and_runs_some_code():
    anchors = [anchor for _, anchor, *_ in entries()]
    assert len(set(anchors)) == len(anchors)
    for _, anchor, _, code in entries():
        assert any(cell.outputs for cell in code), f"{anchor} shows nothing"


def test_what_raises_is_headed_by_the_message():
    for group, anchor, heading, _ in entries():
        if group == RAISES:
            assert message(heading), f"{anchor} isn't headed by a message alone"


def test_a_heading_that_is_a_message_is_part_of_what_was_raised_or_warned(shown):
    checked = 0
    for _, anchor, heading, _ in entries():
        if quoted := message(heading):
            said = map(joined, shown.get(anchor, ()))
            assert any(joined(quoted) in text for text in said), (anchor, quoted)
            checked += 1
    assert checked >= 30


def test_a_heading_that_is_a_message_is_in_the_output_that_the_page_shows():
    for _, anchor, heading, code in entries():
        if quoted := message(heading):
            text = "".join(o.get("text", "") for cell in code for o in cell.outputs)
            assert without_space(quoted) in without_space(text), (anchor, quoted)


def test_links_within_the_page_lead_to_an_entry_or_a_group():
    source = "\n".join(
        cell.source
        for cell in nbformat.read(PAGE, as_version=4).cells
        if cell.cell_type == "markdown"
    )
    links = re.findall(r"\]\(#(symptom-[^)]+)\)", source)
    assert links
    assert set(links) <= {anchor for _, anchor, *_ in entries()}


def test_no_fix_needs_lrlib():
    for _, _, _, code in entries():
        for cell in code:
            if "check" not in cell.metadata.get("tags", ()):
                assert "lrlib" not in cell.source, cell.id
