"""The guard against DNS rebinding: which Host and Origin headers this server accepts.

A page in a browser can make any name resolve to this machine, but it cannot forge the `Host` and `Origin` that the
browser sends. So only known names pass: the public URL's, loopback, `ALLOWED_HOSTS`, and for origins `ALLOWED_ORIGINS`.
Letter case does not matter, ports do not matter for hosts, and names of ours may have letters of any language.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

ANSWERS_MAX = 512
"""How many different header values the guard remembers its answer for."""


class HostGuard:
    """Decides by header whether a request may pass."""

    def __init__(self, public_url: str, allowed_hosts: Iterable[str] = (), allowed_origins: Iterable[str] = ()) -> None:
        names = {host_name(host) for host in allowed_hosts} | {urlsplit(public_url).hostname}
        self._names = frozenset(_one_spelling(_as_sent(name)) for name in names if name)
        self._origins = frozenset(_origin_as_sent(origin).encode() for origin in allowed_origins)
        self._allows = lru_cache(ANSWERS_MAX)(self._judge)

    def allows_host(self, value: bytes | None) -> bool:
        """Whether a request with this `Host` header may pass; one without may not."""
        return value is not None and self._allows(value)

    def allows_origin(self, value: bytes | None) -> bool:
        """Whether a request with this `Origin` header may pass; one without comes from no browser and may."""
        if value is None:
            return True
        scheme, _, host = value.partition(b"://")
        if value.lower() in self._origins:
            return True
        return scheme in (b"http", b"https") and self._allows(host)

    def _judge(self, value: bytes) -> bool:
        name = host_name(value.decode("latin-1"))
        return name is not None and (_one_spelling(name) in self._names or _is_loopback(name))


def host_name(value: str) -> str | None:
    """The lower-cased name in `name[:port]`, without the brackets of an IPv6 address; None when it has no such form."""
    try:
        parts = urlsplit(f"//{value}")
        _ = parts.port  # a port that is no number raises only when it is read
    except ValueError:
        return None
    proper = parts.netloc == value and "@" not in value
    return parts.hostname if proper else None


def _as_sent(name: str) -> str:
    """A name of ours as clients send it: letters that ASCII lacks are written as IDNA does."""
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return name


def _origin_as_sent(origin: str) -> str:
    scheme, separator, host = origin.partition("://")
    name, colon, port = host.partition(":")
    return f"{scheme}{separator}{_as_sent(name)}{colon}{port}"


def _one_spelling(name: str) -> str:
    """A name without the dot of the root at its end; an address in its shortest form."""
    bare = name.removesuffix(".")
    try:
        return ipaddress.ip_address(bare).compressed
    except ValueError:
        return bare


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
