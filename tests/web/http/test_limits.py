"""Limits of bytes, seconds and connections; and the hosts and origins that are refused."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import h11
import pytest
import trio

from store import Store
from tests.bounds import HANG_SECONDS
from tests.postgres import Server
from tests.web.bus import Bus, running_bus
from web.http import connection, request
from web.http.hosts import HostGuard

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


@pytest.fixture(scope="module")
def conninfo(postgres: Server) -> Iterator[str]:
    """One database for all of these tests: none of them looks at it."""
    database = postgres.create_database()
    yield database
    postgres.drop_database(database)


async def connect(bus: Bus) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", int(bus.url.rpartition(":")[2]))


def head(bus: Bus, token: str, *headers: str) -> bytes:
    lines = [
        "POST /mcp HTTP/1.1",
        f"Host: {bus.url.removeprefix('http://')}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def read_answer(stream: trio.SocketStream) -> tuple[int, bytes]:
    """The status and body of the one answer on a stream; (0, b"") when it closes without."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="POST", target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
    client.send(h11.EndOfMessage())
    status, body = 0, b""
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(await stream.receive_some())
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
        else:
            return status, body


async def test_a_body_at_the_limit_is_read_and_one_byte_more_is_not(bus: Bus, token: str) -> None:
    call = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami"}}'
    padding = b" " * (request.BODY_BYTES_MAX - len(call))
    assert (await bus.send(call + padding, token)).status_code == 200
    assert (await bus.send(call + padding + b" ", token)).status_code == 413


@pytest.mark.parametrize("megabytes", [1.5, 3])
async def test_a_body_of_unknown_length_is_read_up_to_the_limit(bus: Bus, token: str, megabytes: float) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(int(megabytes * 16)):
            yield b" " * 65_536

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    response = await bus.http.post("/mcp", content=chunks(), headers=headers)
    assert (response.status_code, response.json()["error"]) == (413, "too_large")


async def test_a_declared_length_is_refused_before_anything_is_sent(bus: Bus, token: str) -> None:
    stream = await connect(bus)
    async with stream:
        await stream.send_all(head(bus, token, "Content-Length: 1000000000"))
        with trio.fail_after(HANG_SECONDS):
            assert (await read_answer(stream))[0] == 413


async def test_a_stranger_cannot_make_the_server_read_much(bus: Bus) -> None:
    response = await bus.send(b" " * 3_000_000, None)
    assert response.status_code == 401


