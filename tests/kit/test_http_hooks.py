"""A client that asks the bus by itself is told what the program would have told it, and no more."""

import json
import re
from typing import Any

import pytest

from engine.leases import LEASES_SHOWN_MAX
from kit.client_files import numbers_command
from kit.install import Wishes, install
from kit.ledger import ANSWER_ROWS
from kit.telling import LEASE_NOTE
from tests.kit.scratch import WorkTree
from tests.web.bus import Bus


class Direct:
    """Claude Code with an HTTP hook, in one session: the program at its begin and end, the bus after a tool."""

    def __init__(self, bus: Bus, tree: WorkTree) -> None:
        self._bus, self._tree = bus, tree

    async def tell(self, event: str, **given: Any) -> str:
        sent = {"hook_event_name": event, "cwd": str(self._tree.path), "session_id": "1", **given}
        headers = {"Authorization": f"Bearer {self._tree.who.token}"}
        response = await self._bus.http.post("/hook/claude-code", json=sent, headers=headers)
        assert response.status_code == 200, response.text
        return response.text if response.json() else ""


class Program:
    """The same with the program alone."""

    def __init__(self, _: Bus, tree: WorkTree) -> None:
        self._tree = tree

    async def tell(self, event: str, **given: Any) -> str:
        ran = await self._tree.tell(event, **given)
        assert ran.code == 0, ran
        return ran.out.strip()


Way = type[Direct] | type[Program]


async def call(bus: Bus, tree: WorkTree, tool: str, **arguments: Any) -> dict[str, Any]:
    assert tree.who.token is not None
    return await bus.call(tree.who.token, tool, **arguments)


def wrote(path: str) -> dict[str, Any]:
    return {"tool_name": "Write", "tool_input": {"file_path": path, "content": "text"}}


async def story(bus: Bus, alice: WorkTree, bob: WorkTree, way: Way) -> list[str]:
    """All that one session is told, of posts, of leases and at its end, without what only the packet says."""
    client = way(bus, alice)
    alice.pin("http", "true" if way is Direct else "false")
    await call(bus, bob, "post", to_actor="alice", subject="Before", body="…")
    await alice.tell("SessionStart")
    await call(bus, bob, "lease", surface="src/**", note="moving")
    await call(bus, bob, "post", to_actor="alice", subject="During", body="…", ref="PR-7")
    await call(bus, bob, "post", to_lane="api", body="to nobody here")
    told = [
        await client.tell("PostToolUse", **wrote(str(alice.path / "src/a.py"))),
        await client.tell("PostToolUse", **wrote(str(alice.path / "docs/b [1].md"))),
        await client.tell("PostToolUse", **wrote("relative.py")),
        await client.tell("PostToolUse", **wrote("/elsewhere/c.py")),
        await client.tell("PostToolUse", tool_name="Bash", tool_input={"command": "true"}),
        await client.tell("PostToolUse", tool_name="Bash", tool_input={"command": "sed -i s/a/b/ src/a.py > e.txt"}),
    ]
    await call(bus, bob, "lease", surface="docs")
    told.append(await client.tell("PostToolUse", **wrote(str(alice.path / "d.py"))))
    told.append(await client.tell("Stop", stop_hook_active=False))
    told.append(await client.tell("Stop", stop_hook_active=True))
    told.append(await client.tell("Notification"))
    held = (await call(bus, alice, "who_holds"))["leases"]
    told += sorted(row["surface"] for row in held if row["note"] == LEASE_NOTE)
    await alice.tell("SessionEnd")
    left = (await call(bus, alice, "who_holds"))["leases"]
    return [*told, *(row["surface"] for row in left if row["actor"] == "ada/alice")]


