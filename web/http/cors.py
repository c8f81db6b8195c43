"""Cross-origin access to `/mcp` for the origins that the guard lets through.

Nothing here depends on cookies: a page needs a token to get anything, so credentials are never allowed.
"""

from web.http.answer import Answer, Headers
from web.http.request import Request

PREFLIGHT = Answer(
    200,
    b"",
    (
        (b"access-control-allow-methods", b"POST"),
        (
            b"access-control-allow-headers",
            b"authorization, content-type, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id, "
            b"x-request-id",
        ),
        (b"access-control-max-age", b"7200"),
    ),
)
"""What a browser hears that asks whether it may send a request."""


def allowing(origin: bytes) -> Headers:
    """The headers with which a browser hands an answer to a page of this origin."""
    return (
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"www-authenticate, retry-after, x-request-id"),
        (b"vary", b"origin"),
    )


def is_preflight(request: Request) -> bool:
    """Whether a browser asks, without a token, if it may send a request."""
    return request.method == "OPTIONS" and request.header(b"access-control-request-method") is not None
