"""What a field means is read from the field, whatever its type is made of."""

from typing import Annotated, Any, get_type_hints

import pytest
from msgspec import Meta

from engine import fields, terms
from engine.fields import Shown, described, hint, is_shown
from engine.ledger import QueryEvents
from engine.sequences import Claim, SeedSequence

Named = Annotated[str, Meta(pattern="x", description="A name.", extra={"hint": "be an x"})]


@pytest.mark.parametrize(
    ("annotation", "description"),
    [
        (str, None),
        (Named, "A name."),
        (Named | None, "A name."),
        (Annotated[Named, Meta(description="Another name.")], "Another name."),
        (Annotated[Named | None, Meta(description="Another name.")], "Another name."),
        (Annotated[Named | None, Meta(extra={"shown": True})], "A name."),
        (Annotated[str, "not ours"], None),
        (terms.TaskIds, "Tasks that must ship before this one can start."),
    ],
)
def test_the_outermost_description_counts(annotation: Any, description: str | None) -> None:
    assert described(annotation) == description


def test_a_hint_is_found_through_null_and_other_metadata() -> None:
    assert hint(Annotated[Named | None, Meta(description="d")]) == "be an x"
    assert hint(str) is None


def test_only_the_mark_shows_a_field() -> None:
    data: Any = Shown
    assert is_shown(data[str | None])
    assert not is_shown(Named)


def test_a_name_says_that_it_is_one() -> None:
    assert fields.is_name(terms.Lane)
    assert not fields.is_name(Named)


def test_a_text_that_must_be_visible_says_so() -> None:
    assert fields.is_visible(terms.Prefix)
    assert not fields.is_visible(Named)


def test_what_only_hooks_send_says_that_clients_are_not_told_of_it() -> None:
    assert fields.is_hidden(terms.Maker)
    assert fields.is_hidden(terms.After | None)
    assert not fields.is_hidden(terms.Before)


def test_a_time_that_ends_something_says_so() -> None:
    of = get_type_hints(QueryEvents, include_extras=True)
    assert fields.is_end(of["until"])
    assert not fields.is_end(of["since"])


def test_a_number_that_may_be_meant_as_0_says_so() -> None:
    of = get_type_hints(SeedSequence, include_extras=True)
    assert fields.has_zero(of["current"])
    assert not fields.has_zero(get_type_hints(Claim, include_extras=True)["sequence"])
