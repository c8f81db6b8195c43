"""Calls that wait end when their token stops working, at once and wherever it was taken back; others' go on."""

from collections.abc import Awaitable, Callable, Collection
from contextlib import nullcontext
from hashlib import sha256
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from engine.identity import Principal
from engine.posts import ReadPosts
from store import Store
from store.errors import StoreUnavailable
from store.people import grants, minting, owners, participants
from tests.bounds import HANG_SECONDS
from tests.web.bus import Bus
from tests.web.test_waiting import is_waiting
from web.config import Settings
from web.errors import NoLongerAdmitted
from web.http.exchange import Exchange
from web.http.request import Request
from web.identity.waits import RECHECK_SECONDS, Ending, Wait, Waits
from web.mcp.sending import send
from web.server import join

WAIT = {"name": "read_posts", "arguments": {"to_me": True, "wait_seconds": 55}}
End = Callable[[Bus, str], Awaitable[Any]]


async def ends(bus: Bus, lead: str, end: End) -> tuple[int, dict[str, Any]]:
    """What a waiting call of scout's is answered when `end` happens; another's wait must go on until its news."""
    scout, peer = await bus.mint("scout", is_admin=False), await bus.mint("peer", is_admin=False)
    answers: list[tuple[int, dict[str, Any]]] = []
    ended = trio.Event()
    posts: list[dict[str, Any]] = []

    async def wait() -> None:
        response = await bus.ask(scout, "tools/call", WAIT)
        answers.append((response.status_code, response.json()))
        ended.set()

    async def wait_for_news() -> None:
        posts.append(await bus.call(peer, "read_posts", to_me=True, wait_seconds=55))

    with trio.fail_after(HANG_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            nursery.start_soon(wait_for_news)
            await is_waiting(bus, 2)
            await end(bus, lead)
            await ended.wait()
            await is_waiting(bus, 1)
            assert posts == []
            await bus.call(lead, "post", to_actor="peer", body="News.")
    assert [post["body"] for post in posts[0]["posts"]] == ["News."]
    again = await bus.ask(scout, "tools/call", WAIT)
    assert (again.status_code, again.json()) == answers[0], "the same as a new request gets"
    return answers[0]


async def revoke(bus: Bus, lead: str) -> None:
    await bus.call(lead, "admin_revoke", participant_name="scout")


async def rotate(bus: Bus, lead: str) -> None:
    await bus.call(lead, "admin_rotate", participant_name="scout")


async def revoke_elsewhere(bus: Bus, _: str) -> None:
    await bus.store.write(grants.revoke, 1, "scout", by="elsewhere")


async def rotate_elsewhere(bus: Bus, _: str) -> None:
    await bus.store.write(grants.rotate, 1, "scout", by="elsewhere")


async def delete_elsewhere(bus: Bus, _: str) -> None:
    owner = await bus.store.read(owners.find_owner, "ada@example.com")
    assert owner is not None
    scout = next(person for person in await bus.store.read(participants.persons, owner.id) if person.label == "scout")
    await bus.store.write(participants.delete_participant, owner.id, scout.id, by="elsewhere")


@pytest.mark.parametrize("end", [revoke, rotate, revoke_elsewhere, rotate_elsewhere, delete_elsewhere])
async def test_the_wait_of_a_token_that_is_taken_back_ends_as_a_strangers_call(bus: Bus, token: str, end: End) -> None:
    status, answer = await ends(bus, token, end)
    assert (status, answer["error"]) == (401, "invalid_token")


async def test_the_waits_of_an_owner_who_is_suspended_elsewhere_end_as_forbidden(bus: Bus, token: str) -> None:
    other = await bus.store.write(minting.mint, "eve@example.com", "hers", "spy")
    owner = await bus.store.read(owners.find_owner, "ada@example.com")
    assert owner is not None
    statuses: list[int] = []

    async def wait(whose: str) -> None:
        statuses.append((await bus.ask(whose, "tools/call", WAIT)).status_code)

    with trio.fail_after(HANG_SECONDS):
        async with trio.open_nursery() as nursery:
            async with trio.open_nursery() as suspended:
                nursery.start_soon(wait, other.provisioned.token)
                suspended.start_soon(wait, token)
                await is_waiting(bus, 2)
                await bus.store.write(owners.suspend, owner.id, by="elsewhere")
            assert statuses == [403]
            await is_waiting(bus, 1)
            nursery.cancel_scope.cancel()


async def begin_to_wait_when_revoked(store: Store) -> Exchange:
    """The call was authenticated before, and had no place yet when the waits of its token were ended."""
    services = join(store, Settings(data_dir=Path("unused"), public_url="http://127.0.0.1"), trio.Event())
    token = (await store.write(minting.mint, "ada@example.com", "demo", "scout")).provisioned.token
    token_hash = sha256(token.encode()).digest()
    grant = await services.authenticator.authenticate(token_hash)
    assert grant is not None
    await services.people.revoke(grant.principal.project_id, "scout", by="test")
    exchange = Exchange(Request("POST", b"/mcp", []), "", nullcontext, token_hash=token_hash, held=[lambda: None])
    with pytest.raises(NoLongerAdmitted):
        await send(services, exchange, grant.principal, ReadPosts(to_me=True, wait_seconds=55))
    return exchange


async def test_who_begins_to_wait_just_after_the_token_was_taken_back_does_not(store: Store) -> None:
    await begin_to_wait_when_revoked(store)


async def test_who_begins_to_wait_gives_back_what_few_may_have(store: Store) -> None:
    """Others would not be alone while an agent waits for news."""
    assert not (await begin_to_wait_when_revoked(store)).held


async def test_a_silent_store_is_asked_again_until_it_says_who_may_wait(autojump_clock: MockClock) -> None:
    waits, asked = Waits(trio.Event()), list[float]()

    async def still_valid(hashes: Collection[bytes]) -> set[bytes]:
        asked.append(trio.current_time())
        if len(asked) < 3:
            raise StoreUnavailable("down")
        return set(hashes) - {digest("gone")}

    principal = somebody()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waits.run, still_valid)
        with (
            waits.parked(principal, digest("gone")) as gone,
            waits.parked(principal, digest("gone")) as twin,
            waits.parked(principal, digest("here")) as here,
        ):
            assert gone is not None
            assert twin is not None
            assert here is not None
            waits.doubt()
            with gone.scope():
                await trio.sleep_forever()
            assert gone.ending is Ending.NOT_ADMITTED
            assert twin.ending is Ending.NOT_ADMITTED
            assert here.ending is None
        nursery.cancel_scope.cancel()
    assert [round(later - asked[0]) for later in asked] == [0, RECHECK_SECONDS, 2 * RECHECK_SECONDS]


