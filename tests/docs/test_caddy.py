"""A real Caddy with the files of docs/deploy, in front of a real server: what clients say of themselves does not count.

The server is in `header` mode and trusts loopback, the worst that could be behind Caddy; the sign-in service is a small
stand-in for oauth2-proxy that knows people by a cookie.
"""

import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx2
import pytest
import trio

from store import Store
from store.people import owners
from tests.docs.deploy import CADDYFILES
from tests.ports import free_port
from tests.web.bus import Bus, running_bus

START_SECONDS_MAX = 300
HEADER = "X-Auth-Request-Email"
ADA, GRACE = "ada@example.com", "grace@example.com"

WITHOUT_SIGN_IN, WITH_SIGN_IN = CADDYFILES

AROUND = """\
{{
	admin off
	skip_install_trust
	auto_https disable_redirects
}}
import {caddyfile}
"""


class SignIn(BaseHTTPRequestHandler):
    """Says who has the cookie `who`; whoever has `who=nobody` is let through without a name.

    Also tells what it was told, for whom it stands in as the server behind Caddy.
    """

    def do_GET(self) -> None:
        who = (self.headers.get("Cookie") or "").partition("who=")[2].partition(";")[0]
        self.send_response(202 if who else 401)
        if who and who != "nobody":
            self.send_header(HEADER, who)
        for told in self.headers.get_all(HEADER, []):
            self.send_header("Told", told)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name it is called by
        """Say nothing."""


@pytest.fixture(scope="module")
def sign_in_service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), SignIn) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
async def bus(store: Store, conninfo: str) -> AsyncIterator[Bus]:
    """A server that believes whoever speaks from loopback."""
    for email in (ADA, GRACE):
        await store.write(owners.ensure_owner, email)
    async with running_bus(store, conninfo, admin_auth="header") as bus:
        yield bus


@asynccontextmanager
async def caddy(caddyfile: Path, directory: Path, **environment: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a running Caddy, which has TLS by an authority of its own."""
    program = shutil.which("caddy")
    if program is None:
        pytest.skip("Caddy is not installed: its files are not tried on this machine")
    site = f"localhost:{free_port()}"
    config, root = directory / "Caddyfile", directory / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    config.write_text(AROUND.format(caddyfile=caddyfile))
    command = [program, "run", "--config", str(config), "--adapter", "caddyfile"]
    own = {"PATH": os.environ["PATH"], "HOME": str(directory), "XDG_DATA_HOME": str(directory), "LLM_BUS_SITE": site}
    with (directory / "log").open("w+") as log:  # pytest shows where the directory is
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.run_process, command, env=own | environment, stderr=log))
            with trio.fail_after(START_SECONDS_MAX):
                await until(lambda: root.exists() and root.read_text().endswith("-----END CERTIFICATE-----\n"))
                trust = ssl.create_default_context(cafile=str(root))
                await until(partial(answers, site, trust))
            async with httpx2.AsyncClient(base_url=f"https://{site}", verify=trust) as client:
                yield client
            nursery.cancel_scope.cancel()


def answers(site: str, trust: ssl.SSLContext) -> bool:
    """Whether somebody with a certificate for it is there."""
    host, _, port = site.partition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=START_SECONDS_MAX) as plain:
            trust.wrap_socket(plain, server_hostname=host).close()
    except OSError:
        return False
    return True


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again, because another program tells nobody when it is so far."""
    while not holds():  # noqa: ASYNC110 - see above
        await trio.sleep(0.02)


async def visitor(client: httpx2.AsyncClient, **headers: str) -> str | None:
    """Whom the web admin takes the visitor for; None for a stranger."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    client.cookies.clear()
    answer = await client.get("/admin/sign-in", headers=headers)
    if "set-cookie" not in answer.headers:
        return None
    cookie = answer.headers["set-cookie"].partition(";")[0]
    sent = "; ".join(filter(None, [headers.pop("Cookie", ""), cookie]))
    page = await client.get("/admin/account", headers=headers | {"Cookie": sent})
    return next((email for email in (ADA, GRACE) if email in page.text), None)


async def test_the_server_alone_believes_the_header(bus: Bus) -> None:
    assert await visitor(bus.http, X_Auth_Request_Email=ADA) == ADA  # so what follows is Caddy's work


async def test_without_sign_in_nobody_is_who_they_say(bus: Bus, tmp_path: Path) -> None:
    upstream = bus.url.removeprefix("http://")
    async with caddy(WITHOUT_SIGN_IN, tmp_path, LLM_BUS_UPSTREAM=upstream) as http:
        for spelling in ("X_Auth_Request_Email", "x_auth_request_email", "X_AUTH_REQUEST_EMAIL"):
            assert await visitor(http, **{spelling: ADA}) is None
        await _serves_agents(bus, http)


async def test_with_sign_in_only_the_service_says_who_one_is(bus: Bus, tmp_path: Path, sign_in_service: str) -> None:
    upstream = bus.url.removeprefix("http://")
    async with caddy(WITH_SIGN_IN, tmp_path, LLM_BUS_UPSTREAM=upstream, LLM_BUS_SIGN_IN=sign_in_service) as http:
        assert await visitor(http, Cookie=f"who={ADA}") == ADA
        assert await visitor(http, Cookie=f"who={ADA}", X_Auth_Request_Email=GRACE) == ADA
        assert await visitor(http, Cookie="who=nobody", X_Auth_Request_Email=GRACE) is None
        stranger = await http.get("/admin/", headers={HEADER: GRACE})
        assert stranger.status_code == 302
        assert stranger.headers["location"].startswith("/oauth2/sign_in?rd=https://localhost")
        await _serves_agents(bus, http)


@pytest.mark.parametrize("caddyfile", CADDYFILES, ids=lambda path: path.name)
async def test_what_clients_say_of_themselves_gets_no_further(
    tmp_path: Path, sign_in_service: str, caddyfile: Path
) -> None:
    behind = {"LLM_BUS_UPSTREAM": sign_in_service, "LLM_BUS_SIGN_IN": sign_in_service}
    async with caddy(caddyfile, tmp_path, **behind) as http:
        for path in ("/", "/mcp", "/join", "/admin", "/admin/account"):
            answer = await http.get(path, headers=[("Cookie", "who=nobody"), (HEADER, GRACE), (HEADER, ADA)])
            assert answer.status_code == 202, path
            # An old Caddy (2.6) tells the name of a placeholder where the sign-in service names nobody.
            assert not {GRACE, ADA} & set(answer.headers.get_list("told")), path


async def _serves_agents(bus: Bus, http: httpx2.AsyncClient) -> None:
    """Tools work through Caddy; the numbers stay inside."""
    token = await bus.mint()
    through = Bus(str(http.base_url), bus.store, http, bus.stopping)
    assert (await through.call(token, "claim", sequence="adr"))["number"] == 1
    for path in ("/metrics", "/metrics/"):
        assert (await http.get(path)).status_code == 404
    health = await http.get("/healthz")
    assert "max-age=" in health.headers["strict-transport-security"]
