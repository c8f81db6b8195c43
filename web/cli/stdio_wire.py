"""Standard input and output as the streams of an MCP server: one JSON-RPC message a line, read as over HTTP.

A line that is no message is answered at once, with its id or null; its client would otherwise wait until it gives up.
What was asked just before the end of the input is still answered, as in `echo … | llm-bus stdio`, unless it waits for
news.
"""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, BinaryIO

import anyio
import mcp_types as types
import msgspec
import trio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from msgspec import UNSET

from web.mcp import jsonrpc
from web.mcp.leniency import call_meant

LINE_BYTES_MAX = 1_000_000
"""The same bound as for a body over HTTP."""

LAST_ANSWERS_SECONDS_MAX = 1.0
"""How long the end of the input waits for the answers under way. Clients kill a program that does not end in two."""

ENDS_BYTES = 10_000
"""How much of the beginning and of the end of a longer line is searched for its id: clients write it as one of the
first or the last members of the message."""

_MEMBER = rb'\s*"\w+"\s*:\s*"[^"\\]*"\s*'
_ID = rb'\s*"id"\s*:\s*(-?\d{1,20}|"(?:[^"\\]|\\.)*")\s*'
_ID_AT_AN_END = (
    re.compile(rb"\s*\{(?:" + _MEMBER + rb",)*" + _ID + rb","),
    re.compile(rb"," + _ID + rb"(?:," + _MEMBER + rb")*\}\s*$"),
)
"""The id of the message itself. Inside the params it has a list or object before it, or after it."""

_TOO_LONG = types.ErrorData(code=types.INVALID_REQUEST, message=f"Invalid request: over {LINE_BYTES_MAX} bytes")

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


class Unanswered:
    """The requests under way."""

    def __init__(self) -> None:
        self._ids: set[Any] = set()
        self._changed = trio.Event()

    def arrived(self, message: types.JSONRPCRequest | types.JSONRPCNotification) -> None:
        """Note a request, or that the client no longer waits for one."""
        if isinstance(message, types.JSONRPCRequest):
            self._ids.add(message.id)
        elif message.method == "notifications/cancelled":
            self.left((message.params or {}).get("requestId"))

    def left(self, request_id: object) -> None:
        """Note an answer."""
        if isinstance(request_id, int | str):
            self._ids.discard(request_id)
        self._changed.set()

    async def all_answered(self) -> None:
        """Wait until no request is under way."""
        while self._ids:
            self._changed = trio.Event()
            await self._changed.wait()


@asynccontextmanager
async def stdio_streams() -> AsyncIterator[Streams]:
    """What the client asks, until its input ends, and where the answers go."""
    arrived, requests = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    responses, leaving = anyio.create_memory_object_stream[SessionMessage](0)
    unanswered = Unanswered()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_write, leaving, sys.stdout.buffer, unanswered)
        nursery.start_soon(_read, sys.stdin.buffer, arrived, responses.clone(), unanswered)
        async with responses:
            yield requests, responses


async def _read(
    stdin: BinaryIO,
    arrived: MemoryObjectSendStream[Any],
    responses: MemoryObjectSendStream[SessionMessage],
    unanswered: Unanswered,
) -> None:
    async with arrived, responses:
        while line := await trio.to_thread.run_sync(_next_line, stdin):
            if not line.strip():
                continue
            message = _message(line)
            if isinstance(message, types.JSONRPCError):
                await responses.send(SessionMessage(message))
            else:
                unanswered.arrived(message)
                await arrived.send(SessionMessage(message))
        with trio.move_on_after(LAST_ANSWERS_SECONDS_MAX):
            await unanswered.all_answered()


async def _write(leaving: MemoryObjectReceiveStream[SessionMessage], stdout: BinaryIO, unanswered: Unanswered) -> None:
    async with leaving:
        async for response in leaving:
            line = response.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n"
            await trio.to_thread.run_sync(_send, stdout, line)
            unanswered.left(getattr(response.message, "id", None))


def _next_line(stdin: BinaryIO) -> bytes:
    """One line; of one that is too long, just more than is taken and its end, and the rest is dropped."""
    line = stdin.readline(LINE_BYTES_MAX + 1)
    rest, end = line, b""
    while len(rest) > LINE_BYTES_MAX and not rest.endswith(b"\n"):
        rest = stdin.readline(LINE_BYTES_MAX + 1)
        end = (end + rest)[-ENDS_BYTES:]
    return line + end


def _send(stdout: BinaryIO, line: bytes) -> None:
    stdout.write(line)
    stdout.flush()


def _message(line: bytes) -> types.JSONRPCRequest | types.JSONRPCNotification | types.JSONRPCError:
    """The message in a line, or the answer to a line that has none."""
    is_too_long = len(line) > LINE_BYTES_MAX
    read = jsonrpc.Unreadable(_TOO_LONG, _id_of_long(line)) if is_too_long else jsonrpc.read_message(line)
    if isinstance(read, jsonrpc.Unreadable):
        return types.JSONRPCError(jsonrpc="2.0", id=read.id, error=read.error)
    if read.id is UNSET:
        return types.JSONRPCNotification(jsonrpc="2.0", method=read.method, params=read.params)
    try:
        params = call_meant(read.params) if read.method == "tools/call" else read.params
    except MCPError as refused:
        return types.JSONRPCError(jsonrpc="2.0", id=read.id, error=refused.error)
    return types.JSONRPCRequest(jsonrpc="2.0", id=read.id, method=read.method, params=params)


def _id_of_long(line: bytes) -> str | int | None:
    """The id of a message that is not read; None when neither of its ends has it."""
    begins, ends = _ID_AT_AN_END
    found = begins.match(line[:ENDS_BYTES]) or ends.search(line[-ENDS_BYTES:])
    try:
        return None if found is None else msgspec.json.decode(found[1], type=str | int)
    except msgspec.DecodeError:
        return None
