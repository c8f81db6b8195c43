"""Who is active, and in which lane. Registration is an event; liveness is not."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import ClassVar, assert_never

from msgspec import Struct

from engine import terms
from engine.decision import Context, Decision
from engine.fields import Shown
from engine.history import Liveness
from engine.vocabulary import Command, Event, EventData, Reply

UNSET_LANE = "(unset)"
"""The lane of somebody who has not registered."""


class Register(Command, frozen=True, kw_only=True):
    """Say which lane the caller works in, and on what."""

    lane: terms.Lane
    status: terms.Status | None = None


class WhoIsActive(Command, frozen=True, kw_only=True):
    """Show who called lately."""

    lane: terms.Lane | None = None
    within_seconds: terms.WindowSeconds | None = None


class Touch(Command, frozen=True, kw_only=True):
    """Only say that the caller is alive: what every call does, for calls that ask nothing of the project's state."""


class Registered(EventData, frozen=True, kw_only=True):
    """A participant said which lane it works in."""

    type: ClassVar[str] = "register"
    lane: Shown[str]
    status: Shown[str | None]


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


class Touched(Reply, frozen=True, kw_only=True):
    """Nothing to say."""


class Presence(Struct, frozen=True, kw_only=True):
    """The lane a participant registered, and on what it works."""

    reader: int
    lane: str
    status: str | None


class PresenceBook:
    """The registrations of a project by reader."""

    __slots__ = ("_by_reader",)

    def __init__(self, records: Iterable[Presence] = ()) -> None:
        self._by_reader = {record.reader: record for record in records}

    def dump(self) -> list[Presence]:
        """The records that make this book again."""
        return list(self._by_reader.values())

    def get(self, reader: int) -> Presence | None:
        """The reader's registration."""
        return self._by_reader.get(reader)

    def put(self, presence: Presence) -> None:
        """Put a reader into a lane."""
        self._by_reader[presence.reader] = presence

    def lane_of(self, reader: int) -> str | None:
        """The lane that the reader registered."""
        presence = self._by_reader.get(reader)
        return None if presence is None else presence.lane

    def lanes(self) -> set[str]:
        """Every lane that somebody is in."""
        return {presence.lane for presence in self._by_reader.values()}

    def in_lane(self, lane: str) -> set[int]:
        """The readers in a lane."""
        return {reader for reader, presence in self._by_reader.items() if presence.lane == lane}


PresenceCommand = Register | WhoIsActive | Touch


def decide(book: PresenceBook, seen: Mapping[int, Liveness], command: PresenceCommand, context: Context) -> Decision:
    """What a command about presence comes to. `seen` is when each reader last called."""
    match command:
        case Register():
            return register(command, context)
        case WhoIsActive():
            return who_is_active(book, seen, command, context)
        case Touch():
            return Decision(reply=Touched())
        case _:
            assert_never(command)


def fold(book: PresenceBook, event: Event, data: Registered) -> None:
    """Put the participant into the lane."""
    book.put(Presence(reader=event.by, lane=data.lane, status=data.status))


def register(command: Register, context: Context) -> Decision:
    """Work in a lane from now on."""
    reply = RegisteredLane(
        actor=context.caller.actor, lane=command.lane, status=command.status, registered_at=context.now
    )
    return Decision(reply=reply, events=(Registered(lane=command.lane, status=command.status),))


def who_is_active(book: PresenceBook, seen: Mapping[int, Liveness], command: WhoIsActive, context: Context) -> Decision:
    """Who called within the window, latest first."""
    window = timedelta(seconds=command.within_seconds or context.caller.liveness_window_seconds)
    rows = []
    for reader, liveness in seen.items():
        presence = book.get(reader)
        lane = UNSET_LANE if presence is None else presence.lane
        if context.now - liveness.at <= window and command.lane in {None, lane}:
            status = None if presence is None else presence.status
            rows.append(ActiveRow(actor=liveness.actor, lane=lane, status=status, last_seen=liveness.at))
    rows.sort(key=lambda row: row.actor)
    rows.sort(key=lambda row: row.last_seen, reverse=True)
    return Decision(reply=Active(active=rows))
