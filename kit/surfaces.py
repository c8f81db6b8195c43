"""Which paths a glob or a leased surface covers, as the bus reads them.

The same rules as `engine.surfaces`, held together by one table of cases in the tests. Nothing here asks a file system.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ALTERNATIVES_MAX = 8
"""How many paths the braces of one surface may stand for, as on the bus. More are read literally."""

_MEANT = str.maketrans({"\u2010": "-", "\u2011": "-"})
"""What looks like the hyphen of keyboards is one, as on the bus."""

WILDCARDS = frozenset("*?{")
_GROUP = re.compile(r"\{([^{}]*,[^{}]*)\}")
_WILD = re.compile(r"""[^\w/.()\[\]'&+= -]|^[('\[-]|['\])]$""")
"""What has a meaning in surfaces, or is refused there. `?` stands for it, as for any one character."""

_ODD = re.compile(
    r"""\.[A-Za-z]\w*[ ] | \.\w*\[ | \.\w+[()\]] | '/' | '[ ] | [/][ ] | [ ]/ | ^[ ] | [ ]$ | ^[+-] | \.\+/ | \[\w-\w
      | [ ]\[[^/]*\d\]$ | [ ] (?= [(&+-] | and[ ] | or[ ] | etc | lines?[ ] | except | excluding | but | (?-i:[a-z]+$) )
      | ^[^/]*[ ] | ^\w+[(=] | ^= | ^\w{1,2}' | ^_.*\.\w+_$ | \+\( | \.\w+-\d+-$ | \.\w+\?\w+=
      | ^([^/]+)/.*[ ]\1/""",
    re.VERBOSE | re.IGNORECASE,
)
"""Where spaces, brackets and quotes could be read as words around a surface and not as part of it."""

_HOST = re.compile(r"^[\w.-]+\.(?:com|org|ht|in|io)(?=/|$)")
"""A folder that could be read as the place of another repository, as in Go's import paths."""

_WILDCARDS_MAX = 16
"""Wildcards that the bus takes in one surface."""


def matches(glob: str, path: str) -> bool:
    """Whether a glob names a path: `*` and `?` within a segment, `**` for any number of segments, braces.

    It takes at most the product of the lengths, whatever the glob is.
    """
    is_plain = path.isascii() and not path.endswith(("/", "."))
    if is_plain and not path.endswith(_endings(glob)):
        return False
    segments = _segments(path)
    return any(_fits(_segments(one), segments) for one in _alternatives(glob))


@lru_cache(maxsize=4096)
def _endings(glob: str) -> tuple[str, ...]:
    """The common ending of the paths of a glob, by alternative. It rules out nearly all files of a large repository."""
    return tuple(re.split("[*?/]", "/".join(_segments(one)))[-1] for one in _alternatives(glob))


def covers(surface: str, path: str) -> bool:
    """Whether a leased surface covers a path: it names the path, or a directory that the path is in."""
    segments = _segments(path)
    if WILDCARDS.isdisjoint(surface):
        literal = _segments(surface)
        return segments[: len(literal)] == literal
    return any(_fits((*_segments(one), "**"), segments) for one in _alternatives(surface))


def as_surface(path: str) -> str:
    """How a file is named in a lease: what has a meaning in surfaces becomes `?`."""
    surface = _WILD.sub("?", unicodedata.normalize("NFC", path))
    if _ODD.search(surface):
        surface = re.sub(r"[ ()\[\]'&+=_-]", "?", surface)
    surface = _HOST.sub(lambda host: host.group().replace(".", "?"), surface)
    return surface if surface.count("?") <= _WILDCARDS_MAX else re.sub(r"\?[^/]*\?", "*", surface)


def has_too_many_alternatives(glob: str) -> bool:
    """Whether the braces of a glob stand for more than `ALTERNATIVES_MAX` paths."""
    return len(tuple(islice(_expanded(glob), ALTERNATIVES_MAX + 1))) > ALTERNATIVES_MAX


@lru_cache(maxsize=4096)
def _alternatives(glob: str) -> tuple[str, ...]:
    glob = glob.replace("\\", "/")  # in paths of git, a backslash is a letter
    found = tuple(islice(_expanded(glob), ALTERNATIVES_MAX + 1))
    return found if len(found) <= ALTERNATIVES_MAX else (glob,)


def _expanded(glob: str) -> Iterator[str]:
    group = _GROUP.search(glob)
    if group is None:
        yield glob
        return
    for choice in group.group(1).split(","):
        yield from _expanded(glob[: group.start()] + choice + glob[group.end() :])


@lru_cache(maxsize=4096)
def _segments(path: str) -> tuple[str, ...]:
    parts = unicodedata.normalize("NFC", path).translate(_MEANT).split("/")
    return tuple(part if part == "**" else re.sub(r"\*+", "*", part) for part in parts if part not in ("", "."))


def _fits(pattern: Sequence[str], path: Sequence[str]) -> bool:
    """Whether segments with `**` name a path: what stands between two `**` is found from left to right.

    It is found by C where it can be, as in a segment: other agents choose surfaces, and the server compares many.
    """
    runs: list[list[str]] = [[]]
    for part in pattern:
        if part == "**":
            runs.append([])
        else:
            runs[-1].append(part)
    first, *others = runs
    if not others:
        return len(first) == len(path) and _are_at(first, path, 0)
    at, end = len(first), len(path) - len(others[-1])
    if at > end or not (_are_at(first, path, 0) and _are_at(others[-1], path, end)):
        return False
    for run in others[:-1]:
        while not _are_at(run, path, at):
            at += 1
            if at + len(run) > end:
                return False
        at += len(run)
    return at <= end


def _are_at(run: list[str], path: Sequence[str], at: int) -> bool:
    there = path[at : at + len(run)]
    return len(there) == len(run) and all(map(_fits_name, run, there))


def _fits_name(part: str, name: str) -> bool:
    """Whether a segment with wildcards names another: what stands between two stars is found from left to right."""
    if part == name:
        return True
    first, *others = part.split("*")
    if not others:
        return len(part) == len(name) and _place(part, name, 0, len(name)) == 0
    at, end = len(first), len(name) - len(others[-1])
    if at > end or _place(first, name, 0, at) < 0 or _place(others[-1], name, end, len(name)) < 0:
        return False
    for run in others[:-1]:
        if (found := _place(run, name, at, end)) < 0:
            return False
        at = found + len(run)
    return True


def _place(run: str, name: str, begin: int, end: int) -> int:
    """Where a run of characters, some of them `?`, is in a part of a name; -1 when it is not there."""
    if "?" not in run:
        return name.find(run, begin, end)
    found = _as_pattern(run).search(name, begin, end)
    return -1 if found is None else found.start()


@lru_cache(maxsize=4096)
def _as_pattern(run: str) -> re.Pattern[str]:
    return re.compile(".".join(map(re.escape, run.split("?"))), re.DOTALL)
