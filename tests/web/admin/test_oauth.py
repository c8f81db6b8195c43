"""Signing in with a provider: whom it lets in, and all that must not be let in with it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import trio

from store import Store
from store.people import owners, sessions
from tests.bounds import HANG_SECONDS
from tests.postgres import query
from tests.web.admin.fake_providers import FakeGitHub, openid_process, served
from tests.web.bus import Bus, running_bus
from tests.web.log import Log
from web.admin import providers
from web.admin.cookies import SESSION
from web.admin.providers import GitHub, ProvidersOf
from web.config import Client, Settings, SignUp

VERIFIED = {"sub": "ada-1", "email": "ada@example.com", "email_verified": True}
UNVERIFIED = {"sub": "ada-2", "email": "ada@example.com", "email_verified": False}
SILENT = {"sub": "ada-3", "email": "ada@example.com"}
CLIENT = Client(id="bus", secret="client-secret")
DOOR, BACK = "/admin/sign-in/oidc", "/admin/oauth/oidc/callback"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The URL of a real OpenID provider."""
    with openid_process(VERIFIED, UNVERIFIED, SILENT) as url:
        yield url


@asynccontextmanager
async def oauth_bus(
    store: Store, conninfo: str, provider: str, signup: SignUp = "closed", **settings: Any
) -> AsyncIterator[Bus]:
    """A server whose owners sign in with this provider."""
    discovery = f"{provider}/.well-known/openid-configuration"
    oidc = {"oidc": CLIENT, "oidc_discovery_url": discovery}
    async with running_bus(store, conninfo, admin_auth="oauth", signup=signup, **{**oidc, **settings}) as bus:
        yield bus


@pytest.fixture
async def bus(store: Store, conninfo: str, provider: str) -> AsyncIterator[Bus]:
    async with oauth_bus(store, conninfo, provider) as bus:
        yield bus


async def added(bus: Bus, email: str = "ada@example.com") -> int:
    """The id of an owner who has been here before."""
    owner = await bus.store.write(owners.ensure_owner, email)
    return (await bus.store.write(owners.rename, owner.id, owner.handle, by=owner.handle)).id


async def leave(browser: httpx2.AsyncClient, path: str = DOOR) -> str:
    """Go to the provider; its address, with all that it is told."""
    sent = await browser.get(path)
    assert sent.status_code == 303, sent.text
    location: str = sent.headers["location"]
    return location


async def agree(address: str, subject: str = "ada-1", **form: str) -> str:
    """Sign in at the provider; where it sends the browser back to, as a path of ours."""
    async with httpx2.AsyncClient() as elsewhere:
        response = await elsewhere.post(address, data={"sub": subject, **form})
    assert response.status_code == 302, response.text
    parts = urlsplit(response.headers["location"])
    return f"{parts.path}?{parts.query}"


