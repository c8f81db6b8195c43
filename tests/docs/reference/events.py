"""The page of the ledger's events: every type, what it tells, and what is in its payload."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from engine.commits import CommitChecked, Numbers, Paths
from engine.events import EVENT_TYPES, payload
from engine.fields import is_shown
from engine.lookups import EventView
from engine.repairs import Lost
from engine.vocabulary import EventData
from store.ledger.repair import REPAIRER
from tests.docs.reference.markdown import code, json_block, page, table
from tests.docs.reference.shapes import first_line, type_in_words
from tests.docs.reference.words import WordsMissing
from web.mcp.encoding import encode

INTRODUCTION = """\
A project's ledger is a list of events that only grows; `query_events` searches it. Ids count from 1 without gaps, times
never run backwards, and `actor` is the name at that time. Bodies of posts are left out of payloads; `read_posts` shows
them. The examples are from one story that was run when this page was written."""


REPAIRED = EventView(
    id=6,
    ts=datetime(2026, 3, 2, 9, 0, 5, tzinfo=UTC),
    actor=REPAIRER,
    type=Lost.type,
    payload=payload(Lost(reason="The database lost this event.")),
)
"""What no bus writes, only `llm-bus repair`."""

COMMITTED = EventView(
    id=20,
    ts=datetime(2026, 1, 31, 9, 10, 5, tzinfo=UTC),
    actor="ada/api",
    type=CommitChecked.type,
    payload=payload(CommitChecked(commit="9fceb02", numbers=Numbers(claimed=1), paths=Paths(own=2, by_hook=1))),
)
"""What no tool writes: the commit hook sends it to `/hook/git`."""


def events_page(happened: list[EventView]) -> str:
    """The page; `happened` has every type at least once."""
    return page("Events", INTRODUCTION, *(_section(name, happened) for name in EVENT_TYPES))


def _section(name: str, happened: list[EventView]) -> str:
    example = next((event for event in (*happened, REPAIRED, COMMITTED) if event.type == name), None)
    if example is None:
        raise WordsMissing(f"nothing in the story writes a {name} event")
    kind = EVENT_TYPES[name]
    parts = [
        f"## {name}",
        first_line(kind),
        table(["field of the payload", "type"], _fields(kind)),
        json_block(_as_answered(example)),
    ]
    return "\n\n".join(parts)


def _as_answered(event: EventView) -> Any:
    return json.loads(encode(event))


def _fields(kind: type[EventData]) -> Iterator[tuple[str, str]]:
    for field in msgspec.structs.fields(kind):
        if is_shown(field.type):
            sometimes = "" if field.required else ", left out when there is nothing to say"
            yield code(field.name), type_in_words(field.type).removesuffix(", or null" if sometimes else "") + sometimes
