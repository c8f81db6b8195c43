"""Answers as bytes of HTTP/1.1, in one piece, for what does not go through ASGI."""

from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time

from msgspec import Struct

Headers = tuple[tuple[bytes, bytes], ...]

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Answer(Struct, frozen=True):
    """One complete answer in JSON."""

    status: int
    body: bytes
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


@lru_cache(maxsize=256)
def _head(status: int, headers: Headers) -> bytes:
    lines = [b"HTTP/1.1 %d %s" % (status, _REASONS.get(status, b"")), b"content-type: application/json"]
    lines += [b"%s: %s" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n"


@lru_cache(maxsize=2)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
