"""Attacks on the front door: places come back, memory stays bounded, and health checks are answered meanwhile."""

import json
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from random import Random

import pytest
import trio
import trio.testing

from store import Store
from tests.bounds import HANG_SECONDS
from tests.web.bus import Bus, running_bus
from tests.web.http.test_both_ways import Mirror
from tests.web.http.test_limits import PING, connect, head, read_answer, read_some
from web.http import connection, problems, serving, turns
from web.http.asgi import Receive, Scope, Send
from web.http.budget import ByteBudget
from web.http.connection import READ_BYTES_MAX, Connection
from web.http.exchange import Exchange
from web.http.parsing import HEAD_BYTES_MAX, HEADERS_MAX, RequestParser
from web.http.places import PROBE_PLACES, Place, Places, group_of
from web.http.proxies import Proxies
from web.http.serving import Server

SOCKETS = 40
PATHS = ("/join", "/admin/sign-in", "/healthz", "/mcp", "/nothing")


def number_of(metrics: str, name: str) -> float:
    return next(float(line.split()[1]) for line in metrics.splitlines() if line.startswith(name + " "))


async def until(bus: Bus, name: str, holds: Callable[[float], bool]) -> None:
    with trio.fail_after(HANG_SECONDS):
        while not holds(number_of((await bus.http.get("/metrics")).text, name)):
            pass


