"""What a caller can ask of a project: a closed union of frozen messages that carry their own limits.

The fields *are* the arguments of the MCP tools: one declaration validates them, describes them to agents, and is what
`engine.decide` matches on. A name that a command mentions is resolved by whoever sends it (`addressee_name` says which)
and handed over beside the command, because participants are not part of the ledger.
"""

from datetime import datetime
from typing import ClassVar

from msgspec import Struct

from engine import terms


class Command(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The root of all commands.

    `awaits` are the event types that can end a wait (`wait_seconds`); None means any.
    """

    awaits: ClassVar[frozenset[str] | None] = None

    @property
    def addressee_name(self) -> str | None:
        """The participant this command mentions, to be resolved before it is sent."""
        return None

    @property
    def wait_seconds(self) -> int:
        """How long the caller is ready to wait for an answer worth having."""
        return 0


class Claim(Command, frozen=True, kw_only=True):
    """Take the next number of a sequence."""

    sequence: terms.SequenceName
    note: terms.Note | None = None
    key: terms.Key | None = None


class SeedSequence(Command, frozen=True, kw_only=True):
    """Create a sequence, or move it forward, or change how its numbers look."""

    sequence: terms.SequenceName
    current: terms.Counter
    prefix: terms.Prefix | None = None
    pad: terms.Pad | None = None


class ListSequences(Command, frozen=True, kw_only=True):
    """Show every sequence."""


class LatestClaims(Command, frozen=True, kw_only=True):
    """Show the newest claim of each sequence."""


class Register(Command, frozen=True, kw_only=True):
    """Say which lane the caller works in, and on what."""

    lane: terms.Lane
    status: terms.Status | None = None


class WhoIsActive(Command, frozen=True, kw_only=True):
    """Show who called lately."""

    lane: terms.Lane | None = None
    within_seconds: terms.WindowSeconds | None = None


class Post(Command, frozen=True, kw_only=True):
    """Hand something over to a lane or a participant."""

    to_lane: terms.Lane | None = None
    to_actor: terms.ActorName | None = None
    subject: terms.Subject | None = None
    body: terms.Body
    ref: terms.Ref | None = None
    tag: terms.Tag | None = None
    reply_to: terms.Id | None = None
    key: terms.Key | None = None

    @property
    def addressee_name(self) -> str | None:
        """Who gets the post in person."""
        return self.to_actor


class ReadPosts(Command, frozen=True, kw_only=True):
    """Read posts, newest first."""

    awaits: ClassVar[frozenset[str] | None] = frozenset({"post", "register"})

    to_lane: terms.Lane | None = None
    to_me: bool = False
    from_me: bool = False
    tag: terms.Tag | None = None
    ref: terms.Ref | None = None
    thread: terms.Id | None = None
    unacked_only: bool = False
    before: terms.Id | None = None
    limit: terms.PageLimit = 50
    wait_seconds: terms.WaitSeconds = 0


class Ack(Command, frozen=True, kw_only=True):
    """Acknowledge a post."""

    post_id: terms.Id


class Lease(Command, frozen=True, kw_only=True):
    """Announce work on a surface for a while."""

    awaits: ClassVar[frozenset[str] | None] = frozenset({"lease", "release"})

    surface: terms.Surface
    ttl_seconds: terms.TtlSeconds = 1800
    note: terms.LeaseNote | None = None
    mode: terms.LeaseMode = "exclusive"
    wait_seconds: terms.WaitSeconds = 0


class Release(Command, frozen=True, kw_only=True):
    """End the caller's lease of a surface."""

    surface: terms.Surface


class WhoHolds(Command, frozen=True, kw_only=True):
    """Show active leases, all or those that overlap a surface."""

    surface: terms.Surface | None = None


class TaskCreate(Command, frozen=True, kw_only=True):
    """Write a task down."""

    title: terms.Title
    detail: terms.Detail | None = None
    lane: terms.Lane | None = None
    owner: terms.ActorName | None = None
    depends_on: terms.TaskIds = ()

    @property
    def addressee_name(self) -> str | None:
        """Who owns the task."""
        return self.owner


class TaskAssign(Command, frozen=True, kw_only=True):
    """Give a task to somebody."""

    task_id: terms.Id
    owner: terms.ActorName

    @property
    def addressee_name(self) -> str | None:
        """Who owns the task from now on."""
        return self.owner


class TaskStart(Command, frozen=True, kw_only=True):
    """Begin work on a task."""

    task_id: terms.Id


class TaskBlock(Command, frozen=True, kw_only=True):
    """Say that a task cannot go on."""

    task_id: terms.Id
    on: terms.Id | None = None
    reason: terms.Reason


class TaskResolve(Command, frozen=True, kw_only=True):
    """Take blockers off a task."""

    task_id: terms.Id
    blocker: terms.Id | None = None


class TaskShip(Command, frozen=True, kw_only=True):
    """Say that a task is done."""

    task_id: terms.Id


class ListTasks(Command, frozen=True, kw_only=True):
    """Show tasks, newest first."""

    status: terms.TaskStatus | None = None
    owner: terms.ActorName | None = None
    lane: terms.Lane | None = None
    ready: bool = False
    limit: terms.PageLimit = 50


class QueryEvents(Command, frozen=True, kw_only=True):
    """Search the ledger, newest first."""

    actor: terms.ActorName | None = None
    type: terms.EventType | None = None
    sequence: terms.SequenceName | None = None
    number: terms.Id | None = None
    ref: terms.Ref | None = None
    tag: terms.Tag | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: terms.Id | None = None
    last_n: terms.EventLimit | None = None
    limit: terms.EventLimit = 100


class WhatsNew(Command, frozen=True, kw_only=True):
    """Catch up: what happened since the caller last asked, and what the caller holds and owes."""

    advance_cursor: bool = True
    limit: terms.DigestLimit = 100
    wait_seconds: terms.WaitSeconds = 0


class Touch(Command, frozen=True, kw_only=True):
    """Only say that the caller is alive: what every call does, for calls that ask nothing of the project's state."""


AnyCommand = (
    Claim
    | SeedSequence
    | ListSequences
    | LatestClaims
    | Register
    | WhoIsActive
    | Post
    | ReadPosts
    | Ack
    | Lease
    | Release
    | WhoHolds
    | TaskCreate
    | TaskAssign
    | TaskStart
    | TaskBlock
    | TaskResolve
    | TaskShip
    | ListTasks
    | QueryEvents
    | WhatsNew
    | Touch
)
