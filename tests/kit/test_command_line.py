"""The commands of `kit.pyz`: each has an example, says what it did as JSON too, and a code for each outcome."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.kit.scratch import Identity, WorkTree, repository
from tests.web.bus import Bus

NOBODY = Identity("http://127.0.0.1:1/mcp", None)


@pytest.mark.parametrize("command", ["", "install", "uninstall", "worktree", "audit"])
async def test_help_has_an_example(tmp_path: Path, command: str) -> None:
    ran = await WorkTree(tmp_path, NOBODY).hook(*command.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert re.search(rf"^  .*(kit\.pyz|\$kit\"?) {command}", ran.out, re.MULTILINE)
    assert max(map(len, ran.out.splitlines())) <= 100


async def test_each_command_says_what_it_did_as_json(bus: Bus, tmp_path: Path) -> None:
    lead = await repository(tmp_path / "lead", Identity(f"{bus.url}/mcp", await bus.mint("boss")))
    await lead.git("commit", "--quiet", "--allow-empty", "--message", "one")

    async def said(*arguments: str, code: int = 0) -> dict[str, Any]:
        ran = await lead.hook(*arguments, "--json")
        assert (ran.code, ran.err) == (code, ""), ran
        found: dict[str, Any] = json.loads(ran.out)
        return found

    assert "created AGENTS.md" in (await said("install", "--server", bus.url))["changes"]
    assert await said("install") == {"changes": [], "problems": []}
    made = await said("worktree", "first")
    assert (made["actor"], made["branch"], made["problems"]) == ("ada/first", "first", [])
    assert "llmbus_" not in json.dumps(made)
    await lead.stage("docs/decisions/0007-x.md")
    await lead.git("commit", "--quiet", "--no-verify", "--message", "two")
    [finding] = (await said("audit", code=1))["findings"]
    assert (finding["fault"], finding["number"]) == ("unclaimed", 7)
    assert "removed AGENTS.md" in (await said("uninstall"))["changes"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("audit", 2),
        ("audit nonsense --json", 2),
        ("install --server http://bus.example.com --json", 1),
        ("worktree x --json", 1),
        ("worktree", 2),
        ("worktree -- -x", 1),
        ("install --server bus.example.com", 2),
        ("install --server https://me:secret@bus.example.com", 2),
        ("install --server https://bus.example.com?x=1", 2),
        ("install --server http://[::1", 2),
        ("install --server http://bus.example.com:99999", 2),
        ("install --server http://:8787", 2),
        ("install --token-env LLM-BUS-TOKEN", 2),
        ("install nowhere", 2),
        ("uninstall --with-wiki", 2),
        ("--staged --file x", 2),
    ],
)
async def test_what_was_not_done_is_a_sentence_and_a_code(tmp_path: Path, arguments: str, code: int) -> None:
    tree = await repository(tmp_path / "tree", NOBODY)
    ran = await tree.hook(*arguments.split())
    assert (ran.code, ran.out) == (code, "")
    assert ran.err
    assert "Traceback" not in ran.err


async def test_the_address_that_clients_are_given_will_do(tmp_path: Path) -> None:
    tree = await repository(tmp_path / "tree", NOBODY)
    await tree.hook("install", "--server", "https://bus.example.com/mcp/")
    pinned = await tree.git("config", "llm-bus.endpoint")
    assert pinned.out == "https://bus.example.com/mcp\n"
