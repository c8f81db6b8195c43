"""A few short runs of `make faults`, one after another kind of fault; the long ones are run by hand.

Their seeds are fixed, so that every run of CI strikes the same worlds. Nothing in them depends on how fast a machine
is: moments are counted in answers, and a fault is over when every server has answered a write again.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.faults.catalogue import Fault, named
from tests.faults.plan import Plan
from tests.faults.run import run
from tests.faults.world import Shape


async def violations(seed: int, shape: Shape, faults: Sequence[Fault], directory: Path) -> list[tuple[str, str]]:
    return (await run(Plan(seed, shape, faults), directory)).violations


async def test_what_was_answered_is_in_the_ledger_once_when_the_server_is_killed(directory: Path) -> None:
    faults = named("a server is killed", "a server is killed", "rolling restart")
    assert await violations(1, Shape(), faults, directory) == []


async def test_what_was_answered_is_in_the_ledger_once_when_postgres_dies_or_commits_break_off(directory: Path) -> None:
    faults = named("PostgreSQL is killed", "a connection is closed after", "all sessions are terminated")
    assert await violations(2, Shape(), faults, directory) == []


async def test_two_servers_keep_one_ledger_and_answer_as_one_while_one_of_them_is_killed(directory: Path) -> None:
    faults = named("a server is killed", "all connections are reset", "a server stands still")
    assert await violations(3, Shape(servers=2), faults, directory) == []


async def test_nothing_is_lost_when_sessions_end_in_the_wait_for_a_standby_that_then_takes_over(
    directory: Path,
) -> None:
    shape = Shape(standby="synchronous")
    assert await violations(4, shape, named("sessions are terminated while they wait"), directory) == []


async def test_an_asynchronous_failover_loses_what_the_standby_lacks_and_nothing_else(directory: Path) -> None:
    shape = Shape(standby="asynchronous")
    assert await violations(5, shape, named("failover to an asynchronous"), directory) == []
