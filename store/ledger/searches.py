"""The sessions that search the ledger: few, with a time limit, and for every project no more than a share of them.

A search may go over much of a large project. However many of them one project asks for, others find a session free.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from engine.errors import JournalUnavailable, TooSlow
from store.errors import StatementTimeout, StoreUnavailable
from store.postgres.connection import Connection
from store.postgres.pool import Pool

SHARE_OF_PROJECT = 2
"""One project may have half of the sessions."""

QUEUE_SECONDS_MAX = 5.0
"""How long a search waits while its project has its share."""


class Searches:
    """Lends the sessions of `pool` by project."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._share = max(1, pool.size_max // SHARE_OF_PROJECT)
        self._projects: dict[int, trio.Semaphore] = {}

    @asynccontextmanager
    async def session(self, project_id: int) -> AsyncIterator[Connection]:
        """A session for one search of this project.

        Raises `TooSlow` when the project's earlier searches do not end in time, or this one does not, and
        `JournalUnavailable` when there is no session.
        """
        free = self._projects.setdefault(project_id, trio.Semaphore(self._share, max_value=self._share))
        try:
            with trio.move_on_after(QUEUE_SECONDS_MAX) as patience:
                await free.acquire()
            if patience.cancelled_caught:
                raise TooSlow("too many searches of this project's ledger are under way; try again in a moment.")
            try:
                async with self._pool.connection() as connection:
                    yield connection
            finally:
                free.release()
        except StatementTimeout as error:
            raise TooSlow("this search of the ledger takes too long; narrow it.") from error
        except StoreUnavailable as error:
            raise JournalUnavailable(str(error)) from error
        finally:
            if free.value == self._share and not free.statistics().tasks_waiting:
                self._projects.pop(project_id, None)
