"""Requests that are not plain, served by Hypercorn and an ASGI application.

Hypercorn gets one request a time, framed and complete, over a stream in memory: `TCPServer` runs on it as it would on a
socket, by its public interface. So it never waits for a client, never sees bytes that our parser refused, and never
decides about the connection. Upgrades, chunks and expectations are resolved before: the request that it reads has a
Content-Length and nothing hop-by-hop but `Connection`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from web.http.asgi import Receive, Scope, Send
from web.http.exchange import Exchange
from web.http.request import Request

if TYPE_CHECKING:
    import socket

    from web.http.connection import Connection

WRITE_BYTES_MIN = 64 * 1024
"""Answers up to this length go out in one write."""

_RESOLVED = frozenset(
    {b"transfer-encoding", b"content-length", b"expect", b"upgrade", b"http2-settings", b"te", b"trailer"}
)
_IF_ANY = (b"if-match", b"*")
"""True of whatever is found, and of no matter where nothing is (RFC 9110, 13.2.1). Werkzeug takes it for a tag."""

_METHODS_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_EVENT_STREAM = b"\r\ncontent-type: text/event-stream\r\n"
_UNLIMITED = 2**62

Application = Callable[[Exchange, Scope, Receive, Send], Awaitable[None]]


class Fallback:
    """Serves single requests by an ASGI application that also gets their `Exchange`."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self.config = configuration()

    async def serve(self, connection: Connection, exchange: Exchange) -> bool:
        """Have one request answered on its connection; whether the connection may stay open after it."""
        context = WorkerContext(None)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            # For Hypercorn this is the last request: it closes the stream as soon as the answer is complete.
            await context.terminated.set()
            try:
                with stream.answering:
                    await self._app(exchange, scope, receive, send)
            finally:
                await stream.aclose()

        stream = OneRequestStream(connection, exchange)
        wrapped = ASGIWrapper(app)  # type: ignore[arg-type]  # Hypercorn's names for what ASGI is are narrower
        await TCPServer(wrapped, self.config, context, ConnectionState({}), stream).run()  # type: ignore[arg-type]  # a stream in memory
        return stream.keeps_alive


class OneRequestStream:
    """What Hypercorn takes for a connection: one request to read, and the real connection to write to."""

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self.socket: socket.socket = connection.socket
        """Hypercorn asks it for addresses."""
        self.keeps_alive = False
        """Whether a complete answer has gone out after which the client expects to go on."""
        self.answering = trio.CancelScope()
        """Cancelled when the client does not take its answer: Hypercorn would let the application go on for nobody."""
        self._connection = connection
        self._exchange = exchange
        self._request = write_request(exchange.request)
        self._waiting = trio.CancelScope()
        self._held = bytearray()
        self._head_seen = False
        self._is_event_stream = False

    async def receive_some(self, _: int | None = None) -> bytes:
        """The request; then, once the answer is complete, the end. Whether the client is there is the connection's."""
        request, self._request = self._request, b""
        if not request:
            with self._waiting:
                await trio.sleep_forever()
        return request

    async def send_all(self, data: bytes) -> None:
        """Send to the client, small pieces together; those of an event stream at once."""
        if not self._head_seen:
            self._head_seen = True
            self.keeps_alive = b"\r\nconnection: close\r\n" not in data.lower()
            self._is_event_stream = _EVENT_STREAM in data.lower()
        self._held += data
        if self._is_event_stream or len(self._held) >= WRITE_BYTES_MIN:
            await self._flush()

    async def send_eof(self) -> None:
        """Send what is held: the answer is complete."""
        await self._flush()

    async def aclose(self) -> None:
        """End the stream; the connection stays."""
        self._waiting.cancel()

    async def _flush(self) -> None:
        data, self._held = bytes(self._held), bytearray()
        self._exchange.give_back()
        if data:
            try:
                await self._connection.send(data, self._exchange.payer)
            except trio.BrokenResourceError:
                self.keeps_alive = False
                self.answering.cancel()
                raise


def write_request(request: Request) -> bytes:
    """The bytes of a complete request, framed in the simplest way."""
    body = request.body
    lines = [b"%s %s HTTP/%s" % (request.method.encode(), request.target, request.version.encode())]
    lines += [b"%s: %s" % header for header in request.headers if header[0] not in _RESOLVED and header != _IF_ANY]
    if body or request.method in _METHODS_WITH_BODY:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def configuration() -> Config:
    """Hypercorn, quiet; times and bounds are the connection's."""
    config = Config()
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    config.keep_alive_timeout = _UNLIMITED
    config.keep_alive_max_requests = _UNLIMITED
    return config
