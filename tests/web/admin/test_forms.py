"""Forms: what was typed becomes arguments, or a sentence beside the field and nothing lost."""

from datetime import UTC, datetime

import pytest
from msgspec import Struct

from engine import terms
from store.errors import InvalidName, NameTaken
from web.admin.forms import blank, read
from web.mcp.identity_tools import CreateInvite


class Everything(Struct, frozen=True, kw_only=True):
    lane: terms.Lane
    window: terms.WindowSeconds = 900
    kind: terms.LeaseMode | None = None
    since: datetime | None = None
    is_admin: bool = False
    title: terms.Title = "First"
    prefix: terms.Prefix = ""


def test_what_makes_sense_becomes_arguments() -> None:
    form = read(
        Everything,
        {
            "lane": " docs ",
            "window": "60",
            "kind": "shared",
            "since": "2026-01-31T12:00",
            "is_admin": "true",
            "csrf": "x",
        },
    )
    assert form.fields == Everything(
        lane="docs", window=60, kind="shared", since=datetime(2026, 1, 31, 12, tzinfo=UTC), is_admin=True
    )
    assert form.wrong == {}


def test_a_name_has_the_one_spelling_that_agents_give_it() -> None:
    form = read(Everything, {"lane": "cafe\u0301", "title": "cafe\u0301"})
    assert form.fields == Everything(lane="caf\u00e9", title="cafe\u0301")


def test_what_is_blank_is_not_given() -> None:
    form = read(Everything, {"lane": "docs", "window": " ", "since": "", "is_admin": ""})
    assert form.fields == Everything(lane="docs")


@pytest.mark.parametrize(
    ("text", "ticked"), [("on", True), ("True", True), ("false", False), ("0", False), ("off", False)]
)
def test_a_box_is_ticked_when_it_says_so(text: str, ticked: bool) -> None:
    assert read(Everything, {"lane": "docs", "is_admin": text}).fields == Everything(lane="docs", is_admin=ticked)


def test_a_word_that_means_nothing_elsewhere_is_a_word_here() -> None:
    assert read(Everything, {"lane": "null"}).fields == Everything(lane="null")


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("lane", "  ", "This cannot be left empty."),
        ("lane", "x" * 65, "This must have at most 64 characters."),
        ("lane", "a\0b", "This must be one line of text."),
        ("lane", "a\nb", "This must be one line of text."),
        ("lane", "\ud800", "This must be one line of text."),
        ("lane", "docs\u200b", "This must not contain U+200B, which a reader cannot see."),
        ("lane", "\u202edocs", "This must not contain U+202E, which a reader cannot see."),
        ("prefix", "ADR\u2060-", "This must not contain U+2060, which a reader cannot see."),
        ("title", "\u200b \u2800", "This must not be blank."),
        ("is_admin", "no-lead", "This must be ticked or not."),
        ("is_admin", "\0", "This must be ticked or not."),
        ("window", "0", "This must be at least 1."),
        ("window", "many", "This must be a whole number."),
        ("since", "yesterday", "This must be a time such as 2026-01-31T12:00."),
        ("since", "0001-01-01T00:00+14:00", "This must be a time such as 2026-01-31T12:00."),
    ],
)
def test_what_makes_no_sense_is_told_beside_its_field_and_stays_as_it_was_typed(
    field: str, text: str, sentence: str
) -> None:
    form = read(Everything, {"lane": "docs", "window": "60", field: text})
    assert form.fields is None
    assert form.wrong == {field: sentence}
    assert form.typed[field] == text
    assert form.typed["window"] == (text if field == "window" else "60")


def test_bytes_that_are_no_text_make_no_name() -> None:
    undecoded = b"\xff".decode(errors="replace")
    assert read(Everything, {"lane": undecoded}).wrong == {"lane": "This must be one line of text."}


def test_the_bounds_are_those_of_the_tools() -> None:
    form = read(CreateInvite, {"participant_name": "a/b", "uses": "51", "ttl_hours": "169", "kind": "robot"})
    assert form.wrong == {
        "participant_name": "This must be a name without '/'.",
        "uses": "This must be at most 50.",
        "ttl_hours": "This must be at most 168.",
        "kind": "This must be one of: agent, human.",
    }


def test_the_store_names_the_field_or_the_page_does() -> None:
    form = blank(slug="docs", name=None)
    assert form.refuse(NameTaken("taken.", field="slug"), "name") == 409
    assert form.refuse(InvalidName("no label here.", field="label"), "name") == 400
    assert form.wrong == {"slug": "taken.", "name": "no label here."}
    assert form.typed == {"slug": "docs", "name": ""}
