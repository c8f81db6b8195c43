"""Owners who are signed in to a running server, and somebody who is not."""

from collections.abc import AsyncIterator

import httpx2
import pytest

from tests.web.admin.admin_client import PAGE_SECONDS_MAX, AdminClient, signed_in
from tests.web.bus import Bus


@pytest.fixture
async def ada(bus: Bus) -> AsyncIterator[AdminClient]:
    """An owner; `bus.mint` makes projects and participants of hers."""
    async with signed_in(bus.store, bus.url, "ada@example.com") as client:
        yield client


@pytest.fixture
async def eve(bus: Bus) -> AsyncIterator[AdminClient]:
    """Another owner, who has nothing to do with ada."""
    async with signed_in(bus.store, bus.url, "eve@example.com") as client:
        yield client


@pytest.fixture
async def operator(bus: Bus) -> AsyncIterator[AdminClient]:
    """An owner who also operates this server."""
    async with signed_in(bus.store, bus.url, "olga@example.com", is_operator=True) as client:
        yield client


@pytest.fixture
async def stranger(bus: Bus) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser that is not signed in."""
    async with httpx2.AsyncClient(base_url=bus.url, timeout=PAGE_SECONDS_MAX) as http:
        yield http
