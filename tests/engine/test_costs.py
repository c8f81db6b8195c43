"""What a command costs does not grow with what is over: old events, posts read long ago, tasks done.

Cost is the number of bytecodes that the engine executes: exact, and the same on every machine.
"""

import sys
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

from engine.decision import Decision
from engine.leases import Lease, Release, WhoHolds
from engine.ledger import QueryEvents, WhatsNew
from engine.posts import Ack, Post, ReadPosts
from engine.presence import Register, WhoIsActive
from engine.project import AnyCommand, apply, stamp
from engine.sequences import Claim, LatestClaims, ListSequences, SeedSequence
from engine.tasks import ListTasks, TaskAssign, TaskBlock, TaskCreate, TaskResolve, TaskShip, TaskStart
from tests.engine.project import History, Project, ada, ben

OPEN: History = [
    ben(Register(lane="qa")),
    ada(TaskCreate(title="one", owner="ada")),
    ada(TaskCreate(title="two", owner="ada")),
    ada(TaskCreate(title="three", depends_on=(1, 2))),
    ada(TaskStart(task_id=1)),
    ada(TaskStart(task_id=2)),
    ada(TaskBlock(task_id=2, on=1, reason="r")),
    ada(Post(to_lane="qa", body="b")),
]
"""What goes on all the while."""

SETTLED_POST = len(OPEN) + 1


def settled(task_id: int, post_id: int) -> History:
    """One round of everything that comes to its end."""
    return [
        ada(Post(to_actor="ben", body="b", key="post")),
        ben(Ack(post_id=post_id)),
        ada(Claim(sequence="adr", key="claim")),
        ada(Lease(surface="old", ttl_seconds=1)),
        ada(TaskCreate(title="t", owner="ada")),
        ada(TaskStart(task_id=task_id)),
        ada(TaskShip(task_id=task_id)),
        timedelta(hours=24),
    ]


def project_after(rounds: int) -> Project:
    project = Project()
    project.play(OPEN)
    for number in range(rounds):
        project.play(settled(task_id=number + 4, post_id=project.state.seq + 1))
    project.play([ada(Lease(surface="new"))])
    return project


COMMANDS: list[AnyCommand] = [
    Claim(sequence="adr"),
    Claim(sequence="adr", key="claim"),
    SeedSequence(sequence="rfc", current=1),
    ListSequences(),
    LatestClaims(),
    Register(lane="qa"),
    WhoIsActive(),
    Post(to_lane="qa", body="b", key="new"),
    Post(to_lane="qa", body="b", reply_to=SETTLED_POST),
    ReadPosts(to_me=True),
    ReadPosts(to_me=True, unacked_only=True),
    ReadPosts(thread=SETTLED_POST),
    Ack(post_id=len(OPEN)),
    Ack(post_id=SETTLED_POST),
    Lease(surface="new"),
    Release(surface="new"),
    WhoHolds(surface="*"),
    TaskCreate(title="t", depends_on=(1, 2, 3)),
    TaskAssign(task_id=3, owner="ben"),
    TaskBlock(task_id=1, reason="r"),
    TaskResolve(task_id=2),
    TaskShip(task_id=1),
    ListTasks(limit=2),
    ListTasks(ready=True),
    ListTasks(ready=True, owner="kim/ada"),
    ListTasks(status="blocked"),
    QueryEvents(type="claim"),
    WhatsNew(),
]


@pytest.mark.parametrize("command", COMMANDS, ids=repr)
@pytest.mark.parametrize("caller", [ada, ben], ids=["ada", "ben"])
def test_a_command_costs_the_same_after_much_that_is_over(command: AnyCommand, caller: Any) -> None:
    # The first run fills the cache of surfaces.
    _, few, many = (bytecodes_run(project_after(rounds), *caller(command)) for rounds in (20, 20, 60))
    assert few == many


def bytecodes_run(project: Project, caller: Any, command: AnyCommand) -> int:
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
    project.play([ada(Post(to_actor="ben", body="b")) for _ in range(100)])
    newest, older = (
        bytecodes_run(project, *ben(ReadPosts(to_me=True, unacked_only=True, limit=5, before=before)))
        for before in (101, 20)
    )
    assert newest == older


def test_looking_for_a_circle_goes_over_every_task_once() -> None:
    def cost(rungs: int) -> int:
        project = Project()
        project.play([ada(TaskCreate(title="t")), ada(TaskCreate(title="t"))])
        for below in range(1, 2 * rungs, 2):
            project.play([ada(TaskCreate(title="t", depends_on=(below, below + 1))) for _ in range(2)])
        goal = len(project.state.tasks) + 1
        project.play([ada(TaskCreate(title="t", owner="ada")), ada(TaskStart(task_id=goal))])
        return bytecodes_run(project, *ada(TaskBlock(task_id=goal, on=goal - 1, reason="r")))

    assert cost(16) < 3 * cost(8)
