"""One HTTP/1.1 connection: Hypercorn's protocol and streams, with reading, writing and timing of our own.

Hypercorn's `TCPServer` starts a task to time every pause, takes three writes for one answer, and lets a client that
does not read hold a connection for ever. Here a pause is a deadline, an answer is one write, and a write is bounded.
Only HTTP/1.1 is spoken; what stands in front of this server for TLS may speak what it likes to the world.

Written against the pinned Hypercorn: `H11Protocol` calls `send` with its events, and `_send_h11_event` for every part.
"""

from contextlib import suppress
from math import inf

import h11
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState, H11SendableEvent
from hypercorn.utils import parse_socket_addr

from web.http.listener import BoundedStream

READ_BYTES_MAX = 64 * 1024

Address = tuple[str, int] | None


class HttpConnection:
    """Serves the requests that come over one stream, one after the other."""

    def __init__(self, app: ASGIWrapper, config: Config, context: WorkerContext, stream: BoundedStream) -> None:
        self._app = app
        self._config = config
        self._context = context
        self._stream = stream
        self._reading = trio.CancelScope()
        self._sending = trio.Lock()
        self._protocol: H11Protocol

    async def run(self) -> None:
        """Serve until either side closes, or nothing is asked for `keep_alive_timeout` seconds."""
        try:
            addresses = self._addresses()
            async with TaskGroup() as tasks:
                self._protocol = self._speak_http(tasks, *addresses)
                self._pause()
                with self._reading:
                    await self._read()
                await self._protocol.handle(Closed())
        except OSError:
            pass  # the client was gone before anybody looked
        finally:
            with trio.CancelScope(shield=True):
                await self._close()

    def end_pause(self) -> None:
        """Close now if no request is being answered."""
        if self._reading.deadline < inf:
            self._reading.cancel()

    def _addresses(self) -> tuple[Address, Address]:
        """The client's and ours; raises `OSError` when the client is gone."""
        socket = self._stream.socket
        client, server = socket.getpeername(), socket.getsockname()
        return parse_socket_addr(socket.family, client), parse_socket_addr(socket.family, server)

    def _speak_http(self, tasks: TaskGroup, client: Address, server: Address) -> H11Protocol:
        state = ConnectionState({})
        return _OneWriteH11(self._app, self._config, self._context, tasks, state, False, client, server, self._on_event)

    async def _read(self) -> None:
        while data := await self._receive():
            await self._protocol.handle(RawData(bytes(data)))

    async def _receive(self) -> bytes | bytearray:
        try:
            return await self._stream.receive_some(READ_BYTES_MAX)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _on_event(self, event: Event) -> None:
        """What the protocol wants: bytes sent, the connection closed, the pause timed or not."""
        match event:
            case RawData(data):
                await self._send(data)
            case Updated(idle=True):
                self._pause()
            case Updated():
                self._reading.deadline = inf
            case _:
                await self._close()
                await self._protocol.handle(Closed())
                # A reader that has the next request at hand waits for its turn in the protocol: it never comes.
                self._reading.cancel()

    async def _send(self, data: bytes) -> None:
        try:
            async with self._sending:
                await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await self._protocol.handle(Closed())

    async def _close(self) -> None:
        # The client closed first, or somebody is still writing to it: then there is nothing to say goodbye to.
        with suppress(trio.BrokenResourceError, trio.BusyResourceError, trio.ClosedResourceError):
            await self._stream.send_eof()
        await self._stream.aclose()

    def _pause(self) -> None:
        stopping = self._context.terminated.is_set()
        self._reading.deadline = -inf if stopping else trio.current_time() + self._config.keep_alive_timeout


class _OneWriteH11(H11Protocol):
    """HTTP/1.1 that holds an answer's head back until its first body, as ASGI wants it, and sends them together."""

    _held = b""

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError:
            if self.connection.their_state != h11.ERROR:
                raise
            return
        if isinstance(event, h11.Response):
            self._held = data
        elif data := self._held + data:
            self._held = b""
            await self.send(RawData(data))

    async def _check_protocol(self, event: h11.Request) -> None:
        """Take no upgrade to HTTP/2: it would leave these bounds."""
