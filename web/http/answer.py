"""Answers as bytes of HTTP/1.1, in one piece or as a stream, for what does not go through ASGI."""

from collections.abc import AsyncGenerator
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

from msgspec import Struct

Headers = tuple[tuple[bytes, bytes], ...]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

LAST_CHUNK = b"0\r\n\r\n"

_JSON = (b"content-type", b"application/json")

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Answer(Struct, frozen=True):
    """One complete answer in JSON."""

    status: int
    body: bytes
    headers: Headers = ()


class EventStream(Struct, frozen=True):
    """An answer that goes on: Server-Sent Events, until `messages` ends or the client leaves."""

    messages: AsyncGenerator[bytes, None]
    headers: Headers = ()


def render(answer: Answer, *, closes: bool = False, without_body: bool = False) -> bytes:
    """The bytes to send. `closes` says that the connection ends here; `without_body` is for HEAD."""
    return b"%scontent-length: %d\r\ndate: %s\r\n%s\r\n%s" % (
        _head(answer.status, answer.headers),
        len(answer.body),
        _date(int(time())),
        b"connection: close\r\n" if closes else b"",
        b"" if without_body else answer.body,
    )


def render_head(answer: Answer, *, closes: bool = False) -> bytes:
    """The bytes before the first chunk of an answer whose length is not known."""
    return b"%stransfer-encoding: chunked\r\ndate: %s\r\n%s\r\n" % (
        _head(answer.status, answer.headers),
        _date(int(time())),
        b"connection: close\r\n" if closes else b"",
    )


def render_chunk(data: bytes) -> bytes:
    """A piece of such an answer (RFC 9112 §7.1); `LAST_CHUNK` ends it."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def typed(headers: Headers) -> Headers:
    """The headers with a content type: JSON unless they name another."""
    return headers if any(name == b"content-type" for name, _ in headers) else (_JSON, *headers)


@lru_cache(maxsize=256)
def _head(status: int, headers: Headers) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b""))]
    lines += [b"%s: %s" % header for header in typed(headers)]
    return b"\r\n".join(lines) + b"\r\n"


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
