"""The journal on PostgreSQL keeps the promises of a journal."""

from collections.abc import AsyncIterator

import pytest

from actors.journal import Journal
from store.ledger.journal import PostgresJournal
from store.postgres.pool import Pool
from tests.actors.journal_conformance import *  # noqa: F403  # the suite is there to be run from here
from tests.actors.journal_conformance import OpenJournal


@pytest.fixture
async def open_journal(conninfo: str) -> AsyncIterator[OpenJournal]:
    # Every journal is a process's own, down to its sessions: two that shared a pool could wait for each other.
    pools: list[Pool] = []

    def open_one() -> Journal:
        pool, turns = Pool(conninfo), Pool(conninfo)
        pools.extend((pool, turns))
        return PostgresJournal(pool, turns)

    yield open_one
    for pool in pools:
        pool.close()
