"""What `pip install git+...` gives, as a reader on Colab does it."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from count import code_lines

ROOT = Path(__file__).parent.parent


def test_an_installed_lrlib_has_all_its_files(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(
        ROOT / "lrlib",
        source / "lrlib",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    expected = {
        path.relative_to(source).as_posix()
        for path in (source / "lrlib").rglob("*")
        if path.is_file()
    }
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", tmp_path, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert expected <= packed, expected - packed


def test_no_file_is_too_long_to_be_read_at_once():
    counts = {p: code_lines(p.read_text()) for p in (ROOT / "lrlib").rglob("*.py")}
    assert {path for path, lines in counts.items() if lines > 600} == set()
