"""Answers that leave together, as a pass of the event loop ends."""

import re
import socket
import struct
import sys
from collections.abc import AsyncIterator, Iterator
from time import perf_counter

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.web.http.test_both_ways import Mirror
from web.http.connection import Connection
from web.http.exchange import Exchange
from web.http.outbox import ANSWER_BYTES_MAX, KEPT_SECONDS_MAX, Outbox
from web.http.proxies import Proxies
from web.http.request import Request
from web.http.serving import Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="answers are kept back on Linux only")


class Books:
    """What was recorded, and whether recording works."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.fails = False

    def record(self, exchange: Exchange) -> None:
        if self.fails:
            raise RuntimeError
        self.outcomes.append(f"{exchange.status} {exchange.final_outcome}")


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
async def outbox(books: Books) -> AsyncIterator[Outbox]:
    outbox = Outbox(books.record)
    with outbox.opened():
        yield outbox


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The server's and the client's end of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        theirs = socket.create_connection(listening.getsockname())
        ours, _ = listening.accept()
    for end in (ours, theirs):
        end.setblocking(False)
    with ours, theirs:
        yield ours, theirs


def exchange() -> Exchange:
    return Exchange(Request("POST", b"/mcp", []), "", lambda _: pytest.fail("nobody waits"), status=200)


def has_come(client: socket.socket) -> bytes:
    try:
        return client.recv(100_000)
    except BlockingIOError:
        return b""


async def test_answers_leave_when_the_pass_ends_and_are_recorded_then(
    outbox: Outbox, books: Books, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    assert outbox.put(ours, b"first", exchange())
    assert (has_come(theirs), books.outcomes) == (b"", [])
    await trio.lowlevel.checkpoint()
    assert (has_come(theirs), books.outcomes) == (b"first", ["200 ok"])


async def test_answers_are_not_kept_back_for_long_in_a_long_pass(
    outbox: Outbox, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    began = perf_counter()
    assert outbox.put(ours, b"answer", exchange())
    outbox.send_late(began)
    assert has_come(theirs) == b""
    outbox.send_late(perf_counter() + KEPT_SECONDS_MAX)
    assert has_come(theirs) == b"answer"


async def test_an_answer_that_may_not_fit_is_not_kept_back(
    outbox: Outbox, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, _ = pair
    assert not outbox.put(ours, b"x" * (ANSWER_BYTES_MAX + 1), exchange())
    sent = 0
    while sent < 16_000_000:
        try:
            sent += ours.send(b"x" * 100_000)
        except BlockingIOError:
            break
    assert not outbox.put(ours, b"after what is not taken", exchange())


async def test_a_client_that_has_left_is_recorded_as_such(
    outbox: Outbox, books: Books, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert outbox.put(ours, b"answer", exchange())
    theirs.close()  # with a reset
    await trio.lowlevel.checkpoint()
    assert books.outcomes == ["499 disconnected"]


async def test_a_request_that_cannot_be_recorded_stops_no_others(
    outbox: Outbox, books: Books, pair: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = pair
    books.fails = True
    assert outbox.put(ours, b"first", exchange())
    await trio.lowlevel.checkpoint()
    books.fails = False
    assert has_come(theirs) == b"first"
    assert outbox.put(ours, b"second", exchange())
    await trio.lowlevel.checkpoint()
    assert (has_come(theirs), books.outcomes) == (b"second", ["200 ok"])


async def test_nothing_is_kept_back_once_it_is_closed(books: Books, pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    outbox = Outbox(books.record)
    with outbox.opened():
        assert outbox.put(ours, b"last", exchange())
    assert has_come(theirs) == b"last"
    assert not outbox.put(ours, b"later", exchange())


STATUS = re.compile(rb"HTTP/1\.1 (\d+) ")
POST = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [(POST, [200]), (POST * 3, [200, 200, 200]), (POST + b"no request\r\n\r\n", [200, 400])],
    ids=["one", "several at once", "one, and what is no request"],
)
async def test_answers_keep_the_order_of_their_requests(
    nursery: trio.Nursery, pair: tuple[socket.socket, socket.socket], sent: bytes, statuses: list[int]
) -> None:
    ours, theirs = pair
    server = Server(Mirror(), Proxies(()))
    await server.turns.take("another client", object())
    with server.outbox.opened():
        nursery.start_soon(Connection(server, ours, "").run)
        theirs.sendall(sent)
        answers = b""
        for _ in range(100):
            await wait_all_tasks_blocked()
            answers += has_come(theirs)
    assert [int(status) for status in STATUS.findall(answers)] == statuses
