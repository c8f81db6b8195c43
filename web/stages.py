"""Servers for a moment: one of our own in this process, on a free port of the loopback, that leaves nothing behind.

The doctor's round trip and the demo need one where none runs; what they do with it is theirs.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_hex

import msgspec
import trio

from store import open_store
from store.removal import remove_temporary_owner
from web.bus_client import BusClient, connect
from web.config import Settings
from web.onboarding import mcp_url
from web.server import host_bus


def local_url(settings: Settings) -> str:
    """Where a server with these settings is reached."""
    return settings.bound_to(settings.port).public_url or ""


@asynccontextmanager
async def own_server(settings: Settings, conninfo: str) -> AsyncIterator[str]:
    """A server on a migrated database as long as this is open; gives its URL. Leaving drains it."""
    private = msgspec.structs.replace(settings, host="127.0.0.1", port=0, public_url=None)
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        url = await nursery.start(host_bus, private, conninfo, stopping)
        try:
            yield url
        finally:
            stopping.set()


@asynccontextmanager
async def temporary_bus(settings: Settings, conninfo: str) -> AsyncIterator[BusClient]:
    """A connected agent in a project of its own, on a server of its own; all of it is gone afterwards."""
    async with open_store(conninfo) as store:
        accounts = store.accounts
        owner = await accounts.add_owner(f"doctor-{token_hex(4)}@localhost")
        try:
            project = await accounts.ensure_project(owner.id, "doctor")
            agent = await accounts.provision(
                project.id, participant_name="doctor", kind="agent", lane=None, is_admin=False, by=owner.handle
            )
            async with own_server(settings, conninfo) as url, connect(mcp_url(url), agent.token) as client:
                yield client
        finally:
            with trio.CancelScope(shield=True):
                await remove_temporary_owner(store.pool, owner.id)
