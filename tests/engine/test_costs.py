"""What a command costs does not grow with what is over: old events, posts read long ago, tasks done.

Cost is the number of bytecodes that the engine executes: exact, and the same on every machine.
"""

import sys
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest

from engine import held_leases, overlaps, surfaces
from engine.commits import ReportCommit
from engine.decision import Decision
from engine.leases import Lease, Release, WhoHolds
from engine.ledger import DIGEST_ITEMS_MAX, QueryEvents, WhatsNew
from engine.open_posts import LANE_BACKLOG_MAX
from engine.posts import Ack, Post, ReadPosts
from engine.presence import Register, WhoIsActive
from engine.project import AnyCommand, apply, long_comparison, snapshot, stamp
from engine.refusals import Refusal
from engine.sequences import Claim, LatestClaims, ListSequences, SeedSequence, VoidClaim
from engine.tasks import ListTasks, TaskAssign, TaskBlock, TaskCreate, TaskResolve, TaskShip, TaskStart
from tests.engine.project import History, Project, ada, asked, ben, cay

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
    VoidClaim(sequence="adr", number=1, reason="r"),
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
    ReportCommit(commit="9fceb02"),
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


def test_a_digest_costs_the_same_however_many_posts_without_a_due_time_are_owed() -> None:
    def cost(owed: int) -> int:
        project = Project()
        project.play([ada(Post(to_actor="ben", body="b")) for _ in range(owed)])
        project.play([ada(Post(to_actor="ben", body="b", ack_within_seconds=60)) for _ in range(DIGEST_ITEMS_MAX)])
        return bytecodes_run(project, *ben(WhatsNew()))

    assert cost(100) == cost(200)


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


def leased(count: int) -> Project:
    """A project in which others hold so many leases, far from what is asked for."""
    project = Project()
    for number in range(count):
        who = (ben, cay)[number % 2]
        project.play([who(Lease(surface=f"src/module{number}/a.py", ttl_seconds=3600 + number))])
    project.play([ada(Lease(surface="src/mine/a.py")), ben(Lease(surface="src/mine/*"))])
    return project


@pytest.mark.parametrize(
    "command",
    [Lease(surface="src/mine/b.py"), Release(surface="src/mine/a.py"), WhoHolds(surface="src/mine/a.py"), WhatsNew()],
    ids=repr,
)
def test_leases_of_other_places_cost_nothing(command: AnyCommand) -> None:
    bytecodes_run(leased(1), *ada(command))  # so that surfaces are parsed
    few, many = (bytecodes_run(leased(count), *ada(command)) for count in (50, 400))
    assert few == many


def test_ready_tasks_are_not_searched_for_among_those_that_wait() -> None:
    def cost(waiting: int) -> int:
        project = Project()
        project.play([ada(TaskCreate(title="first")), ada(TaskCreate(title="ready", lane="qa"))])
        project.play([ada(TaskCreate(title="waits", depends_on=(1,))) for _ in range(waiting)])
        return sum(
            bytecodes_run(project, *ada(command))
            for command in (ListTasks(ready=True), ListTasks(lane="qa"), ListTasks(ready=True, lane="none"))
        )

    assert cost(20) == cost(200)


def test_a_search_for_a_cycle_ends_when_it_has_cost_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.task_graph.CYCLE_SEARCH_MAX", 20)
    project = Project()
    project.play([ada(TaskCreate(title="t", owner="ada")), ada(TaskStart(task_id=1))])
    project.play([ada(TaskCreate(title="t", depends_on=(1,))) for _ in range(20)])
    project.play([ada(TaskCreate(title="t")) for _ in range(20)])
    project.play([ada(TaskCreate(title="t", depends_on=tuple(range(22, 42))))])
    refused = project.ask(*ada(TaskBlock(task_id=1, on=42, reason="r")))
    assert isinstance(refused, Refusal)
    assert "too many others" in refused.message


def test_a_task_holds_up_so_many_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.task_rules.BLOCKED_ON_ONE_MAX", 2)
    project = Project()
    project.play([ada(TaskCreate(title="t", owner="ada")) for _ in range(4)])
    project.play([ada(TaskStart(task_id=number)) for number in range(1, 5)])
    project.play([ada(TaskBlock(task_id=number, on=4, reason="r")) for number in (1, 2)])
    refused = project.ask(*ada(TaskBlock(task_id=3, on=4, reason="r")))
    assert isinstance(refused, Refusal)
    assert "holds up 2 tasks" in refused.message


def test_a_project_has_so_many_unfinished_tasks_and_leases_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.task_rules.UNFINISHED_TASKS_MAX", 1)
    monkeypatch.setattr("engine.leases.LEASES_PER_PROJECT_MAX", 1)
    project = Project()
    project.play([ada(TaskCreate(title="t", owner="ada")), ada(Lease(surface="a", ttl_seconds=1))])
    assert isinstance(project.ask(*ada(TaskCreate(title="t"))), Refusal)
    assert isinstance(project.ask(*ada(Lease(surface="b"))), Refusal)
    project.play([ada(Lease(surface="a", ttl_seconds=1)), ada(TaskStart(task_id=1)), ada(TaskShip(task_id=1))])
    project.play([ada(TaskCreate(title="t")), timedelta(seconds=1), ada(Lease(surface="b"))])


