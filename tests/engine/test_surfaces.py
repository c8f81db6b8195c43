"""Surfaces by a table of cases, and against the dullest matcher there is: enumerate every short path and look."""

import itertools
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import globs
from engine.globs import is_glob
from engine.refusals import Refusal
from engine.surfaces import ROOT, meaning, overlap, parse, stems, wildcards
from tests.surface_cases import APART, MEETING, READ_AS, REFUSED

LENGTH_MAX = 200
STEPS_MAX = 10 * LENGTH_MAX**2


@pytest.mark.parametrize(("written", "read"), READ_AS.items())
def test_a_surface_has_one_spelling(written: str, read: str) -> None:
    assert parse(written) == read
    assert parse(read) == read


@pytest.mark.parametrize(("written", "word"), REFUSED.items())
def test_a_surface_that_could_meet_nobody_is_refused_with_what_to_do(written: str, word: str) -> None:
    refused = parse(written)
    assert isinstance(refused, Refusal)
    assert refused.code == "invalid"
    assert word in refused.message


ODD = st.text(alphabet="aB./\\*{},:#@~ \n`'\"-[(0\u200b\u0301…", max_size=14)


@given(ODD | st.text(max_size=20))
def test_reading_twice_changes_nothing(written: str) -> None:
    surface = parse(written)
    if isinstance(surface, Refusal):
        assert surface.code == "invalid"
        return
    assert parse(surface) == surface
    assert overlap(surface, surface)
    last = surface.rpartition("/")[2]
    assert overlap(surface, f"{surface}/x") or (globs.is_glob(surface) and globs.names_file(last))
    assert "//" not in surface
    assert surface == surface.strip("/ ")


@given(ODD)
def test_the_spellings_of_a_surface_mean_the_same(written: str) -> None:
    surface = parse(written)
    if isinstance(surface, Refusal) or ":" in surface:
        return
    spellings = f" {surface}\n", f"`{surface}`", f"./{surface}", f"{surface}/", f"{surface}/**", f"./{surface}:10"
    for spelling in spellings:
        again = parse(spelling)
        assert isinstance(again, str), spelling
        assert meaning(again) == meaning(surface), spelling


@pytest.mark.parametrize(
    ("surface", "expected"), [("a/b", False), ("app/[id]/{x}", False), ("a/*", True), ("a?", True), ("**", True)]
)
def test_only_stars_and_question_marks_make_a_glob(surface: str, expected: bool) -> None:
    assert is_glob(surface) is expected


def read(written: str) -> str:
    surface = parse(written)
    assert isinstance(surface, str)
    return surface


@pytest.mark.parametrize(("a", "b"), MEETING)
def test_surfaces_that_share_a_path_overlap(a: str, b: str) -> None:
    assert overlap(read(a), read(b))
    assert overlap(read(b), read(a))


@pytest.mark.parametrize(("a", "b"), APART)
def test_surfaces_that_share_no_path_do_not_overlap(a: str, b: str) -> None:
    assert not overlap(read(a), read(b))
    assert not overlap(read(b), read(a))


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("a/b", {("a", "b")}),
        ("a/b/*.py", {("a", "b")}),
        (".", {()}),
        ("**", {()}),
        ("*/a", {()}),
        ("{a,b}/c", {("a", "c"), ("b", "c")}),
        ("a/{b,c*}", {("a", "b"), ("a",)}),
        ("port:3000", {("port:", "3000")}),
    ],
)
def test_stems_are_what_paths_begin_with(surface: str, expected: set[tuple[str, ...]]) -> None:
    assert stems(surface) == expected


def test_braces_of_an_old_ledger_that_stand_for_too_much_mean_themselves() -> None:
    old = "{a,b}" * 40
    assert overlap(old, f"{old}/x")
    assert not overlap(old, "ab" * 20)


