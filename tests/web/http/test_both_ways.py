"""The fast way and Hypercorn's give the same answers and see the same requests, whatever comes, however it is cut."""

import json
import socket
from collections.abc import Iterable
from typing import Any

import pytest
import trio
import trio.lowlevel

from tests.bounds import HANG_SECONDS
from tests.web.http.odd_requests import odd_bytes, seeds_of, split
from web.http import asgi
from web.http.answer import Answer
from web.http.asgi import Receive, Scope, Send
from web.http.connection import Connection
from web.http.exchange import Exchange
from web.http.problems import Problem
from web.http.proxies import Proxies
from web.http.serving import Server

SEEDS = 2_500
PARTS = 5


class Mirror:
    """An application that answers with what it was asked, and remembers it."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    async def refuse(self, _: Exchange) -> Problem | None:
        return None

    async def answer(self, exchange: Exchange, body: bytes) -> Answer | Problem:
        request = exchange.request
        return Answer(200, self._mirror(request.method, request.target, body))

    async def serve_asgi(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        body = await asgi.read_body(receive)
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        content = self._mirror(scope["method"], target, body)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": False})
        exchange.is_answered = True

    async def live(self, scope: Scope, receive: Receive, send: Send) -> None:
        raise NotImplementedError

    def record(self, exchange: Exchange) -> None:
        pass

    def _mirror(self, method: str, target: bytes, body: bytes) -> bytes:
        self.seen.append({"method": method, "target": target.decode(), "body": len(body)})
        return json.dumps(self.seen[-1]).encode()


async def converse(pieces: Iterable[bytes], *, has_fast_way: bool) -> tuple[list[tuple[int, bytes]], list[Any], bytes]:
    """What a server answers to these bytes, what its application saw, and the raw answers."""
    app = Mirror()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    client = trio.SocketStream(trio.socket.from_stdlib_socket(theirs))
    received = bytearray()
    async with client, trio.open_nursery() as nursery:
        nursery.start_soon(Connection(Server(app, Proxies(()), has_fast_way=has_fast_way), ours, "").run)
        try:
            for piece in pieces:
                await client.send_all(piece)
                await trio.lowlevel.checkpoint()
            await client.send_eof()
        except trio.BrokenResourceError:
            pass
        try:
            async for part in client:
                received += part
        except trio.BrokenResourceError:
            pass
    return list(answers(bytes(received))), app.seen, bytes(received)


def answers(received: bytes) -> Iterable[tuple[int, bytes]]:
    """The answers in a stream of bytes. Bodies are JSON: where the next answer begins instead, it was one to HEAD."""
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        if status == 100:
            continue
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        has_body = bool(received) and not received.startswith(b"HTTP/1.1 ")
        yield status, received[:length] if has_body else b""
        received = received[length:] if has_body else received


@pytest.mark.parametrize("part", range(PARTS))
async def test_generated_requests_get_the_same_by_both_ways(part: int, request: pytest.FixtureRequest) -> None:
    seeds = seeds_of(request, SEEDS)
    for seed in seeds[part::PARTS]:
        with trio.fail_after(HANG_SECONDS):
            sent = odd_bytes(seed)
            fast, seen, _ = await converse([sent], has_fast_way=True)
            for pieces, has_fast_way in (([sent], False), (split(sent, seed), True)):
                again, seen_again, raw = await converse(pieces, has_fast_way=has_fast_way)
                assert seen_again == seen, (seed, sent)
                assert again == fast, (seed, sent, raw)
            assert all(status != 500 for status, _ in fast), (seed, sent)


async def test_a_request_cut_at_any_byte_is_the_same_request() -> None:
    sent = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab" * 2
    whole, _, _ = await converse([sent], has_fast_way=True)
    assert [status for status, _ in whole] == [200, 200]
    for cut in range(1, len(sent)):
        assert (await converse([sent[:cut], sent[cut:]], has_fast_way=True))[0] == whole


@pytest.mark.parametrize("framing", [b"Content-Length: 2\r\n\r\nxx", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
async def test_what_follows_a_refused_body_is_not_read_whenever_that_body_came(framing: bytes) -> None:
    refused = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n" + framing
    sent = refused + b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"
    for cut in range(len(sent)):
        given, seen, _ = await converse([sent[:cut], sent[cut:]], has_fast_way=True)
        assert ([status for status, _ in given], seen) == ([415], []), cut


AMBIGUOUS = [
    b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 2\r\n\r\nab",
    b"Origin: http://a\r\nOrigin: http://b\r\nContent-Length: 2\r\n\r\nab",
    b"Content-Type: application/json\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nab",
    b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab",
    b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nab",
    b"Content-Length: 2, 2\r\n\r\nab",
    b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"Content-Length : 2\r\n\r\nab",
    b"Content-Length\t: 2\r\n\r\nab",
    b"X: a\nContent-Length: 2\r\n\r\nab",
    b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nab",
    b"X: a\rb\r\nContent-Length: 2\r\n\r\nab",
    b"Host: b\r\nContent-Length: 2\r\n\r\nab",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("rest", AMBIGUOUS)
@pytest.mark.parametrize("path", [b"/mcp", b"/join"])
@pytest.mark.parametrize("has_fast_way", [True, False])
async def test_an_ambiguous_request_is_refused_and_nothing_after_it_is_read(
    rest: bytes, path: bytes, *, has_fast_way: bool
) -> None:
    good = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    ambiguous = b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + rest
    given, seen, raw = await converse([good + ambiguous + good], has_fast_way=has_fast_way)
    assert [status for status, _ in given] == [200, 400]
    assert len(seen) == 1
    assert b"connection: close" in raw.lower()


async def test_requests_of_both_ways_on_one_connection_are_answered_in_order() -> None:
    plain = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
    chunked = b"POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    page = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"
    given, seen, _ = await converse([plain + page + chunked + page + plain], has_fast_way=True)
    assert [json.loads(body) for _, body in given] == seen
    assert [each["body"] for each in seen] == [2, 0, 3, 0, 2]


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 2\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"]
)
@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
async def test_a_request_that_offers_an_upgrade_keeps_its_body(framing: bytes, protocol: bytes) -> None:
    """Java's HTTP client offers HTTP/2 with every first request. Its body must never be taken for the next one."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: " + protocol + b"\r\nHTTP2-Settings: AAMAAABk\r\n"
    sent = b"POST /mcp HTTP/1.1\r\nHost: a\r\n" + offer + framing + b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"
    for cut in range(len(sent)):
        given, seen, _ = await converse([sent[:cut], sent[cut:]], has_fast_way=True)
        assert [status for status, _ in given] == [200, 200], cut
        assert [(each["method"], each["body"]) for each in seen] == [("POST", 2), ("GET", 0)], cut


@pytest.mark.parametrize("has_fast_way", [True, False])
async def test_a_url_as_target_means_its_path(*, has_fast_way: bool) -> None:
    sent = b"POST http://a/mcp?x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
    given, seen, _ = await converse([sent, sent], has_fast_way=has_fast_way)
    assert [status for status, _ in given] == [200, 200]
    assert [each["target"] for each in seen] == ["/mcp?x"] * 2


async def test_a_body_that_was_announced_is_asked_for() -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    _, seen, raw = await converse([head, b"ab"], has_fast_way=True)
    assert [each["body"] for each in seen] == [2]
    assert raw.count(b"HTTP/1.1 200") == 1
