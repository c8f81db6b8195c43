"""Advisory leases: a lease announces work on a surface. Others see it; it stops nobody.

A lease is always granted, within the bounds below; the answer names the others whose active leases overlap it
and conflict, unless both are shared. Its id is its event's number, so it grows with every grant: a fencing token
(Kleppmann, "How to do distributed locking", 2016). A caller who can wait is granted the lease as soon as nobody
conflicts, or when the wait is over.

Counted things are picked: of a range such as `port:3000-3099` the caller gets the lowest value that nobody holds. That
is refused, or waited for, while all are held.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from heapq import nlargest
from itertools import islice
from math import ceil
from typing import Annotated, ClassVar, assert_never

from msgspec import UNSET, Meta, Struct, UnsetType

from engine import picking, ranges, surfaces, terms
from engine.decision import Context, Decision, Pending
from engine.fields import Shown
from engine.overlaps import OVERLAPS_KEPT_MAX, PATHS_COMPARED_AT_ONCE_MAX, Comparisons, are_many
from engine.refusals import Refusal, conflict, forbidden, invalid, not_found
from engine.terms import ID_MAX
from engine.undo import Index, Ordered, Table, Undo
from engine.vocabulary import Command, Event, EventData, Reply, Topic

LEASES_PER_HOLDER_MAX = 500
"""Active leases of one holder: far more than anybody works on at once."""

LEASES_PER_PROJECT_MAX = 3_000
"""Active leases of a project. A surface that begins with a wildcard is compared with all of them."""

EXPIRED_KEPT_MAX = 1_000
"""Expired leases that stay in memory. They are not dropped at once because an event's time may be ahead of the time of
day, and a lease ends by the time of day."""

OTHERS_SHOWN_MAX = 50
"""Conflicting leases that an answer names; it counts the others."""

_LAST = "\U0010ffff"
"""Sorts after every name of a path."""

_FORGOTTEN_AT_ONCE = 10
"""More than a grant adds, so that expired leases go, and few enough to cost nothing."""

LEASES_SHOWN_MAX = 200
"""As many rows as a page of anything else has."""


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
    """How many leases ended: 0 or 1."""

    released: int


class EndedLease(Reply, frozen=True, kw_only=True):
    """Whose lease of what ended."""

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
    """The leases of a project: by holder and surface, by age, by expiry, and by the stems of their surfaces.

    It may still hold leases that have expired, at most `EXPIRED_KEPT_MAX` and those of the last grants.
    """

    __slots__ = ("_by_expiry", "_by_holder", "_by_id", "_by_slot", "_by_stem", "_ids", "_overlaps", "_picks", "_stems")

    def __init__(self, undo: Undo) -> None:
        self._by_id: Table[int, HeldLease] = Table(undo)
        self._ids: Ordered[int] = Ordered(undo)
        self._by_slot: Table[tuple[int, str], int] = Table(undo)
        self._by_holder: Index[int, int] = Index(undo)
        self._by_stem: Index[surfaces.Stem, int] = Index(undo)
        self._stems: Ordered[surfaces.Stem] = Ordered(undo)
        self._by_expiry: Ordered[tuple[datetime, int]] = Ordered(undo)
        self._overlaps = Comparisons(surfaces.overlap)
        self._picks = Comparisons(picking.held)

    def dump(self) -> list[HeldLease]:
        """The records that make this book again, oldest first."""
        return [self._by_id[lease_id] for lease_id in self._ids]

    def load(self, records: Iterable[HeldLease]) -> None:
        """Put dumped records into an empty book; in as many parts as needed."""
        for record in records:
            self._put(record)

    def get(self, holder: int, surface: str, now: datetime) -> HeldLease | None:
        """The holder's active lease of this surface, however it is spelled."""
        lease_id = self._by_slot.get((holder, surfaces.meaning(surface)))
        held = None if lease_id is None else self._by_id[lease_id]
        return held if held is not None and held.expires_at > now else None

    def find(self, lease_id: int, now: datetime) -> HeldLease | None:
        """The active lease with this id."""
        held = self._by_id.get(lease_id)
        return held if held is not None and held.expires_at > now else None

    def active(self, now: datetime) -> Iterator[HeldLease]:
        """Leases that have not run out, ordered by expiry."""
        return (self._by_id[lease_id] for _, lease_id in self._by_expiry[self._expired(now) :])

    def active_count(self, now: datetime) -> int:
        """How many leases have not run out."""
        return len(self._by_expiry) - self._expired(now)

    def active_of(self, holder: int, now: datetime) -> list[HeldLease]:
        """The leases of this holder that have not run out, ordered by age."""
        held = (self._by_id[lease_id] for lease_id in self._by_holder.get(holder, ()))
        return [lease for lease in held if lease.expires_at > now]

    def active_count_of(self, holder: int, now: datetime) -> int:
        """How many leases of this holder have not run out."""
        return len(self.active_of(holder, now))

    def newest(self, now: datetime, limit: int) -> list[HeldLease]:
        """The active leases that were granted last, newest first."""
        newest_first = (self._by_id[lease_id] for lease_id in self._ids[::-1])
        return list(islice((held for held in newest_first if held.expires_at > now), limit))

    def overlapping(self, surface: str, now: datetime) -> Iterator[HeldLease]:
        """Active leases that overlap a surface, ordered by age."""
        return (held for held in self._near(surface, now) if self._overlaps.of(surface, held.surface))

    def conflicting(self, surface: str, holder: int, mode: terms.LeaseMode, now: datetime) -> Iterator[HeldLease]:
        """Active leases that a lease of this surface conflicts with, ordered by age."""
        near = (held for held in self._near(surface, now) if conflict_between(held, holder, mode))
        return (held for held in near if self._overlaps.of(surface, held.surface))

    def long_comparison(self, surface: str) -> Iterator[None] | None:
        """The steps after which `overlapping` is short for this surface; None if it is short already."""
        others = self._overlaps.unknown(surface, {self._by_id[held].surface for held in self._candidates(surface)})
        return self._overlaps.remember(surface, others) if are_many(surface, others) else None

    def long_pick(self, surface: str, values: int) -> Iterator[None] | None:
        """The steps after which `pick` is short for this range of so many values; None if it is short already."""
        others = self._picks.unknown(surface, {self._by_id[held].surface for held in self._candidates(surface)})
        return self._picks.remember(surface, others) if are_many(surface, others, values) else None

    def pick(self, surface: str, values: int, now: datetime) -> int | datetime:
        """The place of the lowest value of a range that nobody holds; or when the first of them is free."""
        taken = 0
        for lease in sorted(self._near(surface, now), key=lambda held: held.expires_at, reverse=True):
            taken |= self._picks.of(surface, lease.surface)
            if taken == (1 << values) - 1:  # what this one holds is held by no lease that ends later
                return lease.expires_at
        return picking.lowest_free(taken)

    def comparing(self, leases: Iterable[HeldLease], now: datetime) -> Iterator[None]:
        """The steps after which `conflicting` is short for each of these leases."""
        for lease in leases:
            near = [held for held in self._near(lease.surface, now) if conflict_between(held, lease.by, lease.mode)]
            others = self._overlaps.unknown(lease.surface, {held.surface for held in near})
            yield from self._overlaps.remember(lease.surface, others)
            yield

    def grant(self, lease: HeldLease, at: datetime) -> None:
        """Add a lease, in place of the holder's earlier one of the surface; forget some that have long expired."""
        self.end(lease.by, lease.surface)
        self._put(lease)
        for _ in range(min(_FORGOTTEN_AT_ONCE, self._expired(at) - EXPIRED_KEPT_MAX)):
            self._remove(self._by_id[self._by_expiry[0][1]])

    def end(self, holder: int, surface: str) -> None:
        """Remove the holder's lease of the surface, if there is one."""
        if (lease_id := self._by_slot.get((holder, surfaces.meaning(surface)))) is not None:
            self._remove(self._by_id[lease_id])

    def _put(self, lease: HeldLease) -> None:
        self._by_id[lease.id] = lease
        self._ids.add(lease.id)
        self._by_slot[lease.by, surfaces.meaning(lease.surface)] = lease.id
        self._by_holder.add(lease.by, lease.id)
        for stem in surfaces.stems(lease.surface):
            self._by_stem.add(stem, lease.id)
            self._stems.add(stem)
        self._by_expiry.add((lease.expires_at, lease.id))

    def _remove(self, lease: HeldLease) -> None:
        del self._by_id[lease.id]
        self._ids.discard(lease.id)
        del self._by_slot[lease.by, surfaces.meaning(lease.surface)]
        self._by_holder.discard(lease.by, lease.id)
        for stem in surfaces.stems(lease.surface):
            self._by_stem.discard(stem, lease.id)
            if stem not in self._by_stem:
                self._stems.discard(stem)
        self._by_expiry.discard((lease.expires_at, lease.id))

    def _near(self, surface: str, now: datetime) -> Iterator[HeldLease]:
        """Active leases that may overlap a surface, ordered by age."""
        near = (self._by_id[lease_id] for lease_id in sorted(self._candidates(surface)))
        return (held for held in near if held.expires_at > now)

    def _candidates(self, surface: str) -> set[int]:
        """Leases with a stem that is the beginning of one of the surface's stems, or that begins with one of them."""
        found = set[int]()
        for stem in surfaces.stems(surface):
            for length in range(len(stem)):
                found.update(self._by_stem.get(stem[:length], ()))
            for longer in self._stems[self._stems.below(stem) : self._stems.below((*stem, _LAST))]:
                found.update(self._by_stem[longer])
        return found

    def _expired(self, now: datetime) -> int:
        """How many leases have run out; they come first in the order by expiry."""
        return self._by_expiry.below((now, ID_MAX + 1))


