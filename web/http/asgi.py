"""Raw ASGI in few words: read a bounded body, write one answer.

For what stands in front of Quart and must be fast or must refuse early. Everything read here is bounded in bytes.
"""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, cast

import trio
from quart import Request

from web.errors import BodyTooLarge, Disconnected

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

BODY_BYTES_MAX = 1_000_000
LINGER_BYTES_MAX = 4 * BODY_BYTES_MAX
LINGER_SECONDS_MAX = 2.0
"""How much of a refused body is still read, so that its sender gets to see the answer instead of a reset connection."""

NO_STORE = (b"cache-control", b"no-store")
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_JSON = (b"content-type", b"application/json")


def scope_of(request: Request) -> Scope:
    """The scope behind one of Quart's requests."""
    return cast("Scope", request.scope)


def header(scope: Scope, name: bytes) -> bytes | None:
    """The first value of a header, `name` in lower case; None when absent."""
    for key, value in scope["headers"]:
        if key == name:
            found: bytes = value
            return found
    return None


def header_list(scope: Scope, name: bytes) -> list[str]:
    """The members of a header that is a list with commas, over all its lines (RFC 9110 §5.3)."""
    lines = [value.decode("latin-1") for key, value in scope["headers"] if key == name]
    return [member.strip() for member in ",".join(lines).split(",") if member.strip()]


async def read_body(receive: Receive) -> bytes:
    """The whole request body; whoever calls bounds the time.

    Raises:
        BodyTooLarge: it has more than `BODY_BYTES_MAX` bytes; reading stopped there.
        Disconnected: the client left before its end.
    """
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > BODY_BYTES_MAX:
            raise BodyTooLarge
        more = message.get("more_body", False)
    return b"".join(chunks)


async def discard_body(receive: Receive) -> None:
    """Read what is left of a refused request, within small bounds, and forget it."""
    left = LINGER_BYTES_MAX
    with trio.move_on_after(LINGER_SECONDS_MAX):
        while left > 0:
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return
            left -= len(message.get("body", b""))


async def respond(send: Send, status: int, body: bytes, *, headers: Headers = (), kind: bytes | None = None) -> None:
    """Send one complete answer; JSON unless `kind` names another media type."""
    content = _JSON if kind is None else (b"content-type", kind)
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [content, length, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def refuse_unread(receive: Receive, send: Send, status: int, body: bytes, *, headers: Headers = ()) -> None:
    """Answer a request whose body was not read, so that the client gets the answer even while it is still sending."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await discard_body(receive)
    await send({"type": "http.response.body", "body": b"", "more_body": False})
