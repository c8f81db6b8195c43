"""A project's state: the books of its concerns.

A book holds only facts that decide the next command; what is settled (old events, posts that everybody acknowledged,
tasks that shipped) is in the journal. `engine.project.apply` is the only writer of books. `seen` is no event
and is set by the actor.

Every collection of a book has a bound: the constants of the concern's module that end in `_MAX`.
"""

from datetime import UTC, datetime

from engine.held_leases import LeaseBook
from engine.history import Liveness
from engine.keys import KeyBook
from engine.open_posts import PostBook
from engine.presence import PresenceBook
from engine.sequences import SequenceBook
from engine.task_graph import TaskBook
from engine.undo import Undo

DAWN = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of an empty ledger."""


class State:
    """Everything that decides a project's next command. `seq` and `at` are of the last event folded.

    The changes of a batch can be taken back by its `undo`: that costs what the batch changed.
    """

    __slots__ = (
        "at", "keys", "leases", "posts", "presence", "seen", "seq", "sequences", "tasks", "undo"
    )  # fmt: skip

    def __init__(self, *, seq: int = 0, at: datetime = DAWN) -> None:
        self.seq = seq
        self.at = at
        self.undo = Undo()
        self.sequences = SequenceBook(self.undo)
        self.presence = PresenceBook(self.undo)
        self.posts = PostBook(self.undo)
        self.leases = LeaseBook(self.undo)
        self.tasks = TaskBook(self.undo)
        self.keys = KeyBook(self.undo)
        self.seen: dict[int, Liveness] = {}

    def end_at(self, seq: int, at: datetime) -> None:
        """Note the last event folded."""
        self.undo.note(self._end_at, self.seq, self.at)
        self._end_at(seq, at)

    def _end_at(self, seq: int, at: datetime) -> None:
        self.seq, self.at = seq, at
