"""Servers that a hook must survive, on the loopback: each accepts connections and then does one thing wrong."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

Behaviour = Callable[[trio.SocketStream], Awaitable[None]]

DRIBBLE_SECONDS = 0.2
"""Between two bytes: often enough for every timeout that starts anew with each."""


def answering(status: str, body: str, kind: str = "application/json") -> Behaviour:
    """The same answer to everything."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}\r\n\r\n"

    async def answer(stream: trio.SocketStream) -> None:
        while await stream.receive_some():
            await stream.send_all((head + body).encode())

    return answer


async def hanging(stream: trio.SocketStream) -> None:
    """Reads, and never says a word."""
    while await stream.receive_some():
        pass


async def dribbling(stream: trio.SocketStream) -> None:
    """An answer that is always about to come."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    while True:
        await stream.send_all(b" ")
        await trio.sleep(DRIBBLE_SECONDS)  # the fault itself: another process waits for it in real time


async def hanging_up(stream: trio.SocketStream) -> None:
    """Closes as soon as it is asked."""
    await stream.receive_some()


class Relay:
    """The real bus at `url`, for so many requests of a connection; then it is gone. Counts what passes."""

    def __init__(self, url: str, requests_max: int = 1000) -> None:
        self._host, _, self._port = url.removeprefix("http://").partition(":")
        self._requests_max = requests_max
        self.connections = 0
        self.requests: list[str] = []

    async def __call__(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        async with await trio.open_tcp_stream(self._host, int(self._port)) as bus, trio.open_nursery() as nursery:
            nursery.start_soon(_copy, bus, stream)
            async for chunk in stream:
                self.requests += re.findall(r"^Mcp-Name: (\w+)", chunk.decode(), re.MULTILINE)
                if len(self.requests) > self._requests_max:
                    break
                await bus.send_all(chunk)
            nursery.cancel_scope.cancel()


async def _copy(source: trio.SocketStream, target: trio.SocketStream) -> None:
    async for chunk in source:
        await target.send_all(chunk)


@asynccontextmanager
async def bad_server(behaviour: Behaviour) -> AsyncIterator[str]:
    """The endpoint of a server that behaves so, as long as the block lasts."""
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, partial(_bear, behaviour), 0, host="127.0.0.1")
        [listener] = await nursery.start(serve)
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}/mcp"
        nursery.cancel_scope.cancel()


async def _bear(behaviour: Behaviour, stream: trio.SocketStream) -> None:
    with suppress(trio.BrokenResourceError):  # the client gave up, as it should
        await behaviour(stream)
