"""When the readers of a project last called: kept in memory, bounded, and exchanged with the journal now and then.

Liveness is no event: it is written behind, and a crash may forget the last seconds of it. Nobody is woken by it.
"""

from datetime import datetime, timedelta

import structlog

from actors.journal import Journal
from actors.limits import Limits
from engine.errors import JournalError
from engine.history import Liveness
from engine.identity import Principal

log = structlog.get_logger(__name__)

SHOWN = timedelta(seconds=86_400)
"""Readers who called longer ago are never shown (`engine.terms.WindowSeconds`)."""


class LastCalls:
    """The last call of each reader; of at most `seen_max` readers, those that called last."""

    def __init__(self, project_id: int, journal: Journal, limits: Limits) -> None:
        self._project_id = project_id
        self._journal = journal
        self._limits = limits
        self._unwritten: dict[int, Liveness] = {}
        self._read_at: datetime | None = None
        self._is_failing = False
        self.seen: dict[int, Liveness] = {}
        """By reader, the latest call last. Given to the engine, and changed in place."""

    def saw(self, caller: Principal, now: datetime) -> None:
        """The caller calls now."""
        liveness = Liveness(caller.actor, now)
        self._unwritten.pop(caller.id, None)
        self._unwritten[caller.id] = liveness
        self._remember(caller.id, liveness)
        if len(self._unwritten) > self._limits.seen_max:
            del self._unwritten[next(iter(self._unwritten))]

    @property
    def was_read(self) -> bool:
        """Whether calls before this actor's time are known."""
        return self._read_at is not None

    async def read_once(self, now: datetime) -> None:
        """Learn of calls before this actor's time, if that was not done yet. Raises `JournalUnavailable`."""
        if not self.was_read:
            await self.read(now)

    async def read(self, now: datetime) -> None:
        """Learn of calls at other servers since the last time. Raises `JournalUnavailable`."""
        since = now - SHOWN
        if self._read_at is not None:  # other servers write behind too
            since = max(since, self._read_at - 3 * timedelta(seconds=self._limits.liveness_seconds))
        found = await self._journal.liveness(self._project_id, since, self._limits.seen_max)
        self._read_at = now
        for reader, liveness in sorted(found.items(), key=lambda item: item[1].at):
            if reader not in self.seen or self.seen[reader].at < liveness.at:
                self._remember(reader, liveness)

    async def exchange(self, now: datetime) -> None:
        """Write who called lately, and read who called elsewhere; what cannot be written is kept for the next time."""
        unwritten, self._unwritten = self._unwritten, {}
        if not unwritten:
            return
        try:
            await self._journal.write_liveness(self._project_id, unwritten)
        except JournalError as error:
            self._unwritten = unwritten | self._unwritten
            if not self._is_failing:
                log.warning("liveness not written", project_id=self._project_id, reason=str(error))
            self._is_failing = True
            return
        self._is_failing = False
        self._forget_before(now - SHOWN)
        if not self._journal.alone:
            try:
                await self.read(now)
            except JournalError as error:
                log.warning("liveness not read", project_id=self._project_id, reason=str(error))

    def _remember(self, reader: int, liveness: Liveness) -> None:
        self.seen.pop(reader, None)
        self.seen[reader] = liveness
        if len(self.seen) > self._limits.seen_max:
            del self.seen[next(iter(self.seen))]

    def _forget_before(self, moment: datetime) -> None:
        while self.seen and self.seen[oldest := next(iter(self.seen))].at < moment:
            del self.seen[oldest]
