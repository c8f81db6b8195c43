"""Two servers on one database write to the same project, and one of them dies now and then."""

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.faults.ledger import Ledger, event_ids, judge, judge_answers_of, judge_insistence
from tests.faults.processes import Bus, Postgres, running_bus
from tests.faults.workload import load
from tests.load import Answered, Client, Team

CLIENTS = 24
ANSWERS_BETWEEN_KILLS_MAX = 400
HEARD_SECONDS_MAX = 60
UNHEARD_SECONDS_MAX = 5


@pytest.fixture
async def other_bus(durable: Postgres, tmp_path: Path) -> AsyncIterator[Bus]:
    async with running_bus(durable.conninfo, tmp_path / "other_bus.log") as other_bus:
        yield other_bus


@pytest.mark.parametrize("kills", [2, pytest.param(40, marks=pytest.mark.soak)])
async def test_two_servers_number_one_ledger_without_a_gap_while_one_is_killed(
    bus: Bus,
    other_bus: Bus,
    team: Team,
    rng: random.Random,
    kills: int,
) -> None:
    crowd = team.clients(CLIENTS, bus.port, other_bus.port)
    async with load(crowd, rng):
        for _ in range(kills):
            await team.record.progress(rng.randint(CLIENTS, ANSWERS_BETWEEN_KILLS_MAX))
            await bus.kill()
            await bus.start()
        await team.record.progress(CLIENTS)
    assert team.record.unexpected(refusals=("conflict", "not_found"), lost=True) == []
    ledger = Ledger.read(bus.database_url)
    judge(ledger, team.record)
    judge_insistence(ledger, team.record)
    for port in (bus.port, other_bus.port):
        async with team.client("judge", port) as client:
            await sees_everything(client, ledger)
            await judge_answers_of(client, ledger)


async def test_a_post_written_through_one_server_is_read_through_the_other(
    bus: Bus, other_bus: Bus, team: Team
) -> None:
    async with (
        team.client("planner", bus.port) as writer,
        team.client("builder", other_bus.port, member=1) as reader,
    ):
        for number in range(20):
            body = f"post {number}"
            assert isinstance(await reader.call("read_posts"), Answered)  # its state is in memory, and now gets old
            posted = await writer.call("post", to_actor="builder", body=body)
            assert isinstance(posted, Answered)
            with trio.fail_after(HEARD_SECONDS_MAX):
                while not await reads(reader, body):
                    pass


async def test_what_a_killed_server_had_answered_is_read_through_the_other_once_it_is_started_again(
    bus: Bus, other_bus: Bus, team: Team
) -> None:
    for number in range(2):
        async with team.client("builder", other_bus.port, member=1) as reader:
            await post_and_die(team, bus, reader, f"last words {number}")
            await bus.start()
            with trio.fail_after(HEARD_SECONDS_MAX):
                while not await reads(reader, f"last words {number}"):
                    pass


async def test_what_a_killed_server_had_answered_is_read_through_the_other_before_long(
    bus: Bus, other_bus: Bus, team: Team
) -> None:
    for number in range(5):
        async with team.client("builder", other_bus.port, member=1) as reader:
            await post_and_die(team, bus, reader, f"last words {number}")
            with trio.fail_after(UNHEARD_SECONDS_MAX):
                while not await reads(reader, f"last words {number}"):
                    pass
            await bus.start()


async def post_and_die(team: Team, bus: Bus, reader: Client, body: str) -> None:
    """Have two posts answered right after each other, and the server killed before it told of the second."""
    async with team.client("planner", bus.port) as writer:
        assert isinstance(await reader.call("read_posts"), Answered)
        assert isinstance(await writer.call("post", to_actor="builder", body="first"), Answered)
        assert isinstance(await writer.call("post", to_actor="builder", body=body), Answered)
        await bus.kill()


async def reads(client: Client, body: str) -> bool:
    """Whether this post is the newest that the client is shown."""
    outcome = await client.insist("read_posts", limit=1)
    assert isinstance(outcome, Answered)
    return [post["body"] for post in outcome.value["posts"]] == [body]


async def sees_everything(client: Client, ledger: Ledger) -> None:
    """Wait until the server has heard of the ledger's last event."""
    with trio.fail_after(HEARD_SECONDS_MAX):
        while (await event_ids(client))[:1] != [ledger.events[-1].seq]:
            pass
