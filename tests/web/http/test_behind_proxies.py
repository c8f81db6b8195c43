"""Generated requests through real proxies, with the files of docs/deploy: nothing is smuggled past one.

A proxy gives each request that it forwards an `X-Request-ID` of its own, and uses its connections to the server for the
requests of everybody. So a request that the server sees and the proxy does not has no id or a second time the same one;
and one that the proxy sees and the server does not leaves somebody else with the wrong answer.
"""

import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio

from tests.balancers import Balancer, caddy, envoy, haproxy, nginx
from tests.web.http.odd_requests import BODIES_WITH_REQUESTS, odd_bytes, seeds_of, split
from tests.web.http.test_both_ways import Mirror
from web.http import connection
from web.http.connection import Connection
from web.http.exchange import Exchange
from web.http.listener import listen
from web.http.parsing import RequestParser
from web.http.proxies import Proxies
from web.http.serving import Server

SEEDS = 150
AT_ONCE = 25
PATIENCE_SECONDS = 0.3
"""How long a client waits for more: a request that is not complete has no answer."""

ID_OF_PROXY = re.compile(rb"x-request-id: ([0-9a-f-]{32,36})\r\n", re.IGNORECASE)

Front = Callable[[Path, Sequence[int]], AbstractAsyncContextManager[Balancer]]


class Witness(Mirror):
    """Remembers the ids of all that proxies forwarded, and what came without one."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[bytes] = []
        self.smuggled: list[object] = []

    def record(self, exchange: Exchange) -> None:
        request = exchange.request
        if request is not connection.UNREADABLE and request.path != "/healthz":  # which HAProxy asks for by itself
            lines = b"".join(b"%s: %s\r\n" % header for header in request.headers)
            self.note(lines, (request.method, request.target, request.headers))

    def note(self, head: bytes, found: object) -> None:
        ids = ID_OF_PROXY.findall(head)
        self.ids += ids
        if len(ids) != 1 or self.ids.count(ids[0]) != 1:
            self.smuggled.append(found)


@pytest.fixture
def witness(monkeypatch: pytest.MonkeyPatch) -> Witness:
    """Also notes what cannot be read: proxies forward words that are no methods, for example."""
    witness = Witness()

    class NotingParser(RequestParser):
        def feed(self, data: bytes) -> None:
            was_readable = self.problem is None
            super().feed(data)
            begun = self._current  # recorded, if it is the one that cannot be read to its end
            is_recorded = begun is not None and (begun.method == "CONNECT" or not begun.is_complete)
            if was_readable and self.problem is not None and not is_recorded:
                witness.note(data, data)

    monkeypatch.setattr(connection, "RequestParser", NotingParser)
    return witness


@asynccontextmanager
async def front_door(witness: Witness) -> AsyncIterator[int]:
    """The port of the real front door, with a witness behind it."""
    server = Server(witness, Proxies(()))
    (listener,) = await listen("127.0.0.1", 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.turns.run)
        nursery.start_soon(listener.run, lambda client, peer: nursery.start_soon(Connection(server, client, peer).run))
        yield listener.port
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("front", [nginx, haproxy, envoy, caddy])
async def test_nothing_is_smuggled_past_a_proxy(
    front: Front, tmp_path: Path, witness: Witness, request: pytest.FixtureRequest
) -> None:
    seeds = seeds_of(request, SEEDS)
    async with (
        front_door(witness) as port,
        front(tmp_path, [port]) as proxy,
        httpx2.AsyncClient(base_url=f"http://127.0.0.1:{proxy.port}", timeout=60) as somebody,
    ):
        for begin in range(0, len(seeds), AT_ONCE):
            together = seeds[begin : begin + AT_ONCE]
            async with trio.open_nursery() as nursery:
                for seed in together:
                    nursery.start_soon(send_odd_bytes, proxy.port, seed)
                nursery.start_soon(ask, somebody, f"/{begin}")
            assert not witness.smuggled, together
    assert len(witness.ids) > len(seeds) / 3, "most of what is generated must get through"


async def send_odd_bytes(port: int, seed: int) -> None:
    """Send the bytes of a seed, every other time in pieces, and read what comes, for a while."""
    sent = odd_bytes(seed, BODIES_WITH_REQUESTS)
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    async with stream:
        try:
            for piece in split(sent, seed) if seed % 2 else [sent]:
                await stream.send_all(piece)
            with trio.move_on_after(PATIENCE_SECONDS):
                async for _ in stream:
                    pass
        except trio.BrokenResourceError:
            pass


async def ask(somebody: httpx2.AsyncClient, path: str) -> None:
    """A proper request, on connections that the proxy has used for odd ones."""
    response = await somebody.post(path, content=b"ab")
    assert (response.status_code, json.loads(response.content)) == (200, {"method": "POST", "target": path, "body": 2})
