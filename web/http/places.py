"""How many connections may be open: in all, and for each client address, with a share kept free for health checks."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from ipaddress import IPv6Address, ip_address

PROBE_PLACES = 32
"""Beyond the bound so many connections are still read, but only health checks are answered there. The oldest one that
has not asked for anything makes room for a new one, so silent connections cannot hold these places."""

SHARE_OF_ADDRESS = 4
"""One address may have a quarter of all places."""


class Place(Enum):
    """What a new connection may do."""

    ANYTHING = "anything"
    PROBES = "probes"
    """Ask for health, nothing else: the server is full."""
    NOTHING = "nothing"
    """Nothing: its address has its share already."""


class Places:
    """Counts open connections, and requests that come through trusted proxies, by client address."""

    def __init__(self, connections_max: int) -> None:
        self._connections_max = connections_max
        self._per_address_max = max(1, connections_max // SHARE_OF_ADDRESS)
        self._by_address: Counter[str] = Counter()
        self.open = 0

    def take(self, address: str | None) -> Place:
        """Take a place for a connection from `address`; None: a trusted proxy's. Ends with `give_back`."""
        group = None if address is None else group_of(address)
        if group is not None and self._by_address[group] >= self._per_address_max:
            return Place.NOTHING
        place = Place.ANYTHING if self.open < self._connections_max else Place.PROBES
        self.open += 1
        if group is not None:
            self._by_address[group] += 1
        return place

    def give_back(self, address: str | None) -> None:
        """Give back what `take` took."""
        self.open -= 1
        if address is not None:
            self._forget_one(group_of(address))

    @contextmanager
    def request(self, address: str) -> Iterator[bool]:
        """Count a request that a proxy forwards for a client; False when that client has too many."""
        group = group_of(address)
        if self._by_address[group] >= self._per_address_max:
            yield False
            return
        self._by_address[group] += 1
        try:
            yield True
        finally:
            self._forget_one(group)

    def _forget_one(self, group: str) -> None:
        self._by_address[group] -= 1
        if not self._by_address[group]:
            del self._by_address[group]


def group_of(address: str) -> str:
    """What counts as one client: an IPv4 address, or the /64 of an IPv6 address, which one subscriber has."""
    if ":" not in address:
        return address
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return parsed.packed[:8].hex()
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
