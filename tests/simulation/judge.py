"""Judging a simulated history: what was promised to callers, held against the ledger."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import pairwise

from actors import Answer
from engine import surfaces
from engine.keys import KEPT
from engine.leases import GrantedLease, Lease, Leased, Released, ReleasedLeases
from engine.ledger import Digest, WhatsNew
from engine.posts import Ack, Acked, AckedPost, AckedPosts, Post, Posted, PostedPost, Posts, ReadPosts
from engine.presence import Register, Registered, RegisteredLane
from engine.project import apply, snapshot
from engine.refusals import Refusal
from engine.sequences import (
    Claim,
    Claimed,
    ClaimedNumber,
    ListSequences,
    Seeded,
    SeedSequence,
    Sequences,
    SequenceSet,
    VoidClaim,
    Voided,
    VoidedNumber,
)
from engine.state import State
from engine.tasks import (
    AssignedTask,
    OneTask,
    TaskAssigned,
    TaskBlocked,
    TaskCancelled,
    TaskCreate,
    TaskCreated,
    TaskResolve,
    TaskResolved,
    TaskShipped,
    TaskStart,
    TaskStarted,
    TaskState,
)
from engine.vocabulary import Event, EventData
from tests.simulation.attempts import Attempt
from tests.simulation.model import Model

NEWS_SECONDS_MAX = 35.0
"""How late news may be: an outage (20 s), a batch that gives up in it, a process that died before it told."""


def judge_answer(attempt: Attempt, ledger: list[Event]) -> None:
    """An answer is true at the moment it is given: its event is durable and says the same."""
    outcome = attempt.outcome
    if isinstance(outcome, Answer):
        _judge_patience(attempt, outcome)
        if isinstance(outcome.reply, VoidedNumber):
            _judge_void(attempt, outcome.reply, ledger)
        elif (event := _evidence(attempt, outcome, ledger)) is not None:
            assert event.by == attempt.caller.id, f"somebody else's event {event.seq} was answered: {attempt}"
            attempt.event = event
    elif isinstance(outcome, Refusal):
        _judge_refusal(attempt, outcome, ledger)


def judge_ledger(ledger: list[Event]) -> None:
    """What any ledger must be."""
    assert [event.seq for event in ledger] == list(range(1, len(ledger) + 1)), "the ledger has a gap"
    assert all(one.at <= next_one.at for one, next_one in pairwise(ledger)), "time ran backwards"
    Model(ledger)


def judge_history(attempts: list[Attempt], ledger: list[Event], durable_at: list[float]) -> None:
    """What can only be seen from the end: nothing twice, nothing early, nothing late, and every reader saw a moment.

    `durable_at` has the time at which each event was first seen in the ledger.
    """
    judge_ledger(ledger)
    _judge_marks(attempts, ledger)
    _judge_keys(ledger)
    model = Model(ledger)
    for attempt in attempts:
        if isinstance(attempt.outcome, Answer):
            _judge_order(attempt)
            _judge_unread(attempt, attempt.outcome, model)
            _judge_reading(attempt, attempt.outcome, model)
            _judge_waking(attempt, attempt.outcome, durable_at)
    for reader in {attempt.caller.id for attempt in attempts}:
        _judge_digests([attempt for attempt in attempts if attempt.caller.id == reader])


def judge_failover(attempts: list[Attempt], ledger: list[Event]) -> None:
    """What is left after a database lost its tail: what was acknowledged and durable is where it was answered to be."""
    for attempt in attempts:
        if isinstance(attempt.outcome, Answer) and (event := attempt.event) is not None:
            assert ledger[event.seq - 1 : event.seq] == [event], f"acknowledged, and lost: {attempt}"


def fold(ledger: Iterable[Event]) -> State:
    """The state that a ledger means."""
    state = State()
    for event in ledger:
        apply(state, event)
    return state


def facts(state: State) -> bytes:
    """A state as comparable data."""
    return snapshot(state)


def _evidence(attempt: Attempt, answer: Answer, ledger: list[Event]) -> Event | None:
    """The event behind an answer, or None when it needs none. Fails when there is none and there should be."""
    caller, command = attempt.caller.id, attempt.command
    fresh = ledger[attempt.began_seq :]
    match answer.reply:
        case ClaimedNumber() as reply:
            assert isinstance(command, Claim)
            return _only(
                event
                for event in ledger
                if isinstance(event.data, Claimed)
                and (event.data.sequence, event.data.number) == (reply.sequence, reply.number)
                and (event.data.formatted, event.data.note) == (reply.formatted, command.note)
            )
        case PostedPost(post_id=post_id, event_id=event_id, created_at=at):
            event = _numbered(ledger, post_id, Posted)
            assert isinstance(event.data, Posted)
            assert isinstance(command, Post)
            assert (event.data.body, event.at, event_id) == (command.body, at, post_id)
            return event
        case GrantedLease() as reply:
            assert isinstance(command, Lease)
            return _grant(command, reply, ledger)
        case RegisteredLane(status=status, registered_at=at):
            return _only(e for e in fresh if isinstance(e.data, Registered) and (e.data.status, e.at) == (status, at))
        case AckedPost() | AckedPosts() as reply:
            return _first_acks(reply, caller, ledger)[0]
        case SequenceSet(sequence=name, current=current):
            return _newest(fresh, caller, Seeded, sequence=name, current=current)
        case ReleasedLeases(released=1):
            return _newest(fresh, caller, Released)
        case AssignedTask(task_id=task_id):
            return _newest(fresh, caller, TaskAssigned, task_id=task_id)
        case TaskState(task_id=task_id, status=status) if isinstance(command, TaskResolve):
            resolved = _resolution(fresh, caller, command)
            assert resolved is not None or status != "blocked", f"task {task_id} is blocked, and nothing was resolved"
            return resolved  # None: nothing blocked the task, so nothing had to happen
        case OneTask(tasks=[task]) if isinstance(command, TaskStart):
            assert (task.status, task.owner) == ("in_progress", attempt.caller.actor)
            return _newest(fresh, caller, TaskStarted, TaskAssigned, task_id=task.task_id)
        case TaskState(task_id=task_id):
            return _newest(
                fresh, caller, TaskCreated, TaskStarted, TaskBlocked, TaskShipped, TaskCancelled, task_id=task_id
            )
        case _:
            return None


def _judge_void(attempt: Attempt, reply: VoidedNumber, ledger: list[Event]) -> None:
    """What is void was claimed, and voided once: by this caller, or before."""
    claim = _only(event for event in ledger if _is_of(event.data, Claimed, reply.sequence, reply.number))
    _only(event for event in ledger if _is_of(event.data, Voided, reply.sequence, reply.number))
    assert attempt.caller.is_admin or claim.by == attempt.caller.id, f"voided somebody else's number: {attempt}"


def _grant(command: Lease, reply: GrantedLease, ledger: list[Event]) -> Event:
    event = _numbered(ledger, reply.lease_id, Leased)
    assert isinstance(event.data, Leased)
    assert event.data.note == command.note
    if command.pick_one:
        _judge_pick(event, event.data, ledger)
    else:
        assert event.data.surface == surfaces.parse(command.surface)
    assert (event.data.expires_at or event.at + timedelta(seconds=command.ttl_seconds)) == reply.expires_at
    return event


def _judge_pick(event: Event, picked: Leased, ledger: list[Event]) -> None:
    """Nobody held what was picked, its new holder included, and all that is lower in the range was held."""
    held: dict[tuple[int, str], Leased] = {}
    ends: dict[tuple[int, str], datetime] = {}
    for earlier in ledger[: event.seq - 1]:
        if isinstance(earlier.data, Leased):
            slot = earlier.by, earlier.data.surface
            held[slot] = earlier.data
            ends[slot] = earlier.data.expires_at or earlier.at + timedelta(seconds=earlier.data.ttl_seconds)
        elif isinstance(earlier.data, Released):
            held.pop((earlier.by, earlier.data.surface), None)
    now = (picked.expires_at or event.at + timedelta(seconds=picked.ttl_seconds)) - timedelta(
        seconds=picked.ttl_seconds
    )
    taken = {surface for by, surface in held if ends[by, surface] > now}
    assert not {picked.surface, "port:1-2"} & taken, f"picked what was held: {event}"
    assert picked.surface == "port:1" or "port:1" in taken, f"picked not the lowest: {event}"


def _first_acks(reply: AckedPost | AckedPosts, caller: int, ledger: list[Event]) -> list[Event]:
    answers = reply.acked if isinstance(reply, AckedPosts) else [reply]
    acks = [event for event in reversed(ledger) if isinstance(event.data, Acked) and event.by == caller]
    first = {ack.data.post_id: ack for ack in acks if isinstance(ack.data, Acked)}
    assert all(first[answer.post_id].at == answer.acked_at for answer in answers)
    return [first[answer.post_id] for answer in answers]


def _is_of(data: EventData, kind: type[Claimed | Voided], sequence: str, number: int) -> bool:
    return isinstance(data, kind) and (data.sequence, data.number) == (sequence, number)


def _resolution(events: list[Event], caller: int, command: TaskResolve) -> Event | None:
    wanted = (caller, TaskResolved(task_id=command.task_id, blocker=command.blocker))
    return next((event for event in reversed(events) if (event.by, event.data) == wanted), None)


def _numbered(ledger: list[Event], seq: int, kind: type[EventData]) -> Event:
    assert seq <= len(ledger), f"event {seq} was answered and is not durable"
    assert isinstance(ledger[seq - 1].data, kind), f"event {seq} was answered and is something else"
    return ledger[seq - 1]


def _only(found: Iterable[Event]) -> Event:
    events = list(found)
    assert len(events) == 1, f"answered once, in the ledger {len(events)} times: {events}"
    return events[0]


def _newest(fresh: list[Event], caller: int, *kinds: type[EventData], **fields: object) -> Event:
    for event in reversed(fresh):
        matches = all(getattr(event.data, name, None) == value for name, value in fields.items())
        if event.by == caller and isinstance(event.data, kinds) and matches:
            return event
    raise AssertionError(f"answered, but no event of {caller} that is {kinds} with {fields}")


def _judge_patience(attempt: Attempt, answer: Answer) -> None:
    """A wait ends with news, or at its deadline, or because the process stops."""
    waited_out = attempt.ended >= attempt.began + attempt.command.wait_seconds or attempt.life.ended
    match answer.reply:
        case GrantedLease(others=others):
            assert waited_out or not others, "a lease was granted into a conflict before the wait was over"
        case reply:
            assert waited_out or reply.is_news, "a wait ended early with nothing"


def _judge_refusal(attempt: Attempt, refusal: Refusal, ledger: list[Event]) -> None:
    """What anybody was told of before cannot be refused as unknown, nor a key for its own arguments."""
    match attempt.command:
        case Ack(posts=posts):
            known = all(each <= attempt.known_seq and isinstance(ledger[each - 1].data, Posted) for each in posts)
            assert not known, f"refused though the posts are there: {attempt}"
        case Post(reply_to=int(named)) | ReadPosts(thread=int(named)):
            known = named <= attempt.known_seq and isinstance(ledger[named - 1].data, Posted)
            assert not known, f"refused though the post is there: {attempt}"
        case Lease(pick_one=True):
            assert refusal.code == "conflict", attempt
        case Claim(sequence="c"):
            assert "archived" in refusal.message, attempt
        case VoidClaim(sequence=sequence, number=number):
            claims = [event for event in ledger if _is_of(event.data, Claimed, sequence, number)]
            mine = attempt.caller.is_admin or any(claim.by == attempt.caller.id for claim in claims)
            known = bool(claims) and claims[0].seq <= attempt.known_seq
            assert not (mine and known), f"refused though the caller claimed it: {attempt}"
        case SeedSequence(archived=bool()):
            assert refusal.code in {"conflict", "forbidden", "not_found"}, attempt
        case Claim() | Post():
            raise AssertionError(f"refused without reason: {attempt}")
        case _:
            assert refusal.code in {"conflict", "not_found"}, attempt


def _judge_marks(attempts: list[Attempt], ledger: list[Event]) -> None:
    """A command is carried out at most once: without a key it is sent once, with a key it may be sent often."""
    times = Counter(mark for event in ledger if (mark := _mark(event.data)) is not None)
    twice = [mark for mark, count in times.items() if count > 1]
    assert not twice, f"carried out more than once: {twice}"
    for attempt in attempts:
        if isinstance(attempt.outcome, Answer) and isinstance(attempt.command, Claim | Post | Register | TaskCreate):
            assert attempt.event is not None, attempt


def _mark(data: EventData) -> str | None:
    match data:
        case Claimed(note=mark) | Posted(body=mark) | Registered(status=mark) | Leased(note=mark):
            return mark
        case TaskCreated(title=mark) | TaskBlocked(reason=mark) | TaskCancelled(reason=mark) | Voided(reason=mark):
            return mark
        case _:
            return None


def _judge_keys(ledger: list[Event]) -> None:
    used: dict[tuple[int, str], Event] = {}
    for event in ledger:
        if isinstance(event.data, Claimed | Posted) and event.data.key is not None:
            slot = (event.by, event.data.key)
            assert slot not in used or event.at - used[slot].at >= KEPT, f"a key was carried out twice: {slot}"
            used[slot] = event


def _judge_order(attempt: Attempt) -> None:
    """The ledger's order agrees with real time: what was over before a call began comes before its event."""
    if attempt.event is not None and not attempt.repeats and not isinstance(attempt.command, Ack):
        assert attempt.event.seq > attempt.began_seq, f"answered with an event from before it was asked: {attempt}"


