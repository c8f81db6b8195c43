"""A receiver of webhooks on the loopback: it keeps what comes and answers what the test says."""

import base64
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from msgspec import Struct

from tests.bounds import HANG_SECONDS

FIELD_END = b"\r\n"


class Heard(Struct, frozen=True):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, as the shapes `json` and `slack` write it."""
        return json.loads(self.body)

    def is_signed_by(self, secret: str) -> bool:
        """Whether the signature is right, as the Standard Webhooks specification computes it."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        made = hmac.new(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256").digest()
        return self.headers["webhook-signature"] == f"v1,{base64.b64encode(made).decode()}"


class Receiver:
    """`status` and `location` are what it answers; `silent`: nothing. With `tls` it speaks TLS."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/secret-path"
        self.status, self.location, self.silent = 200, "", False
        self.tls: ssl.SSLContext | None = None
        self.heard: list[Heard] = []
        self._news = trio.Event()

    async def wait_for(self, count: int) -> list[Heard]:
        """Everything that came, once it is so many requests."""
        with trio.fail_after(HANG_SECONDS):
            while len(self.heard) < count:
                await self._news.wait()
        return self.heard

    async def serve(self, stream: trio.SocketStream) -> None:
        """Take one request; one that breaks off is nothing."""
        spoken: trio.abc.Stream = stream
        if self.tls is not None:
            spoken = trio.SSLStream(stream, self.tls, server_side=True, https_compatible=True)
        async with stream:
            with suppress(trio.BrokenResourceError):
                await self._take(spoken)

    async def _take(self, stream: trio.abc.Stream) -> None:
        received = b""
        while FIELD_END * 2 not in received:
            received += await _more(stream)
        head, _, body = received.partition(FIELD_END * 2)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(body) < int(headers["content-length"]):
            body += await _more(stream)
        self.heard.append(Heard(first.split(" ")[1], headers, body))
        self._news.set()
        self._news = trio.Event()
        if self.silent:
            await trio.sleep_forever()
        location = f"Location: {self.location}\r\n" if self.location else ""
        answer = f"HTTP/1.1 {self.status} Here\r\n{location}Content-Length: 0\r\nConnection: close\r\n\r\n"
        await stream.send_all(answer.encode())


async def _more(stream: trio.abc.Stream) -> bytes:
    if not (received := bytes(await stream.receive_some())):
        raise trio.BrokenResourceError
    return received


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver as long as the block lasts."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    receiver = Receiver(listener.socket.getsockname()[1])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, receiver.serve, [listener])
        yield receiver
        nursery.cancel_scope.cancel()
