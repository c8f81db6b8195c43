from datetime import timedelta
from typing import Any

import pytest

from engine import held_leases, leases, overlaps
from engine.decision import Pending
from engine.leases import EndLease, Lease, Leased, Release, Released, WhoHolds
from engine.project import snapshot
from engine.surfaces import WILDCARDS_MAX
from engine.vocabulary import EventData
from tests.engine.project import (
    T0,
    History,
    Person,
    Project,
    Refused,
    Step,
    ada,
    after,
    asked,
    ben,
    cay,
    check,
    encoded,
    lea,
)

LOGIN = "src/auth/login.py"
HOUR = timedelta(hours=1)
MOMENT = timedelta(milliseconds=1)


def other(who: Person, surface: str, seconds: float) -> dict[str, Any]:
    return {"actor": who.actor, "surface": surface, "expires_at": after(seconds)}


def granted(lease_id: int, surface: str, seconds: float, *others: dict[str, Any]) -> dict[str, Any]:
    return {"lease_id": lease_id, "surface": surface, "expires_at": after(seconds), "others": list(others)}


def held(who: Person, surface: str, seconds: int, left: int, **more: str | None) -> dict[str, Any]:
    row = {"surface": surface, "actor": who.actor, "expires_at": after(seconds), "expires_in_seconds": left}
    return {**row, "note": None, "mode": "exclusive", **more}


def leased(surface: str, ttl_seconds: int = 1800, **more: Any) -> Leased:
    return Leased(surface=surface, ttl_seconds=ttl_seconds, **more)


def shared(surface: str) -> Lease:
    return Lease(surface=surface, mode="shared")


LEASES: list[tuple[str, History, Step, dict[str, Any], tuple[EventData, ...]]] = [
    ("of a free surface", [], ada(Lease(surface=LOGIN)), granted(1, LOGIN, 1800), (leased(LOGIN),)),
    (
        "with everything said",
        [],
        ada(Lease(surface="docs", ttl_seconds=1, note="mine", mode="shared")),
        granted(1, "docs", 1),
        (leased("docs", 1, note="mine", mode="shared"),),
    ),
    (
        "spelled another way",
        [ben(Lease(surface="src//auth/../auth/login.py"))],
        ada(Lease(surface="./src\\auth/login.py")),
        granted(2, LOGIN, 1800, other(ben, LOGIN, 1800)),
        (leased(LOGIN),),
    ),
    (
        "held by others, oldest grant first",
        [ben(Lease(surface=LOGIN, ttl_seconds=60)), cay(Lease(surface=LOGIN))],
        ada(Lease(surface=LOGIN)),
        granted(3, LOGIN, 1800, other(ben, LOGIN, 60), other(cay, LOGIN, 1800)),
        (leased(LOGIN),),
    ),
    (
        "under another's glob",
        [ben(Lease(surface="src/**"))],
        ada(Lease(surface=LOGIN)),
        granted(2, LOGIN, 1800, other(ben, "src/**", 1800)),
        (leased(LOGIN),),
    ),
    (
        "glob over another's path",
        [ben(Lease(surface=LOGIN))],
        ada(Lease(surface="src/*/*.py")),
        granted(2, "src/*/*.py", 1800, other(ben, LOGIN, 1800)),
        (leased("src/*/*.py"),),
    ),
    (
        "beside another's",
        [ben(Lease(surface="docs/**"))],
        ada(Lease(surface=LOGIN)),
        granted(2, LOGIN, 1800),
        (leased(LOGIN),),
    ),
    (
        "shared with shared",
        [ben(shared(LOGIN))],
        ada(shared(LOGIN)),
        granted(2, LOGIN, 1800),
        (leased(LOGIN, mode="shared"),),
    ),
    (
        "shared against exclusive",
        [ben(Lease(surface=LOGIN))],
        ada(shared(LOGIN)),
        granted(2, LOGIN, 1800, other(ben, LOGIN, 1800)),
        (leased(LOGIN, mode="shared"),),
    ),
    (
        "exclusive against shared",
        [ben(shared(LOGIN))],
        ada(Lease(surface=LOGIN)),
        granted(2, LOGIN, 1800, other(ben, LOGIN, 1800)),
        (leased(LOGIN),),
    ),
    (
        "renewed",
        [ada(Lease(surface=LOGIN)), HOUR / 4],
        ada(Lease(surface=LOGIN)),
        {**granted(2, LOGIN, 2700), "renewed": True},
        (leased(LOGIN),),
    ),
    (
        "overlapping one's own",
        [ada(Lease(surface="src/**"))],
        ada(Lease(surface=LOGIN)),
        granted(2, LOGIN, 1800),
        (leased(LOGIN),),
    ),
    (
        "after another's ran out",
        [ben(Lease(surface=LOGIN, ttl_seconds=60)), timedelta(seconds=60)],
        ada(Lease(surface=LOGIN)),
        granted(2, LOGIN, 1860),
        (leased(LOGIN),),
    ),
    (
        "a moment before another's runs out",
        [ben(Lease(surface=LOGIN, ttl_seconds=60)), timedelta(seconds=60) - MOMENT],
        ada(Lease(surface=LOGIN, ttl_seconds=1)),
        granted(2, LOGIN, 60.999, other(ben, LOGIN, 60)),
        (leased(LOGIN, 1),),
    ),
    (
        "after another released",
        [ben(Lease(surface=LOGIN)), ben(Release(surface=LOGIN))],
        ada(Lease(surface=LOGIN)),
        granted(3, LOGIN, 1800),
        (leased(LOGIN),),
    ),
]

