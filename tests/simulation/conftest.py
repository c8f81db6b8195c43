"""Options of the simulation: `pytest tests/simulation --seed 7 --steps 40`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simulation")
    group.addoption("--seed", type=int, default=None, help="replay this seed only")
    group.addoption("--seeds", type=int, default=None, help="how many seeds to run, from --first-seed")
    group.addoption("--first-seed", type=int, default=0, help="where to begin")
    group.addoption("--steps", type=int, default=None, help="how many calls each simulated client makes")
