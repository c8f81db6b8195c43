"""News of changes that are in no ledger: members, tokens, invites, settings and sessions of an owner.

Open pages listen (`web.admin.live`). Triggers on the audit trail, on sessions and on webhooks tell all servers, also
this one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio

JUST_NOW_SECONDS = 5.0
"""Longer than the gap between a page and its stream, and between two streams."""


class Noticed:
    """Notes changes for one listener, and interrupts its wait."""

    def __init__(self) -> None:
        self._is_noted = False
        self._waiting: trio.CancelScope | None = None

    def note(self) -> None:
        """Something was changed."""
        self._is_noted = True
        if self._waiting is not None:
            self._waiting.cancel()

    def take(self) -> bool:
        """Whether something was changed since the last time."""
        noted, self._is_noted = self._is_noted, False
        return noted

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """Leave the block when a change is noted; at its first checkpoint if one is noted already."""
        with trio.CancelScope() as self._waiting:
            if self._is_noted:
                self._waiting.cancel()
            yield
        self._waiting = None


class Changes:
    """Passes news of an owner's changes on to listeners."""

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._told_at = clock()  # a server that has just begun has not heard what came before
        self._listening: dict[int | None, set[Noticed]] = {}

    @contextmanager
    def listening(self, owner_id: int | None) -> Iterator[Noticed]:
        """Note this owner's changes while the block runs, or every owner's when it is None."""
        noticed = Noticed()
        self._listening.setdefault(owner_id, set()).add(noticed)
        try:
            yield noticed
        finally:
            self._listening[owner_id].discard(noticed)
            if not self._listening[owner_id]:
                del self._listening[owner_id]

    @property
    def happened_just_now(self) -> bool:
        """Whether something of any owner was changed in the last `JUST_NOW_SECONDS`, so that a listener missed it."""
        return self._clock() - self._told_at < JUST_NOW_SECONDS

    def tell(self, owner_id: int | None) -> None:
        """Tell the listeners of this owner; all listeners when it is None."""
        self._told_at = self._clock()
        owners = list(self._listening) if owner_id is None else [owner_id, None]
        for each in owners:
            for noticed in self._listening.get(each, ()):
                noticed.note()
