"""A TCP proxy between a client and PostgreSQL that cuts connections when told to.

What it forwards is real PostgreSQL traffic; what it does to it is what networks do.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import trio
from psycopg.conninfo import make_conninfo


class Proxy:
    """Forwards until told otherwise: `swallow_requests` and `swallow_answers` cut the first connection that speaks."""

    def __init__(self, upstream: str, port: int, conninfo: str) -> None:
        self.conninfo = make_conninfo(conninfo, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        self.swallow_requests = False
        self.swallow_answers = False
        self.stall_answers = False
        self.connections = 0
        self._upstream = upstream
        self._frozen_up_to = 0

    def freeze(self) -> None:
        """Forward nothing more on today's connections, and tell neither side; new ones work."""
        self._frozen_up_to = self.connections

    async def serve(self, client: trio.SocketStream) -> None:
        self.connections += 1
        number = self.connections
        server = await trio.open_unix_socket(self._upstream)
        async with client, server, trio.open_nursery() as nursery:
            nursery.start_soon(self._requests, number, client, server, nursery.cancel_scope)
            nursery.start_soon(self._answers, number, client, server, nursery.cancel_scope)

    async def _requests(
        self, number: int, client: trio.SocketStream, server: trio.SocketStream, both: trio.CancelScope
    ) -> None:
        try:
            async for chunk in client:
                if number <= self._frozen_up_to:
                    await trio.sleep_forever()
                if self.swallow_requests:
                    break
                await server.send_all(chunk)
        except trio.BrokenResourceError:
            pass
        both.cancel()

    async def _answers(
        self, number: int, client: trio.SocketStream, server: trio.SocketStream, both: trio.CancelScope
    ) -> None:
        try:
            async for chunk in server:
                if self.stall_answers or number <= self._frozen_up_to:
                    await trio.sleep_forever()
                if self.swallow_answers:
                    break
                await client.send_all(chunk)
        except trio.BrokenResourceError:
            pass
        both.cancel()


@asynccontextmanager
async def proxied(conninfo: str) -> AsyncIterator[Proxy]:
    """A proxy to the server of `conninfo`, which listens on a Unix socket."""
    directory = psycopg.conninfo.conninfo_to_dict(conninfo)["host"]
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy = Proxy(f"{directory}/.s.PGSQL.5432", listener.socket.getsockname()[1], conninfo)
        nursery.start_soon(trio.serve_listeners, proxy.serve, [listener])
        yield proxy
        nursery.cancel_scope.cancel()
