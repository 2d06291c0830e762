"""Let lrlib.check look at every `fit` of the book's notebooks, just before it trains.

The kernels of the tests load it as an extension (see conftest). In a cell with the tag
`fault`, which shows one on purpose, the check must find it. Everywhere else it must
find nothing worse than a note. Otherwise the cell fails.
"""

import functools
import json
import sys
import types
from pathlib import Path

BOOK = Path(__file__).parent.parent / "book"


@functools.cache
def watched():
    """Return whether a cell shows a fault on purpose, by its source."""
    cells = [
        cell
        for path in sorted(BOOK.glob("*.ipynb"))
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    return {
        "".join(cell["source"]).strip(): "fault" in cell["metadata"].get("tags", ())
        for cell in cells
    }


class Watch:
    """What is checked in one kernel."""

    def __init__(self, shell):
        self.shell, self.names = shell, shell.user_ns
        self.fits, self.found, self.source = 0, [], ""

    def before(self, info):
        """Begin a cell, with a `fit` that checks first once Keras is there."""
        self.fits, self.found, self.source = 0, [], info.raw_cell.strip()
        if (keras := sys.modules.get("keras")) and "lrlib" in sys.modules:
            fit = keras.Model.fit
            if getattr(fit, "__name__", "") != "checked_fit":
                keras.Model.fit = self.checked(fit)

    def checked(self, fit):
        """Return a fit that checks first."""
        look = self.look

        def checked_fit(self, x=None, y=None, batch_size=None, epochs=1, **more):
            given = {key: more[key] for key in more if key != "verbose"}
            # The check looks at the names that are in reach where fit is called.
            look(
                lambda check: check(
                    self, x=x, batch_size=batch_size, epochs=epochs, **given
                ),
                sys._getframe(1).f_locals,
            )
            return fit(self, x, y, batch_size, epochs, **more)

        return checked_fit

    def look(self, ask, local):
        """Check, and fail where the check says what it shouldn't."""
        check, names = sys.modules["lrlib"].check, {**self.names, **local}
        ask = types.FunctionType(ask.__code__, names, "ask", None, ask.__closure__)
        self.fits += 1
        try:
            report = ask(check)
        except ValueError as error:
            if "doesn't know its length" not in str(error):
                raise
            return  # only fit finds it out
        worse = [each for each in report.findings if each.severity != "note"]
        self.found += worse
        if worse and watched().get(self.source) is False:
            listed = "\n".join(map(str, worse))
            raise AssertionError(f"a fault in a cell without the tag `fault`: {listed}")

    def after(self, result):
        """End a cell."""
        if self.fits and not self.found and watched().get(self.source):
            words = "lrlib.check finds no fault in this cell, whose tag is `fault`"
            self.shell.showtraceback((AssertionError, AssertionError(words), None))


def load_ipython_extension(shell):
    """Watch the cells of a kernel."""
    watch = Watch(shell)
    shell.events.register("pre_run_cell", watch.before)
    shell.events.register("post_run_cell", watch.after)