def _judge_unread(attempt: Attempt, answer: Answer, model: Model) -> None:
    moments = range(attempt.known_seq, attempt.ended_seq + 1)
    counts = {len(model.inbox(seq, attempt.caller.id)) for seq in moments}
    assert answer.unread in counts, f"{answer.unread} unread posts at no moment of the call, but {counts}: {attempt}"


def _judge_reading(attempt: Attempt, answer: Answer, model: Model) -> None:
    """What was read was so at some moment of the call that is not before what this process had answered."""
    moments = range(attempt.known_seq, attempt.ended_seq + 1)
    match attempt.command, answer.reply:
        case ReadPosts(to_me=True, unacked_only=True), Posts(posts=posts):
            seen = [view.post_id for view in reversed(posts)]
            assert any(model.inbox(seq, attempt.caller.id) == seen for seq in moments), f"never so: {attempt}"
        case ListSequences(), Sequences(sequences=rows, archived=archived):
            stand = {row.name: row.last_used for row in (*rows, *(archived or ()))}
            assert any(model.sequences[seq] == stand for seq in moments), f"never so: {attempt}"
        case _:
            pass


def _judge_waking(attempt: Attempt, answer: Answer, durable_at: list[float]) -> None:
    """Who waits is told soon after what could end the wait is durable."""
    match answer.reply:
        case Digest(events=[first, *_]) if attempt.command.wait_seconds and first.id > attempt.began_seq:
            late = attempt.ended - durable_at[first.id - 1]
            assert late <= NEWS_SECONDS_MAX, f"told of event {first.id} after {late} s: {attempt}"
        case _:
            pass


def _judge_digests(attempts: list[Attempt]) -> None:
    """A reader misses nothing: no digest begins after the end of what the reader was given before it ended."""
    given = 0
    for attempt in sorted(attempts, key=lambda attempt: attempt.ended):
        if not isinstance(attempt.command, WhatsNew) or not isinstance(attempt.outcome, Answer):
            continue
        digest = attempt.outcome.reply
        assert isinstance(digest, Digest)
        first = digest.since_event_id + 1
        assert [view.id for view in digest.events] == list(range(first, first + len(digest.events)))
        assert not given or digest.since_event_id <= given, f"events were skipped after {given}: {attempt}"
        given = max(given, digest.since_event_id + len(digest.events))
