"""The files of each agent client in a repository: hooks that start the kit, and a file of rules that it reads.

The commands start the program in `.git`; where it is missing, as in a fresh clone, they do nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kit.bundle import text
from kit.clients import COPILOT_HOOKS
from kit.edits import FINDS_PYTHON, HOOK_PATH, PROGRAM, JsonHooks, Own
from kit.git import SAFELY

SECONDS_MAX = 5
"""For one run of a hook, which itself ends after 1.5 seconds."""

WAKE_SECONDS_MAX = 30 * 86_400
"""For the process that waits for an idle session; it ends with the session."""


class Edit(Protocol):
    """An edit of `kit.edits`."""

    def add(self, text: str | None) -> str | None:
        """The file with what is ours; None for no file."""

    def remove(self, text: str | None) -> str | None:
        """The file without it; None for no file."""


@dataclass(frozen=True)
class Direct:
    """How a client asks the bus by itself, with an HTTP hook: the server's address, the token's variable."""

    server: str
    variable: str


@dataclass(frozen=True)
class ClientFiles:
    """The needs of one client: which files show that a repository is worked on with it, and the file with its hooks.

    `private_path` is a second file, which stays on this machine, with `private_hooks`: where a token may be sent is
    never in a file that a branch can change.
    """

    signs: tuple[str, ...]
    hooks_path: str
    hooks: Callable[[], Edit]
    rules: str = "AGENTS.md"
    private_path: str | None = None
    private_hooks: Callable[[Direct | None], JsonHooks] | None = None


def command(client: str, *flags: str) -> str:
    """The shell line with which a client starts the kit, wherever in the repository it stands."""
    ran = " ".join([f"--client {client}", *flags])
    place = 'cd "${CLAUDE_PROJECT_DIR:-.}" 2>/dev/null && ' if client == "claude-code" else ""
    found = f'f="$(git {" ".join(SAFELY)} rev-parse --git-common-dir 2>/dev/null)/{PROGRAM}"'
    python = FINDS_PYTHON.format(program="f", python="p")
    return f'{place}{found}; {python}; [ ! -f "$f" ] || exec "$p" -I -S "$f" {ran}'


def numbers_command(client: str) -> str:
    """The shell line for a file that was written, with `file_path` in its input.

    It starts the program only where the name of the file or of its folder has a digit: starting Python is what costs.
    """
    return (
        """given=$(cat); name=0; case "$given" in *'"file_path":"'*) path=${given#*'"file_path":"'}; """
        """path=${path%%'"'*}; folder=${path%/*}; name="${folder##*/}/${path##*/}";; esac; """
        f"""case "$name" in *[0-9]*) printf %s "$given" | ({command(client, "--numbers")});; esac"""
    )


def _nested(client: str, events: tuple[str, ...], seconds: int = SECONDS_MAX) -> dict[str, list[dict[str, Any]]]:
    """Hooks as Claude Code has them, and those that follow its example."""
    entry = {"hooks": [{"type": "command", "command": command(client), "timeout": seconds}]}
    return {event: [entry] for event in events}


def _claude_code() -> JsonHooks:
    hooks = _nested("claude-code", ("SessionStart", "SubagentStart", "Stop", "SessionEnd"))
    wake = {
        "type": "command",
        "command": command("claude-code", "--wake"),
        "asyncRewake": True,
        "timeout": WAKE_SECONDS_MAX,
    }
    return JsonHooks({**hooks, "Stop": [*hooks["Stop"], {"hooks": [wake]}]})


def _private_claude_code(direct: Direct | None) -> JsonHooks:
    """All hooks; after a tool, the client asks the bus itself where it may, and the program looks at numbers only."""
    if direct is None:
        return JsonHooks({**_claude_code().hooks, **_nested("claude-code", ("PostToolUse",))})
    asks = {
        "type": "http",
        "url": f"{direct.server}{HOOK_PATH}claude-code",
        "headers": {"Authorization": f"Bearer ${{{direct.variable}}}"},
        "allowedEnvVars": [direct.variable],
        "timeout": SECONDS_MAX,
    }
    looks = {"type": "command", "command": numbers_command("claude-code"), "timeout": SECONDS_MAX}
    after: list[dict[str, Any]] = [{"hooks": [asks]}, {"matcher": "Write", "hooks": [looks]}]
    return JsonHooks({**_claude_code().hooks, "PostToolUse": after})


def _codex() -> Edit:
    return JsonHooks(_nested("codex", ("SessionStart", "PostToolUse", "Stop")))


def _gemini() -> Edit:
    milliseconds = SECONDS_MAX * 1_000
    return JsonHooks(_nested("gemini", ("SessionStart", "AfterTool", "AfterAgent", "SessionEnd"), milliseconds))


def _qwen() -> Edit:
    return JsonHooks(_nested("qwen", ("SessionStart", "SubagentStart", "PostToolUse", "Stop", "SessionEnd")))


def _copilot() -> Edit:
    def entry(event: str) -> list[dict[str, Any]]:
        ran = command("copilot", f"--event {event}")
        return [{"type": "command", "bash": ran, "timeoutSec": SECONDS_MAX}]

    events = ("sessionStart", "postToolUse", "agentStop", "sessionEnd")
    return JsonHooks({event: entry(event) for event in events}, {"version": 1})


def _cursor() -> Edit:
    events = ("sessionStart", "postToolUse", "afterFileEdit", "stop", "sessionEnd")
    hooks = {event: [{"command": command("cursor", f"--event {event}")}] for event in events}
    return JsonHooks(hooks, {"version": 1})


def _opencode() -> Edit:
    return Own(text("opencode.js"), PROGRAM)


CLIENT_FILES: dict[str, ClientFiles] = {
    # Started in a folder, Claude Code reads the root's private settings only; it runs a hook that is in both once.
    "claude-code": ClientFiles(
        (".claude", "CLAUDE.md"),
        ".claude/settings.json",
        _claude_code,
        "CLAUDE.md",
        ".claude/settings.local.json",
        _private_claude_code,
    ),
    "codex": ClientFiles((".codex",), ".codex/hooks.json", _codex),
    "gemini": ClientFiles((".gemini", "GEMINI.md"), ".gemini/settings.json", _gemini, "GEMINI.md"),
    "qwen": ClientFiles((".qwen", "QWEN.md"), ".qwen/settings.json", _qwen),
    "opencode": ClientFiles((".opencode", "opencode.json"), ".opencode/plugin/llm-bus.js", _opencode),
    "copilot": ClientFiles((".github/hooks", ".github/copilot-instructions.md"), COPILOT_HOOKS, _copilot),
    "cursor": ClientFiles((".cursor",), ".cursor/hooks.json", _cursor),
}
"""By the name that `kit install --client` takes, the same as that of the hook's `--client`."""

PRIVATE_PATHS = tuple(files.private_path for files in CLIENT_FILES.values() if files.private_path)
"""Files that git is told to leave out."""

ALWAYS = "claude-code"
"""The client whose files are written into every repository."""


def clients_of(root: Path, wanted: tuple[str, ...]) -> list[str]:
    """The clients to install for: those asked for, those that a repository shows signs of, and `ALWAYS`."""
    if "all" in wanted:
        return list(CLIENT_FILES)
    return [
        name
        for name, files in CLIENT_FILES.items()
        if name == ALWAYS or name in wanted or any((root / sign).exists() for sign in files.signs)
    ]
