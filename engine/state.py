"""A project's state: the fold of its ledger, as plain data.

Only facts live here, and only those that decide the next command; what was settled long ago (old events, posts that
everybody acknowledged) stays in the journal. `engine.fold` is the only writer of what comes from events. Two things are
not events and are set by the actor: `cursors` and `seen`.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec import Struct

from engine.history import Liveness
from engine.open_posts import OpenPosts
from engine.replies import BlockerRow, ClaimedNumber, ClaimRow, PostedPost
from engine.terms import LeaseMode, TaskStatus

DAWN = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of a ledger that is still empty."""


class Sequence(Struct, kw_only=True):
    """A counter: the last number used, how its numbers look, and its newest claim."""

    current: int = 0
    prefix: str = ""
    pad: int = 0
    latest: ClaimRow | None = None

    def formatted(self, number: int) -> str:
        """How `number` looks in this sequence."""
        return f"{self.prefix}{number:0{self.pad}d}"


class Presence(Struct, kw_only=True):
    """The lane a participant registered, and on what it works."""

    lane: str
    status: str | None


class HeldLease(Struct, frozen=True, kw_only=True):
    """A lease as granted; it is active until `expires_at`."""

    id: int
    by: int
    actor: str
    surface: str
    mode: LeaseMode
    note: str | None
    expires_at: datetime


class Task(Struct, kw_only=True):
    """A task and what holds it up."""

    title: str
    lane: str | None
    owner: str | None
    status: TaskStatus
    depends_on: tuple[int, ...] = ()
    blockers: tuple[BlockerRow, ...] = ()


class KeyedClaim(Struct, frozen=True, kw_only=True, tag="claim"):
    """The first answer to a claim with an idempotency key."""

    at: datetime
    fingerprint: str
    reply: ClaimedNumber


class KeyedPost(Struct, frozen=True, kw_only=True, tag="post"):
    """The first answer to a post with an idempotency key."""

    at: datetime
    fingerprint: str
    reply: PostedPost


Keyed = KeyedClaim | KeyedPost


@dataclass(slots=True)
class State:
    """Everything that decides a project's next command.

    `seq` and `at` are of the last event folded. `leases` is by holder and surface (`lease_key`) and may still hold
    expired ones; `keys` is by reader and key, oldest first. `unfinished` are those of `tasks` that have not shipped, so
    that what is done costs nothing.
    """

    seq: int = 0
    at: datetime = DAWN
    sequences: dict[str, Sequence] = field(default_factory=dict)
    presence: dict[int, Presence] = field(default_factory=dict)
    posts: OpenPosts = field(default_factory=OpenPosts)
    leases: dict[str, HeldLease] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    unfinished: dict[int, Task] = field(default_factory=dict)
    keys: dict[str, Keyed] = field(default_factory=dict)
    cursors: dict[int, int] = field(default_factory=dict)
    seen: dict[int, Liveness] = field(default_factory=dict)


def lease_key(reader: int, surface: str) -> str:
    """Where `State.leases` keeps a holder's lease of a surface."""
    return f"{reader} {surface}"
