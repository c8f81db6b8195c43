"""Advisory leases: an announcement of work on a surface, that others see and nobody is stopped by.

A lease is always granted (up to `LEASES_PER_HOLDER_MAX`); the answer names the others whose active leases overlap it
and conflict, unless both are shared. Its id is its event's number, so it grows with every grant: a fencing token
(Kleppmann, "How to do distributed locking", 2016). A caller who can wait is granted the lease as soon as nobody
conflicts, or when the wait is over.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil

from engine import globs
from engine.commands import Lease, Release, WhoHolds
from engine.decision import Context, Decision, Pending
from engine.events import Event, Leased, Released
from engine.refusals import Refusal, conflict, invalid
from engine.replies import GrantedLease, LeaseRow, Leases, OtherLease, ReleasedLeases
from engine.state import HeldLease, State, lease_key

LEASES_PER_HOLDER_MAX = 500
"""Far more than anybody works on at once; every lease is compared with all that are active."""

WILDCARDS_PER_SURFACE_MAX = 16
"""Far more than people write; what two surfaces cost to compare grows with their wildcards."""

LEASES_SHOWN_MAX = 200
"""As many rows as a page of anything else has."""


def lease(state: State, command: Lease, context: Context) -> Decision | Pending | Refusal:
    """Grant or renew; wait for conflicting holders first, if the caller can."""
    surface = globs.normalise(command.surface)
    if (refused := _refused(surface)) is not None:
        return refused
    if _holds_too_many(state, context, surface):
        return conflict(f"you hold {LEASES_PER_HOLDER_MAX} leases already: release some, or lease a glob.")
    conflicts = [
        held
        for held in active(state, context.now)
        if held.by != context.caller.id
        and not (held.mode == command.mode == "shared")
        and globs.overlap(held.surface, surface)
    ]
    if conflicts and context.patient:
        return Pending(until=min(held.expires_at for held in conflicts))
    reply = GrantedLease(
        lease_id=state.seq + 1,
        surface=surface,
        expires_at=context.now + timedelta(seconds=command.ttl_seconds),
        others=[OtherLease(actor=held.actor, surface=held.surface, expires_at=held.expires_at) for held in conflicts],
    )
    leased = Leased(surface=surface, ttl_seconds=command.ttl_seconds, note=command.note, mode=command.mode)
    return Decision(reply=reply, events=(leased,))


def release(state: State, command: Release, context: Context) -> Decision:
    """End the caller's own lease of exactly this surface, if it is active."""
    surface = globs.normalise(command.surface)
    held = state.leases.get(lease_key(context.caller.id, surface))
    if held is None or held.expires_at <= context.now:
        return Decision(reply=ReleasedLeases(released=0))
    return Decision(reply=ReleasedLeases(released=1), events=(Released(surface=surface),))


def who_holds(state: State, command: WhoHolds, context: Context) -> Decision | Refusal:
    """Active leases, those that end first first: the first `LEASES_SHOWN_MAX` of them."""
    surface = None if command.surface is None else globs.normalise(command.surface)
    if surface is not None and (refused := _refused(surface)) is not None:
        return refused
    rows = [
        LeaseRow(
            surface=held.surface,
            actor=held.actor,
            expires_at=held.expires_at,
            expires_in_seconds=ceil((held.expires_at - context.now).total_seconds()),
            note=held.note,
            mode=held.mode,
        )
        for held in active(state, context.now)
        if surface is None or globs.overlap(held.surface, surface)
    ]
    rows.sort(key=lambda row: (row.expires_at, row.surface))
    return Decision(reply=Leases(leases=rows[:LEASES_SHOWN_MAX]))


def active(state: State, now: datetime) -> Iterator[HeldLease]:
    """Leases that have not run out."""
    return (held for held in state.leases.values() if held.expires_at > now)


def _refused(surface: str) -> Refusal | None:
    if globs.wildcards(surface) <= WILDCARDS_PER_SURFACE_MAX:
        return None
    return invalid(f"a surface has at most {WILDCARDS_PER_SURFACE_MAX} wildcards: name it with '**' more broadly.")


def _holds_too_many(state: State, context: Context, surface: str) -> bool:
    reader = context.caller.id
    if lease_key(reader, surface) in state.leases:
        return False
    return sum(held.by == reader for held in active(state, context.now)) >= LEASES_PER_HOLDER_MAX


def apply_leased(state: State, event: Event, data: Leased) -> None:
    """Hold the surface until it runs out; leases that already have are forgotten."""
    state.leases = {key: held for key, held in state.leases.items() if held.expires_at > event.at}
    state.leases[lease_key(event.by, data.surface)] = HeldLease(
        id=event.seq,
        by=event.by,
        actor=event.actor,
        surface=data.surface,
        mode=data.mode,
        note=data.note,
        expires_at=event.at + timedelta(seconds=data.ttl_seconds),
    )


def apply_released(state: State, event: Event, data: Released) -> None:
    """Hold the surface no more."""
    state.leases.pop(lease_key(event.by, data.surface), None)
