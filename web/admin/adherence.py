"""Adherence to the protocol in a project, for Insights and for the page of one member.

Counted from the ledger (`store.ledger.adherence`), at most once a minute for all pages together.
"""

from datetime import datetime

from msgspec import Struct

from store import Store
from store.ledger import insights
from store.ledger.adherence import Adherence, adherence
from web.identity.cache import AgeingCache

WEEKS = 4
COUNTED_FOR_SECONDS = 60.0
PROJECTS_KEPT_MAX = 200
COUNTED_AT_ONCE_MAX = 2
"""Projects that are counted at once; the others' pages wait."""


class Counted(Struct, frozen=True, kw_only=True):
    """A row for each participant and week, newest week first, and when they were counted."""

    at: datetime
    rows: list[Adherence]

    def of(self, participation_id: int) -> list[Adherence]:
        """The weeks of one participant, the newest first."""
        return [row for row in self.rows if row.participation_id == participation_id]


class Adherences:
    """The adherence of every project, remembered for a minute."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept = AgeingCache[int, Counted](
            ttl_seconds=COUNTED_FOR_SECONDS, entries_max=PROJECTS_KEPT_MAX, loads_max=COUNTED_AT_ONCE_MAX
        )

    async def of(self, project_id: int) -> Counted:
        """The counts, a minute old at most."""
        counted = self._kept.get(project_id) or await self._kept.load(project_id, self._count)
        assert counted is not None  # noqa: S101 - told to the type checker
        return counted

    async def _count(self, project_id: int) -> Counted:
        rows = await self._store.read(adherence, project_id, weeks=WEEKS, events_max=insights.EVENTS_MAX)
        return Counted(at=self._store.clock.now(), rows=rows)
