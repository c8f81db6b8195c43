"""How results are encoded."""

import json
from datetime import UTC, datetime, timedelta

import msgspec

from web.mcp.calls import _in_milliseconds


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

    assert json.loads(_in_milliseconds(msgspec.json.encode(given))) == {
        "at": "2026-01-31T12:00:00.000Z",
        "note": note,
        "rows": [{"created_at": "2026-01-31T12:00:00.007Z", "name": "2026-01-31T12:00:00Z"}],
        "ts": "2026-01-31T12:00:00.123Z",
        "last_seen": "2026-01-31T12:00:00.000Z",
    }