@pytest.mark.parametrize("seed", range(3))
async def test_unfinished_requests_on_any_route_lose_their_places(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """A head without its end, or a head and one byte of the body: all places, and then some."""
    for name in ("HEAD_SECONDS_MAX", "ARRIVAL_SECONDS_MAX", "LINGER_SECONDS_MAX"):
        monkeypatch.setattr(connection, name, 0.5)
    random = Random(seed)
    async with running_bus(store, conninfo, connections_max=SOCKETS) as bus, AsyncExitStack() as held:
        token = await bus.mint()
        streams = [await connect(bus) for _ in range(SOCKETS + 2 * PROBE_PLACES)]
        for stream in streams:
            await held.enter_async_context(stream)
            begun = f"POST {random.choice(PATHS)} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            begun += "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{"
            await sends(stream, begun[: random.choice((0, 1, 20, len(begun)))].encode())
        with trio.fail_after(HANG_SECONDS):
            assert (await bus.http.get("/healthz")).status_code == 200
            for stream in streams:
                while await read_some(stream):
                    pass
            assert (await bus.ask(token, "ping")).status_code == 200
        await until(bus, "llm_bus_http_connections", lambda open_: open_ <= 2)


@pytest.mark.parametrize("path", ["/join", "/healthz", "/mcp"])
async def test_unfinished_bodies_do_not_take_the_places_of_health_checks(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    for name in ("ARRIVAL_SECONDS_MAX", "LINGER_SECONDS_MAX", "HEAD_SECONDS_MAX", "PROBE_SECONDS_MAX"):
        monkeypatch.setattr(connection, name, 600.0)
    begun = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{{".encode()
    async with running_bus(store, conninfo, connections_max=1) as bus, AsyncExitStack() as held:
        for _ in range(1 + PROBE_PLACES):
            stream = await held.enter_async_context(await connect(bus))
            await stream.send_all(begun)
        with trio.fail_after(HANG_SECONDS):
            while (await bus.http.get("/healthz")).status_code != 200:
                pass


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 3000\r\n", b"Transfer-Encoding: chunked\r\n"])
async def test_few_of_very_many_requests_are_read_ahead(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, framing: bytes
) -> None:
    """Each takes twenty times its length as an object."""
    handed_out = 0

    class CountingParser(RequestParser):
        def on_headers_complete(self) -> None:
            nonlocal handed_out
            handed_out += 1
            super().on_headers_complete()

    class Waiting(Mirror):
        async def serve_asgi(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
            await trio.sleep_forever()

    monkeypatch.setattr(connection, "RequestParser", CountingParser)
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    nursery.start_soon(Connection(Server(Waiting(), Proxies(())), ours, "").run)
    body = b"x" * 3000 if b"3000" in framing else b"bb8\r\n%s\r\n0\r\n\r\n" % (b"x" * 3000) if framing else b""
    first = b"GET /page HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n" + body
    sent = first + b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n" * 1_000
    cut = len(first) - 10 if body else 0
    for piece in (sent[:cut], sent[cut:]):
        theirs.sendall(piece)
        await trio.testing.wait_all_tasks_blocked()
    assert 1 <= handed_out <= 1 + connection.HEAD_READ_BYTES_MAX // 20
    theirs.close()


async def test_a_trickle_does_not_prolong_a_head(store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS_MAX", 0.5)
    async with running_bus(store, conninfo) as bus:
        stream = await connect(bus)
        async with stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nX: ")
            with trio.fail_after(HANG_SECONDS):
                while await sends(stream, b"x"):  # noqa: ASYNC110 - a slow sender is what this is about
                    await trio.sleep(0.05)


async def sends(stream: trio.SocketStream, data: bytes) -> bool:
    try:
        await stream.send_all(data)
    except trio.BrokenResourceError:
        return False
    return True


async def test_answers_that_nobody_takes_are_bounded(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thirty connections of one token ask for large pages and do not read; another one's page still comes."""
    bound = 6_000_000
    monkeypatch.setattr(serving, "UNSENT_BYTES_MAX", bound)
    monkeypatch.setattr(serving, "UNSENT_BYTES_PER_PAYER_MAX", bound // 2)
    async with running_bus(store, conninfo) as bus, AsyncExitStack() as held:
        greedy, other = await bus.mint("greedy"), await bus.mint("other")
        for _ in range(20):
            await bus.call(greedy, "post", to_lane="all", body="\N{ROCKET}" * 8_000)
        message = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_posts"}}'
        asked = head(bus, greedy, f"Content-Length: {len(message)}") + message
        for _ in range(30):
            stream = await held.enter_async_context(await connect(bus))
            stream.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4096)
            await stream.send_all(asked)
        await until(bus, "llm_bus_http_connections", lambda open_: open_ <= 12)
        held_bytes = number_of((await bus.http.get("/metrics")).text, "llm_bus_http_unsent_bytes")
        assert 0 < held_bytes <= bound
        assert (await bus.call(other, "read_posts"))["posts"]
        assert (await bus.http.get("/healthz")).status_code == 200


class LargePages(Mirror):
    """Answers every page with 1.6 MB."""

    async def serve_asgi(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1600000")]})
        await send({"type": "http.response.body", "body": b"x" * 1_600_000, "more_body": False})


async def test_pages_that_nobody_takes_are_bounded_over_all_addresses(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = 4_000_000
    monkeypatch.setattr(serving, "UNSENT_BYTES_MAX", bound)
    server, clients = Server(LargePages(), Proxies(())), list[socket.socket]()
    for number in range(20):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        clients.append(theirs)
        nursery.start_soon(Connection(server, ours, f"192.0.2.{number}").run)
        theirs.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
    await trio.testing.wait_all_tasks_blocked()
    assert 0 < server.unsent.held_bytes <= bound
    assert len(nursery.child_tasks) < len(clients), "who did not fit has lost the connection"
    for client in clients:
        client.close()
    with trio.fail_after(HANG_SECONDS):
        while server.unsent.held_bytes:
            await trio.lowlevel.checkpoint()


async def test_large_bodies_of_one_address_are_bounded(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "ARRIVING_BYTES_PER_PAYER_MAX", 500_000)
    begun = b"POST /join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 400000\r\n\r\n{"
    async with running_bus(store, conninfo) as bus, AsyncExitStack() as held:
        first, second = [await held.enter_async_context(await connect(bus)) for _ in range(2)]
        await first.send_all(begun)
        await until(bus, "llm_bus_http_arriving_bytes", lambda arriving: arriving > 0)
        await second.send_all(begun)
        with trio.fail_after(HANG_SECONDS):
            status, body = await read_answer(second)
        assert (status, json.loads(body)["error"]) == (503, "busy")


async def test_one_address_has_a_share_and_behind_a_proxy_it_is_the_clients(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo, connections_max=8, trusted_proxies=()) as bus, AsyncExitStack() as held:
        first, second, third = [await held.enter_async_context(await connect(bus)) for _ in range(3)]
        with trio.fail_after(HANG_SECONDS):
            assert (await read_answer(third))[0] == 503
        await first.send_all(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert (await read_answer(first))[0] == 200
        await second.aclose()
    async with running_bus(store, conninfo, connections_max=8) as bus:
        token = await bus.mint()
        wait = {"name": "read_posts", "arguments": {"to_me": True, "wait_seconds": 55}}
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": wait}
        with trio.fail_after(HANG_SECONDS):
            async with trio.open_nursery() as nursery:
                for _ in range(2):
                    nursery.start_soon(bus.send, message, token, {"X-Forwarded-For": "203.0.113.5"})
                await until(bus, "llm_bus_actors_waiting", lambda waiting: waiting == 2)
                ping = json.loads(PING)
                assert (await bus.send(ping, token, {"X-Forwarded-For": "203.0.113.5"})).status_code == 503
                assert (await bus.send(ping, token, {"X-Forwarded-For": "203.0.113.6"})).status_code == 200
                nursery.cancel_scope.cancel()


@pytest.mark.parametrize("header", [b"A:\r\n", b"A: b\r\n", b"X-Rather-Long: and something\r\n"])
def test_very_many_headers_are_refused_before_the_head_ends(header: bytes) -> None:
    parser = RequestParser()
    begun = b"GET / HTTP/1.1\r\n"
    parser.feed(begun + header * (READ_BYTES_MAX // len(header)))
    assert parser.problem is problems.HEAD_TOO_LARGE


@pytest.mark.parametrize("begun", [b"0\r\nX: ", b"0\r\nX", b"0\r\n", b"1;", b"2\r\nab\r\n1;x=", b"000", b"0\r\n\r\n"])
@pytest.mark.parametrize("endless", [b"0", b"x", b"X: y\r\n", b"\r\n"])
def test_lines_around_a_body_end(begun: bytes, endless: bytes) -> None:
    """A trailer, an extension of a chunk and the like: what there is of one would be copied again and again."""
    parser = RequestParser()
    parser.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + begun)
    piece = endless * 1_000
    for _ in range(HEAD_BYTES_MAX // len(piece) + 2):
        parser.feed(piece)
    assert parser.problem is not None


def test_a_body_in_tiny_chunks_and_a_trailer_are_read() -> None:
    parser = RequestParser()
    parser.feed(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(HEAD_BYTES_MAX):
        parser.feed(b"1;a=b\r\nx\r\n")
    parser.feed(b"0\r\nX: y\r\n\r\n")
    assert parser.problem is None
    assert parser.requests[0].body_bytes == HEAD_BYTES_MAX
    assert parser.requests[0].is_complete


@pytest.mark.parametrize("pieces", [1, 2, 3, 50])
def test_a_head_at_its_bounds_is_read_however_it_is_cut(pieces: int) -> None:
    parser = RequestParser()
    head = b"GET /%s HTTP/1.1\r\n%s\r\n" % (b"a" * 11_000, b"X: %s\r\n" % (b"y" * 162) * HEADERS_MAX)
    assert HEAD_BYTES_MAX - 1_000 < len(head) < HEAD_BYTES_MAX
    size = -(-len(head) // pieces)
    for piece in range(0, len(head), size):
        parser.feed(head[piece : piece + size])
    assert parser.problem is None
    assert len(parser.requests[0].headers) == HEADERS_MAX


def test_any_number_of_offers_to_upgrade_in_one_read_is_read() -> None:
    parser = RequestParser()
    offer = b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    count = READ_BYTES_MAX // len(offer)
    parser.feed(offer * count)
    assert (parser.problem, len(parser.requests)) == (None, count)
    assert all(request.is_complete for request in parser.requests)


def test_a_head_that_is_cut_is_not_charged_for_the_body_before_it() -> None:
    parser = RequestParser()
    large = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (HEAD_BYTES_MAX, b"x" * HEAD_BYTES_MAX)
    parser.feed(large[:20])
    parser.feed(large[20:] + large[:20])
    parser.feed(large[20:])
    assert parser.problem is None
    assert [request.body_bytes for request in parser.requests] == [HEAD_BYTES_MAX] * 2


async def test_a_health_check_does_not_wait_behind_other_requests_of_its_address(
    nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AT_ONCE_SECONDS", "ALONE_SECONDS"):  # however slow this machine is
        monkeypatch.setattr(turns, name, 600.0)
    monkeypatch.setattr(turns, "AT_ONCE_MAX", 1)
    server = Server(Mirror(), Proxies(()))  # nothing moves its lines on
    await server.turns.take("somebody else", object())
    received = {}
    for number, path in enumerate(("/page", "/page", "/healthz")):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        nursery.start_soon(Connection(server, ours, "192.0.2.1").run)
        client = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
        await client.send_all(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        with trio.move_on_after(5 if path == "/healthz" else 0.5):
            received[number] = (await read_answer(client))[0]
        await client.aclose()
    assert received == {0: 200, 2: 200}


@pytest.mark.parametrize("seed", range(5))
def test_places_are_given_back(seed: int) -> None:
    random, places, taken = Random(seed), Places(40), list[str | None]()
    addresses = [None, "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.1"]
    for _ in range(2_000):
        if taken and random.random() < 0.5:
            places.give_back(taken.pop(random.randrange(len(taken))))
        else:
            address = random.choice(addresses)
            group = address and group_of(address)
            has_share = address is None or sum(one is not None and group_of(one) == group for one in taken) < 10
            place, is_full = places.take(address), len(taken) >= 40
            assert place is ((Place.PROBES if is_full else Place.ANYTHING) if has_share else Place.NOTHING)
            if place is not Place.NOTHING:
                taken.append(address)
        assert places.open == len(taken)


def test_a_budget_is_for_each_payer_and_for_all_and_comes_back() -> None:
    budget = ByteBudget(1_000, 300)
    with budget.reserved("a", 400) as first, budget.reserved("a", 1) as second, budget.reserved("b", 600) as third:
        assert (first, second, third) == (True, False, True)
        with budget.reserved("c", 1) as too_much:
            assert not too_much
        assert budget.held_bytes == 1_000
    assert budget.held_bytes == 0


def test_a_subscriber_is_one_client() -> None:
    assert group_of("2001:db8::1") == group_of("2001:db8::ffff:1") != group_of("2001:db8:0:1::1")
    assert group_of("::ffff:192.0.2.1") == group_of("192.0.2.1")
