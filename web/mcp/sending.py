"""A command on its way from a request to the project's actor: who is meant, waiting while the client does, what failed.

What the floors below raise and a caller may see becomes a refusal here, in `as_refusal`, once for all tools.
"""

from collections.abc import Awaitable
from typing import TypeVar

import msgspec
import structlog
import trio

from actors import Answer, Busy, Crashed, Unavailable
from engine.commands import AnyCommand, Touch
from engine.identity import Addressee, Principal
from engine.refusals import Refusal, invalid
from store.errors import InvalidName, StoreUnavailable
from web.errors import Disconnected
from web.exchange import Exchange
from web.services import Services
from web.waits import TOO_MANY_WAITS

log = structlog.get_logger(__name__)

Result = TypeVar("Result")

STORE_SILENT = Refusal("unavailable", "the database does not answer; try again in a moment.")


async def send(services: Services, exchange: Exchange, caller: Principal, command: AnyCommand) -> Answer | Refusal:
    """Have a command answered, and wait with it when it waits.

    Raises what actors and store raise, and `Disconnected` when the client leaves while the command waits.
    """
    addressee = None
    if (name := command.addressee_name) is not None:
        found = await services.rosters.resolve(name, caller.project_id)
        if isinstance(found, Refusal):
            return found
        addressee = found
    if command.wait_seconds == 0:
        return await services.directory.ask(caller, command, addressee=addressee)
    with services.waits.parked(caller) as has_place:
        if not has_place:
            return TOO_MANY_WAITS
        answer = await _ask_while_connected(services, exchange, caller, command, addressee)
    if answer is None:  # the server is stopping: what there is now is the answer
        prompt = msgspec.structs.replace(command, wait_seconds=0)
        return await services.directory.ask(caller, prompt, addressee=addressee)
    return answer


async def touch(services: Services, caller: Principal) -> int:
    """Refresh the caller's liveness, for tools that ask nothing of the project's state; gives its unread posts.

    Raises what actors raise.
    """
    answer = await services.directory.ask(caller, Touch())
    return 0 if isinstance(answer, Refusal) else answer.unread  # there is nothing in it to refuse


async def as_refusal(call: Awaitable[Result]) -> Result | Refusal:
    """What `call` returns, or in a caller's words what went wrong on the way there."""
    try:
        return await call
    except Busy as busy:
        return Refusal("busy", str(busy))
    except (Unavailable, Crashed) as unavailable:
        return Refusal("unavailable", str(unavailable))
    except InvalidName as wrong:
        return invalid(str(wrong))
    except StoreUnavailable as silent:
        log.warning("store unavailable", reason=str(silent))
        return STORE_SILENT


async def _ask_while_connected(
    services: Services, exchange: Exchange, caller: Principal, command: AnyCommand, addressee: Addressee | None
) -> Answer | Refusal | None:
    """The answer; None when the server stops first. Raises `Disconnected` when the client leaves first."""
    answer: Answer | Refusal | None = None
    gone = False

    async def watch_client() -> None:
        nonlocal gone
        while (await exchange.receive())["type"] != "http.disconnect":
            pass
        gone = True
        nursery.cancel_scope.cancel()

    async def watch_server() -> None:
        await services.stopping.wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_client)
        nursery.start_soon(watch_server)
        # Inside the nursery a failure would come out as a group, so it is turned into a refusal here already.
        answer = await as_refusal(services.directory.ask(caller, command, addressee=addressee))
        nursery.cancel_scope.cancel()
    if gone and answer is None:
        raise Disconnected
    return answer
