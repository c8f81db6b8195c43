"""Browser sessions: found by a secret that nobody else can read, ended by idleness, by hand, and by too many others."""

import pytest
import trio

from store import Store
from store.people import owners, sessions
from store.people.sessions import PER_OWNER_MAX
from tests.postgres import query
from tests.store.estate import everything

pytestmark = pytest.mark.usefixtures("bounded")


@pytest.fixture
async def ann(store: Store) -> int:
    return (await store.write(owners.ensure_owner, "ann@example.com")).id


@pytest.fixture
async def bob(store: Store) -> int:
    return (await store.write(owners.ensure_owner, "bob@example.com")).id


def age(conninfo: str, interval: str) -> None:
    """Let every session have been seen last so long ago."""
    query(conninfo, f"update sessions set last_seen_at = now() - interval '{interval}'")


async def test_a_session_is_found_by_its_secret_and_nothing_else(store: Store, ann: int) -> None:
    opened = await store.write(sessions.open_session, ann, user_agent="Firefox")
    session = await store.read(sessions.find_session, opened.id)
    assert session is not None
    assert session.owner == await store.read(owners.find_owner, "ann@example.com")
    assert session.csrf == opened.csrf
    assert await store.read(sessions.find_session, opened.csrf) is None
    assert await store.read(sessions.find_session, str(session.key)) is None
    assert await store.read(sessions.find_session, "") is None


async def test_every_session_has_its_own_tokens_and_the_database_has_neither(
    store: Store, ann: int, conninfo: str
) -> None:
    opened = [await store.write(sessions.open_session, ann, user_agent="") for _ in range(2)]
    secrets = {secret for each in opened for secret in (each.id, each.csrf)}
    assert len(secrets) == 4
    written = str(everything(conninfo))
    assert not [secret for secret in secrets if secret in written]


async def test_a_session_that_was_idle_for_eight_hours_has_ended(store: Store, ann: int, conninfo: str) -> None:
    opened = await store.write(sessions.open_session, ann, user_agent="")
    age(conninfo, "7 hours 59 minutes")
    assert await store.read(sessions.find_session, opened.id) is not None
    age(conninfo, "8 hours")
    assert await store.read(sessions.find_session, opened.id) is None
    assert await store.read(sessions.list_sessions, ann) == []


async def test_use_is_noted_at_most_once_a_minute(store: Store, ann: int, conninfo: str) -> None:
    opened = await store.write(sessions.open_session, ann, user_agent="")
    seen = "select last_seen_at, xmin::text from sessions"
    before = query(conninfo, seen)
    await store.read(sessions.find_session, opened.id)
    assert query(conninfo, seen) == before
    age(conninfo, "61 seconds")
    await store.read(sessions.find_session, opened.id)
    assert query(conninfo, "select now() - last_seen_at < interval '30 seconds' from sessions") == [(True,)]


async def test_signing_in_again_replaces_the_session(store: Store, ann: int) -> None:
    first = await store.write(sessions.open_session, ann, user_agent="")
    second = await store.write(sessions.open_session, ann, user_agent="", replacing=first.id)
    assert await store.read(sessions.find_session, first.id) is None
    assert await store.read(sessions.find_session, second.id) is not None


async def test_the_oldest_session_goes_when_there_are_too_many(store: Store, ann: int, bob: int) -> None:
    others = await store.write(sessions.open_session, bob, user_agent="")
    opened = [await store.write(sessions.open_session, ann, user_agent="") for _ in range(PER_OWNER_MAX + 1)]
    assert await store.read(sessions.find_session, opened[0].id) is None
    assert await store.read(sessions.find_session, opened[1].id) is not None
    assert len(await store.read(sessions.list_sessions, ann)) == PER_OWNER_MAX
    assert await store.read(sessions.find_session, others.id) is not None


async def test_sessions_opened_at_once_are_not_too_many(store: Store, ann: int) -> None:
    async def open_one() -> None:
        await store.write(sessions.open_session, ann, user_agent="")

    async with trio.open_nursery() as nursery:
        for _ in range(PER_OWNER_MAX + 5):
            nursery.start_soon(open_one)
    assert len(await store.read(sessions.list_sessions, ann)) == PER_OWNER_MAX


async def test_opening_a_session_sweeps_those_that_ended(store: Store, ann: int, conninfo: str) -> None:
    await store.write(sessions.open_session, ann, user_agent="")
    age(conninfo, "9 hours")
    await store.write(sessions.open_session, ann, user_agent="")
    assert query(conninfo, "select count(*) from sessions") == [(1,)]


async def test_a_browser_is_named_in_what_can_be_shown_and_kept(store: Store, ann: int) -> None:
    await store.write(sessions.open_session, ann, user_agent="Fire\x00fox\n" + "x" * 1000)
    (row,) = await store.read(sessions.list_sessions, ann)
    assert row.user_agent == "Firefox" + "x" * 193


async def test_the_session_used_last_is_listed_first(store: Store, ann: int, conninfo: str) -> None:
    for name in ("first", "second"):
        await store.write(sessions.open_session, ann, user_agent=name)
    query(conninfo, "update sessions set last_seen_at = now() - interval '1 hour' where user_agent = 'second'")
    assert [row.user_agent for row in await store.read(sessions.list_sessions, ann)] == ["first", "second"]


async def test_a_closed_session_is_gone(store: Store, ann: int) -> None:
    opened = await store.write(sessions.open_session, ann, user_agent="")
    await store.write(sessions.close_session, opened.id)
    await store.write(sessions.close_session, opened.id)
    assert await store.read(sessions.find_session, opened.id) is None


async def test_signing_out_everywhere_ends_the_owners_sessions_and_no_others(store: Store, ann: int, bob: int) -> None:
    mine = [await store.write(sessions.open_session, ann, user_agent="") for _ in range(3)]
    others = await store.write(sessions.open_session, bob, user_agent="")
    assert await store.write(sessions.close_all_sessions, ann) == 3
    assert [await store.read(sessions.find_session, each.id) for each in mine] == [None] * 3
    assert await store.read(sessions.find_session, others.id) is not None


async def test_a_session_is_closed_by_its_key_by_its_owner_only(store: Store, ann: int, bob: int) -> None:
    opened = await store.write(sessions.open_session, ann, user_agent="")
    (row,) = await store.read(sessions.list_sessions, ann)
    assert not await store.write(sessions.close_session_by_key, bob, row.key)
    assert await store.read(sessions.find_session, opened.id) is not None
    assert await store.write(sessions.close_session_by_key, ann, row.key)
    assert not await store.write(sessions.close_session_by_key, ann, row.key)
    assert await store.read(sessions.find_session, opened.id) is None


async def test_a_session_tells_that_its_owner_is_suspended(store: Store, ann: int) -> None:
    opened = await store.write(sessions.open_session, ann, user_agent="")
    await store.write(owners.suspend, ann, by="root")
    session = await store.read(sessions.find_session, opened.id)
    assert session is not None
    assert session.owner.suspended
