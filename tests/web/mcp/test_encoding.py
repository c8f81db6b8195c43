"""How results are encoded."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from actors import Limits
from engine.ledger import Events
from engine.lookups import EventView
from engine.vocabulary import Reply
from tests.passes import counted_passes
from web import steps
from web.mcp import encoding
from web.mcp.encoding import encode, encode_in_steps, encode_text_in_steps


def test_every_time_has_three_decimals_and_what_looks_like_one_stays() -> None:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    note = '2026-01-31T12:00:00Z" Z", "at":"2026-01-31T12:00:00Z'
    given = {
        "at": at,
        "note": note,
        "rows": [{"created_at": at + timedelta(milliseconds=7), "name": "2026-01-31T12:00:00Z"}],
        "ts": at + timedelta(microseconds=123_456),
        "last_seen": at,
    }

    assert json.loads(encode(given)) == {
        "at": "2026-01-31T12:00:00.000Z",
        "note": note,
        "rows": [{"created_at": "2026-01-31T12:00:00.007Z", "name": "2026-01-31T12:00:00Z"}],
        "ts": "2026-01-31T12:00:00.123Z",
        "last_seen": "2026-01-31T12:00:00.000Z",
    }


class Lists(Reply, frozen=True, kw_only=True, omit_defaults=True, rename={"many": "all"}):
    sender: str
    few: list[int]
    many: list[int]
    note: str | None = None
    more: list[int]


def events(count: int) -> list[EventView]:
    at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    return [EventView(id=n, ts=at, actor="ada/web", type="claim", payload={"note": 'Z"'}) for n in range(count)]


@pytest.mark.parametrize("count", [0, 1, encoding.ITEMS_AT_ONCE, encoding.ITEMS_AT_ONCE + 1, 1_000])
async def test_a_long_answer_is_the_same_as_one_that_is_written_at_once(count: int) -> None:
    reply = Events(events=events(count), omitted=3)
    assert await encode_in_steps(reply) == encode(reply)


async def test_every_list_and_what_is_renamed_or_left_out_keeps_its_place() -> None:
    reply = Lists(sender="ada", few=[1], many=list(range(99)), more=list(range(50)))
    assert await encode_in_steps(reply) == encode(reply)


@pytest.mark.parametrize("text", ["", "x", 'a "quoted" \\ line\n', "é€😀" * encoding.CHARACTERS_AT_ONCE])
async def test_a_long_text_is_the_same_as_one_that_is_written_at_once(text: str) -> None:
    assert bytes(await encode_text_in_steps(text)) == msgspec.json.encode(text)


async def test_others_run_while_a_long_answer_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "STEP", Limits(slice_seconds_max=0))
    async with counted_passes() as passes:
        await encode_in_steps(Events(events=events(100 * encoding.ITEMS_AT_ONCE)))
        assert passes.count >= 90
        await encode_text_in_steps("x" * 100 * encoding.CHARACTERS_AT_ONCE)
        assert passes.count >= 180
