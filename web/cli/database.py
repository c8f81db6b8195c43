"""The database a command works on: the one it was given, or the embedded one in the data directory."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TypeVar

from store import Store, embedded_postgres, migrate, open_store
from store.embedded.cluster import has_cluster
from store.errors import EmbeddedUnavailable
from web.cli.terminal import working
from web.config import Settings

Result = TypeVar("Result")


@asynccontextmanager
async def open_database(settings: Settings, *, provisional: bool = False) -> AsyncIterator[str]:
    """The conninfo of a database, started when it is ours; it goes on when others use it after us.

    `provisional`: one that is made here is removed again if what is done with it raises.

    Raises `EmbeddedUnavailable` and `OSError` when ours cannot be used. One that was given is not tried here.
    """
    async with AsyncExitStack() as stack:
        conninfo = settings.database_url
        if conninfo is None:
            with working(f"Opening the database in {settings.data_dir}"):
                conninfo = await stack.enter_async_context(
                    embedded_postgres(settings.data_dir, provisional=provisional)
                )
        yield conninfo


def expect_database(settings: Settings) -> None:
    """Raise `EmbeddedUnavailable` where a database would be made only to find nothing in it."""
    if settings.database_url is None and not has_cluster(settings.data_dir):
        raise EmbeddedUnavailable(
            f"there is no database in {settings.data_dir} yet: 'llm-bus up' makes one; or give --data-dir, or "
            "DATABASE_URL."
        )


@asynccontextmanager
async def ready_database(settings: Settings, *, makes_database: bool = False) -> AsyncIterator[str]:
    """The conninfo of an up-to-date database.

    Raises `EmbeddedUnavailable` where there is none, unless it `makes_database`.
    """
    if not makes_database:
        expect_database(settings)
    async with open_database(settings) as conninfo:
        await bring_up_to_date(conninfo)
        yield conninfo


async def on_store(
    settings: Settings, work: Callable[[Store], Awaitable[Result]], *, makes_database: bool = False
) -> Result:
    """What `work` gives with the open store of a `ready_database`."""
    async with (
        ready_database(settings, makes_database=makes_database) as conninfo,
        open_store(conninfo, pool_size_max=1) as store,
    ):
        return await work(store)


async def bring_up_to_date(conninfo: str) -> list[str]:
    """Apply the migrations that are missing and give their names; raises what `migrate` raises."""
    with working("Bringing the database's schema up to date"):
        return await migrate(conninfo)
