"""Load for a running server: MCP calls over connections of their own, and a record of every answer.

Plain HTTP/1.1 over Trio sockets, kept alive, without sessions: small enough that a test drives hundreds of connections
beside the server on the same machine, and sees exactly what came back. What the calls should come to is not its
business.
"""

import json
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any, Self

import trio

STATELESS = "2026-07-28"
REVISIONS = ("2025-11-25", STATELESS)
ANSWER_SECONDS_MAX = 90.0
"""Longer than any promised wait and all retries together: past it, the call hangs, and a hang fails the test."""

RETRY_SECONDS = 0.02
"""Between two attempts of a client that insists."""

RECEIVE_BYTES = 65536

GATEWAY_STATUSES = {502, 503, 504}
"""What a balancer answers by itself, with a page of its own, when it has no answer of a server."""
_META = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
}


@dataclass(slots=True, frozen=True)
class Answered:
    """The call was carried out; `value` is its structured content."""

    value: dict[str, Any]


@dataclass(slots=True, frozen=True)
class Refused:
    """The server understood and said no."""

    code: str
    sentence: str

    @property
    def is_momentary(self) -> bool:
        """Whether the same call may succeed a moment later."""
        return self.code in {"busy", "unavailable"}


@dataclass(slots=True, frozen=True)
class Lost:
    """The connection went before the answer came; `sent` says whether the whole request had been handed over."""

    reason: str
    sent: bool


@dataclass(slots=True, frozen=True)
class Left:
    """The client hung up before the answer came."""


@dataclass(slots=True, frozen=True)
class Broken:
    """An answer that nobody should ever get."""

    status: int
    body: str


Outcome = Answered | Refused | Lost | Left | Broken


def now() -> float:
    """Seconds since 1970, by the monotonic clock."""
    return _EPOCH + time.monotonic()


_EPOCH = time.time() - time.monotonic()


@dataclass(slots=True, frozen=True)
class Attempt:
    """One request, and what became of it.

    `operation` numbers the calls; the attempts of one that its client insists on have the same. `began` and `ended`
    are Unix times of a clock that never goes back (`now`).
    """

    client: str
    tool: str
    arguments: Mapping[str, Any]
    outcome: Outcome
    operation: int
    port: int
    began: float
    ended: float

    @property
    def kind(self) -> str:
        """The kind of its outcome in a word; of a refusal, its code."""
        match self.outcome:
            case Refused(code):
                return code
            case outcome:
                return type(outcome).__name__.lower()


@dataclass(slots=True)
class Record:
    """Every attempt of every client of a test, in the order in which they ended."""

    attempts: list[Attempt] = field(default_factory=list)
    under_way: int = 0
    operations: Iterator[int] = field(default_factory=count)
    _answered: int = 0
    _milestones: list[tuple[int, trio.Event]] = field(default_factory=list)

    def add(self, attempt: Attempt) -> None:
        """Keep an attempt, and wake whom it lets go on."""
        self.attempts.append(attempt)
        if isinstance(attempt.outcome, Answered):
            self._answered += 1
            for number, reached in self._milestones:
                if self._answered >= number:
                    reached.set()

    async def progress(self, answers: int) -> None:
        """Wait for so many answers more."""
        milestone = (self._answered + answers, trio.Event())
        self._milestones.append(milestone)
        try:
            await milestone[1].wait()
        finally:
            self._milestones.remove(milestone)

    def answered(self, *tools: str) -> list[tuple[Attempt, dict[str, Any]]]:
        """The attempts with these tools (all, without any) that were carried out, each with its answer."""
        return [
            (attempt, attempt.outcome.value)
            for attempt in self.attempts
            if isinstance(attempt.outcome, Answered) and (not tools or attempt.tool in tools)
        ]

    def kinds(self) -> Counter[str]:
        """How often each kind of outcome came, refusals by their code."""
        return Counter(attempt.kind for attempt in self.attempts)

    def unexpected(self, *, refusals: tuple[str, ...] = (), lost: bool = False) -> list[Attempt]:
        """The attempts that came to anything but an answer, momentary refusal, or what the test allows besides."""
        return [attempt for attempt in self.attempts if not _expected(attempt.outcome, refusals, lost=lost)]


@dataclass(slots=True, frozen=True)
class Team:
    """The participants of one project, with their tokens by label, and the record of what they were told."""

    tokens: dict[str, str]
    record: Record = field(default_factory=Record)

    def client(self, label: str, *ports: int) -> "Client":
        """This member, as a client of these servers."""
        return Client(label, ports, self.tokens[label], self.record)

    def clients(self, *ports: int) -> "list[Client]":
        """All members, spread over servers and revisions of the protocol."""
        spread = zip(self.tokens.items(), cycle(ports), cycle(REVISIONS), strict=False)
        return [
            Client(label, (port,), token, self.record, revision=revision) for (label, token), port, revision in spread
        ]


