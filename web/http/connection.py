r"""One client connection: its requests one after the other, each read, answered and recorded, under deadlines.

    idle ----------> head --------> body ------------> handling ---------> answer --------> idle
       \ keep-alive    \ HEAD_SECONDS  \ ARRIVAL_SECONDS  \ HANDLING_SECONDS   \ WRITE_SECONDS
        close           close           408                503                  close

One task serves the connection. `Server` looks every `LOOK_SECONDS` whether its step is late (`end_if_late`): a
deadline of Trio's for every step would cost a plain request a sixth of its time. A plain request (`Request.is_plain`)
goes straight to the application and its answer is one write. Any other one is served by Hypercorn
(`web.http.fallback`), which sees exactly this request and nothing else of the connection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, aclosing, suppress
from functools import partial
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
import trio

from web.errors import Disconnected
from web.http import problems
from web.http.answer import CONTINUE, LAST_CHUNK, Answer, EventStream, render, render_chunk, render_head
from web.http.exchange import Exchange
from web.http.outbox import CLIENT_GONE
from web.http.parsing import RequestParser
from web.http.places import Place
from web.http.problems import Problem
from web.http.request import BODY_BYTES_MAX, PROBE_PATHS, Request

if TYPE_CHECKING:
    from web.http.bulkhead import Bulkhead
    from web.http.serving import Server

log = structlog.get_logger(__name__)

HEAD_SECONDS_MAX = 20.0
"""How long a request line and its headers may take to arrive, and the first byte of a new connection."""

ARRIVAL_SECONDS_MAX = 20.0
"""How long a body may take to arrive then, and a token to be looked up."""

HANDLING_SECONDS_MAX = 100.0
"""How long the answer may take then: more than the longest wait and the actors' retries together."""

STRANGER_SECONDS = 0.1
"""How late a request is refused by its head, as one without a valid token. Refused at once, a few hundred connections
would ask so often that others' calls took ten times as long."""

WRITE_SECONDS_MAX = 60.0
"""How long a client may take to accept one answer."""

PROBE_SECONDS_MAX = 2.0
"""How long a connection beyond the bound may take for its head."""

PROBE_LINGER_SECONDS_MAX = 0.05
LINGER_SECONDS_MAX = 2.0
LINGER_BYTES_MAX = 4_000_000
"""How much of a refused body is still read, so that its sender sees the answer and not a reset connection. Beyond the
bound of connections it is hardly any: a health check may need the place."""

HEAD_READ_BYTES_MAX = 4 * 1024
"""How much is read at once where requests may begin. As many short ones as fit in it take twenty times the memory; the
rest stays in the kernel."""

READ_BYTES_MAX = 64 * 1024

SMALL_BODY_BYTES_MAX = 64 * 1024
"""Bodies up to this length need no budget."""

UNREADABLE = Request("-", b"-", [])
"""Stands in the log for bytes that are no request."""


