"""HTTP/1.1 as the kit needs it: one kept connection, one POST after another, bounded answers.

Python's own client costs more to import than all that a hook does besides, so this is written on sockets. It knows
lengths, chunks and answers that end with the connection; it follows no redirects. A request ends by its
deadline and its answer has a bound, whatever the server sends.
"""

from __future__ import annotations

import re
import socket
from io import BufferedReader, RawIOBase
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LINE_BYTES_MAX = 65_536
HEADERS_MAX = 100
INTERIM_ANSWERS_MAX = 10
ANSWER_BYTES_MAX = 8_000_000

_NOT_IN_PATHS = re.compile(r"[^\x21-\x7e]")
_NOT_IN_HEADERS = re.compile(r"[^\x20-\x7e]")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: |\r?\n)")


class Malformed(OSError):
    """The answer is no HTTP, or too long."""


class Connection:
    """A connection that is made at the first request, and again after one that failed.

    `timeout_seconds` is for a whole request, from connecting to the last byte of its answer.
    """

    def __init__(self, host: str, port: int, *, tls: bool, timeout_seconds: float) -> None:
        self._host = host if host.isascii() else host.encode("idna").decode("ascii")
        self._port, self._tls, self._timeout = port, tls, timeout_seconds
        is_usual = port == (443 if tls else 80)
        named = f"[{self._host}]" if ":" in host else self._host
        self._name = named if is_usual else f"{named}:{port}"
        self._arriving: _Arriving | None = None
        self._incoming: BufferedReader | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """The status, the headers by lower-case name, and the body of the answer; raises `OSError`.

        Of an event stream, the body is the data of the first event that has a result or an error.
        """
        if _NOT_IN_PATHS.search(path):
            raise Malformed("the path of its address makes no sense")
        sent = {"Host": self._name, **headers, "Content-Length": str(len(body)), "Accept-Encoding": "identity"}
        if any(_NOT_IN_HEADERS.search(value) for value in sent.values()):  # a server has chosen some of them
            raise Malformed("a header of the request would be more than one")
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        try:
            incoming = self._send(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body)
            status, received = _answer_head(incoming)
            parts = _body(incoming, status, received)
            if received.get("content-type", "").startswith("text/event-stream"):
                answer = _first_result(parts)
                self.close()  # what is left of the stream is not waited for
            else:
                answer = b"".join(parts)
        except (OSError, UnicodeError):
            self.close()
            raise
        if received["connection"].lower() != "keep-alive" or _ends_with_connection(received):
            self.close()
        return status, received, answer

    def close(self) -> None:
        """Give the connection up; the next request makes another one."""
        if self._incoming is not None:
            self._incoming.close()
        self._arriving = self._incoming = None

    def _send(self, request: bytes) -> BufferedReader:
        deadline = monotonic() + self._timeout
        if self._arriving is None or self._incoming is None:
            connected = socket.create_connection((self._host, self._port), self._timeout)
            self._arriving = _Arriving(connected)
            self._incoming = BufferedReader(self._arriving)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                import ssl  # noqa: PLC0415 - it takes long to load, and a bus on this machine needs none

                context = ssl.create_default_context()
                self._arriving.socket = context.wrap_socket(connected, server_hostname=self._host)
        self._arriving.deadline = deadline
        self._arriving.before_deadline().sendall(request)
        return self._incoming


class _Arriving(RawIOBase):
    """The bytes that arrive on a socket until a deadline; a server that sends a byte now and then does not move it."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.deadline = 0.0

    def before_deadline(self) -> socket.socket:
        """The socket, whose next step ends by the deadline."""
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self.socket.settimeout(left)
        return self.socket

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.before_deadline().recv_into(buffer)

    def close(self) -> None:
        self.socket.close()
        super().close()


def _answer_head(incoming: BufferedReader) -> tuple[int, dict[str, str]]:
    """The status and headers of the answer itself, after those that only say that it is on its way."""
    for _ in range(INTERIM_ANSWERS_MAX):
        status, headers = _head(incoming)
        if status >= 200:
            return status, headers
    raise Malformed("its answer does not come to an end")


def _head(incoming: BufferedReader) -> tuple[int, dict[str, str]]:
    first = incoming.readline(LINE_BYTES_MAX)
    if not first:
        raise ConnectionResetError("the server closed the connection without an answer")
    started = _STATUS.match(first)
    if started is None:
        raise Malformed("that is not HTTP")
    headers = {"connection": "keep-alive" if started.group(1) == b"1" else "close"}
    for _ in range(HEADERS_MAX):
        row = incoming.readline(LINE_BYTES_MAX)
        if row in (b"\r\n", b"\n"):
            return int(started.group(2)), headers
        name, found, value = row.decode("latin-1").partition(":")
        if not (found and row.endswith(b"\n")):
            break
        headers[name.strip().lower()] = value.strip()
    raise Malformed("its headers make no sense")


def _ends_with_connection(headers: Mapping[str, str]) -> bool:
    return "content-length" not in headers and "transfer-encoding" not in headers


def _body(incoming: BufferedReader, status: int, headers: Mapping[str, str]) -> Iterator[bytes]:
    """The parts of a body, in all at most `ANSWER_BYTES_MAX`."""
    if status in (204, 304):
        return
    if "transfer-encoding" in headers:
        sizes = _chunk_sizes(incoming)
    else:
        sizes = iter([_number(headers.get("content-length", str(ANSWER_BYTES_MAX)), 10)])
    room = ANSWER_BYTES_MAX
    for size in sizes:
        room -= size
        if room < 0:
            raise Malformed("its answer is too long")
        while size > 0:
            part = incoming.read1(min(size, LINE_BYTES_MAX))
            if not part:
                if _ends_with_connection(headers):
                    return
                raise Malformed("its answer ends too early")
            size -= len(part)  # noqa: PLW2901 - what is left of it
            yield part


def _chunk_sizes(incoming: BufferedReader) -> Iterator[int]:
    """The size of each chunk; between two of them, the caller has read the chunk."""
    while size := _number(incoming.readline(LINE_BYTES_MAX).partition(b";")[0].decode("latin-1"), 16):
        yield size
        incoming.readline(LINE_BYTES_MAX)
    for _ in range(HEADERS_MAX):
        if incoming.readline(LINE_BYTES_MAX) in (b"\r\n", b"\n", b""):
            return
    raise Malformed("its answer does not come to an end")


def _number(text: str, base: int) -> int:
    digits = text.strip()
    if not re.fullmatch("[0-9a-fA-F]{1,15}" if base == 16 else "[0-9]{1,15}", digits):
        raise Malformed("a length in its answer makes no sense")
    return int(digits, base)


def _first_result(parts: Iterator[bytes]) -> bytes:
    """The data of the first event that has a result or an error; nothing when none has."""
    row = bytearray()
    for part in parts:
        begun, *rows = part.split(b"\n")
        row += begun
        for following in rows:
            if row.startswith(b"data:") and (b'"result"' in row or b'"error"' in row):
                return bytes(row[5:])
            row = bytearray(following)
    return b""
