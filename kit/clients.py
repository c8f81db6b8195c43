"""The agent clients that run our hooks: their names for each moment, where a path is in their input, how they are told.

What was seen with the real programs and what was only read is in docs/reference/clients.md. A client that is not here
can run the hook as Claude Code does.
"""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kit.shell import changed_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

START, SUBAGENT, TOOL, TURN_END, SESSION_END = "start", "subagent", "tool", "turn end", "session end"
"""The moments at which a hook can do something."""

COPILOT_HOOKS = ".github/hooks/llm-bus.json"
"""The file with the hooks of Copilot CLI."""

_PATCH = re.compile(r"^\*\*\* (?:Add File|Update File|Delete File|Move to): (.+)$", re.MULTILINE)
_IS_PATCH = "*** Begin Patch"
_PATHS = ("file_path", "notebook_path", "filePath", "path", "absolute_path", "relative_path", "target_file")
_MOVED = ("source", "destination")
_SHELLS = re.compile(r"shell|bash|exec_command|terminal", re.IGNORECASE)
_COMMANDS = ("command", "cmd", "text")
_FOLDERS = ("workdir", "directory", "dir_path", "cwd", "working_directory")
_EDITS = re.compile(r"write|edit|patch|replace|create|insert|append|delete|remove|move|rename", re.IGNORECASE)
_LOOKS = "view"
"""The command with which a tool that edits files only shows one."""


def _paths_in(tool: str, given: Mapping[str, Any]) -> Iterator[str]:
    """The paths that a tool has changed: named, in the text of a patch (which shells get, too), or in a command."""
    named = [given[name] for name in _PATHS if isinstance(given.get(name), str)][:1]
    for text in () if named else given.values():  # a file with a name may have a patch in its text
        if isinstance(text, str) and _IS_PATCH in text:
            yield from (path.strip() for path in _PATCH.findall(text))
            return
    if _SHELLS.search(tool):
        command = next((given[name] for name in _COMMANDS if isinstance(given.get(name), str)), "")
        folder = next((given[name] for name in _FOLDERS if isinstance(given.get(name), str)), "")
        yield from (posixpath.join(folder, path) for path in changed_paths(command))
    elif (not tool or _EDITS.search(tool)) and given.get("command") != _LOOKS:
        yield from named or [given[name] for name in _MOVED if isinstance(given.get(name), str)]


def _line_of(command: list[Any]) -> str:
    """A list of words as one line of shell; what `sh -c` is given is that line, and a patch is its own text."""
    words = [str(word) for word in command]
    if patch := next((word for word in words if word.startswith(_IS_PATCH)), None):
        return patch
    if len(words) == 3 and words[1] in ("-c", "-lc"):
        return words[2]
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def _specific(event: str, text: str) -> str:
    return json.dumps({"hookSpecificOutput": {"hookEventName": event, "additionalContext": text}})


def _plain(_: str, text: str) -> str:
    return text


def _top_level(name: str) -> Callable[[str, str], str]:
    return lambda _, text: json.dumps({name: text})


def _decision(word: str) -> Callable[[str, str], str]:
    return lambda _, text: json.dumps({"decision": word, "reason": text})


@dataclass(frozen=True)
class Client:
    """One agent client, by the name that `--client` takes.

    `events` gives the moment of each of its events. `starts`, `tells` and `goes_on` make what is printed at the start,
    after a tool, and to go on at the end of a turn, from the event's name and the text. With `stops_by_exit_code` the
    model sees standard error after exit code 2. With `has_http_hooks` it can ask the bus by itself.
    """

    name: str
    events: dict[str, str]
    starts: Callable[[str, str], str] = _specific
    tells: Callable[[str, str], str] = _specific
    goes_on: Callable[[str, str], str] = field(default=_decision("block"))
    stops_by_exit_code: bool = False
    has_http_hooks: bool = False
    edit_events: frozenset[str] = frozenset()
    """Events that are edits by their name, whatever tool they name."""

    def paths(self, event: str, given: Mapping[str, Any]) -> list[str]:
        """The paths that were just changed, as the client names them."""
        tool = str(given.get("tool_name") or given.get("toolName") or given.get("tool") or "")
        if event in self.edit_events:
            return list(_paths_in("edit", given))
        for name in ("tool_input", "toolArgs", "toolInput", "args"):
            arguments = given.get(name)
            if isinstance(arguments, str):
                try:
                    arguments = json.loads(arguments)
                except (ValueError, RecursionError):
                    arguments = {"text": arguments}
            elif isinstance(arguments, dict) and isinstance(arguments.get("command"), list):
                arguments = {**arguments, "command": _line_of(arguments["command"])}
            if isinstance(arguments, dict):
                return list(_paths_in(tool, arguments))
        return []


_LIKE_CLAUDE = {
    "SessionStart": START,
    "SubagentStart": SUBAGENT,
    "PostToolUse": TOOL,
    "Stop": TURN_END,
    "SessionEnd": SESSION_END,
}

_CLIENTS = (
    Client("claude-code", _LIKE_CLAUDE, starts=_plain, stops_by_exit_code=True, has_http_hooks=True),
    Client("codex", _LIKE_CLAUDE, starts=_plain, stops_by_exit_code=True),
    Client(
        "gemini",
        {"SessionStart": START, "AfterTool": TOOL, "AfterAgent": TURN_END, "SessionEnd": SESSION_END},
        goes_on=_decision("deny"),
    ),
    Client("qwen", _LIKE_CLAUDE),
    Client(
        "opencode",
        {"start": START, "tool": TOOL, "idle": TURN_END, "end": SESSION_END},
        starts=_plain,
        tells=_plain,
        goes_on=_plain,
    ),
    Client(
        "copilot",
        {"sessionStart": START, "postToolUse": TOOL, "agentStop": TURN_END, "sessionEnd": SESSION_END},
        starts=_top_level("additionalContext"),
        tells=_top_level("additionalContext"),
    ),
    Client(
        "cursor",
        {
            "sessionStart": START,
            "postToolUse": TOOL,
            "afterFileEdit": TOOL,
            "stop": TURN_END,
            "sessionEnd": SESSION_END,
        },
        starts=_top_level("additional_context"),
        tells=_top_level("additional_context"),
        goes_on=_top_level("followup_message"),
        edit_events=frozenset({"afterFileEdit"}),
    ),
)

CLIENTS = {client.name: client for client in _CLIENTS}
"""All clients by name."""
