"""Agents take work from one project: every task is started once, in a legal order, and nothing stays with the dead."""

from collections import Counter

import trio
from trio.testing import MockClock

from actors import Answer, Directory
from engine.identity import Principal
from engine.tasks import OneTask, TaskAssigned, TaskCreate, TaskCreated, TaskShip, TaskShipped, TaskStart, TaskStarted
from tests.actors.breakable_journal import BreakableJournal
from tests.actors.conftest import PROJECT, A, OpenDirectory

AGENTS = 64
TASKS = 1_000
KILLED = 8


def agent(number: int) -> Principal:
    return Principal(id=100 + number, project_id=PROJECT, handle="ann", label=f"agent-{number}", project="p")


async def take(directory: Directory, who: Principal) -> int | None:
    """The task that an agent takes; None when none is ready for a minute."""
    answer = await directory.ask(who, TaskStart(wait_seconds=55))
    if not isinstance(answer, Answer):
        return None
    assert isinstance(answer.reply, OneTask)
    return answer.reply.tasks[0].task_id


async def test_many_take_tasks_at_once_and_take_over_from_those_who_die(
    autojump_clock: MockClock, open_directory: OpenDirectory, journal: BreakableJournal
) -> None:
    directory = await open_directory()
    depends_on: dict[int, tuple[int, ...]] = {}
    for number in range(1, TASKS + 1):
        depends_on[number] = tuple({max(1, number - 7), max(1, number // 2)} - {number})
        await directory.ask(A, TaskCreate(title=f"{number}", depends_on=depends_on[number], priority=number % 5))
    shipped = 0

    async def work(number: int) -> None:
        nonlocal shipped
        who, done = agent(number), 0
        while shipped < TASKS:
            task_id = await take(directory, who)
            if task_id is not None and number < KILLED and done == 3:
                return  # killed with a task in hand
            if task_id is not None:
                assert isinstance(await directory.ask(who, TaskShip(task_id=task_id)), Answer)
                shipped, done = shipped + 1, done + 1

    with trio.fail_after(100_000):
        async with trio.open_nursery() as nursery:
            for number in range(AGENTS):
                nursery.start_soon(work, number)

    events = [row.event for row in journal.ledger.rows[PROJECT]]
    started = Counter(event.data.task_id for event in events if isinstance(event.data, TaskStarted))
    assert started == Counter(range(1, TASKS + 1))
    ends = {event.data.task_id: event.seq for event in events if isinstance(event.data, TaskShipped)}
    begins = {event.data.task_id: event.seq for event in events if isinstance(event.data, TaskStarted)}
    assert len(ends) == TASKS
    assert all(ends[earlier] < begins[task_id] for task_id in begins for earlier in depends_on[task_id])
    taken_over = [event for event in events if isinstance(event.data, TaskAssigned) and event.data.before is not None]
    assert len(taken_over) == KILLED
    assert sum(isinstance(event.data, TaskCreated) for event in events) == TASKS


async def test_a_wait_for_work_ends_when_a_task_is_written_down(
    autojump_clock: MockClock, open_directory: OpenDirectory
) -> None:
    directory = await open_directory()
    found: list[int | None] = []

    async def wait() -> None:
        found.append(await take(directory, agent(1)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.sleep(20)
        assert found == []
        await directory.ask(A, TaskCreate(title="at last"))
    assert found == [1]
    assert trio.current_time() < 55