YOU_HOLD: list[tuple[str, History, str, list[str]]] = [
    ("a wider one", [ada(Lease(surface="src/auth/**"))], "src/auth/form.tsx", ["src/auth/**"]),
    ("a narrower one", [ada(Lease(surface="src/auth/form.tsx"))], "src", ["src/auth/form.tsx"]),
    ("the newest first", [ada(Lease(surface="src")), ada(Lease(surface="**/*.py"))], "src/a.py", ["**/*.py", "src"]),
    ("none of what is elsewhere", [ada(Lease(surface="docs")), ada(Lease(surface="."))], "src/a.py", ["."]),
]


@pytest.mark.parametrize(("history", "surface", "held_as"), [pytest.param(*row, id=name) for name, *row in YOU_HOLD])
def test_a_release_that_ends_nothing_names_what_the_caller_holds_there(
    history: History, surface: str, held_as: list[str]
) -> None:
    check(history, ada(Release(surface=surface)), {"released": 0, "you_hold": held_as})


def test_a_release_names_no_lease_of_others_and_none_that_ran_out() -> None:
    history: History = [ben(Lease(surface="src")), ada(Lease(surface="src", ttl_seconds=1)), timedelta(seconds=1)]
    check(history, ada(Release(surface="src/a.py")), {"released": 0})


def test_a_release_compares_only_the_newest_of_very_many_leases() -> None:
    one, many = "old/a.py", overlaps.PATHS_COMPARED_AT_ONCE_MAX // 8
    history: History = [
        ada(Lease(surface=one)),
        *(ada(Lease(surface=f"{n}/{{a,b,c,d,e,f,g,h}}")) for n in range(many - 1)),
    ]
    check(history, ada(Release(surface="old")), {"released": 0, "you_hold": [one]})
    check([*history, ada(Lease(surface="x"))], ada(Release(surface="old")), {"released": 0, "you_hold": [one]})
    check([*history, ada(Lease(surface="x/{a,b,c,d,e,f,g,h}"))], ada(Release(surface="old")), {"released": 0})


RELEASES: list[tuple[str, History, Step, int, tuple[EventData, ...]]] = [
    ("one's own", [ada(Lease(surface="a"))], ada(Release(surface="a")), 1, (Released(surface="a"),)),
    ("spelled another way", [ada(Lease(surface="a"))], ada(Release(surface="./b/../a/")), 1, (Released(surface="a"),)),
    ("nothing", [], ada(Release(surface="a")), 0, ()),
    ("another's", [ben(Lease(surface="a"))], ada(Release(surface="a")), 0, ()),
    (
        "one that ran out",
        [ada(Lease(surface="a", ttl_seconds=1)), timedelta(seconds=1)],
        ada(Release(surface="a")),
        0,
        (),
    ),
    ("quoted", [ada(Lease(surface="a/**"))], ada(Release(surface="`a/`")), 1, (Released(surface="a/**"),)),
    ("twice", [ada(Lease(surface="a")), ada(Release(surface="a"))], ada(Release(surface="a")), 0, ()),
]


