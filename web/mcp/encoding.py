"""Answers of tools as JSON; long ones are written in short steps, so that other clients' calls run in between.

A time gets three decimals, so that times sort as text.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any

import msgspec
from msgspec import Raw, inspect
from msgspec.structs import replace

from engine.vocabulary import Reply
from web.steps import short_steps

ITEMS_AT_ONCE = 16
"""Items of a list in one step: some microseconds, or a millisecond for posts with a hundred acknowledgements."""

CHARACTERS_AT_ONCE = 16_384
"""Characters of a text in one step: some microseconds."""

_TIME_ENDS = b'Z"'
_TIME_BEGINS = (b'"at":"', b'"ts":"', b'_at":"', b'"last_seen":"')
_SECONDS, _MICROSECONDS = len("2026-01-31T12:00:00"), len("2026-01-31T12:00:00.000000")
"""How long a time is as msgspec writes it, without its end."""


def encode(value: Any) -> bytes:
    """`value` as JSON."""
    return _in_milliseconds(msgspec.json.encode(value))


async def encode_in_steps(reply: Reply) -> bytes:
    """A reply as JSON; its long lists are written in steps."""
    lists: dict[str, list[Any]] = {}
    for name, encoded_name in _lists(type(reply)):
        value = getattr(reply, name)
        if isinstance(value, list) and len(value) > ITEMS_AT_ONCE:
            lists[encoded_name] = value
    if not lists:
        return encode(reply)
    rest = replace(reply, **{name: [] for name, encoded_name in _lists(type(reply)) if encoded_name in lists})
    return await _in_steps(_parts(msgspec.json.decode(encode(rest), type=dict[str, Raw]), lists))


async def encode_text_in_steps(text: str) -> Raw:
    """A text as JSON, written in steps."""
    step = CHARACTERS_AT_ONCE
    slices = (msgspec.json.encode(text[at : at + step])[1:-1] for at in range(0, len(text), step))
    return Raw(await _in_steps(chain([b'"'], slices, [b'"'])))


async def _in_steps(parts: Iterable[bytes]) -> bytes:
    """The parts as one, put together once: copies of what is long take as long as its making."""
    pace = short_steps()
    made: list[bytes] = []
    for part in parts:
        made.append(part)
        await pace.give_way_when_spent()
    return b"".join(made)


def _parts(fields: dict[str, Raw], lists: dict[str, list[Any]]) -> Iterator[bytes]:
    """The JSON of an object that has these fields and, in the places of some, these lists."""
    before = b"{"
    for name, value in fields.items():
        yield b'%b"%b":' % (before, name.encode())
        if name in lists:
            yield from _items(lists[name])
        else:
            yield bytes(value)
        before = b","
    yield b"}"


def _items(items: list[Any]) -> Iterator[bytes]:
    before = b"["
    for at in range(0, len(items), ITEMS_AT_ONCE):
        yield before + encode(items[at : at + ITEMS_AT_ONCE])[1:-1]
        before = b","
    yield b"]"


@cache
def _lists(kind: type[Reply]) -> tuple[tuple[str, str], ...]:
    """The fields of a kind of reply that may be lists, each with its name in JSON."""
    struct = inspect.type_info(kind)
    assert isinstance(struct, inspect.StructType)  # noqa: S101 - every reply is a struct
    return tuple((field.name, field.encode_name) for field in struct.fields if _may_be_list(field.type))


def _may_be_list(info: inspect.Type) -> bool:
    if isinstance(info, inspect.UnionType):
        return any(map(_may_be_list, info.types))
    return isinstance(info, inspect.ListType)


def _in_milliseconds(encoded: bytes) -> bytes:
    """The same JSON with three decimals in every time. Looked for from its ends: a pattern takes ten times as long."""
    parts = encoded.split(_TIME_ENDS)
    for number, part in enumerate(parts[:-1]):
        if part.endswith(_TIME_BEGINS, 0, -_MICROSECONDS) and part[-7:-6] == b".":
            parts[number] = part[:-3]
        elif part.endswith(_TIME_BEGINS, 0, -_SECONDS):
            parts[number] = part + b".000"
    return _TIME_ENDS.join(parts)
