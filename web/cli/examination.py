"""The doctor's round: which checks are made, in which order, and on what.

What a single check looks at and says is `web.cli.doctor`; how findings are shown is the command's.
"""

from store.embedded import has_cluster
from store.errors import EmbeddedUnavailable
from web.cli.database import open_database
from web.cli.doctor import Report, check_database, check_round_trip, check_server, check_writing, fail, ok
from web.cli.stages import known_url, temporary_bus
from web.config import Settings


async def examine(settings: Settings, report: Report, *, url: str | None, token: str | None) -> None:
    """Make every check that can be made and report what it finds; fails only by a bug.

    With a `url` only that server is looked at, unless a database was named too.
    """
    if url is None or settings.database_url is not None:
        await _examine_database(settings, report, round_trip=token is None)
    address = url or known_url(settings)
    if await check_server(address, report, is_expected=url is not None) and token is not None:
        await check_round_trip(address, token, report)


async def _examine_database(settings: Settings, report: Report, *, round_trip: bool) -> None:
    if settings.database_url is None and not has_cluster(settings.data_dir):
        says = f"There is no database in {settings.data_dir} yet."
        report(fail("database", says, "Make one with 'llm-bus up', or give --data-dir or --database-url."))
        return
    place = f"the embedded PostgreSQL in {settings.data_dir}" if settings.database_url is None else "the database given"
    report(ok("settings", f"They make sense; data is in {place}."))
    try:
        async with open_database(settings) as conninfo:
            if await check_database(conninfo, report) and round_trip:
                async with temporary_bus(settings, conninfo) as client:
                    await check_writing(client, report)
    except (EmbeddedUnavailable, OSError) as error:
        report(fail("database", str(error), "Give another --data-dir, or a --database-url."))
