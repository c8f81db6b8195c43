"""The page docs/reference/clients.md, from what runs of real clients have seen."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from msgspec import Struct


class Seen(Struct):
    """What one client's model was shown: seconds after the cause, or None for what it was not shown.

    `costs` has the seconds from one request to the next, over an edit and over another tool: with hooks, and without.
    """

    packet: float | None = None
    lease: float | None = None
    collision: float | None = None
    handoff: float | None = None
    turn_end: float | None = None
    wake: list[float] = []
    costs: dict[str, tuple[float, float]] = {}


class Kept(Struct):
    """What all runs have seen."""

    clients: dict[str, Seen] = {}
    events: dict[str, float] = {}


def page(titles: Mapping[str, str], kept: Kept, *, measured: int, quiet_seconds: float) -> str:
    """The page, from what was seen."""

    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.1f} s"

    def milliseconds(seconds: float) -> str:
        return f"{seconds * 1000:.0f} ms"

    rows = [
        f"| {title} | {_version(name)} | "
        + " | ".join(cell(value) for value in (s.packet, s.lease, s.collision, s.handoff, s.turn_end))
        + f" | {milliseconds(median(s.wake)) if s.wake else '-'} |"
        for name, title in titles.items()
        for s in [kept.clients[name]]
    ]
    woken = "".join(
        f"{title} was woken {len(s.wake)} times, once by each post, and its model acknowledged each. Until the\n"
        f"model was asked: median {milliseconds(median(s.wake))}, at most {milliseconds(max(s.wake))}, "
        f"{sum(took < 1 for took in s.wake)} times within a second. Then nothing happened for\n{quiet_seconds:.0f} s, "
        "and its model was asked nothing.\n\n"
        for name, title in titles.items()
        for s in [kept.clients[name]]
        if s.wake
    )

    costs = [
        f"| {title} | {event} | {milliseconds(with_hooks)} | {milliseconds(without)} |"
        for name, title in titles.items()
        for event, (with_hooks, without) in kept.clients[name].costs.items()
    ]
    events_told = [f"| {name} | {milliseconds(seconds)} |" for name, seconds in kept.events.items()]
    return f"""\
# Clients

<!-- Written by `make clients`; edits here are lost. -->

What really arrived in a model's request, with each client as it comes from npm and a scripted model, on
{datetime.now(UTC):%Y-%m-%d} and one busy machine. Times are from the cause, such as a post or the request before, to
the request that showed it; a dash is what was not seen. Cursor has no row: it was not run.

| client | version | packet | lease notice | collision | handoff in a turn | turn goes on | woken from idle |
|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}

{woken}## What hooks cost

From one request to a model to the next, over one tool: medians of {measured}, and the same session in a repository
without hooks. A client without a row did not get through that session in time.

| client | tool | with hooks | without |
|---|---|---|---|
{chr(10).join(costs)}

What one event takes, medians of {measured}. Claude Code asks the server by HTTP after a tool, and starts the program
only after `Write`, for a file whose name or folder has a digit; all other hooks are the program.

| event | takes |
|---|---|
{chr(10).join(events_told)}

## What was run, and what was read

- All times are of this machine. The packet's time is from the client's start. A handoff waits for the tool that runs.
- Each client was run without its windows, on one prompt: `claude -p`, `codex exec`, `gemini -p`, `qwen -p`,
  `opencode run`, `copilot -p`. Claude Code was woken in a session that reads prompts from a stream, opencode in the
  server that its windows ask.
- **Claude Code** asks the server by HTTP hooks; they were run.
- **Codex CLI** runs hooks of a repository only once they are trusted (`/hooks`); `codex exec` skips others without a
  word. It offers its edit tool, `apply_patch`, only to models that it knows; here the scripted one is called `gpt-5.5`.
  A patch that goes through a shell command runs no hook for the edit.
- **opencode** ends with its turn when it was started by `opencode run`, so nothing goes on or is woken there. With
  `opencode serve` its plugin was seen to go on and to be woken. The sessions of its sub-agents are left alone: that was
  not run.
- **Copilot CLI** runs hooks of a repository only in a trusted folder. It also runs those in `.claude/settings.json`;
  the program leaves them alone where Copilot CLI has its own. Its HTTP hooks want `https`: read in its log, not run.
- **Cursor** was never run: it is a program with windows, and needs an account. The file that the kit writes
  (`.cursor/hooks.json`), the names of its events and the form of answers are from its documentation. Tests run the
  program with such input.
- Idle: Claude Code and opencode can be woken. For the others there is no way that worked: an agent that waits calls
  `read_posts` with `wait_seconds`.
"""


def _version(client: str) -> str:
    packages = {
        "claude-code": "@anthropic-ai/claude-code",
        "codex": "@openai/codex",
        "gemini": "@google/gemini-cli",
        "qwen": "@qwen-code/qwen-code",
        "opencode": "opencode-ai",
        "copilot": "@github/copilot",
    }
    pinned = json.loads((Path(__file__).parents[1] / "acceptance/clients/package.json").read_text())["dependencies"]
    return str(pinned[packages[client]])
