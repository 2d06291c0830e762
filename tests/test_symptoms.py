"""What the page of symptoms quotes is what the installed libraries say."""

import re
from pathlib import Path

import nbformat

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


def without_space(text):
    """Return the text without white space: a line may be broken within a word."""
    return "".join(text.split())


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


def test_a_heading_that_is_a_message_is_in_the_output_that_the_page_shows():
    checked = 0
    for _, anchor, heading, code in entries():
        if quoted := message(heading):
            # nbval runs these cells afresh, and compares what they print.
            compared = [
                cell
                for cell in code
                if "nbval-ignore-output" not in cell.metadata.get("tags", ())
            ]
            text = "".join(o.get("text", "") for c in compared for o in c.outputs)
            assert without_space(quoted) in without_space(text), (anchor, quoted)
            checked += 1
    assert checked >= 30


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
