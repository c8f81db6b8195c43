"""Which files a line of shell has changed, as far as its words tell: `sed -i`, `tee`, `>`, `mv`, `rm` and the like.

Nothing is run or looked up. A path that only a shell could tell (`$file`, `*.py`, one after `cd folder`) is passed
over: a hook that misses a file costs less than one that names a wrong one. Commits are checked whole in any case.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND_LENGTH_MAX = 8_000
"""Without the text that is given to its programs. A longer one is passed over: reading it would take too long."""

PATHS_MAX = 20
"""Paths that are read from one command."""

_TOKEN = re.compile(
    r"""[ \t\r]+ | \#[^\n]* | (?P<marks>[;()<>|&\n]+)
      | (?P<word>(?: \\. | '[^']*' | "(?:\\.|[^"\\])*" | [^\s;()<>|&'"\\] )+)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"""\\(.)|'([^']*)'|"((?:\\.|[^"\\])*)\"""", re.DOTALL)
_HEREDOC = re.compile(r"""<<-?[ \t]*['"]?(\w+)""")
_UNTOLD = re.compile(r"[$`*?{~\0\n]|^/dev/|\.(?:log|out|pid|tmp)$")
"""What a shell replaces; devices; and what programs leave behind and nobody shares."""

_ASSIGNED = re.compile(r"\w+=")
_BEFORE_PROGRAM = ("sudo", "command", "env", "nohup", "time", "exec", "then", "do", "else", "!", "{")
_CHANGES_ALL = ("tee", "touch", "rm", "unlink")
_EDITS_IN_PLACE = {
    "sed": re.compile("-[^ef]*i"),
    "gsed": re.compile("-[^ef]*i"),
    "perl": re.compile("-[^MmIxFCeE]*i"),
    "ruby": re.compile("-[^rIxFCeEKTW]*i"),
}
"""Programs with an option `-i`, perhaps behind others in one word; not behind those that take the rest of the word."""

_OF_GIT = {"mv": "mv", "rm": "rm", "restore": "rm"}
"""Commands of git that change files as another program does."""


def changed_paths(command: str) -> list[str]:
    """The paths that a command line has changed, as they are written there; the same one once."""
    alone = _without_heredocs(command)
    if len(alone) > COMMAND_LENGTH_MAX:
        return []
    found: dict[str, None] = {}
    is_elsewhere = False
    for words, targets in _simple_commands(alone):
        program, arguments = _program(words)
        if program == "[[":  # there, '>' compares
            continue
        for path in (*targets, *_changed(program, arguments)):
            if path and not _UNTOLD.search(path) and (path.startswith("/") or not is_elsewhere):
                found[path] = None
        is_elsewhere = is_elsewhere or program in ("cd", "pushd")
    return list(found)[:PATHS_MAX]


def _simple_commands(command: str) -> Iterator[tuple[list[str], list[str]]]:
    """The words of each simple command, and where its output goes."""
    words: list[str] = []
    targets: list[str] = []
    tokens = iter(_tokens(command))
    for is_word, token in tokens:
        if is_word:
            words.append(token)
        elif "<" in token or ">" in token:
            if words and words[-1].isdigit():
                words.pop()  # the number of a file descriptor
            has_name, name = next(tokens, (False, ""))
            if has_name and _is_output(token, name):
                targets.append(name)
        else:
            yield words, targets
            words, targets = [], []
    yield words, targets


def _is_output(marks: str, name: str) -> bool:
    # A number is a file descriptor, or is compared in $((…)).
    return ">" in marks and not set(marks) & set("<(") and not name.isdigit()


def _tokens(command: str) -> Iterator[tuple[bool, str]]:
    """Words (True) without their quotes, and marks between them; up to a quotation that does not end."""
    at = 0
    while (found := _TOKEN.match(command, at)) is not None:
        at = found.end()
        if (word := found["word"]) is not None:
            yield True, _QUOTED.sub(lambda quoted: quoted[1] or quoted[2] or quoted[3] or "", word)
        elif found["marks"] is not None:
            yield False, found["marks"]


def _without_heredocs(command: str) -> str:
    """The command without the text that is given to its programs."""
    kept: list[str] = []
    end = None
    for row in command.replace("\\\n", " ").split("\n"):
        if end is not None:
            end = None if row.strip() == end else end
            continue
        kept.append(row)
        if (begun := _HEREDOC.search(row)) is not None and row[: begun.start()][-1:] != "<":
            end = begun[1]
    return "\n".join(kept)


def _program(words: list[str]) -> tuple[str, list[str]]:
    at = next((at for at, word in enumerate(words) if not (word in _BEFORE_PROGRAM or _ASSIGNED.match(word))), None)
    if at is None:
        return "", []
    program, arguments = posixpath.basename(words[at]), words[at + 1 :]
    if program == "git" and arguments and arguments[0] in _OF_GIT:
        return _OF_GIT[arguments[0]], arguments[1:]
    return program, arguments


def _changed(program: str, arguments: list[str]) -> list[str]:
    if program in _EDITS_IN_PLACE:
        return _edited_in_place(_EDITS_IN_PLACE[program], arguments)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    named = [*(word for word in arguments[:end] if not word.startswith("-")), *arguments[end + 1 :]]
    if program in _CHANGES_ALL:
        return named
    if program in ("mv", "cp") and len(named) > 1:
        *sources, target = named
        return [*(sources if program == "mv" else []), *(_put_at(source, target) for source in sources)]
    return []


def _put_at(source: str, target: str) -> str:
    """Where a moved file is: what has no suffix, where the file has one, is taken for a folder."""
    name = posixpath.basename(source.rstrip("/"))
    is_folder = target.endswith(("/", ".")) or ("." in name and "." not in posixpath.basename(target))
    return posixpath.normpath(posixpath.join(target, name)) if is_folder else target


def _edited_in_place(option: re.Pattern[str], arguments: list[str]) -> list[str]:
    """The files of `sed -i` and `perl -pi`: what is no option, and no script."""
    named: list[str] = []
    in_place = has_script = False
    rest = iter(arguments)
    for word in rest:
        if word.startswith("--"):
            in_place = in_place or word.startswith("--in-place")
            has_script = has_script or word.startswith(("--expression=", "--file="))
        elif word.startswith("-") and len(word) > 1:
            in_place = in_place or option.match(word) is not None
            if word.endswith(("e", "f")):
                has_script = True
                next(rest, None)
        elif word:
            named.append(word)
    return [] if not in_place else named if has_script else named[1:]
