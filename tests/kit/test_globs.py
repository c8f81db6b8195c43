"""The hook reads globs as the bus reads surfaces."""

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from engine import surfaces
from engine.names import says_nothing
from engine.surfaces import overlap, parse
from kit.surfaces import ALTERNATIVES_MAX, as_surface, covers, matches
from tests.surface_cases import APART, MEETING

NAMES = st.text("ab[é\u0301", min_size=1, max_size=3)
PARTS = st.one_of(NAMES, st.just("**"), st.text("ab*?[", min_size=1, max_size=4))


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("docs/decisions/*.md", "docs/decisions/0001-x.md", True),
        ("docs/decisions/*.md", "docs/decisions/old/0001-x.md", False),
        ("**/migrations/*.sql", "migrations/1.sql", True),
        ("**/migrations/*.sql", "a/b/migrations/1.sql", True),
        ("./docs/**", "docs", True),
        ("app/[id]/?.ts", "app/[id]/x.ts", True),
        ("app/[id]/?.ts", "app/i/x.ts", False),
        ("a**b/c", "a/b/c", False),
        ("docs/*.md", "docs/a\\b.md", True),
        ("docs\\*.md", "docs/a.md", True),
    ],
)
def test_a_glob_covers_what_it_says(glob: str, path: str, *, fits: bool) -> None:
    assert matches(glob, path) is fits


@pytest.mark.parametrize("path", ["docs/x", "a/docs/x.mdx", "a/docs/x.tx", "x.md.bak"])
def test_a_path_with_another_ending_is_not_looked_at_further(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("kit.surfaces._fits")
    assert not matches("**/docs/*.{md,txt}", path)


@given(
    st.text("ab./*?{},\\é", max_size=12), st.text("ab./\\,é", max_size=8).map(lambda path: path.replace("é", "e\u0301"))
)
def test_the_look_at_the_ending_changes_no_answer(glob: str, path: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        answer = matches(glob, path)
        patched.setattr("kit.surfaces._endings", lambda _: ("",))
        assert matches(glob, path) is answer


@given(st.lists(PARTS, min_size=1, max_size=4).map("/".join), st.lists(NAMES, min_size=1, max_size=5).map("/".join))
def test_what_a_glob_covers_for_the_hook_it_covers_for_the_bus(glob: str, path: str) -> None:
    surface, file = parse(glob), parse(path)
    if matches(glob, path) and isinstance(surface, str) and isinstance(file, str):
        assert overlap(surface, file)


def test_braces_stand_for_as_many_paths_as_on_the_bus() -> None:
    assert ALTERNATIVES_MAX == surfaces.ALTERNATIVES_MAX


def test_no_glob_takes_long() -> None:
    # A pattern that lets a backtracking matcher try 2**100 ways ends at once, or this test does not.
    assert not matches("*a" * 60 + "/" + "**/" * 30 + "b", "a" * 150 + "/a" * 40)


def is_file_name(surface: str) -> bool:
    """Whether a surface of the shared table names one file, which has nothing below it."""
    return re.search(r"\.[a-z]+$", surface) is not None and not any(wild in surface for wild in "*?{:")


@pytest.mark.parametrize(("surface", "path"), [pair for pair in MEETING if is_file_name(pair[1])])
def test_a_leased_surface_covers_the_files_that_the_bus_says_it_meets(surface: str, path: str) -> None:
    read = parse(surface)
    assert isinstance(read, str)
    assert covers(read, path)


@pytest.mark.parametrize(("surface", "path"), [pair for pair in APART if is_file_name(pair[1])])
def test_a_leased_surface_covers_no_file_that_the_bus_says_it_misses(surface: str, path: str) -> None:
    read = parse(surface)
    assert isinstance(read, str)
    assert not covers(read, path)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "src/a.py:10",
            "docs/{a,b}.md",
            "app/[id]/page.tsx",
            "a, b.py",
            "@scope/~x$%20",
            "src/[a-z].py",
            "src/[!a].py",
        ),
        *("docs/report.final (copy).pdf", "docs/v.x - draft", "docs/a.md and others", "src/a|b.py", "src/<T>.cs"),
        *('src/"a".py', "(a/b.py)", "src/a.x[jt]s", "the file/a.py", "src/my src/a.py", "a and b", "M a.py", "?" * 30),
        *("src/a.ts(10)", "src/a.py L10", "src/a.py line:10", "docs/my line10"),
        *(
            "edit src/a.py",
            "Working on/a.py",
            "A  a.py",
            "UU a/b.py",
            "docs/a.md [new]",
            "a.py\u2026",
            "\u2514\u2500 a.py",
        ),
        *("1) a/b.py", "cat a/b.py", "\u2713 a.py", "_a/b.py_", "r'x/a.py", "==a.py==", "src/a.py-10-", "src/x.py?y=1"),
        *(
            "gopkg.in/yaml.v3/a.go",
            "f(x)/a.py",
            "x/y only",
            "x/+(a).py",
            "a except b/c",
            "-x/a.py",
            "[x] a.py",
            "a in b/c.py",
            "src/a\\b.py",
            "docs/\\.md",
        ),
    ],
)
def test_whatever_a_file_is_called_its_lease_is_granted_and_covers_it(path: str) -> None:
    surface = parse(as_surface(path))
    assert isinstance(surface, str)
    assert covers(surface, path)


ODD_NAMES = st.lists(
    st.sampled_from(
        [
            *"ab./ '()[]{}-+=&#@!:,~^$",
            "src/",
            "a.py",
            "the ",
            "file ",
            "1. ",
            "\u2713 ",
            "github.com/",
            "\\",
            " only",
            "edit ",
            "adding on ",
            "A  ",
            " and ",
            " lines 3",
            "[ab]",
            "..",
            "\u2192",
            "cafe\u0301",
        ]
    ),
    min_size=1,
    max_size=8,
).map("".join)


@given(ODD_NAMES)
def test_a_file_of_any_letters_is_covered_by_its_lease(written: str) -> None:
    names = [name for name in written.split("/") if name.strip(". ") == name != ""]
    path = "/".join(names)
    assume(path and not says_nothing(path))
    surface = parse(as_surface(path))
    assert isinstance(surface, str), surface
    assert covers(surface, path)
