"""Somebody whom the owner renames: what the former name claimed and leased stays theirs."""

import pytest

from tests.kit.scratch import WorkTree
from tests.kit.test_http_hooks import Direct, Program, Way, call, wrote
from tests.web.admin.admin_client import rename
from tests.web.bus import Bus


async def test_a_number_claimed_under_a_former_name_is_ones_own(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    await call(bus, alice, "claim", sequence="adr")
    await call(bus, bob, "claim", sequence="adr")
    assert "former_names" not in await call(bus, alice, "whoami")
    await rename(bus, "alice", "carol")
    assert (await call(bus, alice, "whoami"))["former_names"] == ["ada/alice"]
    assert "Your numbers without a file here (1):\n- adr 1" in (await alice.tell("SessionStart")).out
    await alice.stage("docs/decisions/0001-mine.md")
    ran = await alice.hook("--staged")
    assert (ran.code, ran.err) == (0, "")
    await bob.stage("docs/decisions/0001-mine.md")
    assert (await bob.hook("--staged")).code == 1
    await alice.stage("docs/decisions/0002-bobs.md")
    assert "adr 2 belongs to ada/bob, not to you" in (await alice.hook("--staged")).err


async def test_a_number_of_somebody_who_has_ones_former_name_is_not_ones_own(bus: Bus, alice: WorkTree) -> None:
    await call(bus, alice, "whoami")
    await rename(bus, "alice", "carol")
    await bus.call(await bus.mint("alice", is_admin=False), "claim", sequence="adr")
    await alice.stage("docs/decisions/0001-mine.md")
    assert "adr 1 belongs to ada/alice, not to you" in (await alice.hook("--staged")).err


@pytest.mark.parametrize("way", [Program, Direct])
async def test_a_lease_under_a_former_name_keeps_nobody_out_of_their_own_work(
    bus: Bus, alice: WorkTree, way: Way
) -> None:
    client = way(bus, alice)
    alice.pin("http", "true" if way is Direct else "false")
    await alice.tell("SessionStart")
    await call(bus, alice, "lease", surface="src/**")
    await rename(bus, "alice", "carol")
    assert await client.tell("PostToolUse", **wrote(str(alice.path / "src/a.py"))) == ""
    assert [row["surface"] for row in (await call(bus, alice, "who_holds"))["leases"]] == ["src/**"]
