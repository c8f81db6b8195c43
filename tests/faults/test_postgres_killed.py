"""PostgreSQL dies under load in every way it knows, and the server, which nobody restarts, goes on."""

import random

import pytest

from tests.faults.ledger import Ledger, judge, judge_answers_of, judge_insistence
from tests.faults.processes import Bus, Postgres
from tests.faults.workload import load
from tests.load import Team

CLIENTS = 24
ANSWERS_BETWEEN_CRASHES_MAX = 400


@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.soak)])
async def test_clients_see_latency_or_unavailable_and_nothing_else_when_postgres_dies(
    bus: Bus, durable: Postgres, team: Team, rng: random.Random, rounds: int
) -> None:
    crowd = team.clients(CLIENTS, bus.port)
    async with load(crowd, rng):
        for crash in rng.sample(durable.crashes * rounds, k=5 * rounds):
            await team.record.progress(rng.randint(1, ANSWERS_BETWEEN_CRASHES_MAX))
            crash()
            await durable.restart()
        await team.record.progress(CLIENTS)
    assert team.record.unexpected(refusals=("conflict", "not_found")) == []
    ledger = Ledger.read(durable.conninfo)
    judge(ledger, team.record)
    judge_insistence(ledger, team.record)
    async with team.client("judge", bus.port) as client:
        await judge_answers_of(client, ledger)
