"""A project: decides commands on its state, folds events into it, and keeps the fold.

`decide` says what a command comes to and changes nothing. The caller stamps the decision's events, writes them, folds
them with `apply`, and only then passes the reply on. `apply` is the only thing that changes a state by events, live and
on recovery alike. `snapshot` and `restore` keep the fold, so that recovery need not begin at event 1.

Each rule gets the books of its concern. What crosses books is called here.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, assert_never, cast, get_args

import msgspec
from msgspec import Struct

from engine import commits, leases, ledger, post_rules, presence, sequences, task_rules
from engine.commits import CommitChecked, ReportCommit
from engine.decision import Context, Outcome
from engine.errors import LedgerGap
from engine.events import AnyEventData, Unknown
from engine.held_leases import HeldLease
from engine.identity import Principal
from engine.keys import UsedKey
from engine.leases import LeaseCommand, LeaseEvent
from engine.ledger import LedgerCommand
from engine.open_posts import Inbox, OpenPost
from engine.posts import Acked, PostCommand, Posted
from engine.presence import Presence, PresenceCommand, Registered
from engine.repairs import Lost
from engine.sequences import Sequence as Counter
from engine.sequences import SequenceCommand, SequenceEvent
from engine.state import State
from engine.task_graph import Task
from engine.tasks import TaskCommand, TaskEvent
from engine.vocabulary import Event, EventData

AnyCommand = SequenceCommand | PresenceCommand | PostCommand | LeaseCommand | TaskCommand | LedgerCommand | ReportCommit

TO_PREPARE = frozenset((*get_args(PostCommand), *get_args(LeaseCommand)))
"""The commands of which some need what `needed` or `long_comparison` gives, before they can be decided."""

SNAPSHOT_VERSION = 5
"""Changes when an old snapshot can no longer be read. The state is then rebuilt from history."""

SLICE_RECORDS = 200
"""Records that one step of a snapshot encodes or loads, about a millisecond of work."""


def decide(state: State, command: AnyCommand, context: Context) -> Outcome:
    """Decide `command` in this state, for this caller, now.

    Raises `MissingAddressee` when the command names somebody and the context has no addressee.
    """
    if isinstance(command, SequenceCommand):
        return sequences.decide(state.sequences, state.keys, command, context)
    if isinstance(command, PresenceCommand):
        return presence.decide(state.presence, state.seen, command, context)
    if isinstance(command, PostCommand):
        return post_rules.decide(state, command, context)
    if isinstance(command, LeaseCommand):
        return leases.decide(state.leases, command, context)
    if isinstance(command, TaskCommand):
        return task_rules.decide(state.tasks, state.presence, state.seen, command, context)
    if isinstance(command, LedgerCommand):
        return ledger.decide(state, command, context)
    if isinstance(command, ReportCommit):
        return commits.decide(state.keys, command, context)
    assert_never(command)


def needed(state: State, command: AnyCommand, reader: int) -> Sequence[int]:
    """The posts that must be fetched from history (`Context.recall`) before this command of `reader` can be decided."""
    return post_rules.needed(state.posts, state.seq, command, reader) if isinstance(command, PostCommand) else ()


def long_comparison(state: State, command: AnyCommand) -> Iterator[None] | None:
    """The steps that must come before this command can be decided in a few milliseconds; None if it needs none.

    They change nothing that anybody sees. Other commands may be decided in between.
    """
    return leases.long_comparison(state.leases, command) if isinstance(command, LeaseCommand) else None


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
    state.end_at(event.seq, event.at)


def _fold(state: State, event: Event) -> None:
    data = cast("AnyEventData | Unknown", event.data)
    if isinstance(data, SequenceEvent):
        sequences.fold(state.sequences, state.keys, event, data)
    elif isinstance(data, Registered):
        presence.fold(state.presence, event, data)
        post_rules.deliver_lane(state.posts, event.by, data.lane)
    elif isinstance(data, Posted):
        in_lane = [] if data.to_lane is None else state.presence.in_lane(data.to_lane)
        post_rules.fold_posted(state.posts, state.keys, in_lane, event, data)
    elif isinstance(data, Acked):
        post_rules.fold_acked(state.posts, event, data)
    elif isinstance(data, LeaseEvent):
        leases.fold(state.leases, event, data)
    elif isinstance(data, TaskEvent):
        task_rules.fold(state.tasks, event, data)
    elif isinstance(data, CommitChecked):
        commits.fold(state.keys, event, data)
    elif isinstance(data, Lost | Unknown):
        pass  # no book holds what these tell
    else:
        assert_never(data)


class _Header(Struct, kw_only=True):
    """The first line of a snapshot."""

    version: int
    seq: int
    at: datetime
    last_task_id: int
    posts_gone_upto: int


class _Slice(Struct, kw_only=True, omit_defaults=True):
    """Each further line: some records of one book. What can be derived is not kept. The last line is the `end`."""

    sequences: list[Counter] = []
    presence: list[Presence] = []
    posts: list[OpenPost] = []
    inboxes: list[Inbox] = []
    leases: list[HeldLease] = []
    tasks: list[Task] = []
    keys: list[UsedKey] = []
    end: bool = False


_HEADERS = msgspec.json.Decoder(_Header)
_SLICES = msgspec.json.Decoder(_Slice)


def snapshot(state: State) -> bytes:
    """The state's events, folded, as bytes; cursors and liveness are kept elsewhere."""
    return b"".join(snapshot_steps(state))


