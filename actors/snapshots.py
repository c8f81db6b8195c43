"""Keeping snapshots of a state, so that recovery need not begin at event 1.

A snapshot is made in steps of bounded work, while the actor goes on: the first step takes a copy that later events do
not change. A snapshot that cannot be written is tried again later; nothing depends on it.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

import structlog
import trio

from actors.journal import Journal
from actors.limits import Limits
from actors.pace import Pace
from actors.replica import Replica
from actors.statistics import Totals
from engine.errors import JournalError
from engine.project import snapshot_steps
from engine.state import State

log = structlog.get_logger(__name__)


class Snapshots:
    """The snapshots of one project. At most one is being written at a time."""

    def __init__(  # noqa: PLR0917 - handed on from one place
        self, project_id: int, journal: Journal, limits: Limits, totals: Totals, pace: Pace, replica: Replica
    ) -> None:
        self._project_id = project_id
        self._journal = journal
        self._limits = limits
        self._totals = totals
        self._pace = pace
        self._replica = replica
        self._writing = False
        self.nursery: trio.Nursery | None = None
        """Where they are written."""

    def write_when_due(self) -> None:
        """Begin to write a snapshot of the state, which must be durable, if it has moved far enough."""
        state = self._replica.state
        if state is None or self.nursery is None or self._writing or self._replica.passed_over:
            return
        moved = state.seq - self._replica.snapshot_seq
        if self._replica.snapshot_unreadable or (
            moved >= self._limits.snapshot_every_events and moved >= 2 * len(state.posts)
        ):
            self._writing = True
            self.nursery.start_soon(self._write, *_begun(state))

    async def write_last(self) -> None:
        """Write a snapshot if the state has moved at all."""
        state = self._replica.state
        if state is None or self._replica.passed_over:
            return
        if state.seq > self._replica.snapshot_seq or self._replica.snapshot_unreadable:
            await self._write(*_begun(state))

    async def _write(self, seq: int, at: datetime, open_posts: int, steps: Iterator[bytes]) -> None:
        try:
            stored: list[bytes] = []
            self._pace.begin()
            for part in steps:
                stored.append(part)
                await self._pace.give_way_when_spent()
            await self._journal.write_snapshot(self._project_id, seq, b"".join(stored), open_posts=open_posts, at=at)
            self._replica.snapshot_seq, self._replica.snapshot_unreadable = seq, False
            self._totals.snapshots += 1
        except JournalError as error:
            log.warning("snapshot not written", project_id=self._project_id, reason=str(error))
        finally:
            self._writing = False


def _begun(state: State) -> tuple[int, datetime, int, Iterator[bytes]]:
    """The parts of a snapshot of this moment; the copy is taken now, and encoded later."""
    steps = snapshot_steps(state)
    return state.seq, state.at, len(state.posts), chain([next(steps)], steps)
