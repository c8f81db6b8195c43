"""Facts about the database for operators: its version, how large it is, and how many are connected."""

from msgspec import Struct

from store.postgres.connection import Connection
from store.postgres.records import record

_FACTS = """
select current_setting('server_version'), pg_database_size(current_database()),
       (select count(*) from pg_stat_activity where datname = current_database()),
       current_setting('max_connections')::int, (select count(*) from projects),
       (select coalesce(sum(s.n_live_tup), 0)::bigint from pg_stat_user_tables s where s.relname = 'events')
"""


class Facts(Struct, frozen=True, kw_only=True):
    """The database at one moment. `events` is PostgreSQL's own estimate."""

    version: str
    size_bytes: int
    sessions: int
    sessions_max: int
    projects: int
    events: int


async def facts(connection: Connection) -> Facts:
    """Ask PostgreSQL."""
    (row,) = await connection.fetch(_FACTS)
    return record(Facts, row)
