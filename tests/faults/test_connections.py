"""Clients that are slow, silent or very many: they get what they deserve, and nobody else notices."""

import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import trio

from tests.faults.checker import read_ledger
from tests.faults.cluster import Cluster
from tests.faults.processes import Bus
from tests.load import Answered, Client, Team, receive_response, request

IDLE = 2000
OPEN_FILES = IDLE + 500
CALLS = 100
PIECE_BYTES = 16
"""A slow client's request comes in few pieces, so that the calls between them fit into its 20 seconds."""


@pytest.fixture
def many_files() -> None:
    """Let this process open as many connections as the tests need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        if hard < OPEN_FILES:
            pytest.skip(f"only {hard} open files are allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """Closes what a test opened."""
    async with AsyncExitStack() as stack:
        yield stack


async def connect(stack: AsyncExitStack, port: int) -> trio.SocketStream:
    return await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))


async def claim_often(client: Client) -> None:
    for _ in range(CALLS):
        assert isinstance(await client.call("claim", sequence="adr"), Answered)


@pytest.mark.usefixtures("many_files")
async def test_thousands_of_idle_connections_hold_nobody_up(bus: Bus, team: Team, stack: AsyncExitStack) -> None:
    for _ in range(IDLE):
        await connect(stack, bus.port)
    async with team.client("planner", bus.port) as busy:
        await claim_often(busy)


async def test_clients_that_trickle_or_fall_silent_hold_nobody_up_and_are_answered_when_they_come_to_an_end(
    bus: Bus, durable: Cluster, team: Team, stack: AsyncExitStack, nursery: trio.Nursery
) -> None:
    call = request(team.tokens["planner"], "claim", {"sequence": "slow", "note": "at last"})
    head, body = call[:60], call[-40:]
    silent = await connect(stack, bus.port)
    begins = await connect(stack, bus.port)
    await begins.send_all(head)
    lacks_its_end = await connect(stack, bus.port)
    await lacks_its_end.send_all(call[: -len(body)])
    trickles = await connect(stack, bus.port)

    pieces = [call[start : start + PIECE_BYTES] for start in range(0, len(call), PIECE_BYTES)]

    async def trickle() -> None:
        for piece in pieces:
            await trickles.send_all(piece)
            await team.record.progress(1)

    async with trio.open_nursery() as busy_ones, team.client("planner", bus.port) as busy:
        busy_ones.start_soon(trickle)
        while len(team.record.attempts) < 2 * len(pieces):
            assert isinstance(await busy.call("claim", sequence="adr"), Answered)
    assert (await receive_response(trickles))[0] == 200
    await lacks_its_end.send_all(body)
    assert (await receive_response(lacks_its_end))[0] == 200
    await begins.send_all(call[len(head) :])
    assert (await receive_response(begins))[0] == 200
    await silent.send_all(call)
    assert (await receive_response(silent))[0] == 200
    claims = [row.data for row in read_ledger(durable.conninfo())]
    assert [claim["number"] for claim in claims if claim["sequence"] == "slow"] == [1, 2, 3, 4]


async def test_clients_that_never_read_their_answers_hold_nobody_up(
    bus: Bus, team: Team, stack: AsyncExitStack, nursery: trio.Nursery
) -> None:
    async with team.client("planner", bus.port) as busy:
        await claim_often(busy)
        page = request(team.tokens["builder"], "query_events", {"limit": 1000})

        async def ask_and_never_read() -> None:
            stream = await connect(stack, bus.port)
            while True:
                await stream.send_all(page)

        for _ in range(5):
            nursery.start_soon(ask_and_never_read)
        await claim_often(busy)
    nursery.cancel_scope.cancel()
