"""The closed union of what can happen, and the ledger's form of it."""

from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec
from msgspec import Struct

from engine.commits import CommitChecked
from engine.fields import is_shown
from engine.leases import LeaseEvent
from engine.lookups import EventView
from engine.posts import PostEvent
from engine.presence import Registered
from engine.repairs import Lost
from engine.sequences import SequenceEvent
from engine.tasks import TaskEvent
from engine.vocabulary import Event, EventData


class Unknown(EventData, frozen=True, kw_only=True):
    """An event of a type that this version does not know: a newer one wrote it. It folds to nothing."""

    name: str
    stored: str

    @property
    def type(self) -> str:  # type: ignore[override]
        """Its type's name in the ledger."""
        return self.name


AnyEventData = SequenceEvent | Registered | PostEvent | LeaseEvent | TaskEvent | CommitChecked | Lost

EVENT_TYPES: dict[str, type[AnyEventData]] = {cls.type: cls for cls in get_args(AnyEventData)}
"""Every event type by its name in the ledger."""

if TYPE_CHECKING:
    EventType = str
else:
    EventType = Literal[tuple(EVENT_TYPES)]

# Taking these out of a payload is much faster than picking the shown ones.
_HIDDEN: dict[type[EventData], tuple[str, ...]] = {
    cls: tuple(field.encode_name for field in msgspec.structs.fields(cls) if not is_shown(field.type))
    for cls in EVENT_TYPES.values()
}

_DECODERS = {name: msgspec.json.Decoder(cls) for name, cls in EVENT_TYPES.items()}


def _shown_part(cls: type[EventData]) -> type[Struct]:
    """A struct of the event's shown fields."""
    fields = [field for field in msgspec.structs.fields(cls) if is_shown(field.type)]
    return msgspec.defstruct(
        cls.__name__,
        [(f.name, f.type) if f.required else (f.name, f.type, f.default) for f in fields],
        kw_only=True,
        omit_defaults=True,
    )


_SHOWN_DECODERS = {name: msgspec.json.Decoder(_shown_part(cls)) for name, cls in EVENT_TYPES.items()}


def payload(data: EventData) -> dict[str, Any]:
    """What queries of the ledger show of an event: the fields that are marked as shown; nothing of an unknown type."""
    if isinstance(data, Unknown):
        return {}
    shown: dict[str, Any] = msgspec.to_builtins(data)
    for name in _HIDDEN[type(data)]:
        shown.pop(name, None)
    return shown


def stored_payload(type_name: str, stored: bytes | str) -> dict[str, Any]:
    """`payload` of what the ledger stores; the other fields are not read and may be missing."""
    if (decoder := _SHOWN_DECODERS.get(type_name)) is None:
        return {}
    shown: dict[str, Any] = msgspec.to_builtins(decoder.decode(stored))
    return shown


def view(event: Event) -> EventView:
    """An event as queries of the ledger show it."""
    return EventView(id=event.seq, ts=event.at, actor=event.actor, type=event.data.type, payload=payload(event.data))


def encode(data: EventData) -> bytes:
    """The JSON that the ledger stores in `data`; its type name goes in a column of its own."""
    return data.stored.encode() if isinstance(data, Unknown) else msgspec.json.encode(data)


def decode(type_name: str, stored: bytes | str) -> AnyEventData | Unknown:
    """The inverse of `encode`; `Unknown` for a type this version does not know."""
    if (decoder := _DECODERS.get(type_name)) is None:
        return Unknown(name=type_name, stored=stored if isinstance(stored, str) else stored.decode())
    return decoder.decode(stored)
