"""What is remembered of sessions is bounded, for one participant and for all."""

from web.hooks.sessions import SESSIONS_MAX, SESSIONS_OF_ONE_MAX, Sessions


def test_a_session_is_found_by_whoever_began_it() -> None:
    sessions = Sessions()
    known = sessions.begin((1, 2), "a")
    assert sessions.find((1, 2), "a") is known
    assert sessions.find((1, 3), "a") is None
    assert sessions.find((2, 2), "a") is None
    assert sessions.begin((1, 2), "a") is not known
    sessions.end((1, 2), "a")
    sessions.end((1, 2), "a")
    assert sessions.find((1, 2), "a") is None


def test_one_participant_loses_its_own_oldest_session() -> None:
    sessions = Sessions()
    other = sessions.begin((1, 3), "x")
    for number in range(SESSIONS_OF_ONE_MAX + 1):
        sessions.begin((1, 2), str(number))
    assert sessions.find((1, 2), "0") is None
    assert sessions.find((1, 2), "1") is not None
    assert sessions.find((1, 3), "x") is other


def test_all_together_lose_the_oldest() -> None:
    sessions = Sessions()
    for reader in range(SESSIONS_MAX + 1):
        sessions.begin((1, reader), "x")
    assert sessions.find((1, 0), "x") is None
    assert sessions.find((1, 1), "x") is not None
