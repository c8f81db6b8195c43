"""The argument structs as compact JSON Schema.

Every agent pays for these bytes in its context, so what msgspec writes is reduced to what helps to call the tool:
types and choices. The other rules stand in the structs, and an answer tells which one was broken. No titles, patterns,
references, bounds, defaults or null alternatives: a null argument is none.
"""

from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from engine.fields import is_hidden

JsonSchema = dict[str, Any]

CHOICES_MAX = 5
"""A list with more choices than this is left out of the compact schema; a refusal names the choices."""


def input_schema(arguments: type[Struct]) -> JsonSchema:
    """The JSON Schema (2020-12) of a tool's arguments."""
    _, components = msgspec.json.schema_components([arguments])
    described = components[arguments.__name__]
    required = described["required"]
    hidden = {name for name, of in get_type_hints(arguments, include_extras=True).items() if is_hidden(of)}
    schema: JsonSchema = {
        "type": "object",
        "properties": {name: _compact(part) for name, part in described["properties"].items() if name not in hidden},
    }
    if schema["properties"]:  # a tool without arguments takes any and uses none
        schema["additionalProperties"] = False
    if required:
        schema["required"] = required
    return schema


def _compact(part: JsonSchema) -> JsonSchema:
    if "anyOf" in part:
        (only,) = (choice for choice in part["anyOf"] if choice != {"type": "null"})
        part = {**only, **{key: value for key, value in part.items() if key != "anyOf"}}
    kept: JsonSchema = {"type": part.get("type", "string")}
    if len(part.get("enum", ())) <= CHOICES_MAX and "enum" in part:
        kept["enum"] = part["enum"]
    if "items" in part:
        kept["items"] = _compact(part["items"])
    return kept
