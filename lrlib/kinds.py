"""The kinds of parameters, for schedules of your own."""

from lrlib.schedules.kinds import *  # noqa: F403
