"""Sessions: how their cookies are kept, when they are replaced, and how they end."""

import httpx2
import pytest

from store import Store
from store.people import links, owners, sessions
from tests.postgres import query
from tests.web.admin.admin_client import AdminClient, signed_in
from tests.web.admin.test_sign_in import follow
from tests.web.bus import Bus, running_bus
from web.admin.cookies import SESSION

ADA = "ada@example.com"


async def cookie_set(bus: Bus, browser: httpx2.AsyncClient) -> str:
    """The `Set-Cookie` of a sign-in."""
    await bus.store.write(owners.ensure_owner, ADA)
    code = await bus.store.write(links.make, ADA)
    response = await follow(browser, f"/admin/link?token={code}")
    header: str = response.headers["set-cookie"]
    return header


async def test_over_http_the_cookie_is_out_of_reach_of_script_and_other_sites(
    bus: Bus, stranger: httpx2.AsyncClient
) -> None:
    name, _, attributes = (await cookie_set(bus, stranger)).partition("=")
    assert name == SESSION
    assert {each.strip() for each in attributes.split(";")[1:]} == {"HttpOnly", "Path=/", "SameSite=Lax"}


async def test_over_https_the_cookie_is_this_hosts_own(store: Store, conninfo: str) -> None:
    async with (
        running_bus(store, conninfo, public_url="https://bus.example.com") as bus,
        httpx2.AsyncClient(base_url=bus.url) as browser,
    ):
        name, _, attributes = (await cookie_set(bus, browser)).partition("=")
    assert name == "__Host-llm-bus"
    assert {each.strip() for each in attributes.split(";")[1:]} == {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"}


async def test_over_https_a_cookie_without_the_hosts_prefix_is_not_read(store: Store, conninfo: str) -> None:
    """A neighbour under the same domain could have planted it."""
    async with (
        running_bus(store, conninfo, public_url="https://bus.example.com") as bus,
        signed_in(store, bus.url) as ada,
    ):
        assert (await ada.get("/admin/")).status_code == 303


async def test_signing_in_replaces_the_browsers_session(bus: Bus, ada: AdminClient) -> None:
    code = await bus.store.write(links.make, ada.owner.email)
    response = await ada.post("/admin/link", token=str(code))
    assert response.status_code == 303
    assert ada.session_id not in response.headers["set-cookie"]
    assert await bus.store.read(sessions.find_session, ada.session_id) is None
    assert len(await bus.store.read(sessions.list_sessions, ada.owner.id)) == 1


@pytest.mark.parametrize("session", ["guess", "", "\N{SNOWMAN}".encode().decode("latin-1"), "a" * 4000])
async def test_a_cookie_that_is_no_session_opens_nothing(bus: Bus, session: str) -> None:
    async with httpx2.AsyncClient(base_url=bus.url) as browser:
        answer = await browser.get("/admin/", headers=[(b"Cookie", f"{SESSION}={session}".encode("latin-1"))])
        assert answer.status_code == 303


async def test_a_session_ends_after_eight_idle_hours(bus: Bus, ada: AdminClient, conninfo: str) -> None:
    query(conninfo, "update sessions set last_seen_at = now() - interval '8 hours'")
    assert (await ada.get("/admin/")).status_code == 303


async def test_a_session_ends_after_thirty_days_of_use(bus: Bus, ada: AdminClient, conninfo: str) -> None:
    query(conninfo, "update sessions set created_at = now() - interval '29 days 23 hours'")
    assert (await ada.get("/admin/")).status_code == 200
    query(conninfo, "update sessions set created_at = now() - interval '30 days'")
    assert (await ada.get("/admin/")).status_code == 303


async def test_signing_out_everywhere_ends_links_that_are_not_used_yet(bus: Bus, ada: AdminClient) -> None:
    code = await bus.store.write(links.make, ada.owner.email)
    await ada.change("/admin/account/sign-out-everywhere")
    async with httpx2.AsyncClient(base_url=bus.url) as stranger:
        assert (await stranger.get(f"/admin/link?token={code}")).status_code == 404


async def test_sessions_are_listed_and_one_can_be_closed(bus: Bus, ada: AdminClient) -> None:
    async with signed_in(bus.store, bus.url, ada.owner.email) as phone:
        page = await ada.page("/admin/account")
        assert page.count("/close") == 2
        assert page.count("this one") == 1
        rows = await bus.store.read(sessions.list_sessions, ada.owner.id)
        own = await bus.store.read(sessions.find_session, ada.session_id)
        assert own is not None
        other = next(row for row in rows if row.key != own.key)
        assert await ada.change(f"/admin/account/sessions/{other.key}/close") == "/admin/account"
        assert (await phone.get("/admin/")).status_code == 303
    assert (await ada.get("/admin/")).status_code == 200
    left = await ada.change(f"/admin/account/sessions/{own.key}/close")
    assert left == "/admin/sign-in?out=1"
    assert (await ada.get("/admin/")).status_code == 303


async def test_signing_out_everywhere_ends_all_ones_sessions_and_nobody_elses(
    bus: Bus, ada: AdminClient, eve: AdminClient
) -> None:
    async with signed_in(bus.store, bus.url, ada.owner.email) as phone:
        assert await phone.change("/admin/account/sign-out-everywhere") == "/admin/sign-in?out=1"
        for client in (phone, ada):
            assert (await client.get("/admin/")).status_code == 303
    assert (await eve.get("/admin/")).status_code == 200


async def test_another_owners_session_cannot_be_closed(bus: Bus, ada: AdminClient, eve: AdminClient) -> None:
    eves = await bus.store.read(sessions.find_session, eve.session_id)
    assert eves is not None
    assert (await ada.post(f"/admin/account/sessions/{eves.key}/close")).status_code == 404
    assert (await eve.get("/admin/")).status_code == 200
