"""Count the lines of code below a folder: `python tests/count.py lrlib`.

A line counts if it holds a part of the program: no docstring, comment or blank does.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

_NOT_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT),
    *(tokenize.DEDENT, tokenize.ENCODING, tokenize.ENDMARKER),
}


def code_lines(source: str) -> int:
    """Return how many lines of a Python file are code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in _NOT_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        # A string that is a statement by itself is a docstring, wherever it stands.
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                lines.difference_update(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def main(folder: str) -> None:
    """Print the count of each file below the folder, and of each folder."""
    counts = {
        path: code_lines(path.read_text(encoding="utf-8"))
        for path in sorted(Path(folder).rglob("*.py"))
    }
    for path, count in counts.items():
        print(f"{count:6,}  {path}")
    print(f"{sum(counts.values()):6,}  in all")


if __name__ == "__main__":
    main(*sys.argv[1:])
