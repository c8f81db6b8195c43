"""Tasks that are taken, handed over, abandoned, cancelled, and read whole."""

from datetime import timedelta
from typing import Any

import pytest

from engine.decision import Pending
from engine.history import Liveness
from engine.ledger import WhatsNew
from engine.posts import Post
from engine.project import AnyCommand
from engine.tasks import (
    ListTasks,
    TaskAssign,
    TaskAssigned,
    TaskBlock,
    TaskCancel,
    TaskCancelled,
    TaskCreate,
    TaskCreated,
    TaskResolve,
    TaskResolved,
    TaskShip,
    TaskStart,
    TaskStarted,
)
from engine.vocabulary import Event, EventData
from tests.engine.project import History, Person, Project, Refused, Step, ada, after, asked, ben, cay, check, kim

STALE_AFTER = timedelta(seconds=ada.principal.stale_after_seconds)


def task(title: str, **more: Any) -> Step:
    return kim(TaskCreate(title=title, **more))


def taken(history: History, who: Person = ben, **arguments: Any) -> int:
    """The task that somebody takes."""
    project = Project()
    project.play(history)
    (whole,) = asked(project, who(TaskStart(**arguments)))["tasks"]
    assert (whole["status"], whole["owner"]) == ("in_progress", who.actor)
    return int(whole["task_id"])


def seen(project: Project, *people: Person) -> None:
    for each in people:
        project.state.seen[each.id] = Liveness(each.actor, project.now)


@pytest.mark.parametrize(
    ("history", "arguments", "expected"),
    [
        ([task("a"), task("b")], {}, 1),
        ([task("a"), task("b", priority=3), task("c", priority=3)], {}, 2),
        ([task("a", priority=0), task("b", priority=1)], {}, 2),
        ([task("a"), task("b", priority=4, depends_on=(1,))], {}, 1),
        ([task("a", lane="web"), task("b", lane="api")], {"lane": "api"}, 2),
        ([task("a"), task("b", owner="ben", priority=3)], {}, 2),
        ([task("a"), task("b", owner="ada", priority=4)], {}, 1),
        ([task("a", owner="ben", lane="web"), task("b", owner="ben", lane="api")], {"lane": "api"}, 2),
        ([task("a"), task("b", priority=4, depends_on=(1,)), kim(TaskCancel(task_id=1, reason="no"))], {}, 2),
    ],
)
def test_the_best_task_is_taken(history: History, arguments: dict[str, Any], expected: int) -> None:
    assert taken(history, **arguments) == expected


def test_taking_assigns_and_starts_in_one_step() -> None:
    project = Project()
    project.play([task("a", detail="how", priority=3)])
    (whole,) = asked(project, ben(TaskStart()))["tasks"]
    assert whole == {
        "task_id": 1,
        "title": "a",
        "detail": "how",
        "lane": None,
        "owner": "kim/ben",
        "status": "in_progress",
        "priority": 3,
        "by": "kim",
        "created_at": after(),
        "depends_on": [],
        "waits_for": [],
        "blockers": [],
        "posts": [],
        "history": [
            {"at": after(), "by": "kim/ben", "type": "task_start"},
            {"at": after(), "by": "kim/ben", "type": "task_assign", "about": {"owner": "kim/ben"}},
            {"at": after(), "by": "kim", "type": "task_create"},
        ],
    }
    mine = TaskAssigned(task_id=1, owner="kim/ben", owner_id=ben.id)
    assert [event.data for event in project.events[1:]] == [mine, TaskStarted(task_id=1)]


def test_who_cannot_wait_is_told_that_nothing_is_ready() -> None:
    check([], ben(TaskStart()), Refused("not_found", "no task is ready"))
    check([task("a", lane="web")], ben(TaskStart(lane="api")), Refused("not_found", "no task is ready in lane 'api'"))


def test_who_can_wait_waits_for_a_task_to_be_ready() -> None:
    project = Project()
    assert isinstance(project.ask(*ben(TaskStart(wait_seconds=30)), patient=True), Pending)
    project.play([task("a")])
    assert not isinstance(project.ask(*ben(TaskStart(wait_seconds=30)), patient=True), Pending)


HANDED_OVER: History = [task("a", owner="ada"), ada(TaskStart(task_id=1)), kim(TaskAssign(task_id=1, owner="ben"))]


