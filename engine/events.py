"""The ledger's events: what happened, each with exactly the facts needed to fold it again.

An `Event` is one row of the ledger; its `data` is one of a closed union, whose wire name is the class's `type`. A state
is the fold of its events, so nothing here may change meaning once written: add fields with defaults, never rename.
Fields without a default are always written, also when null, because readers of the ledger rely on them.
"""

from datetime import datetime
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from engine.errors import UnknownEventType
from engine.terms import LeaseMode


class _Data(Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: ClassVar[str]


class Claimed(_Data, frozen=True, kw_only=True):
    """A number of a sequence was taken."""

    type: ClassVar[str] = "claim"
    sequence: str
    number: int
    formatted: str
    note: str | None
    key: str | None = None


class Seeded(_Data, frozen=True, kw_only=True):
    """A sequence was created or moved forward."""

    type: ClassVar[str] = "seed"
    sequence: str
    current: int
    prefix: str
    pad: int


class Registered(_Data, frozen=True, kw_only=True):
    """A participant said which lane it works in."""

    type: ClassVar[str] = "register"
    lane: str
    status: str | None


class Posted(_Data, frozen=True, kw_only=True):
    """A handoff was written. Its id is the event's number; `thread` is the id of the thread's first post."""

    type: ClassVar[str] = "post"
    to_lane: str | None
    to_actor: str | None
    subject: str | None
    body: str
    ref: str | None
    tag: str | None
    thread: int
    to_id: int | None = None
    reply_to: int | None = None
    key: str | None = None


class Acked(_Data, frozen=True, kw_only=True):
    """A post was acknowledged for the first time by this participant."""

    type: ClassVar[str] = "ack"
    post_id: int


class Leased(_Data, frozen=True, kw_only=True):
    """A surface was leased or its lease renewed. The lease's id is the event's number."""

    type: ClassVar[str] = "lease"
    surface: str
    ttl_seconds: int
    note: str | None = None
    mode: LeaseMode = "exclusive"


class Released(_Data, frozen=True, kw_only=True):
    """The caller's lease of a surface ended early."""

    type: ClassVar[str] = "release"
    surface: str


class TaskCreated(_Data, frozen=True, kw_only=True):
    """A task was written down, with an owner or without."""

    type: ClassVar[str] = "task_create"
    task_id: int
    title: str
    lane: str | None
    owner: str | None
    detail: str | None = None
    owner_id: int | None = None
    depends_on: tuple[int, ...] = ()


class TaskAssigned(_Data, frozen=True, kw_only=True):
    """A task got its owner, or another one."""

    type: ClassVar[str] = "task_assign"
    task_id: int
    owner: str
    owner_id: int


class TaskStarted(_Data, frozen=True, kw_only=True):
    """Work on a task began."""

    type: ClassVar[str] = "task_start"
    task_id: int


class TaskBlocked(_Data, frozen=True, kw_only=True):
    """A task cannot go on, for a reason and perhaps until another task ships."""

    type: ClassVar[str] = "task_block"
    task_id: int
    on: int | None
    reason: str


class TaskResolved(_Data, frozen=True, kw_only=True):
    """Blockers of a task went: those on task `blocker`, or all of them."""

    type: ClassVar[str] = "task_resolve"
    task_id: int
    blocker: int | None


class TaskShipped(_Data, frozen=True, kw_only=True):
    """A task is done."""

    type: ClassVar[str] = "task_ship"
    task_id: int


EventData = (
    Claimed
    | Seeded
    | Registered
    | Posted
    | Acked
    | Leased
    | Released
    | TaskCreated
    | TaskAssigned
    | TaskStarted
    | TaskBlocked
    | TaskResolved
    | TaskShipped
)

EVENT_TYPES: dict[str, type[EventData]] = {cls.type: cls for cls in EventData.__args__}
"""Every event type by its wire name."""

_HIDDEN = ("body", "to_id", "owner_id", "key")


class Event(Struct, frozen=True, kw_only=True):
    """One row of a project's ledger.

    `seq` counts from 1 without gaps; `at` is UTC in whole milliseconds and never runs backwards; `actor` is the name at
    that time and `by` the participation's id (`engine.identity.OWNER` for the owner in person).
    """

    seq: int
    at: datetime
    actor: str
    by: int
    data: EventData


def payload(data: EventData) -> dict[str, Any]:
    """What readers of the ledger get to see of an event: everything but post bodies, keys and internal ids."""
    shown: dict[str, Any] = msgspec.to_builtins(data)
    for name in _HIDDEN:
        shown.pop(name, None)
    return shown


def encode(data: EventData) -> bytes:
    """The JSON that the ledger stores in `data`; its type name goes in a column of its own."""
    return msgspec.json.encode(data)


def decode(type_name: str, stored: bytes | str) -> EventData:
    """The inverse of `encode`.

    Raises `UnknownEventType` for a type this version does not know.
    """
    if (cls := EVENT_TYPES.get(type_name)) is None:
        raise UnknownEventType(type_name)
    return _DECODERS[cls].decode(stored)


_DECODERS: dict[type[EventData], msgspec.json.Decoder[EventData]] = {
    cls: msgspec.json.Decoder(cls) for cls in EVENT_TYPES.values()
}
