"""The names of ASGI, and the headers that every page carries."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from quart import Request

from web.http.exchange import Exchange

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Headers = list[tuple[bytes, bytes]]
Send = Callable[[Message], Awaitable[None]]

EXCHANGE = "llm_bus.exchange"
"""The key of a scope under which it has the `Exchange` of its request."""

SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


def peer_and_headers(request: Request) -> tuple[str, Headers]:
    """The address at the other end of a Quart request's connection, and the headers as they came."""
    scope = cast("Scope", request.scope)
    client = scope.get("client")
    return str(client[0]) if client else "", scope["headers"]


def exchange_of(request: Request) -> Exchange:
    """What is known of a Quart request."""
    exchange: Exchange = cast("Scope", request.scope)[EXCHANGE]
    return exchange


async def read_body(receive: Receive) -> bytes:
    """The whole body; the connection has bounded it before Hypercorn saw the request."""
    chunks: list[bytes] = []
    more = True
    while more:
        message = await receive()
        chunks.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(chunks)
