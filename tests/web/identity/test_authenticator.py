"""Who gets in, and how long."""

from hashlib import sha256

import pytest
import trio
import trio.testing

from engine.identity import Principal
from store.errors import StoreUnavailable
from store.people import grants
from store.people.tokens import Grant
from tests.postgres import query
from tests.web.bus import Bus
from web.http.connection import ARRIVAL_SECONDS_MAX
from web.identity.authenticator import (
    GRANT_SECONDS_MAX,
    LOOK_UP_SECONDS_MAX,
    OLD_GRANT_SECONDS_MAX,
    RETRY_SECONDS,
    SILENCE_SECONDS,
    Authenticator,
)

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer llmbus_" + "A" * 43, "Bearer " + "x" * 9000],
)
async def test_strangers_all_get_the_same_answer(bus: Bus, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    response = await bus.http.post("/mcp", json=PING, headers=headers)
    assert response.status_code == 401
    expected = f'Bearer resource_metadata="{bus.url}/.well-known/oauth-protected-resource"'
    assert response.headers["www-authenticate"] == expected
    assert response.json()["error"] == "invalid_token"
    assert authorization is None or len(authorization) < 8 or authorization not in response.text


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_case_of_the_scheme_does_not_matter(bus: Bus, token: str, scheme: str) -> None:
    response = await bus.http.post("/mcp", json=PING, headers={"Authorization": f"{scheme} {token}"})
    assert response.status_code == 200


async def test_a_revoked_token_stops_working_at_once_and_writes_nothing(bus: Bus, token: str) -> None:
    scout = await bus.mint("scout", is_admin=False)
    await bus.call(scout, "claim", sequence="adr")
    assert (await bus.call(token, "admin_revoke", participant_name="scout"))["revoked"] == 1
    refused = await bus.ask(scout, "tools/call", {"name": "claim", "arguments": {"sequence": "adr"}})
    assert refused.status_code == 401
    assert await bus.ledger_length(token) == 1


async def test_a_rotated_token_works_and_the_old_one_does_not(bus: Bus, token: str) -> None:
    scout = await bus.mint("scout", is_admin=False)
    await bus.call(scout, "whoami")
    rotated = (await bus.call(token, "admin_rotate", participant_name="scout"))["token"]
    assert (await bus.ask(scout, "ping")).status_code == 401
    assert (await bus.call(rotated, "whoami"))["actor"] == "ada/scout"


async def test_what_another_process_revokes_stops_working_soon(bus: Bus, token: str) -> None:
    scout = await bus.mint("scout", is_admin=False)
    await bus.call(scout, "whoami")
    await bus.store.write(grants.revoke, 1, "scout", by="elsewhere")
    with trio.fail_after(OLD_GRANT_SECONDS_MAX):  # much sooner than while the database is away
        while (await bus.ask(scout, "ping")).status_code == 200:
            await trio.lowlevel.checkpoint()


async def test_the_token_of_a_suspended_owner_is_forbidden(bus: Bus, conninfo: str) -> None:
    token = await bus.mint()
    query(conninfo, "update owners set suspended_at = now()")
    response = await bus.ask(token, "ping")
    assert response.status_code == 403
    assert response.json()["error"] == "suspended"


class Tokens:
    """A store of tokens that can be silent, and counts how often it is asked."""

    def __init__(self, *known: bytes) -> None:
        self.known = {sha256(token).digest() for token in known}
        self.asked = 0
        self.silent = False
        self.hangs = False

    async def authenticate(self, token_hash: bytes) -> Grant | None:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        if self.hangs:
            await trio.sleep_forever()
        if self.silent:
            raise StoreUnavailable("silent")
        return GRANT if token_hash in self.known else None


GRANT = Grant(
    principal=Principal(id=1, project_id=1, handle="ada", label="lead", project="demo"),
    owner_id=1,
    participant_id=1,
    participation_id=1,
    suspended=False,
)


async def test_a_known_token_is_remembered_and_an_unknown_one_is_not() -> None:
    tokens = Tokens(b"good")
    authenticator = Authenticator(tokens.authenticate)
    for _ in range(3):
        assert await authenticator.authenticate(sha256(b"good").digest()) == GRANT
    assert tokens.asked == 1
    for _ in range(3):
        assert await authenticator.authenticate(sha256(b"bad").digest()) is None
    assert tokens.asked == 4


async def test_a_remembered_token_is_asked_about_again_in_time(autojump_clock: trio.testing.MockClock) -> None:
    tokens = Tokens(b"good")
    authenticator = Authenticator(tokens.authenticate)
    await authenticator.authenticate(sha256(b"good").digest())
    tokens.known.clear()
    await trio.sleep(GRANT_SECONDS_MAX)
    assert await authenticator.authenticate(sha256(b"good").digest()) is None


async def test_a_token_forgotten_while_it_is_looked_up_is_not_remembered() -> None:
    tokens = Tokens(b"good")
    authenticator = Authenticator(tokens.authenticate)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(authenticator.authenticate, sha256(b"good").digest())
        while not tokens.asked:
            await trio.lowlevel.checkpoint()
        authenticator.forget([sha256(b"good").digest()])
    tokens.known.clear()
    assert await authenticator.authenticate(sha256(b"good").digest()) is None


async def test_many_callers_with_one_new_token_ask_the_store_a_few_times_only() -> None:
    tokens = Tokens(b"good")
    authenticator = Authenticator(tokens.authenticate)
    async with trio.open_nursery() as nursery:
        for _ in range(500):
            nursery.start_soon(authenticator.authenticate, sha256(b"good").digest())
    assert tokens.asked <= 4


async def test_a_token_that_was_good_is_believed_while_the_store_is_silent_but_not_for_ever(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tokens = Tokens(b"good")
    authenticator = Authenticator(tokens.authenticate)
    await authenticator.authenticate(sha256(b"good").digest())
    tokens.silent = True
    await trio.sleep(GRANT_SECONDS_MAX)
    for _ in range(100):
        assert await authenticator.authenticate(sha256(b"good").digest()) == GRANT
    assert tokens.asked == 2
    await trio.sleep(RETRY_SECONDS)
    assert await authenticator.authenticate(sha256(b"good").digest()) == GRANT
    assert tokens.asked == 3
    await trio.sleep(OLD_GRANT_SECONDS_MAX)
    with pytest.raises(StoreUnavailable):
        await authenticator.authenticate(sha256(b"good").digest())


async def test_a_new_token_is_told_that_the_store_is_silent() -> None:
    tokens = Tokens(b"good")
    tokens.silent = True
    with pytest.raises(StoreUnavailable):
        await Authenticator(tokens.authenticate).authenticate(sha256(b"good").digest())


async def test_many_known_tokens_are_believed_at_once_when_the_store_falls_silent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    known = [b"%d" % number for number in range(50)]
    tokens = Tokens(*known)
    authenticator = Authenticator(tokens.authenticate)
    for token in known:
        await authenticator.authenticate(sha256(token).digest())
    tokens.hangs = True
    await trio.sleep(GRANT_SECONDS_MAX)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for token in known:
            nursery.start_soon(authenticator.authenticate, sha256(token).digest())
    assert trio.current_time() - began == pytest.approx(SILENCE_SECONDS)


async def test_many_new_tokens_are_all_told_in_time_that_the_store_is_silent(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tokens = Tokens()
    tokens.hangs = True
    authenticator = Authenticator(tokens.authenticate)

    async def refused(token: bytes) -> None:
        with pytest.raises(StoreUnavailable):
            await authenticator.authenticate(sha256(token).digest())

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(refused, b"%d" % number)
    assert trio.current_time() - began == pytest.approx(LOOK_UP_SECONDS_MAX)


def test_a_look_up_ends_before_its_request_counts_as_too_slow() -> None:
    assert LOOK_UP_SECONDS_MAX < ARRIVAL_SECONDS_MAX


@pytest.mark.parametrize("sent", ["${LLM_BUS_TOKEN}", "$LLM_BUS_TOKEN", "%LLM_BUS_TOKEN%", "{env:LLM_BUS_TOKEN}"])
async def test_the_name_of_a_variable_in_place_of_a_token_is_told(bus: Bus, sent: str) -> None:
    refused = await bus.ask(sent, "ping")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    assert "set that variable where your client starts" in refused.json()["error_description"]
    assert "resource_metadata" in refused.headers["www-authenticate"]
