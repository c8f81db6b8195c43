"""What holds after any history, held against models that are written from the contract and know no index.

Histories are drawn from few names and small numbers, so that commands meet in the same sequence, lane or task.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.leases import Lease, Leased, Release, Released, WhoHolds
from engine.ledger import NEWCOMER_EVENTS_MAX, QueryEvents, WhatsNew
from engine.posts import Ack, Acked, Post, Posted, ReadPosts
from engine.presence import Register, Registered, Touch, WhoIsActive
from engine.project import apply, snapshot
from engine.refusals import Refusal
from engine.sequences import Claim, Claimed, LatestClaims, ListSequences, Seeded, SeedSequence, VoidClaim, Voided
from engine.state import DAWN, State
from engine.tasks import (
    ListTasks,
    TaskAssign,
    TaskAssigned,
    TaskBlock,
    TaskBlocked,
    TaskCancel,
    TaskCancelled,
    TaskCreate,
    TaskCreated,
    TaskResolve,
    TaskResolved,
    TaskShip,
    TaskShipped,
    TaskStart,
    TaskStarted,
)
from engine.undo import Ordered
from engine.vocabulary import Event
from tests.engine.project import PEOPLE, History, Person, Project, Step, encoded

ids = st.integers(1, 12)
lanes = st.sampled_from(["qa", "ops"])
names = st.sampled_from(["ada", "ben", "kim/cay", "kim"])
keys = st.none() | st.sampled_from(["k", "l"])
surfaces = st.sampled_from(["a", "a/b", "./a//b", "a/*", "**", "c"])
maybe: Callable[[st.SearchStrategy[Any]], st.SearchStrategy[Any]] = lambda some: st.none() | some  # noqa: E731 - a word

handoffs = st.one_of(
    st.builds(Register, lane=lanes),
    st.builds(Post, to_lane=maybe(lanes), to_actor=maybe(names), body=st.just("b"), reply_to=maybe(ids), key=keys),
    st.builds(Post, to_lane=lanes, body=st.just("b"), ref=maybe(st.just("r")), tag=maybe(st.just("t"))),
    st.builds(Ack, post_id=ids, note=maybe(st.just("mine"))),
    st.builds(Ack, post_ids=st.lists(ids, min_size=1, max_size=3).map(tuple)),
    st.builds(Post, to_lane=lanes, body=st.just("b"), ack_within_seconds=st.sampled_from([60, 3600])),
    st.builds(Ack, post_id=st.integers(1, 4)),
)
numbers = st.one_of(
    st.builds(Claim, sequence=st.sampled_from(["adr", "rfc"]), note=maybe(st.just("n")), key=keys),
    st.builds(
        SeedSequence,
        sequence=st.sampled_from(["adr", "rfc"]),
        current=st.integers(0, 9),
        prefix=maybe(st.just("A-")),
        pad=maybe(st.just(3)),
        archived=st.sampled_from([None, None, None, False, True]),
    ),
    st.builds(VoidClaim, sequence=st.sampled_from(["adr", "rfc"]), number=st.integers(1, 5), reason=st.just("r")),
)
leases = st.one_of(
    st.builds(
        Lease,
        surface=surfaces,
        ttl_seconds=st.sampled_from([1, 30, 3600]),
        mode=st.sampled_from(["shared", "exclusive"]),
    ),
    st.builds(Release, surface=surfaces),
    st.builds(Lease, surface=st.sampled_from(["port:1-3", "port:2"]), pick_one=st.booleans(), ttl_seconds=st.just(30)),
)
task_ids = st.integers(1, 4)
FINISHED = {"done", "cancelled"}

works = st.one_of(
    st.builds(TaskCreate, title=st.just("t"), lane=maybe(lanes), owner=names, priority=st.integers(0, 4)),
    st.builds(TaskCreate, title=st.just("t"), depends_on=st.lists(task_ids, max_size=2).map(tuple)),
    st.builds(TaskAssign, task_id=task_ids, owner=names),
    st.builds(TaskStart, task_id=task_ids),
    st.builds(TaskStart, lane=maybe(lanes)),
    st.builds(TaskBlock, task_id=task_ids, on=maybe(task_ids), reason=st.just("r")),
    st.builds(TaskResolve, task_id=task_ids, blocker=maybe(task_ids)),
    st.builds(TaskShip, task_id=task_ids),
    st.builds(TaskCancel, task_id=task_ids, reason=st.just("r")),
)
reads = st.one_of(
    st.builds(
        ReadPosts,
        to_lane=maybe(lanes),
        to_me=st.booleans(),
        from_me=st.booleans(),
        unacked_only=st.booleans(),
        tag=maybe(st.just("t")),
        ref=maybe(st.just("r")),
        thread=maybe(ids),
        before=maybe(ids),
        limit=st.integers(1, 3),
    ),
    st.builds(WhatsNew, advance_cursor=st.booleans(), limit=st.integers(1, 5)),
    st.builds(QueryEvents, sequence=maybe(st.just("adr")), number=maybe(ids), before=maybe(ids)),
    st.builds(ListTasks, ready=st.booleans(), lane=maybe(lanes), limit=st.integers(1, 3)),
    st.builds(WhoHolds, surface=maybe(surfaces)),
    st.sampled_from([ListSequences(), LatestClaims(), WhoIsActive(), Touch()]),
)
pauses = st.sampled_from([timedelta(seconds=1), timedelta(seconds=30), timedelta(hours=24)])


def histories(*kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[History]:
    people = st.sampled_from(PEOPLE)
    step = st.builds(lambda who, command: who(command), people, st.one_of(*kinds))
    return st.lists(st.one_of(step, step, step, step, pauses), max_size=40)


everything = histories(handoffs, numbers, leases, works, reads)


def play(project: Project, history: History) -> None:
    """Carry out a history in which some commands are refused; those must leave no trace."""
    for step in history:
        if isinstance(step, timedelta):
            project.now += step
            continue
        before, seq = snapshot(project.state), project.state.seq
        outcome = project.ask(*step)
        if isinstance(outcome, Refusal) or project.state.seq == seq:
            assert snapshot(project.state) == before


def facts(state: State) -> list[Any]:
    """What the books hold, also what a snapshot does not keep because it can be derived."""
    return [snapshot(state), *map(contents, (state.sequences, state.presence, state.posts, state.leases, state.tasks))]


NO_FACTS = {"_undo", "_overlaps", "_picks"}
"""How changes are taken back, and what follows from the spellings of surfaces alone."""


def contents(book: Any) -> dict[str, Any]:
    """The collections of a book; those that have no order of their own are compared without one."""
    return {name: plain(getattr(book, name)) for name in book.__slots__ if name not in NO_FACTS}


def plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    return list(value) if isinstance(value, Ordered) else value


def folded(events: list[Event]) -> State:
    state = State()
    for event in events:
        apply(state, event)
    return state


@given(everything)
def test_the_state_is_the_fold_of_its_events(history: History) -> None:
    project = Project()
    play(project, history)
    assert [event.seq for event in project.events] == list(range(1, len(project.events) + 1))
    assert facts(folded(project.events)) == facts(project.state)
    assert project.state.at == max((event.at for event in project.events), default=DAWN)


@given(everything)
def test_a_project_reopened_at_every_step_answers_as_one_that_never_was(history: History) -> None:
    steady, reopened = Project(), Project()
    for step in history:
        if isinstance(step, timedelta):
            steady.now += step
            reopened.now += step
        else:
            reopened.reopen()
            assert facts(reopened.state) == facts(steady.state)
            assert encoded(reopened.ask(*step)) == encoded(steady.ask(*step))
    assert reopened.events == steady.events


@given(everything, everything)
def test_a_batch_that_is_taken_back_was_never_there(history: History, batch: History) -> None:
    project = Project()
    play(project, history)
    before, seq, now = facts(project.state), len(project.events), project.now
    project.state.undo.begin()
    play(project, batch)
    project.state.undo.take_back()
    del project.events[seq:]
    project.now = now
    assert facts(project.state) == before
    play(project, batch)
    assert facts(folded(project.events)) == facts(project.state)


@given(histories(handoffs))
def test_each_owes_what_the_contract_says(history: History) -> None:
    project = Project()
    play(project, history)
    for who in PEOPLE:
        assert project.state.posts.inbox(who.id) == owed(project.events, who)
        assert list(project.state.posts.unanswered_from(who.id)) == [
            post.seq for post in posts(project.events) if post.by == who.id and not acks(project.events, post)
        ]


@given(histories(handoffs))
def test_a_lane_keeps_what_nobody_acknowledged_and_the_state_no_more_than_it_needs(history: History) -> None:
    project = Project()
    play(project, history)
    unanswered = [post for post in posts(project.events) if not acks(project.events, post)]
    for lane in ("qa", "ops"):
        assert list(project.state.posts.backlog(lane)) == [post.seq for post in unanswered if lane_of(post) == lane]
    needed = {post.seq for post in unanswered}.union(*(owed(project.events, who) for who in PEOPLE))
    assert [post.id for post in project.state.posts.dump()] == sorted(needed)


@given(histories(handoffs), st.sampled_from(PEOPLE))
def test_the_inbox_that_is_read_is_the_inbox_that_is_counted(history: History, who: Person) -> None:
    project = Project()
    play(project, history)
    found = encoded(project.ask(*who(ReadPosts(to_me=True, unacked_only=True))))["posts"]
    assert [post["post_id"] for post in found] == owed(project.events, who)[::-1]
    assert not any(post["acked"] for post in found)


def posts(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event.data, Posted)]


def acks(events: list[Event], post: Event) -> list[Event]:
    return [event for event in events if isinstance(event.data, Acked) and event.data.post_id == post.seq]


def lane_of(post: Event) -> str | None:
    return post.data.to_lane if isinstance(post.data, Posted) else None


def owed(events: list[Event], who: Person) -> list[int]:
    """The contract's words, post by post: for me in person, or for my lane then, or still unanswered when I came."""
    found: list[int] = []
    for post in posts(events):
        answers = acks(events, post)
        if any(ack.by == who.id for ack in answers):
            continue
        mine = [event for event in events if isinstance(event.data, Registered) and event.by == who.id]
        earlier = [event for event in mine if event.seq < post.seq]
        came = [event for event in mine if event.seq > post.seq and registered_lane(event) == lane_of(post)]
        in_person = isinstance(post.data, Posted) and post.data.to_id == who.id
        was_there = bool(earlier) and registered_lane(earlier[-1]) == lane_of(post)
        came_in_time = any(all(ack.seq > event.seq for ack in answers) for event in came)
        if in_person or (post.by != who.id and (was_there or came_in_time)):
            found.append(post.seq)
    return found


