"""An odd request gets a sentence and never a traceback, on every route."""

import gzip
import json
import struct

import pytest
import trio

from store import Store
from tests.bounds import HANG_SECONDS
from tests.web.bus import Bus, running_bus
from tests.web.log import Log
from web.http import serving
from web.http.listener import listen

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
ROUTES = (
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/mcp",
    "/join",
    "/kit/install.sh",
    "/admin/",
    "/admin/sign-in",
    "/admin/link",
)
QUERIES = (
    "x",
    "?",
    "=",
    "&&",
    "%",
    "%ff",
    "%00",
    "a=%ff",
    "next=%00",
    "token=%ff%00",
    "page=%zz",
    "done[]=1",
    "a=" + "x" * 8000,
)


@pytest.mark.parametrize("query", QUERIES)
async def test_no_query_breaks_a_route(bus: Bus, query: str) -> None:
    for route in ROUTES:
        status = await status_of(bus, f"GET {route}?{query}")
        assert status < 500, (route, query, status)


@pytest.mark.parametrize(
    "path", ["/%ff", "/%00", "/kit/%ff", "/kit/..%2f..%2fetc", "//", "/admin/%00", "/.well-known/%ff", "/a//b/../c"]
)
async def test_no_path_breaks_a_route(bus: Bus, path: str) -> None:
    assert await status_of(bus, f"GET {path}") < 500


BODIES = (
    b"\xff\xfe",
    b"\x00",
    b'{"code": "\xff"}',
    b'{"code":"\\u0000"}',
    b'{"code":"\\ud800"}',
    b"[" * 50_000,
    b"code=%ff%00",
    b"",
)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", ["/join", "/admin/sign-in", "/admin/link", "/admin/projects"])
@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_no_body_breaks_a_route(bus: Bus, path: str, body: bytes, kind: str) -> None:
    response = await bus.http.post(path, content=body, headers={"Content-Type": kind})
    assert response.status_code < 500


@pytest.mark.parametrize("body", [b"\xff\xfe", b'{"jsonrpc":"2.0","id":1,"method":"p\xffng"}', b"\x00", b""])
async def test_a_message_that_is_not_utf_8_is_a_parse_error_and_counted(bus: Bus, token: str, body: bytes) -> None:
    response = await bus.send(body, token)
    assert (response.status_code, response.json()["error"]["code"], response.json()["id"]) == (400, -32700, None)
    assert 'outcome="malformed"' in (await bus.http.get("/metrics")).text


@pytest.mark.parametrize("path", ["/mcp", "/join"])
async def test_a_compressed_body_is_refused_by_name(bus: Bus, token: str, path: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await bus.http.post(path, content=gzip.compress(PING), headers=headers)
    assert response.status_code == 415
    assert "Content-Encoding" in response.json()["error_description"]


@pytest.mark.parametrize("revision", ["2099-01-01", "nonsense"])
async def test_a_handshake_in_a_newer_revision_is_negotiated(bus: Bus, token: str, revision: str) -> None:
    params = {"protocolVersion": "2099-01-01", "capabilities": {}, "clientInfo": {"name": "new", "version": "1"}}
    response = await bus.ask(token, "initialize", params, revision)
    assert response.status_code == 200
    assert response.json()["result"]["protocolVersion"] == "2025-11-25"
    assert (await bus.ask(token, "ping", {}, revision)).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/.well-known/oauth-authorization-server"),
        ("GET", "/.well-known/oauth-authorization-server/mcp"),
        ("GET", "/.well-known/openid-configuration"),
        ("POST", "/register"),
        ("GET", "/authorize"),
        ("POST", "/token"),
    ],
)
async def test_each_step_of_a_search_for_oauth_says_that_there_is_none(bus: Bus, method: str, path: str) -> None:
    response = await bus.http.request(method, path)
    assert response.status_code == 404
    assert "bearer tokens" in response.json()["error_description"]


async def test_a_stranger_hears_where_tokens_come_from(bus: Bus) -> None:
    assert "/join" in (await bus.send(PING, "llmbus_wrong")).json()["error_description"]


