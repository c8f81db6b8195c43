"""The embedded PostgreSQL is found again by the next process, and looked after by a server that uses it."""

import logging
import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
import trio

from store import embedded_postgres
from tests.faults.checker import check, operations, read_ledger
from tests.faults.processes import let_in, running_bus
from tests.faults.workload import load
from tests.load import Team
from tests.postgres import query

log = logging.getLogger(__name__)

CLIENTS = [f"client-{number}" for number in range(16)]
ANSWERS_BETWEEN_KILLS_MAX = 200
RECOVERY_SECONDS_MAX = 60


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.soak)])
async def test_calls_wait_while_a_killed_server_is_started_again_and_nothing_is_lost(
    directory: Path, rng: random.Random, kills: int
) -> None:
    data_dir = directory / "data"
    async with (
        embedded_postgres(data_dir) as conninfo,
        running_bus(conninfo, directory / "bus.log", data_dir) as bus,
    ):
        team = Team(await let_in(bus, CLIENTS))
        async with load(team.clients(bus.port), rng):
            for _ in range(kills):
                await team.record.progress(rng.randint(1, ANSWERS_BETWEEN_KILLS_MAX))
                killed, began = postmaster(data_dir), trio.current_time()
                os.kill(killed, rng.choice((signal.SIGKILL, signal.SIGQUIT, signal.SIGINT)))
                await replaced(killed, data_dir, conninfo)
                log.info("back after %.1f s", trio.current_time() - began)
            await team.record.progress(len(CLIENTS))
        assert team.record.unexpected(refusals=("conflict", "not_found")) == []
        assert check(operations(team.record), read_ledger(conninfo)).violations == []
    assert bus.said.count("runs again") == kills


async def test_a_server_that_recovers_by_itself_is_waited_for_and_not_started_twice(directory: Path) -> None:
    data_dir = directory / "data"
    async with embedded_postgres(data_dir) as conninfo:
        with psycopg.connect(conninfo) as session:
            os.kill(session.info.backend_pid, signal.SIGKILL)
            while reaches(conninfo):
                pass
        async with embedded_postgres(data_dir):
            assert reaches(conninfo)


def postmaster(data_dir: Path) -> int:
    """The process that the directory's server is, or was."""
    return int((data_dir / "postgres" / "postmaster.pid").read_text().splitlines()[0])


async def replaced(killed: int, data_dir: Path, conninfo: str) -> None:
    """Wait until another server answers than the killed one."""
    with trio.fail_after(RECOVERY_SECONDS_MAX):
        while True:
            with suppress(OSError, IndexError, ValueError):  # the file is just being written
                if postmaster(data_dir) != killed and await trio.to_thread.run_sync(reaches, conninfo):
                    return
            await trio.sleep(0.01)


def reaches(conninfo: str) -> bool:
    try:
        query(conninfo, "select 1")
    except psycopg.OperationalError:
        return False
    return True
