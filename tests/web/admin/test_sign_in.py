"""Getting in by a one-time link, staying in, and getting out."""

import re

import httpx2
import pytest

from store import Store
from store.people import links, owners, sessions
from tests.postgres import query
from tests.web.admin.admin_client import AdminClient
from tests.web.bus import NOWHERE, Bus, running_bus
from web.admin.context import SIGN_IN_TRIES_MAX
from web.admin.cookies import SESSION
from web.admin.visitor import inside

ADA = "ada@example.com"
OUTSIDE = [
    "https://evil.example/admin/",
    "//evil.example/admin/",
    "/\\evil.example",
    "/admin\\..\\..",
    "/admin/../mcp",
    "/admin/%2e%2e/mcp",
    "/administrator",
    "/mcp",
    "admin/",
    "javascript:alert(1)",
    "/admin/\r\nSet-Cookie: a=b",
    "/admin/projects\n",
    "",
]


async def link_for(bus: Bus, email: str = ADA, *, is_known: bool = True) -> str:
    """The path of a new sign-in link; the owner's handle is confirmed already if they are known."""
    owner = await bus.store.write(owners.ensure_owner, email)
    if is_known:
        await bus.store.write(owners.rename, owner.id, owner.handle, by=owner.handle)
    return f"/admin/link?token={await bus.store.write(links.make, email)}"


async def follow(browser: httpx2.AsyncClient, link: str, *, headers: dict[str, str] | None = None) -> httpx2.Response:
    """Open a sign-in link and press its button; the answer to that, or to the link where there is no button."""
    asked = await browser.get(link, headers=headers)
    if asked.status_code != 200:
        return asked
    form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked.text))
    # Sent by hand: this browser speaks HTTP also to a server that is reached by HTTPS, whose cookies are then not sent.
    ticket, _, _ = asked.headers.get("set-cookie", "").partition(";")
    sent = {**(headers or {}), **({"Cookie": ticket} if ticket else {})}
    return await browser.post("/admin/link", data=form, headers=sent)


async def csrf_of(bus: Bus, browser: httpx2.AsyncClient) -> str:
    """The token that the forms of this browser's session carry."""
    session = await bus.store.read(sessions.find_session, browser.cookies[SESSION])
    assert session is not None
    return session.csrf