def registered_lane(event: Event) -> str | None:
    return event.data.lane if isinstance(event.data, Registered) else None


@given(histories(numbers))
def test_numbers_are_given_once_in_order_without_a_gap(history: History) -> None:
    project = Project()
    play(project, history)
    for name in ("adr", "rfc"):
        current, is_archived, voided = 0, False, set[int]()
        for event in project.events:
            match event.data:
                case Claimed(sequence=sequence, number=number) if sequence == name:
                    assert number == current + 1
                    assert not is_archived
                    current = number
                case Seeded(sequence=sequence, current=seeded, archived=archived) if sequence == name:
                    assert seeded >= current
                    current, is_archived = seeded, archived
                case Voided(sequence=sequence, number=number) if sequence == name:
                    assert number <= current
                    assert number not in voided
                    voided.add(number)


@given(histories(numbers, handoffs))
def test_a_key_writes_one_event_a_day(history: History) -> None:
    project = Project()
    play(project, history)
    written: dict[tuple[int, str], datetime] = {}
    for event in project.events:
        if isinstance(event.data, Claimed | Posted) and event.data.key is not None:
            slot = event.by, event.data.key
            assert slot not in written or event.at - written[slot] >= timedelta(hours=24)
            written[slot] = event.at


@given(histories(leases))
def test_leases_are_held_until_they_end(history: History) -> None:
    project = Project()
    play(project, history)
    last: dict[tuple[int, str], Event] = {}
    for event in project.events:
        if isinstance(event.data, Leased | Released):
            last[event.by, event.data.surface] = event
    expected = {
        (event.seq, event.by, event.data.surface, event.data.mode)
        for event in last.values()
        if isinstance(event.data, Leased) and event.at + timedelta(seconds=event.data.ttl_seconds) > project.now
    }
    held = list(project.state.leases.active(project.now))
    assert {(lease.id, lease.by, lease.surface, lease.mode) for lease in held} == expected
    assert len(held) == len(expected)


