"""Advisory leases: a lease announces work on a surface. Others see it; it stops nobody.

A lease is always granted (up to `LEASES_PER_HOLDER_MAX`); the answer names the others whose active leases overlap it
and conflict, unless both are shared. Its id is its event's number, so it grows with every grant: a fencing token
(Kleppmann, "How to do distributed locking", 2016). A caller who can wait is granted the lease as soon as nobody
conflicts, or when the wait is over.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from math import ceil
from typing import Annotated, ClassVar, assert_never

from msgspec import UNSET, Meta, Struct, UnsetType

from engine import surfaces, terms
from engine.decision import Context, Decision, Pending
from engine.fields import Shown
from engine.refusals import Refusal, conflict
from engine.vocabulary import Command, Event, EventData, Reply

LEASES_PER_HOLDER_MAX = 500
"""Far more than anybody works on at once. Every lease is compared with all that are active."""

LEASES_SHOWN_MAX = 200
"""As many rows as a page of anything else has."""


class Lease(Command, frozen=True, kw_only=True):
    """Announce work on a surface for a while."""

    awaits: ClassVar[frozenset[str] | None] = frozenset({"lease", "release"})

    surface: terms.Surface
    ttl_seconds: terms.TtlSeconds = 1800
    note: terms.LeaseNote | None = None
    mode: terms.LeaseMode = "exclusive"
    wait_seconds: Annotated[
        terms.WaitSeconds,
        Meta(description="Wait this long for nobody to conflict; the lease counts from the start."),
    ] = 0


class Release(Command, frozen=True, kw_only=True):
    """End the caller's lease of a surface."""

    surface: terms.Surface


class WhoHolds(Command, frozen=True, kw_only=True):
    """Show active leases, all or those that overlap a surface."""

    surface: terms.Surface | None = None


class Leased(EventData, frozen=True, kw_only=True):
    """A surface was leased or its lease renewed. The lease's id is the event's number."""

    type: ClassVar[str] = "lease"
    surface: Shown[str]
    ttl_seconds: Shown[int]
    note: Shown[str | None] = None
    mode: Shown[terms.LeaseMode] = "exclusive"


class Released(EventData, frozen=True, kw_only=True):
    """The caller's lease of a surface ended early."""

    type: ClassVar[str] = "release"
    surface: Shown[str]


class OtherLease(Struct, frozen=True, kw_only=True):
    """Somebody else's active lease that overlaps and conflicts."""

    actor: str
    surface: str
    expires_at: datetime


class GrantedLease(Reply, frozen=True, kw_only=True):
    """The caller's lease; `lease_id` is a fencing token that grows with every grant in the project.

    `renewed`: this very token held it already. Agents that share a token cannot be told apart.
    """

    lease_id: int
    surface: str
    expires_at: datetime
    others: list[OtherLease]
    renewed: bool | UnsetType = UNSET


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
    mode: terms.LeaseMode


class Leases(Reply, frozen=True, kw_only=True):
    """Active leases, ordered by expiry."""

    leases: list[LeaseRow]


class HeldLease(Struct, frozen=True, kw_only=True):
    """A lease as granted; it is active until `expires_at`."""

    id: int
    by: int
    actor: str
    surface: str
    mode: terms.LeaseMode
    note: str | None
    expires_at: datetime


class LeaseBook:
    """The leases of a project by holder and surface, however spelled. It may still hold some that have expired."""

    __slots__ = ("_held",)

    def __init__(self, records: Iterable[HeldLease] = ()) -> None:
        self._held = {(record.by, surfaces.meaning(record.surface)): record for record in records}

    def dump(self) -> list[HeldLease]:
        """The records that make this book again."""
        return list(self._held.values())

    def get(self, holder: int, surface: str) -> HeldLease | None:
        """The holder's lease of this surface, active or expired."""
        return self._held.get((holder, surfaces.meaning(surface)))

    def active(self, now: datetime) -> Iterator[HeldLease]:
        """Leases that have not run out."""
        return (held for held in self._held.values() if held.expires_at > now)

    def grant(self, lease: HeldLease, now: datetime) -> None:
        """Add a lease, in place of the holder's earlier one of the surface; forget those that have expired."""
        self._held = {slot: held for slot, held in self._held.items() if held.expires_at > now}
        self._held[lease.by, surfaces.meaning(lease.surface)] = lease

    def end(self, holder: int, surface: str) -> None:
        """Remove the holder's lease of the surface, if there is one."""
        self._held.pop((holder, surfaces.meaning(surface)), None)