def snapshot_steps(state: State) -> Iterator[bytes]:
    """The parts of a snapshot, in steps of a few milliseconds at most.

    The first step takes hold of the state as it is then; events that are folded between the steps are not in it.
    """
    header = _Header(
        version=SNAPSHOT_VERSION,
        seq=state.seq,
        at=state.at,
        last_task_id=state.tasks.last_id,
        posts_gone_upto=state.posts.gone_upto,
    )
    books: list[tuple[str, list[Any]]] = [
        ("sequences", state.sequences.dump()),
        ("presence", state.presence.dump()),
        ("posts", state.posts.dump()),
        ("inboxes", state.posts.dump_inboxes()),
        ("leases", state.leases.dump()),
        ("tasks", state.tasks.dump()),
        ("keys", state.keys.dump()),
    ]
    yield msgspec.json.encode(header)
    for name, records in books:
        for start in range(0, len(records), SLICE_RECORDS):
            yield b"\n" + msgspec.json.encode({name: records[start : start + SLICE_RECORDS]})
    yield b"\n" + msgspec.json.encode(_Slice(end=True))


def restore(stored: bytes) -> State | None:
    """The inverse of `snapshot`; None for one of another version, or one that is damaged."""
    *_, state = restore_steps(stored)
    return state


def restore_steps(stored: bytes) -> Iterator[State | None]:
    """The inverse of `snapshot_steps`, in steps of a few milliseconds.

    The last step gives the state, or None for a snapshot of another version or one that is damaged; the others None.
    """
    lines = iter(stored.split(b"\n"))
    try:
        header = _HEADERS.decode(next(lines))
        state = State(seq=header.seq, at=header.at)
        state.tasks.load((), header.last_task_id)
        state.posts.load_inboxes((), header.posts_gone_upto)
        part = _Slice()
        for line in lines if header.version == SNAPSHOT_VERSION else ():
            part = _SLICES.decode(line)
            _load(state, part)
            yield None
    except msgspec.DecodeError:
        yield None
        return
    yield state if part.end else None


def _load(state: State, part: _Slice) -> None:
    state.sequences.load(part.sequences)
    state.presence.load(part.presence)
    state.posts.load(part.posts)
    state.posts.load_inboxes(part.inboxes)
    state.leases.load(part.leases)
    state.tasks.load(part.tasks)
    state.keys.load(part.keys)
