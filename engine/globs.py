"""Globs: whether two sequences of segments, each with or without wildcards, can be the same path.

`*` is any run of characters within a segment, `?` is one of them, and `**` as a whole segment is any number of
segments, also none. Within a longer segment `**` is no more than `*`. No segment of a path is empty. Everything else,
brackets too, means itself: `app/[id]/page.tsx` is a file that exists. The answer is exact and takes polynomial time.
"""

import re
from collections.abc import Callable, Sequence

ANY_PATH = "**"
_ANY_TEXT = "*"
_ANY_CHARACTER = "?"
_WILDCARD = re.compile(r"\*+|\?")
_EXTENSION = re.compile(r".\.[A-Za-z*?][\w*?+-]*$")
_STARS = re.compile(r"\*+")


def is_glob(text: str) -> bool:
    """Whether `text` can mean more than one name."""
    return _ANY_TEXT in text or _ANY_CHARACTER in text


def wildcards(text: str) -> int:
    """How many wildcards a text has; stars in a row are one."""
    return len(_WILDCARD.findall(text))


def segments(path: str) -> tuple[str, ...]:
    """The segments of a path, its runs of wildcards reduced to what they mean; empty ones and `.` are none."""
    found: list[str] = []
    for segment in path.split("/"):
        if segment in {"", "."} or (segment == ANY_PATH and found[-1:] == [ANY_PATH]):
            continue
        found.append(segment if segment == ANY_PATH else _STARS.sub(_ANY_TEXT, segment))
    return tuple(found)


def names_file(segment: str) -> bool:
    """Whether a path's last segment has an extension, as files have, and directories hardly ever."""
    return _EXTENSION.search(segment) is not None


def cover_one_path(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether some path is covered by both: matched by them, or below one that is.

    Without wildcards that is said by the segments alone. With them, a name with an extension has nothing below it, or
    `**/*.sql` would have something in common with every file.
    """
    for n, (mine, yours) in enumerate(zip(a, b, strict=False)):
        if is_glob(mine) or is_glob(yours):
            return _paths_meet(_with_below(a[n:]), _with_below(b[n:]))
        if mine != yours:
            return False
    return True


def _with_below(path: Sequence[str]) -> Sequence[str]:
    return path if path[-1] == ANY_PATH or names_file(path[-1]) else (*path, ANY_PATH)


def _paths_meet(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two paths can be the same.

    Two that both have `**` can whenever their ends can: whatever else one demands in its middle goes where the other
    has `**`. The same holds for texts with `*`.
    """
    if ANY_PATH in a and ANY_PATH in b:
        return _ends_meet(a, b) and _ends_meet(a[::-1], b[::-1])
    if ANY_PATH not in a and ANY_PATH not in b:
        return len(a) == len(b) and all(map(texts_meet, a, b))
    wild, fixed = (a, b) if ANY_PATH in a else (b, a)
    if wild.count(ANY_PATH) == 1:
        return len(fixed) >= len(wild) - 1 and _ends_meet(wild, fixed) and _ends_meet(wild[::-1], fixed[::-1])
    # Each pair of names is compared once, however often the surfaces repeat them, and not at all without a wildcard.
    places: dict[str, int] = {}
    for j, name in enumerate(b):
        places[name] = places.get(name, 0) | 1 << j
    names = [name for name in places if name != ANY_PATH]
    globs = [name for name in names if is_glob(name)]
    met: dict[str, int] = {}

    def meeting(segment: str) -> int:
        others = names if is_glob(segment) else {*globs, segment} & places.keys()
        return sum(places[name] for name in others if texts_meet(segment, name))

    def partners(segment: str, candidates: int) -> int:
        if segment not in met:
            met[segment] = meeting(segment)
        return candidates & met[segment]

    return _meet(a, b, ANY_PATH, partners)


def texts_meet(a: str, b: str) -> bool:
    """Whether two segments, neither of them `**`, can spell the same name.

    That the name is not empty needs no care: only `*` could be empty, and two of them agree on any other name too.
    """
    if a == b or _ANY_TEXT in {a, b}:
        return True
    if _ANY_TEXT in a and _ANY_TEXT in b:
        return _alike(a.partition(_ANY_TEXT)[0], b.partition(_ANY_TEXT)[0]) and _alike(
            a.rpartition(_ANY_TEXT)[2][::-1], b.rpartition(_ANY_TEXT)[2][::-1]
        )
    if _ANY_TEXT not in a and _ANY_TEXT not in b:
        return len(a) == len(b) and _alike(a, b)
    if _ANY_CHARACTER not in a and _ANY_CHARACTER not in b:
        return _matches(a, b) if _ANY_TEXT in a else _matches(b, a)
    places: dict[str, int] = {}
    for j, character in enumerate(b):
        places[character] = places.get(character, 0) | 1 << j
    anything = places.get(_ANY_CHARACTER, 0)

    def partners(character: str, candidates: int) -> int:
        return candidates if character == _ANY_CHARACTER else candidates & (places.get(character, 0) | anything)

    return _meet(a, b, _ANY_TEXT, partners)


def _ends_meet(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two paths agree up to where either has its first `**`."""
    for mine, yours in zip(a, b, strict=False):
        if ANY_PATH in {mine, yours}:
            break
        if not texts_meet(mine, yours):
            return False
    return True


def _matches(pattern: str, text: str) -> bool:
    """Whether a pattern with `*` and no `?` matches a text that has neither."""
    first, *middle, last = pattern.split(_ANY_TEXT)
    end = len(text) - len(last)
    if end < len(first) or not (text.startswith(first) and text.endswith(last)):
        return False
    place = len(first)
    for piece in middle:
        place = text.find(piece, place, end)
        if place < 0:
            return False
        place += len(piece)
    return True


def _alike(a: str, b: str) -> bool:
    """Whether two texts without `*` agree as far as the shorter one goes."""
    length = min(len(a), len(b))
    if a[:length] == b[:length]:
        return True
    if _ANY_CHARACTER not in a and _ANY_CHARACTER not in b:
        return False
    return all(mine == yours or _ANY_CHARACTER in {mine, yours} for mine, yours in zip(a, b, strict=False))


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
