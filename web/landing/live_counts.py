"""The public counts, a minute old at most, counted beside the requests and never by one.

Nothing is counted while nobody looks. A visitor who comes when the counts are old has new ones made, waits a moment for
them, and then gets the counts that there are.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog
import trio
from msgspec import Struct

from store.errors import StoreUnavailable
from store.ledger.statistics import PublicStats
from store.outages import Outage

log = structlog.get_logger(__name__)

FRESH_SECONDS = 60.0
PATIENCE_SECONDS = 1.0
"""How long a reader waits for new counts before getting the old ones, or none."""


class Counts(Struct, frozen=True, kw_only=True):
    """The counts and when they were true; shares are of all posts, None while there are none."""

    events: int
    posts: int
    acknowledged_share: float | None
    ref_share: float | None
    projects: int
    participants: int
    as_of: datetime


class LiveCounts:
    """Counts that `count` makes, kept by `run`."""

    def __init__(self, count: Callable[[], Awaitable[PublicStats]]) -> None:
        self._count = count
        self._latest: Counts | None = None
        self._fresh_until = -1.0
        self._wanted = trio.Event()
        self._counted = trio.Event()

    async def run(self) -> None:
        """Count when somebody wants it, until cancelled."""
        outage = Outage()
        while True:
            await self._wanted.wait()
            try:
                self._latest = _presented(await self._count())
            except StoreUnavailable as silent:
                if outage.failed():
                    log.warning("public counts not renewed", seconds=outage.seconds, reason=str(silent))
            else:
                outage.over()
                self._fresh_until = trio.current_time() + FRESH_SECONDS
            done, self._counted, self._wanted = self._counted, trio.Event(), trio.Event()
            done.set()

    async def latest(self) -> Counts | None:
        """The counts; None when there are none yet and none came within `PATIENCE_SECONDS`."""
        if trio.current_time() >= self._fresh_until:
            self._wanted.set()
            with trio.move_on_after(PATIENCE_SECONDS):
                await self._counted.wait()
        return self._latest

    @property
    def fresh_seconds(self) -> int:
        """How long the counts will still do."""
        return max(0, int(self._fresh_until - trio.current_time()))


def _presented(stats: PublicStats) -> Counts:
    def share(part: int) -> float | None:
        return round(part / stats.posts, 3) if stats.posts else None

    return Counts(
        events=stats.events,
        posts=stats.posts,
        acknowledged_share=share(stats.acknowledged),
        ref_share=share(stats.with_ref),
        projects=stats.projects,
        participants=stats.participants,
        as_of=datetime.now(UTC).replace(microsecond=0),
    )
