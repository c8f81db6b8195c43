"""How many calls of one participant wait for news at the same time: a bound, so that one cannot fill the server.

Waiting itself is done by `actors.directory`; here it is only counted.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from engine.identity import Principal
from engine.refusals import Refusal

WAITS_MAX = 64
"""Far more than an agent and its sub-agents need."""

TOO_MANY_WAITS = Refusal(
    "busy", f"{WAITS_MAX} of your calls already wait; let one of them end, or call with wait_seconds 0."
)


class Waits:
    """Counts waiting calls by participant; owners in person are participants of each of their projects."""

    def __init__(self) -> None:
        self._parked: Counter[tuple[int, int]] = Counter()

    @contextmanager
    def parked(self, caller: Principal) -> Iterator[bool]:
        """Hold a place for one waiting call as long as this is open; False when the caller has no place left."""
        place = (caller.project_id, caller.id)
        if self._parked[place] >= WAITS_MAX:
            yield False
            return
        self._parked[place] += 1
        try:
            yield True
        finally:
            self._parked[place] -= 1
            if not self._parked[place]:
                del self._parked[place]
