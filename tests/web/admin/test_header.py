"""Signing in behind a proxy that says who the visitor is, and only behind one."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import httpx2
import pytest

from store import Store
from store.ledger import overview
from store.people import links, owners, sessions
from tests.postgres import query
from tests.web.bus import Bus, running_bus
from web.admin.cookies import SESSION
from web.config import SignUp

ADA, EVE = "ada@example.com", "eve@example.com"
HEADER = "X-Auth-Request-Email"


@pytest.fixture
async def bus(store: Store, conninfo: str) -> AsyncIterator[Bus]:
    """A server behind a proxy on this machine; ada and eve have been here before."""
    for email in (ADA, EVE):
        owner = await store.write(owners.ensure_owner, email)
        await store.write(owners.rename, owner.id, owner.handle, by=owner.handle)
    async with running_bus(store, conninfo, admin_auth="header") as bus:
        yield bus


async def signed_in(browser: httpx2.AsyncClient, email: str = ADA) -> str:
    """Come in as whom the proxy names; the id of the session."""
    come = await browser.get("/admin/sign-in?next=/admin/audit", headers={HEADER: email})
    assert (come.status_code, come.headers["location"]) == (303, "/admin/audit"), come.text
    session: str = browser.cookies[SESSION]
    return session


async def test_whom_the_proxy_names_is_signed_in(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    await signed_in(stranger, "Ada@Example.com")
    page = await stranger.get("/admin/", headers={HEADER: ADA})
    assert page.status_code == 200
    assert "ada" in page.text


@pytest.mark.parametrize("headers", [{}, {HEADER: EVE}, {HEADER: ""}, {HEADER: "ghost@example.com"}])
async def test_a_session_counts_only_for_whom_the_proxy_names(
    bus: Bus, stranger: httpx2.AsyncClient, headers: dict[str, str]
) -> None:
    session = await signed_in(stranger)
    found = await bus.store.read(sessions.find_session, session)
    assert found is not None
    assert (await stranger.get("/admin/", headers=headers)).status_code == 303
    form = {"csrf": found.csrf, "slug": "shop"}
    assert (await stranger.post("/admin/projects", data=form, headers=headers)).status_code == 403
    assert await bus.store.read(overview.dashboard, found.owner.id) == []


async def test_when_the_proxy_names_somebody_else_they_get_their_own_session(
    bus: Bus, stranger: httpx2.AsyncClient
) -> None:
    adas = await signed_in(stranger)
    eves = await signed_in(stranger, EVE)
    assert await bus.store.read(sessions.find_session, adas) is None
    session = await bus.store.read(sessions.find_session, eves)
    assert session is not None
    assert session.owner.email == EVE


async def test_a_header_from_anybody_else_is_not_heard(store: Store, conninfo: str) -> None:
    await store.write(owners.ensure_owner, ADA)
    elsewhere = (ip_network("10.0.0.0/8"),)
    async with (
        running_bus(store, conninfo, admin_auth="header", trusted_proxies=elsewhere) as bus,
        httpx2.AsyncClient(base_url=bus.url) as browser,
    ):
        forged = {HEADER: ADA, "X-Forwarded-For": "10.0.0.1"}
        refused = await browser.get("/admin/sign-in", headers=forged)
        assert refused.status_code == 403
        assert "TRUSTED_PROXIES" in refused.text
        assert not browser.cookies


async def test_a_name_said_twice_is_nobodys(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    """A proxy that adds its header to the client's own copy has verified only one of them."""
    refused = await stranger.get("/admin/sign-in", headers=[(HEADER, ADA), (HEADER, EVE)])
    assert refused.status_code == 403
    assert SESSION not in stranger.cookies


async def test_no_header_counts_where_owners_sign_in_otherwise(store: Store, conninfo: str) -> None:
    await store.write(owners.ensure_owner, ADA)
    async with running_bus(store, conninfo) as bus, httpx2.AsyncClient(base_url=bus.url) as browser:
        assert (await browser.get("/admin/sign-in", headers={HEADER: ADA})).status_code == 200
        assert not browser.cookies


async def test_the_header_can_have_another_name(store: Store, conninfo: str) -> None:
    await store.write(owners.ensure_owner, ADA)
    async with (
        running_bus(store, conninfo, admin_auth="header", admin_email_header="remote-user") as bus,
        httpx2.AsyncClient(base_url=bus.url) as browser,
    ):
        assert (await browser.get("/admin/sign-in", headers={HEADER: ADA})).status_code == 403
        assert (await browser.get("/admin/sign-in", headers={"Remote-User": ADA})).status_code == 303


@pytest.mark.parametrize(
    ("signup", "status"), [("closed", 403), ("open", 303), (("EXAMPLE.com".lower(),), 303), (("le.com",), 403)]
)
async def test_who_may_become_an_owner_is_the_operators_decision(
    store: Store, conninfo: str, signup: SignUp, status: int
) -> None:
    async with (
        running_bus(store, conninfo, admin_auth="header", signup=signup) as bus,
        httpx2.AsyncClient(base_url=bus.url) as browser,
    ):
        assert (await browser.get("/admin/sign-in", headers={HEADER: "New@Example.COM"})).status_code == status
    assert query(conninfo, "select count(*) from owners") == [(1 if status == 303 else 0,)]


async def test_what_cannot_be_an_email_makes_no_owner(store: Store, conninfo: str) -> None:
    async with (
        running_bus(store, conninfo, admin_auth="header", signup="open") as bus,
        httpx2.AsyncClient(base_url=bus.url) as browser,
    ):
        assert (await browser.get("/admin/sign-in", headers={HEADER: "(null)"})).status_code == 403


async def test_a_suspended_owner_does_not_come_in(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    session = await bus.store.read(sessions.find_session, await signed_in(stranger))
    assert session is not None
    await bus.store.write(owners.suspend, session.owner.id, by="test")
    assert (await stranger.get("/admin/", headers={HEADER: ADA})).status_code == 303
    refused = await stranger.get("/admin/sign-in", headers={HEADER: ADA})
    assert refused.status_code == 403
    assert "suspended" in refused.text


async def test_signing_out_does_not_sign_in_again_at_once(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    session = await bus.store.read(sessions.find_session, await signed_in(stranger))
    assert session is not None
    left = await stranger.post("/admin/sign-out", data={"csrf": session.csrf}, headers={HEADER: ADA})
    page = await stranger.get(left.headers["location"], headers={HEADER: ADA})
    assert page.status_code == 200
    assert "Sign in again" in page.text


async def test_links_do_not_work_where_a_proxy_decides(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    code = await bus.store.write(links.make, ADA)
    assert (await stranger.get(f"/admin/link?token={code}", headers={HEADER: EVE})).status_code == 404
