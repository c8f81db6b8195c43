"""Idempotency: the same reader and key within a day get the first answer again, and nothing is written.

A key is remembered as part of its event, so it survives restarts; the arguments are compared by fingerprint.
"""

from datetime import timedelta
from hashlib import blake2b
from itertools import takewhile
from typing import assert_never

import msgspec

from engine.decision import Context, Decision
from engine.events import Claimed, Event, Posted
from engine.refusals import Refusal, conflict
from engine.state import Keyed, State

KEPT = timedelta(hours=24)
"""How long a key is remembered."""


def replay(state: State, context: Context, intended: Claimed | Posted) -> Decision | Refusal | None:
    """The first answer, if the caller used the intended event's key before; None if the command is new."""
    if intended.key is None or (kept := state.keys.get(_slot(context.caller.id, intended.key))) is None:
        return None
    if context.now - kept.at >= KEPT:
        return None
    if kept.fingerprint != fingerprint(intended):
        return conflict(f"key '{intended.key}' was used with other arguments in the last 24 hours: take a new key.")
    return Decision(reply=kept.reply)


def keep(state: State, event: Event, key: str, kept: Keyed) -> None:
    """Remember the first answer under a key, and forget those that are too old."""
    slot = _slot(event.by, key)
    state.keys.pop(slot, None)
    state.keys[slot] = kept
    for old in list(takewhile(lambda slot: event.at - state.keys[slot].at >= KEPT, state.keys)):
        del state.keys[old]


def fingerprint(data: Claimed | Posted) -> str:
    """What makes two keyed commands the same: their kind and every argument but the key."""
    match data:
        case Claimed():
            arguments: list[object] = ["claim", data.sequence, data.note]
        case Posted():
            arguments = ["post", data.to_lane, data.to_id, data.subject, data.body, data.ref, data.tag, data.reply_to]
        case _:
            assert_never(data)
    return blake2b(msgspec.json.encode(arguments), digest_size=16).hexdigest()


def _slot(reader: int, key: str) -> str:
    return f"{reader} {key}"
