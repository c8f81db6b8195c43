"""Two servers on one database write to the same project, and one of them dies now and then."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from tests.faults.cluster import Cluster
from tests.faults.patience import patient
from tests.faults.processes import Bus, running_bus
from tests.load import Answered, Client, Team

HEARD_SECONDS_MAX = 300
UNHEARD_SECONDS_MAX = 5


@pytest.fixture
async def other_bus(durable: Cluster, directory: Path) -> AsyncIterator[Bus]:
    async with running_bus(durable.conninfo(), directory / "other_bus.log") as other_bus:
        yield other_bus


async def test_a_post_written_through_one_server_is_read_through_the_other(
    bus: Bus, other_bus: Bus, team: Team
) -> None:
    async with (
        team.client("planner", bus.port) as writer,
        team.client("builder", other_bus.port) as reader,
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
        async with team.client("builder", other_bus.port) as reader:
            assert isinstance(await reader.call("read_posts"), Answered)  # its state is in memory, and now gets old
            await post_and_die(team, bus, f"last words {number}")
            await bus.start()
            with trio.fail_after(HEARD_SECONDS_MAX):
                while not await reads(reader, f"last words {number}"):
                    pass


async def test_a_wait_at_the_other_server_ends_with_what_a_killed_one_had_answered(
    bus: Bus, other_bus: Bus, team: Team
) -> None:
    for number in range(3):
        async with team.client("builder", other_bus.port) as reader, trio.open_nursery() as nursery:
            assert isinstance(await reader.call("whats_new"), Answered)
            nursery.start_soon(post_and_die, team, bus, f"last words {number}")
            with trio.fail_after(patient(UNHEARD_SECONDS_MAX)):
                while not await reads(reader, f"last words {number}"):
                    assert isinstance(await reader.call("whats_new", wait_seconds=50), Answered)
        await bus.start()


async def post_and_die(team: Team, bus: Bus, body: str) -> None:
    """Have two posts answered right after each other, and the server killed before it told of the second."""
    async with team.client("planner", bus.port) as writer:
        assert isinstance(await writer.call("post", to_actor="builder", body="first"), Answered)
        assert isinstance(await writer.call("post", to_actor="builder", body=body), Answered)
        await bus.kill()


async def reads(client: Client, body: str) -> bool:
    """Whether this post is the newest that the client is shown."""
    outcome = await client.insist("read_posts", limit=1)
    assert isinstance(outcome, Answered)
    return [post["body"] for post in outcome.value["posts"]] == [body]
