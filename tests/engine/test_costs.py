"""What a command costs does not grow with what is over: old events, posts read long ago, tasks done.

Cost is the number of bytecodes that the engine executes: exact, and the same on every machine.
"""

import sys
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

from engine import commands as c
from engine.decision import Decision
from engine.fold import apply, stamp
from tests.engine.project import History, Project, ada, ben

OPEN: History = [
    ben(c.Register(lane="qa")),
    ada(c.TaskCreate(title="one", owner="ada")),
    ada(c.TaskCreate(title="two", owner="ada")),
    ada(c.TaskCreate(title="three", depends_on=(1, 2))),
    ada(c.TaskStart(task_id=1)),
    ada(c.TaskStart(task_id=2)),
    ada(c.TaskBlock(task_id=2, on=1, reason="r")),
    ada(c.Post(to_lane="qa", body="b")),
]
"""What goes on all the while."""

SETTLED_POST = len(OPEN) + 1


def settled(task_id: int, post_id: int) -> History:
    """One round of everything that comes to its end."""
    return [
        ada(c.Post(to_actor="ben", body="b", key="post")),
        ben(c.Ack(post_id=post_id)),
        ada(c.Claim(sequence="adr", key="claim")),
        ada(c.Lease(surface="old", ttl_seconds=1)),
        ada(c.TaskCreate(title="t", owner="ada")),
        ada(c.TaskStart(task_id=task_id)),
        ada(c.TaskShip(task_id=task_id)),
        timedelta(hours=24),
    ]


def project_after(rounds: int) -> Project:
    project = Project()
    project.play(OPEN)
    for number in range(rounds):
        project.play(settled(task_id=number + 4, post_id=project.state.seq + 1))
    project.play([ada(c.Lease(surface="new"))])
    return project


COMMANDS: list[c.AnyCommand] = [
    c.Claim(sequence="adr"),
    c.Claim(sequence="adr", key="claim"),
    c.SeedSequence(sequence="rfc", current=1),
    c.ListSequences(),
    c.LatestClaims(),
    c.Register(lane="qa"),
    c.WhoIsActive(),
    c.Post(to_lane="qa", body="b", key="new"),
    c.Post(to_lane="qa", body="b", reply_to=SETTLED_POST),
    c.ReadPosts(to_me=True),
    c.ReadPosts(to_me=True, unacked_only=True),
    c.ReadPosts(thread=SETTLED_POST),
    c.Ack(post_id=len(OPEN)),
    c.Ack(post_id=SETTLED_POST),
    c.Lease(surface="new"),
    c.Release(surface="new"),
    c.WhoHolds(surface="*"),
    c.TaskCreate(title="t", depends_on=(1, 2, 3)),
    c.TaskAssign(task_id=3, owner="ben"),
    c.TaskBlock(task_id=1, reason="r"),
    c.TaskResolve(task_id=2),
    c.TaskShip(task_id=1),
    c.ListTasks(limit=2),
    c.ListTasks(ready=True),
    c.ListTasks(ready=True, owner="kim/ada"),
    c.ListTasks(status="blocked"),
    c.QueryEvents(type="claim"),
    c.WhatsNew(),
]


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
@pytest.mark.parametrize("caller", [ada, ben], ids=["ada", "ben"])
def test_a_command_costs_the_same_after_much_that_is_over(command: c.AnyCommand, caller: Any) -> None:
    few, many = (bytecodes_run(project_after(rounds), *caller(command)) for rounds in (20, 60))
    assert few == many


def bytecodes_run(project: Project, caller: Any, command: c.AnyCommand) -> int:
    """How many bytecodes of the engine it takes to decide and fold a command."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        if not frame.f_globals["__name__"].startswith("engine."):
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        outcome = project.decide(caller, command)
        events = stamp(project.state, caller, project.now, outcome.events) if isinstance(outcome, Decision) else []
        for event in events:
            apply(project.state, event)
    finally:
        sys.settrace(before)
    return count


def test_an_older_page_of_the_inbox_costs_as_much_as_the_newest() -> None:
    project = Project()
    project.play([ada(c.Post(to_actor="ben", body="b")) for _ in range(100)])
    newest, older = (
        bytecodes_run(project, *ben(c.ReadPosts(to_me=True, unacked_only=True, limit=5, before=before)))
        for before in (101, 20)
    )
    assert newest == older


def test_looking_for_a_circle_goes_over_every_task_once() -> None:
    def cost(rungs: int) -> int:
        project = Project()
        project.play([ada(c.TaskCreate(title="t")), ada(c.TaskCreate(title="t"))])
        for below in range(1, 2 * rungs, 2):
            project.play([ada(c.TaskCreate(title="t", depends_on=(below, below + 1))) for _ in range(2)])
        goal = len(project.state.tasks) + 1
        project.play([ada(c.TaskCreate(title="t", owner="ada")), ada(c.TaskStart(task_id=goal))])
        return bytecodes_run(project, *ada(c.TaskBlock(task_id=goal, on=goal - 1, reason="r")))

    assert cost(16) < 3 * cost(8)
