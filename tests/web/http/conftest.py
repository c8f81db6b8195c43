"""Options of what runs over generated requests: `pytest tests/web/http --odd-requests 5000 --first-odd-request 100`."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("odd requests")
    group.addoption("--odd-requests", type=int, help="how many seeds to run")
    group.addoption("--first-odd-request", type=int, default=0, help="where to begin")
