"""The installer of the adherence kit: puts it into a repository, brings it up to date, and takes it out again.

`llm-bus kit install` and `curl …/kit/install.sh | sh` both end here. Standard library only, Python 3.9 or later.

Every change is an edit (`kit.edits`). What a file held before, and what it holds since, is kept in a receipt in
`.llm-bus/`, which stays out of version control. Uninstalling restores the former bytes where the file is as we left
it, and takes out only what is ours where somebody has worked on it since, or where the receipt is another machine's.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from kit import git_hook
from kit.edits import HOOK_NAME, Block, CannotEdit, ClaudeHooks, Own, Seed

FOLDER = ".llm-bus"
RECEIPT = f"{FOLDER}/installed.json"
LOGS = ("pending.log", "pending.log.1", "overrides.log", "overrides.log.1")
DEFAULT_SERVER = "http://127.0.0.1:8787"

_HERE = Path(__file__).parent
_WIKI = ("index.md", "log.md", "overview.md")
_IGNORE = "# LLM Bus: the hook is everybody's, the rest is this machine's.\n*\n!.gitignore\n!llm_bus_hook.py\n"
_SEQUENCES = {"docs/decisions/*.md": "adr", "**/migrations/*.sql": "migration"}
_MARKERS = ("<!-- llm-bus:begin -->", "<!-- llm-bus:end -->")

# A work tree of another branch may lack the file, and Python's own exit code for that is the one that blocks.
_COMMAND = f'f="$CLAUDE_PROJECT_DIR/{FOLDER}/{HOOK_NAME}"; [ ! -f "$f" ] || python3 -I "$f"'
_CLAUDE_HOOK = {"type": "command", "command": _COMMAND, "timeout": 5}
_CLAUDE_HOOKS: dict[str, dict[str, Any]] = {
    "PostToolUse": {"matcher": "Write|Edit|MultiEdit|NotebookEdit", "hooks": [_CLAUDE_HOOK]},
    "SessionStart": {"hooks": [_CLAUDE_HOOK]},
}


class Edit(Protocol):
    """What `kit.edits` has."""

    def add(self, text: str | None) -> str:
        """The file with what is ours."""

    def remove(self, text: str | None) -> str | None:
        """The file without it; None for no file."""


@dataclass(frozen=True)
class Wishes:
    """What to install: for which server, for a lead or a member, and with a wiki or without."""

    server: str = DEFAULT_SERVER
    lead: bool = False
    with_wiki: bool = False


@dataclass
class Outcome:
    """What was changed, one line each, and what could not be."""

    changes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def install(directory: Path, wishes: Wishes) -> Outcome:
    """Install into the repository around a directory, or bring it up to date; again changes nothing more."""
    work = _Work(_root(directory))
    hook = _ready(git_hook.path_in(work.root), work.outcome)
    try:
        for path, edit in _edits(work.root, hook, wishes).items():
            work.put(path, edit)
    finally:
        work.receipt.save()
    if hook is not None and git_hook.IN_SHELL_SCRIPT.remove(_read(hook)) is None:
        hook.chmod(0o755)  # it is all ours
    return work.outcome


def uninstall(directory: Path) -> Outcome:
    """Take the kit out of the repository around a directory, and leave what was there before."""
    work = _Work(_root(directory))
    hook = git_hook.path_in(work.root)
    for path, edit in _edits(work.root, hook, Wishes(with_wiki=True)).items():
        work.take_out(path, edit)
    if hook is not None and not hook.exists() and hook.with_name(git_hook.ASIDE).exists():
        hook.with_name(git_hook.ASIDE).rename(hook)
        work.outcome.changes.append(f"moved {git_hook.ASIDE} back to {hook.name}")
    work.receipt.clear()
    return work.outcome


def _root(directory: Path) -> Path:
    where = directory.resolve()
    if git_hook.belongs_to_git(where):
        raise NotADirectoryError(errno.ENOTDIR, "this is git's own; name a work tree", str(where))
    return git_hook.root_of(where) or where


def _edits(root: Path, hook: Path | None, wishes: Wishes) -> dict[Path, Edit]:
    """Every file that is ours or has a part of ours."""
    config = {
        "endpoint": f"{wishes.server}/mcp",
        "tokenEnv": "LLM_BUS_TOKEN",
        "sequences": _SEQUENCES,
        "leases": "warn",
    }
    block = Block(instruction_block(lead=wishes.lead), *_MARKERS)
    edits: dict[Path, Edit] = {
        root / FOLDER / ".gitignore": Own(_IGNORE, "# LLM Bus"),
        root / FOLDER / HOOK_NAME: Own(_HERE.joinpath(HOOK_NAME).read_text("utf-8"), "The reconcile hook of LLM Bus"),
        root / "llm-bus.config.json": Seed(json.dumps(config, indent=2) + "\n"),
        root / ".claude" / "settings.json": ClaudeHooks(_CLAUDE_HOOKS),
        root / "AGENTS.md": block,
    }
    if not _reads_agents_file(root / "CLAUDE.md"):
        edits[root / "CLAUDE.md"] = block
    if hook is not None:
        aside = hook.with_name(git_hook.ASIDE).exists()
        edits[hook] = git_hook.AFTER_PROGRAM if aside else git_hook.IN_SHELL_SCRIPT
    if wishes.with_wiki:
        edits.update(
            {root / "docs/wiki" / name: Seed(_HERE.joinpath("wiki", name).read_text("utf-8")) for name in _WIKI}
        )
    return edits


def instruction_block(*, lead: bool) -> str:
    """What an instruction file says about the bus; a lead's says more."""
    names = ("member.md", "lead.md") if lead else ("member.md",)
    return "\n\n".join(_HERE.joinpath("instructions", name).read_text("utf-8").strip() for name in names)


