"""Times, spans and counts as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from web.admin.presenting import ago, browser, count, exact, iso, json, sentence, span

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


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0", "Edge on Windows"),
        ("Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 15_1) AppleWebKit/605.1 Version/26.0 Safari/605.1", "Safari on macOS"),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
    ],
)
def test_a_browser_is_named_and_what_is_unknown_is_told_as_it_is(user_agent: str, said: str) -> None:
    assert browser(user_agent) == said
