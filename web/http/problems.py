"""Refusals below JSON-RPC and outside of pages: an HTTP status and `{error, error_description}`.

The words are those of OAuth 2.0 bearer tokens (RFC 6750) where it has any. Descriptions tell what to do and never
repeat what the client sent.
"""

from typing import Self

import msgspec
from msgspec import Struct

from web.http.answer import Answer

NO_STORE = (b"cache-control", b"no-store")
HEADERS = (NO_STORE, (b"x-content-type-options", b"nosniff"))
"""What every answer carries that is not a page."""


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

    def answer(self) -> Answer:
        """The same as an answer."""
        return Answer(self.status, self.body, (*self.headers, *HEADERS))

    def with_header(self, name: bytes, value: bytes) -> Self:
        """The same problem with one header more."""
        return msgspec.structs.replace(self, headers=(*self.headers, (name, value)))


BEARER_TOKENS = (
    "this server takes bearer tokens and has no OAuth: send 'Authorization: Bearer <token>'. A lead of your project "
    "makes one (admin_provision), an invite brings one (POST /join), and owners make them in the web admin."
)
STRANGER = Problem.of(401, "invalid_token", f"the token is missing or does not work; {BEARER_TOKENS}")
UNSET_VARIABLE = Problem.of(
    401,
    "invalid_token",
    "the Authorization header has the name of a variable where the token should be: set that variable where your "
    "client starts, and restart the client.",
)
SUSPENDED = Problem.of(403, "suspended", "this token's owner is suspended; ask the operator of this server.")
ARCHIVED = Problem.of(403, "archived", "this project is archived; its owner can unarchive it in its settings.")
FOREIGN_HOST = Problem.of(
    403,
    "forbidden_host",
    "this server does not go by the name in the Host header; its operator can set PUBLIC_URL or ALLOWED_HOSTS.",
)
FOREIGN_ORIGIN = Problem.of(
    403,
    "forbidden_origin",
    "pages of the origin in the Origin header may not call this server; its operator can set ALLOWED_ORIGINS.",
)
POST_ONLY = Problem.of(405, "method_not_allowed", "there are no streams and no sessions here; POST one message.")
NOT_JSON = Problem.of(415, "unsupported_media_type", "the Content-Type must be application/json.")
ENCODED = Problem.of(
    415, "unsupported_encoding", "send the body as it is: a Content-Encoding such as gzip is not served here."
)
TOO_LARGE = Problem.of(413, "too_large", "a body may have 1000000 bytes at most.")
TOO_SLOW = Problem.of(408, "too_slow", "the request did not arrive in time.")
STORE_SILENT = Problem.of(503, "unavailable", "the database does not answer; try again in a moment.").with_header(
    b"retry-after", b"1"
)

NO_METHOD = Problem.of(
    400, "malformed", "this port takes HTTP/1.1 without TLS: begin with a method in capitals, such as GET or POST."
)
MALFORMED = Problem.of(
    400,
    "malformed",
    "this request in HTTP/1.1 is broken or ambiguous: check the request line, headers, length and chunks.",
)
HEAD_TOO_LARGE = Problem.of(
    431, "head_too_large", "the request line, headers, trailers or chunk extensions are too large or too many."
)
HTTP_VERSION = Problem.of(505, "http_version", "send HTTP/1.1.")
ONE_HOST = Problem.of(400, "malformed", "send exactly one Host header.")
SENT_TWICE = Problem.of(
    400, "malformed", "send one Host, Authorization, Origin, Content-Type and Content-Encoding header at most."
)
ODD_TARGET = Problem.of(400, "malformed", "the request target must be a path that begins with '/', or a URL.")
LONG_TARGET = Problem.of(414, "target_too_long", "a path with its query may have 8000 bytes at most.")
TRANSFER_ENCODING = Problem.of(400, "malformed", "the only Transfer-Encoding served is 'chunked', in HTTP/1.1.")
EXPECTATION = Problem.of(417, "expectation", "the only Expect served is '100-continue'.")
HANDLING_TOO_SLOW = Problem.of(503, "unavailable", "the answer took too long; try again in a moment.").with_header(
    b"retry-after", b"1"
)
TOO_BUSY = Problem.of(503, "busy", "this server has as many connections as it can hold; try again.").with_header(
    b"retry-after", b"1"
)
TOO_MANY_BODIES = Problem.of(503, "busy", "too many large bodies are arriving; try again.").with_header(
    b"retry-after", b"1"
)


def internal(request_id: str) -> Problem:
    """The problem for an unforeseen exception; the log has its traceback under this id."""
    return Problem.of(500, "internal", f"something went wrong here; the server's log has it as request {request_id}.")