@pytest.mark.parametrize(
    ("history", "step", "answer", "events"), [pytest.param(*row, id=name) for name, *row in LEASES]
)
def test_a_lease_is_granted_and_names_who_conflicts(
    history: History, step: Step, answer: dict[str, Any], events: tuple[EventData, ...]
) -> None:
    check(history, step, answer, *events)


@pytest.mark.parametrize(
    ("history", "step", "count", "events"), [pytest.param(*row, id=name) for name, *row in RELEASES]
)
def test_a_release_ends_ones_own_active_lease_of_that_surface(
    history: History, step: Step, count: int, events: tuple[EventData, ...]
) -> None:
    check(history, step, {"released": count}, *events)


ENDED = Released(surface="a", holder=ben.actor, holder_id=ben.id, reason="moved")


@pytest.mark.parametrize(
    ("history", "step", "answer", "events"),
    [
        pytest.param(
            [ben(Lease(surface="a"))],
            lea(EndLease(lease_id=1, reason="moved")),
            {"lease_id": 1, "surface": "a", "holder": ben.actor},
            (ENDED,),
            id="by a lead",
        ),
        pytest.param(
            [ben(Lease(surface="a"))],
            ada(EndLease(lease_id=1, reason="moved")),
            Refused("forbidden", "only leads"),
            (),
            id="by anybody else",
        ),
        pytest.param(
            [ben(Lease(surface="a")), ben(Lease(surface="a"))],
            lea(EndLease(lease_id=1, reason="moved")),
            Refused("not_found", "no active lease 1"),
            (),
            id="renewed",
        ),
        pytest.param(
            [ben(Lease(surface="a", ttl_seconds=60)), timedelta(seconds=60)],
            lea(EndLease(lease_id=1, reason="moved")),
            Refused("not_found", "no active lease 1"),
            (),
            id="run out",
        ),
    ],
)
def test_a_lead_ends_anybodys_active_lease_for_a_reason(
    history: History, step: Step, answer: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, answer, *events)


def test_a_lease_that_a_lead_ended_is_free_for_others() -> None:
    project = Project()
    project.play([ben(Lease(surface="a")), lea(EndLease(lease_id=1, reason="moved"))])
    assert ENDED.topics(lea.id) == Released(surface="a").topics(ben.id)
    assert list(project.state.leases.active(project.now)) == []


def test_releasing_leaves_the_leases_of_others() -> None:
    project = Project()
    project.play([ada(Lease(surface="a")), ben(Lease(surface="a")), ada(Release(surface="a"))])
    assert asked(project, ada(WhoHolds())) == {"leases": [held(ben, "a", 1800, 1800)]}


def test_renewing_replaces_mode_note_and_end() -> None:
    project = Project()
    project.play([ada(Lease(surface="a", note="x", mode="shared")), ada(Lease(surface="a", ttl_seconds=60))])
    assert asked(project, ada(WhoHolds())) == {"leases": [held(ada, "a", 60, 60)]}


def test_who_holds_shows_the_newest_grant_first_and_only_what_is_active() -> None:
    project = Project()
    project.play(
        [
            ben(Lease(surface="late", note="n")),
            ada(Lease(surface="gone", ttl_seconds=5)),
            ada(Lease(surface="soon", ttl_seconds=90, mode="shared")),
            cay(Lease(surface="also soon", ttl_seconds=90)),
            timedelta(seconds=30),
        ]
    )
    also, soon = held(cay, "also soon", 90, 60), held(ada, "soon", 90, 60, mode="shared")
    late = held(ben, "late", 1800, 1770, note="n")
    assert asked(project, cay(WhoHolds())) == {"leases": [also, soon, late]}
    assert asked(project, cay(WhoHolds(surface="./*soon"))) == {"leases": [also, soon]}
    assert asked(project, cay(WhoHolds(surface="elsewhere"))) == {"leases": []}


def test_every_grant_has_a_greater_fencing_token() -> None:
    project = Project()
    steps = [ada(Lease(surface="a")), ben(Lease(surface="a")), ada(Lease(surface="a")), cay(Lease(surface="b"))]
    tokens = []
    for who, command in steps:
        tokens.append(asked(project, (who, command))["lease_id"])
        project.play([(who, Release(surface="a"))])
        project.reopen()
    assert tokens == sorted(set(tokens))


