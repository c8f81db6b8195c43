"""What the tests of this package share: a directory on a memory journal, callers, and the ledger's clock.

A test takes `autojump_clock` itself: pytest-trio looks for a clock among the test's own arguments only.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog.processors
import structlog.testing
import trio
from trio.testing import wait_all_tasks_blocked

from actors import ActorError, Answer, Directory, Limits
from engine.identity import Principal, Roster, resolve
from engine.project import AnyCommand
from engine.refusals import Refusal
from tests.actors.breakable_journal import BreakableJournal

DAWN = datetime(2026, 1, 1, tzinfo=UTC)
PROJECT = 1
ROSTER = Roster(handle="ann", labels={"a": 1, "b": 2, "c": 3})

OpenDirectory = Callable[..., Awaitable[Directory]]


def clock() -> datetime:
    """The ledger's time, out of Trio's."""
    return DAWN + timedelta(milliseconds=int(trio.current_time() * 1000))


def principal(number: int, project_id: int = PROJECT) -> Principal:
    return Principal(id=number, project_id=project_id, handle="ann", label="abc"[number - 1], project="p")


A, B, C = principal(1), principal(2), principal(3)


async def ask(directory: Directory, caller: Principal, command: AnyCommand) -> Answer | Refusal:
    """`directory.ask`, as an endpoint does it: the addressee is resolved, and what comes after the answer is done.

    Nobody waits for longer than a few minutes.
    """
    addressee = None if command.addressee_name is None else resolve(command.addressee_name, ROSTER)
    assert not isinstance(addressee, Refusal)
    with trio.fail_after(300):
        answer = await directory.ask(caller, command, addressee=addressee)
        if isinstance(answer, Answer):
            await directory.follow_up(caller, answer)
        return answer


def stopwatch() -> float:
    """A stopwatch by which all work takes no time."""
    return 0.0


class Asked:
    """Calls made in the background, and what became of each."""

    def __init__(self, directory: Directory, nursery: trio.Nursery) -> None:
        self._directory = directory
        self._nursery = nursery
        self.outcomes: list[Answer | Refusal | ActorError] = []

    async def ask(self, caller: Principal, command: AnyCommand) -> None:
        """Send it, and return once it is in the mailbox or further."""
        self._nursery.start_soon(self._ask, caller, command)
        await wait_all_tasks_blocked()

    async def _ask(self, caller: Principal, command: AnyCommand) -> None:
        try:
            self.outcomes.append(await ask(self._directory, caller, command))
        except ActorError as error:
            self.outcomes.append(error)


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[Any]]:
    """What was logged, instead of on the screen; an exception as text."""
    with structlog.testing.capture_logs(processors=[structlog.processors.format_exc_info]) as entries:
        yield entries


@pytest.fixture
def journal() -> BreakableJournal:
    return BreakableJournal()


@pytest.fixture
async def open_directory(journal: BreakableJournal) -> AsyncIterator[OpenDirectory]:
    """Starts directories, on the test's journal and with the usual bounds unless told otherwise."""
    async with trio.open_nursery() as nursery:

        async def start(on: BreakableJournal | None = None, **limits: float) -> Directory:
            bounds = Limits(**limits)  # type: ignore[arg-type]
            directory = Directory(on or journal, clock=clock, limits=bounds, stopwatch=stopwatch)
            await nursery.start(directory.run)
            return directory

        yield start
        nursery.cancel_scope.cancel()


@pytest.fixture
async def directory(open_directory: OpenDirectory) -> Directory:
    return await open_directory()
