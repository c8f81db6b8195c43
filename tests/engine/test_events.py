from typing import Any, ClassVar, get_args

import msgspec
import pytest
from msgspec.structs import asdict

from engine import commits, leases, posts, presence, repairs, sequences, tasks
from engine.commits import CommitChecked, Numbers, Paths
from engine.events import EVENT_TYPES, EventType, Unknown, decode, encode, payload, stored_payload
from engine.fields import Shown, is_hidden, is_shown
from engine.leases import Leased, Released
from engine.posts import Acked, Posted
from engine.presence import Registered
from engine.repairs import Lost
from engine.sequences import Claim, Claimed, Seeded, Voided
from engine.tasks import TaskAssigned, TaskBlocked, TaskCancelled, TaskCreated, TaskResolved, TaskShipped, TaskStarted
from engine.vocabulary import EventData

BARE_POST = Posted(to_lane=None, to_actor=None, subject=None, body="b", ref=None, tag=None, thread=1)
SHOWN_POST = {"to_lane": None, "to_actor": None, "subject": None, "ref": None, "tag": None, "thread": 1}

ROWS: list[tuple[EventData, dict[str, Any]]] = [
    (
        Claimed(sequence="adr", number=1, formatted="A-1", note=None),
        {"sequence": "adr", "number": 1, "formatted": "A-1", "note": None},
    ),
    (
        Claimed(sequence="adr", number=1, formatted="1", note="n", key="k"),
        {"sequence": "adr", "number": 1, "formatted": "1", "note": "n"},
    ),
    (
        Claimed(sequence="adr", number=1, formatted="1", note=None, by="hook"),
        {"sequence": "adr", "number": 1, "formatted": "1", "note": None, "by": "hook"},
    ),
    (
        Seeded(sequence="adr", current=0, prefix="", pad=0),
        {"sequence": "adr", "current": 0, "prefix": "", "pad": 0},
    ),
    (
        Seeded(sequence="adr", current=1, prefix="", pad=0, archived=True),
        {"sequence": "adr", "current": 1, "prefix": "", "pad": 0, "archived": True},
    ),
    (
        Voided(sequence="adr", number=1, formatted="1", reason="r", claimed_by="kim/ada"),
        {"sequence": "adr", "number": 1, "formatted": "1", "reason": "r", "claimed_by": "kim/ada"},
    ),
    (Registered(lane="qa", status=None), {"lane": "qa", "status": None}),
    (BARE_POST, SHOWN_POST),
    (
        Posted(
            to_lane="qa",
            to_actor="kim/ben",
            to_id=2,
            subject="s",
            body="b",
            ref="r",
            tag="t",
            thread=1,
            reply_to=3,
            key="k",
        ),
        {"to_lane": "qa", "to_actor": "kim/ben", "subject": "s", "ref": "r", "tag": "t", "thread": 1, "reply_to": 3},
    ),
    (Acked(post_id=1), {"post_id": 1}),
    (Acked(post_id=1, note="n"), {"post_id": 1, "note": "n"}),
    (
        Posted(**{**asdict(BARE_POST), "ack_within_seconds": 60}),
        {**SHOWN_POST, "ack_within_seconds": 60},
    ),
    (Leased(surface="a", ttl_seconds=1), {"surface": "a", "ttl_seconds": 1}),
    (
        Leased(surface="a", ttl_seconds=1, note="n", mode="shared"),
        {"surface": "a", "ttl_seconds": 1, "note": "n", "mode": "shared"},
    ),
    (
        Leased(surface="a", ttl_seconds=1, by="hook"),
        {"surface": "a", "ttl_seconds": 1, "by": "hook"},
    ),
    (Released(surface="a"), {"surface": "a"}),
    (
        TaskCreated(task_id=1, title="t", lane=None, owner=None),
        {"task_id": 1, "title": "t", "lane": None, "owner": None},
    ),
    (
        TaskCreated(task_id=3, title="t", lane="qa", owner="kim/ben", owner_id=2, detail="d", depends_on=(1, 2)),
        {"task_id": 3, "title": "t", "lane": "qa", "owner": "kim/ben", "detail": "d", "depends_on": [1, 2]},
    ),
    (TaskAssigned(task_id=1, owner="kim/ben", owner_id=2), {"task_id": 1, "owner": "kim/ben"}),
    (TaskStarted(task_id=1), {"task_id": 1}),
    (TaskBlocked(task_id=1, on=None, reason="r"), {"task_id": 1, "on": None, "reason": "r"}),
    (TaskBlocked(task_id=1, on=2, reason="r"), {"task_id": 1, "on": 2, "reason": "r"}),
    (TaskResolved(task_id=1, blocker=None), {"task_id": 1, "blocker": None}),
    (TaskShipped(task_id=1), {"task_id": 1}),
    (TaskCancelled(task_id=1, reason="r", frees=(2,)), {"task_id": 1, "reason": "r", "frees": [2]}),
    (
        CommitChecked(commit="9fceb02", numbers=Numbers(claimed=1, unclaimed=2), paths=Paths(own=3, none=4)),
        {
            "commit": "9fceb02",
            "numbers": {"claimed": 1, "by_hook": 0, "unclaimed": 2},
            "paths": {"own": 3, "by_hook": 0, "other": 0, "none": 4},
        },
    ),
    (
        CommitChecked(commit="9fceb02", numbers=Numbers(), paths=Paths(), bypassed=True, unchecked="why"),
        {
            "commit": "9fceb02",
            "numbers": {"claimed": 0, "by_hook": 0, "unclaimed": 0},
            "paths": {"own": 0, "by_hook": 0, "other": 0, "none": 0},
            "bypassed": True,
            "unchecked": "why",
        },
    ),
    (Lost(reason="r"), {"reason": "r"}),
    (Lost(reason="r", was="ack", data='{"post_id": 1}'), {"reason": "r", "was": "ack"}),
]


