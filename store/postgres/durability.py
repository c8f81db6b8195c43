"""Ways for PostgreSQL to lose a commit that was answered: its settings, and addresses that do not follow a failover.

An answer of this program promises that what it tells is kept. Here is only told what breaks that promise; everything
works all the same.
"""

from collections.abc import Iterator

from msgspec import Struct
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from store.postgres.connection import Connection
from store.postgres.records import record

_SETTINGS = """
select current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
       current_setting('synchronous_standby_names') <> ''
"""

_RELOAD = "in postgresql.conf, and reload PostgreSQL"


class Risk(Struct, frozen=True, kw_only=True):
    """A risk of losing data, and what to do about it; both are sentences."""

    says: str
    todo: str


class Kept(Struct, frozen=True, kw_only=True):
    """The settings that decide what PostgreSQL keeps of what it has answered."""

    fsync: str
    full_page_writes: str
    synchronous_commit: str
    has_synchronous_standby: bool


async def risks(connection: Connection, conninfo: str) -> list[Risk]:
    """The risks of the database that this session is with, the worst first, and those of its address."""
    (row,) = await connection.fetch(_SETTINGS)
    return [*risks_of_settings(record(Kept, row)), *risks_of_address(conninfo)]


def risks_of_settings(kept: Kept) -> Iterator[Risk]:
    """The risks of these settings, the worst first."""
    if kept.fsync == "off":
        yield Risk(
            says="fsync is off: when the machine of the database crashes, the whole database may be destroyed.",
            todo=f"Set fsync = on {_RELOAD}.",
        )
    if kept.full_page_writes == "off":
        yield Risk(
            says="full_page_writes is off: when the machine of the database crashes, pages may be left half-written.",
            todo=f"Set full_page_writes = on {_RELOAD}, unless the file system never leaves one (ZFS).",
        )
    if kept.synchronous_commit == "off":
        yield Risk(
            says="synchronous_commit is off: when PostgreSQL crashes, the last answered calls are lost and their "
            "numbers are given out again.",
            todo=f"Set synchronous_commit = on {_RELOAD}; look for it at the role and the database, too.",
        )
    elif kept.synchronous_commit == "local" and kept.has_synchronous_standby:
        yield Risk(
            says="synchronous_commit is local: commits do not wait for the synchronous standby, so that the last "
            "answered calls are lost when it is promoted.",
            todo=f"Set synchronous_commit = on {_RELOAD}.",
        )


def risks_of_address(conninfo: str) -> Iterator[Risk]:
    """The risks of an address that names several servers."""
    parts = conninfo_to_dict(conninfo)
    names = str(parts.get("host") or parts.get("hostaddr") or "").split(",")
    wanted = parts.get("target_session_attrs", _default_target())
    if len(names) > 1 and wanted not in {"read-write", "primary"}:
        yield Risk(
            says=f"The database URL names {len(names)} servers and takes the first that answers, also a standby, which "
            "takes no writes.",
            todo="Add target_session_attrs=read-write to it.",
        )


def _default_target() -> str | None:
    """The value of PGTARGETSESSIONATTRS, or libpq's own default."""
    options = {option.keyword: option.val or option.compiled for option in pq.Conninfo.get_defaults()}
    default = options[b"target_session_attrs"]
    return None if default is None else default.decode()
