"""Many claim at once: the promise of gap-free numbers, without any fault yet."""

import trio

from tests.faults.checker import check, operations, read_ledger
from tests.faults.cluster import Cluster
from tests.faults.processes import Bus
from tests.load import Answered, Client, Team

CLAIMS = 500


async def test_500_claims_at_once_from_500_connections_get_500_numbers_without_a_gap(
    bus: Bus, durable: Cluster, team: Team
) -> None:
    [(label, token), *_] = team.tokens.items()
    crowd = [Client(label, (bus.port,), token, team.record) for _ in range(CLAIMS)]
    connected = 0
    everybody = trio.Event()

    async def claim(client: Client, number: int) -> None:
        nonlocal connected
        async with client:
            await client.connect()
            connected += 1
            if connected == CLAIMS:
                everybody.set()
            await everybody.wait()
            note = f"claim {number}"
            assert isinstance(await client.call("claim", sequence="adr", note=note), Answered)

    async with trio.open_nursery() as nursery:
        for number, client in enumerate(crowd):
            nursery.start_soon(claim, client, number)
    history, ledger = operations(team.record), read_ledger(durable.conninfo())
    assert check(history, ledger).violations == []
    assert [row.type for row in ledger] == ["claim"] * CLAIMS
    assert sorted(value["number"] for _, value in team.record.answered("claim")) == list(range(1, CLAIMS + 1))
