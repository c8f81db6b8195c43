"""Sending to an address that an owner typed: only to a public one, in bounded time, and without telling it to others.

The name is looked up once. Every address that it has must be public (unless the operator allows others), and the
connection goes to one of these very addresses: a name that answers otherwise later changes nothing. Redirects are not
followed, proxies of the environment are not asked, the answer's body is not read.
"""

import socket
import ssl
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import httpx2
import trio

from web.errors import NotDelivered
from web.webhooks.messages import Message

SEND_SECONDS_MAX = 10.0
"""How long a message may take to be delivered: name, connection and answer."""

LOOKUPS_MAX = 8
"""Receivers' names looked up at once, each in a thread; those that nobody waits for any more count too."""

_TRANSLATED = ip_network("64:ff9b::/96")
"""IPv4 addresses behind a translator (RFC 6052)."""

Lookup = Callable[..., list[tuple[Any, ...]]]


class Sender:
    """Sends messages. `allow_private`: also to addresses that are not public, and without TLS."""

    def __init__(self, *, allow_private: bool, lookup: Lookup = socket.getaddrinfo) -> None:
        self.allow_private = allow_private
        self._lookup = lookup
        self._lookups = trio.CapacityLimiter(LOOKUPS_MAX)
        self._tls: ssl.SSLContext | None = None

    async def send(self, url: str, message: Message) -> None:
        """Return when the receiver took the message; raises `NotDelivered`."""
        try:
            target = httpx2.URL(url)
        except httpx2.InvalidURL:
            raise NotDelivered("The address makes no sense.") from None
        if target.scheme != "https" and not self.allow_private:
            raise NotDelivered("The address must begin with https.")
        try:
            with trio.fail_after(SEND_SECONDS_MAX):
                address = await self._resolve(target)
                status = await self._post(target, address, message)
        except trio.TooSlowError:
            raise NotDelivered(f"The receiver did not answer within {SEND_SECONDS_MAX:g} seconds.") from None
        except (httpx2.HTTPError, OSError):
            # Not as the cause: its text may hold the address.
            raise NotDelivered("There is no connection to the receiver, or it broke.") from None
        if not httpx2.codes.is_success(status):
            raise NotDelivered(f"The receiver answered with status {status}.")

    async def _resolve(self, target: httpx2.URL) -> str:
        port = target.port or (443 if target.scheme == "https" else 80)
        ask = partial(self._lookup, target.host, port, type=socket.SOCK_STREAM)
        try:
            found = await trio.to_thread.run_sync(ask, limiter=self._lookups, abandon_on_cancel=True)
        except (OSError, UnicodeError):
            raise NotDelivered("The receiver's name is not known.") from None
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses:
            raise NotDelivered("The receiver's name has no address.")
        if not self.allow_private and not all(map(is_public, addresses)):
            raise NotDelivered("The receiver's address is not a public one; this server sends only to those.")
        return addresses[0]

    async def _post(self, target: httpx2.URL, address: str, message: Message) -> int:
        """The status of the answer. TLS is still asked for the receiver's name."""
        if self._tls is None:
            self._tls = await trio.to_thread.run_sync(httpx2.create_ssl_context)  # reads files
        async with (
            httpx2.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=None) as client,
            client.stream(
                "POST",
                target.copy_with(host=address),
                content=message.body,
                headers={**message.headers, "Host": target.netloc.decode("ascii"), "User-Agent": "llm-bus"},
                extensions={"sni_hostname": target.host},
            ) as response,
        ):
            return response.status_code


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet: not private, loopback, link-local, shared or a group's."""
    ip = _carried(ip_address(address.partition("%")[0]))
    is_special = ip.is_multicast or ip.is_reserved or (isinstance(ip, IPv6Address) and ip.is_site_local)
    return ip.is_global and not is_special


def _carried(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _TRANSLATED:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
