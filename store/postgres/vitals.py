"""The health of a database: version, encoding, role, clock. Reads only, and needs no schema."""

from datetime import datetime

import trio
from msgspec import Struct

from store.errors import EncodingUnfit
from store.postgres.connection import Connection

VERSION_MIN, VERSION_MAX = 15, 18
"""The major versions of PostgreSQL that this program is tested with."""

ENCODING = "UTF8"
"""The only encoding of a database in which every text of an agent can be kept."""

_ENCODING = "select current_setting('server_encoding')"

_VITALS = """
select current_setting('server_version_num')::integer / 10000,
       split_part(current_setting('server_version'), ' ', 1),
       clock_timestamp(),
       current_setting('transaction_read_only') = 'on',
       current_database()
"""


class Vitals(Struct, frozen=True, kw_only=True):
    """A database at one moment; `round_trip_seconds` is how long asking took."""

    major_version: int
    version: str
    now: datetime
    is_read_only: bool
    name: str
    round_trip_seconds: float

    @property
    def is_supported(self) -> bool:
        """Whether this program is tested with this version."""
        return VERSION_MIN <= self.major_version <= VERSION_MAX


async def examine(conninfo: str) -> Vitals:
    """Read the vitals of a database; raises `StoreUnavailable` when it does not answer, and `EncodingUnfit`."""
    connection = await Connection.open(conninfo)
    try:
        await check_encoding(connection)
        began = trio.current_time()
        ((major_version, version, now, is_read_only, name),) = await connection.fetch(_VITALS)
        return Vitals(
            major_version=major_version,
            version=version,
            now=now,
            is_read_only=is_read_only,
            name=name,
            round_trip_seconds=trio.current_time() - began,
        )
    finally:
        connection.close()


async def check_encoding(connection: Connection) -> None:
    """Raise `EncodingUnfit` unless the database can hold every text."""
    ((encoding,),) = await connection.fetch(_ENCODING)
    if encoding != ENCODING:
        raise EncodingUnfit(
            f"the database has the encoding {encoding}, which cannot hold every text. Make one with "
            f"'createdb --encoding={ENCODING} --template=template0 NAME', and name it in DATABASE_URL."
        )
