from datetime import timedelta
from pathlib import Path

import pytest

from engine.decision import Decision
from engine.errors import LedgerGap
from engine.leases import Lease
from engine.posts import Ack, Post, Posted
from engine.presence import Register
from engine.project import SNAPSHOT_VERSION, apply, restore, restore_steps, snapshot, snapshot_steps, stamp
from engine.sequences import Claim
from engine.state import State
from engine.tasks import TaskBlock, TaskCreate, TaskShip, TaskShipped, TaskStart
from engine.vocabulary import Event
from tests.engine.project import T0, History, Project, ada, ben

STORY: History = [
    ben(Register(lane="qa", status="s")),
    ada(Claim(sequence="adr", key="k")),
    ada(Post(to_lane="qa", subject="s", body="b", ref="r", tag="t", key="p")),
    ada(Post(to_lane="qa", to_actor="ben", body="b", reply_to=3)),
    timedelta(seconds=1),
    ada(Ack(post_id=3)),
    ada(Lease(surface="src/**", note="n", mode="shared")),
    ada(TaskCreate(title="one", owner="ada")),
    ada(TaskCreate(title="two", owner="ben", depends_on=(1,))),
    ada(TaskStart(task_id=1)),
    ada(TaskBlock(task_id=1, reason="rain")),
]


@pytest.mark.parametrize("seq", [1, 2, 4, 11])
def test_an_event_out_of_order_is_refused_and_changes_nothing(seq: int) -> None:
    project = Project()
    project.play([ada(Claim(sequence="adr")), ada(Claim(sequence="adr"))])
    before = snapshot(project.state)
    event = Event(seq=seq, at=T0, actor="kim/ada", by=1, data=project.events[0].data)
    with pytest.raises(LedgerGap, match=f"expected event 3, got {seq}"):
        apply(project.state, event)
    assert snapshot(project.state) == before


def test_an_event_that_no_rule_allows_leaves_the_ledgers_end_where_it_was() -> None:
    project = Project()
    project.play([ada(TaskCreate(title="one"))])
    with pytest.raises(KeyError):
        apply(project.state, Event(seq=2, at=T0, actor="kim/ada", by=1, data=TaskShipped(task_id=1)))
    assert project.state.seq == 1


def test_events_are_numbered_on_from_the_last() -> None:
    project = Project()
    project.play(
        [
            ada(TaskCreate(title="one", owner="ada")),
            ada(TaskCreate(title="two", owner="ada")),
            ada(TaskStart(task_id=1)),
            ada(TaskStart(task_id=2)),
            ada(TaskBlock(task_id=2, on=1, reason="r")),
        ]
    )
    shipped = project.decide(*ben(TaskShip(task_id=1)))
    assert isinstance(shipped, Decision)
    at = T0 + timedelta(hours=1)
    events = stamp(project.state, ben.principal, at, shipped.events)
    assert [(event.seq, event.at, event.actor, event.by) for event in events] == [
        (6, at, "kim/ben", ben.id),
        (7, at, "kim/ben", ben.id),
    ]


@pytest.mark.parametrize("history", [[], STORY])
def test_a_snapshot_is_restored_as_it_was(history: History) -> None:
    project = Project()
    project.play(history)
    kept = snapshot(project.state)
    restored = restore(kept)
    assert restored is not None
    assert snapshot(restored) == kept
    assert (restored.seq, restored.at) == (project.state.seq, project.state.at)


def test_a_snapshot_holds_no_body_of_a_post() -> None:
    project = Project()
    project.play([ada(Post(to_lane="qa", body="very long"))])
    assert isinstance(project.events[0].data, Posted)
    assert b"very long" not in snapshot(project.state)


def test_a_snapshot_of_another_version_is_left_alone() -> None:
    kept = snapshot(State())
    other = b'"version":%d' % SNAPSHOT_VERSION, b'"version":%d' % (SNAPSHOT_VERSION + 1)
    assert restore(kept) is not None
    assert restore(kept.replace(*other)) is None
    assert restore(b'{"version":%d,"shape":"new"}' % (SNAPSHOT_VERSION + 1)) is None


def test_a_snapshot_is_of_the_moment_in_which_it_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.project.SLICE_RECORDS", 2)
    project = Project()
    project.play(STORY)
    kept = snapshot(project.state)
    steps = snapshot_steps(project.state)
    parts = [next(steps)]
    for part in steps:
        parts.append(part)
        project.play([ben(Claim(sequence="adr")), ben(Post(to_lane="qa", body="b")), ben(Register(lane="ops"))])
        project.play([ben(TaskCreate(title="later")), ben(Lease(surface=f"file{len(parts)}"))])
    assert b"".join(parts) == kept
    *waiting, state = restore_steps(kept)
    assert state is not None
    assert waiting == [None] * len(waiting)
    assert snapshot(state) == kept


def test_a_snapshot_that_lacks_its_end_is_left_alone() -> None:
    kept = snapshot(State())
    assert restore(kept[: kept.rindex(b"\n")]) is None


def test_a_snapshot_of_the_first_release_is_left_alone() -> None:
    assert restore((Path(__file__).parent / "snapshots" / "version_1.json").read_bytes()) is None


def test_a_torn_snapshot_is_left_alone() -> None:
    assert restore(snapshot(State())[:-1]) is None


def test_what_is_kept_is_not_taken_back() -> None:
    project = Project()
    project.state.undo.begin()
    project.play(STORY)
    project.state.undo.keep()
    kept = snapshot(project.state)
    project.state.undo.take_back()
    assert snapshot(project.state) == kept


def test_blockers_on_tasks_survive_a_restart() -> None:
    project = Project()
    project.play([ada(TaskCreate(title="t", owner="ada")), ada(TaskCreate(title="t", owner="ada"))])
    project.play([ada(TaskStart(task_id=1)), ada(TaskStart(task_id=2)), ada(TaskBlock(task_id=2, on=1, reason="r"))])
    project.reopen()
    project.play([ada(TaskShip(task_id=1))])
    assert project.state.tasks[2].status == "in_progress"