@pytest.mark.parametrize(
    "command",
    [TaskShip(task_id=1), TaskBlock(task_id=1, reason="rain"), TaskCancel(task_id=1, reason="no")],
)
def test_who_had_a_task_is_told_whose_it_is_now(command: AnyCommand) -> None:
    check(HANDED_OVER, ada(command), Refused("conflict", "handed over to kim/ben"))
    project = Project()
    project.play([*HANDED_OVER, ben(command)])


def test_a_former_owner_resolves_nothing_and_may_take_the_task_back() -> None:
    history: History = [*HANDED_OVER, ben(TaskBlock(task_id=1, reason="rain"))]
    check(history, ada(TaskResolve(task_id=1)), Refused("conflict", "handed over to kim/ben"))
    back: History = [*history, ada(TaskAssign(task_id=1, owner="ada")), ada(TaskResolve(task_id=1))]
    check([*back, ada(TaskShip(task_id=1))], ben(ListTasks(status="blocked")), {"tasks": []})


def test_a_former_owner_does_not_start_what_is_assigned_to_another() -> None:
    history: History = [task("a", owner="ada"), kim(TaskAssign(task_id=1, owner="ben"))]
    check(history, ada(TaskStart(task_id=1)), Refused("conflict", "handed over to kim/ben"))


def test_a_task_is_stale_once_its_owner_was_not_seen_for_long() -> None:
    project = Project()
    project.play([task("a", owner="ada"), ada(TaskStart(task_id=1))])
    seen(project, ada, ben)
    project.now += STALE_AFTER
    assert "stale" not in asked(project, ben(ListTasks()))["tasks"][0]
    project.now += timedelta(seconds=1)
    assert asked(project, ben(ListTasks()))["tasks"][0]["stale"] is True
    assert asked(project, ben(ListTasks(task_id=1)))["tasks"][0]["stale"] is True
    seen(project, ada)
    assert "stale" not in asked(project, ben(ListTasks()))["tasks"][0]


def test_a_task_that_moved_lately_is_not_stale_though_nobody_saw_its_owner() -> None:
    project = Project()
    project.now += STALE_AFTER * 2
    project.play([task("a", owner="ada"), ada(TaskStart(task_id=1))])
    assert "stale" not in asked(project, ben(ListTasks()))["tasks"][0]


def test_a_stale_task_is_taken_over_and_its_owner_refused() -> None:
    project = Project()
    project.play([task("a", owner="ada"), ada(TaskStart(task_id=1)), task("b", owner="cay", priority=1)])
    project.play([cay(TaskStart(task_id=2)), task("c", priority=0), task("d", lane="qa", owner="cay")])
    project.play([cay(TaskStart(task_id=4))])
    project.now += STALE_AFTER + timedelta(seconds=1)
    seen(project, ben)
    assert [asked(project, ben(TaskStart()))["tasks"][0]["task_id"] for _ in range(4)] == [1, 4, 2, 3]
    shipped = project.ask(*ada(TaskShip(task_id=1)))
    assert "handed over to kim/ben" in str(shipped)


def test_ones_own_abandoned_task_and_those_of_other_lanes_are_not_taken_over() -> None:
    project = Project()
    project.play([task("a", owner="ben", lane="web"), ben(TaskStart(task_id=1))])
    project.now += STALE_AFTER + timedelta(seconds=1)
    assert "no task is ready" in str(project.ask(*ben(TaskStart())))
    assert "no task is ready" in str(project.ask(*ada(TaskStart(lane="api"))))
    assert asked(project, ada(TaskStart(lane="web")))["tasks"][0]["task_id"] == 1


def test_cancelling_frees_what_waits_for_it() -> None:
    history: History = [
        task("a", owner="ada"),
        ada(TaskStart(task_id=1)),
        task("b"),
        task("c", depends_on=(2,)),
        ada(TaskBlock(task_id=1, on=2, reason="waits")),
    ]
    project = check(
        history,
        ben(TaskCancel(task_id=2, reason="no need")),
        {"task_id": 2, "status": "cancelled"},
        TaskCancelled(task_id=2, reason="no need", frees=(3,)),
        TaskResolved(task_id=1, blocker=2),
    )
    rows = {row["task_id"]: row for row in asked(project, ada(ListTasks()))["tasks"]}
    assert {task_id: row["status"] for task_id, row in rows.items()} == {1: "in_progress", 2: "cancelled", 3: "open"}
    assert "waits_for" not in rows[3]
    assert [row["task_id"] for row in asked(project, ada(ListTasks(status="cancelled")))["tasks"]] == [2]
    assert asked(project, ada(ListTasks(status="done")))["tasks"] == []


