"""The book of `engine.leases`: leases by holder and surface, by age, by expiry, and by the stems of their surfaces.

Whether two surfaces overlap takes microseconds to find out, so what must be compared with many leases is compared in
steps before (`engine.overlaps`).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice

from msgspec import Struct

from engine import picking, surfaces, terms
from engine.overlaps import OVERLAPS_KEPT_MAX, PATHS_COMPARED_AT_ONCE_MAX, Comparisons, are_many
from engine.terms import ID_MAX
from engine.undo import Index, Ordered, Table, Undo

EXPIRED_KEPT_MAX = 1_000
"""Expired leases that stay in memory. They are not dropped at once because an event's time may be ahead of the time of
day, and a lease ends by the time of day."""

_LAST = "\U0010ffff"
"""Sorts after every name of a path."""

_FORGOTTEN_AT_ONCE = 10
"""More than a grant adds, so that expired leases go, and few enough to cost nothing."""


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
        self._overlaps = Comparisons(_overlap)
        self._picks = Comparisons(picking.held, picking.held_in_steps)

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
        newest_first = (self._by_id[lease_id] for lease_id in reversed(self._ids))
        return list(islice((held for held in newest_first if held.expires_at > now), limit))

    def overlapping(self, surface: str, now: datetime) -> Iterator[HeldLease]:
        """Active leases that overlap a surface, ordered by age."""
        return (held for held in self._near(surface, now) if self._overlaps.of(surface, held.surface))

    def conflicting(self, surface: str, holder: int, mode: terms.LeaseMode, now: datetime) -> Iterator[HeldLease]:
        """Active leases that a lease of this surface conflicts with, ordered by age."""
        near = (held for held in self._near(surface, now) if conflict_between(held, holder, mode))
        return (held for held in near if self._overlaps.of(surface, held.surface))

    def own_overlapping(self, holder: int, surface: str, now: datetime) -> list[str]:
        """Surfaces of the holder's active leases that overlap a surface, newest first; of very many, of the newest."""
        found: list[str] = []
        pairs_left = PATHS_COMPARED_AT_ONCE_MAX
        for held in reversed(self.active_of(holder, now)):
            pairs_left -= surfaces.alternatives(surface) * surfaces.alternatives(held.surface)
            if pairs_left < 0:
                break
            if self._overlaps.of(surface, held.surface):
                found.append(held.surface)
        return found

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
            if taken == (1 << values) - 1:  # no lease that ends later holds what this one holds
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


def _overlap(surface: str, other: str) -> bool:
    return surfaces.overlap(other, surface)
