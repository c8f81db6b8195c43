"""The embedded PostgreSQL is found again by the next process, whatever state it is in."""

import psycopg

from tests.faults.processes import Postgres
from tests.postgres import query


async def test_a_server_that_recovers_by_itself_is_waited_for_and_not_started_twice(durable: Postgres) -> None:
    with psycopg.connect(durable.conninfo, application_name="llm-bus"):
        durable.crash_a_backend()
    while answers(durable):
        pass
    await durable.restart()
    assert answers(durable)


def answers(postgres: Postgres) -> bool:
    try:
        query(postgres.conninfo, "select 1")
    except psycopg.OperationalError:
        return False
    return True