async def test_a_page_of_an_allowed_origin_may_call(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo, allowed_origins=("https://app.example.com",)) as bus:
        token = await bus.mint()
        origin = {"Origin": "https://app.example.com"}
        asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        preflight = await bus.http.options("/mcp", headers=asked)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        for has_token in (token, None):
            answer = await bus.send(PING, has_token, origin)
            assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
        refused = await bus.send(PING, token, {"Origin": "https://evil.example"})
        assert refused.status_code == 403
        assert "ALLOWED_ORIGINS" in refused.json()["error_description"]
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("given", ["abc-123", "bad id", "x" * 65, None])
async def test_what_nobody_foresaw_is_a_500_with_an_id_that_the_log_has(
    bus: Bus, token: str, logged: Log, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("web.mcp.calls.Toolbox.call", fail)
    headers = {} if given is None else {"X-Request-ID": given}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "whoami"}}
    response = await bus.send(call, token, headers)
    assert (response.status_code, response.json()["error"]["code"]) == (500, -32603)
    named = response.headers["x-request-id"]
    assert named in response.json()["error"]["message"]
    assert (named == given) == (given == "abc-123")
    lines = [json.loads(line) for line in (await logged.once_it_has("outcome")).splitlines()]
    assert {line.get("request_id") for line in lines} == {named}
    assert lines[-1]["outcome"] == "internal"


@pytest.mark.parametrize("resets", [False, True])
async def test_a_client_that_leaves_before_its_body_is_there_is_one_line(
    bus: Bus, token: str, logged: Log, *, resets: bool
) -> None:
    stream = await trio.open_tcp_stream("127.0.0.1", int(bus.url.rpartition(":")[2]))
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    )
    await stream.send_all(f"{head}Content-Length: 100\r\nExpect: 100-continue\r\n\r\n".encode())
    assert (await stream.receive_some()).startswith(b"HTTP/1.1 100 ")
    if resets:
        stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
    await stream.aclose()
    (line,) = (await logged.once_it_has("outcome")).splitlines()
    assert json.loads(line)["outcome"] == "disconnected"


async def test_what_is_no_request_is_recorded_too(bus: Bus, logged: Log) -> None:
    assert await status_of(bus, "\x16\x03\x01") == 400
    (line,) = map(json.loads, (await logged.once_it_has("outcome")).splitlines())
    assert (line["status"], line["outcome"], line["method"]) == (400, "malformed", "-")
    assert 'llm_bus_requests_total{outcome="malformed",tool="http"} 1.0' in (await bus.http.get("/metrics")).text


async def test_a_connection_of_pages_ends_with_the_server(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypercorn does not know that the server is stopping; the connection does."""
    monkeypatch.setattr(serving, "DRAIN_SECONDS_MAX", 90)  # what is drained ends long before
    port, body = int(bus.url.rpartition(":")[2]), b"x" * 100_000
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        await stream.send_all(b"POST /join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n")
        while "llm_bus_http_arriving_bytes 100000.0" not in (await bus.http.get("/metrics")).text:
            pass
        bus.stopping.set()
        while await accepts(port):
            pass
        await stream.send_all(body)
        with trio.fail_after(45):
            while await stream.receive_some():
                pass


async def accepts(port: int) -> bool:
    try:
        await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
    except OSError:
        return False
    return True


async def test_every_address_means_both_families() -> None:
    listeners = await listen("::", 0)
    ports = {listener.port for listener in listeners}
    assert len(ports) == 1
    for host in ("127.0.0.1", "::1"):
        stream = await trio.open_tcp_stream(host, next(iter(ports)))
        await stream.aclose()
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://127.0.0.1/metrics", "127.0.0.1", 200),
        ("HTTPS://LOCALHOST:443?x", "127.0.0.1", 200),
        ("http://127.0.0.1/metrics", "evil.example", 200),
        ("http://evil.example/metrics", "127.0.0.1", 403),
        ("http://127.0.0.1@evil.example/metrics", "127.0.0.1", 400),
        ("http://127.0.0.1/metrics#x", "127.0.0.1", 400),
        ("http:///metrics", "127.0.0.1", 400),
        ("ftp://127.0.0.1/metrics", "127.0.0.1", 400),
        ("*", "127.0.0.1", 400),
    ],
)
async def test_in_a_url_as_target_the_host_counts(bus: Bus, target: str, host: str, status: int) -> None:
    assert await status_of(bus, f"GET {target}", host) == status


async def status_of(bus: Bus, start: str, host: str = "127.0.0.1") -> int:
    """The status of a request whose target goes out as it is written."""
    stream = await trio.open_tcp_stream("127.0.0.1", int(bus.url.rpartition(":")[2]))
    async with stream:
        await stream.send_all(f"{start} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        with trio.fail_after(HANG_SECONDS):
            return int((await stream.receive_some()).split(b" ")[1])
