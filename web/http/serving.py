"""Hypercorn's HTTP machinery on Trio, under bounds and with a way down.

Hypercorn's own worker loop takes any number of connections and lets a connection's failure end the process; this one
does not, and it drains: nothing new is accepted, idle connections close at once, running requests get
`DRAIN_SECONDS_MAX`. What happens on one connection is `web.http.connection`.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext

from web.http.asgi import Receive, Scope, Send
from web.http.connection import HttpConnection
from web.http.listener import BoundedListener, BoundedStream

log = structlog.get_logger(__name__)

IDLE_SECONDS_MAX = 30.0
"""How long a connection may be open without a complete request head: before the first request and between two.

A request that is being answered is not idle, however long it waits."""

DRAIN_SECONDS_MAX = 10.0
HEAD_BYTES_MAX = 32 * 1024
"""Request line and headers together."""

_UNLIMITED = 2**62

AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


async def serve(
    app: AsgiApp, listeners: Sequence[BoundedListener], stopping: trio.Event, ready: Callable[[], object]
) -> None:
    """Serve `app` until `stopping` is set and running requests have ended; closes the listeners.

    Calls `ready` once connections are accepted. Cancelling cuts everything off.
    """
    config = _configuration()
    context = WorkerContext(None)
    open_connections: set[HttpConnection] = set()
    async with trio.open_nursery() as lifespans:
        wrapped = ASGIWrapper(app)  # type: ignore[arg-type]  # Hypercorn's names for what ASGI is are narrower
        lifespan = Lifespan(wrapped, config, {})
        await lifespans.start(lifespan.handle_lifespan)
        await lifespan.wait_for_startup()
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                handler = partial(_handle, partial(HttpConnection, wrapped, config, context), open_connections)
                accepting.start_soon(
                    partial(trio.serve_listeners, handler, list(listeners), handler_nursery=connections)
                )
                ready()
                await stopping.wait()
                accepting.cancel_scope.cancel()
            await context.terminated.set()
            for connection in open_connections:
                connection.end_pause()
            connections.cancel_scope.deadline = trio.current_time() + DRAIN_SECONDS_MAX
        if connections.cancel_scope.cancelled_caught:
            log.warning("requests cut off", after_seconds=DRAIN_SECONDS_MAX)
        await lifespan.wait_for_shutdown()
        lifespans.cancel_scope.cancel()


async def _handle(
    connect: Callable[[BoundedStream], HttpConnection], open_connections: set[HttpConnection], stream: BoundedStream
) -> None:
    """One connection's life; its failure is its own."""
    connection = connect(stream)
    open_connections.add(connection)
    try:
        await connection.run()
    except Exception:  # the supervisor of connections: one that fails must not take the server along
        log.exception("connection failed")
    finally:
        open_connections.discard(connection)


def _configuration() -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    config.h11_max_incomplete_size = HEAD_BYTES_MAX
    config.keep_alive_timeout = IDLE_SECONDS_MAX
    config.keep_alive_max_requests = _UNLIMITED
    return config
