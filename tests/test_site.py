"""What surrounds the pages: addresses, citation, changes, anchors, the workflow."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from html import unescape
from pathlib import Path

import pytest
import yaml
from sphinx.errors import ConfigError
from test_book import PAGES

ROOT = Path(__file__).parent.parent
NOTEBOOKS = [p for p in PAGES if (ROOT / f"{p}.ipynb").exists()]
FORK = "https://github.com/Someone/a-fork"
sys.path.append(str(ROOT / "book" / "_ext"))

import anchors  # noqa: E402
import repository  # noqa: E402

WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text("utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))


# The repository's address ---------------------------------------------------------


#: A page of each sort: with and without code, and those that name the address.
FEW = ["book/index", "book/sgd", "book/run-it", "book/about"]


@pytest.fixture(scope="module")
def fork(tmp_path_factory):
    """A few pages as a fork's runner builds them, by name."""
    folder = tmp_path_factory.mktemp("fork")
    chapters = [{"file": page} for page in FEW[1:]]
    toc = {"format": "jb-book", "root": FEW[0], "chapters": chapters}
    (folder / "_toc.yml").write_text(yaml.safe_dump(toc))
    build = [Path(sys.executable).parent / "jupyter-book", "build", ROOT, "--quiet"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GITHUB_REPOSITORY", "Someone/a-fork")
        patch.delenv("GITHUB_SERVER_URL", raising=False)
        patch.setenv("GITHUB_REF_NAME", "main")
        done = subprocess.run(
            [*build, "--toc", folder / "_toc.yml", "--path-output", folder],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout
    html = folder / "_build" / "html"
    yield {page: (html / f"{page}.html").read_text("utf-8") for page in FEW}
    shutil.rmtree(folder)


def links(page):
    return set(map(unescape, re.findall(r'href="([^"]+)"', page)))


@pytest.mark.parametrize("page", [p for p in FEW if p in NOTEBOOKS])
def test_each_chapter_leads_to_colab(fork, page):
    colab = "https://colab.research.google.com/github/Someone/a-fork/blob/main"
    assert f"{colab}/{page}.ipynb" in links(fork[page])


@pytest.mark.parametrize("page", FEW)
def test_each_page_leads_to_its_source_and_to_where_errors_are_reported(fork, page):
    found = links(fork[page])
    source = next(s for s in (".ipynb", ".md") if (ROOT / f"{page}{s}").exists())
    assert FORK in found
    assert f"{FORK}/edit/main/{page}{source}" in found
    (report,) = (link for link in found if "Error%20on%20the%20page" in link)
    assert report.startswith(f"{FORK}/issues/new?")
    assert page in report


def test_each_page_says_where_it_is_published(fork):
    for name, page in fork.items():
        canonical = f"https://someone.github.io/a-fork/{name}.html"
        assert f'<link rel="canonical" href="{canonical}" />' in page


def test_commands_and_citation_have_the_address(fork):
    text = {
        page: unescape(re.sub(r"<[^>]+>", "", fork[f"book/{page}"]))
        for page in ("run-it", "about")
    }
    assert f"git clone {FORK}\ncd a-fork\n" in text["run-it"]
    assert f'\npip install "lrlib[tensorflow] @ git+{FORK}"\n' in text["run-it"]
    for library in ("jax", "torch"):
        assert f"\npip install git+{FORK} {library}\n" in text["run-it"]
    assert f'%pip install "lrlib[tensorflow] @ git+{FORK}"\n' in text["run-it"]
    assert "url = {https://someone.github.io/a-fork/}" in text["about"]
    assert f"{FORK}/issues/new" in links(fork["book/about"])


class Config:
    """Of Sphinx's configuration what the extension reads and writes."""

    def __init__(self, **options):
        self.html_theme_options, self.html_baseurl = options, ""
        self.myst_substitutions = {}


@pytest.fixture
def no_runner(monkeypatch):
    for name in ("GITHUB_REPOSITORY", "GITHUB_SERVER_URL", "GITHUB_REF_NAME"):
        monkeypatch.delenv(name, raising=False)


def test_the_address_in_the_settings_does_what_the_runner_does(no_runner, monkeypatch):
    written = Config(repository_url=FORK, repository_branch="main")
    repository.use_repository(None, written)
    ran = Config(repository_url="https://github.com/an/upstream")
    monkeypatch.setenv("GITHUB_REPOSITORY", "Someone/a-fork")
    repository.use_repository(None, ran)
    assert vars(written) == vars(ran)
    assert written.html_theme_options["use_edit_page_button"]


def test_without_an_address_nothing_leads_to_one(no_runner):
    config = Config(repository_url="", repository_branch="main")
    repository.use_repository(None, config)
    assert config.html_theme_options == {}
    assert config.html_baseurl == ""
    assert "https://" not in str(config.myst_substitutions)
    with_one = Config(repository_url=FORK)
    repository.use_repository(None, with_one)
    assert config.myst_substitutions.keys() == with_one.myst_substitutions.keys()


@pytest.mark.parametrize("url", ["owner/name", "https://github.com/owner", "soon"])
def test_an_address_that_cannot_be_one_stops_the_build(no_runner, url):
    with pytest.raises(ConfigError, match=re.escape(repr(url))):
        repository.use_repository(None, Config(repository_url=url))


def test_the_address_stands_in_one_file():
    settings = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    address = settings["repository"]["url"] or "://github.com/"
    files = [
        *(ROOT / name for name in ("README.md", "CITATION.cff", "CHANGELOG.md")),
        *(ROOT / "book").glob("*.md"),
    ]
    for file in (*files, ROOT / "pyproject.toml", ROOT / "CONTRIBUTING.md"):
        assert address not in file.read_text("utf-8"), file.name


# Citation and changes -------------------------------------------------------------


def test_citation_package_and_changes_are_of_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    changes = re.findall(r"(?m)^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    released = [name for name in changes if name != "Unreleased"]
    assert CITATION["version"] == project["version"] == released[0]
    assert changes.index(released[0]) <= 1, "one Unreleased section, at the top"


def test_the_citation_has_what_the_format_requires_and_is_on_the_page(site):
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    cited = CITATION["preferred-citation"]
    assert {"type", "title", "authors", "year"} <= cited.keys()
    settings = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    assert CITATION["title"] == cited["title"] == settings["title"]
    page = (site.folder / "book" / "about.html").read_text("utf-8")
    text = unescape(re.sub(r"<[^>]+>", "", page))
    assert f"year = {{{cited['year']}}}" in text
    assert f"version {CITATION['version']}" in text


def test_every_change_is_on_the_page(site):
    page = (site.folder / "book" / "about.html").read_text("utf-8")
    for version in re.findall(
        r"(?m)^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8")
    ):
        assert re.search(rf"<h3>{re.escape(version)}<", page), version


@pytest.mark.parametrize("page", PAGES)
def test_every_page_leads_to_the_citation(site, page):
    html = (site.folder / f"{page}.html").read_text("utf-8")
    assert re.search(r'href="(about\.html)?#how-to-cite-the-book"', html)


# Anchors --------------------------------------------------------------------------


FORMER = json.loads((ROOT / "tests/golden/anchors.json").read_text("utf-8"))


@pytest.mark.parametrize("page", FORMER)
def test_no_anchor_that_a_page_once_had_is_lost(site, page):
    html = (site.folder / "book" / f"{page}.html").read_text("utf-8")
    ids = set(map(unescape, re.findall(r'\bid="([^"]+)"', html)))
    lost = [name for name in FORMER[page] if name not in ids]
    assert not lost, (
        f"{page}.html no longer has {', '.join(lost)}: write into book/anchors.yml "
        "which section of today each of them leads to"
    )


@pytest.fixture
def doctree():
    from docutils.core import publish_doctree

    return publish_doctree("New name\n========\n\nText.\n\nOther\n-----\n\nMore.\n")


@pytest.fixture
def rename(tmp_path, monkeypatch, doctree):
    """Apply an anchors.yml with these lines to a page named sgd."""

    class App:
        class env:
            docname = "book/sgd"

    def rename(**lines):
        file = tmp_path / "anchors.yml"
        file.write_text(yaml.safe_dump({"sgd": lines}))
        monkeypatch.setattr(anchors, "FILE", file)
        anchors.add_former(App, doctree)
        return doctree

    return rename


def test_a_renamed_heading_keeps_its_old_anchor(rename):
    from docutils.core import publish_from_doctree

    html = publish_from_doctree(rename(**{"old-name": "other"}), writer_name="html5")
    (section,) = re.findall(r'id="other".*?<h\d', html.decode(), re.S)
    assert 'id="old-name"' in section


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("old-name", "no-such", "sgd has no #no-such to stand in for #old-name"),
        ("other", "new-name", "sgd still has #other"),
    ],
)
def test_a_line_that_helps_nobody_stops_the_build(rename, old, new, said):
    with pytest.raises(anchors.ExtensionError, match=said):
        rename(**{old: new})


