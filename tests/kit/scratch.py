"""Scratch repositories in which the kit is used as its users use it: real git, real processes, nothing inherited."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio
from msgspec import Struct

from kit.bundle import program

KIT = Path(__file__).parents[2] / "kit"
HOOK = Path(tempfile.mkdtemp(prefix="llm-bus-kit-")) / "kit.pyz"
"""The program as it is handed out."""

HOOK.write_bytes(program())
CONFIG = "llm-bus.config.json"
SEQUENCES = {"docs/decisions/*.md": "adr", "**/migrations/*.sql": "migration"}

RUN_SECONDS_MAX = 90
"""For anything that is started here; the hook itself has 1.5 seconds, but the machine may be busy."""


HOOK_SECONDS = 20
"""For one run of the hook, where a test is not about its time limit."""


class Ran(Struct, frozen=True):
    """What a process left behind."""

    code: int
    out: str
    err: str


class Identity(Struct, frozen=True):
    """Whoever works in a repository: which bus, which token, which interpreter runs the hook."""

    endpoint: str
    token: str | None
    python: str = sys.executable


class WorkTree:
    """A work tree and somebody who works in it."""

    def __init__(self, path: Path, who: Identity) -> None:
        self.path = path
        self.who = who

    async def run(self, *command: str | Path, stdin: bytes = b"", environment: Mapping[str, str] | None = None) -> Ran:
        with trio.fail_after(RUN_SECONDS_MAX):
            ran = await trio.run_process(
                [str(part) for part in command],
                stdin=stdin,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=self.path,
                env=self._environment(environment or {}),
            )
        return Ran(ran.returncode, os.fsdecode(ran.stdout), os.fsdecode(ran.stderr))

    async def git(self, *arguments: str | Path, code: int = 0, **environment: str) -> Ran:
        ran = await self.run("git", *arguments, environment=environment)
        assert ran.code == code, ran
        return ran

    async def hook(self, *arguments: str | Path, **environment: str) -> Ran:
        return await self.run(self.who.python, HOOK, *arguments, environment=environment)

    async def tell(self, event: str, client: str = "claude-code", seconds: float = HOOK_SECONDS, **given: Any) -> Ran:
        """Run the hook as a client does, by default Claude Code."""
        sent = {"hook_event_name": event, "cwd": str(self.path), "session_id": "1", **given}
        command = (self.who.python, HOOK, "--client", client)
        limit = {"LLM_BUS_HOOK_SECONDS": str(seconds)}
        return await self.run(*command, stdin=json.dumps(sent).encode(), environment=limit)

    async def told_of(self, path: str | Path) -> Ran:
        """Run the hook as Claude Code does after it has written a file."""
        return await self.tell("PostToolUse", tool_name="Write", tool_input={"file_path": str(self.path / path)})

    def write(self, name: str, text: str = "text\n") -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    async def stage(self, *names: str) -> None:
        for name in names:
            self.write(name)
        await self.git("add", "--", *names)

    def configure(self, **changes: Any) -> None:
        """Choose what was not chosen before: the endpoint where no branch can change it, the rest in the file."""
        self.pin("endpoint", changes.pop("endpoint", self.who.endpoint))
        self.write(CONFIG, json.dumps({"sequences": SEQUENCES, **changes}))

    def pin(self, name: str, value: str) -> None:
        command = ["git", "-C", str(self.path), "config", "--replace-all", f"llm-bus.{name}", value]
        subprocess.run(command, check=True, timeout=RUN_SECONDS_MAX)

    def log(self, name: str = "pending.log") -> str:
        log = self.path / ".llm-bus" / name
        return log.read_text("utf-8") if log.exists() else ""

    def tree(self) -> dict[str, tuple[int, bytes]]:
        """Every file with its mode and content, git's own of objects and index left out; folders as empty files."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if path.is_symlink() or not name.startswith((".git/objects", ".git/index", ".git/logs")):
                content = os.fsencode(os.readlink(path)) if path.is_symlink() else b""
                found[name] = (path.lstat().st_mode, path.read_bytes() if path.is_file() else content)
        return found

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        nobody = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        token = {} if self.who.token is None else {"LLM_BUS_TOKEN": self.who.token}
        home = str(self.path.parent)
        base = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}
        base["LLM_BUS_HOOK_SECONDS"] = str(HOOK_SECONDS)
        return {**base, **nobody, **token, **more}


async def repository(path: Path, who: Identity) -> WorkTree:
    """A new repository without commits."""
    tree = WorkTree(path, who)
    await trio.Path(path).mkdir(parents=True)
    await tree.git("init", "--quiet", "--initial-branch=main", ".")
    return tree


def python_39() -> str | None:
    """A real Python 3.9, if this machine has one: on the path, or kept by pyenv or uv."""
    candidates = [shutil.which("python3.9"), _said_by("uv", "python", "find", "--offline", "3.9")]
    if root := _said_by("pyenv", "root"):
        candidates += [str(path) for path in Path(root).glob("versions/3.9.*/bin/python3.9")]
    return next((path for path in candidates if path and _said_by(path, "-c", "print(1)")), None)


def _said_by(*command: str) -> str:
    try:
        return subprocess.run(
            command, capture_output=True, check=True, text=True, timeout=RUN_SECONDS_MAX
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
