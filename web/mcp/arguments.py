"""From what a client sent to a valid argument struct, or one answer that names everything to change.

Nothing malformed passes: the engine only ever sees structs that came from `Parser.parse`. What clients mean by what
they send is said in `web.mcp.leniency`; here it is validated. Names have one spelling, times without a zone are UTC.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Generic, TypeVar, get_type_hints

import mcp_types as types
import msgspec
from msgspec import UNSET, Struct, inspect
from pydantic import ValidationError

from engine.fields import has_zero, hint, is_end, is_hidden, is_name, is_visible
from engine.names import is_blank, is_text, says_nothing, tidied, unseen
from engine.nearest import nearest
from engine.refusals import Refusal, invalid
from web.mcp.leniency import STRAYS, Argument, Kind, is_too_long, meant

Arguments = TypeVar("Arguments", bound=Struct)

FAULTS_TOLD_MAX = 8

UNFIT = "NUL characters and lone surrogates"
"""What no text of a client may have (`engine.names.is_text`)."""

_PLACE = re.compile(r" - at `\$(?:\[(\d+)\])?.*`$", re.DOTALL)
_NAMED_MAX = 64
"""How much of an unknown argument's name is repeated in the refusal."""

_TYPES = {"str": "text", "int": "a whole number", "bool": "true or false", "array": "a list such as [1, 2]"}
_A_NUMBER = f"be {_TYPES['int']}"
_AT_MOST = "have at most "
_ZONE = re.compile(r" ?(?:UTC|GMT)$")
_LEAP_SECOND = re.compile(r"([T ]\d{2}(:?)\d{2}\2)60(?:[.,]\d+)?(?![\d:])")
_END_OF_DAY = re.compile(r"^([\dW-]+)([T ])24(?=(?::?00(?::?00(?:[.,]0+)?)?)?(?:Z|[+-]|$))")
"""24:00, at which a day ends as the next one begins."""

_UNITS = frozenset({"seconds", "hours"})
_COUNTED = {"int": "", "str": " characters", "array": " items"}


