"""While the database refuses, every call is answered within one deadline, however many waits it is made of."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import trio

from store import Store
from tests.bounds import HANG_SECONDS
from tests.postgres import Server
from tests.web.bus import Bus, running_bus
from web.mcp.sending import TOO_LATE

ANSWER_SECONDS_MAX = 1.0  # much less than a batch is retried
CALLS: tuple[tuple[str, dict[str, object]], ...] = (
    ("claim", {"sequence": "adr"}),
    ("whats_new", {}),
    ("list_participants", {}),
    ("read_posts", {"limit": 1}),
)


@pytest.fixture(params=[True, False], ids=["fast", "by Hypercorn"])
async def bus(store: Store, conninfo: str, request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    async with running_bus(store, conninfo, answer_seconds_max=ANSWER_SECONDS_MAX, has_fast_way=request.param) as bus:
        yield bus


@contextmanager
def refusing(postgres: Server, conninfo: str) -> Iterator[None]:
    """Refuse this database's sessions as long as the block lasts."""
    name = psycopg.conninfo.conninfo_to_dict(conninfo)["dbname"]
    postgres.run(f"alter database {name} allow_connections false")
    try:
        postgres.run(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
        yield
    finally:
        postgres.run(f"alter database {name} allow_connections true")


async def answered(bus: Bus, token: str, tool: str, **arguments: Any) -> dict[str, Any]:
    """What a call is answered that has time enough: on a busy machine it is made again when it had not."""
    with trio.fail_after(HANG_SECONDS):
        while "isError" in (result := await bus.result(token, tool, **arguments)):
            await trio.lowlevel.checkpoint()
    answer: dict[str, Any] = result["structuredContent"]
    return answer


async def is_served(bus: Bus, token: str) -> None:
    """Return once the server answers, and remembers the token."""
    await answered(bus, token, "claim", sequence="adr")
    await answered(bus, token, "whoami")


async def test_every_call_is_refused_when_its_time_is_over(
    bus: Bus, token: str, postgres: Server, conninfo: str
) -> None:
    await is_served(bus, token)
    told: list[str] = []

    async def call(tool: str, arguments: dict[str, object]) -> None:
        told.append(await bus.refusal(token, tool, **arguments))

    with refusing(postgres, conninfo):
        async with trio.open_nursery() as nursery:
            for tool, arguments in CALLS:
                nursery.start_soon(call, tool, arguments)
    assert told == [str(TOO_LATE)] * len(CALLS)


async def test_a_hook_is_refused_when_its_time_is_over(bus: Bus, token: str, postgres: Server, conninfo: str) -> None:
    await is_served(bus, token)
    report = {"commit": "0" * 40}
    with refusing(postgres, conninfo):
        answer = await bus.http.post("/hook/git", json=report, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["message"]) == (503, TOO_LATE.message)


async def test_what_a_call_asks_to_wait_is_not_counted(bus: Bus, token: str) -> None:
    await is_served(bus, token)
    assert (await answered(bus, token, "read_posts", to_me=True, wait_seconds=2))["posts"] == []
