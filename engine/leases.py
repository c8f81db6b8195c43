"""Advisory leases: a lease announces work on a surface. Others see it; it stops nobody.

A lease is always granted, within the bounds below; the answer names the others whose active leases overlap it
and conflict, unless both are shared. Its id is its event's number, so it grows with every grant: a fencing token
(Kleppmann, "How to do distributed locking", 2016). A caller who can wait is granted the lease as soon as nobody
conflicts, or when the wait is over.

Counted things are picked: of a range such as `port:3000-3099` the caller gets the lowest value that nobody holds. That
is refused, or waited for, while all are held.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from heapq import nlargest
from math import ceil
from typing import Annotated, ClassVar, assert_never

from msgspec import UNSET, Meta, Struct, UnsetType

from engine import ranges, surfaces, terms
from engine.decision import Context, Decision, Pending
from engine.fields import Shown
from engine.held_leases import HeldLease, LeaseBook
from engine.refusals import Refusal, conflict, forbidden, invalid, not_found
from engine.vocabulary import Command, Event, EventData, Reply, Topic

LEASES_PER_HOLDER_MAX = 500
"""Active leases of one holder: far more than anybody works on at once."""

LEASES_PER_PROJECT_MAX = 3_000
"""Active leases of a project. A surface that begins with a wildcard is compared with all of them."""

OTHERS_SHOWN_MAX = 50
"""Leases that an answer names beside the one it is about; it counts the other conflicting ones."""

LEASES_SHOWN_MAX = 200
"""The size of a page, as of any other list."""


class Lease(Command, frozen=True, kw_only=True):
    """Announce work on a surface for a while."""

    surface: terms.Surface
    ttl_seconds: terms.TtlSeconds = 1800
    note: terms.LeaseNote | None = None
    mode: terms.LeaseMode = "exclusive"
    pick_one: Annotated[
        bool, Meta(description="Of a range such as `port:3000-3099`: the lowest value that nobody holds, exclusively.")
    ] = False
    wait_seconds: Annotated[
        terms.WaitSeconds,
        Meta(description="Wait this long for nobody to conflict; the lease counts from the start."),
    ] = 0
    by: terms.Maker = None


class Release(Command, frozen=True, kw_only=True):
    """End the caller's lease of a surface."""

    surface: terms.Surface


class EndLease(Command, frozen=True, kw_only=True):
    """End somebody's lease, for a reason. Leads and the owner only; no tool offers it."""

    lease_id: terms.Id
    reason: terms.LeaseNote


class WhoHolds(Command, frozen=True, kw_only=True):
    """Show active leases, all or those that overlap a surface."""

    surface: terms.Surface | None = None


class Leased(EventData, frozen=True, kw_only=True):
    """A surface was leased or its lease renewed. The lease's id is the event's number.

    It ends at `expires_at`; without it, `ttl_seconds` after the event.
    """

    type: ClassVar[str] = "lease"
    surface: Shown[str]
    ttl_seconds: Shown[int]
    note: Shown[str | None] = None
    mode: Shown[terms.LeaseMode] = "exclusive"
    expires_at: Shown[datetime | None] = None
    by: Shown[terms.Maker] = None

    def topics(self, by: int) -> tuple[Topic, ...]:
        """The holder's lease of the surface."""
        return (_topic(by, self.surface),)


class Released(EventData, frozen=True, kw_only=True, omit_defaults=True):
    """A lease of a surface ended early: the caller's own, or that of a `holder`, for a `reason`."""

    type: ClassVar[str] = "release"
    surface: Shown[str]
    holder: Shown[str | None] = None
    holder_id: int | None = None
    reason: Shown[str | None] = None

    def topics(self, by: int) -> tuple[Topic, ...]:
        """The holder's lease of the surface, and what is counted by it."""
        lease = _topic(by if self.holder_id is None else self.holder_id, self.surface)
        counted = surfaces.namespace(self.surface)
        return (lease, _freed(counted)) if counted else (lease,)


class OtherLease(Struct, frozen=True, kw_only=True):
    """Somebody else's active lease that overlaps and conflicts."""

    actor: str
    surface: str
    expires_at: datetime


