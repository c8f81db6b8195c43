"""How the hook speaks: one request a call to today's bus, a handshake first to one of the older era."""

from typing import Any

import pytest

from tests.kit.bad_servers import Relay, bad_server
from tests.kit.old_servers import old_server
from tests.kit.scratch import WorkTree
from tests.web.bus import Bus

ADR_7 = "docs/decisions/0007-choice.md"


def claim(number: int, actor: str) -> dict[str, Any]:
    return {"id": number, "actor": actor, "type": "claim", "payload": {"sequence": "adr", "number": number}}


OLD_TOOLS = {
    "whoami": {"actor": "ada/alice"},
    "query_events": {"events": [claim(number, "ada/bob") for number in range(9, 0, -1)]},
    "list_sequences": {"sequences": [{"name": "adr", "next": 10}]},
    "who_holds": {"leases": [{"surface": ADR_7, "actor": "ada/bob", "expires_in_seconds": 90}]},
}


@pytest.mark.parametrize("streams", [False, True])
async def test_a_server_of_the_older_era_is_asked_after_a_handshake(alice: WorkTree, *, streams: bool) -> None:
    heard: list[str] = []
    async with bad_server(old_server(OLD_TOOLS, heard, streams=streams)) as endpoint:
        alice.configure(endpoint=endpoint)
        await alice.stage(ADR_7)
        ran = await alice.hook("--staged")
    assert alice.log() == ""
    assert ran.code == 1
    assert "adr 7 belongs to ada/bob" in ran.err
    assert "the next free number is 10" in ran.err
    assert f"{ADR_7} is leased by ada/bob, 90 s left" in ran.err
    hello = ["whoami", "initialize", "notifications/initialized"]
    assert heard == [*hello, "whoami", "query_events", "list_sequences", "who_holds"]


async def test_a_batch_of_files_costs_one_connection_and_no_handshake(bus: Bus, alice: WorkTree) -> None:
    relay = Relay(bus.url)
    async with bad_server(relay) as endpoint:
        alice.configure(endpoint=endpoint)
        await alice.stage(*(f"docs/decisions/{number:04}-x.md" for number in range(1, 31)))
        ran = await alice.hook("--staged")
    assert (ran.code, alice.log()) == (0, "")
    assert ran.err.count("is now claimed for you") == 30
    assert relay.connections == 1
    assert relay.requests == ["whoami", "query_events", "list_sequences", *["claim"] * 30, "who_holds"]


async def test_a_number_that_is_lost_between_looking_and_claiming_is_a_collision(alice: WorkTree) -> None:
    tools = {
        "whoami": {"actor": "ada/alice"},
        "query_events": [{"events": []}, {"events": [claim(7, "ada/bob")]}],
        "list_sequences": [{"sequences": [{"name": "adr", "next": number}]} for number in (7, 9)],
        "claim": {"number": 8},
        "who_holds": {"leases": []},
    }
    async with bad_server(old_server(tools, [], streams=False)) as endpoint:
        alice.configure(endpoint=endpoint)
        await alice.stage(ADR_7)
        ran = await alice.hook("--staged")
    assert ran.code == 1
    assert "adr 7 belongs to ada/bob" in ran.err
    assert "the next free number is 8" in ran.err, "it was claimed a moment ago, for this file"