def _reads_agents_file(claude: Path) -> bool:
    """Whether what goes into AGENTS.md reaches Claude Code too: by a link or by an import."""
    if claude.is_symlink():
        return os.path.realpath(claude) == os.path.realpath(claude.with_name("AGENTS.md"))
    text = _read(claude) or ""
    return "@AGENTS.md" in text.split() and _MARKERS[0] not in text


def _ready(hook: Path | None, outcome: Outcome) -> Path | None:
    """The hook, into which lines of shell can go now; None when that is not to be had."""
    if hook is None:
        outcome.problems.append("not a git repository: there is no pre-commit hook")
        return None
    if not git_hook.is_program(hook):
        return hook
    aside = hook.with_name(git_hook.ASIDE)
    if aside.exists():
        outcome.problems.append(f"{hook} and {aside.name} are both other programs: remove the one that is not needed")
        return None
    hook.rename(aside)
    outcome.changes.append(f"moved {hook.name} to {aside.name}, which runs first")
    return hook


# ---------------------------------------------------------------- files


class _Work:
    """What one run does to the files of a work tree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.receipt = Receipt(root)
        self.outcome = Outcome()

    def put(self, path: Path, edit: Edit) -> None:
        """Make an edit."""
        path = _behind_links(path)
        try:
            current = _read(path)
            before, wanted = self.receipt.before(path, current, edit), edit.add(current)
        except CannotEdit as reason:
            self.outcome.problems.append(f"left {self._shown(path)} alone: {reason}")
            return
        self.receipt.remember(path, before, wanted)
        self._write(path, current, wanted)

    def take_out(self, path: Path, edit: Edit) -> None:
        """Undo an edit."""
        path = _behind_links(path)
        try:
            current = _read(path)
            self._write(path, current, self.receipt.before(path, current, edit))
        except CannotEdit as reason:
            self.outcome.problems.append(f"left {self._shown(path)} alone: {reason}")

    def _write(self, path: Path, current: str | None, wanted: str | None) -> None:
        if wanted == current:
            return
        verb = "removed" if wanted is None else "created" if current is None else "changed"
        self.outcome.changes.append(f"{verb} {self._shown(path)}")
        if wanted is None:
            path.unlink()
            return
        self.receipt.make_folder(path.parent)
        path.write_bytes(wanted.encode("utf-8", "surrogateescape"))

    def _shown(self, path: Path) -> str:
        return _name(path, self.root)


class Receipt:
    """What the files held before we changed them, and what we left in them."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / RECEIPT
        try:
            known = json.loads(_read(self._path) or "{}")
        except ValueError:
            known = {}
        known = known if isinstance(known, dict) else {}
        self._before: dict[str, str | None] = known.get("before", {})
        self._left: dict[str, str] = known.get("left", {})
        self._folders: list[str] = known.get("folders", [])

    def before(self, path: Path, current: str | None, edit: Edit) -> str | None:
        """What the file would hold without us."""
        name = _name(path, self._root)
        if current is not None and self._left.get(name) == _digest(current):
            return self._before[name]
        return edit.remove(current)

    def remember(self, path: Path, before: str | None, left: str) -> None:
        """Note a change that is about to be made."""
        self._before[_name(path, self._root)] = before
        self._left[_name(path, self._root)] = _digest(left)

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it, and remember which were not there."""
        self._folders += [_name(place, self._root) for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)

    def save(self) -> None:
        """Write it down. It may hold what somebody keeps in their settings, so it is for the owner's eyes only."""
        self._path.touch(mode=0o600)
        known = {"before": self._before, "left": self._left, "folders": self._folders}
        self._path.write_text(json.dumps(known, indent=1), "utf-8")

    def clear(self) -> None:
        """Forget it all, and remove the folders that were not there and are empty; logs in them are ours."""
        self._path.unlink(missing_ok=True)
        if FOLDER in self._folders:
            for name in LOGS:
                self._path.with_name(name).unlink(missing_ok=True)
        for folder in sorted((self._root / name for name in self._folders), key=lambda place: -len(place.parts)):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def _behind_links(path: Path) -> Path:
    """The file that a name stands for, there or not, so that a symbolic link stays one."""
    return Path(os.path.realpath(path))


def _read(path: Path) -> str | None:
    """A file's text, byte for byte; None when there is none."""
    return path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else None


def _name(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


# ---------------------------------------------------------------- the command


def main(arguments: Sequence[str]) -> int:
    """The command of `install.sh`."""
    parser = argparse.ArgumentParser(prog="install.sh", description="Installs the adherence kit of LLM Bus.")
    parser.add_argument("directory", nargs="?", default=".", type=Path, help="a repository; default: this one")
    parser.add_argument("--uninstall", action="store_true", help="take it out, and restore what was there")
    parser.add_argument("--with-wiki", action="store_true", help="begin a wiki for agents in docs/wiki")
    parser.add_argument("--lead", action="store_true", help="instructions for an agent that leads")
    parser.add_argument("--server", default=DEFAULT_SERVER, help=f"where the bus is; default: {DEFAULT_SERVER}")
    given = parser.parse_args(arguments)
    if not given.directory.is_dir():
        parser.error(f"{given.directory} is not a directory")
    wishes = Wishes(given.server.rstrip("/"), given.lead, given.with_wiki)
    try:
        outcome = uninstall(given.directory) if given.uninstall else install(given.directory, wishes)
    except OSError as error:
        sys.stderr.write(f"install.sh: {error.filename}: {error.strerror}.\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in told(outcome)))
    return 1 if outcome.problems else 0


def told(outcome: Outcome) -> list[str]:
    """An outcome in words."""
    return [*(outcome.changes or ["nothing to change"]), *(f"problem: {problem}" for problem in outcome.problems)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
