"""The proxies in front of this server that the operator trusts, and what they say of a client.

Anybody can send any header. A header that names a client's address or identity counts only when the connection itself
comes from a trusted address.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from web.config import Network

Address = IPv4Address | IPv6Address
Headers = Sequence[tuple[bytes, bytes]]

REMEMBERED_MAX = 1_024
"""How many addresses are remembered as trusted or not."""


class Proxies:
    """The trusted addresses among all peers."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)
        self.trusts = lru_cache(REMEMBERED_MAX)(self._judge)
        """Whether an address, as text, is a trusted proxy."""

    def client_address(self, peer: str, headers: Headers) -> str:
        """The address that a request comes from, for limits: the peer's, or the one that trusted proxies name.

        Each proxy adds its peer at the end of `X-Forwarded-For`. What stands left of the first untrusted hop was
        written by that hop, so it proves nothing.
        """
        if not self.trusts(peer):
            return peer
        address = peer
        for hop in reversed(_members(headers, b"x-forwarded-for")):
            if (named := _address(hop)) is None:
                break
            address = str(named)
            if not self.trusts(address):
                break
        return address

    def vouched(self, peer: str, headers: Headers, name: str) -> str | None:
        """What a trusted proxy says in a header that is its own; None when it says nothing, or two things at once."""
        if not self.trusts(peer):
            return None
        values = [value for key, value in headers if key == name.encode()]
        return values[0].decode("latin-1").strip() or None if len(values) == 1 else None

    def _judge(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _members(headers: Headers, name: bytes) -> list[str]:
    """The members of a header that is a list with commas, over all its lines (RFC 9110 §5.3)."""
    lines = [value.decode("latin-1") for key, value in headers if key == name]
    return [member.strip() for member in ",".join(lines).split(",") if member.strip()]


def _address(text: str) -> Address | None:
    """The address in `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1` or `[2001:db8::1]:80`; IPv4 inside IPv6 as itself."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