def test_the_lines_of_today_are_for_pages_of_today():
    lines = yaml.safe_load(anchors.FILE.read_text("utf-8"))
    assert {f"book/{page}" for page in lines} <= set(PAGES)


# The workflow ---------------------------------------------------------------------


def test_every_job_has_a_time_limit():
    for name, job in WORKFLOW["jobs"].items():
        assert job["timeout-minutes"] <= 90, name


def test_windows_runs_all_tests_but_those_of_pages_and_notebooks():
    (job,) = (
        job
        for job in WORKFLOW["jobs"].values()
        if str(job["runs-on"]).startswith("windows")
    )
    assert job["env"]["PYTHONUTF8"] == "1"
    (command,) = (
        step["run"] for step in job["steps"] if "pytest" in step.get("run", "")
    )
    assert '-m "not pages"' in command
    assert {"tests", "lrlib"} <= set(command.split())
    for file in re.findall(r"--ignore=(\S+)", command):
        source = (ROOT / file).read_text("utf-8")
        assert not re.search(r"(?m)^(import|from) lrlib", source), file
    for test in re.findall(r"--deselect=(\S+)", command):
        file, name = test.split("::")
        source = (ROOT / file).read_text("utf-8")
        body = source.partition(f"def {name}(")[2].partition("\ndef ")[0]
        # A worker is killed by a signal that Windows doesn't have.
        assert "dying_once(" in body, test
