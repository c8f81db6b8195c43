"""One HTTP request as the log and the metrics will tell it.

Made when the request's head has arrived, and filled by the code that learns a fact; at the end it becomes one log line
and one observation. Nothing secret or private belongs in it: no token, no query string, no body.
"""

import re
from collections.abc import Awaitable, Callable, Hashable, Mapping
from contextlib import AbstractContextManager
from math import inf
from secrets import token_hex
from time import perf_counter

from msgspec import Struct, field

from actors import Stages
from engine.identity import Principal
from web.http.answer import Answer, Headers
from web.http.places import group_of
from web.http.request import PROBE_PATHS, Request

UNANSWERED = "aborted"
"""The outcome of a request to which no answer went out."""

_WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}").fullmatch


class Exchange(Struct, eq=False):
    """What is known of a request so far.

    `outcome` is `ok`, a refusal's code, or a word for what the HTTP status alone does not tell. It counts only once
    `is_answered`; until then the outcome is `UNANSWERED`.
    """

    request: Request
    client: str
    """The client's address: the real one when a trusted proxy names it."""
    watched: Callable[[Callable[[], object]], AbstractContextManager[object]]
    """Has a function called, perhaps several times, if the client leaves while the block runs."""
    started: float = field(default_factory=perf_counter)
    """On the clock of `time.perf_counter`."""
    status: int = 0
    principal: Principal | None = None
    token_hash: bytes = b""
    look_up_seconds: float = 0.0
    """How long the look-up of its token took: a part of what the call may take."""
    rpc_method: str | None = None
    tool: str | None = None
    outcome: str = "ok"
    is_answered: bool = False
    is_leaving: bool = False
    """Whether its answer is sent, and then recorded, as this pass of the event loop ends (`web.http.outbox`)."""
    is_stream: bool = False
    """Whether the answer goes on until somebody ends it, so that it cannot be late."""
    afterwards: Callable[[], Awaitable[object]] | None = None
    """What is to be done once the whole answer was sent to a client that is still there, before the connection's next
    request. Must not raise."""
    late_at: float = inf
    """When its answer is late, on the clock of `perf_counter`; the connection ends with the answer of `when_late`."""
    when_late: Callable[["Exchange"], Answer] | None = None
    """Called with this exchange. Bound to it, every request would be garbage that only a collection finds."""
    held: list[Callable[[], object]] = []
    """Give back what the server lets only few requests have at a time. Each may be called once."""
    extra_headers: Headers = ()
    """Headers of the answer that do not depend on it."""
    stages: list[Stages] | None = None
    """When actors accepted, decided and answered its commands; None: nobody will ask."""
    trace: Mapping[str, str] | None = None
    """The trace that the caller named in the call itself, as MCP has it (`traceparent` in `_meta`)."""
    retry_after_seconds: int = 0
    """How long the caller should wait before it tries again; 0: nothing is said."""
    _request_id: str = ""

    @property
    def caller(self) -> Principal:
        """The authenticated caller; to be asked only after authentication."""
        assert self.principal is not None  # noqa: S101 - a tool is reached through the endpoint's authentication alone
        return self.principal

    @property
    def final_outcome(self) -> str:
        """The outcome for log and metrics, once the request has ended."""
        return self.outcome if self.is_answered else UNANSWERED

    @property
    def subscriber(self) -> str:
        """Whom limits by address count: an IPv4 address, or the /64 of an IPv6 address."""
        return group_of(self.client)

    @property
    def payer(self) -> Hashable:
        """On whose budget of bytes this request is: the token's, or the subscriber's while there is no valid token."""
        return self.token_hash or self.subscriber

    @property
    def taker_of_turns(self) -> Hashable:
        """Who waits in line for a turn: the payer, but an address's health checks stand in a line of their own."""
        return self.token_hash or (self.subscriber, self.request.path in PROBE_PATHS)

    def give_back(self) -> None:
        """Give back what the request holds: from now on it waits for news or for its client, not for the processor."""
        while self.held:
            self.held.pop()()

    def completed(self, answer: Answer) -> Answer:
        """The answer with the headers that only the exchange knows."""
        extra = self.extra_headers
        if self.retry_after_seconds:
            extra = (*extra, (b"retry-after", b"%d" % self.retry_after_seconds))
        if named := self.named_id:
            extra = (*extra, (b"x-request-id", named.encode()))
        return Answer(answer.status, answer.body, answer.headers + extra) if extra else answer

    @property
    def request_id(self) -> str:
        """The id under which the log has this request: the client's `X-Request-ID` when well-formed, or a new one."""
        if not self.named_id:
            self._request_id = token_hex(8)
        return self._request_id

    @property
    def named_id(self) -> str:
        """The id if there is one already, or an empty string: nobody needs one for a request that went well."""
        if not self._request_id and (given := self.request.header(b"x-request-id")) and _WELL_FORMED_ID(given):
            self._request_id = given.decode()
        return self._request_id
