"""Distributions count what was at most each bound; figures say what projects hold at a moment."""

from datetime import timedelta

from actors.statistics import OVERDUE_SECONDS, STALE_SECONDS, distribution, figures
from engine.posts import Ack, Post
from engine.tasks import TaskCreate, TaskStart
from tests.engine.project import Project, ada, ben


def test_a_value_is_counted_with_the_first_bound_that_is_not_below_it() -> None:
    seen = distribution((1, 10))
    for value in (0, 1, 5, 10, 11, 1000):
        seen.observe(value)
    assert seen.counts == [2, 2, 2]
    assert seen.total == 1027


def test_a_task_is_stale_when_neither_it_nor_its_owner_has_moved_for_long() -> None:
    project = Project()
    project.play([ada(TaskCreate(title="t")), ben(TaskStart(task_id=1))])
    assert figures([project.state], project.now).tasks_stale == 0
    later = project.now + timedelta(seconds=STALE_SECONDS + 1)
    assert figures([project.state], later).tasks_stale == 1


def test_a_handoff_is_overdue_when_it_has_been_open_for_a_day() -> None:
    project = Project()
    handoff = Post(to_actor="kim/ben", body="b")
    project.play([ada(handoff), ada(handoff), ada(handoff), ben(Ack(post_id=1))])
    assert figures([project.state], project.now).handoffs_overdue == 0
    later = figures([project.state], project.now + timedelta(seconds=OVERDUE_SECONDS + 1))
    assert (later.handoffs_open, later.handoffs_overdue) == (2, 2)
    assert later.handoff_oldest_seconds > OVERDUE_SECONDS
