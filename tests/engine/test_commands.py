"""Commands carry their own limits: each bound is tried at the bound and one beyond it."""

from typing import Any, get_args

import msgspec
import pytest
from msgspec import Struct

from engine.commands import (
    AnyCommand,
    Claim,
    Lease,
    Post,
    QueryEvents,
    ReadPosts,
    Register,
    SeedSequence,
    TaskAssign,
    TaskBlock,
    TaskCreate,
    WhatsNew,
    WhoIsActive,
)
from engine.events import EVENT_TYPES
from engine.terms import ID_MAX

LIMITS: list[tuple[type[Struct], dict[str, Any], dict[str, Any]]] = [
    (Claim, {"sequence": "a-z_0"}, {"sequence": "A"}),
    (Claim, {"sequence": "a" * 64}, {"sequence": "a" * 65}),
    (Claim, {"sequence": "a"}, {"sequence": ""}),
    (Claim, {"sequence": "a"}, {"sequence": "a\n"}),
    (Claim, {"sequence": "a", "note": "n" * 500}, {"sequence": "a", "note": "n" * 501}),
    (Claim, {"sequence": "a", "key": "k" * 64}, {"sequence": "a", "key": "k" * 65}),
    (SeedSequence, {"sequence": "a", "current": 0}, {"sequence": "a", "current": -1}),
    (SeedSequence, {"sequence": "a", "current": ID_MAX}, {"sequence": "a", "current": ID_MAX + 1}),
    (SeedSequence, {"sequence": "a", "current": 0, "pad": 12}, {"sequence": "a", "current": 0, "pad": 13}),
    (
        SeedSequence,
        {"sequence": "a", "current": 0, "prefix": "p" * 16},
        {"sequence": "a", "current": 0, "prefix": "p" * 17},
    ),
    (Register, {"lane": "l" * 64}, {"lane": "l" * 65}),
    (Register, {"lane": "l", "status": "s" * 140}, {"lane": "l", "status": "s" * 141}),
    (WhoIsActive, {"within_seconds": 86_400}, {"within_seconds": 86_401}),
    (WhoIsActive, {"within_seconds": 1}, {"within_seconds": 0}),
    (Post, {"body": "b" * 8000}, {"body": "b" * 8001}),
    (Post, {"body": " b "}, {"body": " \n\t"}),
    (Post, {"body": "b", "to_actor": "a" * 97}, {"body": "b", "to_actor": "a" * 98}),
    (Post, {"body": "b", "subject": "s" * 200}, {"body": "b", "subject": "s" * 201}),
    (Post, {"body": "b", "ref": "r" * 120}, {"body": "b", "ref": "r" * 121}),
    (Post, {"body": "b", "tag": "t" * 64}, {"body": "b", "tag": "t" * 65}),
    (ReadPosts, {"limit": 200}, {"limit": 201}),
    (ReadPosts, {"limit": 1}, {"limit": 0}),
    (ReadPosts, {"wait_seconds": 55}, {"wait_seconds": 56}),
    (Lease, {"surface": "s" * 200}, {"surface": "s" * 201}),
    (Lease, {"surface": "s", "ttl_seconds": 86_400}, {"surface": "s", "ttl_seconds": 86_401}),
    (Lease, {"surface": "s", "note": "n" * 200}, {"surface": "s", "note": "n" * 201}),
    (Lease, {"surface": "s", "mode": "shared"}, {"surface": "s", "mode": "both"}),
    (TaskCreate, {"title": "t" * 200}, {"title": "t" * 201}),
    (TaskCreate, {"title": "t", "detail": "d" * 4000}, {"title": "t", "detail": "d" * 4001}),
    (TaskCreate, {"title": "t", "depends_on": [1] * 50}, {"title": "t", "depends_on": [1] * 51}),
    (TaskBlock, {"task_id": 1, "reason": "r" * 500}, {"task_id": 1, "reason": "r" * 501}),
    (TaskAssign, {"task_id": 1, "owner": "o"}, {"task_id": 0, "owner": "o"}),
    (QueryEvents, {"limit": 1000}, {"limit": 1001}),
    (QueryEvents, {"type": "claim"}, {"type": "claims"}),
    (WhatsNew, {"limit": 500}, {"limit": 501}),
    (Claim, {"sequence": "a"}, {"sequence": "a", "project": "another"}),
]


@pytest.mark.parametrize(("command", "allowed", "beyond"), LIMITS)
def test_a_command_holds_its_limits(command: type[Struct], allowed: dict[str, Any], beyond: dict[str, Any]) -> None:
    msgspec.convert(allowed, command)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(beyond, command)


WAITING: list[AnyCommand] = [
    ReadPosts(wait_seconds=5),
    Lease(surface="s", wait_seconds=5),
    WhatsNew(wait_seconds=5),
]


def test_only_three_commands_wait_and_only_if_asked_to() -> None:
    assert [command.wait_seconds for command in WAITING] == [5, 5, 5]
    fields = {cls for cls in get_args(AnyCommand) if "wait_seconds" in cls.__struct_fields__}
    assert fields == {type(command) for command in WAITING}
    assert Claim(sequence="adr").wait_seconds == 0


def test_what_ends_a_wait_is_an_event_that_exists() -> None:
    assert all(cls.awaits is None or cls.awaits <= set(EVENT_TYPES) for cls in get_args(AnyCommand))


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (Post(to_actor="ben", body="b"), "ben"),
        (Post(to_lane="qa", body="b"), None),
        (TaskCreate(title="t", owner="ben"), "ben"),
        (TaskCreate(title="t"), None),
        (TaskAssign(task_id=1, owner="ben"), "ben"),
        (Claim(sequence="adr"), None),
        (QueryEvents(actor="kim/ben"), None),
    ],
)
def test_a_command_says_whom_it_names(command: AnyCommand, name: str | None) -> None:
    assert command.addressee_name == name