async def test_both_ways_tell_and_do_the_same(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    by_program = await story(bus, alice, bob, Program)
    for post in (await call(bus, alice, "read_posts", to_me=True))["posts"]:
        await call(bus, alice, "ack", post_id=post["post_id"])
    for surface in ("src/**", "docs"):
        await call(bus, bob, "release", surface=surface)
    directly = await story(bus, alice, bob, Direct)
    assert [_bare(text) for text in directly] == [_bare(text) for text in by_program]
    first, *_ = directly
    assert "src/a.py is leased by ada/bob as src/**" in first
    assert "1 new handoff" in first
    assert directly[-5:] == ["d.py", "docs/b [1].md", "e.txt", "relative.py", "src/a.py"]


def _bare(text: str) -> str:
    """Without ids of posts and lengths of time, which differ from one story to the next."""
    return re.sub(r"#\d+|\d+ (s|min)\b", "", text)


@pytest.mark.parametrize("way", [Program, Direct])
async def test_an_old_lease_is_told_also_where_there_are_very_many(
    bus: Bus, alice: WorkTree, bob: WorkTree, way: Way
) -> None:
    assert ANSWER_ROWS == LEASES_SHOWN_MAX
    alice.pin("http", "true" if way is Direct else "false")
    await alice.tell("SessionStart")
    await call(bus, bob, "lease", surface="src/old")
    for number in range(LEASES_SHOWN_MAX):
        await call(bus, bob, "lease", surface=f"docs/{number}")
    told = await way(bus, alice).tell("PostToolUse", **wrote(str(alice.path / "src/old/a.py")))
    assert "src/old/a.py is leased by ada/bob" in told


async def test_a_session_that_no_program_has_introduced_hears_of_posts_at_the_end(
    bus: Bus, alice: WorkTree, bob: WorkTree
) -> None:
    client = Direct(bus, alice)
    await call(bus, bob, "post", to_actor="alice", subject="Of unknown age", body="…")
    assert await client.tell("PostToolUse", **wrote(str(alice.path / "a.py"))) == ""
    assert (await call(bus, alice, "who_holds"))["leases"] == []
    assert "1 unread handoff" in await client.tell("Stop")


@pytest.mark.parametrize(("choice", "held"), [({"leases": "off"}, 0), ({"autoLease": False}, 0), ({}, 1)])
async def test_the_config_says_what_is_leased(
    bus: Bus, alice: WorkTree, bob: WorkTree, choice: dict[str, Any], held: int
) -> None:
    alice.configure(**choice)
    alice.pin("http", "true")
    await alice.tell("SessionStart")
    await call(bus, bob, "lease", surface="src")
    told = await Direct(bus, alice).tell("PostToolUse", **wrote(str(alice.path / "src/a.py")))
    assert ("is leased by ada/bob" in told) is (choice.get("leases") != "off")
    rows = (await call(bus, alice, "who_holds"))["leases"]
    assert len([row for row in rows if row["actor"] == "ada/alice"]) == held


async def test_a_turn_that_ends_tells_a_restarted_server_of_the_session(bus: Bus, alice: WorkTree) -> None:
    alice.pin("http", "true")
    await alice.tell("Stop")
    await Direct(bus, alice).tell("PostToolUse", **wrote(str(alice.path / "a.py")))
    assert [row["surface"] for row in (await call(bus, alice, "who_holds"))["leases"]] == ["a.py"]


async def test_a_file_in_another_work_tree_is_leased_by_its_own_root(bus: Bus, alice: WorkTree) -> None:
    alice.pin("http", "true")
    await alice.stage("file")
    await alice.git("commit", "--quiet", "--no-verify", "--message", "one")
    await alice.git("worktree", "add", "--quiet", "inside")
    await alice.tell("SessionStart")
    client = Direct(bus, alice)
    await client.tell("PostToolUse", **wrote(str(alice.path / "inside/src/a.py")))
    assert [row["surface"] for row in (await call(bus, alice, "who_holds"))["leases"]] == ["src/a.py"]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
async def test_numbers_are_still_looked_at_by_the_program(
    bus: Bus, alice: WorkTree, bob: WorkTree, separators: tuple[str, str]
) -> None:
    install(alice.path, Wishes(server=bus.url))
    await call(bus, bob, "claim", sequence="adr")
    await call(bus, bob, "post", to_actor="alice", subject="Not here", body="…")
    given = {"hook_event_name": "PostToolUse", "cwd": str(alice.path), "session_id": "1"}
    for path, code in (("docs/decisions/0001-mine.md", 2), ("docs/decisions/plain.md", 0), ("src/plain.py", 0)):
        sent = json.dumps({**given, **wrote(str(alice.write(path)))}, separators=separators)
        ran = await alice.run("sh", "-c", numbers_command("claude-code"), stdin=sent.encode())
        assert ran.code == code, ran
        assert ("adr 1 belongs to ada/bob" in ran.err) is (code == 2)
        assert (ran.out, "Not here" in ran.err) == ("", False)


async def test_python_is_not_started_for_a_file_without_a_digit(alice: WorkTree) -> None:
    install(alice.path, Wishes())
    (alice.path / ".git/llm-bus/kit.pyz").write_text("import sys; sys.exit(9)")
    for path, code in (("src/plain.py", 0), ("db/0001_users/up.sql", 9), ("docs/0002-x.md", 9)):
        sent = json.dumps(wrote(f"/a/place/of/2026/{path}"), separators=(",", ":"))
        ran = await alice.run("sh", "-c", numbers_command("claude-code"), stdin=sent.encode())
        assert ran.code == code, path
    assert (await alice.run("sh", "-c", numbers_command("claude-code"), stdin=b"{}")).code == 9


async def test_where_a_token_is_sent_is_in_no_file_of_a_branch(alice: WorkTree) -> None:
    install(alice.path, Wishes(server="https://bus.example.com"))
    shared = (alice.path / ".claude/settings.json").read_text()
    private = json.loads((alice.path / ".claude/settings.local.json").read_text())
    assert "PostToolUse" not in shared
    assert "http" not in {
        hook["type"] for entries in json.loads(shared)["hooks"].values() for e in entries for hook in e["hooks"]
    }
    asks, looks = private["hooks"]["PostToolUse"]
    assert asks["hooks"][0]["url"] == "https://bus.example.com/hook/claude-code"
    assert asks["hooks"][0]["allowedEnvVars"] == ["LLM_BUS_TOKEN"]
    assert looks["matcher"] == "Write"


@pytest.mark.parametrize("choice", ["leases block", "asked for"])
async def test_the_program_does_it_all_where_a_server_cannot(alice: WorkTree, choice: str) -> None:
    if choice == "leases block":
        alice.configure(leases="block")
    install(alice.path, Wishes(server="https://bus.example.com", http_hooks=False if choice == "asked for" else None))
    private = json.loads((alice.path / ".claude/settings.local.json").read_text())
    (entry,) = private["hooks"]["PostToolUse"]
    assert entry["hooks"][0]["command"].endswith("--client claude-code")
    if choice == "asked for":
        install(alice.path, Wishes())
        assert json.loads((alice.path / ".claude/settings.local.json").read_text()) == private
        install(alice.path, Wishes(http_hooks=True))
        assert '"type": "http"' in (alice.path / ".claude/settings.local.json").read_text()
