"""The hooks of a repository that git runs: where they belong, and how ours get along with those that are there.

A shell script gets one line after its first one, so that it stays the script that it is, name and all. Any other
program is put aside, and a script of ours runs it first. Where a manager writes the hooks, its configuration has our
line. All of them start the program that lies in `.git`; where that is missing they pass.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from kit.edits import PROGRAM, Block
from kit.git import SAFELY
from kit.managers import BEGIN, END, GUARD, generator_of, manager_edits

if TYPE_CHECKING:
    from kit.git import Repository

GIT_SECONDS_MAX = 10
GUARD_HOOK = "pre-commit"
HOOKS = {
    GUARD_HOOK: "--staged",
    "post-commit": "--committed",
    "pre-merge-commit": "--incoming",
    "pre-applypatch": "--incoming",
}
"""The option for each hook: check one's own commit, report it, or check what a merge or a mailed patch brings in."""

PUT_ASIDE = (".legacy", ".old")
"""How pre-commit and lefthook name the hook that was there before theirs."""

_SHELL = re.compile(r"#!\s*(\S*/)?(env\s+)?(ba|da|z|k)?sh\b")


def aside(hook: Path) -> Path:
    """Where another program is put that was the hook."""
    return hook.with_name(f"{hook.name}.before-llm-bus")


def block_for(hook: Path, *, puts_aside: bool = False) -> Block:
    """The lines of ours in a hook, with those that run the program that was or is to be put aside."""
    check = f"{GUARD} || exit 1"
    if _has_other_names(hook):
        asked = " ".join(f"{name}) llm_bus_asked={option};;" for name, option in HOOKS.items())
        check = f'case "${{0##*/}}" in {asked} *) llm_bus_asked=;; esac\n[ -z "$llm_bus_asked" ] || {{ {check}; }}'
        check = check.replace("--staged --exit", '"$llm_bus_asked" --exit')
    else:
        check = check.replace("--staged", HOOKS[hook.name])
    name = aside(hook).name
    chain = f'llm_bus_before=$(dirname -- "$0")/{name}\nif [ -x "$llm_bus_before" ]; then\n' + (
        '    "$llm_bus_before" "$@" || exit $?\nfi\n'
    )
    return Block((chain if puts_aside or aside(hook).exists() else "") + check, BEGIN, END, first_line="#!/bin/sh\n")


def _has_other_names(hook: Path) -> bool:
    """Whether a hook is a link, as where one script runs for all of git's hooks and looks at its name."""
    return hook.is_symlink() or (hook.is_file() and hook.stat().st_nlink > 1)


def folder_in(root: Path) -> Path | None:
    """Where git looks for hooks: `core.hooksPath`, or what all work trees share. For husky, where husky looks."""
    named = _git(root, "rev-parse", "--git-path", f"hooks/{GUARD_HOOK}")  # of an empty path git looks in /
    if not named:
        return None
    hooks = Path(os.path.normpath(root / named)).parent
    return hooks.parent if runs_for_husky(hooks.parent) else hooks


def runs_for_husky(folder: Path) -> bool:
    """Whether husky runs the hooks in a folder: with sh, whatever their first line and mode. It often rewrites `_`."""
    return folder.joinpath("_", "h").is_file()


def is_program(path: Path) -> bool:
    """Whether there is a hook into which lines of shell cannot go, or should not: one that is switched off."""
    if not path.exists() or runs_for_husky(path.parent):
        return False
    text = text_of(path)
    if _is_guarded(text) and block_for(path).remove(text) is None:
        return False  # all ours, perhaps left by an installer that was killed
    return not (os.access(path, os.X_OK) and _SHELL.match(text[:200]))


def text_of(path: Path) -> str:
    """A hook's text; empty when it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError:
        return ""


def put_aside_by_managers(root: Path) -> dict[Path, Block]:
    """Hooks of ours that a manager has put aside when it wrote its own, and what to take out of each."""
    folder = folder_in(root)
    hooks = [] if folder is None else [folder / name for name in HOOKS]
    placed = {hook.with_name(hook.name + suffix): hook for hook in hooks for suffix in PUT_ASIDE}
    return {path: block_for(hook) for path, hook in placed.items() if _is_guarded(text_of(path))}


def missing_guard(repository: Repository) -> str | None:
    """What to tell when a commit here would not be checked, with the line that mends it; None when it would."""
    folder = folder_in(repository.root)
    if folder is not None:
        text = text_of(folder / GUARD_HOOK)
        manager = generator_of(text)
        if _is_guarded(text) or (manager and manager.runs_config and _config_has_guard(repository.root)):
            return None
    mend = f'python3 -I "$(git rev-parse --git-common-dir)/{PROGRAM}" install'
    return f"The commit guard is not in place here; this line puts it back: {mend}"


def _is_guarded(text: str) -> bool:
    return PROGRAM in text


def _config_has_guard(root: Path) -> bool:
    return any(_is_guarded(text_of(path)) for path in manager_edits(root))


def _git(directory: Path, *arguments: str) -> str | None:
    command = ["git", *SAFELY, "-C", str(directory), *arguments]
    try:
        ran = subprocess.run(command, capture_output=True, check=True, timeout=GIT_SECONDS_MAX)  # noqa: S603 - no shell
    except (OSError, subprocess.SubprocessError):
        return None
    return os.fsdecode(ran.stdout).rstrip("\n")
