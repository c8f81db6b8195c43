"""The argument structs as compact JSON Schema.

Every agent pays for these bytes in its context, so what msgspec writes is reduced to what a caller can act on: no
titles, no references, no null alternatives (a null argument is the same as none), no defaults that say nothing.
"""

from typing import Any

import msgspec
from msgspec import Struct

from engine.terms import ID_MAX

JsonSchema = dict[str, Any]


def input_schema(arguments: type[Struct]) -> JsonSchema:
    """The JSON Schema (2020-12) that an MCP client validates a tool's arguments with."""
    _, components = msgspec.json.schema_components([arguments])
    described = components[arguments.__name__]
    properties = {name: _compact(part, components) for name, part in described["properties"].items()}
    schema: JsonSchema = {"type": "object", "properties": properties}
    if required := described["required"]:
        schema["required"] = required
    schema["additionalProperties"] = False
    return schema


def _compact(part: JsonSchema, components: JsonSchema) -> JsonSchema:
    if "$ref" in part:
        part = components[part["$ref"].rpartition("/")[2]]
    if "anyOf" in part:
        (only,) = (choice for choice in part["anyOf"] if choice != {"type": "null"})
        part = {**only, **{key: value for key, value in part.items() if key != "anyOf"}}
    kept = {key: value for key, value in part.items() if _says_something(key, value)}
    if "enum" in kept and "type" not in kept:
        kept = {"type": "string", **kept}
    if "items" in kept:
        kept["items"] = _compact(kept["items"], components)
    return kept


def _says_something(key: str, value: object) -> bool:
    match key:
        case "title" | "description":
            return False
        case "default":
            return value not in (None, False, [], ())
        case "maximum":
            return value != ID_MAX
        case _:
            return True
