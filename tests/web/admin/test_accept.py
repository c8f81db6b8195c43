"""Invites for one person: who has the email gets the card, with or without an account, and nobody else does."""

import re
from html import unescape
from pathlib import Path

import httpx2
import pytest

from store import Store
from store.ledger import projects
from store.people import invites, owners
from tests.postgres import query
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.test_header import HEADER
from tests.web.admin.test_oauth import CLIENT, VERIFIED, added, agree, leave, oauth_bus
from tests.web.admin.test_oauth import provider as provider  # noqa: PLC0414 - a fixture
from tests.web.bus import Bus, running_bus
from web.admin.cookies import SESSION
from web.admin.guests import Tickets, csrf_of
from web.config import Settings

GUEST = "llm-bus-guest"
PATH = "/admin/accept"
ADA = str(VERIFIED["email"])


async def invited(store: Store, email: str = ADA) -> str:
    """The code of an invite for this email, into a project of olga's."""
    owner = await store.write(owners.ensure_owner, "olga@example.com")
    project = await store.write(projects.ensure, owner.id, "shop", "Web shop")
    return (await store.write(invites.create, project.id, email=email, by="olga")).code


async def accept(browser: httpx2.AsyncClient, page: str, **changed: str) -> httpx2.Response:
    """Send the form of an invitation's page."""
    fields = {name: unescape(value) for name, value in re.findall(r'name="(csrf|token)" value="([^"]*)"', page)}
    return await browser.post(PATH, data={**fields, **changed})


def token_in(card: str) -> str:
    found = re.search(r"llmbus_[\w-]+", card)
    assert found is not None
    return found[0]


async def test_without_an_account_a_verified_email_gets_the_card_and_no_session(
    store: Store, conninfo: str, provider: str
) -> None:
    async with oauth_bus(store, conninfo, provider) as bus, httpx2.AsyncClient(base_url=bus.url) as guest:
        code = await invited(store)
        door = await guest.get(f"{PATH}?token={code}")
        assert "Web shop" not in door.text, "who only has the link learns nothing"
        (way,) = re.findall(r'href="(/admin/sign-in/oidc[^"]*)"', door.text)
        back = await guest.get(await agree(await leave(guest, unescape(way))))
        assert (back.status_code, back.headers["location"]) == (303, f"{PATH}?token={code}")
        page = await guest.get(back.headers["location"])
        assert "Web shop" in page.text
        assert ADA in page.text
        card = await accept(guest, page.text)
        assert card.status_code == 200
        assert (await bus.call(token_in(card.text), "whoami"))["actor"] == "olga/ada"
        assert not guest.cookies
        assert (await guest.get("/admin/")).status_code == 303
    assert query(conninfo, "select email from owners") == [("olga@example.com",)]
    assert query(conninfo, "select count(*) from sessions") == [(0,)]


async def test_where_anybody_may_sign_up_accepting_makes_an_account(store: Store, conninfo: str, provider: str) -> None:
    async with oauth_bus(store, conninfo, provider, "open") as bus, httpx2.AsyncClient(base_url=bus.url) as guest:
        code = await invited(store)
        back = await guest.get(await agree(await leave(guest, f"/admin/sign-in/oidc?next={PATH}%3Ftoken%3D{code}")))
        assert SESSION in guest.cookies
        card = await accept(guest, (await guest.get(back.headers["location"])).text)
        assert card.status_code == 303
    assert query(conninfo, "select count(*) from owners") == [(2,)]


async def test_an_owner_who_is_signed_in_accepts_as_themself(bus: Bus, ada: AdminClient) -> None:
    code = await invited(bus.store)
    page = await ada.page(PATH, token=code)
    card = await ada.page((await accept(ada.http, page)).headers["location"])
    assert (await bus.call(token_in(card), "whoami"))["actor"] == "olga/ada"
    assert "/admin/projects/" not in card, "the project is not theirs"


async def test_an_invite_works_once(bus: Bus, ada: AdminClient, conninfo: str) -> None:
    page = await ada.page(PATH, token=await invited(bus.store))
    assert (await accept(ada.http, page)).status_code == 303
    again = await accept(ada.http, page)
    assert again.status_code == 410
    assert "has been used" in again.text
    assert query(conninfo, "select count(*) from tokens") == [(1,)]


async def test_an_invite_that_has_expired_is_told_of(bus: Bus, ada: AdminClient, conninfo: str) -> None:
    page = await ada.page(PATH, token=await invited(bus.store))
    query(conninfo, "update invites set expires_at = now()")
    assert (await accept(ada.http, page)).status_code == 410


