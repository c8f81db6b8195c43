"""Streams have a bound over all of them, and rest longer the more there are."""

from web.streams import Crowd


def test_a_stream_more_than_fit_is_refused_until_one_ends() -> None:
    crowd = Crowd(1)
    with crowd.joined() as first:
        with crowd.joined() as second:
            assert (first, second) == (True, False)
        assert crowd.size == 1
    with crowd.joined() as again:
        assert again


def test_many_streams_make_each_of_them_rest_longer() -> None:
    crowd = Crowd()
    alone = crowd.pause_seconds
    with crowd.joined(), crowd.joined():
        assert crowd.pause_seconds > alone
    assert crowd.pause_seconds == alone
