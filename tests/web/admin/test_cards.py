"""Hand-out cards: reloaded by who made them, opened by nobody else, gone after ten minutes. Tokens that end."""

import pytest
import trio

from tests.postgres import query
from tests.web.admin.admin_client import AdminClient, signed_in
from tests.web.admin.reading import copied, links_of, text_of
from tests.web.admin.test_members import place_of
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus
from web.admin.cards import TokenCard, opened, seal
from web.onboarding.clients import CLIENTS, setup_for

NOTED_SECONDS_MAX = 90
CARD = TokenCard(project_id=1, project_name="Web shop", participant="scout", token="llmbus_x")


@pytest.fixture
async def card_at(bus: Bus, ada: AdminClient) -> str:
    """The address of a card with a new token of scout's."""
    await bus.mint("scout")
    return await ada.change(f"{await place_of(bus, ada, 'scout')}/rotate")


async def test_a_card_is_reloaded_without_making_another_token(ada: AdminClient, card_at: str, conninfo: str) -> None:
    first, again = await ada.page(card_at), await ada.page(card_at)
    assert copied(first, "token") == copied(again, "token")
    assert query(conninfo, "select count(*) from tokens") == [(2,)]


async def test_only_the_session_that_made_a_card_opens_it(bus: Bus, ada: AdminClient, card_at: str) -> None:
    async with signed_in(bus.store, bus.url, ada.owner.email) as other_session:
        assert (await other_session.get(card_at)).status_code == 404
    assert (await ada.get(card_at)).status_code == 200


async def test_a_card_goes_after_its_time_and_with_its_session(
    bus: Bus, ada: AdminClient, card_at: str, conninfo: str
) -> None:
    query(conninfo, "update cards set expires_at = now()")
    assert (await ada.get(card_at)).status_code == 404
    await ada.change(f"{await place_of(bus, ada, 'scout')}/rotate")
    assert query(conninfo, "select count(*) from cards") == [(1,)]
    await ada.change("/admin/account/sign-out-everywhere")
    assert query(conninfo, "select count(*) from cards") == [(0,)]


def test_a_sealed_card_opens_only_with_the_cookie_it_was_sealed_with() -> None:
    sealed = seal("the cookie", CARD)
    assert opened("the cookie", sealed) == CARD
    assert opened("another", sealed) is None
    assert opened("the cookie", sealed[:-2]) is None


async def test_a_card_shows_how_each_client_is_connected(bus: Bus, ada: AdminClient, card_at: str) -> None:
    for client in CLIENTS:
        page = await ada.page(card_at, client=client)
        assert copied(page, "setup-file").strip() == setup_for(client, bus.url).content.strip()


async def test_a_card_says_when_the_agent_has_connected(bus: Bus, ada: AdminClient, card_at: str) -> None:
    page = await ada.page(card_at)
    assert "waiting for the first call" in text_of(page)
    await bus.call(copied(page, "token"), "whoami")
    with trio.fail_after(NOTED_SECONDS_MAX):
        while "connected first call" not in text_of(await ada.page(card_at)):  # noqa: ASYNC110 - a page tells nobody
            await trio.sleep(0.1)


async def test_a_token_with_an_end_works_until_then(bus: Bus, ada: AdminClient, conninfo: str) -> None:
    await bus.mint()
    fields = {"participant_name": "scout", "kind": "agent", "lane": "", "token_name": "ci", "token_days": "7"}
    token = copied(await ada.card(f"{await project_of(bus, ada)}/grant", **fields), "token")
    assert (await bus.ask(token, "tools/list")).status_code == 200
    place = await place_of(bus, ada, "scout")
    assert "ci just now" in text_of(await ada.page(place))
    # In a thread: the server may be noting the token's use, and this would wait for it.
    await trio.to_thread.run_sync(query, conninfo, "update tokens set expires_at = now() where name = 'ci'")
    bus_forgets = await ada.change(f"{place}/lead", is_admin="")  # any change has the server ask the database again
    assert "cannot connect: no token" in text_of(await ada.page(bus_forgets))
    assert (await bus.ask(token, "tools/list")).status_code == 401


async def test_one_token_is_revoked_and_the_others_work(bus: Bus, ada: AdminClient) -> None:
    kept, revoked = await bus.mint("scout"), await bus.mint("scout")
    place = await place_of(bus, ada, "scout")
    newest = next(link for link in links_of(await ada.page(place)) if "/tokens/" in link)
    assert "of scout?" in text_of(await ada.page(newest))
    assert "does not work any more" in text_of(await ada.page(await ada.change(newest)))
    assert (await bus.ask(revoked, "tools/list")).status_code == 401
    assert (await bus.ask(kept, "tools/list")).status_code == 200
    assert (await ada.post(newest)).status_code == 404


async def test_several_are_revoked_after_a_page_that_names_them(bus: Bus, ada: AdminClient) -> None:
    tokens = {name: await bus.mint(name) for name in ("scout", "builder", "tester")}
    members = (await place_of(bus, ada, "scout")).rpartition("/")[0]
    chosen = [(await place_of(bus, ada, name)).rpartition("/")[2] for name in ("scout", "builder")]
    asked = text_of((await ada.http.get(f"{members}/revoke", params={"member": chosen})).text)
    assert "Revoke the access of 2 members?" in asked
    assert "builder scout" in asked
    await ada.http.post(f"{members}/revoke", data={"csrf": ada.csrf, "member": chosen})
    for name, token in tokens.items():
        assert (await bus.ask(token, "tools/list")).status_code == (200 if name == "tester" else 401), name
