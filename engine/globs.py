"""Surfaces: what a lease names, and whether two of them can mean the same path.

A surface is a path or a glob. `normalise` gives it the one spelling that is stored and compared; `overlap` decides
whether some path is matched by both of two normalised surfaces, exactly and in polynomial time. Nothing here touches a
file system: `..` is resolved by its letters, and letter case counts.

Wildcards: `*` is any run of characters within a segment, `?` is one of them, and `**` as a whole segment is any number
of segments, also none, so `a/**` overlaps `a`. Within a longer segment `**` is no more than `*`. No segment of a path
is empty. Brackets and braces mean themselves, because real paths such as `app/[id]/page.tsx` contain them.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence

ROOT = "."
"""The normalised surface that has no segments."""

_ANY_PATH = "**"
_ANY_TEXT = "*"
_ANY_CHARACTER = "?"
_WILDCARD = re.compile(r"\*+|\?")
_STARS = re.compile(r"\*+")
_UNRESOLVABLE = ("..", _ANY_PATH)


def normalise(surface: str) -> str:
    """Give `surface` its one spelling: NFC, `/` only between segments, no `.`, and no `..` that can be resolved.

    A `..` stays where nothing precedes it that it could take away: at the front, and after `**`, which may stand for
    no segment at all. Idempotent.
    """
    segments: list[str] = []
    for segment in unicodedata.normalize("NFC", surface).replace("\\", "/").split("/"):
        if segment in {"", "."}:
            continue
        if segment == ".." and segments and segments[-1] not in _UNRESOLVABLE:
            segments.pop()
        else:
            segments.append(segment)
    return "/".join(segments) or ROOT


def is_glob(surface: str) -> bool:
    """Whether `surface` can mean more than one path."""
    return _ANY_TEXT in surface or _ANY_CHARACTER in surface


def wildcards(surface: str) -> int:
    """How many wildcards a surface has; stars in a row are one."""
    return len(_WILDCARD.findall(surface))


def overlap(a: str, b: str) -> bool:
    """Whether some path is matched by both of these normalised surfaces.

    Any two surfaces of 200 characters take milliseconds at worst, those with few wildcards take microseconds.
    """
    if a == b:
        return True
    if not (is_glob(a) or is_glob(b)):
        return False
    head_a, head_b = a.partition("/")[0], b.partition("/")[0]
    if head_a != head_b and not (is_glob(head_a) or is_glob(head_b)):
        return False
    return _paths_meet(_segments(a), _segments(b))


def _segments(surface: str) -> list[str]:
    """The segments of a normalised surface, its runs of wildcards reduced to what they mean."""
    segments: list[str] = []
    for segment in () if surface == ROOT else surface.split("/"):
        if segment != _ANY_PATH:
            segments.append(_STARS.sub(_ANY_TEXT, segment))
        elif segments[-1:] != [_ANY_PATH]:
            segments.append(segment)
    return segments


def _paths_meet(a: Sequence[str], b: Sequence[str]) -> bool:
    # Each pair of names is compared once, however often the surfaces repeat them, and not at all without a wildcard.
    places: dict[str, int] = {}
    for j, name in enumerate(b):
        places[name] = places.get(name, 0) | 1 << j
    names = [name for name in places if name != _ANY_PATH]
    globs = [name for name in names if is_glob(name)]
    met: dict[str, int] = {}

    def meeting(segment: str) -> int:
        others = names if is_glob(segment) else {*globs, segment} & places.keys()
        return sum(places[name] for name in others if _texts_meet(segment, name))

    def partners(segment: str, candidates: int) -> int:
        if segment not in met:
            met[segment] = meeting(segment)
        return candidates & met[segment]

    return _meet(a, b, _ANY_PATH, partners)


def _texts_meet(a: str, b: str) -> bool:
    """Whether two segments, neither of them `**`, can spell the same name.

    That the name is not empty needs no care: only `*` could be empty, and two of them agree on any other name too.
    """
    if a == b or _ANY_TEXT in {a, b}:
        return True
    places: dict[str, int] = {}
    for j, character in enumerate(b):
        places[character] = places.get(character, 0) | 1 << j
    anything = places.get(_ANY_CHARACTER, 0)

    def partners(character: str, candidates: int) -> int:
        return candidates if character == _ANY_CHARACTER else candidates & (places.get(character, 0) | anything)

    return _meet(a, b, _ANY_TEXT, partners)


def _meet(a: Sequence[str], b: Sequence[str], wild: str, partners: Callable[[str, int], int]) -> bool:
    """Whether two patterns have a match in common: the product of their automata, one item of `a` at a time.

    Bit `j` of `reached` says that the items of `a` so far and the first `j` of `b` have a match in common. `wild` means
    any number of items, also none, and never follows itself. Of the items of `b` whose bits are set in its second
    argument, `partners` returns those that can be the same as its first; `wild` is never asked about.
    """
    end = 1 << len(b)
    wilds = sum(1 << j for j, item in enumerate(b) if item == wild)
    reached = 1 | (1 & wilds) << 1
    for item in a:
        if item == wild:
            # It takes in any further items of b: everything from the lowest bit up to the end.
            reached = (end << 1) - (reached & -reached)
        else:
            reached = (reached & wilds) | partners(item, reached & ~wilds & (end - 1)) << 1
            reached |= (reached & wilds) << 1
        if not reached:
            return False
    return bool(reached & end)