LeaseCommand = Lease | Release | EndLease | WhoHolds
LeaseEvent = Leased | Released


def decide(book: LeaseBook, command: LeaseCommand, context: Context) -> Decision | Pending | Refusal:
    """What a command about leases comes to."""
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


def conflict_between(held: HeldLease, holder: int, mode: terms.LeaseMode) -> bool:
    """Whether two leases that overlap conflict: `held`, and one of this holder in this mode."""
    return held.by != holder and not (held.mode == mode == "shared")


def comparable(book: LeaseBook, now: datetime, wanted: int) -> int:
    """How many of so many leases are compared with all others at a time: few where there are many others."""
    return max(1, min(wanted, OVERLAPS_KEPT_MAX // max(1, book.active_count(now))))


def comparing(book: LeaseBook, now: datetime, leases: list[HeldLease]) -> Iterator[None] | None:
    """The steps that must come before these leases can be compared with all others; None if it needs none."""
    is_long = len(leases) * book.active_count(now) > PATHS_COMPARED_AT_ONCE_MAX
    return book.comparing(leases, now) if is_long else None


def comparing_newest(book: LeaseBook, now: datetime, among_newest: int) -> Iterator[None] | None:
    """The steps that must come before `conflicts`; None if it needs none."""
    return comparing(book, now, _newest_comparable(book, now, among_newest))


def conflicts(book: LeaseBook, now: datetime, among_newest: int) -> list[tuple[HeldLease, HeldLease]]:
    """Active leases in conflict, in pairs: the older one and, of the newest so many leases, the one it met.

    Fewer of the newest are compared where there are very many leases.
    """
    return [
        (held, lease)
        for lease in _newest_comparable(book, now, among_newest)
        for held in book.conflicting(lease.surface, lease.by, lease.mode, now)
        if held.id < lease.id
    ]


def _newest_comparable(book: LeaseBook, now: datetime, limit: int) -> list[HeldLease]:
    return book.newest(now, comparable(book, now, limit))


def release(book: LeaseBook, command: Release, context: Context) -> Decision | Refusal:
    """End the caller's own lease of this surface, if it is active."""
    surface = surfaces.parse(command.surface)
    if isinstance(surface, Refusal):
        return surface
    if (held := book.get(context.caller.id, surface, context.now)) is None:
        return Decision(reply=ReleasedLeases(released=0))
    return Decision(reply=ReleasedLeases(released=1), events=(Released(surface=held.surface),))


def end_lease(book: LeaseBook, command: EndLease, context: Context) -> Decision | Refusal:
    """End somebody's active lease; the event says whose, by whom, and why."""
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
    """What is to be leased: as it is named, or the lowest value that nobody holds; pending until there is one."""
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
