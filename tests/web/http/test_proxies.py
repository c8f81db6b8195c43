"""Whose address and whose identity a request has, with honest proxies in front and with liars."""

from contextlib import nullcontext
from ipaddress import ip_network

import pytest

from tests.web.bus import Bus
from web.http.exchange import Exchange
from web.http.proxies import Proxies
from web.http.request import Request
from web.routes.join import TRIES_MAX

PROXIES = Proxies([ip_network("10.0.0.0/8"), ip_network("::1"), ip_network("192.0.2.7")])
HEADER = b"x-auth-request-email"


def address(peer: str, *forwarded: str) -> str:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return PROXIES.client_address(peer, headers)


@pytest.mark.parametrize(
    ("peer", "forwarded", "whose"),
    [
        ("203.0.113.5", [], "203.0.113.5"),
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5, 10.9.9.9, 192.0.2.7"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.5:4711"], "203.0.113.5"),
        ("::1", ["2001:db8::5"], "2001:db8::5"),
        ("::1", ["[2001:db8::5]:4711"], "2001:db8::5"),
        ("::ffff:10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, , 10.0.0.2,"], "203.0.113.5"),
        ("10.0.0.1", ["::ffff:203.0.113.5"], "203.0.113.5"),
    ],
)
def test_the_client_is_the_last_hop_that_is_not_trusted(peer: str, forwarded: list[str], whose: str) -> None:
    assert address(peer, *forwarded) == whose


def test_without_a_peer_nobody_is_trusted() -> None:
    headers = [(b"x-forwarded-for", b"203.0.113.5"), (HEADER, b"ada@example.com")]
    assert PROXIES.client_address("", headers) == ""
    assert PROXIES.vouched("", headers, HEADER.decode()) is None


@pytest.mark.parametrize(
    ("peer", "values", "vouched"),
    [
        ("10.0.0.1", [b" ada@example.com "], "ada@example.com"),
        ("10.0.0.1", [], None),
        ("10.0.0.1", [b""], None),
        ("10.0.0.1", [b"ada@example.com", b"eve@example.com"], None),
        ("203.0.113.5", [b"ada@example.com"], None),
        ("10.0.0.1.evil.example", [b"ada@example.com"], None),
    ],
)
def test_only_a_trusted_proxy_vouches_and_for_one_person(peer: str, values: list[bytes], vouched: str | None) -> None:
    headers = [(HEADER, value) for value in values]
    assert PROXIES.vouched(peer, headers, HEADER.decode()) == vouched


async def test_who_joins_is_limited_by_their_own_address_behind_a_proxy(bus: Bus) -> None:
    async def status(client: str) -> int:
        response = await bus.http.post("/join", json={"code": "guess"}, headers={"X-Forwarded-For": client})
        return response.status_code

    assert [await status("203.0.113.5") for _ in range(TRIES_MAX + 1)] == [404] * TRIES_MAX + [429]
    assert await status("203.0.113.6") == 404


async def test_the_addresses_of_a_subscriber_have_one_limit(bus: Bus) -> None:
    async def status(client: str) -> int:
        response = await bus.http.post("/join", json={"code": "guess"}, headers={"X-Forwarded-For": client})
        return response.status_code

    statuses = [await status(f"2001:db8::{number:x}") for number in range(1, TRIES_MAX + 2)]
    assert statuses == [404] * TRIES_MAX + [429]
    assert await status("2001:db8:0:1::1") == 404


@pytest.mark.parametrize(
    ("one", "other", "is_same"), [("2001:db8::1", "2001:db8::2", True), ("::1", "::2:0:0:0:1", False)]
)
def test_bytes_and_turns_are_counted_by_subscriber(one: str, other: str, *, is_same: bool) -> None:
    first, second = (
        Exchange(Request("GET", b"/", []), client, watched=lambda _: nullcontext()) for client in (one, other)
    )
    assert (first.payer == second.payer) is is_same
    assert (first.taker_of_turns == second.taker_of_turns) is is_same
