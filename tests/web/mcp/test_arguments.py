"""Arguments become structs, or a sentence that tells what to change."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from msgspec import Struct

from engine.leases import Lease
from engine.ledger import QueryEvents, WhatsNew
from engine.posts import Ack, Post, ReadPosts
from engine.presence import Register
from engine.refusals import Refusal, invalid
from engine.sequences import Claim, ListSequences, SeedSequence, VoidClaim
from engine.tasks import TaskCreate
from web.mcp.arguments import UNFIT, Parser
from web.mcp.identity_tools import Named
from web.mcp.leniency import READ_LENGTH_MAX, Argument, Kind, meant
from web.mcp.schemas import input_schema
from web.mcp.tools import TOOLS, Tool

A_TIME = "must be an ISO 8601 time such as 2026-01-31T12:00:00Z"
UNKNOWN = "{} is not an argument of this tool; its arguments are: sequence, note, key."


def parse(arguments: type[Struct], **given: Any) -> Any:
    return Parser(arguments).parse(given)


@pytest.mark.parametrize(
    ("arguments", "given", "sentence"),
    [
        (Claim, {}, "'sequence' is missing; this tool needs it."),
        (Claim, {"sequence": None}, "'sequence' is missing; this tool needs it."),
        (Claim, {"sequence": 5}, "'sequence' must be text."),
        (Claim, {"sequence": "A b"}, "'sequence' must be 1 to 64 characters of a-z, 0-9, '_' and '-'."),
        (
            Claim,
            {"sequence": "a", "note": "x" * 501},
            "'note' must have at most 500 characters (it has 501), or leave it out.",
        ),
        *(
            (arguments, {name: f"a{character}b", **others}, f"'{name}' must be text without {UNFIT}{ending}")
            for character in ("\0", "\ud800", "\udfff")
            for arguments, name, others, ending in (
                (Post, "subject", {"body": "b"}, ", or leave it out."),
                (Post, "body", {}, "."),
                (TaskCreate, "title", {}, "."),
                (Lease, "note", {"surface": "a"}, ", or leave it out."),
                (Lease, "surface", {}, "."),
                (Register, "status", {"lane": "a"}, ", or leave it out."),
            )
        ),
        (Claim, {"sequence": "a", "seq": "a"}, UNKNOWN.format("'seq'")),
        (Claim, {"sequence": "a", "\ud800\n": "a"}, UNKNOWN.format("'??'")),
        (
            Claim,
            {"sequense": "a"},
            "'sequence' is missing; this tool needs it. "
            + UNKNOWN.format("'sequense'")
            + " Perhaps you mean 'sequence'.",
        ),
        (
            Claim,
            {"sequence": "A", "key": "x" * 65, "a": 1, "b": 2},
            "'sequence' must be 1 to 64 characters of a-z, 0-9, '_' and '-'. "
            "'key' must have at most 64 characters (it has 65), or leave it out. "
            "'a', 'b' are not arguments of this tool; its arguments are: sequence, note, key.",
        ),
        (SeedSequence, {"sequence": "a", "current": -1}, "'current' must be at least 0, or leave it out."),
        (VoidClaim, {"sequence": "a", "reason": "r", "number": 1.5}, "'number' must be a whole number."),
        (VoidClaim, {"sequence": "a", "reason": "r", "number": "one"}, "'number' must be a whole number."),
        (VoidClaim, {"sequence": "a", "reason": "r", "number": ""}, "'number' must be a whole number."),
        (VoidClaim, {"sequence": "a", "reason": "r", "number": True}, "'number' must be a whole number."),
        (
            VoidClaim,
            {"sequence": "a", "reason": "r", "number": 2**53},
            "'number' must be at most 9007199254740991.",
        ),
        (ReadPosts, {"to_me": "yes"}, "'to_me' must be true or false, or leave it out."),
        (ReadPosts, {"limit": "201"}, "'limit' must be at most 200, or leave it out."),
        (ReadPosts, {"limit": "null"}, "'limit' must be a whole number, or leave it out."),
        (Lease, {"surface": "a", "mode": "x"}, "'mode' must be one of: exclusive, shared, or leave it out."),
        (Lease, {"surface": "a", "mode": 5}, "'mode' must be one of: exclusive, shared, or leave it out."),
        (Post, {"body": " \n"}, "'body' must not be blank."),
        (Post, {"body": "b", "to_lane": "null"}, "'to_lane' must be a name, not the word null, or leave it out."),
        (Post, {"body": "b", "tag": " None "}, "'tag' must be a name, not the word None, or leave it out."),
        (Register, {"lane": "null"}, "'lane' must be a name, not the word null."),
        (Register, {"lane": "back\u200bend"}, "'lane' must not contain U+200B, which a reader cannot see."),
        (Register, {"lane": "\x1b[31mred"}, "'lane' must not contain U+001B, which a reader cannot see."),
        (TaskCreate, {"title": "x", "depends_on": "a"}, "'depends_on' must be a list such as [1, 2], or leave it out."),
        (TaskCreate, {"title": "x", "depends_on": ["a"]}, "'depends_on[0]' must be a whole number, or leave it out."),
        (TaskCreate, {"title": "x", "depends_on": [1, 0]}, "'depends_on[1]' must be at least 1, or leave it out."),
        (
            TaskCreate,
            {"title": "x", "depends_on": [1] * 51},
            "'depends_on' must have at most 50 items (it has 51), or leave it out.",
        ),
        (QueryEvents, {"since": "soon"}, f"'since' {A_TIME}, or leave it out."),
        (QueryEvents, {"until": 5}, f"'until' {A_TIME}, or leave it out."),
        (Named, {"participant_name": "a/b"}, "'participant_name' must be a name without '/'."),
        (Named, {"participant_name": " "}, "'participant_name' must not be empty."),
    ],
)
def test_a_refusal_names_every_fault_and_what_to_do(
    arguments: type[Struct], given: dict[str, Any], sentence: str
) -> None:
    assert parse(arguments, **given) == Refusal("invalid", sentence)


def test_many_faults_are_told_up_to_a_bound() -> None:
    refusal = parse(QueryEvents, **dict.fromkeys(QueryEvents.__struct_fields__, -0.5), other=1)
    assert isinstance(refusal, Refusal)
    assert refusal.message.endswith("And 4 more.")


@pytest.mark.parametrize(
    ("arguments", "given", "read"),
    [
        (Ack, {"post_id": "5"}, Ack(post_id=5)),
        (Ack, {"post_id": " 5.0 "}, Ack(post_id=5)),
        (Ack, {"post_id": 7.0}, Ack(post_id=7)),
        (Lease, {"surface": "a", "ttl_seconds": "1800"}, Lease(surface="a")),
        (Lease, {"surface": "a", "mode": " shared "}, Lease(surface="a", mode="shared")),
        (ReadPosts, {"to_me": "true", "unacked_only": "False"}, ReadPosts(to_me=True)),
        (
            SeedSequence,
            {"sequence": " adr\n", "current": "0", "pad": "0"},
            SeedSequence(sequence="adr", current=0, pad=0),
        ),
        *(
            (TaskCreate, {"title": "x", "depends_on": sent}, TaskCreate(title="x", depends_on=read))
            for sent, read in [
                ("[1,2]", (1, 2)),
                (["1", 2.0], (1, 2)),
                ([1.0], (1,)),
                ("1", (1,)),
                (1, (1,)),
                ("[]", ()),
                ([], ()),
                ("", ()),
            ]
        ),
        (
            Post,
            {
                "to_lane": "web",
                "to_actor": "",
                "subject": "",
                "body": "x",
                "ref": "",
                "tag": " ",
                "reply_to": 0,
                "key": "",
            },
            Post(to_lane="web", body="x"),
        ),
        (Post, {"to_lane": "web", "body": "x", "reply_to": "0", "tag": [], "ref": {}}, Post(to_lane="web", body="x")),
        (ReadPosts, {"limit": 0, "before": "", "to_me": None, "wait_seconds": 0}, ReadPosts()),
        (WhatsNew, {"advance_cursor": "", "limit": "", "after": 0}, WhatsNew()),
        (WhatsNew, {"after": 0}, WhatsNew(after=0)),
        (Post, {"to_lane": "cafe\u0301 ", "body": " x "}, Post(to_lane="caf\u00e9", body=" x ")),
        (Post, {"to_lane": "a", "body": "null"}, Post(to_lane="a", body="null")),
        (ListSequences, {"random_string": "dummy", "anything": 1}, ListSequences()),
        (Ack, {"post_id": 1, "task_progress": "- [x] …", "toolCallId": "call_1"}, Ack(post_id=1)),
    ],
)
def test_what_clients_send_is_read_as_what_they_mean(
    arguments: type[Struct], given: dict[str, Any], read: Struct
) -> None:
    assert parse(arguments, **given) == read


def test_the_coloured_output_of_a_program_is_kept() -> None:
    body = "\x1b[31mFAILED\x1b[0m\r\n\x0c\x07"
    assert parse(Post, to_lane="qa", body=body).body == body


def test_null_is_the_same_as_nothing() -> None:
    assert parse(Claim, sequence="adr", note=None, key=None) == Claim(sequence="adr")
    assert Parser(ListSequences).parse(None) == ListSequences()


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31T14:00:00+02:00",
        "20260131T120000Z",
        "2026-01-31 12:00",
        "2026-01-31 12:00:00 UTC",
        "2026-01-31T12:00 GMT",
        "2026-01-31T10:00:00\u221202:00",
        "2026-01-31T24:00+12:00",
        "20260131T24+1200",
    ],
)
def test_a_time_is_utc_unless_it_says_otherwise(written: str) -> None:
    parsed = parse(QueryEvents, since=written)
    assert parsed.since == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parsed.since.tzinfo is UTC


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-12-31T23:59:60Z", datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC)),
        ("20261231T235960Z", datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC)),
        ("2027-01-01T01:59:60.5+02:00", datetime(2026, 12, 31, 23, 59, 59, 999_999, UTC)),
        ("2026-12-31T24:00:00Z", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12-31T24:00:00.000", datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-W53-4 24:00", datetime(2027, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59-01:00", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00+01:00", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_at_the_edge_of_a_day_or_of_all_years_is_one(written: str, read: datetime) -> None:
    assert parse(QueryEvents, since=written).since == read


@pytest.mark.parametrize(
    "written",
    ["2026-12-31T24:01Z", "2026-12-31T24:00:60Z", "2026-12-31T23:60:00Z", "2026-02-30T24:00Z", "9999-12-31T24:00Z"],
)
def test_a_time_that_no_day_has_is_none(written: str) -> None:
    refusal = parse(QueryEvents, since=written)
    assert isinstance(refusal, Refusal)
    assert "'since' must be an ISO 8601 time" in refusal.message


@pytest.mark.parametrize("sent", ["5\0", "\ud800", "\0"])
def test_what_cannot_be_a_number_or_a_flag_is_told_what_it_must_be(sent: str) -> None:
    assert parse(Ack, post_id=sent) == invalid("'post_id' must be a whole number, or leave it out.")
    assert parse(ReadPosts, to_me=sent) == invalid("'to_me' must be true or false, or leave it out.")
    assert parse(Lease, surface="a", mode=sent) == invalid("'mode' must be one of: exclusive, shared, or leave it out.")


@pytest.mark.parametrize("written", ["2026-01-31", "20260131", " 2026-01-31 "])
def test_a_date_alone_is_a_whole_day(written: str) -> None:
    parsed = parse(QueryEvents, since=written, until=written)
    assert parsed.since == datetime(2026, 1, 31, tzinfo=UTC)
    assert parsed.until == datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert parse(QueryEvents, until="2026-01-31T00:00").until == datetime(2026, 1, 31, tzinfo=UTC)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_text_that_no_argument_takes_is_not_looked_into(kind: Kind) -> None:
    sent = f'"{"a" * READ_LENGTH_MAX}"'
    assert meant(Argument(name="x", kind=kind, is_required=False, is_name=True), sent) is sent


def test_items_that_no_list_takes_are_not_read() -> None:
    numbers = Argument(name="x", kind="numbers", is_required=False)
    assert len(meant(numbers, ["1"] * 5_000)) < 5_000


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
@pytest.mark.parametrize("sent", ["\u200b" * 20_000, '"x"' + " " * 20_000, ["1"] * 20_000])
def test_what_is_too_long_for_any_argument_is_refused_by_its_type(tool: Tool, sent: object) -> None:
    parser = Parser(tool.arguments)
    for name in input_schema(tool.arguments)["properties"]:
        refused = parser.parse({name: sent})
        assert isinstance(refused, Refusal)
        assert f"'{name}" in refused.message
        assert "which a reader cannot see" not in refused.message
