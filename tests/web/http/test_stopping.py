"""What comes in the moment the server stops, or ends a pause, is answered or not done at all.

A request that is answered in the moment its time ends is recorded as one that was answered.
"""

import socket
from collections.abc import Callable
from time import perf_counter

import pytest
import trio
import trio.testing

from tests.bounds import HANG_SECONDS
from web.http.answer import Answer
from web.http.asgi import Receive, Scope, Send
from web.http.connection import Connection
from web.http.exchange import Exchange
from web.http.problems import Problem
from web.http.proxies import Proxies
from web.http.serving import Server

REQUEST = b"POST /mcp HTTP/1.1\r\nHost: bus\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Work:
    """An application that takes a while, and counts what it has done."""

    def __init__(self) -> None:
        self.begun = self.done = 0
        self.recorded: list[tuple[int, str]] = []
        self.during: Callable[[Exchange], object] = lambda _: None
        """Called as the work is done, before the answer goes out."""

    async def refuse(self, exchange: Exchange) -> Problem | Answer | None:
        return None

    async def answer(self, exchange: Exchange, body: bytes) -> Answer | Problem:
        self.begun += 1
        await trio.lowlevel.checkpoint()
        self.done += 1
        self.during(exchange)
        return Answer(200, b"{}")

    async def serve_asgi(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("every request here is a plain one")

    async def live(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the server is not run")

    def record(self, exchange: Exchange) -> None:
        self.recorded.append((exchange.status, exchange.final_outcome))


class EndPauseOnArrival(trio.abc.Instrument):
    """Ends the pause of a connection that Trio knows to be readable, before the connection's task runs."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.said: bool | None = None

    def after_io_wait(self, timeout: float) -> None:
        if self.said is None:
            self.said = self.connection.end_pause()


async def answered(sent: bytes, work: Work, *, stops: bool) -> bytes:
    """Everything that a client hears whose connection's pause is ended as its bytes arrive."""
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        server = Server(work, Proxies(()))
        connection = Connection(server, there, "127.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            await trio.testing.wait_all_tasks_blocked()
            here.sendall(sent)
            if not stops:
                here.shutdown(socket.SHUT_WR)
            server.is_open = not stops
            ending = EndPauseOnArrival(connection)
            trio.lowlevel.add_instrument(ending)
        trio.lowlevel.remove_instrument(ending)
        assert ending.said is False
        return here.recv(65_536)


async def test_a_request_that_arrives_as_the_server_stops_is_answered() -> None:
    work = Work()
    assert (await answered(REQUEST, work, stops=True)).startswith(b"HTTP/1.1 200 OK")
    assert work.begun == work.done == 1


async def test_a_request_that_arrives_as_its_pause_is_ended_is_answered() -> None:
    work = Work()
    assert (await answered(REQUEST, work, stops=False)).startswith(b"HTTP/1.1 200 OK")
    assert work.begun == work.done == 1


async def test_a_request_that_has_not_arrived_whole_as_the_server_stops_is_not_begun() -> None:
    work = Work()
    assert await answered(REQUEST[:40], work, stops=True) == b""
    assert work.begun == 0


async def test_a_connection_without_a_request_is_closed_at_once() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        connection = Connection(Server(Work(), Proxies(())), there, "127.0.0.1")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            await trio.testing.wait_all_tasks_blocked()
            assert connection.end_pause()
        assert here.recv(1) == b""


@pytest.mark.parametrize("has_more_to_do", [False, True])
async def test_a_request_that_is_answered_as_its_time_ends_is_recorded_once(*, has_more_to_do: bool) -> None:
    work = Work()
    here, there = socket.socketpair()
    with here, there:
        there.setblocking(False)
        connection = Connection(Server(work, Proxies(())), there, "127.0.0.1")

        def end_its_time(exchange: Exchange) -> None:
            exchange.late_at = perf_counter()
            connection.end_if_late(exchange.late_at)
            exchange.afterwards = trio.lowlevel.checkpoint if has_more_to_do else None

        work.during = end_its_time
        here.sendall(REQUEST)
        with trio.fail_after(HANG_SECONDS):
            await connection.run()
        assert here.recv(65_536).startswith(b"HTTP/1.1 200 OK")
    assert work.recorded == [(200, "ok")]
