"""The reference of lrlib's public names, from their docstrings.

Docstrings are written with single backticks around code, as Markdown
has them; on a page they become code, and links where they name what
the reference describes. A schedule's docstring has no list of its
parameters: their kinds give it.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
from typing import Annotated, Any, get_args, get_origin

import numpy as np
from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import lrlib
import lrlib.kinds
from lrlib.schedules.kinds import Choice, Inner, Inners, Kind

PYTHON = "https://docs.python.org/3/library/"
NUMPY = "https://numpy.org/doc/stable/reference/generated/"
PANDAS = "https://pandas.pydata.org/docs/reference/api/"
SYMPY = "https://docs.sympy.org/latest/modules/"
MATPLOTLIB = "https://matplotlib.org/stable/api/_as_gen/"
KERAS = "https://keras.io/api/"
#: The pages of other projects that signatures and docstrings lead to.
#: A name in a signature that is neither here nor in lrlib is a warning.
ELSEWHERE = {
    **{
        f"collections.abc.{name}": (
            f"{PYTHON}collections.abc.html#collections.abc.{name}"
        )
        for name in ("Callable", "Iterable", "Mapping", "Sequence")
    },
    "concurrent.futures.Executor": (
        f"{PYTHON}concurrent.futures.html#concurrent.futures.Executor"
    ),
    "os.PathLike": f"{PYTHON}os.html#os.PathLike",
    "pathlib.Path": f"{PYTHON}pathlib.html#pathlib.Path",
    "threading.Thread": f"{PYTHON}threading.html#threading.Thread",
    "keras.Model": f"{KERAS}models/model/",
    "keras.optimizers.Optimizer": f"{KERAS}optimizers/",
    "keras.optimizers.schedules.LearningRateSchedule": (
        f"{KERAS}optimizers/learning_rate_schedules/"
        "learning_rate_schedule/"
    ),
    "keras.callbacks.BackupAndRestore": (
        f"{KERAS}callbacks/backup_and_restore/"
    ),
    "keras.callbacks.LearningRateScheduler": (
        f"{KERAS}callbacks/learning_rate_scheduler/"
    ),
    "keras.callbacks.ReduceLROnPlateau": (
        f"{KERAS}callbacks/reduce_lr_on_plateau/"
    ),
    "matplotlib.axes.Axes": f"{MATPLOTLIB}matplotlib.axes.Axes.html",
    "numpy.ndarray": f"{NUMPY}numpy.ndarray.html",
    "pandas.DataFrame": f"{PANDAS}pandas.DataFrame.html",
    "sympy.core.expr.Expr": f"{SYMPY}core.html#sympy.core.expr.Expr",
}
#: Where a class is defined, or how code abbreviates it → its name.
PUBLIC = {
    "Axes": "matplotlib.axes.Axes",
    "LearningRateSchedule": (
        "keras.optimizers.schedules.LearningRateSchedule"
    ),
    "Mapping": "collections.abc.Mapping",
    "Callable": "collections.abc.Callable",
    "Sequence": "collections.abc.Sequence",
    "concurrent.futures._base.Executor": "concurrent.futures.Executor",
    "keras.src.models.model.Model": "keras.Model",
    "keras.src.optimizers.optimizer.Optimizer": (
        "keras.optimizers.Optimizer"
    ),
    "keras.src.optimizers.schedules.learning_rate_schedule"
    ".LearningRateSchedule": (
        "keras.optimizers.schedules.LearningRateSchedule"
    ),
    "pd.DataFrame": "pandas.DataFrame",
}
#: What a role without a name links, where it can.
LINKED = re.compile(
    r"[A-Z]\w+(\.\w+)?|(lrlib|keras|concurrent)(\.\w+)+"
)
#: The last lines of a schedule's docstring: where it is from, and what
#: other libraries call it.
CREDIT = re.compile(r"^([A-Za-z]+): (?=\S)")
SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.DOTALL)
LIST_TAG = re.compile(r"<(/?)(dl|dd)>")
#: What stands for a tag of such a list: all lines, and each of them.
LINES = {"dl": ' class="sig-lines"', "dd": ' class="sig-line"'}
#: What a string's value looks like in a sentence.
QUOTED = re.compile(r"'[^']*'")


def code_or_link(
    name: str,
    rawtext: str,
    text: str,
    lineno: int,
    inliner: Inliner,
    options: Any = None,
    content: Any = (),
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Make code of what stands in single backticks, or a link."""
    code = nodes.literal(
        rawtext, text, classes=["docutils", "literal", "notranslate"]
    )
    if not LINKED.fullmatch(text):
        return [code], []
    env = inliner.document.settings.env
    link = pending_xref(
        rawtext,
        code,
        refdomain="py",
        reftype="obj",
        reftarget=text,
        refdoc=env.docname,
        **{"py:module": "lrlib", "py:class": None, "lenient": True},
    )
    return [link], []


def resolve(
    app: Sphinx,
    env: BuildEnvironment,
    node: pending_xref,
    contnode: nodes.Element,
) -> nodes.Element | None:
    """Link to another project's page, or leave code as it is.

    Names of lrlib must lead somewhere: they get no such leniency.
    """
    target = node.get("reftarget", "")
    if target.startswith("lrlib.kinds."):
        # An annotation is looked up as a class; a kind is data.
        return env.get_domain("py").resolve_xref(
            env,
            node["refdoc"],
            app.builder,
            "obj",
            target,
            node,
            contnode,
        )
    if address := ELSEWHERE.get(PUBLIC.get(target, target)):
        return nodes.reference(
            "", "", contnode, refuri=address, internal=False
        )
    if node.get("lenient") and not target.startswith("lrlib."):
        return contnode
    return None


