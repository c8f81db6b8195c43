"""The argument structs as compact JSON Schema.

Every agent pays for these bytes in its context, so what msgspec writes is reduced to what helps to call the tool:
types, choices, defaults, patterns, and the bounds that somebody might run into. The rest of the rules stand in the
structs; who breaks one is told which. No titles, no references, no null alternatives: a null argument is none.
"""

from typing import Any

import msgspec
from msgspec import Struct

JsonSchema = dict[str, Any]

LINE_LENGTH_MAX = 200
"""Up to this a length bound is that of a name or a line, which hardly anybody exceeds."""

CHOICES_MAX = 8
"""More choices than this are told to whoever misses them."""

PATTERN_LENGTH_MAX = 32
"""Up to this a pattern is read at a glance."""

_NUMBER_MAX = 2**31
_AT_THE_VERY_END = r"(?!\n)"
"""Python's `$` needs this; ECMAScript's, which JSON Schema means, does not."""


def input_schema(arguments: type[Struct]) -> JsonSchema:
    """The JSON Schema (2020-12) of a tool's arguments."""
    _, components = msgspec.json.schema_components([arguments])
    described = components[arguments.__name__]
    schema: JsonSchema = {
        "type": "object",
        "properties": {name: _compact(part) for name, part in described["properties"].items()},
    }
    if required := described["required"]:
        schema["required"] = required
    return schema


def _compact(part: JsonSchema) -> JsonSchema:
    if "anyOf" in part:
        (only,) = (choice for choice in part["anyOf"] if choice != {"type": "null"})
        part = {**only, **{key: value for key, value in part.items() if key != "anyOf"}}
    kept: JsonSchema = {"type": "string"} if "enum" in part else {}
    kept |= {key: value for key, value in part.items() if _helps(key, value)}
    if "pattern" in kept:
        kept["pattern"] = kept["pattern"].removesuffix(_AT_THE_VERY_END)
    if "items" in kept:
        kept["items"] = _compact(kept["items"])
    return kept


def _helps(key: str, value: Any) -> bool:
    match key:
        case "type" | "items" | "maxItems":
            return True
        case "enum":
            return len(value) <= CHOICES_MAX
        case "pattern":
            return len(value) <= PATTERN_LENGTH_MAX
        case "default":
            return value not in (None, False, 0, [], ())
        case "maximum":
            return bool(value < _NUMBER_MAX)
        case "maxLength":
            return bool(value > LINE_LENGTH_MAX)
        case _:
            return False
