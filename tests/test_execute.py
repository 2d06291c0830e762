"""`make execute` writes a notebook back whole and clean, or not at all."""

import copy
import functools
import os
import signal
import subprocess
import sys
import time

import execute
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def write_notebook(folder, *sources, tags=()):
    """Write a notebook with the given code cells, and return its path."""
    cells = [new_markdown_cell("# Title", id="title")]
    for i, source in enumerate(sources):
        metadata = {"tags": list(tags)} if tags else {}
        cells.append(new_code_cell(source, id=f"cell-{i}", metadata=metadata))
    path = folder / "a.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    return path


@pytest.fixture
def write(tmp_path):
    return functools.partial(write_notebook, tmp_path)


def run(path):
    execute.execute(path)
    return nbformat.read(path, as_version=4)


def test_what_is_stored_is_clean(write):
    path = write(
        "print('a')\nprint('b')",
        "import ipywidgets\nipywidgets.IntSlider(3)",
        "1 + 1",
    )
    notebook = run(path)
    streams, widget, number = (cell.outputs for cell in notebook.cells[1:])
    assert [output.text for output in streams] == ["a\nb\n"]
    assert widget[0].data == {"text/plain": "IntSlider(value=3)"}
    assert number[0].data == {"text/plain": "2"}
    assert [cell.id for cell in notebook.cells] == [
        "title",
        *map("cell-{}".format, "012"),
    ]
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2, 3]
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert notebook.metadata == {
        "digest": execute.Sources.read().digest(notebook, []),
        "kernelspec": execute.KERNELSPEC,
        "language_info": {"name": "python"},
        "modules": [],
    }


def test_two_runs_store_the_same_bytes(write):
    path = write("{'b', 'a', 'c'}", "1 / 0", tags=["raises-exception"])
    run(path)
    first = path.read_bytes()
    run(path)
    assert path.read_bytes() == first


def test_an_expected_error_is_stored_without_its_frames(write):
    error = run(write("1 / 0", tags=["raises-exception"])).cells[1].outputs[0]
    assert error.traceback == ["ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", r"(?s)cell cell-1 failed:.*ZeroDivisionError"),
        (
            "import sys; print('no', file=sys.stderr)",
            "cell cell-1 wrote on stderr:\nno",
        ),
        ("import os; os._exit(1)", "[Kk]ernel died"),
        ("open('a.ipynb', 'a').write(' ')", "changed while it ran"),
    ],
)
def test_a_notebook_that_fails_is_left_as_it_was(write, source, said):
    path = write("1", source)
    before = path.read_bytes()
    with pytest.raises(execute.NotebookError, match=said):
        execute.execute(path)
    assert path.read_bytes().rstrip() == before.rstrip()
    assert os.listdir(path.parent) == ["a.ipynb"]