def test_registering_costs_what_a_lane_keeps_and_not_what_was_ever_posted_there() -> None:
    def cost(posts: int) -> int:
        project = Project()
        project.play([ada(Post(to_lane="qa", body="b")) for _ in range(posts)])
        found = bytecodes_run(project, *ben(Register(lane="qa")))
        assert len(project.state.posts) == project.state.posts.unread(ben.id) == min(posts, LANE_BACKLOG_MAX)
        return found

    assert cost(LANE_BACKLOG_MAX) == cost(LANE_BACKLOG_MAX + 50)


def test_an_inbox_keeps_the_newest_and_older_pages_come_from_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.open_posts.INBOX_MAX", 3)
    project = Project()
    project.play([ada(Post(to_actor="ben", body="b")) for _ in range(5)])
    project.reopen()
    assert project.state.posts.unread(ben.id) == len(project.state.posts) == 3
    mine = ReadPosts(to_me=True, unacked_only=True, limit=3)
    assert [post["post_id"] for post in asked(project, ben(mine))["posts"]] == [5, 4, 3]
    older = ReadPosts(to_me=True, unacked_only=True, limit=3, before=3)
    assert [post["post_id"] for post in asked(project, ben(older))["posts"]] == [2, 1]
    project.play([ben(Ack(post_id=1)), ben(Ack(post_id=4))])
    assert [post["post_id"] for post in asked(project, ben(older))["posts"]] == [2]


def test_a_project_keeps_the_newest_open_posts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.open_posts.OPEN_POSTS_MAX", 3)
    project = Project()
    project.play([ben(Register(lane="qa")), *(ada(Post(to_lane="qa", body="b")) for _ in range(5))])
    project.reopen()
    assert [post.id for post in project.state.posts.dump()] == project.state.posts.inbox(ben.id) == [4, 5, 6]
    assert project.state.posts.inbox_gone_upto(ben.id) == 3
    assert [post.id for post in project.state.posts.open_after(4, limit=1)] == [5]
    assert [project.state.posts.owing(post_id) for post_id in (3, 4)] == [0, 1]
    project.play([ben(Ack(post_id=number)) for number in range(2, 7)])
    assert (len(project.state.posts), project.state.posts.unread(ben.id)) == (0, 0)


def test_shipped_tasks_and_acknowledged_posts_leave_nothing_behind() -> None:
    def size(rounds: int) -> int:
        project = Project()
        for number in range(1, rounds + 1):
            project.play([ada(TaskCreate(title="t", owner="ada")), ada(TaskStart(task_id=number))])
            project.play([ada(TaskShip(task_id=number)), ada(Post(to_actor="ben", body="b"))])
            project.play([ben(Ack(post_id=project.state.seq)), ada(Lease(surface="a"))])
        return len(snapshot(project.state))

    assert size(60) - size(20) < 20


def test_an_inbox_forgets_what_the_project_no_longer_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.open_posts.OPEN_POSTS_MAX", 2)
    monkeypatch.setattr("engine.open_posts.INBOX_MAX", 3)
    project = Project()
    project.play([ada(Post(to_actor="ben", body="b")) for _ in range(5)])
    assert project.state.posts.inbox(ben.id) == [4, 5]
    assert project.state.posts.inbox_gone_upto(ben.id) == 3


def test_a_post_that_the_project_no_longer_keeps_is_not_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.open_posts.OPEN_POSTS_MAX", 2)
    project = Project()
    project.play([ada(Post(to_actor="ben", body="b", ack_within_seconds=60)) for _ in range(5)])
    assert project.state.posts.overdue_for(ben.id, project.now + timedelta(seconds=61), 10) == [4, 5]


def test_a_post_that_left_the_backlog_stays_while_somebody_owes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.open_posts.LANE_BACKLOG_MAX", 1)
    monkeypatch.setattr("engine.open_posts.INBOX_MAX", 2)
    project = Project()
    project.play([ben(Register(lane="qa")), *(ada(Post(to_lane="qa", body="b")) for _ in range(2))])
    assert (project.state.posts.inbox(ben.id), list(project.state.posts.backlog("qa"))) == ([2, 3], [3])
    project.play([cay(Register(lane="qa")), ada(Post(to_lane="qa", body="b"))])
    assert [project.state.posts.inbox(who.id) for who in (ben, cay)] == [[3, 5], [3, 5]]
    assert [post.id for post in project.state.posts.dump()] == [3, 5]
    project.play([ada(Post(to_actor="ben", to_lane="qa", body="b")), ada(Post(to_actor="ben", body="b"))])
    assert project.state.posts.inbox(ben.id) == [6, 7]


