"""The embedded server as long as somebody needs it: used, kept running, stopped by the last to leave."""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

import trio

from store.embedded.cluster import SETTINGS, Cluster
from store.embedded.programs import installed_binaries
from store.errors import EmbeddedUnavailable
from store.outages import Outage

# The standard library's, because it writes to stderr also in a command that sets no logging up.
log = logging.getLogger(__name__)

PAUSE_SECONDS_MIN = 0.5
PAUSE_SECONDS_MAX = 10.0
"""Between two attempts to start a server that does not start; doubles from the one to the other."""


@asynccontextmanager
async def embedded_postgres(
    data_dir: Path,
    *,
    binaries: Path | None = None,
    settings: Mapping[str, str] | None = None,
    provisional: bool = False,
) -> AsyncIterator[str]:
    """Use the PostgreSQL in `data_dir`, made and started when there is none; gives its conninfo.

    `binaries` are others than the wheel's; `settings` go over `SETTINGS` when the server is started here. Leaving stops
    the server unless another process uses it. Cancellation while it starts leaves a server that the next one finds.
    `provisional`: a database that was made here is removed again if what is done with it raises.

    Raises `EmbeddedUnavailable` with a sentence that says what to do.
    """
    cluster = _cluster(data_dir, binaries, settings)
    try:
        users = await cluster.join()
    except OSError as error:
        raise EmbeddedUnavailable(
            f"cannot use {data_dir} for the embedded PostgreSQL: {error.strerror or error}. Make it writable, or give "
            "another --data-dir."
        ) from error
    has_failed = True
    try:
        yield cluster.conninfo
        has_failed = False
    finally:
        with trio.CancelScope(shield=True):
            await cluster.leave(users, removing=provisional and has_failed and cluster.was_made)


async def keep_running(
    data_dir: Path, *, binaries: Path | None = None, settings: Mapping[str, str] | None = None
) -> NoReturn:
    """Start the server in `data_dir` again whenever it dies, until cancelled; failures are logged and tried again.

    Runs beside everything else inside of `embedded_postgres`, and is cancelled before that is left. The arguments are
    the same.
    """
    cluster = _cluster(data_dir, binaries, settings)
    pause, outage = PAUSE_SECONDS_MIN, Outage()
    while True:
        await cluster.gone()
        began = trio.current_time()
        try:
            if await cluster.revive():
                log.warning("PostgreSQL had died and runs again after %.1f s", trio.current_time() - began)
            pause = PAUSE_SECONDS_MIN
            outage.over()
        except (EmbeddedUnavailable, OSError) as error:
            if outage.failed():
                log.error("PostgreSQL is down and is tried again: %s", error)  # noqa: TRY400 - no bug of ours
            await trio.sleep(pause)
            pause = min(PAUSE_SECONDS_MAX, pause * 2)


def _cluster(data_dir: Path, binaries: Path | None, settings: Mapping[str, str] | None) -> Cluster:
    return Cluster(data_dir, binaries or installed_binaries(), {**SETTINGS, **(settings or {})})
