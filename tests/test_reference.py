"""The reference describes every public name, and its examples are right."""

import ast
import doctest
import inspect
import re
import sys
from html import unescape
from pathlib import Path

import pytest

import lrlib
import lrlib.kinds
from lrlib.experiments.finder import RangeTest
from lrlib.experiments.results import Comparison

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "book" / "_ext"))

import reference  # noqa: E402

PUBLIC = [*lrlib.__all__, *lrlib.catalogue]
#: Classes that readers get from a function, with all that is public in them.
CLASSES = {
    "lrlib.Schedule": lrlib.Schedule,
    "lrlib.RaceResult": lrlib.RaceResult,
    "lrlib.experiments.results.Comparison": Comparison,
    "lrlib.experiments.finder.RangeTest": RangeTest,
}
#: Members that lrlib's own modules use, and callers don't.
INTERNAL = {
    f"lrlib.Schedule.{name}"
    for name in [
        "at",
        "definition",
        "leaves",
        "fill",
        "conditions",
        "form",
        "symbols",
        "extent",
    ]
}


@pytest.fixture(scope="module")
def pages(site):
    return {
        path.name: path.read_text(encoding="utf-8")
        for path in (site.folder / "book").glob("reference*.html")
    }


@pytest.fixture(scope="module")
def entries(pages):
    """The HTML of each entry, by the name that it describes."""
    found = {}
    for page in pages.values():
        starts = list(re.finditer(r'<dt class="sig[^>]* id="(lrlib[\w.]*)"', page))
        ends = [*(m.start() for m in starts[1:]), len(page)]
        found |= {
            match[1]: page[match.start() : end]
            for match, end in zip(starts, ends, strict=False)
        }
    return found


def text(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def run_examples(text, name, names):
    """Run the examples in a text, and return how many there are."""
    test = doctest.DocTestParser().get_doctest(text, names, name, None, None)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    wrong = []
    doctest.DocTestRunner(optionflags=flags).run(test, out=wrong.append)
    assert not wrong, "".join(wrong)
    return len(test.examples)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_has_an_entry(entries, name):
    assert f"lrlib.{name}" in entries


@pytest.mark.parametrize("name", PUBLIC)
def test_an_entry_has_a_doctest_and_leads_to_a_chapter(entries, name):
    entry = entries[f"lrlib.{name}"]
    assert ">>> " in unescape(re.sub(r"<[^>]+>", "", entry))
    assert re.search(r'href="(?!reference)[\w-]+\.html(#[\w-]+)?"', entry)


@pytest.mark.parametrize("owner", CLASSES)
def test_each_public_member_of_a_class_has_an_entry(entries, owner):
    kind = CLASSES[owner]
    members = {
        f"{owner}.{name}"
        for name, value in vars(kind).items()
        if not name.startswith("_")
        and (inspect.isroutine(value) or isinstance(value, property | classmethod))
    }
    assert members - INTERNAL <= entries.keys()
    assert members, f"{owner} has no members: is it still the class?"


def test_each_kind_says_what_it_accepts(entries):
    kinds = reference.kinds()
    assert {"Rate", "Steps", "Fraction"} <= kinds.keys()
    for name, kind in kinds.items():
        assert f"Accepts {kind}." in text(entries[f"lrlib.kinds.{name}"])


@pytest.mark.parametrize("name", lrlib.catalogue)
def test_a_schedule_lists_its_parameters_with_kind_and_default(entries, name):
    make = lrlib.catalogue[name]
    entry = text(entries[f"lrlib.{name}"])
    for parameter in inspect.signature(make).parameters.values():
        kind = make.definition.kinds[parameter.name]
        assert f"{parameter.name} – {kind}" in entry
        default = re.search(rf"{parameter.name}: \w+ = (.*?), (\w+:|\))", entry)
        assert ast.literal_eval(default[1]) == parameter.default
    assert re.search(r'href="#?[^"]*lrlib\.kinds\.', entries[f"lrlib.{name}"])


@pytest.mark.parametrize("name", lrlib.catalogue)
def test_the_example_of_a_schedule_is_right(entries, name):
    shown = re.findall(r"<pre>(.*?)</pre>", entries[f"lrlib.{name}"], re.S)
    examples = (unescape(re.sub(r"<[^>]+>", "", block)) for block in shown)
    assert run_examples("".join(examples), name, {"lrlib": lrlib})


def test_what_stands_in_backticks_is_code_or_a_link(pages):
    for page in pages.values():
        prose = re.sub(r"<(pre|script|style|code)\b.*?</\1>", "", page, flags=re.S)
        assert "`" not in text(prose)
    plot = pages["reference-show.html"]
    assert re.search(r'href="#lrlib\.sample"[^>]*><code', plot)
    assert re.search(r'href="reference-schedules\.html#lrlib\.Schedule"', plot)
    keras = reference.ELSEWHERE["keras.callbacks.ReduceLROnPlateau"]
    assert f'href="{keras}"' in pages["reference-training.html"]


def examples():
    """Every docstring with an example: that of a public name, or of its member."""
    for name in lrlib.__all__:
        yield name, getattr(lrlib, name)
    for owner, kind in CLASSES.items():
        for name, member in vars(kind).items():
            if not name.startswith("_"):
                yield f"{owner}.{name}", member


@pytest.mark.parametrize(
    ("name", "thing"),
    [(n, thing) for n, thing in examples() if ">>>" in (inspect.getdoc(thing) or "")],
)
def test_an_example_runs_where_it_is_pasted(name, thing):
    # On the page it has no module around it, as it has where pytest runs it.
    run_examples(inspect.getdoc(thing), name, {})


def test_the_table_of_backends_says_what_their_tests_run():
    tree = ast.parse((ROOT / "tests" / "backends" / "test_backends.py").read_text())
    tested = {}
    for function in tree.body:
        for mark in getattr(function, "decorator_list", []):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func).endswith("covers"):
                runs = "raises `ImportError`" if mark.keywords else "yes"
                tested |= {name.value: runs for name in mark.args}
    table = re.findall(
        r"^\| `([\w.]+)` \| yes \| ([^|]+) \| ([^|]+) \|$",
        (ROOT / "book" / "reference.md").read_text(),
        re.MULTILINE,
    )
    assert table
    told = {name: jax.partition(",")[0] for name, jax, _ in table}
    assert told == tested
    assert all(jax == torch for _, jax, torch in table)
