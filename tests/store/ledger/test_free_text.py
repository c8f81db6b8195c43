"""Words are found from the newest on, by blocks of an index or among the few events of a filter; both are bounded."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from engine.lookups import EventQuery, Found
from store.ledger import free_text
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
    "two common ones": ("sub wor", {}, list(range(29_991, 29_991 - 10 * LIMIT, -10))),
    "in other letters": ("NEEDLE rare", {}, [20_001, 11]),
    "in the middle of a word": ("eedle", {"actor": "ann/agent-11"}, []),
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
    said = free_text.query_of(text)
    assert said is not None
    asked = EventQuery(**{"upto": EVENTS, "limit": LIMIT, **fields})
    found: Found[Any] = await free_text.find(connection, PROJECT, asked, said)
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


@pytest.mark.parametrize("few_max", [1, free_text.FEW_MAX], ids=["by blocks", "among few"])
async def test_words_are_found_from_the_newest_on(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, few_max: int
) -> None:
    monkeypatch.setattr(free_text, "FEW_MAX", few_max)
    for name, (text, fields, numbers) in SEARCHES.items():
        assert await search(connection, text, **fields) == (numbers[:LIMIT], None), name
    assert await search(connection, "needle", upto=0) == ([], None)


async def paged(connection: Connection, text: str, **fields: Any) -> tuple[list[int], int]:
    """What is found in all, and in how many pages."""
    found, upto, pages = list[int](), EVENTS, 0
    while True:
        numbers, back_to = await search(connection, text, **{**fields, "upto": upto})
        found, pages = [*found, *numbers], pages + 1
        if back_to is None:
            return found, pages
        upto = back_to - 1


async def test_a_search_that_asks_many_blocks_ends_early_and_goes_on_where_it_ended(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_text, "BLOCKS_MAX", 1)
    assert await paged(connection, "needle") == ([20_001, 11], 1 + EVENTS // free_text.BLOCK_EVENTS)


async def test_a_search_whose_filter_drops_many_events_ends_early_and_goes_on_where_it_ended(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_text, "FEW_MAX", 1)
    monkeypatch.setattr(free_text, "READ_MAX", 1_000)
    assert await paged(connection, "word", type="claim") == ([], 2)
    of_a_tag = [number for number in range(29_991, 0, -10) if number % 7 == 0 and number % 90 == 11]
    assert await paged(connection, "word", tag="tag-11") == (of_a_tag, 2)


async def test_a_search_that_compares_for_long_ends_early_and_goes_on_where_it_ended(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_a_tag, _ = await paged(connection, "word", tag="tag-1")
    monkeypatch.setattr(free_text, "SLICE_EVENTS", 10)
    assert await paged(connection, "word", tag="tag-1") == (of_a_tag, 1)
    monkeypatch.setattr(free_text, "COMPARED_SECONDS_MAX", -1)
    found, pages = await paged(connection, "word", tag="tag-1")
    assert found == of_a_tag
    assert pages > 2


class Planned(Explaining):
    """A session that shows what the search itself did; what prepares it is done."""

    async def fetch(self, statement: str, parameters: Any = ()) -> list[Any]:
        if "as said" in statement:
            self.plan += await self._explained(statement, parameters)
        return await self._inner.fetch(statement, parameters)

    def transaction(self) -> AbstractAsyncContextManager[None]:
        return self._inner.transaction()


async def plan_of(connection: Connection, text: str, **fields: Any) -> str:
    """What a search read."""
    planned, said = Planned(connection), free_text.query_of(text)
    assert said is not None
    await free_text.find(planned, PROJECT, EventQuery(upto=EVENTS, limit=LIMIT, **fields), said)  # type: ignore[arg-type]
    return planned.plan


async def test_of_a_common_word_no_more_is_read_than_is_in_its_newest_block(connection: Connection) -> None:
    plan = await plan_of(connection, "word")
    assert "events_by_words" in plan, plan
    assert entries_read(plan) <= free_text.BLOCK_EVENTS // 10 + 2 * LIMIT, plan


async def test_of_a_common_word_and_a_filter_that_few_events_meet_those_are_read(connection: Connection) -> None:
    for fields in ({"actor": "ann/agent-2"}, {"actor": "ann/nobody"}, {"type": "claim", "actor": "ann/agent-2"}):
        plan = await plan_of(connection, "word", **fields)
        assert "events_by_words" not in plan, plan
        assert entries_read(plan) <= EVENTS // 50, plan


async def test_of_a_common_word_and_a_common_filter_that_never_meet_a_bounded_number_is_read(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_text, "READ_MAX", 100)
    plan = await plan_of(connection, "word", type="claim")
    assert entries_read(plan) <= free_text.BLOCK_EVENTS // 10 + 2 * LIMIT, plan
