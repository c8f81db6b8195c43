"""The types of the wire: names, bounds and enumerations that commands, events and replies share.

Each carries its own limit and its description, so that one declaration validates the input and describes it.
"""

from typing import Annotated, Literal

from msgspec import Meta

ID_MAX = 2**53 - 1
"""The largest integer that survives a JSON reader which knows only doubles (RFC 8259 §6)."""

_NAME = {"name": True}
_NOT_BLANK = {"hint": "not be blank"}

LeaseMode = Annotated[
    Literal["exclusive", "shared"],
    Meta(description="`shared` conflicts with `exclusive` only; `exclusive` with both."),
]
TaskStatus = Literal["open", "assigned", "in_progress", "blocked", "done", "cancelled"]

# `$` alone lets a trailing newline through in Python; the lookahead refuses it there and is harmless in ECMAScript.
SequenceName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9_-]{1,64}$(?!\n)",
        description="The name of a sequence of numbers, such as `adr` or `migration`.",
        extra={"hint": "be 1 to 64 characters of a-z, 0-9, '_' and '-'", "name": True},
    ),
]
Id = Annotated[int, Meta(ge=1, le=ID_MAX)]
TaskId = Annotated[Id, Meta(description="The task, by the id that `task_create` gave.")]
Before = Annotated[Id, Meta(description="Only what has a smaller id: the way to the next page.")]
After = Annotated[
    Id, Meta(description="Only what has a greater id. Hooks wait so for what is newer.", extra={"hidden": True})
]
Counter = Annotated[
    int, Meta(ge=0, le=ID_MAX, description="The last number that was used; the next claim gets the one after it.")
]

Note = Annotated[str, Meta(max_length=500, description="A few words that others see beside it.")]
LeaseNote = Annotated[str, Meta(max_length=200, description="A few words that others see beside it.")]
Key = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="Makes a retry safe: the same key from the same actor within 24 hours gets the first answer again.",
        extra=_NAME,
    ),
]
Prefix = Annotated[
    str,
    Meta(
        max_length=16,
        description="What comes before the number, such as `ADR-`. Left out, it stays.",
        extra={"visible": True},
    ),
]
Pad = Annotated[
    int, Meta(ge=0, le=12, description="How many digits at least; zeros are put in front. Left out, it stays.")
]
Lane = Annotated[str, Meta(min_length=1, max_length=64, description="The area of work.", extra=_NAME)]
Status = Annotated[str, Meta(max_length=140, description="What the caller is doing.")]
ActorName = Annotated[str, Meta(min_length=1, max_length=97, extra=_NAME)]
OwnerName = Annotated[
    ActorName, Meta(description="Whose task it is: a label, `handle/label`, or the owner's bare handle.")
]
Subject = Annotated[str, Meta(max_length=200, description="The post in one line.")]
Body = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=8000,
        pattern=r"\S",
        description="What there is to say. Say what you did, what is left, and where it is.",
        extra=_NOT_BLANK,
    ),
]
Ref = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=120,
        description="A branch, commit or file: where the work is. Matched exactly.",
        extra=_NAME,
    ),
]
AckNote = Annotated[
    str,
    Meta(max_length=200, description="What it means, such as `mine` or `not me, because …`. The sender sees it."),
]
AckWithinSeconds = Annotated[
    int,
    Meta(
        ge=60,
        le=604_800,
        description="How soon somebody should acknowledge it. After that `whats_new` shows it as overdue, to those who "
        "owe it and to the sender.",
    ),
]
PostIds = Annotated[tuple[Id, ...], Meta(max_length=50, description="Several posts at once.")]
Tag = Annotated[
    str, Meta(min_length=1, max_length=64, description="A word to find it by. Matched exactly.", extra=_NAME)
]
Surface = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        description="A path or a glob, relative to the repository's root, with everything below it: `*` within one "
        "directory, `**` across directories, `{a,b}` for either.",
    ),
]
Title = Annotated[
    str, Meta(min_length=1, max_length=200, pattern=r"\S", description="The task in one line.", extra=_NOT_BLANK)
]
Detail = Annotated[str, Meta(max_length=4000, description="Whatever its owner needs to know.")]
Priority = Annotated[int, Meta(ge=0, le=4, description="How urgent it is: 4 goes first, 2 is normal.")]
Reason = Annotated[
    str, Meta(min_length=1, max_length=500, pattern=r"\S", description="Why it cannot go on.", extra=_NOT_BLANK)
]

TaskIds = Annotated[tuple[Id, ...], Meta(max_length=50, description="Tasks that must ship before this one can start.")]

TtlSeconds = Annotated[
    int, Meta(ge=1, le=86_400, description="When the lease ends by itself. Lease again to renew it.")
]
WindowSeconds = Annotated[
    int,
    Meta(
        ge=1,
        le=86_400,
        description="Who called within this time; the project's liveness window unless said otherwise.",
    ),
]
WaitSeconds = Annotated[
    int, Meta(ge=0, le=55, description="Wait this long for news instead of answering with nothing.")
]
_LIMIT = "How many are returned at most."
PageLimit = Annotated[int, Meta(ge=1, le=200, description=_LIMIT)]
EventLimit = Annotated[int, Meta(ge=1, le=1000, description=_LIMIT)]
DigestLimit = Annotated[int, Meta(ge=1, le=500, description=_LIMIT)]

Maker = Annotated[
    Literal["hook"] | None,
    Meta(description="`hook`: the kit's hook did it in the caller's name.", extra={"hidden": True}),
]
"""By what an agent acted; null: by itself. Hooks send it, so clients are not told of it."""
