"""Temporary servers: one of our own in this process, on a free port of the loopback, that leaves nothing behind.

The doctor's round trip and the demo use one where no server runs.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from secrets import token_hex

import msgspec
import trio

from store import open_store
from store.people import minting, owners
from store.people.names import TEMPORARY_DOMAIN
from store.people.temporary_owners import remove_temporary_owner
from web.cli.bus_client import BusClient, connect
from web.config import Settings
from web.http.listener import listen
from web.onboarding.texts import mcp_url
from web.server import run_bus


@asynccontextmanager
async def own_server(settings: Settings, conninfo: str) -> AsyncIterator[str]:
    """A server on a migrated database as long as this is open; gives its URL. Leaving drains it."""
    listeners = await listen("127.0.0.1", 0)
    # How long records are kept is for the servers of this database to say: a command's environment may be another.
    private = msgspec.structs.replace(settings, host="127.0.0.1", public_url=None, audit_days=0)
    private = private.bound_to(listeners[0].port)
    stopping, ready = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(run_bus, private, conninfo, listeners, stopping, ready=ready.set))
        await ready.wait()
        try:
            yield private.local_url
        finally:
            stopping.set()


@asynccontextmanager
async def temporary_bus(settings: Settings, conninfo: str) -> AsyncIterator[BusClient]:
    """A connected agent in a project of its own, on a server of its own; all of it is gone afterwards."""
    async with open_store(conninfo) as store:
        owner = await store.write(owners.ensure_owner, f"doctor-{token_hex(4)}@{TEMPORARY_DOMAIN}")
        try:
            agent = (await store.write(minting.mint, owner.email, "doctor", "doctor")).provisioned
            async with own_server(settings, conninfo) as url, connect(mcp_url(url), agent.token) as client:
                yield client
        finally:
            with trio.CancelScope(shield=True):
                await store.write(remove_temporary_owner, owner.id)
