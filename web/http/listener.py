"""Listeners and streams with bounds: how many connections at once, and how long one write may take.

A connection over the bound waits in the kernel's queue, unread, until another one closes.
"""

import resource
from collections.abc import Callable

import structlog
import trio

log = structlog.get_logger(__name__)

CONNECTIONS_MAX = 4096
"""Open connections at once, each a few dozen kilobytes."""

FILES_BESIDE_MAX = 256
"""Open files besides connections: the pool, logs, the embedded database's pipes."""

WRITE_SECONDS_MAX = 60.0
"""How long a client may take to accept one write; the largest answer is a few megabytes."""


class BoundedStream(trio.abc.HalfCloseableStream):
    """A connection that gives its place back when it closes, and closes when its client does not read."""

    def __init__(self, stream: trio.SocketStream, give_back: Callable[[], object]) -> None:
        self.socket = stream.socket
        self._stream = stream
        self._give_back: Callable[[], object] | None = give_back

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive what is there, at most `max_bytes`."""
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send everything within `WRITE_SECONDS_MAX`, or close and raise `trio.BrokenResourceError`."""
        with trio.move_on_after(WRITE_SECONDS_MAX) as limit:
            await self._stream.send_all(data)
        if limit.cancelled_caught:
            await trio.aclose_forcefully(self)
            raise trio.BrokenResourceError("the client does not read")

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room to send."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Say that nothing more will be sent."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close, and let the next connection in."""
        try:
            await self._stream.aclose()
        finally:
            if self._give_back is not None:
                self._give_back()
                self._give_back = None


class BoundedListener(trio.abc.Listener[BoundedStream]):
    """Accepts a connection only while there is room; `free` is the room, which several listeners may share."""

    def __init__(self, listener: trio.SocketListener, free: trio.Semaphore) -> None:
        self._listener = listener
        self._free = free

    @property
    def port(self) -> int:
        """The port it listens on."""
        number: int = self._listener.socket.getsockname()[1]
        return number

    async def accept(self) -> BoundedStream:
        """The next connection, once there is room for it."""
        await self._free.acquire()
        try:
            return BoundedStream(await self._listener.accept(), self._free.release)
        except BaseException:
            self._free.release()
            raise

    async def aclose(self) -> None:
        """Stop listening; open connections stay."""
        await self._listener.aclose()


async def listen(host: str, port: int, connections_max: int = CONNECTIONS_MAX) -> list[BoundedListener]:
    """Open listeners on every address of `host`, with one bound for all; port 0 lets the system choose.

    Raises `OSError`.
    """
    _allow_open_files(connections_max + FILES_BESIDE_MAX)
    listeners = await trio.open_tcp_listeners(port, host=host)
    free = trio.Semaphore(connections_max)
    return [BoundedListener(listener, free) for listener in listeners]


def _allow_open_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    possible = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (possible, hard))
    if possible < wanted:
        log.warning("few open files allowed", allowed=possible, wanted=wanted)
