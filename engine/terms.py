"""The vocabulary of the wire: names, bounds and enumerations that commands, events and replies share.

Each is a type that carries its own limit, so that one declaration validates the input and describes it to agents.
"""

from typing import Annotated, Literal

from msgspec import Meta

ID_MAX = 2**53 - 1
"""The largest integer that survives a JSON reader which knows only doubles (RFC 8259 §6)."""

LeaseMode = Literal["exclusive", "shared"]
TaskStatus = Literal["open", "assigned", "in_progress", "blocked", "done"]
EventType = Literal[
    "claim",
    "seed",
    "register",
    "post",
    "ack",
    "lease",
    "release",
    "task_create",
    "task_assign",
    "task_start",
    "task_block",
    "task_resolve",
    "task_ship",
]

# `$` alone lets a trailing newline through in Python; the lookahead refuses it there and is harmless in ECMAScript.
SequenceName = Annotated[str, Meta(pattern=r"^[a-z0-9_-]{1,64}$(?!\n)")]
Id = Annotated[int, Meta(ge=1, le=ID_MAX)]
Counter = Annotated[int, Meta(ge=0, le=ID_MAX)]

Note = Annotated[str, Meta(max_length=500)]
LeaseNote = Annotated[str, Meta(max_length=200)]
Key = Annotated[str, Meta(min_length=1, max_length=64)]
Prefix = Annotated[str, Meta(max_length=16)]
Pad = Annotated[int, Meta(ge=0, le=12)]
Lane = Annotated[str, Meta(min_length=1, max_length=64)]
Status = Annotated[str, Meta(max_length=140)]
ActorName = Annotated[str, Meta(min_length=1, max_length=97)]
Subject = Annotated[str, Meta(max_length=200)]
Body = Annotated[str, Meta(min_length=1, max_length=8000, pattern=r"\S")]
Ref = Annotated[str, Meta(min_length=1, max_length=120)]
Tag = Annotated[str, Meta(min_length=1, max_length=64)]
Surface = Annotated[str, Meta(min_length=1, max_length=200)]
Title = Annotated[str, Meta(min_length=1, max_length=200)]
Detail = Annotated[str, Meta(max_length=4000)]
Reason = Annotated[str, Meta(min_length=1, max_length=500)]

TaskIds = Annotated[tuple[Id, ...], Meta(max_length=50)]

TtlSeconds = Annotated[int, Meta(ge=1, le=86_400)]
WindowSeconds = Annotated[int, Meta(ge=1, le=86_400)]
WaitSeconds = Annotated[int, Meta(ge=0, le=55)]
PageLimit = Annotated[int, Meta(ge=1, le=200)]
EventLimit = Annotated[int, Meta(ge=1, le=1000)]
DigestLimit = Annotated[int, Meta(ge=1, le=500)]
