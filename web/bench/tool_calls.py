"""One MCP client on one connection, for calls whose time is taken one by one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import trio

from web.bench import load as bench_load
from web.bench.generator import read_answer, request_bytes
from web.bench.processes import Served
from web.errors import BenchFailed


class Session:
    """Calls tools with one token, one after the other."""

    def __init__(self, stream: trio.SocketStream, served: Served, token: str) -> None:
        self._stream = stream
        self._served = served
        self._token = token

    @classmethod
    @asynccontextmanager
    async def opened(cls, served: Served, token: str) -> AsyncIterator[Self]:
        """Connect; the connection is kept as long as the block runs."""
        target = urlsplit(served.url)
        async with await trio.open_tcp_stream(target.hostname or "127.0.0.1", target.port or 80) as stream:
            yield cls(stream, served, token)

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        """A tool's answer, and how many milliseconds it took. Raises `BenchFailed` for a refusal."""
        load = bench_load.call_load(self._served, tool, dict(arguments), self._token, connections=1, seconds=0)
        sent = perf_counter()
        await self._stream.send_all(request_bytes(load))
        body = await read_answer(self._stream)
        milliseconds = (perf_counter() - sent) * 1000
        answer = msgspec.json.decode(body)
        if "error" in answer or answer["result"].get("isError"):
            raise BenchFailed(f"{tool} with {arguments} answers {answer}.")
        found: dict[str, Any] = answer["result"]["structuredContent"]
        return found, milliseconds