class Parser(Generic[Arguments]):
    """Validates the arguments of one tool."""

    def __init__(self, arguments: type[Arguments]) -> None:
        self._type = arguments
        self._annotations = get_type_hints(arguments, include_extras=True)
        self._arguments = {
            field.name: _argument(field.name, self._annotations[field.name], is_required=field.required)
            for field in msgspec.structs.fields(arguments)
        }
        self._told = [name for name, annotation in self._annotations.items() if not is_hidden(annotation)]

    def parse(self, given: Mapping[str, Any] | None) -> Arguments | Refusal:
        """The arguments as a struct, or a refusal that names every fault and what to do."""
        kept: dict[str, Any] = {}
        faults: dict[str, str] = {}
        unknown: list[str] = []
        has_filler = False
        for name, sent in (given or {}).items():
            argument = self._arguments.get(name)
            if argument is None:
                if self._arguments and name not in STRAYS:
                    unknown.append(name)
                continue
            value = meant(argument, sent)
            if value is UNSET:
                has_filler = True
                continue
            kept[name], fault = _checked(argument, value)
            if fault is not None:
                faults[name] = fault
        if has_filler:  # a client that fills one argument fills them all, and numbers with 0
            kept = self._without_filler(kept)
        if not (faults or unknown):
            try:
                return msgspec.convert(kept, self._type)
            except msgspec.ValidationError:
                pass
        return invalid(self._in_words(kept, faults, unknown))

    def _without_filler(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        said = {name: value for name, value in kept.items() if value != 0 or not self._arguments[name].may_be_filler}
        if all(self._arguments[name].is_required for name in said):
            said.update({name: value for name, value in kept.items() if self._arguments[name].has_zero})
        return said

    def _in_words(self, kept: Mapping[str, Any], faults: Mapping[str, str], unknown: list[str]) -> str:
        sentences = [*self._all_faults(kept, faults), *self._told_unknown(unknown)]
        more = len(sentences) - FAULTS_TOLD_MAX
        return " ".join(sentences[:FAULTS_TOLD_MAX]) + (f" And {more} more." if more > 0 else "")

    def _all_faults(self, kept: Mapping[str, Any], faults: Mapping[str, str]) -> Iterator[str]:
        for name, argument in self._arguments.items():
            fault = faults.get(name)
            if fault is None and name in kept:
                fault = _misfit(name, kept[name], self._annotations[name])
            if fault is not None:
                yield f"{fault}." if argument.is_required else f"{fault}, or leave it out."
            elif argument.is_required and name not in kept:
                yield f"'{name}' is missing; this tool needs it."

    def _told_unknown(self, unknown: list[str]) -> Iterator[str]:
        if unknown:
            names = ", ".join(f"'{shown(name)}'" for name in unknown[:FAULTS_TOLD_MAX])
            are = "is not an argument" if len(unknown) == 1 else "are not arguments"
            yield f"{names} {are} of this tool; its arguments are: {', '.join(self._told)}.{self._suggested(unknown)}"

    def _suggested(self, unknown: list[str]) -> str:
        meant = {f"'{close}'" for name in unknown[:FAULTS_TOLD_MAX] for close in _close_to(name, self._told)}
        return f" Perhaps you mean {' or '.join(sorted(meant))}." if meant else ""


def _close_to(name: str, known: list[str]) -> list[str]:
    """The argument that is spelled nearly so; otherwise those of which the name is a word, as `to` is of `to_lane`."""
    close = nearest(name, known)
    return [each for each in known if name.casefold() in each.split("_")] if close is None else [close]


def _argument(name: str, annotation: Any, *, is_required: bool) -> Argument:
    kind, least = _kind(inspect.type_info(annotation))
    return Argument(
        name=name,
        kind=kind,
        is_required=is_required,
        is_name=is_name(annotation),
        is_visible=is_name(annotation) or is_visible(annotation),
        is_end=is_end(annotation),
        has_zero=has_zero(annotation),
        least=least,
        choices=tuple(_choices(annotation)),
    )


def _kind(info: inspect.Type) -> tuple[Kind, int | None]:
    """What a value of this type is, and its least value when it is a number."""
    match info:
        case inspect.Metadata(type=inner):
            return _kind(inner)
        case inspect.UnionType(types=kinds):
            return _kind(next(each for each in kinds if not isinstance(each, inspect.NoneType)))
        case inspect.IntType(ge=least):
            return "number", least
        case inspect.BoolType():
            return "flag", None
        case inspect.VarTupleType():
            return "numbers", None
        case inspect.DateTimeType():
            return "time", None
        case inspect.LiteralType():
            return "choice", None
        case _:
            return "text", None


def _checked(argument: Argument, value: Any) -> tuple[Any, str | None]:
    """The value in its one spelling, and what is wrong with it that its type does not say."""
    if argument.kind == "time":
        moment = _utc(value, is_end=argument.is_end)
        return moment, None if moment else f"'{argument.name}' must be an ISO 8601 time such as 2026-01-31T12:00:00Z"
    if not isinstance(value, str) or is_too_long(value):
        return value, None
    if argument.kind != "text":  # its type refuses it in words, if it can read it
        return value.encode("utf-8", "replace").decode(), None
    if not argument.is_visible and not is_text(value):
        return value, f"'{argument.name}' must be text without {UNFIT}"
    if (argument.is_name or not argument.is_required) and says_nothing(value):
        wanted = "a name" if argument.is_name else "text"
        return value, f"'{argument.name}' must be {wanted}, not the word {value.strip()}"
    if argument.is_required and value and not value.isspace() and is_blank(value):
        return value, f"'{argument.name}' must not be blank"
    text = tidied(value) if argument.is_name else value
    if argument.is_visible and (character := unseen(text)) is not None:
        return text, f"'{argument.name}' must not contain {character}, which a reader cannot see"
    if argument.is_name and _is_list(text):
        return text, f"'{argument.name}' must be one name, not a list"
    return text, None


def _is_list(name: str) -> bool:
    """Whether a name is a list or an object, written as JSON."""
    if not name.startswith(("[", "{")):
        return False
    try:
        return isinstance(json.loads(name), list | dict)
    except (ValueError, RecursionError):
        return False


def _misfit(name: str, value: Any, annotation: Any) -> str | None:
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError as error:
        problem = str(error)
        place = _PLACE.search(problem)
        item = "" if place is None or place[1] is None else f"[{place[1]}]"
        wanted = requirement(problem if place is None else problem[: place.start()], annotation)
        unit = name.rpartition("_")[2]
        of = f" of {unit}" if unit in _UNITS and wanted == _A_NUMBER else ""
        has = f" (it has {len(value)})" if wanted.startswith(_AT_MOST) else ""
        return f"'{name}{item}' must {wanted}{of}{has}"
    return None


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


def _utc(value: object, *, is_end: bool) -> datetime | None:
    if not isinstance(value, str):
        return None
    written = _ZONE.sub("Z", value.strip().upper().replace("\u2212", "-"))
    if is_end:
        with suppress(ValueError):
            return datetime.combine(date.fromisoformat(written), time.max, UTC)
    written = _LEAP_SECOND.sub(r"\g<1>59.999999", written)
    midnight = _END_OF_DAY.sub(r"\1\g<2>00", written, count=1)
    try:
        moment = datetime.fromisoformat(midnight) + timedelta(days=midnight != written)
    except (ValueError, OverflowError):
        return None
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # a zone puts it before the first or behind the last year there is
        return moment.replace(tzinfo=UTC)


def malformed_params(malformed: ValidationError) -> types.ErrorData:
    """The error that names the first thing wrong with a request's params."""
    first = malformed.errors(include_url=False, include_context=False, include_input=False)[0]
    place = shown(".".join(map(str, first["loc"])))
    return types.ErrorData(code=types.INVALID_PARAMS, message=f"Invalid request parameters: {place}: {first['msg']}")


def shown(name: str) -> str:
    """The start of a name that somebody else chose, without what a reader could not see."""
    return "".join(character if character.isprintable() else "?" for character in name[:_NAMED_MAX])
