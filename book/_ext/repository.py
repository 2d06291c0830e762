"""Where the book's repository is, and what leads there from its pages.

The address stands in one place, `repository:` in `_config.yml`. A
runner of GitHub knows better where it is, in a fork too, and says so
in the environment. Without an address there is no button, no link and
no command that would lead nowhere.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ConfigError

CITATION = Path(__file__).parent.parent.parent / "CITATION.cff"
COLAB = "https://colab.research.google.com"


class Repository(NamedTuple):
    """The address of a repository on GitHub, and a branch."""

    url: str
    branch: str

    @property
    def pages(self) -> str:
        """Where GitHub Pages publishes it."""
        owner, name = urlsplit(self.url).path.strip("/").split("/")
        return f"https://{owner.lower()}.github.io/{name}/"

    def report(self, page: str) -> str:
        """Return where an error on a page is reported."""
        title = quote(f"Error on the page {page}")
        return f"{self.url}/issues/new?title={title}"


def find_repository(config: Config) -> Repository | None:
    """Return where the repository is, None where nobody has said.

    Raises:
        ConfigError: `repository: url:` in `_config.yml` isn't the
            address of a repository.

    """
    options = config.html_theme_options
    if name := os.environ.get("GITHUB_REPOSITORY"):
        server = os.environ.get(
            "GITHUB_SERVER_URL", "https://github.com"
        )
        branch = os.environ.get("GITHUB_REF_NAME", "main")
        return Repository(f"{server}/{name}", branch)
    if not (url := options.get("repository_url")):
        return None
    if not re.fullmatch(r"https://[\w.-]+/[\w.-]+/[\w.-]+", url):
        raise ConfigError(
            "_config.yml: the url of the repository must look like "
            f"https://github.com/owner/name, got {url!r}"
        )
    return Repository(url, options.get("repository_branch", "main"))


def use_repository(app: Sphinx, config: Config) -> None:
    """Tell the theme, and the pages' text, where the repository is."""
    repository = find_repository(config)
    config.myst_substitutions |= write_about(repository)
    if repository is None:
        for option in ("repository_url", "repository_branch"):
            config.html_theme_options.pop(option, None)
        return
    config.html_baseurl = config.html_baseurl or repository.pages
    config.html_theme_options |= {
        "repository_url": repository.url,
        "repository_branch": repository.branch,
        "use_edit_page_button": True,
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {"colab_url": COLAB},
    }


def _installs(plain: str, with_tensorflow: str) -> str:
    """Return what installs lrlib for each library under Keras."""
    return (
        "```bash\n"
        f'pip install "{with_tensorflow}"\n'
        f"pip install {plain} jax\n"
        f"pip install {plain} torch\n"
        "```"
    )


def write_about(repository: Repository | None) -> dict[str, str]:
    """Return what pages say of the repository, by substitution."""
    citation = yaml.safe_load(CITATION.read_text("utf-8"))
    (author,) = (person["name"] for person in citation["authors"])
    cited = citation["preferred-citation"]
    fields = {
        "title": f"{{{citation['title']}}}",
        "author": f"{{{author}}}",
        "year": cited["year"],
        "note": f"Version {citation['version']}",
    }
    address = ""
    if repository:
        fields["url"] = repository.pages
        address = f" <{repository.pages}>"
    inside = ",\n".join(f"  {k} = {{{v}}}" for k, v in fields.items())
    about = {
        "citation": (
            f"> {author}. *{citation['title']}*, version "
            f"{citation['version']}, {cited['year']}.{address}"
        ),
        "bibtex": (
            f"```bibtex\n@book{{learning_rate_schedules,\n{inside},\n}}\n```"
        ),
    }
    if repository is None:
        return about | {
            "clone": (
                "This copy of the book was built without the address "
                "of its repository. Get the repository's folder from "
                "where you have the book, and change to it."
            ),
            "pip_install": (
                "In the repository's folder, run the line for the "
                "library that Keras is to run on:\n\n"
                + _installs(".", ".[tensorflow]")
            ),
            "colab_install": (
                '```python\n%pip install "lrlib-main.zip[tensorflow]"\n'
                "```\n\n"
                "with a zip of the repository's folder that you have "
                "uploaded."
            ),
            "report": (
                "This copy of the book was built without the address "
                "of its repository, so it can't link to the list of "
                "known errors. Tell the person who gave you the book."
            ),
        }
    return about | {
        "clone": (
            f"```bash\ngit clone {repository.url}\n"
            f"cd {repository.url.rpartition('/')[2]}\n```"
        ),
        "pip_install": (
            "Run the line for the library that Keras is to run on:\n\n"
            + _installs(
                f"git+{repository.url}",
                f"lrlib[tensorflow] @ git+{repository.url}",
            )
        ),
        "colab_install": (
            '```python\n%pip install "lrlib[tensorflow] @ '
            f'git+{repository.url}"\n```'
        ),
        "report": (
            "Every page has a link at its foot, *Report an error on "
            "this page*. It opens "
            f"[a new issue]({repository.url}/issues/new) "
            "with the page's name filled in."
        ),
    }


def add_report(
    app: Sphinx,
    pagename: str,
    templatename: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Give the foot of a page the address where its errors go."""
    if repository := find_repository(app.config):
        context["report_url"] = repository.report(pagename)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of the above with Sphinx."""
    app.connect("config-inited", use_repository, priority=100)
    app.connect("html-page-context", add_report)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
