"""An open stream of Server-Sent Events, read over a plain socket, message by message.

HTTP/1.0: the answer is then neither framed nor kept, and ends with its connection.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

import trio

from tests.bounds import HANG_SECONDS
from tests.web.admin.admin_client import AdminClient
from web.admin import cookies

READ_BYTES = 65_536
NARROW_BYTES = 1_024


class EventStream:
    """What comes over an open stream, after the answer's head."""

    def __init__(self, connection: trio.SocketStream) -> None:
        self._connection = connection
        self._read = b""

    async def until(self, mark: bytes) -> bytes:
        """What comes before this mark; empty at the end."""
        with trio.fail_after(HANG_SECONDS):
            while mark not in self._read:
                more = await self._connection.receive_some(READ_BYTES)
                if not more:
                    return b""
                self._read += more
        found, _, self._read = self._read.partition(mark)
        return found

    async def message(self) -> dict[str, str]:
        """The next message's fields; empty once the stream has ended."""
        while text := await self.until(b"\n\n"):
            lines = [line for line in text.decode().split("\n") if not line.startswith(":")]
            if lines:
                return dict(line.split(": ", 1) for line in lines)
        return {}

    async def event(self) -> dict[str, Any]:
        """The next event of the ledger that is told."""
        while (message := await self.message()).get("event") != "happened":
            assert message, "the stream ended"
        told: dict[str, Any] = json.loads(message["data"])
        assert message["id"] == str(told["id"])
        return told

    async def of_ledger(self) -> dict[str, str]:
        """The next message that does not tell of changes outside the ledger, such as a token made just before."""
        while (message := await self.message()).get("event") == "changed":
            pass
        return message

    async def end(self) -> None:
        """Read until the stream ends."""
        while await self.message():
            pass


@asynccontextmanager
async def connected(url: str, *, is_narrow: bool = False) -> AsyncIterator[trio.SocketStream]:
    """A connection to the server at this address; through a narrow one, little goes that nobody reads."""
    parts = urlsplit(url)
    with trio.socket.socket() as connecting:
        if is_narrow:
            connecting.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, NARROW_BYTES)
        await connecting.connect((parts.hostname, parts.port or 80))
        yield trio.SocketStream(connecting)


@asynccontextmanager
async def opened(
    client: AdminClient,
    of: int | Literal["changes", "operator", "server"] | None,
    *,
    last: int | None = None,
    is_narrow: bool = False,
) -> AsyncIterator[EventStream]:
    """A project's stream or another one (None: the first page's), as a browser opens it that heard `last` last."""
    others = {
        None: "stream",
        "changes": "stream/changes",
        "operator": "operator/stream",
        "server": "operator/server/stream",
    }
    path = f"projects/{of}/stream" if isinstance(of, int) else others[of]
    url = urlsplit(str(client.http.base_url))
    lines = [
        f"GET /admin/{path} HTTP/1.0",
        f"Host: {url.netloc}",
        f"Cookie: {cookies.SESSION}={client.session_id}",
        "Accept: text/event-stream",
        *([] if last is None else [f"Last-Event-ID: {last}"]),
    ]
    async with connected(str(client.http.base_url), is_narrow=is_narrow) as connection:
        await connection.send_all("\r\n".join([*lines, "", ""]).encode())
        stream = EventStream(connection)
        head = (await stream.until(b"\r\n\r\n")).lower()
        assert b" 200 " in head.partition(b"\r\n")[0], head
        assert b"content-type: text/event-stream" in head
        yield stream