def test_a_notebook_that_is_none_is_reported(tmp_path):
    path = tmp_path / "a.ipynb"
    path.write_text('{"cells": [')
    done = subprocess.run(
        [sys.executable, execute.__file__, path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"{path}: left as it was" in done.stdout
    assert path.read_text() == '{"cells": ['


def test_an_interrupted_run_loses_nothing(write):
    path = write("import time; open('started', 'w').close(); time.sleep(60)")
    before = path.read_bytes()
    process = subprocess.Popen(
        [sys.executable, execute.__file__, path],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    started = path.with_name("started")
    while not started.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does
    said, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "left as it was" in said
    assert path.read_bytes() == before


# What makes a notebook stale ----------------------------------------------------------


def write_library(folder):
    """Write a small lrlib into a folder."""
    files = {
        "__init__.py": "",
        "a.py": '"""A."""\nfrom lrlib import b\n\nx = b.y\n',
        "b.py": "y = 1\n",
        "c.py": "z = 1\n",
        "look.mplstyle": "lines.linewidth: 2\n",
        "data/digits.npz": "pixels",
        "show/__init__.py": "",
        "show/widget.js": "let x;\n",
        "show/style/widget.css": "p {}\n",
        "notes.txt": "nothing\n",
    }
    for name, text in files.items():
        path = folder / "lrlib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "requirements.txt").write_text("numpy==2.4.6\npytest==8.4.2\n")


@pytest.fixture
def library(tmp_path, monkeypatch):
    """The folder of a small lrlib in place of the book's."""
    write_library(tmp_path)
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    return tmp_path / "lrlib"


#: The notebook of the tests below imports lrlib.a, and with it lrlib.b.
IMPORT_A = "import sys; sys.path.insert(0, '.'); import lrlib.a; lrlib.a.x"


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The notebook as it is stored after a run."""
    folder = tmp_path_factory.mktemp("ran")
    write_library(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute, "ROOT", folder)
        return run(write_notebook(folder, IMPORT_A))


@pytest.fixture
def stored(ran, library):
    """The same beside a library that each test may change."""
    notebook = copy.deepcopy(ran)
    assert notebook.metadata.modules == ["lrlib", "lrlib.a", "lrlib.b"]
    assert execute.is_current(notebook)
    return notebook


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", "from lrlib import b\n\nx = b.y + 1\n"),
        ("b.py", "y = 2\n"),
        ("b.py", "y = '1'\n"),
        ("b.py", "y = 1\nw = None\n"),
        ("__init__.py", "import math\n"),
        ("look.mplstyle", "lines.linewidth: 3\n"),
        ("data/digits.npz", "other pixels"),
        ("b.py", None),
        ("../requirements.txt", "numpy==2.5.0\npytest==8.4.2\n"),
    ],
)
def test_what_a_notebook_imports_makes_it_stale(stored, library, name, text):
    if text is None:
        (library / name).unlink()
    else:
        (library / name).write_text(text)
    assert not execute.is_current(stored)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", '"""B, with care."""\n\n# Why.\nfrom lrlib import b\nx = (b . y)\n'),
        ("b.py", "y = 1  # the first\n'What y is.'\n"),
        ("c.py", "z = 2\n"),
        ("d.py", "new = 1\n"),
        ("show/__init__.py", "import math\n"),
        ("show/widget.js", "let y;\n"),
        ("show/style/widget.css", "p { color: red }\n"),
        ("notes.txt", "something\n"),
        ("../requirements.txt", "numpy==2.4.6\npytest==9.0.0\n"),
    ],
)
def test_nothing_else_makes_it_stale(stored, library, name, text):
    (library / name).write_text(text)
    assert execute.is_current(stored)


def test_the_data_of_an_imported_package_makes_it_stale(write, library):
    notebook = run(write(IMPORT_A.replace("lrlib.a.x", "import lrlib.show")))
    assert execute.is_current(notebook)
    (library / "show" / "style" / "widget.css").write_text("p { color: red }\n")
    assert not execute.is_current(notebook)


def test_its_own_code_makes_it_stale(stored):
    stored.cells[0].source = "# Another title"
    assert execute.is_current(stored)
    stored.cells[1].source += " + 1"
    assert not execute.is_current(stored)


def test_a_notebook_that_was_not_run_is_not_current(write):
    assert not execute.is_current(nbformat.read(write("1"), as_version=4))


def test_a_docstring_is_no_code_wherever_it_stands():
    bare = "class A:\n    def f(self):\n        return 1\n"
    source = bare.replace(":\n", ":\n        'Words.'\n").replace("    ", "", 1)
    assert execute.code_of(source) == execute.code_of(bare)
    assert execute.code_of(source) != execute.code_of(bare.replace("1", "'1'"))
    assert execute.code_of("x = None") != execute.code_of("x = False")
    assert execute.code_of("f(a, b)") != execute.code_of("f(b, a)")


def test_a_module_that_changes_during_the_run_is_noticed(write, library):
    edit = "open('lrlib/{}.py', 'a').write('w = 1'); None"
    path = write(IMPORT_A, edit.format("b"))
    before = path.read_bytes()
    with pytest.raises(execute.NotebookError, match="lrlib was changed while it ran"):
        execute.execute(path)
    assert path.read_bytes() == before
    run(write(IMPORT_A, edit.format("c")))  # which it does not import


def test_another_lrlib_than_the_books_is_noticed(write, library):
    path = write(IMPORT_A)
    elsewhere = library.parent / "elsewhere"
    elsewhere.mkdir()
    library.rename(elsewhere / "lrlib")
    path.write_text(path.read_text().replace("'.'", "'elsewhere'"))
    with pytest.raises(execute.NotebookError, match=r"lrlib was imported from .*else"):
        execute.execute(path)


def test_an_error_that_no_cell_shows_is_reported(write, monkeypatch):
    def execute_nothing(self, **kwargs):
        raise execute.CellExecutionError("no output", "Error", "gone")

    monkeypatch.setattr(execute.NotebookClient, "execute", execute_nothing)
    with pytest.raises(execute.NotebookError, match="a cell failed:\nno output"):
        execute.execute(write("1"))
