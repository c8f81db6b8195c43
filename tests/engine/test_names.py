"""What makes two names the same, and what no reader can see."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.fields import is_visible
from engine.names import is_blank, is_text, likeness, mixes_scripts, tidied, unseen
from engine.terms import Note, Prefix


@pytest.mark.parametrize("typed", ["backend", " backend", "backend\n", "\tbackend ", "\u00a0backend"])
def test_space_around_a_name_does_not_count(typed: str) -> None:
    assert tidied(typed) == "backend"


def test_a_name_has_one_spelling_of_its_accents() -> None:
    assert tidied("cafe\u0301") == "caf\u00e9"


@pytest.mark.parametrize("hyphen", ["-", "\u2010", "\u2011"])
def test_a_name_has_the_hyphen_of_keyboards(hyphen: str) -> None:
    assert tidied(f"front{hyphen}end") == "front-end"


def test_accents_without_end_are_left_in_their_order() -> None:
    marks = "\u0301\u0316"  # in the other order once normalized
    assert tidied(f"a{marks}") != f"a{marks}"
    assert tidied(f" a{marks * 1_000}") == f"a{marks * 1_000}"


@pytest.mark.parametrize(
    ("name", "character"),
    [
        ("back\u200bend", "U+200B"),
        ("\u202eback", "U+202E"),
        ("back\x1b[31m", "U+001B"),
        ("back\nend", "U+000A"),
        ("back\u00a0end", "U+00A0"),
        ("back\u3164", "U+3164"),
        ("back\u2800", "U+2800"),
        ("back\ufe0f", "U+FE0F"),
        ("back\ud800", "U+D800"),
        ("back end", None),
        ("\u6771\u4eac \u0442\u0435\u0441\u0442 caf\u00e9 \u2713", None),
    ],
)
def test_what_a_reader_cannot_see_is_named(name: str, character: str | None) -> None:
    assert unseen(name) == character


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Web", "web"),
        ("caf\u00e9", "CAFE\u0301"),
        ("\uff37eb", "web"),
        ("\u212aate", "kate"),
        ("stra\u00dfe", "STRASSE"),
        ("@api", "api"),
        (" \uff20 @Api ", "api"),
        ("front\u2011end", "Front-end"),
    ],
)
def test_labels_that_look_the_same_are_alike(a: str, b: str) -> None:
    assert likeness(a) == likeness(b)


@given(st.text())
def test_a_likeness_is_like_itself(label: str) -> None:
    assert likeness(likeness(label)) == likeness(label)


@pytest.mark.parametrize(
    ("label", "mixes"),
    [
        ("web-2", False),
        ("caf\u00e9 \u2713", False),
        ("\u0432\u0435\u0431", False),
        ("w\u0435b", True),  # a Cyrillic e
        ("\u03bfwner", True),  # a Greek o
        ("web \u6771\u4eac\u30bf\u30ef\u30fc", False),
        ("web \ud55c\uad6d", False),
        ("\u0561bc", True),  # Armenian
    ],
)
def test_only_scripts_that_are_written_together_may_meet_in_a_label(label: str, mixes: bool) -> None:
    assert mixes_scripts(label) is mixes


@pytest.mark.parametrize(
    ("text", "blank"), [(" ", True), ("\u200b\ufeff\n", True), ("\u200bx", False), ("\U0001f680", False)]
)
def test_a_text_is_blank_when_a_reader_sees_nothing(text: str, blank: bool) -> None:
    assert is_blank(text) == blank


def test_a_reader_sees_all_of_a_prefix() -> None:
    assert is_visible(Prefix)
    assert not is_visible(Note)


def test_a_text_is_what_the_ledger_can_hold() -> None:
    assert all(map(is_text, ("", "a b", "a\tb\r\n", "caf\u00e9 \U0001f600", "\x1b[31mred", "\x07\x0c\x7f")))
    assert not any(map(is_text, ("\0", "a\0b", "\ud800", "\udfffa")))
