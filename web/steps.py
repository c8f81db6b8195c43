"""Long work on answers, done in short steps.

A call takes several passes of the event loop, and in each of them it waits for the steps of all other tasks.
"""

from time import perf_counter

from actors import Limits
from actors.pace import Pace

STEP = Limits(slice_seconds_max=0.000_25)


def short_steps() -> Pace:
    """The pace of one piece of work that begins now."""
    return Pace(STEP, perf_counter)