def name_matches(pattern: str, name: str) -> bool:
    """The definition, spelled out by backtracking; shares nothing with the code under test."""
    if not pattern or not name:
        return not name and not pattern.strip("*")
    if pattern[0] == "*":
        return name_matches(pattern[1:], name) or name_matches(pattern, name[1:])
    return pattern[0] in {"?", name[0]} and name_matches(pattern[1:], name[1:])


def path_matches(pattern: list[str], path: tuple[str, ...]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(path_matches(pattern[1:], path[n:]) for n in range(len(path) + 1))
    return bool(path) and name_matches(pattern[0], path[0]) and path_matches(pattern[1:], path[1:])


def covered_paths(surface: str, paths: list[tuple[str, ...]]) -> set[tuple[str, ...]]:
    pattern = [] if surface == ROOT else surface.split("/")
    return {path for path in paths if any(path_matches(pattern, path[:n]) for n in range(len(path) + 1))}


def every(items: list[str], count_max: int) -> list[tuple[str, ...]]:
    return [chosen for n in range(count_max + 1) for chosen in itertools.product(items, repeat=n)]


def assert_decided_as_by_brute_force(surfaces: set[str], paths: list[tuple[str, ...]]) -> None:
    covered = {surface: covered_paths(surface, paths) for surface in surfaces}
    for a, b in itertools.product(surfaces, repeat=2):
        meet = not covered[a].isdisjoint(covered[b])
        assert overlap(a, b) == meet, (a, b)
        pairs = itertools.product(stems(a), stems(b))
        assert not meet or any(one == other[: len(one)] or other == one[: len(other)] for one, other in pairs)


# Two patterns that have a match in common have one that is no longer than what both demand together: anything beyond
# is taken in by wildcards of both and can be left out. So short paths decide about short patterns. No pattern has a
# "c": it stands for all the characters that only a wildcard matches.


def test_names_overlap_exactly_when_some_name_matches_both() -> None:
    patterns = {"".join(letters) for letters in every(["a", "b", "*", "?"], 3)} - {"", "**"}
    names: list[tuple[str, ...]] = [("".join(letters),) for letters in every(["a", "b", "c"], 6)[1:]]
    assert_decided_as_by_brute_force(patterns, names)


def test_paths_overlap_exactly_when_some_path_matches_both() -> None:
    patterns = {"/".join(segments) or ROOT for segments in every(["a", "b", "*", "?", "**"], 3)}
    assert_decided_as_by_brute_force(patterns, every(["a", "b", "c"], 6))


def test_paths_of_longer_names_overlap_exactly_when_some_path_matches_both() -> None:
    patterns = {"/".join(segments) or ROOT for segments in every(["a", "ab", "*", "?", "a*", "*b", "**"], 2)}
    assert_decided_as_by_brute_force(patterns, every(["a", "b", "c", "ab", "ca", "cb"], 4))


@st.composite
def paths_with_two_globs(draw: st.DrawFn) -> tuple[str, str, str]:
    """A path, and two surfaces got from it by putting wildcards in the place of what they match."""
    path = draw(st.lists(st.text(alphabet="abc", min_size=1, max_size=6), min_size=1, max_size=8))

    def blurred(name: str) -> str:
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(name))] * 2)))
        middle = draw(st.sampled_from([name[start:end], "*", "**", "?" * (end - start)]))
        pattern = name[:start] + middle + name[end:]
        return "*" if pattern == "**" else pattern

    def glob() -> str:
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(path))] * 2)))
        middle = draw(st.sampled_from([path[start:end], ["**"], ["**", "**"]]))
        names = [blurred(name) for name in path]
        return "/".join([*names[:start], *middle, *names[end:]]) or ROOT

    return "/".join(path), glob(), glob()


@given(paths_with_two_globs())
def test_globs_that_were_made_from_one_path_overlap(made: tuple[str, str, str]) -> None:
    path, a, b = made
    assert overlap(a, b)
    assert overlap(a, path)
    assert overlap(path, b)


