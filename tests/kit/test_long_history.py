"""However long the ledger is and however old the claim, the hook finds who holds a number."""

from statistics import median
from time import perf_counter

import pytest

from tests.kit.scratch import WorkTree
from tests.postgres import query
from tests.store.history_of_many import generate
from tests.web.bus import Bus

CALLS = 60
SLOWER_MAX = 3.0
"""A million events against a thousand: a scan would be hundreds of times slower, and the machine has moods."""


async def remember(bus: Bus, conninfo: str, project: str, events: int) -> str:
    """A token for a project with a generated past, in which ann's agent 7 was the first to take a number of seq-7."""
    token = await bus.mint("alice", project=project)
    [(project_id,)] = query(conninfo, "select id from projects where slug = %s", (project,))
    assert isinstance(project_id, int)
    query(conninfo, generate(project_id, events))
    query(conninfo, "analyze events")
    return token


async def seconds_a_lookup(bus: Bus, token: str) -> float:
    """The usual time of asking who holds the oldest number."""
    taken = []
    for _ in range(CALLS):
        began = perf_counter()
        answer = await bus.call(token, "query_events", type="claim", sequence="seq-7", number=7, limit=1000)
        taken.append(perf_counter() - began)
        assert [event["actor"] for event in answer["events"]] == ["ann/agent-7"]
    return median(taken)


async def test_a_claim_older_than_any_page_is_found(bus: Bus, conninfo: str, alice: WorkTree) -> None:
    await remember(bus, conninfo, "demo", 20_000)
    alice.configure(sequences={"docs/*.md": "seq-7"})
    await alice.stage("docs/0007-late.md")
    ran = await alice.hook("--staged")
    assert ran.code == 1
    assert "seq-7 7 belongs to ann/agent-7" in ran.err


@pytest.mark.soak
async def test_a_lookup_among_a_million_events_costs_what_it_costs_among_a_thousand(bus: Bus, conninfo: str) -> None:
    few = await remember(bus, conninfo, "young", 1_000)
    many = await remember(bus, conninfo, "old", 1_000_000)
    brief, long = await seconds_a_lookup(bus, few), await seconds_a_lookup(bus, many)
    print(f"a thousand: {brief * 1000:.2f} ms, a million: {long * 1000:.2f} ms")  # noqa: T201 - the measurement
    assert long < brief * SLOWER_MAX