async def test_somebody_elses_invite_is_refused_and_says_nothing_of_itself(bus: Bus, ada: AdminClient) -> None:
    code = await invited(bus.store, "eve@example.com")
    refused = await ada.get(PATH, token=code)
    assert refused.status_code == 403
    assert "eve@example.com" not in refused.text
    assert "Web shop" not in refused.text
    assert (await ada.post(PATH, token=code)).status_code == 403


async def test_a_code_that_is_not_known_or_not_bound_is_missing(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint()
    open_code = (await bus.call(token, "create_invite"))["code"]
    for code in ("guess", open_code):
        assert (await ada.get(PATH, token=code)).status_code == 404
        assert (await ada.post(PATH, token=code)).status_code == 404
    assert (await ada.get(PATH)).status_code == 404


async def test_a_bound_invite_cannot_be_redeemed_without_the_email(bus: Bus) -> None:
    refused = await bus.http.post("/join", json={"code": await invited(bus.store), "name": "eve"})
    assert refused.status_code == 404


async def test_a_guests_ticket_is_good_for_its_invite_alone(store: Store, conninfo: str, provider: str) -> None:
    async with oauth_bus(store, conninfo, provider) as bus, httpx2.AsyncClient(base_url=bus.url) as guest:
        first, second = await invited(store), await invited(store)
        await guest.get(await agree(await leave(guest, f"/admin/sign-in/oidc?next={PATH}%3Ftoken%3D{first}")))
        page = await guest.get(f"{PATH}?token={first}")
        assert "Web shop" in page.text
        assert "Web shop" not in (await guest.get(f"{PATH}?token={second}")).text
        assert (await accept(guest, page.text, token=second)).status_code == 403
        assert (await accept(guest, page.text, csrf="guess")).status_code == 403
        assert (await guest.post("/admin/projects", data={"csrf": csrf_of(guest.cookies[GUEST])})).status_code == 403
        assert (await accept(guest, page.text)).status_code == 200


async def test_without_an_invite_on_the_way_nobody_becomes_a_guest(store: Store, conninfo: str, provider: str) -> None:
    async with oauth_bus(store, conninfo, provider) as bus, httpx2.AsyncClient(base_url=bus.url) as stranger:
        assert (await stranger.get(await agree(await leave(stranger)))).status_code == 403
        assert GUEST not in stranger.cookies


async def test_a_suspended_owner_is_no_guest_either(store: Store, conninfo: str, provider: str) -> None:
    async with oauth_bus(store, conninfo, provider) as bus, httpx2.AsyncClient(base_url=bus.url) as guest:
        await store.write(owners.suspend, await added(bus), by="test")
        code = await invited(store)
        back = await guest.get(await agree(await leave(guest, f"/admin/sign-in/oidc?next={PATH}%3Ftoken%3D{code}")))
        assert back.status_code == 403
        assert GUEST not in guest.cookies


async def test_behind_a_proxy_whom_it_names_accepts_without_an_account(store: Store, conninfo: str) -> None:
    async with (
        running_bus(store, conninfo, admin_auth="header") as bus,
        httpx2.AsyncClient(base_url=bus.url, headers={HEADER: "Ada@example.com"}) as guest,
    ):
        page = await guest.get(f"{PATH}?token={await invited(store)}")
        assert "Web shop" in page.text
        assert (await accept(guest, page.text, csrf="")).status_code == 403
        assert (await accept(guest, page.text)).status_code == 200
        assert not guest.cookies
    assert query(conninfo, "select count(*) from sessions") == [(0,)]


async def test_behind_a_proxy_that_names_nobody_nothing_is_accepted(store: Store, conninfo: str) -> None:
    async with (
        running_bus(store, conninfo, admin_auth="header") as bus,
        httpx2.AsyncClient(base_url=bus.url) as guest,
    ):
        code = await invited(store)
        page = await guest.get(f"{PATH}?token={code}", headers={HEADER: ADA})
        assert (await accept(guest, page.text)).status_code == 403


@pytest.mark.parametrize("ticket", [None, "", "a.b.c", "\N{SNOWMAN}"])
def test_a_ticket_that_is_not_ours_vouches_for_nobody(ticket: str | None, settings: Settings) -> None:
    assert Tickets(settings).email_of(ticket, "code") is None


def test_every_process_with_the_same_providers_reads_a_ticket_and_no_other(settings: Settings) -> None:
    ticket = Tickets(settings).issue(ADA, "code")
    assert Tickets(settings).email_of(ticket, "code") == ADA
    assert Tickets(settings).email_of(ticket, "another") is None
    without = Settings(data_dir=settings.data_dir)
    assert Tickets(without).email_of(ticket, "code") is None
    assert Tickets(without).email_of(Tickets(without).issue(ADA, "code"), "code") is None


@pytest.fixture
def settings() -> Settings:
    return Settings(data_dir=Path("unused"), admin_auth="oauth", github=CLIENT)
