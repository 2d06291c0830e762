"""Joins the explorer's source modules into one text.

A page opened from the disk loads no module script, and anywidget takes one text, not
several files. So the modules beside this file are joined: by `script` into a classic
script for the book's pages, by `module` into an ES module for anywidget.

A source module imports at its top, with nothing but line comments between, and exports
what it declares, both in one form each and at the beginning of a line::

    import { name, another } from "./module.js";     (or "../folder/module.js")
    export function name(...) {...}     (or async function, class, const)

Each module becomes a function that runs once, in the order in which a browser would run
the modules, so private names of two modules never clash. Comments that have whole lines
to themselves are left out, and so are blank lines and indents: no template literal may
have a second line.
"""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(
    r'^import \{\s*([\w$,\s]+?),?\s*\} from "(\.|\.\./\w+)/(\w+)\.js";\n', re.M
)
_HEAD = re.compile(rf"(?:[ \t]*\n|//.*\n|{_IMPORT.pattern})*", re.M)
_EXPORT = re.compile(
    r"^export (?=(?:(?:async )?function|class|const) ([\w$]+)[\s(])", re.M
)
#: Browsers are not sent comments that have lines to themselves, nor empty space.
_UNSENT = re.compile(r"^[ \t]*(?://.*|/\*\*(?:.|\n)*?\*/)?\n|^[ \t]+", re.M)
#: Other forms of import and export.
_UNKNOWN = re.compile(r"^\s*(?:import|export)\b.*|\bimport\s*[(.].*", re.M)


def module(entry: Path) -> str:
    """Return an ES module whose default export holds what `entry` exports.

    Args:
        entry: a source module, which may import others of its folder.

    Raises:
        ValueError: a module imports or exports in another form, imports a name that
            isn't exported, or imports itself through others.
        FileNotFoundError: an imported module doesn't exist.

    """
    return f"{_join(entry)}\nexport default ${entry.stem};\n"


def script(entry: Path) -> str:
    """Return a classic script that does what `entry` does as a module script.

    It leaves no global names behind. Arguments and errors are those of `module`.
    """
    return f"(function () {{\n{_join(entry)}}})();\n"


def _join(entry: Path) -> str:
    exports: dict[Path, list[str]] = {}
    texts: list[str] = []

    def add(path: Path, importers: tuple[Path, ...]) -> None:
        if path in importers:
            circle = " → ".join(each.name for each in (*importers, path))
            raise ValueError(f"modules import each other in a circle: {circle}")
        if path in exports:
            return
        source = path.read_text(encoding="utf-8")
        head = _HEAD.match(source)
        assert head  # it also matches nothing at all
        body = source[head.end() :]
        if unknown := _UNKNOWN.search(_EXPORT.sub("", body)):
            raise ValueError(
                f"{path.name}: can't join {unknown[0].strip()!r}. Write "
                '`import { name } from "./module.js";` at the top, or `export` before '
                "a function, class or const at the beginning of a line"
            )
        lines = []
        for listed, folder, stem in _IMPORT.findall(head[0]):
            imported = (path.parent / folder / f"{stem}.js").resolve()
            add(imported, (*importers, path))
            names = [name.strip() for name in listed.split(",")]
            for name in names:
                if name not in exports[imported]:
                    raise ValueError(
                        f"{path.name}: {imported.name} doesn't export {name!r}"
                    )
            lines.append(f"const {{ {', '.join(names)} }} = ${stem};")
        exports[path] = [match[1] for match in _EXPORT.finditer(body)]
        texts.append(
            f"// {path.name}\n"
            f'const ${path.stem} = (function () {{\n"use strict";\n'
            + "".join(f"{line}\n" for line in lines)
            + _UNSENT.sub("", _EXPORT.sub("", body)).strip("\n")
            + f"\nreturn Object.freeze({{ {', '.join(exports[path])} }});\n}})();\n"
        )

    add(entry.resolve(), ())
    return "\n".join(texts)