def test_leases_that_ran_out_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.held_leases.EXPIRED_KEPT_MAX", 2)
    project = Project()
    project.play([ada(Lease(surface=name, ttl_seconds=1)) for name in "abcd"])
    project.play([timedelta(seconds=1), ben(Lease(surface="e"))])
    assert [held.surface for held in project.state.leases.dump()] == ["c", "d", "e"]
    assert [held.surface for held in project.state.leases.active(project.now)] == ["e"]


def test_a_patient_caller_waits_for_the_lease_that_ends_last() -> None:
    project = Project()
    project.play([ben(Lease(surface="a", ttl_seconds=60)), cay(Lease(surface="a", ttl_seconds=30))])
    before = snapshot(project.state)
    patient = project.ask(*ada(Lease(surface="a", wait_seconds=55)), patient=True)
    assert patient == Pending(until=T0 + timedelta(seconds=60), awaits=("lease:2 a",))
    assert snapshot(project.state) == before
    project.play([ben(Release(surface="a"))])
    patient = project.ask(*ada(Lease(surface="a", wait_seconds=55)), patient=True)
    assert patient == Pending(until=T0 + timedelta(seconds=30), awaits=("lease:3 a",))
    project.now += timedelta(seconds=30)
    assert encoded(project.ask(*ada(Lease(surface="a")), patient=True)) == granted(4, "a", 1830)


def test_a_caller_whose_patience_is_over_is_granted_the_lease_beside_the_others() -> None:
    check(
        [ben(Lease(surface="a"))],
        ada(Lease(surface="a", wait_seconds=55)),
        granted(2, "a", 1800, other(ben, "a", 1800)),
        leased("a"),
    )


@pytest.mark.parametrize("mode", ["shared", "exclusive"])
def test_nobody_waits_for_themselves(mode: Any) -> None:
    project = Project()
    project.play([ada(Lease(surface="a"))])
    assert encoded(project.ask(*ada(Lease(surface="a", mode=mode)), patient=True)) == {
        **granted(2, "a", 1800),
        "renewed": True,
    }


PORTS = Lease(surface="port:3000-3002", pick_one=True)

PICKED: list[tuple[str, History, Step, dict[str, Any] | Refused, tuple[EventData, ...]]] = [
    ("the lowest", [], ada(PORTS), granted(1, "port:3000", 1800), (leased("port:3000"),)),
    ("not one's own", [ada(PORTS)], ada(PORTS), granted(2, "port:3001", 1800), (leased("port:3001"),)),
    (
        "not what others hold, however they named it",
        [ben(Lease(surface="port:3001")), cay(Lease(surface="port: 2990-3000", mode="shared"))],
        ada(PORTS),
        granted(3, "port:3002", 1800),
        (leased("port:3002"),),
    ),
    (
        "what was released",
        [ben(PORTS), ben(PORTS), ben(Release(surface="port:3000"))],
        ada(PORTS),
        granted(4, "port:3000", 1800),
        (leased("port:3000"),),
    ),
    (
        "what has run out",
        [ben(PORTS), ben(Lease(surface="port:3001", ttl_seconds=1)), timedelta(seconds=1)],
        ada(PORTS),
        granted(3, "port:3001", 1801),
        (leased("port:3001"),),
    ),
    (
        "as it is written",
        [ben(Lease(surface="gpu:07"))],
        ada(Lease(surface="`gpu:07 \u2013 12`", pick_one=True, ttl_seconds=9)),
        granted(2, "gpu:08", 9),
        (leased("gpu:08", 9),),
    ),
    (
        "below a name",
        [ben(Lease(surface="simulator:ios/1"))],
        ada(Lease(surface="simulator:ios/1-4", pick_one=True)),
        granted(2, "simulator:ios/2", 1800),
        (leased("simulator:ios/2"),),
    ),
    (
        "none when all are held",
        [ben(PORTS), ben(Lease(surface="port:3001", ttl_seconds=60)), cay(PORTS)],
        ada(PORTS),
        Refused("conflict", "every value of port:3000-3002 is held; the first lease on one ends in 60 s"),
        (),
    ),
    (
        "none when a glob covers all",
        [ben(Lease(surface="port:*"))],
        ada(PORTS),
        Refused("conflict", "ends in 1800 s"),
        (),
    ),
    (
        "not shared",
        [],
        ada(Lease(surface="gpu:0-1", pick_one=True, mode="shared")),
        Refused("invalid", "leave mode"),
        (),
    ),
    *(
        (f"not of {surface}", [], ada(Lease(surface=surface, pick_one=True)), Refused("invalid", words), ())
        for surface, words in [
            ("port:3000", "is not a range to pick from"),
            ("port:3-1", "is not a range"),
            ("src/1-4", "is not a range"),
            ("port:*1-4", "is not a range"),
            ("port:1-4/a", "is not a range"),
            ("port:0-1000", "more than 1000 values"),
            ("../1-4", "without '..'"),
        ]
    ),
]


