from datetime import timedelta
from typing import Any

import pytest

from engine.history import Liveness
from engine.posts import Post
from engine.presence import Register, Registered, Touch, WhoIsActive
from engine.tasks import ListTasks, TaskCreate, TaskShip, TaskStart
from tests.engine.project import T0, Person, Project, Refused, ada, after, asked, ben, cay, check


def test_registering_takes_a_lane_and_says_on_what() -> None:
    check(
        [],
        ada(Register(lane="qa", status="testing")),
        {"actor": "kim/ada", "lane": "qa", "status": "testing", "registered_at": after()},
        Registered(lane="qa", status="testing"),
    )


def test_registering_again_moves_and_forgets_the_old_status() -> None:
    check(
        [ada(Register(lane="qa", status="testing")), timedelta(seconds=5)],
        ada(Register(lane="ops")),
        {"actor": "kim/ada", "lane": "ops", "status": "", "registered_at": after(5)},
        Registered(lane="ops", status=""),
    )


def test_the_word_for_having_no_lane_is_no_lane() -> None:
    check([], ada(Register(lane="(unset)")), Refused("invalid", "name the one you work in"))


def row(who: Person, seconds: int, lane: str = "(unset)", status: str = "") -> dict[str, Any]:
    return {"actor": who.actor, "lane": lane, "status": status, "last_seen": after(seconds)}


ADA, BEN, CAY = row(ada, 1900), row(ben, 2000, "qa", "testing"), row(cay, 1099, "qa")


@pytest.mark.parametrize(
    ("command", "active"),
    [
        (WhoIsActive(), [BEN, ADA]),
        (WhoIsActive(within_seconds=901), [BEN, ADA, CAY]),
        (WhoIsActive(within_seconds=100), [BEN, ADA]),
        (WhoIsActive(within_seconds=99), [BEN]),
        (WhoIsActive(within_seconds=86_400, lane="qa"), [BEN, CAY]),
        (WhoIsActive(lane="(unset)"), [ADA]),
        (WhoIsActive(lane="ops"), []),
    ],
)
def test_who_called_within_the_window_is_active_latest_first(
    command: WhoIsActive, active: list[dict[str, Any]]
) -> None:
    project = Project()
    project.play([ben(Register(lane="qa", status="testing")), cay(Register(lane="qa"))])
    for who, seconds in ((cay, 1099), (ada, 1900), (ben, 2000)):
        project.state.seen[who.id] = Liveness(who.actor, T0 + timedelta(seconds=seconds))
    project.now = T0 + timedelta(seconds=2000)
    assert asked(project, ada(command)) == {"active": active}


def test_who_called_at_the_same_time_comes_by_name() -> None:
    project = Project()
    for who in (ben, cay, ada):
        project.state.seen[who.id] = Liveness(who.actor, T0)
    assert [row["actor"] for row in asked(project, ada(WhoIsActive()))["active"]] == ["kim/ada", "kim/ben", "kim/cay"]


def test_a_touch_says_nothing_and_writes_nothing() -> None:
    check([], ada(Touch()), {})


def test_a_project_remembers_so_many_registrations_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.presence.REGISTERED_MAX", 2)
    project = Project()
    project.play([who(Register(lane="qa")) for who in (ada, ben, cay)])
    assert [presence.reader for presence in project.state.presence.dump()] == [ben.id, cay.id]
    project.play([ben(Register(lane="ops"))])
    assert project.state.presence.in_lane("qa") == [cay.id]


def test_a_post_to_a_lane_reaches_those_who_registered_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.presence.LANE_READERS_MAX", 1)
    project = Project()
    project.play([ben(Register(lane="qa")), cay(Register(lane="qa")), ada(Post(to_lane="qa", body="b"))])
    assert [project.state.posts.unread(who.id) for who in (ben, cay)] == [0, 1]


@pytest.mark.parametrize("lane", ["Web-App", "web_app", "webapp", "web app", "@web-app"])
def test_a_lane_that_is_spelled_nearly_as_another_is_told(lane: str) -> None:
    project = Project()
    project.play([ben(Register(lane="web-app"))])
    assert asked(project, ada(TaskCreate(title="t", lane=lane)))["nearest_lane"] == "web-app"
    assert asked(project, ada(Register(lane=lane)))["nearest_lane"] == "web-app"
    assert "nearest_lane" not in asked(project, ada(Register(lane=lane)))
    assert "nearest_lane" not in asked(project, ada(TaskCreate(title="t", lane="web-apps")))


@pytest.mark.parametrize(("lane", "near"), [("wep-app", "web-app"), ("doks", "docs"), ("ops", None)])
def test_a_filter_by_a_lane_that_nobody_is_in_tells_the_near_one(lane: str, near: str | None) -> None:
    project = Project()
    project.play([ben(Register(lane="web-app")), ben(TaskCreate(title="t", lane="docs"))])
    project.play([ben(TaskCreate(title="t")), ben(TaskStart(task_id=2)), ben(TaskShip(task_id=2))])
    told = {} if near is None else {"nearest_lane": near}
    for status in (None, "done", "in_progress"):
        assert asked(project, ada(ListTasks(lane=lane, status=status))) == {"tasks": [], **told}
    expected = told if near == "web-app" else {}
    assert asked(project, ada(WhoIsActive(lane=lane))) == {"active": [], **expected}


def test_a_filter_by_a_known_lane_tells_no_other() -> None:
    project = Project()
    project.play([ben(Register(lane="web")), cay(Register(lane="webs")), cay(Register(lane="unset"))])
    project.play([ben(TaskCreate(title="t", lane="wib")), ben(TaskCreate(title="t", lane="wob"))])
    project.play([ben(TaskStart(task_id=2)), ben(TaskShip(task_id=2))])
    for lane in ("web", "wib"):
        assert asked(project, ada(ListTasks(lane=lane, status="blocked"))) == {"tasks": []}
    assert "nearest_lane" not in asked(project, ada(ListTasks(lane="wob")))
    for lane in ("web", "(unset)"):
        assert asked(project, ada(WhoIsActive(lane=lane))) == {"active": []}