def test_a_cancelled_task_that_waited_leaves_nothing_behind() -> None:
    project = Project()
    project.play([task("a"), task("b", depends_on=(1,)), task("c", owner="ada"), ada(TaskStart(task_id=3))])
    project.play([ada(TaskBlock(task_id=3, on=1, reason="waits")), kim(TaskCancel(task_id=2, reason="no"))])
    project.play([kim(TaskCancel(task_id=3, reason="no"))])
    asked(project, ben(TaskStart(task_id=1)))
    assert asked(project, ben(TaskShip(task_id=1))) == {"task_id": 1, "status": "done"}


def test_tasks_are_listed_by_priority_then_newest_first() -> None:
    project = Project()
    project.play([task("a", priority=4), task("b"), task("c", owner="ada"), task("d", priority=1), task("e")])
    project.play([ada(TaskStart(task_id=3)), ada(TaskShip(task_id=3))])
    rows = asked(project, ben(ListTasks()))["tasks"]
    assert [row["task_id"] for row in rows] == [1, 5, 3, 2, 4]
    assert [row.get("priority") for row in rows] == [4, None, None, None, 1]
    assert [row["task_id"] for row in asked(project, ben(ListTasks(limit=1)))["tasks"]] == [1]
    assert [row["task_id"] for row in asked(project, ben(ListTasks(limit=3)))["tasks"]] == [1, 5, 3]


def test_one_task_is_read_whole_with_the_posts_about_it() -> None:
    project = Project()
    project.play([task("a", detail="how", lane="qa"), task("b", depends_on=(1,), owner="ada")])
    project.play([ben(TaskStart(task_id=1)), ben(TaskBlock(task_id=1, reason="rain"))])
    project.play([ada(Post(to_lane="qa", subject="about it", body="x", ref="task:1"))])
    (one,) = asked(project, cay(ListTasks(task_id=1)))["tasks"]
    assert (one["status"], one["detail"], one["by"], one["lane"]) == ("blocked", "how", "kim", "qa")
    assert one["blockers"] == [{"on": None, "reason": "rain", "blocked_at": after()}]
    assert one["posts"] == [{"post_id": 6, "from": "kim/ada", "subject": "about it", "created_at": after()}]
    assert [moment["type"] for moment in one["history"]] == ["task_block", "task_start", "task_assign", "task_create"]
    (two,) = asked(project, cay(ListTasks(task_id=2)))["tasks"]
    assert (two["depends_on"], two["waits_for"], two["owner"]) == ([1], [1], "kim/ada")
    check([], cay(ListTasks(task_id=1)), Refused("not_found", "no task 1"))


@pytest.mark.parametrize(
    ("end", "status"), [(TaskShip(task_id=1), "done"), (TaskCancel(task_id=1, reason="no"), "cancelled")]
)
def test_a_finished_task_is_read_whole(end: AnyCommand, status: str) -> None:
    project = Project()
    project.play([task("a", owner="ada"), ada(TaskStart(task_id=1)), kim(TaskAssign(task_id=1, owner="ben")), ben(end)])
    (one,) = asked(project, cay(ListTasks(task_id=1)))["tasks"]
    assert (one["status"], one["owner"], one["blockers"]) == (status, "kim/ben", [])


def test_who_waits_for_a_task_hears_of_its_next_change() -> None:
    project = Project()
    project.play([task("a"), task("b")])
    waiting = ben(ListTasks(task_id=1, wait_seconds=30))
    since = project.state.seq
    assert isinstance(project.ask(*waiting, patient=True), Pending)
    project.play([ada(TaskStart(task_id=2))])
    assert isinstance(project.ask(*waiting, patient=True, since=since), Pending)
    project.play([ada(TaskStart(task_id=1))])
    assert not isinstance(project.ask(*waiting, patient=True, since=since), Pending)


def test_who_waits_for_a_finished_task_is_answered_at_once() -> None:
    project = Project()
    project.play([task("a"), kim(TaskCancel(task_id=1, reason="no"))])
    assert not isinstance(project.ask(*ben(ListTasks(task_id=1, wait_seconds=30)), patient=True), Pending)


def test_a_task_remembers_only_so_many_former_owners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.task_rules.FORMER_OWNERS_MAX", 1)
    project = Project()
    project.play([task("a", owner="ada"), *(kim(TaskAssign(task_id=1, owner=name)) for name in ("ben", "cay"))])
    assert project.state.tasks[1].former == (ben.id,)


