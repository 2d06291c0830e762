"""The peer tests: generated code and foreign calls, run by the libraries themselves.

They have an environment of their own (`make test-peers`), since TensorFlow and PyTorch
crash in one process. Elsewhere nothing here is collected.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import pytest

if find_spec("torch") is None or find_spec("tensorflow") is not None:
    collect_ignore_glob = ["*.py"]

GOLDEN = Path(__file__).resolve().parent.parent / "golden"


@pytest.fixture
def golden(request):
    """Compare what the libraries did with what they did when it was recorded.

    With LRLIB_RECORD=1 in the environment it is recorded instead.
    """

    def compare(name: str, seen: list[dict]) -> None:
        path = GOLDEN / name
        if os.environ.get("LRLIB_RECORD"):
            lines = ",\n".join(json.dumps(entry) for entry in seen)
            path.write_text(f"[\n{lines}\n]\n")
        else:
            recorded = json.loads(path.read_text())
            assert seen == recorded, f"record {name} again: make test-peers RECORD=1"

    return compare
