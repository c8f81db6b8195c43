"""Presence: the active participants and their lanes. Registration is an event; liveness is not."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import chain
from typing import ClassVar, assert_never

from msgspec import UNSET, Struct, UnsetType

from engine import terms
from engine.decision import Context, Decision
from engine.fields import Shown
from engine.history import Liveness
from engine.nearest import nearest, spelled_alike
from engine.refusals import Refusal, invalid
from engine.undo import Index, Ordered, Table, Undo
from engine.vocabulary import Command, Event, EventData, Reply, Topic

UNSET_LANE = "(unset)"
"""The lane of somebody who has not registered."""

REGISTERED_MAX = 20_000
"""Registrations that a project remembers. The oldest one is forgotten first; its reader registers again."""

LANE_READERS_MAX = 500
"""Readers who get a post to a lane: those who registered last. Others find it with `to_lane`."""

ACTIVE_SHOWN_MAX = 200
"""The size of a page, as of any other list."""


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

    def topics(self, by: int) -> tuple[Topic, ...]:
        """The participant gets the lane's posts."""
        return (f"{self.type}:{by}",)


class RegisteredLane(Reply, frozen=True, kw_only=True):
    """The lane the caller now works in. It is told when nobody else does, and a lane of others is spelled nearly so."""

    actor: str
    lane: str
    status: str
    registered_at: datetime
    nearest_lane: str | UnsetType = UNSET


class ActiveRow(Struct, frozen=True, kw_only=True):
    """One participant who called lately."""

    actor: str
    lane: str
    status: str
    last_seen: datetime


class Active(Reply, frozen=True, kw_only=True):
    """Participants who called lately, latest first. `nearest_lane`: the near name of a lane that is unknown."""

    active: list[ActiveRow]
    nearest_lane: str | UnsetType = UNSET


class Touched(Reply, frozen=True, kw_only=True):
    """An empty reply: the call only counted as a sign of life."""


class Presence(Struct, frozen=True, kw_only=True):
    """The lane a participant registered, and on what it works. `since` is the registration's event number."""

    reader: int
    lane: str
    status: str | None
    since: int


class PresenceBook:
    """The registrations of a project: by reader, and by lane in the order in which they were made."""

    __slots__ = ("_by_age", "_by_lane", "_by_reader")

    def __init__(self, undo: Undo) -> None:
        self._by_reader: Table[int, Presence] = Table(undo)
        self._by_lane: Index[str, tuple[int, int]] = Index(undo)
        self._by_age: Ordered[tuple[int, int]] = Ordered(undo)

    def dump(self) -> list[Presence]:
        """The records that make this book again, oldest first."""
        return [self._by_reader[reader] for _, reader in self._by_age]

    def load(self, records: Iterable[Presence]) -> None:
        """Put dumped records into an empty book; in as many parts as needed."""
        for record in records:
            self.put(record)

    def get(self, reader: int) -> Presence | None:
        """The reader's registration."""
        return self._by_reader.get(reader)

    def put(self, presence: Presence) -> None:
        """Put a reader into a lane, and forget the oldest registration when there are too many."""
        self._remove(presence.reader)
        self._by_reader[presence.reader] = presence
        self._by_lane.add(presence.lane, (presence.since, presence.reader))
        self._by_age.add((presence.since, presence.reader))
        if len(self._by_age) > REGISTERED_MAX:
            self._remove(self._by_age[0][1])

    def lane_of(self, reader: int) -> str | None:
        """The lane that the reader registered."""
        presence = self._by_reader.get(reader)
        return None if presence is None else presence.lane

    def lanes(self) -> Collection[str]:
        """Every lane that somebody is in."""
        return self._by_lane

    def in_lane(self, lane: str) -> list[int]:
        """The readers in a lane who receive its posts: the `LANE_READERS_MAX` who registered last."""
        return [reader for _, reader in self._by_lane.get(lane, ())[-LANE_READERS_MAX:]]

    def _remove(self, reader: int) -> None:
        if (before := self._by_reader.pop(reader)) is not None:
            self._by_lane.discard(before.lane, (before.since, reader))
            self._by_age.discard((before.since, reader))


PresenceCommand = Register | WhoIsActive | Touch


def decide(
    book: PresenceBook, seen: Mapping[int, Liveness], command: PresenceCommand, context: Context
) -> Decision | Refusal:
    """Decide a command about presence. `seen` is when each reader last called."""
    match command:
        case Register():
            return register(book, command, context)
        case WhoIsActive():
            return who_is_active(book, seen, command, context)
        case Touch():
            return Decision(reply=Touched())
        case _:
            assert_never(command)


def fold(book: PresenceBook, event: Event, data: Registered) -> None:
    """Put the participant into the lane."""
    book.put(Presence(reader=event.by, lane=data.lane, status=data.status, since=event.seq))


def register(book: PresenceBook, command: Register, context: Context) -> Decision | Refusal:
    """Work in a lane from now on."""
    if command.lane == UNSET_LANE:
        return invalid(
            f"'{UNSET_LANE}' is what who_is_active shows for those without a lane: name the one you work in."
        )
    reply = RegisteredLane(
        actor=context.caller.actor,
        lane=command.lane,
        status=command.status or "",
        registered_at=context.at,
        nearest_lane=lane_spelled_alike(book, command.lane) or UNSET,
    )
    return Decision(reply=reply, events=(Registered(lane=command.lane, status=command.status or ""),))


def lane_spelled_alike(book: PresenceBook, lane: str | None) -> str | None:
    """The lane of others that somebody may have meant by one that nobody is in."""
    return None if lane is None or book.in_lane(lane) else spelled_alike(lane, book.lanes())


def lane_close_to(book: PresenceBook, lane: str | None, also: Collection[str] = ()) -> str | None:
    """The lane that somebody may have meant by one that nobody is in, and that is not among the `also` known ones."""
    if lane is None or lane == UNSET_LANE or lane in also or book.in_lane(lane):
        return None
    return nearest(lane, chain(book.lanes(), also))


def who_is_active(book: PresenceBook, seen: Mapping[int, Liveness], command: WhoIsActive, context: Context) -> Decision:
    """Participants who called within the window, latest first: the first `ACTIVE_SHOWN_MAX` of them."""
    window = timedelta(seconds=command.within_seconds or context.caller.liveness_window_seconds)
    rows = []
    for reader, liveness in seen.items():
        presence = book.get(reader)
        lane = UNSET_LANE if presence is None else presence.lane
        if context.now - liveness.at <= window and command.lane in {None, lane}:
            status = "" if presence is None else presence.status or ""
            rows.append(ActiveRow(actor=liveness.actor, lane=lane, status=status, last_seen=liveness.at))
    rows.sort(key=lambda row: row.actor)
    rows.sort(key=lambda row: row.last_seen, reverse=True)
    close = None if rows else lane_close_to(book, command.lane)
    return Decision(reply=Active(active=rows[:ACTIVE_SHOWN_MAX], nearest_lane=close or UNSET))
