"""Readers of streams who do not read: how soon a server finds out, and how it is seen."""

import pytest

from tests.web.bus import Bus
from tests.web.http.test_attacks import number_of
from web import streams
from web.http import connection, listener

UNREAD_EVENTS = 95
"""More than fits into the buffers of `hurry`, and no more than is told one by one."""


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Have a server that is started from now on keep little for a reader, wait shortly for one, and send at once."""
    patch.setattr(listener, "SEND_BUFFER_BYTES", 4096)
    patch.setattr(connection, "WRITE_SECONDS_MAX", 0.5)
    patch.setattr(streams, "PAUSE_SECONDS", 0.0)


async def connections(bus: Bus) -> float:
    """How many connections a server has."""
    return number_of((await bus.http.get("/metrics")).text, "llm_bus_http_connections")
