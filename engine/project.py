"""A project: decides commands on its state, folds events into it, and keeps the fold.

`decide` says what a command comes to and changes nothing. The caller stamps the decision's events, writes them, folds
them with `apply`, and only then passes the reply on. `apply` is the only thing that changes a state by events, live and
on recovery alike. `snapshot` and `restore` keep the fold, so that recovery need not begin at event 1.

Each rule gets the books of its concern. What crosses books is called here.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import assert_never, cast

import msgspec
from msgspec import Struct

from engine import leases, ledger, posts, presence, sequences, tasks
from engine.decision import Context, Outcome
from engine.errors import LedgerGap
from engine.events import AnyEventData
from engine.identity import Principal
from engine.keys import KeyBook, UsedKey
from engine.leases import HeldLease, LeaseBook, LeaseCommand, LeaseEvent
from engine.ledger import LedgerCommand
from engine.open_posts import OpenPost, PostBook
from engine.posts import Acked, PostCommand, Posted
from engine.presence import Presence, PresenceBook, PresenceCommand, Registered
from engine.repairs import Lost
from engine.sequences import Sequence, SequenceBook, SequenceCommand, SequenceEvent
from engine.state import State
from engine.tasks import Task, TaskBook, TaskCommand, TaskEvent
from engine.vocabulary import Event, EventData

AnyCommand = SequenceCommand | PresenceCommand | PostCommand | LeaseCommand | TaskCommand | LedgerCommand

SNAPSHOT_VERSION = 2
"""Changes when an old snapshot can no longer be read. The state is then rebuilt from history."""


def decide(state: State, command: AnyCommand, context: Context) -> Outcome:
    """What `command` comes to in this state, for this caller, now.

    Raises `MissingAddressee` when the command names somebody and the context does not say whom it means.
    """
    if isinstance(command, SequenceCommand):
        return sequences.decide(state.sequences, state.keys, command, context)
    if isinstance(command, PresenceCommand):
        return presence.decide(state.presence, state.seen, command, context)
    if isinstance(command, PostCommand):
        return posts.decide(state.posts, state.keys, state.presence, command, context)
    if isinstance(command, LeaseCommand):
        return leases.decide(state.leases, command, context)
    if isinstance(command, TaskCommand):
        return tasks.decide(state.tasks, command, context)
    if isinstance(command, LedgerCommand):
        return ledger.decide(state, command, context)
    assert_never(command)


def needed(state: State, command: AnyCommand) -> int | None:
    """The post that must be fetched from history (`Context.recall`) before this command can be decided."""
    return posts.needed(state.posts, state.seq, command) if isinstance(command, PostCommand) else None


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
    _fold(state, event)
    state.seq = event.seq
    state.at = event.at


def _fold(state: State, event: Event) -> None:
    data = cast("AnyEventData", event.data)
    if isinstance(data, SequenceEvent):
        sequences.fold(state.sequences, state.keys, event, data)
    elif isinstance(data, Registered):
        presence.fold(state.presence, event, data)
        posts.deliver_lane(state.posts, event.by, data.lane)
    elif isinstance(data, Posted):
        in_lane = set[int]() if data.to_lane is None else state.presence.in_lane(data.to_lane)
        posts.fold_posted(state.posts, state.keys, in_lane, event, data)
    elif isinstance(data, Acked):
        posts.fold_acked(state.posts, event, data)
    elif isinstance(data, LeaseEvent):
        leases.fold(state.leases, event, data)
    elif isinstance(data, TaskEvent):
        tasks.fold(state.tasks, data)
    elif isinstance(data, Lost):
        pass
    else:
        assert_never(data)


class _Snapshot(Struct, kw_only=True):
    """The stored form of a state: the records of its books. What can be derived is not kept."""

    version: int
    seq: int
    at: datetime
    sequences: list[Sequence]
    presence: list[Presence]
    posts: list[OpenPost]
    leases: list[HeldLease]
    tasks: list[Task]
    keys: list[UsedKey]


_DECODER = msgspec.json.Decoder(_Snapshot)


def snapshot(state: State) -> bytes:
    """The state's events, folded, as bytes; cursors and liveness are kept elsewhere."""
    return msgspec.json.encode(
        _Snapshot(
            version=SNAPSHOT_VERSION,
            seq=state.seq,
            at=state.at,
            sequences=state.sequences.dump(),
            presence=state.presence.dump(),
            posts=state.posts.dump(),
            leases=state.leases.dump(),
            tasks=state.tasks.dump(),
            keys=state.keys.dump(),
        )
    )


def restore(stored: bytes) -> State | None:
    """The inverse of `snapshot`; None for one of another version, or one that is damaged."""
    try:
        kept = _DECODER.decode(stored)
    except msgspec.DecodeError:
        return None
    if kept.version != SNAPSHOT_VERSION:
        return None
    return State(
        seq=kept.seq,
        at=kept.at,
        sequences=SequenceBook(kept.sequences),
        presence=PresenceBook(kept.presence),
        posts=PostBook(kept.posts),
        leases=LeaseBook(kept.leases),
        tasks=TaskBook(kept.tasks),
        keys=KeyBook(kept.keys),
    )
