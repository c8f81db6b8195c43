"""Histories from seeds, each judged from beginning to end. See `tests.simulation.world`."""

import pytest

from tests.simulation.world import Failover, simulate

SEEDS = 300
STEPS = 15
SOAK_SEEDS = 2000
SOAK_STEPS = 100


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        option = metafunc.config.getoption
        first, count = option("first_seed", 0), option("seeds", None) or SEEDS
        one = option("seed", None)
        metafunc.parametrize("seed", range(first, first + count) if one is None else [one])


@pytest.fixture
def steps(pytestconfig: pytest.Config) -> int:
    return pytestconfig.getoption("steps", None) or STEPS


def test_every_promise_holds_whatever_happens(seed: int, steps: int) -> None:
    simulate(seed, steps)


@pytest.mark.parametrize("failover", ["synchronous", "asynchronous"])
def test_a_failover_loses_what_the_standby_lacks_and_nothing_else(seed: int, steps: int, failover: Failover) -> None:
    simulate(seed, steps, failover)


def test_a_seed_replays_event_by_event() -> None:
    histories = [[simulate(seed, STEPS) for seed in range(5)] for _ in range(2)]
    assert histories[0] == histories[1]


@pytest.mark.soak
def test_every_promise_holds_over_long_histories() -> None:
    for seed in range(SEEDS, SEEDS + SOAK_SEEDS):
        simulate(seed, SOAK_STEPS)
