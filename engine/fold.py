"""Folding events into a state, and keeping that fold.

`apply` is the only thing that lets an event change a state, live and on recovery alike. `snapshot` and `restore` keep
the fold so that recovery need not begin at event 1; what can be derived is not kept.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never

import msgspec
from msgspec import Struct

from engine import leases, posts, presence, sequences, tasks
from engine.errors import LedgerGap
from engine.events import (
    Acked,
    Claimed,
    Event,
    EventData,
    Leased,
    Posted,
    Registered,
    Released,
    Seeded,
    TaskAssigned,
    TaskBlocked,
    TaskCreated,
    TaskResolved,
    TaskShipped,
    TaskStarted,
)
from engine.identity import Principal
from engine.open_posts import OpenPost, OpenPosts
from engine.state import HeldLease, Keyed, Presence, Sequence, State, Task, lease_key


def stamp(state: State, caller: Principal, now: datetime, happened: Iterable[EventData]) -> list[Event]:
    """Number what was decided, as the ledger's next events."""
    return [
        Event(seq=seq, at=now, actor=caller.actor, by=caller.id, data=data)
        for seq, data in enumerate(happened, start=state.seq + 1)
    ]


def apply(state: State, event: Event) -> None:
    """Fold one event.

    Raises `LedgerGap` for an event that is not the next one; the state is then as it was.
    """
    if event.seq != state.seq + 1:
        raise LedgerGap(state.seq + 1, event.seq)
    _apply_data(state, event)
    state.seq = event.seq
    state.at = event.at


def _apply_data(state: State, event: Event) -> None:  # noqa: PLR0912 - one row an event type
    match event.data:
        case Claimed() as data:
            sequences.apply_claimed(state, event, data)
        case Seeded() as data:
            sequences.apply_seeded(state, data)
        case Registered() as data:
            presence.apply_registered(state, event, data)
        case Posted() as data:
            posts.apply_posted(state, event, data)
        case Acked() as data:
            posts.apply_acked(state, event, data)
        case Leased() as data:
            leases.apply_leased(state, event, data)
        case Released() as data:
            leases.apply_released(state, event, data)
        case TaskCreated() as data:
            tasks.apply_created(state, data)
        case TaskAssigned() as data:
            tasks.apply_assigned(state, data)
        case TaskStarted() as data:
            tasks.apply_started(state, data)
        case TaskBlocked() as data:
            tasks.apply_blocked(state, data)
        case TaskResolved() as data:
            tasks.apply_resolved(state, data)
        case TaskShipped() as data:
            tasks.apply_shipped(state, data)
        case _:
            assert_never(event.data)


class _Snapshot(Struct, kw_only=True):
    """The wire form of a state. `version` changes when an old snapshot can no longer be read; history then suffices."""

    version: int
    seq: int
    at: datetime
    sequences: dict[str, Sequence]
    presence: dict[int, Presence]
    posts: list[OpenPost]
    leases: list[HeldLease]
    tasks: dict[int, Task]
    keys: dict[str, Keyed]


SNAPSHOT_VERSION = 1
_DECODER = msgspec.json.Decoder(_Snapshot)


def snapshot(state: State) -> bytes:
    """The state's events, folded, as bytes; cursors and liveness are kept elsewhere."""
    return msgspec.json.encode(
        _Snapshot(
            version=SNAPSHOT_VERSION,
            seq=state.seq,
            at=state.at,
            sequences=state.sequences,
            presence=state.presence,
            posts=list(state.posts),
            leases=list(state.leases.values()),
            tasks=state.tasks,
            keys=state.keys,
        )
    )


def restore(stored: bytes) -> State | None:
    """The inverse of `snapshot`; None for one that another version wrote: fold the history instead."""
    try:
        kept = _DECODER.decode(stored)
    except msgspec.DecodeError:
        return None
    if kept.version != SNAPSHOT_VERSION:
        return None
    return State(
        seq=kept.seq,
        at=kept.at,
        sequences=kept.sequences,
        presence=kept.presence,
        posts=OpenPosts(kept.posts),
        leases={lease_key(held.by, held.surface): held for held in kept.leases},
        tasks=kept.tasks,
        unfinished={task_id: task for task_id, task in kept.tasks.items() if task.status != "done"},
        keys=kept.keys,
    )
