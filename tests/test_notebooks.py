"""Every notebook is as the book wants it, and shows what its code of today drew."""

import re
from itertools import pairwise
from pathlib import Path

import execute
import nbformat
import pytest
import yaml

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
#: The tags that the page, nbval or nbclient know.
TAGS = {
    *("check", "solution", "hide-cell", "hide-input", "hide-output"),
    *("remove-cell", "remove-input", "remove-output"),
    *("raises-exception", "nbval-ignore-output"),
    *("fault", "paste"),
}
#: The five chapters, which have all of a chapter's parts.
CHAPTERS = {"sgd", "adam", "cosine", "getting-the-rate", "adaptive"}
LINES, SHOWN_LINES, WIDTH, BYTES = 20, 16, 72, 1_500_000
#: A cell tagged "paste" is copied whole into a reader's own program.
PASTED_LINES = 40


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(params=sorted(CHAPTERS))
def chapter(request):
    return nbformat.read(ROOT / "book" / f"{request.param}.ipynb", as_version=4)


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


@pytest.fixture
def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell):
    return set(cell.metadata.get("tags", ()))


def pictures(cell):
    return [o for o in cell.outputs if "image/png" in o.get("data", ())]


def text_of(output):
    data = output.get("data", {})
    return [
        *(text for mime, text in data.items() if mime.startswith("text/")),
        *(output.get("text", ""), output.get("evalue", "")),
    ]


def test_there_are_notebooks():
    assert {path.stem for path in NOTEBOOKS} >= CHAPTERS


def test_what_it_shows_is_of_today(notebook, path):
    assert execute.is_current(notebook), (
        f"{path.name} was not run with the code as it is: make execute"
    )


def test_it_is_stored_clean(notebook, path):
    assert path.stat().st_size < BYTES
    known = {"digest", "kernelspec", "language_info", "modules"}
    assert set(notebook.metadata) == known
    assert notebook.metadata.kernelspec == execute.KERNELSPEC
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}, cell.id


def test_cells_have_readable_ids_of_their_own(notebook):
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    for name in ids:
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name), name
        assert not re.fullmatch(r"[0-9a-f]{8}(-.*)?", name), name


def test_every_cell_was_run_in_order(code):
    counts = [cell.execution_count for cell in code]
    assert counts == list(range(1, len(code) + 1))


def test_nothing_on_stderr_and_no_error_but_those_expected(code):
    for cell in code:
        for output in cell.outputs:
            assert output.get("name") != "stderr", cell.id
            if output.output_type == "error":
                assert "raises-exception" in tags(cell), cell.id


def test_no_output_names_an_address_or_a_machine(code):
    for cell in code:
        for text in (text for output in cell.outputs for text in text_of(output)):
            found = re.search(r"0x[0-9a-f]{6,}|/(home|root|tmp|work|usr)/|\.venv", text)
            assert not found, (cell.id, found)


def test_tags_are_known_and_folded_cells_are_folded(notebook):
    for cell in notebook.cells:
        assert tags(cell) <= TAGS, cell.id
        if tags(cell) & {"check", "solution"}:
            assert "hide-cell" in tags(cell), cell.id
            assert "assert" in cell.source.lower(), f"{cell.id} asserts nothing"


def test_what_is_not_compared_is_checked(code):
    # Training ends elsewhere on another processor: what a table shows of it is left
    # to assertions that hold on any.
    waiting = None
    for cell in code:
        if "check" in tags(cell):
            waiting = None
        if "nbval-ignore-output" in tags(cell):
            assert waiting is None, f"{waiting} is neither compared nor checked"
            waiting = cell.id
    assert waiting is None, f"{waiting} is neither compared nor checked"


def test_cells_are_short_and_fit_the_page(code):
    for cell in code:
        lines = cell.source.splitlines()
        hidden = tags(cell) & {"hide-input", "hide-cell", "remove-input", "remove-cell"}
        if "paste" in tags(cell):
            assert 1 <= len(lines) <= PASTED_LINES, cell.id
        else:
            assert 1 <= len(lines) <= LINES, cell.id
            assert hidden or len(list(filter(None, lines))) <= SHOWN_LINES, cell.id
        for line in lines:
            # The text alternative of a figure is no line of code on the page.
            assert len(line) <= WIDTH or line.startswith("# alt: "), (cell.id, line)


def test_every_figure_has_words_and_is_shown(code):
    for cell in code:
        if pictures(cell):
            first, *_, last = cell.source.splitlines()
            assert re.match(r"# alt: .{20,}", first), f"{cell.id} has no alt text"
            assert last == "plt.show()", cell.id


def test_one_seed_call(code):
    seeds = sum(cell.source.count("set_random_seed(") for cell in code)
    assert seeds <= 1


def test_it_has_one_title_and_its_headings_nest(notebook):
    text = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    text = re.sub(r"(?ms)^```.*?^```", "", text)
    levels = [len(m[1]) for m in re.finditer(r"(?m)^(#+) ", text)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    for above, below in pairwise(levels):
        assert below <= above + 1


def test_a_chapter_has_its_parts(chapter):
    source = "\n".join(cell.source for cell in chapter.cells)
    assert "lrlib.explore(" in source
    assert sum("solution" in tags(cell) for cell in chapter.cells) >= 3
    assert sum("check" in tags(cell) for cell in chapter.cells) >= 3
    assert "{cite}" in source, "no source is cited"


@pytest.mark.parametrize("name", sorted(CHAPTERS))
def test_a_chapter_ends_on_the_next_page(name):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    order = [page["file"] for part in toc["parts"] for page in part["chapters"]]
    i = order.index(f"book/{name}")
    last = nbformat.read(ROOT / "book" / f"{name}.ipynb", as_version=4).cells[-1]
    assert last.cell_type == "markdown"
    assert f"({Path(order[i + 1]).name}." in last.source


def test_the_page_on_running_the_book_says_which_chapters_need_scipy():
    rows = (ROOT / "book" / "run-it.md").read_text().splitlines()
    told = {
        name
        for row in rows
        if row.startswith("|") and "scipy" in row
        for name in re.findall(r"\((\S+)\.ipynb\)", row)
    }
    needing = {
        path.stem
        for path in NOTEBOOKS
        if any(
            re.search(r"^\s*(from|import) scipy", cell.source, re.M)
            for cell in nbformat.read(path, as_version=4).cells
            if cell.cell_type == "code"
        )
    }
    assert told == needing