LeaseCommand = Lease | Release | WhoHolds
LeaseEvent = Leased | Released


def decide(book: LeaseBook, command: LeaseCommand, context: Context) -> Decision | Pending | Refusal:
    """What a command about leases comes to."""
    match command:
        case Lease():
            return lease(book, command, context)
        case Release():
            return release(book, command, context)
        case WhoHolds():
            return who_holds(book, command, context)
        case _:
            assert_never(command)


def fold(book: LeaseBook, event: Event, data: LeaseEvent) -> None:
    """Add a lease to the book, or end one."""
    match data:
        case Leased():
            granted = HeldLease(
                id=event.seq,
                by=event.by,
                actor=event.actor,
                surface=data.surface,
                mode=data.mode,
                note=data.note,
                expires_at=event.at + timedelta(seconds=data.ttl_seconds),
            )
            book.grant(granted, event.at)
        case Released():
            book.end(event.by, data.surface)
        case _:
            assert_never(data)


def lease(book: LeaseBook, command: Lease, context: Context) -> Decision | Pending | Refusal:
    """Grant or renew; wait for conflicting holders first, if the caller can."""
    surface = surfaces.parse(command.surface)
    if isinstance(surface, Refusal):
        return surface
    if _holds_too_many(book, context, surface):
        return conflict(f"you hold {LEASES_PER_HOLDER_MAX} leases already: release some, or lease a glob.")
    conflicts = [
        held
        for held in book.active(context.now)
        if held.by != context.caller.id
        and not (held.mode == command.mode == "shared")
        and surfaces.overlap(held.surface, surface)
    ]
    if conflicts and context.patient:
        return Pending(until=min(held.expires_at for held in conflicts))
    reply = GrantedLease(
        lease_id=context.seq + 1,
        surface=surface,
        expires_at=context.now + timedelta(seconds=command.ttl_seconds),
        others=[OtherLease(actor=held.actor, surface=held.surface, expires_at=held.expires_at) for held in conflicts],
        renewed=_holds(book, context, surface) or UNSET,
    )
    leased = Leased(surface=surface, ttl_seconds=command.ttl_seconds, note=command.note, mode=command.mode)
    return Decision(reply=reply, events=(leased,))


def release(book: LeaseBook, command: Release, context: Context) -> Decision | Refusal:
    """End the caller's own lease of this surface, if it is active."""
    surface = surfaces.parse(command.surface)
    if isinstance(surface, Refusal):
        return surface
    held = book.get(context.caller.id, surface)
    if held is None or held.expires_at <= context.now:
        return Decision(reply=ReleasedLeases(released=0))
    return Decision(reply=ReleasedLeases(released=1), events=(Released(surface=held.surface),))


def who_holds(book: LeaseBook, command: WhoHolds, context: Context) -> Decision | Refusal:
    """Active leases, ordered by expiry: the first `LEASES_SHOWN_MAX` of them."""
    surface = None if command.surface is None else surfaces.parse(command.surface)
    if isinstance(surface, Refusal):
        return surface
    rows = [
        LeaseRow(
            surface=held.surface,
            actor=held.actor,
            expires_at=held.expires_at,
            expires_in_seconds=ceil((held.expires_at - context.now).total_seconds()),
            note=held.note,
            mode=held.mode,
        )
        for held in book.active(context.now)
        if surface is None or surfaces.overlap(held.surface, surface)
    ]
    rows.sort(key=lambda row: (row.expires_at, row.surface))
    return Decision(reply=Leases(leases=rows[:LEASES_SHOWN_MAX]))


def _holds(book: LeaseBook, context: Context, surface: str) -> bool:
    """Whether the caller's lease of this surface is active."""
    held = book.get(context.caller.id, surface)
    return held is not None and held.expires_at > context.now


def _holds_too_many(book: LeaseBook, context: Context, surface: str) -> bool:
    reader = context.caller.id
    if book.get(reader, surface) is not None:
        return False
    return sum(held.by == reader for held in book.active(context.now)) >= LEASES_PER_HOLDER_MAX
