"""The runs find what they are there for: each bug, put into the product on purpose, is caught within a few seeds."""

import sys
from pathlib import Path

import pytest

from tests.faults.catalogue import named
from tests.faults.plan import Plan
from tests.faults.planted import BUGS
from tests.faults.run import run
from tests.faults.world import Shape

SEEDS_MAX = 12
STRIKES = 3
FAILOVER_IN_SILENCE = "failover to an asynchronous standby that is behind, while nobody calls"
LOOKS_FOR = {
    "answers_before_the_commit": (Shape(servers=2), "statements time out", {"read goes back", "stale read", "lost"}),
    "does_not_look_at_the_predecessor": (Shape(standby="asynchronous"), FAILOVER_IN_SILENCE, {"gap"}),
    "takes_what_it_found_for_durable": (Shape(standby="synchronous"), "sessions are terminated while", {"lost"}),
    "forgets_keys": (Shape(), "a server is killed", {"twice", "key"}),
    "moves_the_cursor_before_the_read": (Shape(), "the same, and the server is killed", {"digest skips"}),
    "ignores_its_deafness": (Shape(servers=2), "the session that listens", {"read goes back", "stale read"}),
}
"""For each bug: a world in which it shows, the fault that brings it out, and the rules of which one must be broken."""


def test_every_bug_is_looked_for() -> None:
    assert LOOKS_FOR.keys() == BUGS.keys()


@pytest.mark.parametrize("bug", BUGS)
async def test_a_run_catches_a_server_that(bug: str, directory: Path) -> None:
    shape, fault, rules = LOOKS_FOR[bug]
    shape = shape.with_command(sys.executable, "-m", "tests.faults.planted", bug)
    found = set[str]()
    for seed in range(SEEDS_MAX):
        faults = named(fault) * (1 if shape.standby != "none" else STRIKES)
        result = await run(Plan(seed, shape, faults), directory / str(seed))
        found |= {rule for rule, _ in result.violations}
        if found & rules:
            return
    pytest.fail(f"not caught; found {found or 'nothing'}")
