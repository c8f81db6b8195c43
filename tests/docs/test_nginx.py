"""A real nginx with the file of docs/deploy, in front of a real server: tools, waits and a client's real address."""

import json
import shutil
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
import trio

from store import Store
from tests.balancers import around_nginx
from tests.docs.deploy import NGINX
from tests.docs.test_caddy import ADA, START_SECONDS_MAX, answers, until, visitor
from tests.ports import free_port
from tests.web.bus import Bus, running_bus


@asynccontextmanager
async def nginx(upstream: str, directory: Path) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a running nginx, which has TLS by a certificate of its own."""
    program, openssl = shutil.which("nginx") or shutil.which("/usr/sbin/nginx"), shutil.which("openssl")
    if program is None or openssl is None:
        pytest.skip("nginx or openssl is not installed: its file is not tried on this machine")
    certificate, key = directory / "fullchain.pem", directory / "privkey.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    await trio.run_process([*command, "-out", certificate, "-keyout", key], capture_stdout=True, capture_stderr=True)
    port = free_port()
    site, config = directory / "site.conf", directory / "nginx.conf"
    site.write_text(
        NGINX.read_text()
        .replace("127.0.0.1:8787", upstream)
        .replace("bus.example.com", "localhost")
        .replace("/etc/letsencrypt/live/localhost", str(directory))
        .replace("listen 443", f"listen 127.0.0.1:{port}")
        .replace("listen [::]:443", f"listen [::1]:{port}")
    )
    config.write_text(around_nginx(directory, site))
    trust = ssl.create_default_context(cafile=str(certificate))
    with (directory / "log").open("w+") as log:
        async with trio.open_nursery() as nursery:
            run = partial(trio.run_process, [program, "-c", str(config), "-p", str(directory)], stderr=log, check=False)
            nursery.start_soon(run)
            with trio.fail_after(START_SECONDS_MAX):
                await until(partial(answers, f"localhost:{port}", trust))
            async with httpx2.AsyncClient(base_url=f"https://localhost:{port}", verify=trust, timeout=90) as client:
                yield client
            nursery.cancel_scope.cancel()


async def test_agents_work_through_nginx(store: Store, conninfo: str, tmp_path: Path) -> None:
    async with running_bus(store, conninfo, admin_auth="header", keep_alive_seconds=75) as bus:
        token = await bus.mint()
        async with nginx(bus.url.removeprefix("http://"), tmp_path) as http:
            through = Bus(str(http.base_url), bus.store, http, bus.stopping)
            assert (await through.call(token, "claim", sequence="adr"))["number"] == 1
            assert (await through.call(token, "read_posts", to_me=True, wait_seconds=1))["posts"] == []
            for path in ("/metrics", "/metrics/"):
                assert (await http.get(path)).status_code == 404
            assert await visitor(http, X_Auth_Request_Email=ADA) is None
            health = await http.get("/healthz")
            assert "max-age=" in health.headers["strict-transport-security"]


async def test_what_nginx_and_the_server_read_is_the_same_request(store: Store, conninfo: str, tmp_path: Path) -> None:
    """Whatever nginx forwards of an ambiguous request, the server answers it once, and nothing hides behind it."""
    hidden = b"POST /join HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
    odd = (
        b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(hidden),
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Content-Length : %d\r\n" % len(hidden),
        b"X: a\r\n Content-Length: %d\r\n" % len(hidden),
        b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n" % len(hidden),
    )
    async with running_bus(store, conninfo) as bus, nginx(bus.url.removeprefix("http://"), tmp_path) as http:
        context = ssl.create_default_context(cafile=str(tmp_path / "fullchain.pem"))
        for lines in odd:
            stream = await trio.open_ssl_over_tcp_stream("localhost", http.base_url.port or 0, ssl_context=context)
            head = b"POST /register HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + lines + b"\r\n"
            received = b""
            with trio.move_on_after(10):
                await stream.send_all(head + hidden)
                while part := await stream.receive_some():
                    received += part
            await trio.aclose_forcefully(stream)
            assert received.count(b"HTTP/1.1 ") <= 1, (lines, received)
            assert b"code_required" not in received, (lines, received)
        metrics = (await bus.http.get("/metrics")).text
    assert json.dumps("internal") not in metrics