async def test_a_link_signs_its_owner_in_and_signing_out_ends_that(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    opened = await follow(stranger, await link_for(bus))
    assert (opened.status_code, opened.headers["location"]) == (303, "/admin/")
    session = stranger.cookies[SESSION]
    page = await stranger.get("/admin/")
    assert page.status_code == 200
    assert "Sign out" in page.text
    left = await stranger.post("/admin/sign-out", data={"csrf": await csrf_of(bus, stranger)})
    assert (left.status_code, left.headers["location"]) == (303, "/admin/sign-in?out=1")
    assert SESSION not in stranger.cookies
    assert "You are signed out" in (await stranger.get("/admin/sign-in?out=1")).text
    again = await stranger.get("/admin/", headers={"Cookie": f"{SESSION}={session}"})
    assert (again.status_code, again.headers["location"]) == (303, "/admin/sign-in")


async def test_a_link_works_once(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    link = await link_for(bus)
    async with httpx2.AsyncClient(base_url=bus.url) as second:
        asked = await second.get(link)
        form = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', asked.text))
        assert (await follow(stranger, link)).status_code == 303
        assert (await second.get(link)).status_code == 404
        assert (await second.post("/admin/link", data=form)).status_code == 404
        assert SESSION not in second.cookies


async def test_looking_at_a_link_does_not_use_it_up(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    link = await link_for(bus)
    assert (await stranger.head(link)).status_code == 200
    assert not stranger.cookies
    for _ in range(2):
        assert (await stranger.get(link)).status_code == 200
        assert SESSION not in stranger.cookies
    assert (await follow(stranger, link)).status_code == 303


async def test_a_link_is_not_used_without_the_form_of_its_page(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    """Another site could send such a form, to sign a visitor in as somebody else."""
    token = (await link_for(bus)).partition("token=")[2]
    assert (await stranger.post("/admin/link", data={"token": token})).status_code == 403
    assert SESSION not in stranger.cookies


async def test_a_link_of_somebody_else_asks_and_names_both(bus: Bus, ada: AdminClient) -> None:
    link = await link_for(bus, "eve@example.com")
    page = (await ada.http.get(link)).text
    assert "You are signed in as <b>ada</b>" in page
    assert "<b>eve</b> instead" in page
    assert await bus.store.read(sessions.find_session, ada.session_id) is not None
    assert (await ada.post("/admin/link", token=link.partition("token=")[2])).status_code == 303
    assert await bus.store.read(sessions.find_session, ada.session_id) is None


async def test_links_and_sign_ins_are_in_the_audit_trail(bus: Bus, stranger: httpx2.AsyncClient, conninfo: str) -> None:
    link = await link_for(bus)
    assert (await follow(stranger, link)).status_code == 303
    form = {"csrf": await csrf_of(bus, stranger), "token": link.partition("token=")[2]}
    assert (await stranger.get(link)).status_code == 404
    assert (await stranger.post("/admin/link", data=form)).status_code == 404
    assert (await stranger.get("/admin/link?token=guess")).status_code == 404
    rows = query(
        conninfo, "select action, detail->>'way', detail->>'reason' from audit where action ~ 'link|sign' order by id"
    )
    refused = ("link_refuse", None, "used already")
    assert rows == [("link_make", None, None), ("sign_in", "link", None), refused, refused]


async def test_used_old_unknown_and_missing_links_answer_the_same(
    bus: Bus, stranger: httpx2.AsyncClient, conninfo: str
) -> None:
    used, old = await link_for(bus), await link_for(bus, "eve@example.com")
    await follow(stranger, used)
    query(conninfo, "update sign_in_links set expires_at = now()")
    async with httpx2.AsyncClient(base_url=bus.url) as other:
        answers = [await other.get(link) for link in (used, old, "/admin/link?token=guess", "/admin/link")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, answers[0].text)}
    assert "admin-link" in answers[0].text


async def test_the_link_of_a_suspended_owner_does_not_work(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    link = await link_for(bus)
    owner = await bus.store.read(owners.find_owner, ADA)
    assert owner is not None
    await bus.store.write(owners.suspend, owner.id, by="test")
    assert (await stranger.get(link)).status_code == 404


async def test_who_is_not_signed_in_is_asked_to_and_led_back(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    asked = await stranger.get("/admin/projects/7/ledger?actor=ada&type=claim")
    door = "/admin/sign-in?next=/admin/projects/7/ledger%3Factor%3Dada%26type%3Dclaim"
    assert (asked.status_code, asked.headers["location"]) == (303, door)
    await follow(stranger, await link_for(bus))
    back = await stranger.get(door)
    assert back.headers["location"] == "/admin/projects/7/ledger?actor=ada&type=claim"


async def test_an_address_that_does_not_exist_tells_strangers_nothing(stranger: httpx2.AsyncClient) -> None:
    assert (await stranger.get("/admin/nothing")).status_code == 303
    assert (await stranger.post("/admin/nothing")).status_code == 403


@pytest.mark.parametrize("path", ["/admin", "/admin/"])
async def test_the_first_page_needs_no_slash(ada: AdminClient, path: str) -> None:
    assert (await ada.get(path)).status_code == 200


@pytest.mark.parametrize("path", OUTSIDE)
async def test_signing_in_leads_nowhere_outside(ada: AdminClient, path: str) -> None:
    led = await ada.get("/admin/sign-in", next=path)
    assert (led.status_code, led.headers["location"]) == (303, "/admin/")


@pytest.mark.parametrize("path", ["/admin", "/admin/", "/admin/projects/7", "/admin/accept?token=a-b_C"])
def test_our_own_addresses_are_inside(path: str) -> None:
    assert inside(path) == path


async def test_the_first_visit_confirms_the_handle_and_goes_on(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    await follow(stranger, await link_for(bus, is_known=False))
    sent = await stranger.get("/admin/projects/new")
    assert (sent.status_code, sent.headers["location"]) == (303, "/admin/account?next=/admin/projects/new")
    welcome = await stranger.get(sent.headers["location"])
    assert "Welcome" in welcome.text
    assert 'value="ada"' in welcome.text
    form = {"csrf": await csrf_of(bus, stranger), "handle": "ada", "next": "/admin/projects/new"}
    refused = await stranger.post("/admin/projects", data={**form, "slug": "early"})
    assert refused.headers["location"].startswith("/admin/account")
    confirmed = await stranger.post("/admin/account", data=form)
    assert (confirmed.status_code, confirmed.headers["location"]) == (303, "/admin/projects/new")
    assert (await stranger.get("/admin/projects/new")).status_code == 200


async def test_too_many_tries_from_one_address_have_to_wait(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    for number in range(SIGN_IN_TRIES_MAX):
        assert (await stranger.get(f"/admin/link?token=guess-{number}")).status_code == 404
    refused = await stranger.get(await link_for(bus))
    assert refused.status_code == 429
    assert "Too many attempts" in refused.text
    elsewhere = {"X-Forwarded-For": "203.0.113.7"}  # as the proxy on this machine says
    assert (await follow(stranger, await link_for(bus), headers=elsewhere)).status_code == 303


async def test_pages_answer_with_what_browsers_must_keep_to(ada: AdminClient) -> None:
    for path in ("/admin/", "/admin/nothing", "/admin/sign-in", "/admin/link"):
        headers = (await ada.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'; style-src 'self'; script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
    assert (await ada.http.get("/healthz")).headers["content-security-policy"].startswith("default-src 'none'; frame")


async def test_errors_are_pages_here_and_json_elsewhere(ada: AdminClient) -> None:
    missing = await ada.get("/admin/nothing")
    assert missing.status_code == 404
    assert missing.headers["content-type"].startswith("text/html")
    assert "Page not found" in missing.text
    wrong_way = await ada.get("/admin/sign-out")
    assert wrong_way.status_code == 405
    assert "POST" in wrong_way.headers["allow"]
    assert wrong_way.headers["content-type"].startswith("text/html")
    assert (await ada.http.get("/nothing")).json()["error"] == "not_found"


async def test_static_files_are_for_everybody_and_can_be_kept(stranger: httpx2.AsyncClient) -> None:
    style = await stranger.get("/admin/static/admin.css")
    assert style.status_code == 200
    assert style.headers["content-type"].startswith("text/css")
    assert "no-store" not in style.headers["cache-control"]
    assert (await stranger.get("/admin/static/../templates/layout.html")).status_code in {303, 404}
    assert (await stranger.get("/admin/static/..%2ftemplates%2flayout.html")).status_code == 404


async def test_a_silent_database_is_a_page_that_says_so(store: Store) -> None:
    async with (
        running_bus(store, NOWHERE, patience_seconds=0.2) as bus,
        httpx2.AsyncClient(base_url=bus.url, cookies={SESSION: "perhaps"}) as browser,
    ):
        for path in ("/admin/", "/admin/nothing", "/admin/link?token=perhaps"):
            answer = await browser.get(path)
            assert answer.status_code == 503, path
            assert "The database does not answer" in answer.text
            assert "127.0.0.1 port" not in answer.text
