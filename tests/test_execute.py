"""`make execute` writes a notebook back whole and clean, or not at all."""

import os
import signal
import subprocess
import sys
import time

import execute
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


@pytest.fixture
def write(tmp_path):
    """Write a notebook with the given code cells, and return its path."""

    def write(*sources, tags=()):
        cells = [new_markdown_cell("# Title", id="title")]
        for i, source in enumerate(sources):
            metadata = {"tags": list(tags)} if tags else {}
            cells.append(new_code_cell(source, id=f"cell-{i}", metadata=metadata))
        path = tmp_path / "a.ipynb"
        nbformat.write(new_notebook(cells=cells), path)
        return path

    return write


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
        "digest": execute.digest(notebook),
        "kernelspec": execute.KERNELSPEC,
        "language_info": {"name": "python"},
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
    said, _ = process.communicate(timeout=30)
    assert process.returncode != 0
    assert "left as it was" in said
    assert path.read_bytes() == before


def test_the_digest_is_of_code_lrlib_and_locked_packages(write, tmp_path, monkeypatch):
    (tmp_path / "lrlib").mkdir()
    module = tmp_path / "lrlib" / "a.py"
    module.write_text("x = 1\n")
    locked = tmp_path / "requirements.txt"
    locked.write_text("numpy==2.4.6\npytest==8.4.2\n")
    monkeypatch.setattr(execute, "ROOT", tmp_path)

    def digest(*sources):
        return execute.digest(nbformat.read(write(*sources), as_version=4))

    one = digest("1")
    assert digest("1") == one
    assert digest("2") != one
    assert digest("1", "1") != one
    locked.write_text("numpy==2.4.6\npytest==9.0.0\n")
    assert digest("1") == one
    locked.write_text("numpy==2.5.0\npytest==8.4.2\n")
    two = digest("1")
    assert two != one
    module.write_text("x = 2\n")
    assert digest("1") != two
