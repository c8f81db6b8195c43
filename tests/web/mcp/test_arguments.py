"""Arguments become structs, or a sentence that tells what to change."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import Struct

from engine.leases import Lease
from engine.ledger import QueryEvents
from engine.posts import Ack, Post, ReadPosts
from engine.refusals import Refusal
from engine.sequences import Claim, ListSequences, SeedSequence
from engine.tasks import TaskCreate
from web.mcp.arguments import Parser
from web.mcp.identity_tools import Named


def parse(arguments: type[Struct], **given: Any) -> Any:
    return Parser(arguments).parse(given)


@pytest.mark.parametrize(
    ("arguments", "given", "sentence"),
    [
        (Claim, {}, "'sequence' is missing; this tool needs it."),
        (Claim, {"sequence": None}, "'sequence' is missing; this tool needs it."),
        (Claim, {"sequence": 5}, "'sequence' must be text."),
        (Claim, {"sequence": "A b"}, "'sequence' must be 1 to 64 characters of a-z, 0-9, '_' and '-'."),
        (Claim, {"sequence": "adr\n"}, "'sequence' must be 1 to 64 characters of a-z, 0-9, '_' and '-'."),
        (Claim, {"sequence": "a", "note": "x" * 501}, "'note' must have at most 500 characters."),
        (Claim, {"sequence": "a", "key": ""}, "'key' must not be empty."),
        (
            Claim,
            {"sequence": "a", "note": "\0"},
            "'note' must be text without NUL characters and lone surrogates.",
        ),
        (
            Claim,
            {"seq": "a"},
            "'seq' is not an argument of this tool; its arguments are: sequence, note, key.",
        ),
        (
            Claim,
            {"\ud800\n": "a"},
            "'??' is not an argument of this tool; its arguments are: sequence, note, key.",
        ),
        (ListSequences, {"x": 1}, "'x' is not an argument of this tool; its arguments are: none."),
        (SeedSequence, {"sequence": "a", "current": -1}, "'current' must be at least 0."),
        (SeedSequence, {"sequence": "a", "current": 1.5}, "'current' must be a whole number."),
        (SeedSequence, {"sequence": "a", "current": "1"}, "'current' must be a whole number."),
        (SeedSequence, {"sequence": "a", "current": True}, "'current' must be a whole number."),
        (SeedSequence, {"sequence": "a", "current": 2**53}, "'current' must be at most 9007199254740991."),
        (ReadPosts, {"to_me": "yes"}, "'to_me' must be true or false."),
        (ReadPosts, {"limit": 201}, "'limit' must be at most 200."),
        (Lease, {"surface": "a", "mode": "x"}, "'mode' must be one of: exclusive, shared."),
        (Lease, {"surface": "a", "mode": 5}, "'mode' must be one of: exclusive, shared."),
        (Post, {"body": " \n"}, "'body' must not be blank."),
        (TaskCreate, {"title": "x", "depends_on": 3}, "'depends_on' must be a list."),
        (TaskCreate, {"title": "x", "depends_on": ["a"]}, "'depends_on[0]' must be a whole number."),
        (TaskCreate, {"title": "x", "depends_on": [1, 0]}, "'depends_on[1]' must be at least 1."),
        (TaskCreate, {"title": "x", "depends_on": [1] * 51}, "'depends_on' must have at most 50 items."),
        (QueryEvents, {"since": "soon"}, "'since' must be an ISO 8601 time such as 2026-01-31T12:00:00Z."),
        (QueryEvents, {"until": 5}, "'until' must be an ISO 8601 time such as 2026-01-31T12:00:00Z."),
        (
            Named,
            {"participant_name": "a/b"},
            "'participant_name' must be a name without '/' and without spaces at its ends.",
        ),
        (
            Named,
            {"participant_name": ""},
            "'participant_name' must be a name without '/' and without spaces at its ends.",
        ),
    ],
)
def test_a_refusal_names_the_argument_and_what_to_do(
    arguments: type[Struct], given: dict[str, Any], sentence: str
) -> None:
    assert parse(arguments, **given) == Refusal("invalid", sentence)


def test_null_is_the_same_as_nothing() -> None:
    assert parse(Claim, sequence="adr", note=None, key=None) == Claim(sequence="adr")
    assert Parser(ListSequences).parse(None) == ListSequences()


def test_a_number_without_a_fraction_is_whole() -> None:
    assert parse(Ack, post_id=7.0) == Ack(post_id=7)


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31T14:00:00+02:00",
        "20260131T120000Z",
        "2026-01-31 12:00",
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(written: str) -> None:
    parsed = parse(QueryEvents, since=written)
    assert parsed.since == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parsed.since.tzinfo is UTC
