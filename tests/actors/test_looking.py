"""Looking at a project, and hearing what happened in it: only what is durable, nobody called, nothing twice."""

from collections.abc import Iterator
from datetime import datetime

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors import Directory, Unavailable
from actors.looking import Happening
from engine.presence import WhoIsActive
from engine.sequences import Claim
from engine.state import State
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import PROJECT, A, OpenDirectory, ask

CLAIM = Claim(sequence="adr")


def end(state: State, now: datetime) -> int:
    return state.seq


async def test_a_look_sees_what_is_durable_and_makes_nobody_active(
    autojump_clock: MockClock, directory: Directory
) -> None:
    assert await directory.look(PROJECT, end) == 0
    await ask(directory, A, CLAIM)
    assert await directory.look(PROJECT, end) == 1
    seen = await directory.look(PROJECT, lambda state, now: set(state.seen))
    assert seen == {A.id}


async def test_a_look_writes_nothing(
    autojump_clock: MockClock, directory: Directory, journal: BreakableJournal
) -> None:
    await directory.look(PROJECT, end)
    assert not journal.ledger.rows[PROJECT]


async def test_a_look_is_prepared_in_steps_before_it(autojump_clock: MockClock, directory: Directory) -> None:
    told: list[str] = []

    def steps(state: State, now: datetime) -> Iterator[None]:
        for _ in range(3):
            told.append("step")
            yield

    await directory.look(PROJECT, lambda state, now: told.append("view"), steps)
    assert told == ["step"] * 3 + ["view"]


async def test_what_happened_is_told_in_order_and_once(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    heard: list[tuple[int, list[Happening] | None]] = []

    async def listen() -> None:
        after = 0
        while after < 3:
            after, events = await directory.happened(PROJECT, after)
            heard.append((after, events))

    nursery.start_soon(listen)
    for _ in range(3):
        await wait_all_tasks_blocked()
        await ask(directory, A, CLAIM)
    await wait_all_tasks_blocked()
    told = [event for _, events in heard for event in events or ()]
    assert [(event.seq, event.type, event.actor) for event in told] == [(n, "claim", A.actor) for n in (1, 2, 3)]


async def test_more_than_is_remembered_is_told_by_its_last_number(
    autojump_clock: MockClock, open_directory: OpenDirectory
) -> None:
    directory = await open_directory(news_kept_events=2)
    for _ in range(4):
        await ask(directory, A, CLAIM)
    assert await directory.happened(PROJECT, 1) == (4, None)
    last, events = await directory.happened(PROJECT, 2)
    assert (last, [event.seq for event in events or ()]) == (4, [3, 4])


async def test_a_ledger_that_ends_before_what_was_heard_is_told_at_once(
    autojump_clock: MockClock, directory: Directory
) -> None:
    await ask(directory, A, CLAIM)
    with trio.fail_after(1):
        assert await directory.happened(PROJECT, 7) == (1, None)


async def test_listening_ends_with_the_server_and_with_the_project(
    autojump_clock: MockClock, directory: Directory, nursery: trio.Nursery
) -> None:
    ended = 0

    async def listen() -> None:
        nonlocal ended
        with pytest.raises(Unavailable):
            await directory.happened(PROJECT, 0)
        ended += 1

    nursery.start_soon(listen)
    await wait_all_tasks_blocked()
    async with directory.forgetting(PROJECT):
        await wait_all_tasks_blocked()
        assert ended == 1
    nursery.start_soon(listen)
    await wait_all_tasks_blocked()
    await directory.stop()
    await wait_all_tasks_blocked()
    assert ended == 2


async def test_who_only_listens_is_not_active(autojump_clock: MockClock, directory: Directory) -> None:
    with trio.move_on_after(1):
        await directory.happened(PROJECT, 0)
    answer = await ask(directory, A, WhoIsActive())
    assert [row.actor for row in answer.reply.active] == [A.actor]  # type: ignore[union-attr]
