"""From the bytes of a connection to its requests, in order.

Every request of every connection is framed here, by llhttp (`httptools`), and nowhere else: no two parts of the server
can disagree about where a request ends. llhttp refuses what is ambiguous: two lengths, a length beside chunks, bare
line feeds, space before a colon, folded headers.
"""

from collections import deque

import httptools

from web.http import problems
from web.http.problems import Problem
from web.http.request import Headers, Request

HEAD_BYTES_MAX = 32 * 1024
"""Request line and headers together."""

HEADERS_MAX = 128


class RequestParser:
    """Feed it bytes, then take from `requests`. A request is handed out when its head is complete; its body grows."""

    def __init__(self) -> None:
        self.requests: deque[Request] = deque()
        self.problem: Problem | None = None
        """Why nothing can follow after `requests`; None while the bytes make sense."""
        self.is_in_head = False
        """Whether a part of a head has arrived, and not all of it."""
        self._target = b""
        self._headers: Headers = []
        self._head_bytes = 0
        self._current: Request | None = None
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Read on. What cannot be read sets `problem`, and nothing is read after it."""
        if self.problem is not None:
            return
        was_in_head = self.is_in_head
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            self._ignore_upgrade(data[stop.args[0] :])
        except httptools.HttpParserError:
            self._fail(problems.MALFORMED)
        if self.is_in_head and was_in_head:
            self._count(len(data))

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1, as RFC 9110 §7.8 allows; a tunnel (CONNECT) is refused."""
        if self._parser.get_method() == b"CONNECT":
            self._fail(problems.MALFORMED)
            return
        self._parser = httptools.HttpRequestParser(self)
        if rest:
            self.feed(rest)

    def _fail(self, problem: Problem) -> None:
        if self.problem is None:
            self.problem = problem

    def _count(self, head_bytes: int) -> None:
        self._head_bytes += head_bytes
        if self._head_bytes > HEAD_BYTES_MAX:
            self._fail(problems.HEAD_TOO_LARGE)

    # llhttp calls these, in this order.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.is_in_head = True
        self._target, self._headers, self._head_bytes = b"", [], 0

    def on_url(self, part: bytes) -> None:
        """Add a piece of the target."""
        self._target += part
        self._count(len(part))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; trailers, which come after the body, are dropped."""
        if not self.is_in_head:
            return
        self._headers.append((name.lower(), value.rstrip(b" \t")))
        self._head_bytes += len(name) + len(value)

    def on_headers_complete(self) -> None:
        """Hand the request out."""
        self.is_in_head = False
        if self._head_bytes > HEAD_BYTES_MAX or len(self._headers) > HEADERS_MAX:
            self._fail(problems.HEAD_TOO_LARGE)
        method, version = self._parser.get_method().decode("ascii"), self._parser.get_http_version()
        self._current = Request(method, self._target, self._headers, version)
        if self.problem is None:
            self.requests.append(self._current)

    def on_body(self, chunk: bytes) -> None:
        """Add a piece of the body."""
        assert self._current is not None  # noqa: S101 - a body follows its head
        self._current.add_to_body(chunk)

    def on_message_complete(self) -> None:
        """Mark the request as complete."""
        assert self._current is not None  # noqa: S101 - the end follows the head
        self._current.keeps_alive = self._parser.should_keep_alive()
        self._current.is_complete = True
