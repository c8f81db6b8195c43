"""The plugin for opencode, run by Node with another client in its place: when it starts the kit, what it hands on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from kit.bundle import text
from tests.kit.scratch import Identity, repository

NOBODY = Identity("http://127.0.0.1:1/mcp", None)
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node on this machine")

KIT = """#!/bin/sh
shift 5
given=$(cat)
printf '%s %s\\n' "$*" "$given" >> started
case "$*" in
    "--event idle") [ -f told ] || echo "1 unread handoff"; touch told ;;
    --wake) [ ! -f woken ] || exit 0; touch woken; echo "1 new handoff" >&2; exit 2 ;;
esac
"""
"""In the place of the Python that runs the kit: it notes how it was started, and has one thing to say each time."""

OPENCODE = """
import { LLMBus } from "./plugin.mjs"
const prompts = []
const promptAsync = async ({ path, body }) => prompts.push([path.id, body.parts[0].text])
const { event } = await LLMBus({ client: { session: { promptAsync } }, directory: process.cwd() })
await event({ event: { type: "session.created", properties: { info: { id: "sub", parentID: "main" } } } })
for (const sessionID of ["sub", "main", "main"])
  await event({ event: { type: "session.idle", properties: { sessionID } } })
process.on("exit", () => console.log(JSON.stringify({ pid: process.pid, prompts })))
if (process.argv[2] === "waits") while (prompts.length < 2) await new Promise((done) => setTimeout(done, 10))
"""


async def run_plugin(tmp_path: Path, kit: str, *arguments: str) -> dict[str, Any]:
    """What opencode was asked; the tree has what was started."""
    tree = await repository(tmp_path / "tree", NOBODY)
    tree.write(".git/llm-bus/kit.pyz")
    tree.write(".git/llm-bus/python", kit).chmod(0o755)
    tree.write("plugin.mjs", text("opencode.js"))
    ran = await tree.run("node", tree.write("opencode.mjs", OPENCODE), *arguments)
    assert ran.code == 0, ran
    told: dict[str, Any] = json.loads(ran.out)
    return told


async def test_an_idle_session_goes_on_with_what_it_owes_and_is_woken_by_what_comes(tmp_path: Path) -> None:
    told = await run_plugin(tmp_path, KIT, "waits")
    assert told["prompts"] == [["main", "1 unread handoff"], ["main", "1 new handoff"]]
    rows = [row.partition(" {") for row in (tmp_path / "tree/started").read_text().splitlines()]
    assert [flags for flags, _, _ in rows] == ["--event idle", "--event idle", "--wake"]
    given = [json.loads("{" + rest) for _, _, rest in rows]
    assert {one["session_id"] for one in given} == {"main"}, "the session of a sub-agent is over"
    assert given[-1]["client_pid"] == told["pid"]


async def test_what_waits_does_not_keep_opencode_from_ending(tmp_path: Path) -> None:
    told = await run_plugin(tmp_path, KIT.replace("--wake) ", "--wake) sleep 20; touch waited; "))
    assert told["prompts"] == [["main", "1 unread handoff"]]
    assert not (tmp_path / "tree/waited").exists()
