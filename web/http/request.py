"""One HTTP request: its head, its body as far as it has arrived, and what is wrong with it."""

import re

from web.http import problems
from web.http.problems import Problem

BODY_BYTES_MAX = 1_000_000

TARGET_BYTES_MAX = 8_000
"""The longest path with its query, as web servers commonly have it. A query of 28,000 bytes took 20 ms to read."""

PROBE_PATHS = frozenset({"/healthz", "/readyz"})
"""Health checks: answered under any host name, and when there is no room for anything else."""

MCP_PATHS = frozenset({"/mcp", "/mcp/"})

Headers = list[tuple[bytes, bytes]]

_VERSIONS = frozenset({"1.0", "1.1"})
_SINGLE = (b"host", b"authorization", b"origin", b"content-type", b"content-encoding")
"""Headers that decide who asks for what, and how the body is read; two of one could be understood in two ways."""

_ABSOLUTE = re.compile(rb"https?://([^/?#@]+)(/[^?#]*)?(\?[^#]*)?", re.IGNORECASE).fullmatch

_UNUSUAL = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"te", b"trailer"})


class Request:
    """A request whose head is complete; the body may still be arriving.

    Header names are in lower case; the version is `1.1` or another number. `body` holds at most `BODY_BYTES_MAX` bytes;
    when more have come or are announced, `is_too_large` is true.
    """

    __slots__ = (
        "_chunks",
        "_first",
        "body_bytes",
        "headers",
        "is_complete",
        "keeps_alive",
        "method",
        "path",
        "target",
        "version",
    )

    def __init__(self, method: str, target: bytes, headers: Headers, version: str = "1.1") -> None:
        self.method = method
        self.target = target
        self.path = target.partition(b"?")[0].decode("ascii", "replace")
        """The target without its query."""
        self.headers = headers
        self.version = version
        self.keeps_alive = True
        self.is_complete = False
        self.body_bytes = 0
        self._chunks: list[bytes] = []
        self._first = dict(reversed(headers))

    @property
    def body(self) -> bytes:
        """What has arrived of the body."""
        chunks = self._chunks
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    @property
    def is_too_large(self) -> bool:
        """Whether the body has more bytes than the bound, or will have."""
        return max(self.body_bytes, int(self.header(b"content-length") or 0)) > BODY_BYTES_MAX

    @property
    def is_plain(self) -> bool:
        """Whether this asks an endpoint as usual: POST, HTTP/1.1, a length, nothing that wants more than an answer."""
        return (
            self.method == "POST"
            and (self.target == b"/mcp" or self.target.startswith(b"/hook/"))
            and self.version == "1.1"
            and b"content-length" in self._first
            and _UNUSUAL.isdisjoint(self._first)
        )

    @property
    def is_to_endpoint(self) -> bool:
        """Whether `/mcp` or a hook answers this, not Quart."""
        return self.path in MCP_PATHS or self.path.startswith("/hook/")

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, `name` in lower case; None when absent."""
        return self._first.get(name)

    def values(self, name: bytes) -> list[bytes]:
        """Every value of a header, in order."""
        return [value for key, value in self.headers if key == name]

    def add_to_body(self, chunk: bytes) -> None:
        """Keep a piece of the body; all of it goes once there is too much."""
        self.body_bytes += len(chunk)
        if self.body_bytes <= BODY_BYTES_MAX:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()

    def problem(self) -> Problem | None:
        """What rules this request out by its head, whatever it is for."""
        if self.version not in _VERSIONS:
            return problems.HTTP_VERSION
        if self.version == "1.1" and b"host" not in self._first:
            return problems.ONE_HOST
        if len(self._first) < len(self.headers) and any(len(self.values(name)) > 1 for name in _SINGLE):
            return problems.SENT_TWICE
        if self.method == "CONNECT" or not self.target.startswith(b"/"):
            return problems.ODD_TARGET
        if len(self.target) > TARGET_BYTES_MAX:
            return problems.LONG_TARGET
        if b"transfer-encoding" in self._first and (
            self.version == "1.0" or [value.lower() for value in self.values(b"transfer-encoding")] != [b"chunked"]
        ):
            return problems.TRANSFER_ENCODING
        if self._first.get(b"expect", b"100-continue").lower() != b"100-continue":
            return problems.EXPECTATION
        return None


def in_origin_form(target: bytes, headers: Headers) -> tuple[bytes, Headers]:
    """Target and headers as if the client had sent a path in place of a URL; any other target stays as it is.

    The host in the URL then counts, whatever `Host` says (RFC 9112 §3.2.2).
    """
    if (url := _ABSOLUTE(target)) is None:
        return target, headers
    host, path, query = url.groups(b"")
    return (path or b"/") + query, [(name, host if name == b"host" else value) for name, value in headers]
