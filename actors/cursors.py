"""Where each reader's `whats_new` goes on.

A cursor is a row of the journal that only moves forward. While no other server is there, every move goes through this
process, so what was read once is kept; otherwise each reader's row is read each time.
"""

from collections.abc import Mapping

from actors.journal import Journal
from actors.limits import Limits


class Cursors:
    """The cursors of a project's readers, as far as they are known for certain; of those read last."""

    def __init__(self, project_id: int, journal: Journal, limits: Limits) -> None:
        self._project_id = project_id
        self._journal = journal
        self._size_max = limits.seen_max
        self._known: dict[int, int | None] = {}
        self._forgotten = 0

    async def of(self, reader: int) -> int | None:
        """The reader's cursor, None for a newcomer. Raises `JournalUnavailable`."""
        was_alone, forgotten = self._journal.alone, self._forgotten
        if was_alone and reader in self._known:
            return self._known[reader]
        cursor = await self._journal.cursor(self._project_id, reader)
        if was_alone and self._journal.alone and forgotten == self._forgotten:
            self._keep(reader, cursor)
            return self._known[reader]
        return cursor

    def moved(self, cursors: Mapping[int, int]) -> None:
        """These readers' cursors are durable."""
        if not self._journal.alone:
            self.forget()
            return
        for reader, cursor in cursors.items():
            self._keep(reader, cursor)

    def forget(self) -> None:
        """Others may have moved cursors, or a move of ours has an unknown outcome."""
        self._known.clear()
        self._forgotten += 1

    def _keep(self, reader: int, cursor: int | None) -> None:
        known = self._known.pop(reader, None)
        self._known[reader] = cursor if known is None else max(known, cursor or 0)
        if len(self._known) > self._size_max:
            del self._known[next(iter(self._known))]
