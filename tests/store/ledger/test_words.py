"""Words are found from the newest block of events on, each block by the index, and no search asks too many blocks."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.lookups import EventQuery, Found
from store.ledger import words
from store.ledger.history import find_words
from store.postgres.connection import Connection
from tests.postgres import query
from tests.store.history_of_many import generate
from tests.store.ledger.test_history import Explaining, entries_read

PROJECT, OTHER, EVENTS, LIMIT = 1, 11, 30_000, 50
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)

RARE = 'update events set data = data || \'{"subject": "Rare needle"}\' where project_id = 1 and seq in (11, 20001)'
"""Each is a post, in a block of its own; neither is in the newest one."""

SEARCHES: dict[str, tuple[str, dict[str, Any], list[int]]] = {
    "rare": ("needle", {}, [20_001, 11]),
    "its beginning": ("need", {}, [20_001, 11]),
    "with a common word": ("word needle", {}, [20_001, 11]),
    "absent": ("nowhere", {}, []),
    "two that never meet": ("subject needle", {}, []),
    "before one of them": ("needle", {"upto": 20_000}, [11]),
    "after one of them": ("needle", {"after": 11}, [20_001]),
    "until a time": ("needle", {"until": BEGAN + timedelta(seconds=20_000)}, [11]),
    "since a time": ("needle", {"since": BEGAN + timedelta(seconds=12)}, [20_001]),
    "since the future": ("needle", {"since": BEGAN + timedelta(days=1_000)}, []),
    "by somebody": ("needle", {"actor": "ann/agent-11"}, [11]),
    "by two filters": ("needle", {"actor": "ann/agent-11", "type": "post"}, [11]),
    "by filters that never meet": ("needle", {"actor": "ann/agent-11", "type": "seed"}, []),
    "common": ("word", {}, list(range(29_991, 29_991 - 10 * LIMIT, -10))),
    "common, of few": ("word", {"tag": "tag-1"}, [n for n in range(29_991, 0, -10) if n % 7 == 0 and n % 90 == 1]),
}


async def lexemes(connection: Connection, text: str) -> set[str]:
    """What the index has of an event with this text, in the third block of a project."""
    asked = "select unnest(tsvector_to_array(words_by_block(1, 2 * 8192, jsonb_build_object('body', %s::text))))"
    return {lexeme for (lexeme,) in await connection.fetch(asked, (text,))}


@pytest.fixture
async def connection(conninfo: str) -> AsyncIterator[Connection]:
    query(conninfo, generate(PROJECT, EVENTS))
    query(conninfo, generate(OTHER, 2 * LIMIT))
    query(conninfo, RARE)
    connection = await Connection.open(conninfo)
    yield connection
    connection.close()


async def search(connection: Connection, text: str, **fields: Any) -> tuple[list[int], int | None]:
    """The numbers of what was found, and how far back the search came."""
    said = words.query_of(text)
    assert said is not None
    asked = EventQuery(**{"upto": EVENTS, "limit": LIMIT, **fields})
    found: Found[Any] = await find_words(connection, PROJECT, asked, said)
    return [event.id for event in found], found.searched_back_to


@pytest.mark.parametrize(
    "text",
    [
        "The Storage-Format, ok.",
        "e-mail: a_b 5.5 v2.0/x",
        "É ÉLAN naïve Straße",
        "漢字・かな Привет",
        "",
        "...",
        "x" * 900,
    ],
)
async def test_a_word_is_the_same_in_a_short_and_in_a_long_text(connection: Connection, text: str) -> None:
    short, long = [await lexemes(connection, said) for said in (text, f"{text} {'filler ' * 200}")]
    assert long - short <= {"p1b2w", "p1b2wfiller"}
    assert short <= long


async def test_a_word_that_is_too_long_for_an_index_is_left_out(connection: Connection) -> None:
    assert await lexemes(connection, f"a {'x' * 30_000} b") >= {"p1b2wa", "p1b2wb"}


async def test_words_are_found_from_the_newest_on(connection: Connection) -> None:
    for name, (text, fields, numbers) in SEARCHES.items():
        assert await search(connection, text, **fields) == (numbers[:LIMIT], None), name
    assert await search(connection, "needle", upto=0) == ([], None)


async def test_a_search_that_asks_many_blocks_ends_early_and_goes_on_where_it_ended(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "BLOCKS_MAX", 1)
    found, upto, pages = list[int](), EVENTS, 0
    while True:
        numbers, back_to = await search(connection, "needle", upto=upto)
        found, pages = [*found, *numbers], pages + 1
        if back_to is None:
            break
        upto = back_to - 1
    assert (found, pages) == ([20_001, 11], 1 + EVENTS // words.BLOCK_EVENTS)


class Planned(Explaining):
    """A session that shows what the search itself did; what prepares it is done."""

    async def fetch(self, statement: str, parameters: Any = ()) -> list[Any]:
        return await self._inner.fetch(statement, parameters)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self._inner.transaction()


async def test_of_a_common_word_no_more_is_read_than_is_in_its_newest_block(connection: Connection) -> None:
    planned, said = Planned(connection), words.query_of("word")
    assert said is not None
    await find_words(planned, PROJECT, EventQuery(upto=EVENTS, limit=LIMIT), said)  # type: ignore[arg-type]
    assert "events_by_words" in planned.plan, planned.plan
    assert entries_read(planned.plan) <= words.BLOCK_EVENTS // 10 + 2 * LIMIT, planned.plan


async def test_no_block_is_asked_for_what_a_filter_rules_out(connection: Connection) -> None:
    planned, said = Planned(connection), words.query_of("word")
    assert said is not None
    await find_words(planned, PROJECT, EventQuery(upto=EVENTS, actor="ann/nobody", limit=LIMIT), said)  # type: ignore[arg-type]
    assert planned.plan == ""
