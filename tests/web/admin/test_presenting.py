"""Times, spans and counts as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from web.admin.presenting import ago, count, exact, iso, json, sentence, span

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (timedelta(seconds=0), "just now"),
        (timedelta(seconds=9), "just now"),
        (timedelta(seconds=-9), "just now"),
        (timedelta(seconds=10), "10 s ago"),
        (timedelta(seconds=59), "59 s ago"),
        (timedelta(minutes=3, seconds=59), "3 min ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=29, hours=23), "29 d ago"),
        (timedelta(days=30), "30 Jan 2026"),
        (timedelta(minutes=-5), "in 5 min"),
        (timedelta(hours=-24), "in 1 d"),
        (timedelta(days=-31), "1 Apr 2026"),
    ],
)
def test_a_time_is_told_from_now(before: timedelta, said: str) -> None:
    assert ago(NOW - before, NOW) == said


def test_the_exact_time_is_in_utc_wherever_it_was_written() -> None:
    elsewhere = NOW.astimezone(datetime.strptime("+0530", "%z").tzinfo)
    assert exact(elsewhere) == "1 March 2026, 12:00:00 UTC"
    assert iso(elsewhere) == "2026-03-01T12:00:00.000Z"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (1800, "30 min"),
        (5400, "1 h 30 min"),
        (3601, "1 h"),
        (86_400, "1 d"),
        (90_061, "1 d 1 h"),
    ],
)
def test_a_span_has_at_most_two_units(seconds: int, said: str) -> None:
    assert span(seconds) == said


def test_counts_are_grouped_sentences_begin_with_a_capital_and_json_is_indented() -> None:
    assert count(1_000_000) == "1,000,000"
    assert sentence("a handle has letters.") == "A handle has letters."
    assert sentence("") == ""
    assert json({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}'