async def test_a_wait_that_begins_as_the_server_stops_ends_at_once() -> None:
    stopping = trio.Event()
    stopping.set()
    with Waits(stopping).parked(somebody(), digest("a")) as wait, trio.fail_after(HANG_SECONDS):
        assert wait is not None
        with wait.scope():
            await trio.sleep_forever()
        assert wait.ending is Ending.SERVER_STOPS


@pytest.mark.parametrize("others", [{Ending.SERVER_STOPS}, {Ending.CLIENT_LEFT}])
def test_that_a_token_no_longer_works_counts_whatever_else_ends_a_wait(others: set[Ending]) -> None:
    for ways in permutations({Ending.NOT_ADMITTED, *others}):
        wait = Wait()
        for why in ways:
            wait.end(why)
        assert wait.ending is Ending.NOT_ADMITTED


async def test_doubt_costs_nothing_while_nobody_waits() -> None:
    waits, asked = Waits(trio.Event()), list[Collection[bytes]]()

    async def still_valid(hashes: Collection[bytes]) -> set[bytes]:
        asked.append(hashes)
        return set(hashes)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(waits.run, still_valid)
        with waits.parked(somebody(), digest("a")):
            pass
        waits.doubt()
        await wait_all_tasks_blocked()
        assert asked == []
        with waits.parked(somebody(), digest("a")):
            waits.doubt()
            waits.doubt()
            await wait_all_tasks_blocked()
        assert asked == [{digest("a")}], "doubts are settled together"
        nursery.cancel_scope.cancel()


def digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def somebody() -> Principal:
    return Principal(
        id=1, project_id=1, handle="ada", label="scout", project="demo", is_admin=False, liveness_window_seconds=900
    )
