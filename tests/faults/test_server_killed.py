"""The server is killed under load and started again on the same data."""

import random

import pytest

from tests.faults.ledger import Ledger, judge, judge_answers_of, judge_insistence
from tests.faults.processes import Bus
from tests.faults.workload import load
from tests.load import Team

CLIENTS = 24
ANSWERS_BETWEEN_KILLS_MAX = 400


@pytest.mark.parametrize("kills", [3, pytest.param(40, marks=pytest.mark.soak)])
async def test_what_was_answered_is_in_the_ledger_once_however_often_the_server_is_killed(
    bus: Bus, team: Team, rng: random.Random, kills: int
) -> None:
    crowd = team.clients(CLIENTS, bus.port)
    async with load(crowd, rng):
        for _ in range(kills):
            await team.record.progress(rng.randint(1, ANSWERS_BETWEEN_KILLS_MAX))
            await bus.kill()
            await bus.start()
        await team.record.progress(CLIENTS)
    assert team.record.unexpected(refusals=("conflict", "not_found"), lost=True) == []
    ledger = Ledger.read(bus.database_url)
    judge(ledger, team.record)
    judge_insistence(ledger, team.record)
    async with team.client("judge", bus.port) as client:
        await judge_answers_of(client, ledger)
