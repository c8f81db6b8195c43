"""Streams have a bound over all of them, and rest longer the more there are."""

from contextlib import ExitStack

import pytest

from web.streams import PAUSE_SECONDS, Crowd


def test_a_stream_more_than_fit_is_refused_until_one_ends() -> None:
    crowd = Crowd(50.0, 1)
    with crowd.joined() as first:
        with crowd.joined() as second:
            assert (first, second) == (True, False)
        assert crowd.size == 1
    with crowd.joined() as again:
        assert again


def test_the_more_streams_there_are_the_longer_each_rests_so_that_all_together_send_no_more() -> None:
    crowd = Crowd(50.0)
    with ExitStack() as streams:
        for size in (1, 10, 200):
            while crowd.size < size:
                streams.enter_context(crowd.joined())
            assert size / crowd.pause_seconds <= 50.0
            assert crowd.pause_seconds == pytest.approx(PAUSE_SECONDS + size / 50.0)
    assert crowd.pause_seconds == PAUSE_SECONDS
