"""Each commit reports once what it kept of the rules, also one that went around the guard or met no bus."""

from typing import Any

import pytest

from kit.install import Wishes, install
from tests.kit.scratch import Identity, WorkTree
from tests.web.bus import Bus

NOWHERE = "http://127.0.0.1:9/mcp"


@pytest.fixture
async def guarded(alice: WorkTree) -> WorkTree:
    """Alice's repository with the kit in it and a first commit, which is reported too."""
    install(alice.path, Wishes(server=alice.who.endpoint.removesuffix("/mcp")))
    await alice.git("add", "--all")
    await alice.git("commit", "--quiet", "--message", "the kit")
    return alice


async def reports(bus: Bus, tree: WorkTree) -> list[dict[str, Any]]:
    """What the ledger has of commits, newest first, without what is 0 or not so."""
    assert tree.who.token is not None
    events = (await bus.call(tree.who.token, "query_events", type="commit_check"))["events"]
    return [_short(event["payload"]) for event in events]


def _short(payload: dict[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in payload.items() if value}
    for name in ("numbers", "paths"):
        told[name] = {kind: count for kind, count in payload[name].items() if count}
    return told


async def head(tree: WorkTree) -> str:
    return (await tree.git("rev-parse", "--short", "HEAD")).out.strip()


async def test_a_commit_tells_who_claimed_and_what_was_leased(bus: Bus, guarded: WorkTree, bob: WorkTree) -> None:
    assert guarded.who.token is not None
    assert bob.who.token is not None
    await bus.call(guarded.who.token, "claim", sequence="adr")
    await bus.call(guarded.who.token, "lease", surface="mine/**")
    await bus.call(bob.who.token, "lease", surface="theirs/**")
    await bus.call(bob.who.token, "claim", sequence="migration")
    await guarded.told_of(guarded.write("edited.py"))
    await guarded.stage(
        *("docs/decisions/0001-mine.md", "docs/decisions/0002-next.md", "db/migrations/0007-far.sql"),
        *("mine/a.py", "theirs/b.py", "free.py", "edited.py"),
    )
    await guarded.git("commit", "--quiet", "--message", "work")
    newest, _ = await reports(bus, guarded)
    assert newest == {
        "commit": await head(guarded),
        "numbers": {"claimed": 1, "by_hook": 1, "unclaimed": 1},
        "paths": {"own": 1, "by_hook": 1, "other": 1, "none": 4},
    }


async def test_what_the_hook_claims_and_leases_is_marked_as_its(bus: Bus, guarded: WorkTree) -> None:
    assert guarded.who.token is not None
    await guarded.told_of(guarded.write("docs/decisions/0001-next.md"))
    for kind in ("claim", "lease"):
        (event,) = (await bus.call(guarded.who.token, "query_events", type=kind))["events"]
        assert event["payload"]["by"] == "hook"


async def test_an_amended_commit_is_another_one(bus: Bus, guarded: WorkTree) -> None:
    await guarded.git("commit", "--quiet", "--amend", "--message", "better words")
    newest, first = await reports(bus, guarded)
    assert newest["commit"] == await head(guarded) != first["commit"]
    assert "bypassed" not in newest


async def test_a_commit_around_the_guard_is_told_with_what_it_holds(bus: Bus, guarded: WorkTree, bob: WorkTree) -> None:
    assert bob.who.token is not None
    await bus.call(bob.who.token, "claim", sequence="adr")
    await guarded.stage("docs/decisions/0001-taken.md")
    await guarded.git("commit", "--quiet", "--message", "refused", code=1)
    await guarded.git("commit", "--quiet", "--no-verify", "--message", "anyway")
    newest, _ = await reports(bus, guarded)
    assert newest == {
        "commit": await head(guarded),
        "bypassed": True,
        "numbers": {"unclaimed": 1},
        "paths": {"none": 1},
    }
    await guarded.stage("docs/decisions/0002-free.md")
    await guarded.git("commit", "--quiet", "--no-verify", "--message", "without looking")
    newest = (await reports(bus, guarded))[0]
    assert newest["bypassed"] is True
    assert (newest["numbers"], newest["paths"]) == ({"unclaimed": 1}, {"none": 1})


async def test_an_override_counts_as_a_way_around(bus: Bus, guarded: WorkTree) -> None:
    await guarded.stage("file")
    await guarded.git("commit", "--quiet", "--message", "one", LLM_BUS_OVERRIDE="1")
    assert (await reports(bus, guarded))[0]["bypassed"] is True


async def test_a_commit_that_met_no_bus_is_reported_when_it_is_back(bus: Bus, guarded: WorkTree) -> None:
    guarded.pin("endpoint", NOWHERE)
    await guarded.stage("file")
    await guarded.git("commit", "--quiet", "--message", "alone")
    alone = await head(guarded)
    assert alone in (guarded.path / ".git/llm-bus/pending.log").read_text()
    assert len(await reports(bus, guarded)) == 1
    guarded.pin("endpoint", guarded.who.endpoint)
    await guarded.stage("another")
    await guarded.git("commit", "--quiet", "--message", "together")
    by_commit = {report["commit"]: report for report in await reports(bus, guarded)}
    assert "unchecked" not in by_commit[await head(guarded)]
    assert by_commit[alone]["unchecked"].startswith("the bus does not answer")
    assert (guarded.path / ".git/llm-bus/pending.log").read_text() == ""


async def test_what_is_picked_or_rebased_is_no_commit_of_ones_own(bus: Bus, guarded: WorkTree) -> None:
    await guarded.git("switch", "--quiet", "--create", "side")
    await guarded.stage("file")
    await guarded.git("commit", "--quiet", "--message", "aside")
    await guarded.git("switch", "--quiet", "main")
    await guarded.stage("other")
    await guarded.git("commit", "--quiet", "--message", "ahead")
    known = len(await reports(bus, guarded))
    await guarded.git("cherry-pick", "side")
    await guarded.git("switch", "--quiet", "side")
    await guarded.git("rebase", "--quiet", "main")
    assert len(await reports(bus, guarded)) == known == 3


async def test_a_token_of_another_project_reports_nothing_there(bus: Bus, guarded: WorkTree) -> None:
    stranger = await bus.mint("eve", project="other")
    guarded.pin("project", "demo")
    guarded.who = Identity(guarded.who.endpoint, stranger)
    await guarded.stage("file")
    await guarded.git("commit", "--quiet", "--message", "lost")
    assert await bus.ledger_length(stranger) == 0


async def test_a_report_that_a_branch_brings_is_not_sent(bus: Bus, guarded: WorkTree) -> None:
    guarded.write(".llm-bus/pending.log", '2026-01-01T00:00:00Z commit {"commit": "abcdef1"}\n')
    await guarded.stage("file")
    await guarded.git("commit", "--quiet", "--message", "one")
    assert "abcdef1" not in {report["commit"] for report in await reports(bus, guarded)}