class Connection:
    """Serves the requests that come over one socket."""

    def __init__(self, server: Server, client: socket.socket, peer: str, place: Place = Place.ANYTHING) -> None:
        self.socket = client
        self.peer = peer
        self._server = server
        self._answers_probes_only = place is Place.PROBES
        self._parser = RequestParser()
        self._life = trio.CancelScope()
        self._late_at = inf
        """When the current step is late, on the clock of `perf_counter`."""
        self._exchange: Exchange | None = None
        """The request that is being answered; None between two."""
        self._too_late = problems.TOO_SLOW
        """What its client hears when the step is late."""
        self._has_begun = False
        """Whether bytes of an answer to the current request have gone out."""

    async def run(self) -> None:
        """Serve until either side closes, or a step is late."""
        try:
            with self._life:
                await self._serve_requests()
            if self._life.cancelled_caught and self._exchange is not None:
                await self._refuse_late(self._exchange)
        except (OSError, Disconnected, trio.BrokenResourceError):
            pass  # the client has left
        finally:
            self.socket.close()

    def end_if_late(self, now: float) -> None:
        """End the current step if its time is over; `now` is of `perf_counter`."""
        if now < (self._late_at if self._exchange is None else min(self._late_at, self._exchange.late_at)):
            return
        if self._exchange is None:
            self.end_pause()
        elif not self._exchange.is_stream:
            self._life.cancel()

    def end_pause(self) -> bool:
        """Close now if no request is there to be answered; whether that is so.

        Bytes that have arrived, though nothing has read them, may be a request: cancelled, it could be carried out
        and its client told otherwise. They are read first.
        """
        is_idle = self._exchange is None and self._late_at < inf and not self._has_arrived()
        if is_idle:
            self._life.cancel()
        return is_idle

    def _has_arrived(self) -> bool:
        """Whether there is something to read, be it the end of the stream."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    # Reading

    async def _serve_requests(self) -> None:
        self._late_at = perf_counter() + (PROBE_SECONDS_MAX if self._answers_probes_only else HEAD_SECONDS_MAX)
        while (request := await self._next_request()) is not None:
            if not await self._serve(request) or not self._server.is_open:
                return
            self._late_at = perf_counter() + self._server.keep_alive_seconds
        if self._parser.problem is not None:
            await self._refuse_unread(self._parser.problem)

    async def _refuse_unread(self, problem: Problem) -> None:
        """Answer bytes that are no request, and record that; the connection ends here."""
        self._late_at = inf
        exchange = Exchange(UNREADABLE, self.peer, self.watched, status=problem.status, outcome=problem.name)
        try:
            await self.send(render(problem.answer(), closes=True), self.peer)
            exchange.is_answered = True
        finally:
            self._server.app.record(exchange)
        await self._linger()

    async def _next_request(self) -> Request | None:
        """The next request once its head is complete; None at the end, or when nothing can be read any more."""
        parser = self._parser
        if parser.requests:
            await trio.lowlevel.checkpoint()  # a pipelining client must not keep others from running
        while not parser.requests:
            if parser.problem is not None or not await self._receive(HEAD_READ_BYTES_MAX):
                return None
            if not parser.requests and not self._server.is_open:
                return None  # the server stops: what is not complete is not begun
            if parser.is_in_head:
                self._late_at = min(self._late_at, perf_counter() + HEAD_SECONDS_MAX)
        return parser.requests.popleft()

    async def _receive(self, size: int) -> bool:
        """Read what is there, so much at most, into the parser; False at the end of the stream."""
        if data := await self._read(size):
            self._parser.feed(data)
        return bool(data)

    async def _read(self, size: int) -> bytes:
        """What is there, as soon as there is something; nothing at the end of the stream, or when it was reset."""
        while True:
            await trio.lowlevel.wait_readable(self.socket)
            try:
                return self.socket.recv(size)
            except BlockingIOError:
                continue
            except OSError:
                return b""

    def watched(self, left: Callable[[], object]) -> AbstractContextManager[object]:
        """Have `left` called if the client closes its side while the block runs; what else it sends stays unread."""
        return self._server.departures.watched(self.socket, left)

    # Serving

    async def _serve(self, request: Request) -> bool:
        """Answer one request and record it; whether another one may follow."""
        exchange = Exchange(request, self._server.client_address(self.peer, request), self.watched)
        self._exchange, self._has_begun = exchange, False
        self._server.outbox.send_late(exchange.started)
        self._too_late, self._late_at = problems.TOO_SLOW, exchange.started + ARRIVAL_SECONDS_MAX
        try:
            if not self._server.is_forwarded(exchange, self.peer):
                stays_open = await self._answer_and_send(exchange)
            else:
                with self._server.places.request(exchange.client) as admitted:
                    refusal = None if admitted else problems.TOO_BUSY
                    stays_open = await self._answer_and_send(exchange, refusal)
        except (Disconnected, trio.BrokenResourceError):
            exchange.status, exchange.outcome, exchange.is_answered = CLIENT_GONE, "disconnected", True
            raise
        finally:
            if exchange.is_leaving:
                self._exchange = None  # the outbox records it
            elif exchange.is_answered or not self._life.cancel_called:  # else `_refuse_late` answers and records it
                self._server.app.record(exchange)
                self._exchange = None
        return stays_open

    async def _refuse_late(self, exchange: Exchange) -> None:
        """Answer a request whose step was late, and record it; the connection ends here."""
        try:
            exchange.request.keeps_alive = False
            late: Answer | Problem = self._too_late
            if exchange.when_late is not None and perf_counter() >= exchange.late_at:
                late = exchange.when_late(exchange)
            await self._send_answer(exchange, late)
        finally:
            self._server.app.record(exchange)

    async def _answer_and_send(self, exchange: Exchange, refusal: Problem | None = None) -> bool:
        answer = refusal or await self._supervised(exchange)
        if isinstance(answer, bool):
            stays_open = answer and exchange.request.keeps_alive
        elif isinstance(answer, EventStream):
            stays_open = await self._send_stream(exchange, answer)
        else:
            stays_open = await self._send_answer(exchange, answer)
        if exchange.is_answered and exchange.afterwards is not None and not self._has_client_left():
            await exchange.afterwards()
        return stays_open

    def _has_client_left(self) -> bool:
        """Whether the client has closed its side; then it may not have read the last answer."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    async def _supervised(self, exchange: Exchange) -> Answer | EventStream | Problem | bool:
        """What the request comes to; an exception that nobody foresaw becomes a 500 whose id is in the log."""
        try:
            return await self._settle(exchange) or await self._handle(exchange)
        except (Disconnected, trio.BrokenResourceError):
            raise
        except Exception:  # the supervisor of requests: one that fails must not take the connection along
            log.exception("request failed", request_id=exchange.request_id)
            return problems.internal(exchange.request_id)

    async def _settle(self, exchange: Exchange) -> Problem | Answer | None:
        """The answer to a request that is not handled; None once it may be, and its body is complete."""
        request = exchange.request
        if (problem := request.problem()) is not None:
            request.keeps_alive = False
            return problem
        if self._answers_probes_only:
            request.keeps_alive = False
            if request.path not in PROBE_PATHS or not request.is_complete:
                return problems.TOO_BUSY
        if (settled := await self._server.app.refuse(exchange)) is not None:
            if isinstance(settled, Problem):
                await trio.sleep(STRANGER_SECONDS)
            return settled
        if (request.header(b"content-encoding") or b"identity").lower() != b"identity":
            request.keeps_alive = False  # whether its body is here already is chance
            return problems.ENCODED
        if request.is_too_large:
            request.keeps_alive = False
            return problems.TOO_LARGE
        if request.is_complete:
            return None
        size = int(request.header(b"content-length") or BODY_BYTES_MAX)
        with self._server.arriving.reserved(exchange.payer, size if size > SMALL_BODY_BYTES_MAX else 0) as admitted:
            return await self._read_body(exchange) if admitted else problems.TOO_MANY_BODIES

    async def _read_body(self, exchange: Exchange) -> Problem | None:
        """Read until the body is complete; gives what is wrong with it."""
        request = exchange.request
        announced = request.header(b"content-length")
        if request.header(b"expect") is not None and not request.is_too_large:
            await self.send(CONTINUE, exchange.payer)
            self._has_begun = False
        while True:
            if request.is_too_large:
                return problems.TOO_LARGE
            if request.is_complete:
                return None
            if self._parser.problem is not None:
                return self._parser.problem
            left = HEAD_READ_BYTES_MAX if announced is None else int(announced) - request.body_bytes
            if not await self._receive(min(left, READ_BYTES_MAX)):
                raise Disconnected

    async def _handle(self, exchange: Exchange) -> Answer | EventStream | Problem | bool:
        """The answer; or, when Hypercorn has sent it, whether the connection may stay open."""
        self._too_late, self._late_at = problems.HANDLING_TOO_SLOW, perf_counter() + HANDLING_SECONDS_MAX
        turns, client = self._server.turns, exchange.taker_of_turns
        await turns.take(client, id(self))
        exchange.held.append(partial(turns.end, client))
        try:
            if exchange.request.is_plain and self._server.has_fast_way:
                return await self._server.app.answer(exchange, exchange.request.body)
            if (bulkhead := self._server.bulkhead_of(exchange.request)) is not None:
                await self._enter(bulkhead, exchange)
            return await self._server.fallback.serve(self, exchange)
        finally:
            exchange.give_back()

    async def _enter(self, bulkhead: Bulkhead, exchange: Exchange) -> None:
        """Wait for a place; a client that closed its side meanwhile gets one after all others.

        It may only have closed its sending half, and reads its answer.
        """
        has_waited = bulkhead.is_full
        ticket = await bulkhead.enter(exchange.subscriber)
        if has_waited and self._has_client_left():
            ticket = await bulkhead.step_back(ticket)
        exchange.held.append(partial(bulkhead.leave, ticket))

    # Writing

    async def _send_answer(self, exchange: Exchange, answer: Answer | Problem) -> bool:
        """Send an answer in one write; whether another request may follow."""
        self._late_at = exchange.late_at = inf  # sending has a limit of its own
        if self._has_begun:  # Hypercorn's answer was cut short: there is nothing that could repair it
            return False
        request = exchange.request
        if isinstance(answer, Problem):
            exchange.outcome, answer = answer.name, answer.answer()
        exchange.status = answer.status
        closes = not (request.is_complete and request.keeps_alive and request.version == "1.1" and self._server.is_open)
        rendered = render(exchange.completed(answer), closes=closes, without_body=request.method == "HEAD")
        leaves_later = self._server.turns.is_under_way and not closes and self._comes_to_rest(exchange)
        if leaves_later and self._server.outbox.put(self.socket, rendered, exchange):
            exchange.is_leaving = True
            self._server.outbox.send_late(perf_counter())
            return True
        await self.send(rendered, exchange.payer)
        exchange.is_answered = True
        if not request.is_complete:
            await self._linger()
        return not closes

    def _comes_to_rest(self, exchange: Exchange) -> bool:
        """Whether the connection does nothing after this answer but wait for bytes."""
        return exchange.afterwards is None and not self._parser.requests and self._parser.problem is None

    async def _send_stream(self, exchange: Exchange, stream: EventStream) -> bool:
        """Send messages as they come; whether another request may follow once they have ended."""
        closes = not exchange.request.keeps_alive
        head = exchange.completed(Answer(200, b"", stream.headers))
        exchange.status, exchange.is_answered = head.status, True
        async with aclosing(stream.messages) as messages:
            await self.send(render_head(head, closes=closes), exchange.payer)
            async for message in messages:
                await self.send(render_chunk(message), exchange.payer)
        await self.send(LAST_CHUNK, exchange.payer)
        return not closes

    async def send(self, data: bytes, payer: Hashable) -> None:
        """Send everything within `WRITE_SECONDS_MAX`, on the budget of `payer` as far as the client does not take it.

        Raises `trio.BrokenResourceError` when the client has left, does not read, or has no budget left.
        """
        self._has_begun = True
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise trio.BrokenResourceError("the client has left") from error
        if sent < len(data):
            await self._send_rest(memoryview(data)[sent:], payer)

    async def _send_rest(self, rest: memoryview, payer: Hashable) -> None:
        with self._server.unsent.reserved(payer, len(rest)) as admitted, trio.move_on_after(WRITE_SECONDS_MAX):
            while admitted and rest:
                await trio.lowlevel.wait_writable(self.socket)
                try:
                    rest = rest[self.socket.send(rest) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise trio.BrokenResourceError("the client has left") from error
        if rest:
            raise trio.BrokenResourceError("the client does not take its answer")

    async def _linger(self) -> None:
        """Read a little of what is still coming, so that the client sees its answer instead of a reset."""
        left = LINGER_BYTES_MAX
        seconds = PROBE_LINGER_SECONDS_MAX if self._answers_probes_only else LINGER_SECONDS_MAX
        with trio.move_on_after(seconds), suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)
            while left > 0 and (data := await self._read(READ_BYTES_MAX)):
                left -= len(data)