def test_the_search_for_stale_tasks_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.task_rules.STALE_SEARCH_MAX", 1)
    project = Project()
    project.play([task("a", owner="ada"), ada(TaskStart(task_id=1)), task("b", owner="cay"), cay(TaskStart(task_id=2))])
    project.now += STALE_AFTER + timedelta(seconds=1)
    assert len(asked(project, ben(TaskStart()))["tasks"]) == 1


def test_the_maker_of_a_stale_task_is_told_by_whats_new() -> None:
    project = Project()
    project.play([task("a", owner="ada"), ada(TaskStart(task_id=1)), task("b")])
    seen(project, kim)
    assert "stale_tasks" not in asked(project, kim(WhatsNew()))
    project.now += STALE_AFTER + timedelta(seconds=1)
    assert asked(project, kim(WhatsNew()))["stale_tasks"] == [{"task_id": 1, "title": "a", "owner": "kim/ada"}]
    assert "stale_tasks" not in asked(project, ben(WhatsNew()))


def test_a_task_of_nobody_in_a_lane_and_one_of_the_taker_compete_by_priority() -> None:
    history: History = [task("a", lane="web", priority=1), task("b", lane="web", owner="ben", priority=3)]
    assert taken(history, lane="web") == 2
    assert taken([*history, task("c", lane="web", priority=4)], lane="web") == 3


def test_a_task_waits_for_every_one_of_its_dependencies() -> None:
    project = Project()
    project.play([task("a"), task("b"), task("c", depends_on=(1, 2)), kim(TaskCancel(task_id=1, reason="no"))])
    assert asked(project, ben(ListTasks(task_id=3)))["tasks"][0]["waits_for"] == [2]
    project.play([kim(TaskCancel(task_id=2, reason="no"))])
    assert asked(project, ben(ListTasks(task_id=3)))["tasks"][0]["waits_for"] == []


def test_a_task_whose_owner_is_only_a_name_is_worked_on_and_stale_to_nobody() -> None:
    project = Project()
    data: list[EventData] = [TaskCreated(task_id=1, title="t", lane=None, owner="kim/gone"), TaskStarted(task_id=1)]
    for seq, each in enumerate(data, start=1):
        project.fold(Event(seq=seq, at=project.now, actor="kim/ada", by=ada.id, data=each))
    project.now += timedelta(days=9)
    (task,) = asked(project, ada(ListTasks()))["tasks"]
    assert (task["status"], task["owner"]) == ("in_progress", "kim/gone")
    project.reopen()
    assert asked(project, ben(TaskShip(task_id=1)))["status"] == "done"


def test_what_tasks_wait_for_and_hold_up_is_counted_for_pages() -> None:
    project = Project()
    project.play(
        [task("a", owner="ada"), task("b", owner="ada"), task("c", depends_on=(1, 2)), task("d", depends_on=(1,))]
    )
    project.play([ada(TaskStart(task_id=1)), ada(TaskStart(task_id=2)), ada(TaskBlock(task_id=2, on=4, reason="r"))])
    book = project.state.tasks
    assert book.holding_up(2) == [1, 2]
    assert (book.waited_for(3), book.waited_for(2), book.waiting_for(1), book.waiting_for(4)) == (
        [1, 2],
        [4],
        [3, 4],
        [2],
    )
    assert {status: count for status, count in book.counts.items() if count} == {
        "open": 2,
        "in_progress": 1,
        "blocked": 1,
    }


def test_a_project_has_only_so_many_unfinished_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.task_rules.UNFINISHED_TASKS_MAX", 1)
    check([task("a")], kim(TaskCreate(title="b")), Refused("conflict", "this project has 1 unfinished tasks"))


def test_only_so_many_tasks_wait_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: History = [
        task("a", owner="ada"),
        ada(TaskStart(task_id=1)),
        task("b", owner="ada"),
        ada(TaskStart(task_id=2)),
    ]
    history: History = [task("z"), *begun]
    monkeypatch.setattr("engine.task_rules.BLOCKED_ON_ONE_MAX", 1)
    history = [*begun, task("c"), ada(TaskBlock(task_id=1, on=3, reason="r"))]
    check(history, ada(TaskBlock(task_id=2, on=3, reason="r")), Refused("conflict", "holds up 1 tasks already"))


def test_a_cycle_that_takes_too_long_to_rule_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.task_graph.CYCLE_SEARCH_MAX", 0)
    history: History = [task("a", owner="ada"), ada(TaskStart(task_id=1)), task("b")]
    check(history, ada(TaskBlock(task_id=1, on=2, reason="r")), Refused("conflict", "too many others"))