class GrantedLease(Reply, frozen=True, kw_only=True):
    """The caller's lease; `lease_id` is a fencing token that grows with every grant in the project.

    `others` are the first `OTHERS_SHOWN_MAX` that conflict; `omitted` counts the rest, if there are any.
    `renewed`: this very token held it already. Agents that share a token cannot be told apart.
    """

    lease_id: int
    surface: str
    expires_at: datetime
    others: list[OtherLease]
    omitted: int | UnsetType = UNSET
    renewed: bool | UnsetType = UNSET


class ReleasedLeases(Reply, frozen=True, kw_only=True):
    """How many leases ended: 0 or 1.

    `you_hold`: none ended, but the caller has these leases in common with the surface, newest first. Release them by
    these names.
    """

    released: int
    you_hold: list[str] | UnsetType = UNSET


class EndedLease(Reply, frozen=True, kw_only=True):
    """A lease that was ended, with its holder and surface."""

    lease_id: int
    surface: str
    holder: str


class LeaseRow(Struct, frozen=True, kw_only=True):
    """One active lease."""

    surface: str
    actor: str
    expires_at: datetime
    expires_in_seconds: int
    note: str | None
    mode: terms.LeaseMode


class Leases(Reply, frozen=True, kw_only=True):
    """Active leases, newest grant first."""

    leases: list[LeaseRow]


LeaseCommand = Lease | Release | EndLease | WhoHolds
LeaseEvent = Leased | Released


def decide(book: LeaseBook, command: LeaseCommand, context: Context) -> Decision | Pending | Refusal:
    """Decide a command about leases."""
    match command:
        case Lease():
            return lease(book, command, context)
        case Release():
            return release(book, command, context)
        case EndLease():
            return end_lease(book, command, context)
        case WhoHolds():
            return who_holds(book, command, context)
        case _:
            assert_never(command)


def long_comparison(book: LeaseBook, command: LeaseCommand) -> Iterator[None] | None:
    """The steps that must come before this command can be decided in a few milliseconds; None if it needs none."""
    if not isinstance(command, Lease | WhoHolds) or command.surface is None:
        return None
    surface = surfaces.parse(command.surface)
    if isinstance(surface, Refusal):
        return None
    if isinstance(command, Lease) and command.pick_one:
        values = ranges.values(surface)
        return None if isinstance(values, Refusal) else book.long_pick(surface, len(values))
    return book.long_comparison(surface)


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
                expires_at=data.expires_at or event.at + timedelta(seconds=data.ttl_seconds),
            )
            book.grant(granted, event.at)
        case Released():
            book.end(event.by if data.holder_id is None else data.holder_id, data.surface)
        case _:
            assert_never(data)


def lease(book: LeaseBook, command: Lease, context: Context) -> Decision | Pending | Refusal:
    """Grant or renew; wait for conflicting holders first, if the caller can."""
    surface = _surface(book, command, context)
    if not isinstance(surface, str):
        return surface
    if (refused := _too_many(book, surface, context)) is not None:
        return refused
    # What was picked is held by nobody.
    conflicts = (
        [] if command.pick_one else list(book.conflicting(surface, context.caller.id, command.mode, context.now))
    )
    if conflicts and context.patient:
        last = max(conflicts, key=lambda held: held.expires_at)  # nothing can be granted while this one is held
        return Pending(until=last.expires_at, awaits=(_topic(last.by, last.surface),))
    ttl = timedelta(seconds=command.ttl_seconds)
    expires_at = context.now + ttl
    shown = [
        OtherLease(actor=held.actor, surface=held.surface, expires_at=held.expires_at)
        for held in conflicts[:OTHERS_SHOWN_MAX]
    ]
    reply = GrantedLease(
        lease_id=context.seq + 1,
        surface=surface,
        expires_at=expires_at,
        others=shown,
        renewed=True if book.get(context.caller.id, surface, context.now) else UNSET,
        omitted=max(0, len(conflicts) - OTHERS_SHOWN_MAX) or UNSET,
    )
    leased = Leased(
        surface=surface,
        ttl_seconds=command.ttl_seconds,
        note=command.note,
        mode=command.mode,
        expires_at=None if expires_at == context.at + ttl else expires_at,
        by=command.by,
    )
    return Decision(reply=reply, events=(leased,))


