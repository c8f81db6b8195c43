"""What a project answers: one frozen message per command, whose fields are the result an agent pays for.

Times are UTC in whole milliseconds. Shapes are stable: a field of the contract is present also when null; fields that
appear only when they have something to say have a default and are left out at it.
"""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from engine.terms import LeaseMode, TaskStatus


class Reply(Struct, frozen=True, kw_only=True):
    """The root of all replies."""

    @property
    def is_news(self) -> bool:
        """Whether this is worth ending a wait for."""
        return True


class Touched(Reply, frozen=True, kw_only=True):
    """Nothing to say."""


class ClaimedNumber(Reply, frozen=True, kw_only=True):
    """The number that now belongs to the caller."""

    sequence: str
    number: int
    formatted: str
    note: str | None


class SequenceSet(Reply, frozen=True, kw_only=True):
    """A sequence as it stands after seeding."""

    sequence: str
    current: int
    prefix: str
    pad: int


class SequenceRow(Struct, frozen=True, kw_only=True):
    """One sequence and the number it gives next."""

    name: str
    prefix: str
    pad: int
    last_used: int
    next: int
    next_formatted: str


class Sequences(Reply, frozen=True, kw_only=True):
    """Every sequence, by name."""

    sequences: list[SequenceRow]


class ClaimRow(Struct, frozen=True, kw_only=True):
    """The newest claim of one sequence."""

    sequence: str
    number: int
    formatted: str
    by: str
    at: datetime


class LatestClaimRows(Reply, frozen=True, kw_only=True):
    """The newest claim of each sequence, by name."""

    sequences: list[ClaimRow]


class RegisteredLane(Reply, frozen=True, kw_only=True):
    """The lane the caller now works in."""

    actor: str
    lane: str
    status: str | None
    registered_at: datetime


class ActiveRow(Struct, frozen=True, kw_only=True):
    """One participant who called lately."""

    actor: str
    lane: str
    status: str | None
    last_seen: datetime


class Active(Reply, frozen=True, kw_only=True):
    """Who called lately, latest first."""

    active: list[ActiveRow]


class PostedPost(Reply, frozen=True, kw_only=True):
    """A post's ids, which are the same number twice, and its time."""

    post_id: int
    event_id: int
    created_at: datetime


class AckRow(Struct, frozen=True, kw_only=True):
    """Who acknowledged a post, and when."""

    actor: str
    at: datetime


class PostView(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """One post; `acked` is by the caller, `acked_by` is there only when asked with `from_me`."""

    post_id: int
    sender: str
    to_lane: str | None
    to_actor: str | None
    subject: str | None
    body: str
    ref: str | None
    tag: str | None
    created_at: datetime
    acked: bool
    reply_to: int | UnsetType = UNSET
    acked_by: list[AckRow] | UnsetType = UNSET


class Posts(Reply, frozen=True, kw_only=True):
    """Posts, newest first."""

    posts: list[PostView]

    @property
    def is_news(self) -> bool:
        """Whether anything was found."""
        return bool(self.posts)


class AckedPost(Reply, frozen=True, kw_only=True):
    """When the caller first acknowledged the post."""

    post_id: int
    acked_at: datetime


class OtherLease(Struct, frozen=True, kw_only=True):
    """Somebody else's active lease that overlaps and conflicts."""

    actor: str
    surface: str
    expires_at: datetime


class GrantedLease(Reply, frozen=True, kw_only=True):
    """The caller's lease; `lease_id` is a fencing token that grows with every grant in the project."""

    lease_id: int
    surface: str
    expires_at: datetime
    others: list[OtherLease]


class ReleasedLeases(Reply, frozen=True, kw_only=True):
    """How many leases ended: 0 or 1."""

    released: int


class LeaseRow(Struct, frozen=True, kw_only=True):
    """One active lease."""

    surface: str
    actor: str
    expires_at: datetime
    expires_in_seconds: int
    note: str | None
    mode: LeaseMode


class Leases(Reply, frozen=True, kw_only=True):
    """Active leases, those that end first first."""

    leases: list[LeaseRow]


class TaskState(Reply, frozen=True, kw_only=True):
    """A task and where it stands now."""

    task_id: int
    status: TaskStatus


class AssignedTask(Reply, frozen=True, kw_only=True):
    """A task and whose it is now."""

    task_id: int
    owner: str
    status: TaskStatus


class BlockerRow(Struct, frozen=True, kw_only=True):
    """What holds a task up: a reason, and perhaps another task."""

    on: int | None
    reason: str


class TaskRow(Struct, frozen=True, kw_only=True):
    """One task; `waits_for` are its unshipped dependencies, left out when there are none."""

    task_id: int
    title: str
    lane: str | None
    owner: str | None
    status: TaskStatus
    blockers: list[BlockerRow]
    waits_for: list[int] | UnsetType = UNSET


class Tasks(Reply, frozen=True, kw_only=True):
    """Tasks, newest first."""

    tasks: list[TaskRow]


class EventView(Struct, frozen=True, kw_only=True):
    """One event of the ledger."""

    id: int
    ts: datetime
    actor: str
    type: str
    payload: dict[str, Any]


class Events(Reply, frozen=True, kw_only=True):
    """Events, newest first."""

    events: list[EventView]


class PostHead(Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"sender": "from"}):
    """A post without its body: enough to decide whether to read it. What it does not have is left out."""

    post_id: int
    sender: str
    to_lane: str | None = None
    to_actor: str | None = None
    subject: str | None = None
    ref: str | None = None
    created_at: datetime


class ActiveLease(Struct, frozen=True, kw_only=True):
    """One active lease, in the digest."""

    surface: str
    actor: str
    expires_at: datetime


class Omitted(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How many more there are of what a digest shows only the newest of."""

    unacked_posts: int = 0
    active_leases: int = 0
    awaiting_ack: int = 0


class Digest(Reply, frozen=True, kw_only=True):
    """What happened since the cursor, oldest first, and what the caller holds and owes.

    `remaining` counts the events after the last one returned. `omitted` is there only when a list was cut.
    """

    since_event_id: int
    events: list[EventView]
    remaining: int
    unacked_posts: list[PostHead]
    awaiting_ack: list[PostHead]
    active_leases: list[ActiveLease]
    latest_claims: dict[str, str]
    omitted: Omitted | UnsetType = UNSET

    @property
    def is_news(self) -> bool:
        """Whether anything happened."""
        return bool(self.events)
