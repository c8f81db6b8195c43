"""The wait of an idle agent ends when others let it begin or go on with a task of its own."""

import pytest

from engine.decision import Decision
from engine.posts import Post, ReadPosts
from engine.ready_tasks import OWNED_MAX, TOPICS_MAX, topics
from engine.tasks import TaskAssign, TaskBlock, TaskCancel, TaskCreate, TaskResolve, TaskShip, TaskStart
from tests.engine.project import History, Project, Step, ada, asked, ben, cay

WAIT = ReadPosts(to_me=True, unacked_only=True, wait_seconds=9)

FIRST = [ada(TaskCreate(title="First", owner="ada")), ada(TaskStart(task_id=1))]
MINE = [ben(TaskCreate(title="Mine", owner="ben")), ben(TaskStart(task_id=1))]
AFTER_FIRST = [*FIRST, ada(TaskCreate(title="Then", owner="ben", depends_on=(1,)))]

CASES: dict[str, tuple[History, Step, list[tuple[int, str]]]] = {
    "one that others give to me": ([], ada(TaskCreate(title="x", owner="ben")), [(1, "assigned")]),
    "one that others hand over to me": ([*FIRST], ada(TaskAssign(task_id=1, owner="ben")), [(1, "in_progress")]),
    "one whose last dependency ships": ([*AFTER_FIRST], ada(TaskShip(task_id=1)), [(2, "assigned")]),
    "one whose last dependency is cancelled": (
        [*AFTER_FIRST],
        ada(TaskCancel(task_id=1, reason="x")),
        [(2, "assigned")],
    ),
    "one whose last blocker goes": (
        [*MINE, ben(TaskBlock(task_id=1, reason="x"))],
        ada(TaskResolve(task_id=1)),
        [(1, "in_progress")],
    ),
    "one whose blocking task ships": (
        [*MINE, ada(TaskCreate(title="y")), ada(TaskStart(task_id=2)), ben(TaskBlock(task_id=1, on=2, reason="x"))],
        ada(TaskShip(task_id=2)),
        [(1, "in_progress")],
    ),
    "not one that waits for another": (
        [*AFTER_FIRST, ada(TaskCreate(title="y"))],
        ada(TaskCreate(title="x", owner="ben", depends_on=(1,))),
        [],
    ),
    "not one that is still blocked": (
        [
            *MINE,
            ada(TaskCreate(title="y")),
            ada(TaskStart(task_id=2)),
            ben(TaskBlock(task_id=1, on=2, reason="x")),
            ben(TaskBlock(task_id=1, reason="y")),
        ],
        ada(TaskShip(task_id=2)),
        [],
    ),
    "not one that I give myself": ([], ben(TaskCreate(title="x", owner="ben")), []),
    "not one that I take": ([ada(TaskCreate(title="x"))], ben(TaskStart()), []),
    "not one that I start": ([ada(TaskCreate(title="x", owner="ben"))], ben(TaskStart(task_id=1)), []),
    "not one of somebody else's": ([], ada(TaskCreate(title="x", owner="cay")), []),
    "not one that is nobody's": ([], ada(TaskCreate(title="x")), []),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wait_for_whatever_is_mine_ends_with_a_task_that_can_go_on(name: str) -> None:
    history, step, expected = CASES[name]
    project = Project()
    project.play([*history])
    since = project.state.seq
    outcome = project.decide(*ben(WAIT), patient=True)
    assert isinstance(outcome, Decision)
    project.play([step])
    woken = {topic for event in project.events[since:] for topic in event.topics} & set(outcome.awaits)
    answer = project.ask(*ben(WAIT), patient=True, since=since)
    ready = [(task.task_id, task.status) for task in getattr(answer, "ready_tasks", None) or ()]
    assert (ready, answer.is_news) == (expected, bool(expected))  # type: ignore[union-attr]
    assert woken or not expected


def test_the_wait_may_begin_after_an_event() -> None:
    project = Project()
    project.play([ada(TaskCreate(title="Old", owner="ben")), ada(TaskCreate(title="New", owner="ben"))])
    wait = ReadPosts(to_me=True, unacked_only=True, wait_seconds=9, after=1)
    shown = {"posts": [], "ready_tasks": [{"task_id": 2, "title": "New", "status": "assigned"}]}
    assert asked(project, ben(wait)) == shown
    project.reopen()
    assert asked(project, ben(wait)) == shown
    project.play([ada(Post(to_actor="ben", body="x"))])
    assert [len(rows) for rows in asked(project, ben(wait)).values()] == [1, 1], "posts come with it"


@pytest.mark.parametrize(
    "wait",
    [
        ReadPosts(to_me=True, unacked_only=True, after=1),
        ReadPosts(wait_seconds=9, after=1),
        ReadPosts(to_me=True, tag="t", wait_seconds=9, after=1),
        ReadPosts(to_me=True, from_me=True, wait_seconds=9, after=1),
    ],
)
def test_other_reads_do_not_tell_of_tasks(wait: ReadPosts) -> None:
    project = Project()
    project.play([cay(TaskCreate(title="x")), cay(TaskCreate(title="x", owner="ben"))])
    assert "ready_tasks" not in asked(project, ben(wait))


def test_a_wait_names_a_bounded_number_of_topics() -> None:
    project = Project()
    ids = tuple(range(1, 51))
    project.play([ada(TaskCreate(title="x")) for _ in range(350)])
    for start in range(0, 300, 50):
        others = tuple(start + each for each in ids)
        project.play([ada(TaskCreate(title="y", owner="ben", depends_on=others)) for _ in range(OWNED_MAX)])
    assert len(topics(project.state.tasks, ben.id)) <= TOPICS_MAX + 1
