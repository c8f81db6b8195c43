"""What a field means to its readers, written on the field itself.

A field's type carries its limits and, as msgspec metadata, a description for people, a hint for senders of a wrong
value, and marks: names, what queries of the ledger show, numbers whose 0 counts, and arguments that clients are not
told of. The reference, the error texts and the ledger read them here.
"""

from collections.abc import Iterator
from typing import Annotated, Any, TypeVar, get_args, get_origin

from msgspec import Meta

Value = TypeVar("Value")

Shown = Annotated[Value, Meta(extra={"shown": True})]
"""A field of an event that queries of the ledger show. A field without this mark is hidden from them."""


def described(annotation: Any) -> str | None:
    """The description of a field of this type: its own, else that of the type it builds on."""
    return next((meta.description for meta in _metas(annotation) if meta.description is not None), None)


def hint(annotation: Any) -> str | None:
    """What a value of this type must be, for the sender of one that does not match its pattern."""
    found = _extra(annotation, "hint")
    return None if found is None else str(found)


def is_shown(annotation: Any) -> bool:
    """Whether queries of the ledger show a field of this type."""
    return _extra(annotation, "shown") is True


def is_name(annotation: Any) -> bool:
    """Whether a field of this type names something, so that it has one spelling (`engine.names`)."""
    return _extra(annotation, "name") is True


def is_visible(annotation: Any) -> bool:
    """Whether a text of this type has only characters that a reader can see; names have, too."""
    return _extra(annotation, "visible") is True


def is_end(annotation: Any) -> bool:
    """Whether a time of this type ends something, so that a date alone means the end of its day."""
    return _extra(annotation, "end") is True


def has_zero(annotation: Any) -> bool:
    """Whether 0 means 0 where a call says nothing else, also from a client that fills what it does not give with 0."""
    return _extra(annotation, "zero") is True


def is_hidden(annotation: Any) -> bool:
    """Whether clients are not told of an argument of this type: a program of ours sends it."""
    return _extra(annotation, "hidden") is True


def _extra(annotation: Any, name: str) -> Any:
    return next((meta.extra[name] for meta in _metas(annotation) if meta.extra and name in meta.extra), None)


def _metas(annotation: Any) -> Iterator[Meta]:
    """The metadata of a type and of the types it is made of, outermost first."""
    if get_origin(annotation) is Annotated:
        yield from (each for each in reversed(annotation.__metadata__) if isinstance(each, Meta))
    for part in get_args(annotation):
        yield from _metas(part)