async def test_a_body_that_does_not_come_is_not_waited_for(
    bus: Bus, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ARRIVAL_SECONDS_MAX", 0.2)
    monkeypatch.setattr(connection, "LINGER_SECONDS_MAX", 0.1)
    stream = await connect(bus)
    async with stream:
        await stream.send_all(head(bus, token, "Content-Length: 100") + PING)
        with trio.fail_after(HANG_SECONDS):
            status, body = await read_answer(stream)
    assert (status, json.loads(body)["error"]) == (408, "too_slow")


async def test_an_answer_that_takes_too_long_is_given_up_and_recorded(
    bus: Bus, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HANDLING_SECONDS_MAX", 0.2)
    wait = {"name": "read_posts", "arguments": {"to_me": True, "unacked_only": True, "wait_seconds": 50}}
    response = await bus.ask(token, "tools/call", wait)
    assert (response.status_code, response.json()["error"]) == (503, "unavailable")
    assert response.headers["Connection"] == "close"
    counted = 'llm_bus_requests_total{outcome="unavailable",tool="read_posts"} 1.0'
    assert counted in (await bus.http.get("/metrics")).text


@pytest.mark.parametrize("sent", [b"", b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
async def test_a_silent_connection_is_closed(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS_MAX", 0.2)
    async with running_bus(store, conninfo) as bus:
        stream = await connect(bus)
        async with stream:
            await stream.send_all(sent)
            with trio.fail_after(HANG_SECONDS):
                assert await stream.receive_some() == b""


async def test_a_long_wait_is_not_taken_for_silence(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS_MAX", 0.2)
    async with running_bus(store, conninfo) as bus:
        token = await bus.mint("waiter")
        assert await bus.call(token, "read_posts", to_me=True, wait_seconds=1) == {"posts": []}


async def test_a_client_that_does_not_read_loses_its_connection(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WRITE_SECONDS_MAX", 0.2)
    async with running_bus(store, conninfo) as bus:
        token = await bus.mint("reader", project="silent")
        for _ in range(50):
            await bus.call(token, "post", to_lane="all", body="\N{ROCKET}" * 8000)
        message = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_posts"}}'
        stream = await connect(bus)
        async with stream:
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
            await stream.send_all(head(bus, token, f"Content-Length: {len(message)}") + message)
            received = 0
            with trio.fail_after(HANG_SECONDS):
                while b'tool="read_posts"' not in (await bus.http.get("/metrics")).content:
                    pass
                while data := await read_some(stream):
                    received += len(data)
        assert received < 3_000_000
        assert (await bus.ask(token, "ping")).status_code == 200


async def read_some(stream: trio.SocketStream) -> bytes | bytearray:
    try:
        return await stream.receive_some()
    except trio.BrokenResourceError:
        return b""


async def test_a_connection_too_many_hears_so_and_health_is_still_answered(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo, connections_max=2) as bus:
        token = await bus.mint("many")
        asked = head(bus, token, f"Content-Length: {len(PING)}") + PING
        first, second, third, probe = [await connect(bus) for _ in range(4)]
        with trio.fail_after(HANG_SECONDS):
            for stream in (first, second):
                await stream.send_all(asked)
                assert (await read_answer(stream))[0] == 200
            await third.send_all(asked)
            status, body = await read_answer(third)
            assert (status, json.loads(body)["error"]) == (503, "busy")
            await probe.send_all(b"GET /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\n\r\n")
            assert (await read_answer(probe))[0] == 200
            await first.aclose()
            while (status := (await bus.ask(token, "ping")).status_code) == 503:
                pass
            assert status == 200
        for stream in (second, third, probe):
            await stream.aclose()


async def test_requests_in_one_go_are_answered_in_order(bus: Bus, token: str) -> None:
    stream = await connect(bus)
    async with stream:
        asked = head(bus, token, f"Content-Length: {len(PING)}") + PING
        await stream.send_all(asked * 3)
        received = b""
        with trio.fail_after(HANG_SECONDS):
            while received.count(b'"result":{}') < 3:
                received += await stream.receive_some()
    assert received.count(b"HTTP/1.1 200") == 3


@pytest.mark.parametrize(
    "start",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_closed(bus: Bus, start: bytes) -> None:
    stream = await connect(bus)
    async with stream:
        await stream.send_all(start)
        received = b""
        with trio.fail_after(HANG_SECONDS):
            while data := await read_some(stream):
                received += data
    assert received.startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize("path", ["/admin/sign-in?", "/", "/mcp?"])
async def test_a_target_that_is_too_long_is_refused(bus: Bus, path: str) -> None:
    longest = path + "a" * (request.TARGET_BYTES_MAX - len(path))
    assert (await bus.http.get(longest)).status_code != 414
    refused = await bus.http.get(longest + "a")
    assert (refused.status_code, refused.json()["error"]) == (414, "target_too_long")


async def test_http_2_is_not_spoken(bus: Bus) -> None:
    response = await bus.http.get("/healthz", headers={"Connection": "Upgrade", "Upgrade": "h2c"})
    assert (response.status_code, response.http_version) == (200, "HTTP/1.1")


async def test_an_upgrade_to_a_web_socket_is_ignored(bus: Bus) -> None:
    stream = await connect(bus)
    async with stream:
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
        upgrade = f"Connection: Upgrade\r\nUpgrade: websocket\r\n{key}"
        await stream.send_all(f"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\n{upgrade}\r\n\r\n".encode())
        with trio.fail_after(HANG_SECONDS):
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize("path", ["/mcp", "/metrics", "/nothing"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "127.0.0.1@evil.example"}, 403),
        ({"Host": "localhost:8787", "Origin": "http://evil.example"}, 403),
        ({"Host": "localhost:8787", "Origin": "null"}, 403),
        ({"Host": "localhost:8787", "Origin": "file://localhost"}, 403),
        ({"Host": "localhost:8787", "Origin": "http://localhost:6274"}, None),
        ({"Host": "LOCALHOST"}, None),
        ({"Host": "[::1]:8787"}, None),
        ({"Host": "127.0.0.2"}, None),
    ],
)
async def test_only_hosts_and_origins_of_ours_are_answered(
    bus: Bus, token: str, path: str, headers: dict[str, str], status: int | None
) -> None:
    sent: dict[str, Any] = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
    response = await bus.http.post(path, content=PING, headers=sent)
    assert (response.status_code == 403) == (status == 403)


async def test_the_public_name_and_allowed_hosts_are_ours(store: Store, conninfo: str) -> None:
    settings: dict[str, Any] = {"public_url": "https://bus.example.com", "allowed_hosts": ("Other.example:8080",)}
    async with running_bus(store, conninfo, **settings) as bus:
        for host in ("bus.example.com", "bus.example.com:443", "other.example"):
            assert (await bus.http.get("/metrics", headers={"Host": host})).status_code == 200
        assert (await bus.http.get("/metrics", headers={"Host": "third.example"})).status_code == 403


@pytest.mark.parametrize(
    ("host", "sent"),
    [
        ("m\u00fcnchen.example", "xn--mnchen-3ya.example"),
        ("bus.example.com.", "bus.example.com"),
        ("bus.example.com", "bus.example.com."),
        ("[2001:db8:0::1]", "[2001:DB8::1]:8787"),
    ],
)
def test_a_name_of_ours_may_be_spelled_otherwise_by_clients(host: str, sent: str) -> None:
    for guard in (HostGuard(f"https://{host}"), HostGuard("https://other.example", [host])):
        assert guard.allows_host(sent.encode())
        assert not guard.allows_host(b"third.example")


def test_an_origin_may_have_letters_of_any_language() -> None:
    guard = HostGuard("https://other.example", allowed_origins=["https://m\u00fcnchen.\u0440\u0444:8787"])
    assert guard.allows_origin(b"https://xn--mnchen-3ya.xn--p1ai:8787")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_probes_answer_whatever_host_they_are_asked_by_but_no_foreign_page(bus: Bus, path: str) -> None:
    by_address = {"Host": "10.1.2.3:8787"}
    assert (await bus.http.get(path, headers=by_address)).status_code == 200
    from_a_page = {**by_address, "Origin": "http://evil.example"}
    assert (await bus.http.get(path, headers=from_a_page)).status_code == 403
