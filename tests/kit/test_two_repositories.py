"""Two agents, two repositories, worktrees and real commits: the second is told what to do, does it, and passes."""

from pathlib import Path

from kit.install import Wishes, install
from tests.kit.scratch import WorkTree
from tests.web.bus import Bus

ADR_1, ADR_2 = "docs/decisions/0001-queue.md", "docs/decisions/0002-cache.md"


async def worktree_with_kit(tree: WorkTree) -> WorkTree:
    """The kit installed and committed, and a worktree in which the work is done."""
    install(tree.path, Wishes(server=tree.who.endpoint.removesuffix("/mcp")))
    await tree.git("add", "--all")
    await tree.git("commit", "--quiet", "--message", "LLM Bus")
    await tree.git("worktree", "add", "--quiet", "-b", "work", f"../{tree.path.name}-work")
    return WorkTree(tree.path.with_name(f"{tree.path.name}-work"), tree.who)


async def test_the_second_is_told_the_number_and_the_move_and_then_passes(
    bus: Bus, alice: WorkTree, bob: WorkTree
) -> None:
    alices, bobs = await worktree_with_kit(alice), await worktree_with_kit(bob)
    await alices.stage(ADR_1)
    committed = await alices.git("commit", "--message", "Queue")
    assert f"adr 1 is now claimed for you: {ADR_1}" in committed.err

    await bobs.stage("docs/decisions/0001-cache.md", "src/cache.py")
    refused = await bobs.git("commit", "--message", "Cache", code=1)
    assert "adr 1 belongs to ada/alice, not to you: docs/decisions/0001-cache.md" in refused.err
    assert "the next free number is 2" in refused.err
    [command] = [line.strip() for line in refused.err.splitlines() if "git mv" in line]
    assert command == f"git mv -- docs/decisions/0001-cache.md {ADR_2}"

    assert (await bobs.run("sh", "-ec", command)).code == 0
    committed = await bobs.git("commit", "--message", "Cache")
    assert f"adr 2 is now claimed for you: {ADR_2}" in committed.err
    assert (await bobs.git("ls-tree", "-r", "--name-only", "HEAD", "docs", "src")).out.split() == [
        ADR_2,
        "src/cache.py",
    ]
    assert alice.who.token is not None
    events = (await bus.call(alice.who.token, "query_events", type="claim", sequence="adr"))["events"]
    assert [(event["payload"]["number"], event["actor"]) for event in events] == [(2, "ada/bob"), (1, "ada/alice")]


async def test_a_worktree_made_before_the_kit_was_committed_is_checked_too(
    bus: Bus, alice: WorkTree, bob: WorkTree
) -> None:
    assert bob.who.token is not None
    await bus.call(bob.who.token, "claim", sequence="adr")
    await alice.git("commit", "--quiet", "--allow-empty", "--message", "nothing yet")
    await alice.git("worktree", "add", "--quiet", "../old")
    install(alice.path, Wishes())
    old = WorkTree(alice.path.parent / "old", alice.who)
    await old.stage(ADR_1)
    assert "belongs to ada/bob" in (await old.git("commit", "--message", "one", code=1)).err


async def test_a_python_that_cannot_run_the_hook_blocks_nothing(alice: WorkTree, tmp_path: Path) -> None:
    install(alice.path, Wishes())
    alice.write(".git/llm-bus/kit.pyz", "<<<<<<< conflict\n")
    await alice.stage(ADR_1)
    assert "SyntaxError" in (await alice.git("commit", "--message", "one")).err
