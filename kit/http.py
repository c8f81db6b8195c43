"""HTTP/1.1 as the kit needs it: one kept connection, one POST after another, bounded answers.

Python's own client costs more to import than all that a hook does besides, so this is written on sockets. It knows
lengths, chunks and answers that end with the connection; it follows no redirects.
"""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import BufferedReader

LINE_BYTES_MAX = 65_536
HEADERS_MAX = 100
ANSWER_BYTES_MAX = 8_000_000

_UNSPEAKABLE = re.compile(r"[^\x21-\x7e]")
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: |\r?\n)")


class Malformed(OSError):
    """What came is no HTTP, or too much of it."""


class Connection:
    """A connection that is made at the first request, and anew after one that failed.

    `timeout_seconds` is for each step: connecting, and every time that nothing arrives.
    """

    def __init__(self, host: str, port: int, *, tls: bool, timeout_seconds: float) -> None:
        self._host, self._port, self._tls, self._timeout = host, port, tls, timeout_seconds
        is_usual = port == (443 if tls else 80)
        named = f"[{host}]" if ":" in host else host
        self._name = named if is_usual else f"{named}:{port}"
        self._socket: socket.socket | None = None
        self._incoming: BufferedReader | None = None

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """The status, the headers by lower-case name, and the body of the answer; raises `OSError`.

        Of an event stream, the body is the data of the first event that has a result or an error.
        """
        if _UNSPEAKABLE.search(path):
            raise Malformed("the path of its address makes no sense")
        sent = {"Host": self._name, **headers, "Content-Length": str(len(body)), "Accept-Encoding": "identity"}
        head = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
        try:
            incoming = self._send(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body)
            status, received = _head(incoming)
            while status == 100:
                status, received = _head(incoming)
            parts = _body(incoming, status, received)
            if received.get("content-type", "").startswith("text/event-stream"):
                answer = _first_result(parts)
                self.close()  # what is left of the stream is not waited for
            else:
                answer = b"".join(parts)
        except (OSError, UnicodeError):
            self.close()
            raise
        if received.get("connection", "").lower() == "close" or _ends_with_connection(received):
            self.close()
        return status, received, answer

    def close(self) -> None:
        """Give the connection up; the next request makes another one."""
        for closable in (self._incoming, self._socket):
            if closable is not None:
                closable.close()
        self._incoming = self._socket = None

    def _send(self, request: bytes) -> BufferedReader:
        if self._socket is None or self._incoming is None:
            self._socket = socket.create_connection((self._host, self._port), self._timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                import ssl  # noqa: PLC0415 - it takes long to load, and a bus on this machine needs none

                self._socket = ssl.create_default_context().wrap_socket(self._socket, server_hostname=self._host)
            self._incoming = self._socket.makefile("rb")
        self._socket.sendall(request)
        return self._incoming


def _head(incoming: BufferedReader) -> tuple[int, dict[str, str]]:
    first = incoming.readline(LINE_BYTES_MAX)
    if not first:
        raise ConnectionResetError("the server closed the connection without an answer")
    started = _STATUS.match(first)
    if started is None:
        raise Malformed("that is no HTTP")
    headers: dict[str, str] = {}
    for _ in range(HEADERS_MAX):
        row = incoming.readline(LINE_BYTES_MAX)
        if row in (b"\r\n", b"\n"):
            return int(started.group(1)), headers
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
    while incoming.readline(LINE_BYTES_MAX) not in (b"\r\n", b"\n", b""):
        pass


def _number(text: str, base: int) -> int:
    digits = text.strip()
    if not re.fullmatch("[0-9a-fA-F]{1,15}" if base == 16 else "[0-9]{1,15}", digits):
        raise Malformed("a length in its answer makes no sense")
    return int(digits, base)


def _first_result(parts: Iterator[bytes]) -> bytes:
    """The data of the first event that has a result or an error; nothing when none has."""
    rest = b""
    for part in parts:
        *rows, rest = (rest + part).split(b"\n")
        for row in rows:
            if row.startswith(b"data:") and (b'"result"' in row or b'"error"' in row):
                return row[5:]
    return b""
