"""Every time in an answer has three decimals, so that times sort as text, and no other text is touched."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from msgspec import Struct

from engine import commits, held_leases, leases, ledger, lookups, posts, presence, repairs, sequences, tasks
from engine.decision import Context, Pending
from engine.vocabulary import Command, Reply
from tests.web.bus import Bus
from web.mcp import identity_tools
from web.mcp.encoding import encode

MODULES = (commits, leases, ledger, lookups, posts, presence, repairs, sequences, tasks, identity_tools)
NEVER_ANSWERED = {lookups.EventQuery, lookups.PostQuery, lookups.TaskQuery, held_leases.HeldLease, Context, Pending}
A_TIME = r'(?<=":")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^"]*'


def times_of(module: ModuleType) -> Iterator[tuple[str, str]]:
    """The fields that hold a time, of everything that this module answers with or writes to the ledger."""
    for cls in vars(module).values():
        if not (isinstance(cls, type) and issubclass(cls, Struct)) or cls in NEVER_ANSWERED or issubclass(cls, Command):
            continue
        names = dict(zip(cls.__struct_fields__, cls.__struct_encode_fields__, strict=True))
        for name, annotation in get_type_hints(cls).items():
            if name in names and datetime in (annotation, *get_args(annotation)):
                yield cls.__name__, names[name]


def answered(reply: Any) -> str:
    return encode(reply).decode()


@pytest.mark.parametrize("name", sorted({name for module in MODULES for _, name in times_of(module)}))
@pytest.mark.parametrize(("microsecond", "decimals"), [(0, "000"), (7_000, "007"), (120_000, "120"), (999_000, "999")])
def test_every_field_with_a_time_is_answered_with_three_decimals(name: str, microsecond: int, decimals: str) -> None:
    row = msgspec.defstruct("Row", [(name, datetime)])
    reply = msgspec.defstruct("Reply", [(name, datetime), ("rows", list[Any])], bases=(Reply,), kw_only=True)
    at = datetime(2026, 1, 31, 9, 5, 20, microsecond, UTC)
    written = f"2026-01-31T09:05:20.{decimals}Z"
    assert (
        answered(reply(**{name: at, "rows": [row(at)]}))
        == f'{{"{name}":"{written}","rows":[{{"{name}":"{written}"}}]}}'
    )


@pytest.mark.parametrize(
    "text", ["2026-01-31T09:05:20Z", '"at":"2026-01-31T09:05:20Z"', '{"at":"2026-01-31T09:05:20Z"}']
)
def test_what_somebody_wrote_stays_as_it_is(text: str) -> None:
    reply = msgspec.defstruct("Reply", [("body", str), ("note", str)], bases=(Reply,), kw_only=True)
    assert msgspec.json.decode(answered(reply(body=text, note=text))) == {"body": text, "note": text}


async def test_every_time_in_the_answers_of_a_project_has_three_decimals(bus: Bus, token: str) -> None:
    await bus.call(token, "register", lane="core")
    await bus.call(token, "claim", sequence="adr")
    await bus.call(token, "post", to_actor="lead", body="b", ack_within_seconds=60)
    await bus.call(token, "lease", surface="src")
    await bus.call(token, "task_create", title="t")
    await bus.call(token, "task_start", task_id=1)
    await bus.call(token, "task_block", task_id=1, reason="r")
    await bus.call(token, "create_invite")
    calls: list[tuple[str, dict[str, Any]]] = [
        *(("who_is_active", {}), ("latest_claims", {}), ("read_posts", {}), ("who_holds", {}), ("query_events", {})),
        *(("list_tasks", {"task_id": 1}), ("whats_new", {}), ("list_invites", {}), ("ack", {"post_id": 3})),
        *(("read_posts", {"from_me": True}), ("lease", {"surface": "src"}), ("create_invite", {})),
    ]
    for tool, arguments in calls:
        text = (await bus.result(token, tool, **arguments))["content"][0]["text"]
        times = re.findall(A_TIME, text)
        assert times, tool
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", time) for time in times), (tool, times)
