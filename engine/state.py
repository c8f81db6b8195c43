"""A project's state: the books of its concerns.

A book holds only facts that decide the next command; what is settled (old events, posts that everybody acknowledged)
is in the journal. `engine.project.apply` is the only writer of books. `seen` is no event and is set by the actor.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine.history import Liveness
from engine.keys import KeyBook
from engine.leases import LeaseBook
from engine.open_posts import PostBook
from engine.presence import PresenceBook
from engine.sequences import SequenceBook
from engine.tasks import TaskBook

DAWN = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of an empty ledger."""


@dataclass(slots=True)
class State:
    """Everything that decides a project's next command. `seq` and `at` are of the last event folded."""

    seq: int = 0
    at: datetime = DAWN
    sequences: SequenceBook = field(default_factory=SequenceBook)
    presence: PresenceBook = field(default_factory=PresenceBook)
    posts: PostBook = field(default_factory=PostBook)
    leases: LeaseBook = field(default_factory=LeaseBook)
    tasks: TaskBook = field(default_factory=TaskBook)
    keys: KeyBook = field(default_factory=KeyBook)
    seen: dict[int, Liveness] = field(default_factory=dict)