def write_signature(
    app: Sphinx,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    args: str | None,
    returns: str | None,
) -> tuple[str, str] | None:
    """Write a schedule's parameters with the names of their kinds."""
    definition = getattr(thing, "definition", None)
    if what != "function" or definition is None:
        return None
    parameters = []
    for parameter in inspect.signature(thing).parameters.values():
        default = (
            ""
            if parameter.default is parameter.empty
            else f" = {parameter.default!r}"
        )
        kind = kind_name(definition, parameter.name)
        parameters.append(f"{parameter.name}: {kind}{default}")
    return f"({', '.join(parameters)})", "lrlib.Schedule"


def kind_name(definition: Any, parameter: str) -> str:
    """Return the annotation of a schedule's parameter, as a name."""
    kind = definition.kinds[parameter]
    if isinstance(kind, Inner):
        return "lrlib.Schedule"
    if isinstance(kind, Inners):
        return "collections.abc.Sequence[lrlib.Schedule]"
    name = definition.body.__annotations__[parameter]
    if hasattr(lrlib.kinds, name):
        return f"lrlib.kinds.{name}"
    return "str" if isinstance(kind, Choice) else "float"


def write_docstring(
    app: Sphinx,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    lines: list[str],
) -> None:
    """Say of schedules and kinds what their code says."""
    if what == "function" and hasattr(thing, "definition"):
        lines[:] = about_schedule(thing, lines)
    # What is returned is a sentence; napoleon reads a type in it.
    lines[:] = [
        ":returns:" if line == "Returns:" else line for line in lines
    ]


def kinds() -> dict[str, Kind]:
    """Return the kinds that `lrlib.kinds` offers, by name."""
    return {
        name: extra
        for name, hint in vars(lrlib.kinds).items()
        if get_origin(hint) is Annotated
        for extra in get_args(hint)[1:]
    }


def in_words(kind: Kind) -> str:
    """Say what a kind accepts, strings in backticks."""
    return QUOTED.sub(r"`\g<0>`", str(kind))


class Kinds(SphinxDirective):
    """Describe every kind: its comment in the code, and its bounds."""

    def run(self) -> list[nodes.Node]:
        """Return a `py:data` for each."""
        analyzer = ModuleAnalyzer.for_module("lrlib.schedules.kinds")
        comments = analyzer.find_attr_docs()
        lines = []
        for name, kind in kinds().items():
            about = [
                *comments.get(("", name), []),
                f"Accepts {in_words(kind)}.",
            ]
            lines += ["", f".. py:data:: {name}", ""]
            lines += [f"   {line}" for line in about if line]
        return self.parse_text_to_nodes("\n".join(lines))


def about_schedule(make: Any, lines: list[str]) -> list[str]:
    """Return a schedule's docstring with its parameters added."""
    lines = [CREDIT.sub(r"| \1: ", line) for line in lines]
    words = [
        f"    {parameter}: {in_words(kind)}"
        for parameter, kind in make.definition.kinds.items()
    ]
    text = [*lines, "", "Args:", *words, ""]
    if make is lrlib.catalogue.get(make.definition.name):
        text += [*example(make), ""]
    return text


def example(make: Any) -> list[str]:
    """Return a doctest of a schedule as its defaults make it."""
    s = make()
    steps = [0, s.horizon // 2, s.horizon]
    with np.printoptions(precision=4):
        return [
            f">>> s = lrlib.{s.name}()",
            f">>> s({steps}).round(4)",
            repr(s(steps).round(4)),
        ]


def style(
    app: Sphinx,
    page: str,
    template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Give its style to a page that describes code, and to no other.

    A signature over several lines is a list that describes nothing, yet
    screen readers announce it as one: it becomes plain lines.
    """
    if '<dl class="py ' not in context.get("body", ""):
        return
    app.add_css_file("reference.css")
    context["body"] = SIGNATURE.sub(
        lambda match: LIST_TAG.sub(
            lambda tag: (
                "</span>" if tag[1] else f"<span{LINES[tag[2]]}>"
            ),
            match[0],
        ),
        context["body"],
    )


def import_quietly() -> None:
    """Import TensorFlow without the lines it writes to stderr.

    They come from C++, below `sys.stderr`, and read like warnings.
    """
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            importlib.import_module("tensorflow")
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register all of the above with Sphinx."""
    import_quietly()
    # How it is called is said in words; its types are for checkers.
    code = ModuleAnalyzer.for_module("lrlib.schedules.schedule")
    code.analyze()
    code.overloads.pop("schedule", None)
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("lrlib-kinds", Kinds)
    app.add_role("code-or-link", code_or_link)
    app.connect("autodoc-process-signature", write_signature)
    # Before napoleon, which reads the sections of a docstring.
    app.connect(
        "autodoc-process-docstring", write_docstring, priority=400
    )
    app.connect("missing-reference", resolve)
    app.connect("html-page-context", style)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
