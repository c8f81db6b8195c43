"""The HTTP server: accepts connections under bounds, serves them, and drains them at the end.

Shutdown accepts nothing more, closes idle connections at once and gives running requests `DRAIN_SECONDS_MAX`. What
happens on one connection is in `web.http.connection`.
"""

import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Protocol

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.trio.lifespan import Lifespan
from msgspec import Struct

from web.http.answer import Answer, EventStream, render
from web.http.asgi import Receive, Scope, Send
from web.http.budget import ByteBudget
from web.http.bulkhead import PAGES_AT_ONCE_MAX, PROBES_AT_ONCE_MAX, Bulkhead
from web.http.connection import READ_BYTES_MAX, Connection
from web.http.departures import Departures
from web.http.exchange import Exchange
from web.http.fallback import Fallback
from web.http.listener import CONNECTIONS_MAX, Listener
from web.http.outbox import Outbox
from web.http.places import PROBE_PLACES, Place, Places
from web.http.problems import TOO_BUSY, Problem
from web.http.proxies import Proxies
from web.http.request import PROBE_PATHS, Request
from web.http.turns import Turns

log = structlog.get_logger(__name__)

KEEP_ALIVE_SECONDS = 75.0
"""How long a connection may stay open between two requests: longer than common balancers keep theirs (60 seconds)."""

DRAIN_SECONDS_MAX = 10.0

LOOK_SECONDS = 0.25
"""How often connections are looked through for steps that are late, and for clients that have left."""

UNSENT_BYTES_MAX = 32 * 1024 * 1024
UNSENT_BYTES_PER_PAYER_MAX = 4 * 1024 * 1024
"""Answers that clients have not taken yet. A page costs up to three times its length while it is sent."""

ARRIVING_BYTES_MAX = 64 * 1024 * 1024
ARRIVING_BYTES_PER_PAYER_MAX = 8 * 1024 * 1024
"""Large bodies that are not complete yet."""


