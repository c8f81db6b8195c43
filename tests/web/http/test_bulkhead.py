"""A bulkhead: few at a time, and those first who had the fewest lately."""

import socket

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.web.http.test_both_ways import Mirror
from web.http import serving
from web.http.asgi import Receive, Scope, Send
from web.http.bulkhead import HALF_LIFE_SECONDS, HELD_SECONDS_MAX, Bulkhead
from web.http.connection import STRANGER_SECONDS, Connection
from web.http.exchange import Exchange
from web.http.problems import STRANGER, Problem
from web.http.proxies import Proxies
from web.http.serving import Server


class Door:
    """Asks a bulkhead for places, and notes who got one."""

    def __init__(self, nursery: trio.Nursery, places: int = 1) -> None:
        self.bulkhead = Bulkhead(places)
        self.admitted: list[str] = []
        self._nursery = nursery
        self.tickets: list[trio.Event] = []

    async def ask(self, *clients: str) -> None:
        for client in clients:
            self._nursery.start_soon(self._enter, client)
            await wait_all_tasks_blocked()

    async def finish(self, requests: int = 1) -> None:
        """Have so many requests end that have a place, the oldest first."""
        for _ in range(requests):
            self.bulkhead.leave(self.tickets.pop(0))
            await wait_all_tasks_blocked()

    async def _enter(self, client: str) -> None:
        self.tickets.append(await self.bulkhead.enter(client))
        self.admitted.append(client)


async def test_as_many_are_under_way_as_there_are_places(nursery: trio.Nursery) -> None:
    door = Door(nursery, places=2)
    await door.ask("a", "b", "c", "d")
    assert door.admitted == ["a", "b"]
    await door.finish()
    assert door.admitted == ["a", "b", "c"]
    await door.finish(3)
    await door.ask("e", "f", "g")
    assert door.admitted == ["a", "b", "c", "d", "e", "f"]


async def test_clients_with_many_requests_do_not_hold_up_others(nursery: trio.Nursery) -> None:
    door = Door(nursery)
    await door.ask("busy", "busy", "busy", "busy", "other", "third")
    await door.finish(5)
    assert door.admitted == ["busy", "other", "third", "busy", "busy", "busy"]


async def test_who_asks_now_and_then_is_admitted_before_those_who_ask_all_the_time(nursery: trio.Nursery) -> None:
    door = Door(nursery)
    crowd = [str(number) for number in range(8)]
    for _ in range(4):
        await door.ask(*crowd)
        await door.finish(len(crowd))
    await door.ask(*crowd, "owner", "owner", "owner")
    await door.finish(3)
    assert door.admitted[-3:] == ["owner"] * 3
    await door.finish(8)


