"""Who stands in front of this server and may speak for others: the proxies that the operator trusts.

Anybody can send any header. What a header says of a client's address or identity counts only when the connection itself
comes from a trusted address.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from web.config import Network
from web.http import asgi
from web.http.asgi import Scope

Address = IPv4Address | IPv6Address


class Proxies:
    """The trusted ones among all peers."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def client_address(self, scope: Scope) -> str:
        """Whose request it is, for limits by address: the peer, or whom trusted proxies say they were asked by.

        Each proxy adds its peer at the end of `X-Forwarded-For`; what stands left of the first hop that is not trusted
        is that hop's own story.
        """
        peer = _peer(scope)
        if not self._trusts(peer):
            return peer
        address = peer
        for hop in reversed(asgi.header_list(scope, b"x-forwarded-for")):
            if (named := _address(hop)) is None:
                break
            address = str(named)
            if not self._trusts(address):
                break
        return address

    def vouched(self, scope: Scope, name: str) -> str | None:
        """What a trusted proxy says in a header that nobody else may use; None when nothing, or two things at once."""
        if not self._trusts(_peer(scope)):
            return None
        values = [value for key, value in scope["headers"] if key == name.encode()]
        return values[0].decode("latin-1").strip() or None if len(values) == 1 else None

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _peer(scope: Scope) -> str:
    """The address at the other end of the connection."""
    client = scope.get("client")
    return str(client[0]) if client else ""


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
