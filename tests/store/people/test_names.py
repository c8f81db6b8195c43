"""Which names can be one, and how handles and labels come from an email."""

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import InvalidName
from store.people.names import (
    _PLACEHOLDER,
    checked_email,
    checked_label,
    checked_lane,
    checked_slug,
    handles_for,
    is_placeholder,
    labels_for,
)

HANDLE = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])$")


@pytest.mark.parametrize(
    ("email", "handles"),
    [
        ("ann@example.com", ["ann", "ann-2", "ann-3"]),
        ("Ann.Lee+work@example.com", ["ann-lee-work", "ann-lee-work-2", "ann-lee-work-3"]),
        ("..ann..@example.com", ["ann", "ann-2", "ann-3"]),
        ("éa@example.com", ["a-1", "a-2", "a-3"]),
        ("___@example.com", ["owner", "owner-2", "owner-3"]),
        ("a" * 40 + "@example.com", ["a" * 32, "a" * 30 + "-2", "a" * 30 + "-3"]),
        ("a" * 29 + ".bcd@example.com", ["a" * 29 + "-bc", "a" * 29 + "-2", "a" * 29 + "-3"]),
    ],
)
def test_handles_come_from_the_local_part(email: str, handles: list[str]) -> None:
    assert list(islice(handles_for(email), 3)) == handles


@given(st.text())
def test_every_handle_tried_can_be_one_and_is_another(local: str) -> None:
    handles = list(islice(handles_for(f"{local}@example.com"), 12))
    assert all(HANDLE.match(handle) for handle in handles)
    assert len(set(handles)) == len(handles)


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "@example.com",
        "x@evil.com@example.com",
        "ann@",
        "an n@example.com",
        "ann\0@example.com",
        "a" * 251 + "@b.c",
    ],
)
def test_what_is_no_email_is_refused(email: str) -> None:
    with pytest.raises(InvalidName):
        checked_email(email)


@pytest.mark.parametrize(
    "label",
    [
        "",
        "   ",
        "a/b",
        "a" * 65,
        "a\nb",
        "a\x00b",
        "\u200b",
        "a\u200bb",
        "w\u0435b",
        "..",
        ".",
        "a\\b",
        "me",
        "@Self",
        "@",
    ],
)
def test_what_is_no_label_is_refused(label: str) -> None:
    with pytest.raises(InvalidName):
        checked_label(label)


@pytest.mark.parametrize("name", ["null", "None", "(none)", "n/a", "undefined", "-", "NaN"])
def test_a_word_for_having_no_name_is_none(name: str) -> None:
    for check in (checked_label, checked_lane):
        with pytest.raises(InvalidName):
            check(name)


def test_the_word_for_having_no_lane_is_no_lane() -> None:
    with pytest.raises(InvalidName, match="leave it out"):
        checked_lane("(unset)")


@pytest.mark.parametrize("slug", ["", "A", "-a", "a-", "a b", "a/b", "a" * 65, "a\n"])
def test_what_is_no_slug_is_refused(slug: str) -> None:
    with pytest.raises(InvalidName):
        checked_slug(slug)


def test_spaces_around_a_name_do_not_count() -> None:
    assert (checked_email(" ann@example.com "), checked_label(" Ann's agent ")) == ("ann@example.com", "Ann's agent")
    assert checked_slug("a") == "a"
    assert checked_label("cafe\u0301\n") == "caf\u00e9"
    assert [checked_lane(lane) for lane in (" api ", "  ", "", None)] == ["api", None, None, None]


@pytest.mark.parametrize(
    ("email", "labels"),
    [
        ("Eve.Doe@example.com", ["Eve.Doe", "Eve.Doe-2", "Eve.Doe-3"]),
        ("a/b@example.com", ["ab", "ab-2", "ab-3"]),
        ("w\u0435b@example.com", ["guest", "guest-2", "guest-3"]),
        ("/@example.com", ["guest", "guest-2", "guest-3"]),
        ("x" * 70 + "@example.com", ["x" * 64, "x" * 62 + "-2", "x" * 62 + "-3"]),
    ],
)
def test_labels_made_of_an_email(email: str, labels: list[str]) -> None:
    assert list(islice(labels_for(email), 3)) == labels


@pytest.mark.parametrize(
    "name", ["", " ", "<YOUR_NAME>", "<name>", "YOUR-NAME", "your name", "{your_agent_name}", "[Your Name]"]
)
def test_a_placeholder_is_no_name(name: str) -> None:
    assert is_placeholder(name)


@pytest.mark.parametrize("between", ["_", "a_", "a", " -_"])
def test_a_long_name_is_judged_at_once(between: str) -> None:
    """The time grew with the cube of the length: with 4,000 characters nobody was served for a quarter of an hour."""
    assert _PLACEHOLDER.fullmatch("your" + between * 10_000) is None
    assert not is_placeholder("your" + between * 10_000)


@pytest.mark.parametrize("name", ["web", "name", "your", "my name is ann"])
def test_other_words_are_names(name: str) -> None:
    assert not is_placeholder(name)
