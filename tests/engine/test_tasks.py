"""Tasks: every status against every command that moves one, and then what makes a task wait."""

from typing import Any, get_args

import pytest

from engine import task_rules
from engine.project import AnyCommand
from engine.tasks import (
    TRANSITIONS,
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
from engine.terms import TaskStatus
from engine.vocabulary import EventData
from tests.engine.project import History, Project, Refused, Step, ada, asked, ben, cay, check

CREATED = ada(TaskCreate(title="one", owner="ada"))

REACHED: dict[TaskStatus, History] = {
    "open": [ada(TaskCreate(title="one"))],
    "assigned": [CREATED],
    "in_progress": [CREATED, ada(TaskStart(task_id=1))],
    "blocked": [CREATED, ada(TaskStart(task_id=1)), ada(TaskBlock(task_id=1, reason="rain"))],
    "done": [CREATED, ada(TaskStart(task_id=1)), ada(TaskShip(task_id=1))],
    "cancelled": [CREATED, ada(TaskCancel(task_id=1, reason="no need"))],
}
"""How task 1 gets into each status."""

MOVES: dict[str, tuple[AnyCommand, EventData, dict[str, Any]]] = {
    "task_assign": (
        TaskAssign(task_id=1, owner="cay"),
        TaskAssigned(task_id=1, owner="kim/cay", owner_id=cay.id),
        {"owner": "kim/cay"},
    ),
    "task_start": (TaskStart(task_id=1), TaskStarted(task_id=1), {"owner": "kim/ada"}),
    "task_block": (
        TaskBlock(task_id=1, reason="snow"),
        TaskBlocked(task_id=1, on=None, reason="snow"),
        {},
    ),
    "task_resolve": (TaskResolve(task_id=1), TaskResolved(task_id=1, blocker=None), {}),
    "task_ship": (TaskShip(task_id=1), TaskShipped(task_id=1), {}),
    "task_cancel": (TaskCancel(task_id=1, reason="no need"), TaskCancelled(task_id=1, reason="no need"), {}),
}

LEGAL = {
    ("open", "task_assign"): "assigned",
    ("assigned", "task_assign"): "assigned",
    ("in_progress", "task_assign"): "in_progress",
    ("blocked", "task_assign"): "blocked",
    ("assigned", "task_start"): "in_progress",
    ("in_progress", "task_block"): "blocked",
    ("blocked", "task_block"): "blocked",
    ("blocked", "task_resolve"): "in_progress",
    ("in_progress", "task_ship"): "done",
    ("open", "task_cancel"): "cancelled",
    ("assigned", "task_cancel"): "cancelled",
    ("in_progress", "task_cancel"): "cancelled",
    ("blocked", "task_cancel"): "cancelled",
}
"""The contract's moves, written down a second time: the table of the engine is not its own witness."""


def test_the_table_is_the_contracts() -> None:
    assert TRANSITIONS == LEGAL


@pytest.mark.parametrize("status", get_args(TaskStatus))
@pytest.mark.parametrize("move", MOVES)
def test_a_task_moves_by_the_table_and_not_otherwise(status: TaskStatus, move: str) -> None:
    command, event, more = MOVES[move]
    after = LEGAL.get((status, move))
    if move == "task_resolve" and status != "blocked":
        check(REACHED[status], ben(command), {"task_id": 1, "status": status})
        return
    # Ben is nobody's assignee: whoever does it, it counts.
    if status in {"done", "cancelled"} and move == "task_resolve":
        check(REACHED[status], ben(command), {"task_id": 1, "status": status})
    elif status in {"done", "cancelled"}:
        check(REACHED[status], ben(command), Refused("conflict", "task 1 is done or cancelled"))
    elif (status, move) == ("open", "task_start"):
        mine = TaskAssigned(task_id=1, owner="kim/ben", owner_id=ben.id)
        check(REACHED[status], ben(command), {"task_id": 1, "status": "in_progress"}, mine, event)
    elif (status, move) == ("in_progress", "task_start"):
        check(REACHED[status], ben(command), Refused("conflict", "task 1 is in progress already: it is kim/ada's."))
        check(REACHED[status], ada(command), Refused("conflict", "task 1 is in progress already: it is yours."))
    elif after is None:
        needed = " or ".join(before for before, by in LEGAL if by == move)
        check(REACHED[status], ben(command), Refused("conflict", f"task 1 is {status}; {move} needs it {needed}."))
    else:
        if move == "task_assign" and status != "open":
            event = TaskAssigned(task_id=1, owner="kim/cay", owner_id=cay.id, before="kim/ada")
        project = check(REACHED[status], ben(command), {"task_id": 1, "status": after, **more}, event)
        assert asked(project, ben(ListTasks()))["tasks"][0]["status"] == after
        assert project.events[-1].actor == "kim/ben"


@pytest.mark.parametrize("move", MOVES)
def test_a_task_that_is_not_there_cannot_move(move: str) -> None:
    check([], ben(MOVES[move][0]), Refused("not_found", "no task 1"))


def created(task_id: int, **more: Any) -> TaskCreated:
    return TaskCreated(**{"task_id": task_id, "title": "new", "lane": None, "owner": None, **more})


CREATIONS: list[tuple[History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    ([], ada(TaskCreate(title="new")), {"task_id": 1, "status": "open"}, (created(1),)),
    ([CREATED], ada(TaskCreate(title="new")), {"task_id": 2, "status": "open"}, (created(2),)),
    (
        [],
        ada(TaskCreate(title="new", detail="more", lane="qa", owner="ben")),
        {"task_id": 1, "status": "assigned"},
        (created(1, detail="more", lane="qa", owner="kim/ben", owner_id=ben.id),),
    ),
    (
        [],
        ada(TaskCreate(title="new", owner="kim")),
        {"task_id": 1, "status": "assigned"},
        (created(1, owner="kim", owner_id=0),),
    ),
    (
        [CREATED, CREATED],
        ada(TaskCreate(title="new", depends_on=(2, 1, 2))),
        {"task_id": 3, "status": "open"},
        (created(3, depends_on=(2, 1)),),
    ),
    ([CREATED], ada(TaskCreate(title="new", depends_on=(1, 2))), Refused("not_found", "no task 2 to depend on"), ()),
    ([], ada(TaskCreate(title="new", depends_on=(1,))), Refused("not_found", "no task 1 to depend on"), ()),
    ([], ada(TaskCreate(title="new", owner="eve")), Refused("not_found", "no participant 'eve'"), ()),
]


@pytest.mark.parametrize(("history", "step", "expected", "events"), CREATIONS)
def test_a_task_is_written_down_after_those_it_depends_on(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


def begun(*titles: str) -> History:
    """Tasks 1, 2, … under these titles, all of them in progress."""
    steps: History = []
    for task_id, title in enumerate(titles, start=1):
        steps += [ada(TaskCreate(title=title, owner="ada")), ada(TaskStart(task_id=task_id))]
    return steps


def waiting(task_id: int, on: int | None, reason: str = "waits") -> Step:
    return ada(TaskBlock(task_id=task_id, on=on, reason=reason))


def state(task_id: int, status: TaskStatus) -> dict[str, Any]:
    return {"task_id": task_id, "status": status}


BLOCKS: list[tuple[str, History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    (
        "on another",
        begun("a", "b"),
        waiting(1, 2),
        state(1, "blocked"),
        (TaskBlocked(task_id=1, on=2, reason="waits"),),
    ),
    (
        "on one more",
        [*begun("a", "b", "c"), waiting(1, 2)],
        waiting(1, 3),
        state(1, "blocked"),
        (TaskBlocked(task_id=1, on=3, reason="waits"),),
    ),
    (
        "on one that depends on a third",
        [*begun("a", "b"), ada(TaskCreate(title="c", depends_on=(2,)))],
        waiting(1, 3),
        state(1, "blocked"),
        (TaskBlocked(task_id=1, on=3, reason="waits"),),
    ),
    (
        "on one that no longer waits for it",
        [
            *begun("a", "b"),
            ada(TaskCreate(title="c", owner="ada", depends_on=(1,))),
            waiting(2, 3),
            ada(TaskResolve(task_id=2, blocker=3)),
        ],
        waiting(1, 2),
        state(1, "blocked"),
        (TaskBlocked(task_id=1, on=2, reason="waits"),),
    ),
    (
        "over a diamond",
        [*begun("a", "b", "c", "d"), waiting(2, 4), waiting(3, 4), waiting(1, 2)],
        waiting(1, 3),
        state(1, "blocked"),
        (TaskBlocked(task_id=1, on=3, reason="waits"),),
    ),
    (
        "behind a diamond",
        [*begun("a", "b", "c", "d", "e"), waiting(2, 4), waiting(3, 4), waiting(1, 2), waiting(1, 3)],
        waiting(5, 1),
        state(5, "blocked"),
        (TaskBlocked(task_id=5, on=1, reason="waits"),),
    ),
    ("on nothing there", begun("a"), waiting(1, 2), Refused("not_found", "no task 2 to wait for"), ()),
    (
        "on what shipped",
        [*begun("a", "b"), ada(TaskShip(task_id=2))],
        waiting(1, 2),
        Refused("conflict", "task 2 has shipped already"),
        (),
    ),
    ("on itself", begun("a"), waiting(1, 1), Refused("conflict", "cycle"), ()),
    ("on what waits for it", [*begun("a", "b"), waiting(2, 1)], waiting(1, 2), Refused("conflict", "cycle"), ()),
    (
        "on what waits for it by way of another",
        [*begun("a", "b", "c"), waiting(3, 2), waiting(2, 1)],
        waiting(1, 3),
        Refused("conflict", "task 3 itself waits for task 1"),
        (),
    ),
    (
        "on what depends on it",
        [*begun("a"), ada(TaskCreate(title="b", depends_on=(1,)))],
        waiting(1, 2),
        Refused("conflict", "cycle"),
        (),
    ),
    (
        "on what is blocked by what depends on it",
        [*begun("a", "b"), ada(TaskCreate(title="c", depends_on=(1,))), waiting(2, 3)],
        waiting(1, 2),
        Refused("conflict", "cycle"),
        (),
    ),
]


@pytest.mark.parametrize(
    ("history", "step", "expected", "events"), [pytest.param(*row, id=name) for name, *row in BLOCKS]
)
def test_a_task_may_wait_for_another_but_never_in_a_circle(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


HELD_UP = [*begun("a", "b", "c"), waiting(1, 2), waiting(1, 3), waiting(1, 2, "again"), waiting(1, None, "rain")]

RESOLUTIONS: list[tuple[str, History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    (
        "those on one task",
        HELD_UP,
        ben(TaskResolve(task_id=1, blocker=2)),
        state(1, "blocked"),
        (TaskResolved(task_id=1, blocker=2),),
    ),
    (
        "all of them",
        HELD_UP,
        ben(TaskResolve(task_id=1)),
        state(1, "in_progress"),
        (TaskResolved(task_id=1, blocker=None),),
    ),
    (
        "the last one",
        [*begun("a", "b"), waiting(1, 2)],
        ben(TaskResolve(task_id=1, blocker=2)),
        state(1, "in_progress"),
        (TaskResolved(task_id=1, blocker=2),),
    ),
    (
        "none that is there",
        [*begun("a", "b", "c"), waiting(1, 2)],
        ben(TaskResolve(task_id=1, blocker=3)),
        Refused("not_found", "task 1 has no blocker on task 3"),
        (),
    ),
    (
        "a reason by a task's number",
        [*begun("a"), waiting(1, None)],
        ben(TaskResolve(task_id=1, blocker=1)),
        Refused("not_found", "task 1 has no blocker on task 1"),
        (),
    ),
]


@pytest.mark.parametrize(
    ("history", "step", "expected", "events"), [pytest.param(*row, id=name) for name, *row in RESOLUTIONS]
)
def test_resolving_takes_off_the_matching_blockers(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


def test_what_is_left_of_the_blockers_stays_in_order() -> None:
    project = Project()
    project.play([*HELD_UP, ben(TaskResolve(task_id=1, blocker=2))])
    blockers = asked(project, ada(ListTasks(status="blocked")))["tasks"][0]["blockers"]
    assert blockers == [{"on": 3, "reason": "waits"}, {"on": None, "reason": "rain"}]


def test_shipping_resolves_what_waited_for_it_each_as_its_own_event() -> None:
    project = check(
        [*begun("a", "b", "c", "d"), waiting(1, 4), waiting(2, 4), waiting(2, 3), waiting(3, None), waiting(1, 4)],
        ben(TaskShip(task_id=4)),
        state(4, "done"),
        TaskShipped(task_id=4),
        TaskResolved(task_id=1, blocker=4),
        TaskResolved(task_id=2, blocker=4),
    )
    rows = {row["task_id"]: row for row in asked(project, ada(ListTasks()))["tasks"]}
    assert {task_id: row["status"] for task_id, row in rows.items()} == {
        1: "in_progress",
        2: "blocked",
        3: "blocked",
        4: "done",
    }
    assert rows[2]["blockers"] == [{"on": 3, "reason": "waits"}]


DEPENDENT: History = [
    *begun("a", "b"),
    ada(TaskCreate(title="c", owner="ada", depends_on=(1, 2))),
    ada(TaskCreate(title="d", depends_on=(3,))),
]


def test_a_task_cannot_start_before_what_it_depends_on_has_shipped() -> None:
    start = ada(TaskStart(task_id=3))
    check(DEPENDENT, start, Refused("conflict", "task 3 waits for task 1, task 2 to ship first"))
    shipped = [*DEPENDENT, ada(TaskShip(task_id=1))]
    check(shipped, start, Refused("conflict", "task 3 waits for task 2 to ship first"))
    check([*shipped, ada(TaskShip(task_id=2))], start, state(3, "in_progress"), TaskStarted(task_id=3))


def row(task_id: int, title: str, status: TaskStatus, **more: Any) -> dict[str, Any]:
    return {"task_id": task_id, "title": title, "lane": None, "owner": None, "status": status, "blockers": [], **more}


def test_tasks_are_listed_newest_first_with_what_they_wait_for() -> None:
    check(
        [*DEPENDENT, ada(TaskShip(task_id=1)), ada(TaskCreate(title="e", lane="qa", detail="unseen"))],
        ben(ListTasks()),
        {
            "tasks": [
                row(5, "e", "open", lane="qa"),
                row(4, "d", "open", waits_for=[3]),
                row(3, "c", "assigned", owner="kim/ada", waits_for=[2]),
                row(2, "b", "in_progress", owner="kim/ada"),
                row(1, "a", "done", owner="kim/ada"),
            ]
        },
    )


@pytest.mark.parametrize(
    ("command", "task_ids"),
    [
        (ListTasks(), [7, 6, 5, 4, 3, 2, 1]),
        (ListTasks(limit=2), [7, 6]),
        (ListTasks(status="open"), [7, 5]),
        (ListTasks(status="assigned"), [4, 3]),
        (ListTasks(status="in_progress"), [2]),
        (ListTasks(status="blocked"), [6]),
        (ListTasks(status="done"), [1]),
        (ListTasks(owner="kim/ben"), [4]),
        (ListTasks(owner="kim"), []),
        (ListTasks(lane="qa"), [7, 5]),
        (ListTasks(ready=True), [7, 6, 5, 4, 2]),
        (ListTasks(ready=True, lane="qa", limit=1), [7]),
        (ListTasks(status="done", ready=True), []),
        (ListTasks(status="assigned", owner="kim/ada"), [3]),
        (ListTasks(before=5), [1]),
        (ListTasks(before=1), []),
        (ListTasks(before=5, status="done", limit=1), [1]),
    ],
)
def test_a_list_of_tasks_has_those_that_match_every_filter(command: ListTasks, task_ids: list[int]) -> None:
    project = Project()
    project.play(
        [
            *begun("a", "b"),
            ada(TaskShip(task_id=1)),
            ada(TaskCreate(title="c", owner="ada", depends_on=(1, 2))),
            ada(TaskCreate(title="d", owner="ben", depends_on=(1,))),
            ada(TaskCreate(title="e", lane="qa")),
            ada(TaskCreate(title="f", owner="ada")),
            ada(TaskStart(task_id=6)),
            waiting(6, 2),
            ada(TaskCreate(title="g", lane="qa")),
        ]
    )
    assert [row["task_id"] for row in asked(project, ben(command))["tasks"]] == task_ids


def test_tasks_are_found_by_the_reader_whose_they_are_or_by_the_name_of_then() -> None:
    project = Project()
    project.play([CREATED, ada(TaskCreate(title="two", owner="ben"))])
    for owner, tasks in ((ben.id, [2]), ("kim/ben", [2]), (cay.id, []), ("kim/cay", [])):
        assert [task.id for task in project.state.tasks.find(None, owner, None, ready=False, limit=9)] == tasks


def test_reassigning_changes_whose_it_is() -> None:
    project = Project()
    project.play([CREATED, ben(TaskAssign(task_id=1, owner="kim/cay")), ben(TaskAssign(task_id=1, owner="KIM"))])
    assert asked(project, ada(ListTasks()))["tasks"] == [row(1, "one", "assigned", owner="kim")]


def test_a_task_has_only_so_many_blockers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_rules, "BLOCKERS_PER_TASK_MAX", 2)
    one = ada(TaskBlock(task_id=1, reason="rain"))
    history: History = [*REACHED["in_progress"], one, one]
    check(history, one, Refused("conflict", "task 1 has 2 blockers already"))
    project = Project()
    project.play([*history, ada(TaskResolve(task_id=1))])
    assert asked(project, one) == {"task_id": 1, "status": "blocked"}


def test_the_id_of_a_shipped_task_is_not_given_again_after_a_restart() -> None:
    project = Project()
    project.play([ada(TaskCreate(title="one", owner="ada")), ada(TaskCreate(title="two", owner="ada"))])
    project.play([ada(TaskStart(task_id=2)), ada(TaskShip(task_id=2))])
    project.reopen()
    assert asked(project, ada(TaskCreate(title="three")))["task_id"] == 3
    assert [row["task_id"] for row in asked(project, ada(ListTasks()))["tasks"]] == [3, 2, 1]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (ListTasks(task_id=1, status="done", lane="qa"), "leave status and lane out"),
        (ListTasks(task_id=1, ready=True), "leave ready out"),
        (ListTasks(before=9, ready=True), "before goes through finished tasks"),
        (ListTasks(before=9, status="open"), "before goes through finished tasks"),
        (TaskStart(task_id=1, lane="qa"), "leave lane out"),
    ],
)
def test_a_filter_beside_a_task_is_refused_and_not_dropped(command: AnyCommand, words: str) -> None:
    check([ada(TaskCreate(title="t"))], ada(command), Refused("invalid", words))
