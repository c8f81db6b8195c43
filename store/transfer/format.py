"""The format of an export: the lines of `ledger.jsonl`, and `project.json`, as they are written and read again.

Only the form is here; `export` writes it and `restore` reads it. Nothing in it is a secret, an email or an
address, because exports are made to be committed.

Invariant: one event has one line, whose bytes depend on nothing but the event.
"""

from datetime import datetime, timedelta
from typing import Literal

import msgspec
from msgspec import Struct

from engine.events import Unknown, decode, encode
from engine.vocabulary import Event
from store.errors import TransferRefused
from store.people.grants import Kind

LEDGER_FILE, PROJECT_FILE, STATE_FILE = "ledger.jsonl", "project.json", "state.md"

LINE_BYTES_MAX = 1 << 24
"""A hundred times what our longest event takes: posts that came from the TypeScript server may be longer."""

LINE_BEGINS = b'{"seq":'


class ExportedParticipant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A participant: `id` is what the ledger's events call `by`.

    `former_labels`, the latest first, are written only where there are any: earlier versions do not know the field.
    """

    id: int
    label: str
    kind: Kind
    lane: str | None
    is_admin: bool
    created_at: datetime
    former_labels: tuple[str, ...] = ()


class ExportedProject(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of `project.json`: whose project the ledger is, and who takes part, by id."""

    format: Literal["llm-bus export 1"] = "llm-bus export 1"
    handle: str
    slug: str
    name: str
    liveness_window_seconds: int
    created_at: datetime
    participants: tuple[ExportedParticipant, ...]


class _Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    seq: int
    at: datetime
    actor: str
    by: int
    type: str
    data: msgspec.Raw


_LINES = msgspec.json.Decoder(_Line)
_PROJECTS = msgspec.json.Decoder(ExportedProject)


def to_line(event: Event) -> bytes:
    """The event as a line, with its end."""
    line = _Line(
        seq=event.seq,
        at=event.at,
        actor=event.actor,
        by=event.by,
        type=event.data.type,
        data=msgspec.Raw(encode(event.data)),
    )
    return msgspec.json.encode(line) + b"\n"


def from_line(line: bytes) -> Event:
    """The inverse of `to_line`; raises `TransferRefused` for everything that `to_line` does not write."""
    try:
        read = _LINES.decode(line)
        event = Event(seq=read.seq, at=read.at, actor=read.actor, by=read.by, data=decode(read.type, bytes(read.data)))
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise TransferRefused(f"it is no event: {wrong}") from wrong
    if isinstance(event.data, Unknown):
        raise TransferRefused(f"this version knows no events of type '{read.type}'")
    if event.at.utcoffset() != timedelta(0):
        raise TransferRefused("its time is not in UTC")
    # So that what is read is written again to the byte, and nothing that this version does not know is lost.
    if to_line(event) != line:
        raise TransferRefused("export would write it otherwise; was it edited, or written by a newer version?")
    return event


def to_file(project: ExportedProject) -> bytes:
    """The project as the content of `project.json`."""
    return msgspec.json.format(msgspec.json.encode(project), indent=2) + b"\n"


def from_file(content: bytes) -> ExportedProject:
    """The inverse of `to_file`; raises `TransferRefused` for what is no such content."""
    try:
        return _PROJECTS.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
        raise TransferRefused(f"{PROJECT_FILE} was not written by llm-bus export: {wrong}") from wrong