def release(book: LeaseBook, command: Release, context: Context) -> Decision | Refusal:
    """End the caller's own lease of this surface, if it is active; else name those of the caller that overlap it."""
    surface = surfaces.parse(command.surface)
    if isinstance(surface, Refusal):
        return surface
    if (held := book.get(context.caller.id, surface, context.now)) is None:
        own = book.own_overlapping(context.caller.id, surface, context.now)
        return Decision(reply=ReleasedLeases(released=0, you_hold=own[:OTHERS_SHOWN_MAX] or UNSET))
    return Decision(reply=ReleasedLeases(released=1), events=(Released(surface=held.surface),))


def end_lease(book: LeaseBook, command: EndLease, context: Context) -> Decision | Refusal:
    """End somebody's active lease; the event has the holder, who ended it, and the reason."""
    if not context.caller.is_admin:
        return forbidden("only leads and the project's owner end the lease of somebody else.")
    if (held := book.find(command.lease_id, context.now)) is None:
        return not_found(f"no active lease {command.lease_id}: it ran out, or was renewed or released.")
    released = Released(surface=held.surface, holder=held.actor, holder_id=held.by, reason=command.reason)
    reply = EndedLease(lease_id=held.id, surface=held.surface, holder=held.actor)
    return Decision(reply=reply, events=(released,))


def who_holds(book: LeaseBook, command: WhoHolds, context: Context) -> Decision | Refusal:
    """Active leases, newest grant first: the first `LEASES_SHOWN_MAX` of them."""
    surface = None if command.surface is None else surfaces.parse(command.surface)
    if isinstance(surface, Refusal):
        return surface
    if surface is None:
        newest = book.newest(context.now, LEASES_SHOWN_MAX)
    else:
        newest = nlargest(LEASES_SHOWN_MAX, book.overlapping(surface, context.now), key=lambda held: held.id)
    rows = [
        LeaseRow(
            surface=held.surface,
            actor=held.actor,
            expires_at=held.expires_at,
            expires_in_seconds=ceil((held.expires_at - context.now).total_seconds()),
            note=held.note,
            mode=held.mode,
        )
        for held in newest
    ]
    return Decision(reply=Leases(leases=rows))


def _surface(book: LeaseBook, command: Lease, context: Context) -> str | Pending | Refusal:
    """The surface to lease: as it is named, or the lowest value that nobody holds; pending until there is one."""
    surface = surfaces.parse(command.surface)
    if isinstance(surface, Refusal) or not command.pick_one:
        return surface
    values = ranges.values(surface)
    if isinstance(values, Refusal):
        return values
    if command.mode != "exclusive":
        return invalid("what is picked is held exclusively: leave mode out.")
    place = book.pick(surface, len(values), context.now)
    if isinstance(place, int):
        return values[place]
    if context.patient:
        return Pending(until=place, awaits=(_freed(surfaces.namespace(surface)),))
    seconds = ceil((place - context.now).total_seconds())
    return conflict(
        f"every value of {surface} is held; the first lease on one ends in {seconds} s. wait_seconds waits for one."
    )


def _too_many(book: LeaseBook, surface: str, context: Context) -> Refusal | None:
    """Refuse one lease too many; renewing one is always possible."""
    if book.get(context.caller.id, surface, context.now) is not None:
        return None
    if book.active_count_of(context.caller.id, context.now) >= LEASES_PER_HOLDER_MAX:
        return conflict(f"you hold {LEASES_PER_HOLDER_MAX} leases already: release some, or lease a glob.")
    if book.active_count(context.now) >= LEASES_PER_PROJECT_MAX:
        return conflict(f"this project has {LEASES_PER_PROJECT_MAX} active leases already: release some first.")
    return None


def _freed(namespace: str) -> Topic:
    return f"freed:{namespace}"


def _topic(holder: int, surface: str) -> Topic:
    return f"lease:{holder} {surfaces.meaning(surface)}"
