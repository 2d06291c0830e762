"""The explorer's modules, joined into one script."""

import re
from pathlib import Path

import pytest

import lrlib.show.explorer
from lrlib.show.explorer import bundle

FOLDER = Path(lrlib.show.explorer.__file__).parent
ORIGIN = "http://book.test/"

#: Four modules with clashing private names; `log` says in which order they run.
MODULES = {
    "log.js": """\
// A comment, and then code.
globalThis.log = [];
const hidden = "log";
export const log = (...words) => globalThis.log.push(words.join(" "));
""",
    "shape.js": """\
import { log } from "./log.js";

const hidden = "shape";
log("shape", this === undefined);
export class Shape {
\tname() {
\t\treturn hidden;
\t}
}
export async function later(x) {
\treturn x + 1;
}
""",
    "numbers.js": """\
import { log } from "./log.js";
log("numbers");
const hidden = 1;
export const two = hidden + 1, unexported = 3;
export function $three_(x = two) {
\treturn x + 1;
}
""",
    "main.js": """\
// It imports what it needs, in an order that isn't the alphabet's.
import { Shape, later } from "./shape.js";
import {
\t$three_,
\ttwo,
} from "./numbers.js";
import { log } from "./log.js";

const hidden = await_();
function await_() {
\treturn "main";
}
log(hidden, new Shape().name(), two, $three_());
later(1).then((x) => log("later", x));
export const answer = 42;
""",
}
EXPECTED = ["shape true", "numbers", "main shape 2 3", "later 2"]


@pytest.fixture
def folder(tmp_path):
    for name, source in MODULES.items():
        (tmp_path / name).write_text(source)
    return tmp_path


@pytest.fixture
def page(browser, folder):
    """An empty page at an address that also has the modules, as they are and joined."""
    page = browser.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    files = {
        **MODULES,
        "module.js": bundle.module(folder / "main.js"),
        "script.js": bundle.script(folder / "main.js"),
    }

    def answer(route):
        name = route.request.url.removeprefix(ORIGIN)
        if name in files:
            route.fulfill(body=files[name], content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    page.route("**/*", answer)
    page.goto(ORIGIN)
    yield page
    page.close()
    assert errors == []


def logged(page):
    page.wait_for_function("globalThis.log?.at(-1)?.startsWith('later')")
    return page.evaluate("log")


def test_a_joined_script_does_what_the_modules_do(page):
    page.add_script_tag(url="main.js", type="module")
    assert logged(page) == EXPECTED
    page.goto(ORIGIN)
    names = page.evaluate("Object.getOwnPropertyNames(window)")
    page.add_script_tag(url="script.js")
    assert logged(page) == EXPECTED
    added = {*page.evaluate("Object.getOwnPropertyNames(window)")} - {*names}
    assert added == {"log"}


def test_a_joined_module_exports_what_its_entry_exports(page):
    exports = page.evaluate("async () => (await import('./module.js')).default")
    assert exports == {"answer": 42}
    assert logged(page) == EXPECTED


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('import log from "./log.js";', "can't join 'import log from"),
        ('import * as log from "./log.js";', "can't join"),
        ('import "./log.js";', "can't join"),
        ('import { log as note } from "./log.js";', "doesn't export 'log as note'"),
        ('import { nothing } from "./log.js";', "log.js doesn't export 'nothing'"),
        ('import { hidden } from "./log.js";', "log.js doesn't export 'hidden'"),
        ('import { unexported } from "./numbers.js";', "doesn't export 'unexported'"),
        ('import { log } from "https://elsewhere.test/log.js";', "can't join"),
        ('import { log } from "../log.js";', "can't join"),
        ('\timport { log } from "./log.js";', "can't join"),
        ('import { log } from "./log.js"', "can't join"),
        ('let a = 1;\nimport { log } from "./log.js";', "can't join"),
        ('const log = import("./log.js");', "can't join"),
        ("const here = import.meta.url;", "can't join"),
        ("export default 1;", "can't join 'export default 1;'"),
        ("const a = 1;\nexport { a };", "can't join"),
        ('export * from "./log.js";', "can't join"),
        ("export let a = 1;", "can't join"),
        ("export const { a } = {};", "can't join"),
        ("\texport const a = 1;", "can't join"),
    ],
)
def test_what_cannot_be_joined_is_refused(folder, line, words):
    (folder / "entry.js").write_text(f"{line}\n")
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        bundle.script(folder / "entry.js")
    assert str(caught.value).startswith("entry.js: ")


def test_a_circle_of_modules_is_refused(folder):
    (folder / "one.js").write_text(
        'import { two } from "./two.js";\nexport const one = 1;\n'
    )
    (folder / "two.js").write_text(
        'import { one } from "./one.js";\nexport const two = 2;\n'
    )
    with pytest.raises(ValueError, match=r"circle: one\.js → two\.js → one\.js"):
        bundle.module(folder / "one.js")


def test_a_module_that_is_missing_is_named(folder):
    (folder / "one.js").write_text('import { two } from "./missing.js";\n')
    with pytest.raises(FileNotFoundError, match=r"missing\.js"):
        bundle.module(folder / "one.js")


def test_comments_stay_behind(folder):
    (folder / "one.js").write_text(
        "// The first.\n\n/** Two\n * lines. */\nexport const one = 1; // stays\n"
        "\t// Indented.\nconst url = `http://two`;\n"
    )
    joined = bundle.script(folder / "one.js")
    assert "const one = 1; // stays\nconst url = `http://two`;\n" in joined
    assert "// one.js\n" in joined
    assert not re.search("The first|Two|lines|Indented", joined)


def test_so_does_empty_space(folder):
    (folder / "one.js").write_text(
        "export function one() {\n\tconst a = 1;\n\n\t\treturn a  + 1;\n}\n"
    )
    joined = bundle.script(folder / "one.js")
    assert "\nfunction one() {\nconst a = 1;\nreturn a  + 1;\n}\n" in joined


def test_every_module_of_the_explorer_is_in_the_script_and_short():
    scripts = [bundle.script(FOLDER / name) for name in ("page.js", "worker.js")]
    files = sorted(FOLDER.glob("*.js"))
    assert len(files) > 5
    for file in files:
        counts = [script.count(f"// {file.name}\n") for script in scripts]
        # The page and its workers share what both have to know.
        assert counts in ([1, 0], [0, 1]) or (counts == [1, 1] and file.stem == "plan")
        assert len(file.read_text().splitlines()) <= 600
