"""A load generator for machines without wrk: `python -m web.bench.generator`, a `Load` in, a `Sample` out, as JSON.

Every connection sends the same bytes, reads the whole answer, and sends again. Answers are read by their
Content-Length; one without, a status other than 200, or a lost connection counts as an error, and the connection is
opened again.
"""

import gc
import sys
from collections.abc import Mapping
from itertools import cycle
from math import inf
from types import MappingProxyType
from urllib.parse import urlsplit

import msgspec
import trio
from msgspec import Struct

from web.bench.results import Sample, percentile

RECEIVE_BYTES_MAX = 65_536
LAST_ANSWER_SECONDS_MAX = 10.0
"""Every connection waits for the answer to what it last sent, so that short runs have one of each."""

_END_OF_HEAD = b"\r\n\r\n"


class Load(Struct, frozen=True, kw_only=True):
    """One request, repeated on `connections` at once, for `seconds`.

    `turns` are headers that change from request to request, one set after the other.
    """

    url: str
    method: str = "POST"
    headers: dict[str, str]
    body: str = ""
    turns: list[dict[str, str]] = []
    connections: int
    seconds: float
    pause_seconds: float = 0.0
    """Between an answer and the connection's next request."""


class BadAnswer(Exception):
    """Not what a server that works sends."""


class _Generator:
    def __init__(self, load: Load) -> None:
        target = urlsplit(load.url)
        self._host, self._port = target.hostname or "127.0.0.1", target.port or 80
        self._requests = cycle(request_bytes(load, changed) for changed in load.turns or [dict[str, str]()])
        self._load = load
        self._milliseconds: list[float] = []
        self._errors = 0

    async def run(self) -> Sample:
        started = trio.current_time()
        with trio.move_on_after(self._load.seconds + LAST_ANSWER_SECONDS_MAX):
            async with trio.open_nursery() as nursery:
                for _ in range(self._load.connections):
                    nursery.start_soon(self._keep_calling, started + self._load.seconds)
        seconds = trio.current_time() - started
        if not self._milliseconds:
            sys.exit(f"{self._load.url} answered nothing")
        ordered = sorted(self._milliseconds)
        return Sample(
            requests=len(self._milliseconds),
            requests_per_second=len(self._milliseconds) / seconds,
            p50_ms=percentile(ordered, 0.5),
            p99_ms=percentile(ordered, 0.99),
            max_ms=ordered[-1],
            errors=self._errors,
        )

    async def _keep_calling(self, until: float) -> None:
        sent = -inf  # at least one call a connection, however long it takes to connect
        while sent < until:
            try:
                async with await trio.open_tcp_stream(self._host, self._port) as stream:
                    while sent < until:
                        sent = trio.current_time()
                        await stream.send_all(next(self._requests))
                        await read_answer(stream)
                        self._milliseconds.append((trio.current_time() - sent) * 1000)
                        await trio.sleep(self._load.pause_seconds)
            except (OSError, trio.BrokenResourceError, BadAnswer):
                self._errors += 1


def request_bytes(load: Load, changed: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """A request of the load, with some headers changed."""
    target = urlsplit(load.url)
    headers = {"Host": target.netloc, "Content-Length": str(len(load.body.encode())), **load.headers, **changed}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{load.method} {target.path} HTTP/1.1\r\n{head}\r\n{load.body}".encode()


async def read_answer(stream: trio.SocketStream) -> bytes:
    """The body of the next answer. Raises `BadAnswer` for anything but 200."""
    answer = await _receive(stream)
    while _END_OF_HEAD not in answer:
        answer += await _receive(stream)
    head, _, body = answer.partition(_END_OF_HEAD)
    status, *lines = head.lower().split(b"\r\n")
    lengths = [int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")]
    if not status.startswith(b"http/1.1 200") or not lengths:
        raise BadAnswer
    parts = [body]
    missing = lengths[0] - len(body)
    while missing > 0:
        parts.append(await _receive(stream))
        missing -= len(parts[-1])
    return b"".join(parts)


async def _receive(stream: trio.SocketStream) -> bytes:
    if not (part := await stream.receive_some(RECEIVE_BYTES_MAX)):
        raise BadAnswer
    return bytes(part)


if __name__ == "__main__":
    gc.disable()  # a collection here would be measured as the server's
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    sys.stdout.buffer.write(msgspec.json.encode(trio.run(_Generator(job).run)))