surfaces = st.lists(st.text("ab*?", min_size=1, max_size=4), max_size=8).map(lambda names: "/".join(names) or ROOT)


@given(surfaces, surfaces, surfaces)
def test_braces_cover_what_their_alternatives_cover(a: str, b: str, other: str) -> None:
    if ROOT not in {a, b}:
        assert overlap(f"{{{a},{b}}}", other) == (overlap(a, other) or overlap(b, other))
        assert overlap(f"x/{{{a},{b}}}/y", f"x/{other}/**") == any(
            overlap(f"x/{choice}/y", f"x/{other}/**") for choice in (a, b)
        )


@given(surfaces, surfaces)
def test_overlap_does_not_depend_on_who_came_first(a: str, b: str) -> None:
    assert overlap(a, b) == overlap(b, a)


@given(surfaces)
def test_every_surface_overlaps_itself_and_everything(surface: str) -> None:
    assert overlap(surface, surface)
    assert overlap(surface, "**")


def filled(unit: str, end: str) -> str:
    return unit * ((LENGTH_MAX - len(end)) // len(unit)) + end


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (filled("*a", "b"), filled("*a", "c")),
        (filled("a*", "b"), filled("?*", "c")),
        (filled("?*", "b"), filled("a", "c")),
        (filled("**/", "b"), filled("**/*/", "c")),
        (filled("**/a/", "b"), filled("**/?/", "c")),
        (filled("**/*a*/", "b"), filled("**/a*a/", "c")),
        (filled("*/", "b"), filled("?/", "c")),
    ],
)
def test_the_worst_surfaces_take_a_bounded_number_of_steps(a: str, b: str) -> None:
    assert lines_run(a, b) < STEPS_MAX
    assert lines_run(b, a) < STEPS_MAX


def lines_run(a: str, b: str) -> int:
    """How many lines `overlap(a, b)` executes; work without a bound is cut short."""
    lines = 0

    def count(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        if lines > STEPS_MAX:
            raise AssertionError(f"more than {STEPS_MAX} steps for {a!r} and {b!r}")
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        overlap(a, b)
    finally:
        sys.settrace(before)
    return lines


def test_names_that_come_again_and_again_are_compared_once() -> None:
    a = "**/" + "*a/" * 15 + "a/" * 70 + "b"
    b = "**/" + "a*/" * 15 + "a/" * 70 + "c"
    assert lines_run(a, b) < STEPS_MAX / 100


@pytest.mark.parametrize(
    ("surface", "count"),
    [("a/b", 0), ("**/a*b?", 3), ("a***b", 1), ("??", 2), ("a/**", 1), ("{a,b}*", 2)],
)
def test_wildcards_are_counted_and_stars_in_a_row_are_one(surface: str, count: int) -> None:
    assert wildcards(surface) == count


@pytest.mark.parametrize(
    ("glob", "path", "meet"),
    [
        ("**/a/**/b.x", "a/b.x", True),
        ("**/a/**/b.x", "c/a/c/c/b.x", True),
        ("**/a/**/b.x", "c/c/b.x", False),
        ("**/a*/**/?.x", "c/ab/c/b.x", True),
        ("a/**/c*/**/b.x", "a/b/c/b.x", True),
        ("a/**/c*/**/b.x", "a/b/b.x", False),
        ("a/**/c/**/b.x", "a/*/b.x", True),
        ("a/**/c/**/b.x", "a/?/c*/*.x", True),
        ("a*c.x", "a?c.x", True),
        ("a*c*e.x", "acce.x", True),
        ("a*c*e.x", "abde.x", False),
        ("a*ab.x", "ab.x", False),
    ],
)
def test_several_wildcards_meet_what_has_none_of_their_kind(glob: str, path: str, meet: bool) -> None:
    assert overlap(glob, path) is overlap(path, glob) is meet


def test_quotes_that_a_line_number_hid_are_taken_off_too() -> None:
    assert parse('"a.py":10') == "a.py"