def test_a_post_that_left_an_inbox_still_waits_for_newcomers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.open_posts.INBOX_MAX", 1)
    project = Project()
    project.play([ben(Register(lane="qa")), *(ada(Post(to_lane="qa", body="b")) for _ in range(2))])
    assert project.state.posts.inbox(ben.id) == [3]
    assert [post.id for post in project.state.posts.dump()] == list(project.state.posts.backlog("qa")) == [2, 3]


def alternatives_leased(count: int) -> Project:
    """Leases of many alternatives, each of which must be compared with whatever begins with a wildcard."""
    project = Project()
    for number in range(count):
        project.play([ben(Lease(surface=f"{{a*b,c*d,e*f,g*h,i*j,k*l,m*n,o*p{number}}}/x"))])
    return project


@pytest.mark.parametrize("command", [Lease(surface="*x*"), WhoHolds(surface="*x*")], ids=repr)
def test_a_surface_that_must_be_compared_with_many_is_prepared_in_steps(command: AnyCommand) -> None:
    few, many = alternatives_leased(5), alternatives_leased(50)
    assert long_comparison(few.state, command) is None
    steps = long_comparison(many.state, command)
    assert steps is not None
    unprepared = bytecodes_run(many, *ada(command))
    assert len(list(steps)) == 50
    assert long_comparison(many.state, command) is None
    assert bytecodes_run(many, *ada(command)) < unprepared / 2


@pytest.mark.parametrize("command", [Release(surface="*x*"), WhoHolds(), WhoHolds(surface="/etc/hosts")], ids=repr)
def test_what_compares_nothing_needs_no_steps(command: AnyCommand) -> None:
    assert long_comparison(alternatives_leased(50).state, command) is None


def test_a_prepared_command_is_answered_as_an_unprepared_one() -> None:
    project, command = alternatives_leased(50), WhoHolds(surface="*a*b*")
    unprepared = project.ask(*ada(command))
    list(long_comparison(project.state, command) or ())
    assert project.ask(*ada(command)) == unprepared


def test_only_so_many_comparisons_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overlaps, "OVERLAPS_KEPT_MAX", 3)
    kept = overlaps.Comparisons(surfaces.overlap)
    list(kept.remember("*a", ["b", "c"]))
    assert kept.unknown("*a", ["b", "c", "d"]) == ["d"]
    list(kept.remember("*z", ["b", "c"]))
    assert kept.unknown("*a", ["b", "c"]) == ["b", "c"]
    assert kept.unknown("*z", ["b", "c"]) == []


def test_a_pick_among_many_leases_is_prepared_in_steps() -> None:
    command, project = Lease(surface="port:3000-3099", pick_one=True), Project()
    project.play([ben(Lease(surface=f"port:30*{number}")) for number in range(3)])
    steps = long_comparison(project.state, command)
    assert steps is not None
    unprepared = bytecodes_run(project, *ada(command))
    project.play([ada(Release(surface="port:3003"))])
    assert len(list(steps)) == 3
    assert bytecodes_run(project, *ada(command)) < unprepared / 10
    assert asked(project, ada(command))["surface"] == "port:3004"
    assert long_comparison(Project().state, command) is None
    assert long_comparison(project.state, Lease(surface="src", pick_one=True)) is None


def test_one_lease_is_compared_with_a_long_range_in_steps() -> None:
    command, project = Lease(surface="port:0990-1989", pick_one=True), Project()
    project.play([ben(Lease(surface="port:*9*")), ben(Lease(surface="port:1000-1101"))])
    unprepared = asked(project, ada(command))["surface"]
    project.play([ada(Release(surface=unprepared))])
    assert len(list(long_comparison(project.state, command) or ())) == 2 * 10
    assert asked(project, ada(command))["surface"] == unprepared == "port:1102"


def test_a_task_to_take_is_not_searched_for_among_ones_own_of_other_lanes() -> None:
    def cost(others: int) -> int:
        project = Project()
        project.play([ada(TaskCreate(title="other", lane="qa", owner="ben")) for _ in range(others)])
        return bytecodes_run(project, *ben(TaskStart(lane="web")))

    assert cost(20) == cost(200)


def test_many_leases_are_compared_with_each_other_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    project = alternatives_leased(20)
    project.play([ada(Lease(surface=f"*{number}*/x")) for number in range(10)])
    book, now = project.state.leases, project.now
    assert held_leases.comparing_newest(alternatives_leased(2).state.leases, now, 100) is None
    unprepared = held_leases.conflicts(book, now, 100)
    steps = held_leases.comparing_newest(book, now, 100)
    assert steps is not None
    assert len(list(steps)) > len(unprepared) > 0
    assert held_leases.conflicts(book, now, 100) == unprepared
    monkeypatch.setattr(held_leases, "OVERLAPS_KEPT_MAX", 60)
    assert {newer.id for _, newer in held_leases.conflicts(book, now, 100)} == {29, 30}
