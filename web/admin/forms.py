"""Forms: what was typed, the values it stands for, and a sentence for each field that is refused.

A form's fields are those of a struct whose types carry the bounds, as the arguments of the tools are (`engine.terms`).
A blank field counts as not given, spaces at the ends are removed, a box is ticked only when its value says so, and
times are UTC. Names have one spelling, and nothing that a reader cannot see. A text is one line unless its type says
`LINES`. A refused form keeps every field as it was typed.
"""

import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from quart import request

from engine.fields import is_name, is_visible
from engine.names import is_blank, is_text, tidied, unseen
from store.errors import InvalidName, NameTaken
from web.mcp.arguments import UNFIT, requirement

Fields = TypeVar("Fields", bound=Struct)

LINES: dict[str, Any] = {"lines": True}
"""The `extra` of a text's `Meta` that lets it have more than one line."""

_BOXES = {"": False, "false": False, "off": False, "0": False, "true": True, "on": True, "1": True}
_MISSING = "This field was not sent, so nothing was changed."
_UNDECODED = "\ufffd"
"""The character that bytes become that are not UTF-8."""

_TIMES = (datetime, datetime | None)


class Form(Generic[Fields]):
    """A form on its way from a page to a service and, when it is refused, back again.

    `typed` fills the fields again and `wrong` has a sentence for each one that is refused; `fields` is None until every
    field makes sense.
    """

    def __init__(self, typed: Mapping[str, str], wrong: dict[str, str], fields: Fields | None) -> None:
        self.typed = typed
        self.wrong = wrong
        self.fields = fields

    def refuse(self, error: InvalidName, field: str) -> int:
        """Put what the store says of a name beside the field it names, or beside `field` when there is none such.

        Gives the status to answer with: 409 when somebody has the name, 400 when nobody can.
        """
        named = error.field if error.field is not None and error.field in self.typed else field
        self.wrong[named] = str(error)
        return 409 if isinstance(error, NameTaken) else 400


AnyForm = Form[Any]


def blank(**typed: object) -> AnyForm:
    """An empty form with these initial values."""
    shown = {name: "" if value is None else str(value) for name, value in typed.items()}
    return Form(shown, {}, None)


async def posted(kind: type[Fields]) -> Form[Fields]:
    """The form that the present request sends."""
    return read(kind, await request.form)


async def posted_whole(kind: type[Fields]) -> Form[Fields]:
    """`posted` for a form that changes what exists: a field that was not sent is refused.

    A blank field clears a value. A missing one would do the same to a value that nobody meant to change.
    """
    return read_whole(kind, await request.form)


def read_whole(kind: type[Fields], given: Mapping[str, str]) -> Form[Fields]:
    """The fields of `kind` in what was sent, which must name each of them."""
    form = read(kind, given)
    missing = {name: _MISSING for name in kind.__struct_fields__ if name not in given}
    return form if not missing else Form(form.typed, form.wrong | missing, None)


def read(kind: type[Fields], given: Mapping[str, str]) -> Form[Fields]:
    """The fields of `kind` in what was sent; others are ignored."""
    typed = {name: given.get(name, "") for name in kind.__struct_fields__}
    wrong: dict[str, str] = {}
    known: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        text = typed[field.name].strip()
        if field.type is bool:
            if (ticked := _BOXES.get(text.casefold())) is None:
                wrong[field.name] = "This must be ticked or not."
            else:
                known[field.name] = ticked
        elif text:
            try:
                known[field.name] = _value(text, field.type)
            except ValueError as error:
                wrong[field.name] = str(error)
        elif field.required:
            wrong[field.name] = "This cannot be left empty."
    return Form(typed, wrong, None if wrong else kind(**known))


def _value(text: str, annotation: Any) -> object:
    """What a text that is not blank means; raises `ValueError` with the sentence to show."""
    if _has_lines(annotation):
        text = text.replace("\r\n", "\n")  # as browsers send them (WHATWG HTML, "constructing the entry list")
        if not is_text(text):
            raise ValueError(f"This must be text without {UNFIT}.")
    elif _UNDECODED in text or any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
        raise ValueError("This must be one line of text.")
    if is_name(annotation):
        text = tidied(text)
    if (is_name(annotation) or is_visible(annotation)) and (character := unseen(text)) is not None:
        raise ValueError(f"This must not contain {character}, which a reader cannot see.")
    if is_blank(text):
        raise ValueError("This must not be blank.")
    if annotation in _TIMES:
        return _utc(text)
    try:
        return msgspec.convert(text, annotation, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"This must {requirement(str(error), annotation)}.") from error


def _has_lines(annotation: Any) -> bool:
    kinds = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return any(isinstance(meta, Meta) and "lines" in (meta.extra or ()) for kind in kinds for meta in _metas(kind))


def _metas(kind: Any) -> tuple[Any, ...]:
    return getattr(kind, "__metadata__", ())


def _utc(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("This must be a time such as 2026-01-31T12:00.") from error