class Application(Protocol):
    """What answers requests."""

    async def refuse(self, exchange: Exchange) -> Problem | Answer | None:
        """The answer, when the head alone settles it; the body is not read then."""
        ...

    async def answer(self, exchange: Exchange, body: bytes) -> Answer | EventStream | Problem:
        """Answer a plain request whose body is complete."""
        ...

    async def serve_asgi(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer any other request, by ASGI."""
        ...

    async def live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve ASGI's `lifespan` scope."""
        ...

    def record(self, exchange: Exchange) -> None:
        """Log and count a request that has ended."""
        ...


class HttpStatistics(Struct, frozen=True):
    """What the front door holds, and what it turned away since the start."""

    connections: int
    unsent_bytes: int
    arriving_bytes: int
    turned_away: int


class Server:
    """What the connections of one process share."""

    def __init__(
        self,
        app: Application,
        proxies: Proxies,
        *,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
        has_fast_way: bool = True,
    ) -> None:
        """Without `has_fast_way` every request goes through Hypercorn; tests compare both ways."""
        self.app = app
        self.fallback = Fallback(app.serve_asgi)
        self.keep_alive_seconds = keep_alive_seconds
        self.has_fast_way = has_fast_way
        self.is_open = True
        """False when the server is stopping: answers then close their connections."""
        self.unsent = ByteBudget(UNSENT_BYTES_MAX, UNSENT_BYTES_PER_PAYER_MAX)
        self.arriving = ByteBudget(ARRIVING_BYTES_MAX, ARRIVING_BYTES_PER_PAYER_MAX)
        self._proxies = proxies
        self.places = Places(CONNECTIONS_MAX)
        self.turns = Turns()
        self._pages = Bulkhead(PAGES_AT_ONCE_MAX)
        self._probes = Bulkhead(PROBES_AT_ONCE_MAX)
        self.departures = Departures()
        self.outbox = Outbox(app.record)
        self._connections: set[Connection] = set()
        self._probing: dict[Connection, None] = {}
        """Those beyond the bound, the oldest first."""
        self._turned_away = 0

    async def run(self, listeners: Sequence[Listener], stopping: trio.Event, ready: Callable[[], object]) -> None:
        """Serve until `stopping` is set and running requests have ended; closes the listeners.

        Calls `ready` once connections are accepted. Cancelling cuts everything off.
        """
        async with trio.open_nursery() as lifespans:
            lifespans.start_soon(self.turns.run)
            lifespan = Lifespan(ASGIWrapper(self.app.live), self.fallback.config, {})  # type: ignore[arg-type]  # Hypercorn's names for what ASGI is are narrower
            await lifespans.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            lifespans.start_soon(self._look_at_connections)
            with self.outbox.opened():
                await self._serve_until(stopping, listeners, ready)
            await lifespan.wait_for_shutdown()
            lifespans.cancel_scope.cancel()

    async def _serve_until(
        self, stopping: trio.Event, listeners: Sequence[Listener], ready: Callable[[], object]
    ) -> None:
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                self.places = Places(listeners[0].connections_max)
                for listener in listeners:
                    accepting.start_soon(listener.run, partial(self._accept, connections))
                ready()
                await stopping.wait()
                accepting.cancel_scope.cancel()
            self._drain()
            connections.cancel_scope.deadline = trio.current_time() + DRAIN_SECONDS_MAX
        if connections.cancel_scope.cancelled_caught:
            log.warning("requests cut off", after_seconds=DRAIN_SECONDS_MAX)

    def statistics(self) -> HttpStatistics:
        """The state of this moment."""
        return HttpStatistics(self.places.open, self.unsent.held_bytes, self.arriving.held_bytes, self._turned_away)

    def client_address(self, peer: str, request: Request) -> str:
        """Whose request it is: the peer's, or the one that trusted proxies name."""
        if request.header(b"x-forwarded-for") is None:
            return peer
        return self._proxies.client_address(peer, request.headers)

    def is_forwarded(self, exchange: Exchange, peer: str) -> bool:
        """Whether a trusted proxy has named another client than itself."""
        return exchange.client != peer and self._proxies.trusts(peer)

    def bulkhead_of(self, request: Request) -> Bulkhead | None:
        """Where a request waits until few enough like it are under way; None: nowhere."""
        if request.path in PROBE_PATHS:
            return self._probes
        return None if request.is_to_endpoint else self._pages

    def _accept(self, connections: trio.Nursery, client: socket.socket, peer: str) -> None:
        address = None if self._proxies.trusts(peer) else peer
        place = self.places.take(address)
        if place is Place.NOTHING:
            self._turn_away(client)
            return
        connection = Connection(self, client, peer, place)
        if place is Place.PROBES:
            if not self._has_room_for_probe():
                self.places.give_back(address)
                self._turn_away(client)
                return
            self._probing[connection] = None
        connections.start_soon(self._serve, connection, address)

    def _has_room_for_probe(self) -> bool:
        """Whether a connection beyond the bound may be read; the oldest that is silent makes room for it."""
        if len(self._probing) < PROBE_PLACES:
            return True
        silent = next((connection for connection in self._probing if connection.end_pause()), None)
        if silent is not None:
            del self._probing[silent]
        return silent is not None

    def _turn_away(self, client: socket.socket) -> None:
        """Say that there is no room, as far as that works without waiting."""
        self._turned_away += 1
        with client, suppress(OSError):
            client.send(render(TOO_BUSY.answer(), closes=True))
            client.shutdown(socket.SHUT_WR)
            client.recv(READ_BYTES_MAX)  # unread bytes would turn the goodbye into a reset

    async def _serve(self, connection: Connection, address: str | None) -> None:
        """One connection's life; its failure is its own."""
        self._connections.add(connection)
        try:
            await connection.run()
        except Exception:  # the supervisor of connections: one that fails must not take the server along
            log.exception("connection failed")
        finally:
            self._connections.discard(connection)
            self._probing.pop(connection, None)
            self.places.give_back(address)

    async def _look_at_connections(self) -> None:
        while True:
            await trio.sleep(LOOK_SECONDS)
            self.departures.look()
            self._pages.look()
            self._probes.look()
            now = perf_counter()
            for connection in self._connections:
                connection.end_if_late(now)

    def _drain(self) -> None:
        self.is_open = False
        for connection in self._connections:
            connection.end_pause()
