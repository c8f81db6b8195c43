"""Surfaces: what a lease names, and whether two of them have something in common.

A surface is a path or a glob, relative to the repository's root. It covers every path that it matches, and everything
below; `engine.globs` says what wildcards mean. Braces hold alternatives (`*.{ts,tsx}`), letter case counts. A surface
such as `port:3000` names something that is not in the repository; it meets only surfaces of the same `port:`, and may
be a range (`engine.ranges`).

`parse` reads what people and agents write (`engine.surface_text`). It gives the one spelling that is stored and shown,
or says what is wrong. No file system is asked: `..` is resolved by its letters.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, product, takewhile

from engine import globs, ranges, surface_text
from engine.names import says_nothing, unseen
from engine.refusals import Refusal, invalid
from engine.surface_text import NO_NAMESPACE, OR_ANY, RELATIVE

Stem = tuple[str, ...]

ROOT = "."
"""The whole repository."""

LENGTH_MAX = 200

ALTERNATIVES_MAX = 8
"""How many paths the braces of one surface may stand for. Each is compared with each of another surface."""

WILDCARDS_MAX = 16
"""Wildcards of a surface, of all its alternatives together: far more than people write."""

_LAYERS_MAX = 8
"""Marks around a path that are taken off, one layer after the other: a hundred would take milliseconds."""

_PARSED_MAX = 4096
"""How many surfaces are kept ready to be compared: more than a busy project has leases."""

_EVERYTHING_BELOW = "/**"

_ELLIPSIS = re.compile(r"^(?:\.{3,}|…)$")  # as Go writes "everything below", and people "and so on"
_LINE_ENDS = re.compile(r"[\r\n]")
_NAMESPACE = re.compile(rf"(?!{NO_NAMESPACE}:)([a-z][a-z0-9_-]+:)\s*(?!//|:)(?=\S)")
_GROUP = re.compile(r"\{([^{}]*,[^{}]*)\}")
_SPACES_IN_GROUP = re.compile(r"(?<=[{,]) +| +(?=[,}])")


@lru_cache(maxsize=_PARSED_MAX)
def parse(text: str) -> str | Refusal:
    """The one spelling of a surface, or what is wrong with it; what was parsed is its own spelling."""
    surface = _read(text)
    for _ in range(_LAYERS_MAX):
        if isinstance(surface, Refusal) or (again := _read(surface)) == surface:
            return surface
        surface = again  # what was at its end was hidden by what has been taken off
    return _refused(text, f"write it without marks around it {OR_ANY}")


def _read(text: str) -> str | Refusal:
    written = surface_text.unwrapped(text)
    if not written:
        return invalid(f"a surface must not be empty: {RELATIVE}, or '.' for the whole repository.")
    if says_nothing(written):
        return invalid(f"a surface must be a name, not the word {written} {OR_ANY}: {RELATIVE}.")
    if (character := unseen(_LINE_ENDS.sub("", written))) is not None:
        return invalid(f"the surface contains {character}, which a reader cannot see: leave it out {OR_ANY}.")
    if (remedy := surface_text.fault(written)) is not None:
        return _refused(written, remedy)
    if (named := _NAMESPACE.match(written)) is not None:
        return _named(named[1], written[named.end() :].strip("'\"`“”"))
    return _path(_SPACES_IN_GROUP.sub("", surface_text.without_place(written).replace("\\", "/")))


def _path(written: str) -> str | Refusal:
    choices = list(islice(_alternatives(written), ALTERNATIVES_MAX + 1))
    if len(choices) > ALTERNATIVES_MAX:
        return _refused(written, f"braces may stand for at most {ALTERNATIVES_MAX} paths: name them more broadly")
    for alternative in choices:
        if not _is_root(alternative) and (remedy := surface_text.fault_of_alternative(alternative)) is not None:
            return _refused(written, remedy)
    surface = _resolved(written)
    if surface is None or (len(choices) > 1 and ".." in written.split("/")):
        return _refused(written, "write it without '..', and inside the repository")
    if wildcards(surface) > WILDCARDS_MAX:
        return _refused(written, f"a surface has at most {WILDCARDS_MAX} wildcards: name it more broadly with '**'")
    return surface if len(surface) <= LENGTH_MAX else _refused(written, "name it more broadly: it is too long")


def _named(namespace: str, value: str) -> str | Refusal:
    """Something outside the repository: `value` is a name, or several that lead from one to the next."""
    if (remedy := surface_text.fault_of_named(namespace, value)) is not None:
        return _refused(namespace + value, remedy)
    return namespace + "/".join(name for part in value.split("/") if (name := part.strip()))


def overlap(a: str, b: str) -> bool:
    """Whether something is covered by both of these parsed surfaces. Microseconds, milliseconds at the bounds."""
    if a == b:
        return True
    (namespace, paths), (other_namespace, other_paths) = _paths(a), _paths(b)
    return namespace == other_namespace and any(
        globs.cover_one_path(path, other) or (namespace != "" and ranges.share_a_value(path, other))
        for path, other in product(paths, other_paths)
    )


def alternatives(surface: str) -> int:
    """How many paths a parsed surface stands for."""
    return len(_paths(surface)[1])


def names(surface: str) -> frozenset[str]:
    """The names in all paths of a parsed surface, but for `**`."""
    return frozenset(name for path in _paths(surface)[1] for name in path if name != globs.ANY_PATH)


def namespace(surface: str) -> str:
    """The kind of a parsed surface, such as `port:`; empty for a path of the repository."""
    return _paths(surface)[0]


@lru_cache(maxsize=_PARSED_MAX)
def stems(surface: str) -> frozenset[Stem]:
    """The common beginning of the paths of a parsed surface, up to their first wildcard or range.

    A namespace counts as the first name. Two surfaces overlap only if a stem of one is the beginning of a stem of the
    other.
    """
    namespace, paths = _paths(surface)
    if not namespace:
        return frozenset(tuple(takewhile(_is_one_name, path)) for path in paths)
    return frozenset(
        (namespace, *takewhile(lambda name: _is_one_name(name) and not ranges.is_range(name), path)) for path in paths
    )


def wildcards(surface: str) -> int:
    """How many wildcards the alternatives of a parsed surface have in all."""
    return sum(globs.wildcards(segment) for path in _paths(surface)[1] for segment in path)


def meaning(surface: str) -> str:
    """A key that all spellings of one surface share: `src`, `src/` and `src/**` are `src`."""
    shorter = surface.removesuffix(_EVERYTHING_BELOW)
    return ROOT if shorter == globs.ANY_PATH else shorter


def _is_one_name(segment: str) -> bool:
    return not globs.is_glob(segment)


def _alternatives(written: str) -> Iterator[str]:
    """The alternatives of the braces, as in every shell: the innermost group with a comma is replaced first."""
    group = _GROUP.search(written)
    if group is None:
        yield written
        return
    for choice in group[1].split(","):
        yield from _alternatives(written[: group.start()] + choice + written[group.end() :])


def _resolved(written: str) -> str | None:
    """The path without segments that say nothing; None when it leaves the repository, or may leave it."""
    segments: list[str] = []
    for segment in written.split("/"):
        name = globs.ANY_PATH if _ELLIPSIS.match(segment.strip()) else segment.strip()
        if name == "..":
            if not segments or segments.pop() == globs.ANY_PATH:
                return None
        elif name not in {"", "."} and not (name == globs.ANY_PATH and segments[-1:] == [name]):
            segments.append(name)
    if segments:
        segments[-1] = segments[-1].rstrip(". \u2026")
        if written.endswith("/") and globs.names_file(segments[-1]):
            segments.append(globs.ANY_PATH)
    return "/".join(segments) or ROOT


def _is_root(alternative: str) -> bool:
    return alternative.strip("/") in {"", "*", globs.ANY_PATH}


@lru_cache(maxsize=_PARSED_MAX)
def _paths(surface: str) -> tuple[str, tuple[tuple[str, ...], ...]]:
    """A parsed surface as its namespace (empty for the repository) and the segments of each path it stands for."""
    named = _NAMESPACE.match(surface)
    namespace, paths = (named[1], surface[named.end() :]) if named else ("", surface)
    choices = list(islice(_alternatives(paths), ALTERNATIVES_MAX + 1))
    if len(choices) > ALTERNATIVES_MAX:  # of a ledger that was written when braces meant themselves
        choices = [paths]
    return namespace, tuple(globs.segments(path) for path in choices)


def _refused(written: str, remedy: str) -> Refusal:
    return invalid(f"'{written}' is not a surface that others can meet: {remedy}.")
