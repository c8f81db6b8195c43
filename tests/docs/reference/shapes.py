"""What a struct of ours looks like to a reader: its fields, their types and limits in words."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import NODEFAULT, Struct, UnsetType, inspect
from msgspec.structs import FieldInfo

from engine.terms import ID_MAX


def type_in_words(annotation: Any) -> str:
    """A type with its limits, such as `text, 1 to 64 characters`."""
    return _words(inspect.type_info(annotation))


def default_in_words(field: FieldInfo) -> str:
    """What a field is when nobody says; empty for nothing in particular."""
    default = None if field.default in (NODEFAULT, msgspec.UNSET) else field.default
    return "" if default is None or default == () else f"`{msgspec.json.encode(default).decode()}`"


def fields_below(shape: type[Struct], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and type of every field, also of the structs inside, by their path in the JSON."""
    for field in msgspec.structs.fields(shape):
        path = f"{prefix}{field.encode_name}"
        sometimes = ", not always there" if not field.required else ""
        yield path, type_in_words(field.type) + sometimes
        kind = _without_null(inspect.type_info(field.type))
        if isinstance(kind, inspect.ListType) and isinstance(kind.item_type, inspect.StructType):
            yield from fields_below(kind.item_type.cls, f"{path}[].")
        elif isinstance(kind, inspect.StructType):
            yield from fields_below(kind.cls, f"{path}.")


def first_line(documented: Any) -> str:
    """The first sentence or so of a docstring."""
    return (documented.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " ")


def _words(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(type=inspect.StrType() as text, extra={"hint": hint}):
            return _text(text, hint)
        case inspect.Metadata():
            return _words(kind.type)
        case inspect.UnionType():
            others = [part for part in kind.types if not _is_nothing(part)]
            null = ", or null" if any(isinstance(part, inspect.NoneType) for part in kind.types) else ""
            return " or ".join(map(_words, others)) + null
        case inspect.IntType():
            return "whole number" + _between(kind.ge, None if kind.le == ID_MAX else kind.le)
        case inspect.StrType():
            return "text" + _between(kind.min_length, kind.max_length, " characters")
        case inspect.BoolType():
            return "true or false"
        case inspect.DateTimeType():
            return "time, ISO 8601"
        case inspect.LiteralType():
            return "one of " + ", ".join(f"`{value}`" for value in kind.values)
        case inspect.ListType() | inspect.VarTupleType():
            most = f", at most {kind.max_length}" if kind.max_length else ""
            return f"list of {_plural(kind.item_type)}{most}"
        case inspect.DictType() | inspect.StructType():
            return "object"
        case inspect.AnyType():
            return "anything"
        case _:
            raise NotImplementedError(kind)


def _text(kind: inspect.StrType, hint: str) -> str:
    """A text with a pattern, which the field's hint tells in words."""
    return f"text{_between(kind.min_length, kind.max_length, ' characters')}, {hint.replace('be ', '', 1)}"


def _between(least: int | None, most: int | None, unit: str = "") -> str:
    if most is None:
        return "" if least is None else f", from {least}{unit}"
    return f", at most {most}{unit}" if least is None else f", {least} to {most}{unit}"


def _plural(item: inspect.Type) -> str:
    inside = _without_null(item)
    return {"object": "objects", "text": "texts"}.get(_words(inside), "whole numbers")


def _without_null(kind: inspect.Type) -> inspect.Type:
    if isinstance(kind, inspect.UnionType):
        return next(part for part in kind.types if not _is_nothing(part))
    return kind


def _is_nothing(kind: inspect.Type) -> bool:
    is_unset = isinstance(kind, inspect.CustomType) and kind.cls is UnsetType
    return is_unset or isinstance(kind, inspect.NoneType)
