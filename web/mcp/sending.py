"""Sends a tool's command to the project's actor: resolves names, waits as long as the client does, translates errors.

What the floors below raise and a caller may see becomes a refusal here, in `as_refusal`, once for all tools.
"""

from collections.abc import Awaitable, Mapping
from functools import partial
from math import inf
from time import perf_counter
from typing import TypeVar

import msgspec
import structlog

from actors import Answer, Busy, Crashed, Unavailable, WaitEnded
from engine.identity import Addressee, Principal
from engine.ledger import Events, QueryEvents
from engine.presence import Touch
from engine.project import AnyCommand
from engine.refusals import Refusal, invalid
from engine.tasks import ListTasks, Tasks
from store.errors import InvalidName, QuotaReached, RightLost, StoreUnavailable
from web.errors import Disconnected, NoLongerAdmitted
from web.http.exchange import Exchange
from web.identity.waits import TOO_MANY_WAITS, Ending
from web.services import Services

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

_FILTERS: Mapping[type, str] = {ListTasks: "owner", QueryEvents: "actor"}
"""Arguments that name somebody as they appear in the ledger, so that a bare label must become its qualified name."""

DISK_NEARLY_FULL = Refusal(
    "unavailable", "the disk of the server's database is nearly full, so nothing is written; tell its operator."
)

STORE_SILENT = Refusal("unavailable", "the database does not answer; try again in a moment.")

ANSWER_SECONDS_MAX = 20.0
"""How long a call may take beyond what it asks to wait, the look-up of its token included: more than the retries of one
batch, which tell better what is wrong."""

TOO_LATE = Refusal("unavailable", "no answer in time, as when the database is silent; try again (with the same key).")


async def send(services: Services, exchange: Exchange, caller: Principal, command: AnyCommand) -> Answer | Refusal:
    """Have a command answered, and wait with it when it waits.

    Raises what actors and store raise, `Disconnected` when the client leaves while the command waits, and
    `NoLongerAdmitted` when its token stops working then.
    """
    addressee = await addressed(services, caller, command)
    if isinstance(addressee, Refusal):
        return addressee
    if (filtered := _FILTERS.get(type(command))) is not None and (name := getattr(command, filtered)) is not None:
        found = await services.rosters.resolve(name, caller.project_id)
        if isinstance(found, Refusal):
            return await _of_a_former_name(services, exchange, caller, command, found)
        addressee, command = found, msgspec.structs.replace(command, **{filtered: found.actor})
    if command.wait_seconds == 0:
        return await services.directory.ask(caller, command, addressee=addressee, stages=exchange.stages)
    with services.waits.parked((caller.project_id, caller.id), exchange.token_hash) as wait:
        if wait is None:
            return TOO_MANY_WAITS
        exchange.give_back()
        await _look_again(services, exchange.token_hash)
        with exchange.watched(partial(wait.end, Ending.CLIENT_LEFT)):
            asking = services.directory.ask(caller, command, addressee=addressee, stages=exchange.stages, patience=wait)
            try:
                answer: Answer | Refusal | None = await asking
            except WaitEnded:
                answer = None
    if wait.ending is Ending.NOT_ADMITTED:
        raise NoLongerAdmitted
    if answer is not None:
        return answer
    if wait.ending is Ending.CLIENT_LEFT:
        raise Disconnected
    # The server is stopping: what there is now is the answer.
    prompt = msgspec.structs.replace(command, wait_seconds=0)
    return await services.directory.ask(caller, prompt, addressee=addressee)


async def addressed(services: Services, caller: Principal, command: AnyCommand) -> Addressee | Refusal | None:
    """The participant that the command names; None when it names nobody. Raises what the store raises."""
    name = command.addressee_name
    return None if name is None else await services.rosters.resolve(name, caller.project_id)


async def touch(services: Services, caller: Principal) -> int:
    """Refresh the caller's liveness, for tools that ask nothing of the project's state; gives its unread posts.

    Raises what actors raise.
    """
    answer = await services.directory.ask(caller, Touch())
    return 0 if isinstance(answer, Refusal) else answer.unread  # there is nothing in it to refuse


def no_room(services: Services) -> Refusal | None:
    """Why nothing is written at the moment, if that is so."""
    return DISK_NEARLY_FULL if services.disk is not None and services.disk.is_nearly_full() else None


async def as_refusal(call: Awaitable[Result]) -> Result | Refusal:
    """What `call` returns, or in a caller's words what went wrong on the way there."""
    try:
        return await call
    except Busy as busy:
        return Refusal("busy", str(busy))
    except (Unavailable, Crashed) as unavailable:
        return Refusal("unavailable", str(unavailable))
    except RightLost as lost:
        return Refusal("forbidden", str(lost))
    except QuotaReached as reached:
        return Refusal("busy", str(reached))
    except InvalidName as wrong:
        return invalid(str(wrong))
    except StoreUnavailable as silent:
        log.warning("store unavailable", reason=str(silent))
        return STORE_SILENT


async def in_time(
    services: Services, exchange: Exchange, call: Awaitable[Result], *, wait_seconds: float = 0
) -> Result | Refusal:
    """What `as_refusal` gives of a call with a token, unless the connection ends it: several waits may add up.

    Its client then hears `when_late`, and what the call has had decided may happen all the same. The server looks at
    all connections now and then: a scope with a deadline for each call would cost a tenth of the shortest ones.
    """
    exchange.late_at = perf_counter() + max(0.0, services.answer_seconds_max - exchange.look_up_seconds) + wait_seconds
    outcome = await as_refusal(call)
    exchange.late_at = inf
    return outcome


async def _of_a_former_name(
    services: Services, exchange: Exchange, caller: Principal, command: AnyCommand, refusal: Refusal
) -> Answer | Refusal:
    """What the ledger has under a name that nobody has any more; the refusal when it has nothing.

    Deleting a participant and changing the handle more than once leave names in the ledger that are in no roster.
    """
    if refusal.code != "not_found":
        return refusal
    filtered = _FILTERS[type(command)]
    name = getattr(command, filtered)
    former = name if "/" in name else f"{caller.handle}/{name}"
    command = msgspec.structs.replace(command, **{filtered: former})
    answer = await services.directory.ask(caller, command, stages=exchange.stages)
    match answer:
        case Answer(reply=Events(events=[_, *_]) | Tasks(tasks=[_, *_])):
            return answer
        case _:
            return refusal


async def _look_again(services: Services, token_hash: bytes) -> None:
    """Check the token again after registering the wait: an earlier revocation could not end it."""
    grant = await services.authenticator.authenticate(token_hash)
    if grant is None or not grant.admits:
        raise NoLongerAdmitted