def test_every_type_is_in_the_table_and_in_the_vocabulary() -> None:
    assert {data.type for data, _ in ROWS} == set(EVENT_TYPES) == set(get_args(EventType))


@pytest.mark.parametrize(("data", "shown"), ROWS)
def test_queries_show_everything_but_bodies_keys_and_internal_ids(data: EventData, shown: dict[str, Any]) -> None:
    assert msgspec.json.decode(msgspec.json.encode(payload(data))) == shown


@pytest.mark.parametrize("data", [data for data, _ in ROWS])
def test_queries_show_the_same_of_a_stored_event(data: EventData) -> None:
    assert list(stored_payload(data.type, encode(data)).items()) == list(payload(data).items())


def test_what_is_not_shown_of_a_stored_event_is_not_read() -> None:
    assert stored_payload("post", b'{"to_lane":"api","to_actor":null,"subject":null,"ref":null,"tag":null,"thread":1}')
    assert stored_payload("teleport", b'{"to":"mars"}') == {}


@pytest.mark.parametrize("data", [data for data, _ in ROWS])
def test_what_was_written_is_read_again(data: EventData) -> None:
    assert decode(data.type, encode(data)) == data
    assert decode(data.type, encode(data).decode()) == data


@pytest.mark.parametrize("data", [data for data, _ in ROWS])
def test_a_field_that_a_later_version_added_does_not_hinder(data: EventData) -> None:
    later = {**msgspec.json.decode(encode(data)), "added_later": 1}
    assert decode(data.type, msgspec.json.encode(later)) == data


def test_an_event_of_a_newer_version_is_kept_and_shows_nothing() -> None:
    unknown = decode("teleport", b'{"to":"mars"}')
    assert isinstance(unknown, Unknown)
    assert (unknown.type, encode(unknown), payload(unknown)) == ("teleport", b'{"to":"mars"}', {})
    assert decode("teleport", '{"to":"mars"}') == unknown


def test_a_field_is_hidden_until_it_says_that_it_is_shown() -> None:
    class Teleported(EventData, frozen=True, kw_only=True):
        type: ClassVar[str] = "teleport"
        to: Shown[str]
        secret: str

    assert [is_shown(field.type) for field in msgspec.structs.fields(Teleported)] == [True, False]


def test_what_hooks_say_of_themselves_is_no_argument_that_clients_are_told_of() -> None:
    hidden = {field.name for field in msgspec.structs.fields(Claim) if is_hidden(field.type)}
    assert hidden == {"by"}


def test_every_event_data_is_in_the_union() -> None:
    concerns = (commits, leases, posts, presence, repairs, sequences, tasks)
    declared = {cls for module in concerns for cls in vars(module).values() if isinstance(cls, type)}
    assert {cls for cls in declared if issubclass(cls, EventData) and hasattr(cls, "type")} == set(EVENT_TYPES.values())