async def test_what_was_long_ago_does_not_count(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    door = Door(nursery)
    await door.ask("owner", "owner", "owner")
    await door.finish(3)
    mock_clock.jump(2 * HALF_LIFE_SECONDS)
    await door.ask("crowd", "crowd", "owner")
    await door.finish()
    assert door.admitted[-1] == "owner"
    await door.finish(2)


async def test_a_place_is_given_back_once(nursery: trio.Nursery) -> None:
    door = Door(nursery)
    await door.ask("a")
    for _ in range(3):
        door.bulkhead.leave(door.tickets[0])
    await door.ask("b", "c")
    assert door.admitted == ["a", "b"]


async def test_who_keeps_a_place_for_too_long_makes_room(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    door = Door(nursery)
    await door.ask("slow", "next")
    door.bulkhead.look()
    await wait_all_tasks_blocked()
    assert door.admitted == ["slow"]
    mock_clock.jump(HELD_SECONDS_MAX)
    door.bulkhead.look()
    await wait_all_tasks_blocked()
    assert door.admitted == ["slow", "next"]


async def test_who_stops_waiting_leaves_nothing_behind(nursery: trio.Nursery) -> None:
    door = Door(nursery)
    await door.ask("a")
    with trio.move_on_after(0):
        await door.bulkhead.enter("gone")
    await door.ask("b", "c")
    await door.finish()
    assert door.admitted == ["a", "b"]
    await door.finish()
    assert door.admitted == ["a", "b", "c"]


class Site(Mirror):
    """A stream of events that never ends, a page that waits, and one that is longer than a socket's buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = list[str]()
        self.freed = trio.Event()

    async def serve_asgi(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.asked.append(path)
        if path in ("/stream", "/long"):
            kind = b"text/event-stream" if path == "/stream" else b"text/html"
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
            await send({"type": "http.response.body", "body": b"x" * 4_000_000, "more_body": True})
        if path in ("/stream", "/long"):
            await trio.sleep_forever()
        if path == "/stuck":
            await self.freed.wait()
        await super().serve_asgi(exchange, scope, receive, send)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(serving, "PAGES_AT_ONCE_MAX", 1)
    return Server(Site(), Proxies(()))


async def asked(server: Server, nursery: trio.Nursery, request: bytes) -> bytes:
    """What has come of an answer once nothing more happens; the client stays."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    nursery.start_soon(Connection(server, ours, "").run)
    theirs.sendall(request)
    await wait_all_tasks_blocked()
    nursery.start_soon(kept, theirs)
    try:
        return theirs.recv(12)
    except BlockingIOError:
        return b""


async def kept(client: socket.socket) -> None:
    with client:
        await trio.sleep_forever()


def page(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *headers, "", ""]).encode()


@pytest.mark.parametrize(
    "first",
    [page("/stream"), page("/long"), page("/form", "Content-Length: 5") + b"half"],
    ids=["a stream of events", "a slow reader", "a slow sender"],
)
async def test_what_waits_for_its_client_holds_no_place(server: Server, nursery: trio.Nursery, first: bytes) -> None:
    await asked(server, nursery, first)
    assert await asked(server, nursery, page("/page")) == b"HTTP/1.1 200"


async def test_a_page_waits_for_the_one_before_and_health_checks_and_endpoints_do_not(
    server: Server, nursery: trio.Nursery
) -> None:
    await asked(server, nursery, page("/stuck"))
    assert await asked(server, nursery, page("/page")) == b""
    for path in ("/healthz", "/readyz", "/mcp", "/hook/claude-code"):
        assert await asked(server, nursery, page(path)) == b"HTTP/1.1 200"


async def test_a_client_that_closed_its_sending_half_while_it_waited_is_answered_after_the_others(
    nursery: trio.Nursery, server: Server
) -> None:
    site = server.app
    assert isinstance(site, Site)
    await asked(server, nursery, page("/stuck"))
    ours, theirs = socket.socketpair()
    with theirs:
        for end in (ours, theirs):
            end.setblocking(False)
        nursery.start_soon(Connection(server, ours, "").run)
        theirs.sendall(page("/half-closed"))
        theirs.shutdown(socket.SHUT_WR)
        await wait_all_tasks_blocked()
        for path in ("/stays", "/stays-too"):
            assert await asked(server, nursery, page(path)) == b""
        site.freed.set()
        await wait_all_tasks_blocked()
        assert site.asked == ["/stuck", "/stays", "/stays-too", "/half-closed"]
        assert theirs.recv(12) == b"HTTP/1.1 200"


class Stern(Mirror):
    """Refuses whatever is asked."""

    async def refuse(self, _: Exchange) -> Problem | None:
        return STRANGER


async def test_strangers_wait_for_their_refusal(mock_clock: MockClock, nursery: trio.Nursery) -> None:
    server = Server(Stern(), Proxies(()))
    ours, theirs = socket.socketpair()
    with theirs:
        for end in (ours, theirs):
            end.setblocking(False)
        nursery.start_soon(Connection(server, ours, "").run)
        theirs.sendall(page("/mcp"))
        await wait_all_tasks_blocked()
        with pytest.raises(BlockingIOError):
            theirs.recv(12)
        mock_clock.jump(STRANGER_SECONDS)
        await wait_all_tasks_blocked()
        assert theirs.recv(12) == b"HTTP/1.1 401"
