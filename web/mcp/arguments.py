"""From what a client sent to a valid argument struct, or one sentence on what to change.

Nothing malformed passes: the engine only ever sees structs that came from `Parser.parse`. A null argument is the same
as none, numbers that are whole count as integers, times without a zone are UTC.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec
from msgspec import Struct

from engine.fields import hint
from engine.refusals import Refusal, invalid

Arguments = TypeVar("Arguments", bound=Struct)

_FIELD = re.compile(r" - at `\$\.(\w+)(?:\[(\d+)\])?.*`$", re.DOTALL)
_NAMED_MAX = 64
"""How much of an unknown argument's name is repeated to whoever sent it."""

_TYPES = {"str": "text", "int": "a whole number", "bool": "true or false", "array": "a list"}
_COUNTED = {"int": "", "str": " characters", "array": " items"}


class Parser(Generic[Arguments]):
    """Validates the arguments of one tool."""

    def __init__(self, arguments: type[Arguments]) -> None:
        self._type = arguments
        kinds = get_type_hints(arguments)
        self._times = frozenset(name for name, kind in kinds.items() if kind in (datetime, datetime | None))

    def parse(self, given: Mapping[str, Any] | None) -> Arguments | Refusal:
        """The arguments as a struct, or a refusal that names the field and what to do."""
        kept: dict[str, Any] = {}
        for name, value in (given or {}).items():
            if name not in self._type.__struct_fields__:
                known = ", ".join(self._type.__struct_fields__) or "none"
                return invalid(f"'{shown(name)}' is not an argument of this tool; its arguments are: {known}.")
            if value is None:
                continue
            if isinstance(value, str) and not _is_text(value):
                return invalid(f"'{name}' must be text without NUL characters and lone surrogates.")
            if name in self._times:
                if (time := _utc(value)) is None:
                    return invalid(f"'{name}' must be an ISO 8601 time such as 2026-01-31T12:00:00Z.")
                kept[name] = time
            else:
                kept[name] = int(value) if isinstance(value, float) and value.is_integer() else value
        try:
            return msgspec.convert(kept, self._type)
        except msgspec.ValidationError as error:
            return invalid(self._sentence(str(error)))

    def _sentence(self, problem: str) -> str:
        """What msgspec says, as a sentence for whoever sent the arguments."""
        if missing := re.search(r"missing required field `(\w+)`", problem):
            return f"'{missing[1]}' is missing; this tool needs it."
        field = _FIELD.search(problem)
        if field is None:
            return "the arguments do not have the form that this tool's schema describes."
        name = field[1] if field[2] is None else f"{field[1]}[{field[2]}]"
        annotation = next(each.type for each in msgspec.structs.fields(self._type) if each.name == field[1])
        return f"'{name}' must {requirement(problem[: field.start()], annotation)}."


def requirement(problem: str, annotation: Any) -> str:
    """What a value of this type must do or be, after what msgspec says is wrong with it."""
    if pattern := re.search(r"matching regex '(.*)'$", problem):
        return hint(annotation) or f"match {pattern[1]}"
    if bound := re.search(r"`(int|str|array)` (of length )?(>=|<=) (\d+)", problem):
        kind, of_length, relation, number = bound.groups()
        if of_length and (relation, number) == (">=", "1"):
            return "not be empty"
        least_or_most = "at least" if relation == ">=" else "at most"
        return f"{'have' if of_length else 'be'} {least_or_most} {number}{_COUNTED[kind]}"
    if choices := _choices(annotation):
        return f"be one of: {', '.join(choices)}"
    wanted = re.search(r"Expected `(\w+)", problem)
    return f"be {_TYPES.get(wanted[1], 'of another type')}" if wanted else "be of another form"


def _choices(annotation: Any) -> list[str]:
    schema = msgspec.json.schema(annotation)
    return next((part["enum"] for part in (schema, *schema.get("anyOf", ())) if "enum" in part), [])


def _utc(value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time and (time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC))
    except (ValueError, OverflowError):
        return None


def _is_text(value: str) -> bool:
    """Whether PostgreSQL and UTF-8 can hold it."""
    if "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def shown(name: str) -> str:
    """The start of a name that somebody else chose, without what a reader could not see."""
    return "".join(character if character.isprintable() else "?" for character in name[:_NAMED_MAX])
