"""The pre-commit framework takes the hook from a clone of this project."""

import shutil

import pytest

from tests.kit.scratch import KIT, WorkTree
from tests.web.bus import Bus

PROJECT = KIT.parent
ADR_1 = "docs/decisions/0001-choice.md"

ENTRY = KIT / "__main__.py"


def test_what_it_is_to_run_is_there_and_can_be_run() -> None:
    manifest = (PROJECT / ".pre-commit-hooks.yaml").read_text()
    assert "  entry: kit/__main__.py --staged\n  language: script\n" in manifest
    assert ENTRY.stat().st_mode & 0o111
    assert ENTRY.read_text().startswith("#!/usr/bin/env python3\n")


@pytest.mark.skipif(shutil.which("pre-commit") is None, reason="the pre-commit framework is not on the path")
@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="this project is not a clone")
async def test_it_refuses_a_collision_and_shows_notices(bus: Bus, alice: WorkTree, bob: WorkTree) -> None:
    alice.write(".pre-commit-config.yaml", f"repos: [{{repo: {PROJECT}, rev: HEAD, hooks: [{{id: llm-bus}}]}}]\n")
    await alice.run("pre-commit", "install")
    await alice.git("add", "--all")
    await alice.git("commit", "--message", "one")
    assert bob.who.token is not None
    await bus.call(bob.who.token, "claim", sequence="adr")
    await alice.stage(ADR_1)
    assert "adr 1 belongs to ada/bob" in (await alice.git("commit", "--message", "two", code=1)).err
    await alice.git("mv", ADR_1, "docs/decisions/0002-choice.md")
    assert "adr 2 is now claimed for you" in (await alice.git("commit", "--message", "two")).err