@given(histories(works))
def test_tasks_are_what_their_events_say_and_never_wait_in_a_circle(history: History) -> None:
    project = Project()
    play(project, history)
    statuses, blockers, depends = model(project.events)
    unfinished = {task_id: status for task_id, status in statuses.items() if status not in FINISHED}
    assert {task.id: task.status for task in project.state.tasks.dump()} == unfinished
    assert project.state.tasks.last_id == len(statuses)
    ready = project.state.tasks.find(None, None, None, ready=True, limit=100)
    assert {task.id for task in ready} == {
        task_id for task_id in unfinished if all(statuses[other] in FINISHED for other in depends[task_id])
    }
    for task in project.state.tasks.dump():
        assert [blocker.on for blocker in task.blockers] == blockers[task.id]
    waits = {
        task_id: {other for other in (*depends[task_id], *blockers[task_id]) if other in unfinished}
        for task_id in unfinished
    }
    while free := [task_id for task_id, others in waits.items() if not others & waits.keys()]:
        for task_id in free:
            del waits[task_id]
    assert not waits, "a circle"


def model(events: list[Event]) -> tuple[dict[int, str], dict[int, list[int | None]], dict[int, tuple[int, ...]]]:
    """Status, blockers and dependencies of every task, from the events alone."""
    statuses: dict[int, str] = {}
    blockers: dict[int, list[int | None]] = {}
    depends: dict[int, tuple[int, ...]] = {}
    for event in events:
        match event.data:
            case TaskCreated(task_id=task_id, owner=owner, depends_on=depends_on):
                statuses[task_id] = "open" if owner is None else "assigned"
                blockers[task_id], depends[task_id] = [], depends_on
            case TaskAssigned(task_id=task_id):
                if statuses[task_id] == "open":  # what is under way goes on with another owner
                    statuses[task_id] = "assigned"
            case TaskStarted(task_id=task_id):
                assert all(statuses[other] in FINISHED for other in depends[task_id])
                statuses[task_id] = "in_progress"
            case TaskBlocked(task_id=task_id, on=on):
                statuses[task_id] = "blocked"
                blockers[task_id].append(on)
            case TaskResolved(task_id=task_id, blocker=blocker):
                blockers[task_id] = [] if blocker is None else [on for on in blockers[task_id] if on != blocker]
                statuses[task_id] = "blocked" if blockers[task_id] else "in_progress"
            case TaskShipped(task_id=task_id):
                statuses[task_id] = "done"
            case TaskCancelled(task_id=task_id):
                statuses[task_id] = "cancelled"
            case other:
                raise AssertionError(other)
    return statuses, blockers, depends


@given(histories(numbers, reads), st.sampled_from(PEOPLE), st.integers(1, 5))
def test_digests_tell_every_event_once_and_count_what_is_left(history: History, who: Person, limit: int) -> None:
    project = Project()
    play(project, [step for step in history if isinstance(step, timedelta) or step[0] != who.principal])
    told: list[int] = []
    look: Step = who(WhatsNew(limit=limit))
    while (digest := encoded(project.ask(*look)))["events"]:
        told += [event["id"] for event in digest["events"]]
        assert digest["remaining"] == len(project.events) - told[-1]
    assert told == [event.seq for event in project.events]
    assert len(told) < NEWCOMER_EVENTS_MAX