async def test_an_owner_whose_email_is_verified_comes_in(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    await added(bus)
    assert DOOR in (await stranger.get("/admin/sign-in?next=/admin/audit")).text
    address = await leave(stranger, f"{DOOR}?next=/admin/audit")
    told = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert told["redirect_uri"] == f"{bus.url}{BACK}"
    assert told["code_challenge_method"] == "S256"
    assert len(told["state"]) >= 43
    assert len(told["nonce"]) >= 43
    assert len(told["code_challenge"]) == 43
    back = await stranger.get(await agree(address))
    assert (back.status_code, back.headers["location"]) == (303, "/admin/audit")
    page = await stranger.get("/admin/audit")
    assert "identity_link" in page.text or "provider" in page.text
    assert [cookie.name for cookie in stranger.cookies.jar] == [SESSION]


async def test_the_subject_finds_its_owner_after_the_email_has_changed(
    bus: Bus, stranger: httpx2.AsyncClient, conninfo: str
) -> None:
    owner_id = await added(bus)
    await stranger.get(await agree(await leave(stranger)))
    query(conninfo, "update owners set email = 'new@example.com'")
    async with httpx2.AsyncClient(base_url=bus.url) as second:
        assert (await second.get(await agree(await leave(second)))).status_code == 303
        session = await bus.store.read(sessions.find_session, second.cookies[SESSION])
    assert session is not None
    assert session.owner.id == owner_id


@pytest.mark.parametrize("subject", ["ada-2", "ada-3"])
async def test_an_email_that_is_not_verified_lets_nobody_in(
    bus: Bus, stranger: httpx2.AsyncClient, subject: str, conninfo: str
) -> None:
    await added(bus)
    refused = await stranger.get(await agree(await leave(stranger), subject))
    assert refused.status_code == 403
    assert "has not verified your email" in refused.text
    assert SESSION not in stranger.cookies
    assert query(conninfo, "select count(*) from identities") == [(0,)]


async def test_a_callback_works_once(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    await added(bus)
    back = await agree(await leave(stranger))
    cookies = dict(stranger.cookies)
    assert (await stranger.get(back)).status_code == 303
    async with httpx2.AsyncClient(base_url=bus.url, cookies=cookies) as again:
        replayed = await again.get(back)
        assert replayed.status_code == 400
        assert SESSION not in again.cookies


@pytest.mark.parametrize("state", ["", "guess", "\N{SNOWMAN}", None])
async def test_a_state_that_is_not_ours_is_refused(bus: Bus, stranger: httpx2.AsyncClient, state: str | None) -> None:
    await added(bus)
    back = await agree(await leave(stranger))
    params = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    forged = {"code": params["code"]} | ({} if state is None else {"state": state})
    assert (await stranger.get(BACK, params=forged)).status_code == 400
    assert SESSION not in stranger.cookies


async def test_a_sign_in_comes_back_only_to_the_browser_it_began_in(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    """Otherwise somebody could have others work in their account unawares."""
    await added(bus)
    back = await agree(await leave(stranger))
    async with httpx2.AsyncClient(base_url=bus.url) as victim:
        assert (await victim.get(back)).status_code == 400
        await leave(victim)  # has a sign-in of its own under way
        assert (await victim.get(back)).status_code == 400
        assert SESSION not in victim.cookies
    assert (await stranger.get(back)).status_code == 303


async def test_an_answer_to_another_sign_in_is_refused(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    """Its nonce says so."""
    await added(bus)
    address = await leave(stranger)
    nonce = parse_qs(urlsplit(address).query)["nonce"][0]
    refused = await stranger.get(await agree(address.replace(nonce, "another")))
    assert refused.status_code == 403
    assert "does not belong to this sign-in" in refused.text
    assert SESSION not in stranger.cookies


async def test_who_says_no_at_the_provider_is_told_so(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    address = await leave(stranger)
    state = parse_qs(urlsplit(address).query)["state"][0]
    denied = await stranger.get(BACK, params={"error": "access_denied", "state": state})
    assert denied.status_code == 403
    assert "access_denied" in denied.text


async def test_an_error_is_repeated_only_when_it_is_a_word(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    state = parse_qs(urlsplit(await leave(stranger)).query)["state"][0]
    denied = await stranger.get(BACK, params={"error": "Call 555-0199 now", "state": state})
    assert denied.status_code == 403
    assert "555" not in denied.text


async def test_a_code_that_the_provider_does_not_know_is_refused(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    state = parse_qs(urlsplit(await leave(stranger)).query)["state"][0]
    assert (await stranger.get(BACK, params={"code": "made-up", "state": state})).status_code == 403


@pytest.mark.parametrize(
    ("signup", "status"),
    [
        ("closed", 403),
        ("open", 303),
        (("example.com",), 303),
        (("other.example", "example.com"), 303),
        (("ample.com",), 403),
        (("sub.example.com", "com"), 403),
    ],
)
async def test_who_may_become_an_owner_is_the_operators_decision(
    store: Store, conninfo: str, provider: str, signup: SignUp, status: int
) -> None:
    async with (
        oauth_bus(store, conninfo, provider, signup) as bus,
        httpx2.AsyncClient(base_url=bus.url) as stranger,
    ):
        assert (await stranger.get(await agree(await leave(stranger)))).status_code == status
    emails = query(conninfo, "select email from owners")
    assert emails == ([("ada@example.com",)] if status == 303 else [])


async def test_who_just_became_an_owner_confirms_the_handle(store: Store, conninfo: str, provider: str) -> None:
    async with oauth_bus(store, conninfo, provider, "open") as bus, httpx2.AsyncClient(base_url=bus.url) as stranger:
        await stranger.get(await agree(await leave(stranger)))
        assert (await stranger.get("/admin/")).headers["location"].startswith("/admin/account")


async def test_a_suspended_owner_does_not_come_in(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    await bus.store.write(owners.suspend, await added(bus), by="test")
    refused = await stranger.get(await agree(await leave(stranger)))
    assert refused.status_code == 403
    assert "suspended" in refused.text
    assert SESSION not in stranger.cookies


async def test_a_provider_that_nobody_set_up_is_not_there(bus: Bus, stranger: httpx2.AsyncClient) -> None:
    for path in ("/admin/sign-in/google", "/admin/oauth/google/callback?state=a&code=b", "/admin/link?token=a"):
        assert (await stranger.get(path)).status_code == 404


async def test_a_provider_that_is_down_is_told_of(store: Store, conninfo: str) -> None:
    async with (
        oauth_bus(store, conninfo, "http://127.0.0.1:1") as bus,
        httpx2.AsyncClient(base_url=bus.url) as stranger,
    ):
        answer = await stranger.get(DOOR)
        assert answer.status_code == 503
        assert "does not answer" in answer.text
        assert "Traceback" not in answer.text


async def test_a_provider_that_says_nothing_is_given_up(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers, "PROVIDER_SECONDS_MAX", 0.2)

    async def hang(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, hang, [listener])
        silent = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        async with (
            oauth_bus(store, conninfo, silent) as bus,
            httpx2.AsyncClient(base_url=bus.url) as stranger,
        ):
            with trio.fail_after(HANG_SECONDS):
                assert (await stranger.get(DOOR)).status_code == 503
        nursery.cancel_scope.cancel()


async def test_nothing_secret_is_logged(logged: Log, bus: Bus, stranger: httpx2.AsyncClient) -> None:
    await added(bus)
    back = await agree(await leave(stranger))
    assert (await stranger.get(back)).status_code == 303
    await stranger.get("/admin/link?token=one-time")
    said = await logged.once_it_has("/admin/link")
    assert "/admin/oauth/oidc/callback" in said
    params = parse_qs(urlsplit(back).query)
    for secret in (params["code"][0], params["state"][0], stranger.cookies[SESSION], CLIENT.secret, "one-time"):
        assert secret not in said


@asynccontextmanager
async def github_bus(store: Store, conninfo: str, fake: FakeGitHub) -> AsyncIterator[Bus]:
    async with served(fake.routes) as url:

        def at_the_fake(settings: Settings) -> dict[str, providers.Provider]:
            return {"github": GitHub(CLIENT, settings.known_url, site=url, api=url)}

        chosen: ProvidersOf = at_the_fake
        async with running_bus(store, conninfo, admin_auth="oauth", github=CLIENT, providers=chosen) as bus:
            await added(bus)
            yield bus


async def come_back_from_github(browser: httpx2.AsyncClient, fake: FakeGitHub, code: str = "a-code") -> httpx2.Response:
    address = await leave(browser, "/admin/sign-in/github")
    told = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert urlsplit(address).path == "/login/oauth/authorize"
    assert told["scope"] == "read:user user:email"
    fake.challenge = told["code_challenge"]
    return await browser.get("/admin/oauth/github/callback", params={"code": code, "state": told["state"]})


async def test_github_lets_in_who_has_the_primary_and_verified_email(store: Store, conninfo: str) -> None:
    fake = FakeGitHub()
    async with github_bus(store, conninfo, fake) as bus, httpx2.AsyncClient(base_url=bus.url) as browser:
        assert (await come_back_from_github(browser, fake)).status_code == 303
        assert (await browser.get("/admin/")).status_code == 200
    assert query(conninfo, "select provider, subject, email from identities") == [("github", "4711", "ada@example.com")]
    assert fake.secrets == [CLIENT.secret]


@pytest.mark.parametrize(
    "emails",
    [
        [],
        [{"email": "ada@example.com", "primary": True, "verified": False}],
        [{"email": "ada@example.com", "primary": False, "verified": True}],
        [{"email": "ada@example.com", "primary": "true", "verified": "true"}],
    ],
)
async def test_github_lets_nobody_in_by_another_email(
    store: Store, conninfo: str, emails: list[dict[str, Any]]
) -> None:
    fake = FakeGitHub()
    fake.emails = emails
    async with github_bus(store, conninfo, fake) as bus, httpx2.AsyncClient(base_url=bus.url) as browser:
        refused = await come_back_from_github(browser, fake)
        assert refused.status_code == 403
        assert "verified your primary email" in refused.text


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        ("user", ({"message": "Bad credentials"}, 401)),
        ("user", []),
        ("user", {"login": "ada"}),
        ("emails", {"message": "no list"}),
        ("emails", ({"message": "Not Found"}, 404)),
        ("token", ({}, 500)),
        ("token", {"token_type": "bearer"}),
    ],
)
async def test_what_github_should_not_answer_is_told_of(store: Store, conninfo: str, part: str, answer: Any) -> None:
    fake = FakeGitHub()
    setattr(fake, part, answer)
    async with github_bus(store, conninfo, fake) as bus, httpx2.AsyncClient(base_url=bus.url) as browser:
        told = await come_back_from_github(browser, fake)
        assert told.status_code == 503
        assert "GitHub does not answer as it should" in told.text


async def test_a_code_that_github_does_not_know_is_refused(store: Store, conninfo: str) -> None:
    fake = FakeGitHub()
    async with github_bus(store, conninfo, fake) as bus, httpx2.AsyncClient(base_url=bus.url) as browser:
        refused = await come_back_from_github(browser, fake, code="guess")
        assert refused.status_code == 403
        assert "script" not in refused.text.partition("<main")[2]
