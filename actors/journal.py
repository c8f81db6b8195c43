"""The journal an actor writes to: what `actors` needs of a store, as a protocol.

`store.ledger.journal` implements it on PostgreSQL, `tests/actors/memory_journal.py` in memory; one conformance suite
checks the promises written here on both. Everything is per project, and a project's events are appended by number: two
writers that try the same number are told apart by the store, never by luck.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from engine.errors import JournalError
from engine.history import Batch, Head, Kept, Liveness, Stored
from engine.lookups import ClaimFact, EventQuery, EventView, FinishedTask, Found, PostQuery, PostRecord, TaskQuery
from engine.vocabulary import Event


class Journal(Protocol):
    """Durable, ordered history of projects.

    Every method raises `JournalUnavailable` when the store cannot be reached in time; only appends can leave their
    outcome open, and say so with `OutcomeUnknown`. All methods can be cancelled; a cancelled append may or may not have
    happened.
    """

    @property
    def writer(self) -> int:
        """A random number that marks every event this journal object appends: it settles unknown outcomes exactly."""
        ...

    @property
    def alone(self) -> bool:
        """Whether no other process can have appended to this database; False when in doubt. Costs nothing."""
        ...

    async def load(self, project_id: int) -> Kept | None:
        """The newest snapshot of a project."""
        ...

    async def base(self, project_id: int) -> Kept | None:
        """The state to begin with where a ledger no longer has its first event; None where it has."""
        ...

    async def cursor(self, project_id: int, reader: int) -> int | None:
        """The last event that `whats_new` has shown to this reader; None for a newcomer."""
        ...

    async def liveness(self, project_id: int, since: datetime, limit: int) -> dict[int, Liveness]:
        """The readers who called since then, as far as it was written: at most `limit`, those that called last."""
        ...

    async def head(self, project_id: int) -> Head:
        """The last event. One index probe."""
        ...

    async def confirm(self, project_id: int) -> Head:
        """The last event, once it and all before it are as durable as a new commit.

        For what was read, as a write of unknown outcome that is found afterwards: it may be on the primary only.
        """
        ...

    async def tail(self, project_id: int, after: int, limit: int) -> list[Stored]:
        """At most `limit` events with numbers above `after`, in order."""
        ...

    async def append(
        self,
        project_id: int,
        events: Sequence[Event],
        cursors: Mapping[int, int],
        *,
        predecessor: Head | None = None,
        holding_turn: bool = False,
    ) -> None:
        """Write events and cursors (reader id to event number) in one commit: all of it, or nothing.

        Events are written only right after the event before the first of them. `predecessor` names it with its time,
        so that events are never put on another ledger that only has as many. Cursors alone do not depend on it.
        Returns once it is durable. A cursor never moves backwards. `holding_turn`: the caller is inside `turn`, which
        this may end.

        Raises:
            Contended: the ledger does not hold the predecessor, or holds events after it; nothing was written.
            JournalUnavailable: nothing was written.
            OutcomeUnknown: the connection was lost after the write was sent.
        """
        ...

    async def append_together(self, batches: Sequence[Batch]) -> list[JournalError | None]:
        """Write batches of different projects in one commit, without waiting for other writers of these projects.

        Gives what came of each batch, in order: None once it is durable, otherwise what `append` would have raised. It
        is `NotTogether` for a batch that is large, whose project another server is writing to, or that shared a
        statement with one that failed.
        """
        ...

    def turn(self, project_id: int, after: int, limit: int) -> AbstractAsyncContextManager[list[Stored]]:
        """Keep other writers of the project waiting, so that one who met others can read and write undisturbed.

        Gives the tail (`tail(project_id, after, limit)`) as it is then. Writers get their turns in the order in which
        they asked. The first append inside may end it. For fairness only: numbers stay distinct without it. Given up
        when the connection is lost; leaving never raises.
        """
        ...

    async def note_loss(self, project_id: int, had: Head, has: Head) -> None:
        """Keep that this server had seen event `had`, which the ledger does not hold any more: it ends with `has`."""
        ...

    async def write_snapshot(
        self, project_id: int, seq: int, state: bytes, *, open_posts: int, at: datetime | None = None
    ) -> None:
        """Keep `state`, the fold of all events up to `seq`. Ignored when the store has one of a later event.

        So is one whose last event did not happen `at` that time in the ledger: the database lost what was folded.

        `open_posts` is how many posts are open in it, for readers that do not unpack states.
        """
        ...

    async def write_liveness(self, project_id: int, seen: Mapping[int, Liveness]) -> None:
        """Keep when readers last called; a time never moves backwards."""
        ...

    async def events(self, project_id: int, query: EventQuery) -> Found[EventView]:
        """The events that match, without post bodies, read by index."""
        ...

    async def posts(self, project_id: int, query: PostQuery) -> Found[PostRecord]:
        """The posts that match, newest first, with bodies and acknowledgements, read by index."""
        ...

    async def claim(self, project_id: int, sequence: str, number: int) -> ClaimFact | None:
        """The claim of this number of the sequence; None when nobody claimed it."""
        ...

    async def finished_tasks(self, project_id: int, query: TaskQuery) -> Found[FinishedTask]:
        """The finished tasks that match, newest first, read by index."""
        ...
