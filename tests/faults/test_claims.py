"""Many claim at once: the promise of gap-free numbers, without any fault yet."""

import trio

from tests.faults.ledger import Ledger, event_ids, judge
from tests.faults.processes import Bus, Postgres
from tests.load import Answered, Client, Team

CLAIMS = 500


async def test_500_claims_at_once_from_500_connections_get_500_numbers_without_a_gap(
    bus: Bus, durable: Postgres, team: Team
) -> None:
    crowd = team.clients(CLAIMS, bus.port)
    connected = 0
    everybody = trio.Event()

    async def claim(client: Client) -> None:
        nonlocal connected
        async with client:
            await client.connect()
            connected += 1
            if connected == CLAIMS:
                everybody.set()
            await everybody.wait()
            assert isinstance(await client.call("claim", sequence="adr", note=client.name), Answered)

    async with trio.open_nursery() as nursery:
        for client in crowd:
            nursery.start_soon(claim, client)
    ledger = Ledger.read(durable.conninfo)
    judge(ledger, team.record)
    assert len(ledger.events) == CLAIMS
    assert sorted(value["number"] for _, value in team.record.answered("claim")) == list(range(1, CLAIMS + 1))
    async with team.client("reader", bus.port) as client:
        assert await event_ids(client) == list(range(CLAIMS, 0, -1))