@pytest.mark.parametrize(
    ("history", "step", "expected", "events"), [pytest.param(*row, id=name) for name, *row in PICKED]
)
def test_of_a_range_one_gets_a_value_that_nobody_holds(
    history: History, step: Step, expected: dict[str, Any] | Refused, events: tuple[EventData, ...]
) -> None:
    check(history, step, expected, *events)


def test_who_picks_waits_until_something_of_the_kind_is_free() -> None:
    project = Project()
    project.play([ben(PORTS), ben(Lease(surface="port:3001-3002", ttl_seconds=60))])
    project.play([cay(Lease(surface="port:3001", ttl_seconds=90))])
    patient = project.ask(*ada(PORTS), patient=True)
    assert patient == Pending(until=T0 + timedelta(seconds=60), awaits=("freed:port:",))
    project.play([ben(Release(surface="port:3000"))])
    assert "freed:port:" in project.events[-1].topics
    assert encoded(project.ask(*ada(PORTS), patient=True)) == granted(5, "port:3000", 1800)
    project.play([ada(Lease(surface="src/a.py")), ada(Release(surface="src/a.py"))])
    assert project.events[-1].topics == ("any", "lease:1 src/a.py")


def test_leases_in_conflict_are_found_among_the_newest() -> None:
    project = Project()
    project.play([ada(Lease(surface="src")), ben(Lease(surface="src/a.py")), cay(shared("src/a.py"))])
    project.play([ada(Lease(surface="docs")), ben(shared("docs/a.md")), cay(shared("docs/a.md"))])
    book, now = project.state.leases, project.now
    pairs = [(older.id, newer.id) for older, newer in held_leases.conflicts(book, now, 100)]
    assert sorted(pairs) == [(1, 2), (1, 3), (2, 3), (4, 5), (4, 6)]
    assert [(older.id, newer.id) for older, newer in held_leases.conflicts(book, now, 1)] == [(4, 6)]


def test_a_range_is_held_whole_by_who_does_not_pick() -> None:
    check(
        [ben(Lease(surface="port:3000-3099"))],
        ada(Lease(surface="port:3007")),
        granted(2, "port:3007", 1800, other(ben, "port:3000-3099", 1800)),
        leased("port:3007"),
    )


def test_a_holder_with_very_many_leases_may_renew_one_and_take_another_once_one_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "LEASES_PER_HOLDER_MAX", 2)
    history: History = [ada(Lease(surface="a", ttl_seconds=60)), ada(Lease(surface="b")), ben(Lease(surface="c"))]
    check(history, ada(Lease(surface="d")), Refused("conflict", "you hold 2 leases already"))
    check(history, ada(Lease(surface="b")), {**granted(4, "b", 1800), "renewed": True}, leased("b"))
    check(history, ben(Lease(surface="d")), granted(4, "d", 1800), leased("d"))
    check([*history, ada(Release(surface="a"))], ada(Lease(surface="d")), granted(5, "d", 1800), leased("d"))


def test_a_surface_has_only_so_many_wildcards() -> None:
    most = "**/" + "/".join(["*a"] * (WILDCARDS_MAX - 2)) + "/b?"
    check([], ada(Lease(surface=most)), granted(1, most, 1800), leased(most))
    check([], ada(WhoHolds(surface=most)), {"leases": []})
    refused = Refused("invalid", "a surface has at most 16 wildcards")
    check([], ada(Release(surface=most + "?")), refused)
    check([], ada(Lease(surface=most + "?")), refused)
    check([], ada(WhoHolds(surface=most + "?")), refused)


def test_who_holds_shows_no_more_than_a_page_of_the_newest_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASES_SHOWN_MAX", 2)
    history: History = [ada(Lease(surface=name, ttl_seconds=ttl)) for name, ttl in [("a", 30), ("b", 10), ("c", 20)]]
    check(history, ben(WhoHolds()), {"leases": [held(ada, "c", 20, 20), held(ada, "b", 10, 10)]})