class Client:
    """One participant with a connection to each of its servers, opened when needed and again when it was lost.

    It calls the first of `ports` and goes on to the next when a connection is lost; with `choose`, it asks that for a
    server before every attempt.
    """

    def __init__(
        self,
        name: str,
        ports: Sequence[int],
        token: str,
        record: Record,
        *,
        revision: str = STATELESS,
        choose: Callable[[Sequence[int]], int] | None = None,
    ) -> None:
        self.name = name
        self._ports = deque(ports)
        self._token = token
        self._record = record
        self._revision = revision
        self._choose = choose
        self._streams: dict[int, trio.SocketStream] = {}
        self._requests = count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Open the connection to the first server, if there is none. Raises `OSError`."""
        await self._stream(self._ports[0])

    async def close(self) -> None:
        """Close all connections."""
        while self._streams:
            _, stream = self._streams.popitem()
            await trio.aclose_forcefully(stream)

    async def call(self, tool: str, /, **arguments: Any) -> Outcome:
        """Make one attempt and record it; one that is cancelled costs the connection."""
        return await self._attempt(tool, arguments, next(self._record.operations))

    async def insist(self, tool: str, /, **arguments: Any) -> Answered | Refused | Broken:
        """Repeat the same call until it is answered, or refused for good."""
        return await self._insist(tool, arguments, next(self._record.operations))

    async def leave_and_insist(self, seconds: float, tool: str, /, **arguments: Any) -> Answered | Refused | Broken:
        """The same, but hang up on the first attempt when it is not answered within so many seconds."""
        operation = next(self._record.operations)
        with trio.move_on_after(seconds):
            return await self._insist(tool, arguments, operation)
        return await self._insist(tool, arguments, operation)

    async def _insist(self, tool: str, arguments: Mapping[str, Any], operation: int) -> Answered | Refused | Broken:
        while True:
            outcome = await self._attempt(tool, arguments, operation)
            match outcome:
                case Answered() | Broken():
                    return outcome
                case Refused() if not outcome.is_momentary:
                    return outcome
            await trio.sleep(RETRY_SECONDS)

    async def _attempt(self, tool: str, arguments: Mapping[str, Any], operation: int) -> Outcome:
        port = self._choose(self._ports) if self._choose is not None else self._ports[0]
        began = now()
        self._record.under_way += 1
        outcome: Outcome = Left()
        try:
            with trio.move_on_after(ANSWER_SECONDS_MAX) as patience:
                outcome = await self._exchange(port, tool, arguments)
            if patience.cancelled_caught:
                outcome = Broken(0, f"no answer within {ANSWER_SECONDS_MAX:g} s")
        finally:
            self._record.under_way -= 1
            self._record.add(Attempt(self.name, tool, arguments, outcome, operation, port, began, now()))
            if isinstance(outcome, Lost | Left | Broken):
                await self._hang_up(port)
        return outcome

    async def _exchange(self, port: int, tool: str, arguments: Mapping[str, Any]) -> Outcome:
        try:
            stream = await self._stream(port)
        except OSError as error:
            return Lost(str(error), sent=False)
        sent, number = False, next(self._requests)
        try:
            await stream.send_all(request(self._token, tool, arguments, number, self._revision))
            sent = True
            status, body = await receive_response(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            return Lost(str(error), sent)
        return _understood(status, body, number)

    async def _stream(self, port: int) -> trio.SocketStream:
        if port not in self._streams:
            self._streams[port] = await trio.open_tcp_stream("127.0.0.1", port)
        return self._streams[port]

    async def _hang_up(self, port: int) -> None:
        self._ports.rotate(-1)
        if port in self._streams:
            await trio.aclose_forcefully(self._streams.pop(port))


def request(token: str, tool: str, arguments: Mapping[str, Any], number: int = 1, revision: str = STATELESS) -> bytes:
    """The bytes of one tool call."""
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    head = [
        "POST /mcp HTTP/1.1",
        "Host: 127.0.0.1",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        f"MCP-Protocol-Version: {revision}",
    ]
    if revision == STATELESS:
        params["_meta"] = _META
        head += ["Mcp-Method: tools/call", f"Mcp-Name: {tool}"]
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}).encode()
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


async def receive_response(stream: trio.abc.ReceiveStream) -> tuple[int, bytes]:
    """The status and the body of one response; raises `trio.BrokenResourceError` when it is cut off."""
    received = bytearray()
    while b"\r\n\r\n" not in received:
        received += await _some(stream)
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    headers = dict(line.lower().split(b": ", 1) for line in lines)
    length = int(headers[b"content-length"])
    while len(body) < length:
        body += await _some(stream)
    return int(status.split()[1]), body


async def _some(stream: trio.abc.ReceiveStream) -> bytes:
    received = await stream.receive_some(RECEIVE_BYTES)
    if not received:
        raise trio.BrokenResourceError("closed by the server")
    return bytes(received)


def _understood(status: int, body: bytes, number: int) -> Outcome:
    if status in GATEWAY_STATUSES and not body.startswith(b"{"):
        return Refused("unavailable", f"a balancer answered {status}")
    if status == 503:
        problem = json.loads(body)
        return Refused(problem["error"], problem["error_description"])
    answer = json.loads(body) if status == 200 else {}
    result = answer.get("result")
    if result is None or answer["id"] != number:
        return Broken(status, body.decode(errors="replace"))
    if result.get("isError"):
        code, _, sentence = result["content"][0]["text"].partition(": ")
        return Refused(code, sentence)
    return Answered(result["structuredContent"])


def _expected(outcome: Outcome, refusals: tuple[str, ...], *, lost: bool) -> bool:
    match outcome:
        case Answered() | Left():
            return True
        case Refused(code):
            return outcome.is_momentary or code in refusals
        case Lost():
            return lost
        case Broken():
            return False
