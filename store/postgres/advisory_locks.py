"""The advisory locks of this program: the first of their two keys, in one place so that no key means two things."""

from store.postgres.connection import Connection

MIGRATIONS_LOCK = 0x6C6C6D00
"""Held while migrating; the second key is 0."""

WRITER_LOCK = 0x6C6C6D01
"""Held while writing to a project's ledger; the second key is `project_key`."""

PEERS_LOCK = 0x6C6C6D02
"""A running server; the second key is its random number. Held by its listening session, so it ends with that."""


def project_key(project_id: str) -> str:
    """The second key of a project's writer lock, as SQL, from its id as SQL: the id, cut to 31 bits."""
    return f"({project_id}::bigint & 2147483647)::int"


_LOCK_LEDGER = f"select pg_advisory_xact_lock(%s, {project_key('%s')})"


async def lock_ledger(connection: Connection, project_id: int) -> None:
    """Wait for the writer lock of a project's ledger, and hold it until the transaction ends."""
    await connection.fetch(_LOCK_LEDGER, (WRITER_LOCK, project_id))
