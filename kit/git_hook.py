"""The pre-commit hook of a repository: where it belongs, and how ours gets along with one that is there.

A shell script gets a few lines after its first one, so that it stays the script that it is, name and all. Any other
program is put aside, and a script of ours runs it first. Either way ours passes when the kit is not in the work tree.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from kit.edits import Block

GIT_SECONDS_MAX = 10
ASIDE = "pre-commit.before-llm-bus"

# Exit code 65 is a collision. Anything else, such as a Python that is too old or not there, must not stop a commit.
# -I: what PYTHONPATH names must not stand in for a part of Python.
_CHECK = """\
llm_bus_root=$(git rev-parse --show-toplevel)
[ -f "$llm_bus_root/.llm-bus/llm_bus_hook.py" ] || llm_bus_root=$(dirname -- "$(git rev-parse --git-common-dir)")
if [ -f "$llm_bus_root/.llm-bus/llm_bus_hook.py" ]; then
    llm_bus_code=0
    python3 -I "$llm_bus_root/.llm-bus/llm_bus_hook.py" --staged --exit-code 65 || llm_bus_code=$?
    [ "$llm_bus_code" -ne 65 ] || exit 1
fi"""

_CHAIN = f"""\
llm_bus_before=$(dirname -- "$0")/{ASIDE}
if [ -x "$llm_bus_before" ]; then
    "$llm_bus_before" "$@" || exit $?
fi
"""

_BEGIN, _END = "# llm-bus:begin (llm-bus kit install --uninstall takes this away)", "# llm-bus:end"
_SHELL = re.compile(r"#!\s*(\S*/)?(env\s+)?(ba|da|z|k)?sh\b")

IN_SHELL_SCRIPT = Block(_CHECK, _BEGIN, _END, first_line="#!/bin/sh\n")
AFTER_PROGRAM = Block(_CHAIN + _CHECK, _BEGIN, _END, first_line="#!/bin/sh\n")


def root_of(directory: Path) -> Path | None:
    """The work tree that a directory is in."""
    found = _git(directory, "rev-parse", "--show-toplevel")
    return Path(found) if found else None


def belongs_to_git(directory: Path) -> bool:
    """Whether a directory is inside of what git keeps for itself: a bare repository, or `.git`."""
    return _git(directory, "rev-parse", "--is-inside-git-dir") == "true"


def path_in(root: Path) -> Path | None:
    """Where git looks for the hook: `core.hooksPath`, or what all work trees share. For husky, where husky looks."""
    hooks = _git(root, "rev-parse", "--git-path", "hooks")
    if not hooks:
        return None
    hook = Path(os.path.normpath(root / hooks / "pre-commit"))
    return hook.parents[1] / hook.name if _runs_for_husky(hook.parents[1]) else hook


def _runs_for_husky(folder: Path) -> bool:
    """Whether husky runs what lies in a folder: with sh, whatever its first line and mode. It makes `_` anew often."""
    return folder.joinpath("_", "h").is_file()


def is_program(path: Path) -> bool:
    """Whether there is a hook into which lines of shell cannot go, or should not: one that is switched off."""
    if not path.exists() or _runs_for_husky(path.parent):
        return False
    return not (os.access(path, os.X_OK) and _SHELL.match(path.read_bytes()[:200].decode("latin-1")))


def _git(directory: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(directory), *arguments]
    try:
        ran = subprocess.run(command, capture_output=True, check=True, timeout=GIT_SECONDS_MAX)  # noqa: S603 - no shell
    except (OSError, subprocess.SubprocessError):
        return None
    return os.fsdecode(ran.stdout).rstrip("\n")
