"""A proxy on loopback that adds a bearer token to every request, for clients that cannot be told to.

Everything else passes as it came, the `Host` header too. One connection upstream for each connection down.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import h11
import trio

CHUNK_BYTES_MAX = 65_536


class _Side:
    """One end of the conversation: events in, events out."""

    def __init__(self, stream: trio.SocketStream, role: type[h11.CLIENT] | type[h11.SERVER]) -> None:
        self._stream = stream
        self.protocol = h11.Connection(role)

    async def receive(self) -> h11.Event:
        while (event := self.protocol.next_event()) is h11.NEED_DATA:
            try:
                self.protocol.receive_data(await self._stream.receive_some(CHUNK_BYTES_MAX))
            except trio.BrokenResourceError:
                self.protocol.receive_data(b"")
        assert not isinstance(event, type), "the proxy starts a new cycle before it reads on"
        return event

    async def send(self, event: h11.Event) -> None:
        if (data := self.protocol.send(event)) is not None:
            await self._stream.send_all(data)


@asynccontextmanager
async def token_proxy(port: int, token: str) -> AsyncIterator[int]:
    """Add the token to what is sent to the server on `port`; gives the port to send to instead."""
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, partial(_converse, port, token), 0, host="127.0.0.1")
        [listener] = await nursery.start(serve)
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def _converse(port: int, token: str, stream: trio.SocketStream) -> None:
    """Pass requests up and responses down until either side closes, or says something that is no HTTP."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as upward:
        down, up = _Side(stream, h11.SERVER), _Side(upward, h11.CLIENT)
        try:
            while await _exchange(down, up, token):
                down.protocol.start_next_cycle()
                up.protocol.start_next_cycle()
        except (h11.ProtocolError, trio.BrokenResourceError):
            return


async def _exchange(down: _Side, up: _Side, token: str) -> bool:
    """One request and its response; whether another can follow on the same connections."""
    request = await down.receive()
    if not isinstance(request, h11.Request):
        return False
    kept = [(name, value) for name, value in request.headers.raw_items() if name.lower() != b"authorization"]
    headers = [*kept, (b"Authorization", f"Bearer {token}".encode())]
    await up.send(h11.Request(method=request.method, target=request.target, headers=headers))
    await _pass(down, up)
    # A response that begins before the request is read has to wait here; this server never streams.
    await _pass(up, down)
    return down.protocol.our_state is h11.DONE and up.protocol.their_state is h11.DONE


async def _pass(source: _Side, target: _Side) -> None:
    while True:
        event = await source.receive()
        if isinstance(event, h11.ConnectionClosed):
            raise trio.BrokenResourceError
        await target.send(event)
        if isinstance(event, h11.EndOfMessage):
            return
