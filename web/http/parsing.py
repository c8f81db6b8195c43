"""From the bytes of a connection to its requests, in order.

Every request of every connection is framed here, by llhttp (`httptools`), and nowhere else: no two parts of the server
can disagree about where a request ends. llhttp refuses what is ambiguous: two lengths, a length beside chunks, bare
line feeds, space before a colon, folded headers.
"""

from collections import deque

import httptools

from web.http import problems
from web.http.problems import Problem
from web.http.request import Headers, Request, in_origin_form

HEAD_BYTES_MAX = 32 * 1024
"""Request line and headers together."""

HEADERS_MAX = 128

HEADER_BYTES_BESIDE = len(b": \r\n")
"""What a header takes beside its name and value."""


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
        """Of the current head, as far as llhttp has handed it out."""
        self._unended_bytes = 0
        """Bytes fed that neither began nor ended a head and had nothing of a body: a header or trailer is kept back
        until its value is complete, and what there is of it is copied each time."""
        self._has_progressed = False
        """Whether the bytes that were fed last did."""
        self._current: Request | None = None
        self._parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes) -> None:
        """Read on. What cannot be read sets `problem`, and nothing is read after it."""
        self._has_progressed = False
        left = data
        while left and self.problem is None:
            left = self._read(left)
        self._unended_bytes = 0 if self._has_progressed else self._unended_bytes + len(data)
        self._bound(self._unended_bytes)

    def _read(self, data: bytes) -> bytes:
        """Read on; gives what is still to be read."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stop:
            return self._without_upgrade(data[stop.args[0] :])
        except httptools.HttpParserInvalidMethodError:
            self._fail(problems.NO_METHOD)
        except httptools.HttpParserError:
            self._fail(problems.MALFORMED)
        return b""

    def _without_upgrade(self, rest: bytes) -> bytes:
        """What to read to go on in HTTP/1.1, as RFC 9110 §7.8 allows; a tunnel (CONNECT) is refused.

        llhttp takes the body for what follows the upgrade, so the same head is read again without the offer.
        """
        if self._parser.get_method() == b"CONNECT":
            self._fail(problems.MALFORMED)
        if self.problem is not None:
            return b""
        request = self.requests.pop()
        head = [b"%s %s HTTP/%s" % (request.method.encode(), request.target, request.version.encode())]
        head += [b"%s: %s" % header for header in request.headers if header[0] != b"upgrade"]
        self._parser = httptools.HttpRequestParser(self)
        return b"\r\n".join([*head, b"", rest])

    def _fail(self, problem: Problem) -> None:
        if self.problem is None:
            self.problem = problem
            self._headers = []  # the connection may stay for a while, to read on and to say so

    def _bound(self, head_bytes: int) -> None:
        if head_bytes > HEAD_BYTES_MAX:
            self._fail(problems.HEAD_TOO_LARGE)

    # llhttp calls these, in this order.

    def on_message_begin(self) -> None:
        """Begin a request."""
        self.is_in_head = self._has_progressed = True
        self._target, self._headers, self._head_bytes = b"", [], 0

    def on_url(self, part: bytes) -> None:
        """Add a piece of the target."""
        self._target += part
        self._head_bytes += len(part)
        self._bound(self._head_bytes)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header; trailers, which come after the body, are dropped.

        One read may bring ten thousand short headers, so they are bounded here and not at the head's end.
        """
        if not self.is_in_head or self.problem is not None:
            return
        self._headers.append((name.lower(), value.rstrip(b" \t")))
        self._head_bytes += len(name) + len(value) + HEADER_BYTES_BESIDE
        if self._head_bytes > HEAD_BYTES_MAX or len(self._headers) > HEADERS_MAX:
            self._fail(problems.HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        """Hand the request out."""
        self.is_in_head, self._has_progressed = False, True
        method, version = self._parser.get_method().decode("ascii"), self._parser.get_http_version()
        target, headers = self._target, self._headers
        if not target.startswith(b"/"):
            target, headers = in_origin_form(target, headers)
        self._current = Request(method, target, headers, version)
        if self.problem is None:
            self.requests.append(self._current)

    def on_body(self, chunk: bytes) -> None:
        """Add a piece of the body."""
        self._has_progressed = True
        assert self._current is not None  # noqa: S101 - a body follows its head
        self._current.add_to_body(chunk)

    def on_message_complete(self) -> None:
        """Mark the request as complete."""
        self._has_progressed = True
        assert self._current is not None  # noqa: S101 - the end follows the head
        self._current.keeps_alive = self._parser.should_keep_alive()
        self._current.is_complete = True
