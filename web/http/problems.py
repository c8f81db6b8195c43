"""Refusals below JSON-RPC and outside of pages: an HTTP status and `{error, error_description}`.

The words are those of OAuth 2.0 bearer tokens (RFC 6750) where it has any. Descriptions tell what to do and never
repeat what the client sent.
"""

from typing import Self

import msgspec
from msgspec import Struct

from web.http.asgi import BODY_BYTES_MAX


class Problem(Struct, frozen=True):
    """One refusal, ready to be sent. `name` is what logs and metrics call it."""

    status: int
    name: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def of(cls, status: int, name: str, description: str) -> Self:
        """A problem in words."""
        return cls(status, name, msgspec.json.encode({"error": name, "error_description": description}))

    def with_header(self, name: bytes, value: bytes) -> Self:
        """The same problem with one header more."""
        return msgspec.structs.replace(self, headers=(*self.headers, (name, value)))


STRANGER = Problem.of(401, "invalid_token", "send a valid token: 'Authorization: Bearer <token>'.")
SUSPENDED = Problem.of(403, "suspended", "this token's owner is suspended; ask whoever operates this server.")
FOREIGN_HOST = Problem.of(
    403, "forbidden_host", "this server does not go by that name; set PUBLIC_URL or ALLOWED_HOSTS to let it."
)
POST_ONLY = Problem.of(405, "method_not_allowed", "there are no streams and no sessions here; POST one message.")
NOT_JSON = Problem.of(415, "unsupported_media_type", "the Content-Type must be application/json.")
TOO_LARGE = Problem.of(413, "too_large", f"a body may have {BODY_BYTES_MAX} bytes at most.")
TOO_SLOW = Problem.of(408, "too_slow", "the request did not arrive in time.")
STORE_SILENT = Problem.of(503, "unavailable", "the database does not answer; try again in a moment.").with_header(
    b"retry-after", b"1"
)
