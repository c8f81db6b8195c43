"""From an invite, or a lead's wish, to a work tree that is ready for a session."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from kit.install import Wishes, install
from tests.kit.scratch import Identity, WorkTree, repository
from tests.web.bus import Bus
from tests.web.command_line import LLM_BUS


async def invite(bus: Bus, **wishes: Any) -> str:
    code: str = (await bus.call(await bus.mint("lead"), "create_invite", **wishes))["code"]
    return code


async def test_an_invite_becomes_an_identity_of_this_work_tree(bus: Bus, alice: WorkTree) -> None:
    tree = await repository(alice.path.parent / "shop", Identity(bus.url, None))
    before = tree.tree()
    code = await invite(bus)
    ran = await tree.hook("install", "--server", bus.url, "--join", code, "--as", "carol")
    assert (ran.code, ran.err) == (0, "")
    assert "you are ada/carol in project demo" in ran.out
    token = json.loads((tree.path / ".claude/settings.local.json").read_text())["env"]["LLM_BUS_TOKEN"]
    assert token not in ran.out
    for place in (".claude/settings.local.json", ".git/llm-bus/token"):
        assert token in (tree.path / place).read_text()
        assert stat.S_IMODE((tree.path / place).stat().st_mode) == 0o600
    await tree.git("add", "--all")
    assert token not in (await tree.git("diff", "--cached")).out
    await tree.git("reset", "--quiet")
    # Without the variable, the hook takes the identity of the work tree.
    await tree.stage("docs/decisions/0001-x.md")
    assert "adr 1 is now claimed for you" in (await tree.git("commit", "--message", "one")).err
    await tree.git("update-ref", "-d", "HEAD")
    await tree.git("rm", "--quiet", "-r", "--cached", ".")
    await tree.hook("install", "--uninstall")
    (tree.path / "docs/decisions/0001-x.md").unlink()
    assert {name for name in tree.tree() if not name.startswith((".git", "docs"))} == {
        name for name in before if not name.startswith(".git")
    }


async def test_an_invite_that_is_not_good_is_a_sentence_and_nothing_is_written(bus: Bus, alice: WorkTree) -> None:
    tree = await repository(alice.path.parent / "shop", Identity(bus.url, None))
    before = tree.tree()
    for server, why in ((bus.url, "this code is not known"), ("http://127.0.0.1:1", "does not answer")):
        ran = await tree.hook("install", "--server", server, "--join", "nonsense", "--as", "carol")
        assert (ran.code, ran.out) == (1, "")
        assert why in ran.err
        assert len(ran.err.splitlines()) == 1
    ran = await tree.hook("install", "--server", bus.url, "--join", "-nonsense")
    assert "this code is not known" in ran.err
    ran = await tree.hook("install", "--server", "http://bus.example.com", "--join", "nonsense")
    assert "in clear" in ran.err
    assert tree.tree() == before


async def test_a_lead_adds_work_trees_for_other_sessions(bus: Bus, alice: WorkTree) -> None:
    """From a clone to three sessions in three work trees, two of which meet at a file."""
    await alice.stage("src/a.py")
    await alice.git("commit", "--quiet", "--no-verify", "--message", "one")
    lead = WorkTree(alice.path.parent / "lead", Identity(alice.who.endpoint, await bus.mint("boss")))
    await alice.git("clone", "--quiet", alice.path, lead.path)
    ran = await lead.hook("install", "--server", bus.url)
    assert ran.code == 0, ran
    names = ("first", "second", "third")
    for name in names:
        ran = await lead.hook("worktree", name)
        assert (ran.code, ran.err) == (0, "")
        assert f"you are ada/{name} in project demo" in ran.out
    sessions = [WorkTree(lead.path.parent / f"lead-{name}", Identity("", None)) for name in names]
    for name, tree in zip(names, sessions, strict=True):
        assert f"you are ada/{name}" in (await tree.tell("SessionStart", session_id=name)).out
    first, second, _ = sessions
    assert (await _edits(first, "first", "src/a.py")) == ""
    assert "src/a.py is leased by ada/first" in await _edits(second, "second", "src/a.py")
    assert "src/a.py is leased by ada/second" in await _edits(first, "first", "src/b.py"), "both hear of it"
    assert (await bus.mint("boss")) not in (first.path / ".claude/settings.local.json").read_text()


async def _edits(tree: WorkTree, session: str, path: str) -> str:
    """What a session is told when it has written a file, by the program."""
    written = {"file_path": str(tree.write(path))}
    return (await tree.tell("PostToolUse", session_id=session, tool_name="Write", tool_input=written)).out


async def test_a_work_tree_is_told_of_as_json_without_its_token(bus: Bus, tmp_path: Path) -> None:
    lead = WorkTree(tmp_path / "lead", Identity(f"{bus.url}/mcp", await bus.mint("boss")))
    await repository(lead.path, lead.who)
    await lead.git("commit", "--quiet", "--allow-empty", "--message", "one")
    await lead.hook("install", "--server", bus.url)
    told = json.loads((await lead.run(LLM_BUS, "worktree", "first", "--json")).out)
    assert (told["actor"], told["project"], told["branch"]) == ("ada/first", "demo", "first")
    assert (told["path"], told["problems"]) == (str(tmp_path / "lead-first"), [])
    assert "llmbus_" not in json.dumps(told)


async def test_a_branch_may_have_a_slash_and_a_repository_needs_a_commit(bus: Bus, tmp_path: Path) -> None:
    lead = await repository(tmp_path / "my shop", Identity(f"{bus.url}/mcp", await bus.mint("boss")))
    lead.configure()
    ran = await lead.hook("worktree", "fix/login")
    assert (ran.code, ran.err) == (1, "worktree: make a commit first: a work tree begins with one\n")
    await lead.git("commit", "--quiet", "--allow-empty", "--message", "one")
    ran = await lead.hook("worktree", "fix/login")
    assert (ran.code, "you are ada/fix-login" in ran.out) == (0, True)
    assert f"next: cd '{tmp_path}/my shop-fix-login' && claude" in ran.out
    assert "fix/login" in (await lead.git("branch")).out


async def test_who_is_no_lead_adds_nothing(alice: WorkTree) -> None:
    await alice.stage("file")
    await alice.git("commit", "--quiet", "--message", "one")
    ran = await alice.hook("worktree", "first")
    assert (ran.code, ran.out) == (1, "")
    assert "ada/alice is not a lead" in ran.err
    assert (await alice.git("worktree", "list")).out.count("\n") == 1


async def test_the_audit_finds_what_no_hook_has_seen(bus: Bus, alice: WorkTree) -> None:
    await alice.stage("docs/decisions/0001-a.md")
    await alice.hook("--staged")
    await alice.git("commit", "--quiet", "--message", "claimed")
    assert (await alice.hook("audit")).code == 0
    await alice.stage("docs/decisions/0001-b.md", "docs/decisions/0007-c.md")
    await alice.git("commit", "--quiet", "--no-verify", "--message", "bypassed")
    ran = await alice.hook("audit", "HEAD~1..HEAD", "--json")
    assert ran.code == 1
    found = {row["path"]: row["fault"] for row in json.loads(ran.out)["findings"]}
    assert found == {"docs/decisions/0001-b.md": "duplicate", "docs/decisions/0007-c.md": "unclaimed"}
    await alice.git("rm", "--quiet", "docs/decisions/0001-a.md", "docs/decisions/0007-c.md")
    await alice.git("commit", "--quiet", "--no-verify", "--message", "taken")
    ran = await alice.hook("audit", "HEAD~2..HEAD")
    assert ran.code == 1
    assert "foreign: adr 1 in docs/decisions/0001-b.md, it was claimed for docs/decisions/0001-a.md" in ran.out
    assert (await alice.hook("audit", "nonsense")).code == 2


@pytest.mark.parametrize(
    ("commits", "told"),
    [
        (f"{'0' * 40}..HEAD", "begins with no commit, as CI says for a new branch: name its base"),
        ("HEAD", "seems to add every file: this clone is shallow"),
        ("main~5..HEAD", "this clone is shallow, fetch the whole history"),
    ],
)
async def test_the_audit_names_what_ci_lacks(bus: Bus, alice: WorkTree, commits: str, told: str) -> None:
    for number in range(4):
        await alice.stage(f"{number}.txt")
        await alice.git("commit", "--quiet", "--message", f"commit {number}")
    await alice.git("clone", "--quiet", "--depth=2", f"file://{alice.path}", "../shallow")
    clone = WorkTree(alice.path.parent / "shallow", alice.who)
    clone.configure()
    ran = await clone.hook("audit", commits)
    assert (ran.code, told in ran.err) == (2, True), ran
    assert (await clone.hook("audit", "HEAD~1..HEAD")).code == 0


async def test_the_audit_finds_a_number_that_another_claimed(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    assert bob.who.token is not None
    for _ in range(2):
        await bus.call(bob.who.token, "claim", sequence="adr")
    install(alice.path, Wishes(server=bus.url))
    await alice.stage("docs/decisions/0001-taken.md")
    await alice.git("commit", "--quiet", "--no-verify", "--message", "around the guard")
    await alice.git("checkout", "--quiet", "--orphan", "bobs")
    await alice.git("rm", "-r", "--quiet", "--cached", ".")
    await alice.stage("docs/decisions/0002-bobs.md")
    await alice.git("commit", "--quiet", "--message", "bob's own", LLM_BUS_TOKEN=bob.who.token)
    await alice.git("checkout", "--quiet", "--force", "main")
    await alice.git("merge", "--quiet", "--squash", "--allow-unrelated-histories", "bobs")
    await alice.git("commit", "--quiet", "--message", "taken over with all of its history")
    ran = await alice.hook("audit")
    assert ran.code == 1
    assert ran.out.splitlines()[0].endswith(
        "foreign: adr 1 in docs/decisions/0001-taken.md, ada/bob claimed it, and ada/alice committed it"
    )
    assert len(ran.out.splitlines()) == 1, "what a branch had already is not taken from anybody"
