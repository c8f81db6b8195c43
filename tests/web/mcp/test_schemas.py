"""What agents are told of arguments: little, and true."""

from typing import Any

import pytest
from msgspec import Struct

from engine.leases import Lease
from engine.sequences import Claim, ListSequences
from engine.tasks import TaskCreate
from web.mcp.identity_tools import Provision
from web.mcp.schemas import input_schema


@pytest.mark.parametrize(
    ("arguments", "schema"),
    [
        (ListSequences, {"type": "object", "properties": {}}),
        (
            Claim,
            {
                "type": "object",
                "properties": {
                    "sequence": {"type": "string"},
                    "note": {"type": "string"},
                    "key": {"type": "string"},
                },
                "additionalProperties": False,
                "required": ["sequence"],
            },
        ),
        (
            Lease,
            {
                "type": "object",
                "properties": {
                    "surface": {"type": "string"},
                    "ttl_seconds": {"type": "integer"},
                    "note": {"type": "string"},
                    "mode": {"type": "string", "enum": ["exclusive", "shared"]},
                    "pick_one": {"type": "boolean"},
                    "wait_seconds": {"type": "integer"},
                },
                "additionalProperties": False,
                "required": ["surface"],
            },
        ),
        (
            Provision,
            {
                "type": "object",
                "properties": {
                    "participant_name": {"type": "string"},
                    "kind": {"type": "string", "enum": ["agent", "human"]},
                    "lane": {"type": "string"},
                    "is_admin": {"type": "boolean"},
                },
                "additionalProperties": False,
                "required": ["participant_name"],
            },
        ),
    ],
)
def test_a_schema_says_what_helps_and_no_more(arguments: type[Struct], schema: dict[str, Any]) -> None:
    assert input_schema(arguments) == schema


def test_a_list_says_what_its_items_are() -> None:
    depends_on = input_schema(TaskCreate)["properties"]["depends_on"]
    assert depends_on == {"type": "array", "items": {"type": "integer"}}
