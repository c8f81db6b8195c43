"""Small appends of several projects share a commit, and none of them depends on another."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from engine.errors import Contended, OutcomeUnknown
from store.errors import StatementFailed
from store.ledger.appends import GROUPED_BYTES_MAX, GROUPS_MAX
from store.ledger.journal import PostgresJournal
from store.postgres.pool import Pool
from tests.actors.journal_conformance import ALICE, claim, post
from tests.postgres import query

PROJECTS = range(1, 11)
COMMITS = "select count(distinct xmin::text) from events"
WRITTEN = "select coalesce(array_agg(project_id order by project_id), '{}') from events"


class Gathering:
    """Appends that were asked for while no session was free, and what became of each."""

    def __init__(self, journal: PostgresJournal, nursery: trio.Nursery) -> None:
        self.journal = journal
        self.outcomes: dict[int, str] = {}
        self.scopes = {project: trio.CancelScope() for project in PROJECTS}
        self.nursery = nursery
        self._over = {project: trio.Event() for project in PROJECTS}

    async def over(self, projects: Iterable[int]) -> None:
        """Wait for the outcomes of these projects' appends."""
        for project in projects:
            await self._over[project].wait()

    async def append(self, projects: Iterable[int], note: str | None = None) -> None:
        """Ask for an append to each of these projects, one after the other."""
        for project in projects:
            self.nursery.start_soon(self._append, project, note)
            await wait_all_tasks_blocked()

    async def _append(self, project: int, note: str | None) -> None:
        event = claim(1, sequence=note or "adr")
        with self.scopes[project]:
            try:
                await self.journal.append(project, [event], {})
            except (Contended, OutcomeUnknown, StatementFailed) as error:
                self.outcomes[project] = type(error).__name__
            else:
                self.outcomes[project] = "written"
            self._over[project].set()


@asynccontextmanager
async def gathering(conninfo: str) -> AsyncIterator[Gathering]:
    """What is asked for inside is sent at the end, all together but for the first, which are under way."""
    async with Pool(conninfo, size_max=1) as pool, Pool(conninfo) as turns:
        journal = PostgresJournal(pool, turns)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery, pool.connection():
                yield Gathering(journal, nursery)


async def test_appends_that_gather_share_a_commit(conninfo: str) -> None:
    async with gathering(conninfo) as gathered:
        await gathered.append(PROJECTS)
    assert gathered.outcomes == dict.fromkeys(PROJECTS, "written")
    assert query(conninfo, COMMITS) == [(GROUPS_MAX + 1,)]
    assert query(conninfo, WRITTEN) == [(list(PROJECTS),)]


async def test_a_project_that_another_server_writes_to_keeps_nobody_else_waiting(conninfo: str) -> None:
    *others, contested = PROJECTS
    with trio.fail_after(20):
        async with (
            trio.open_nursery() as nursery,
            Pool(conninfo) as pool,
            PostgresJournal(pool, pool).turn(contested, 0, 9),
            Pool(conninfo, size_max=GROUPS_MAX) as few,
        ):
            gathered = Gathering(PostgresJournal(few, pool), nursery)
            async with few.connection(), few.connection():
                await gathered.append(PROJECTS)
            await gathered.over(others)
            assert gathered.outcomes == dict.fromkeys(others, "written")
    assert gathered.outcomes == dict.fromkeys(PROJECTS, "written")


def is_taken(conninfo: str) -> None:
    query(
        conninfo,
        "insert into events (project_id, seq, at, actor, participation_id, type, data, writer)"
        " select 5, n, now(), 'ann', 1, 'claim', '{}', 0 from generate_series(1, 2) as n returning 1",
    )


@pytest.mark.parametrize(
    ("note", "arrange", "outcome"),
    [("adr", is_taken, "Contended"), ("nul \0", lambda _: None, "StatementFailed")],
    ids=["its number is taken", "PostgreSQL refuses its text"],
)
async def test_an_append_that_fails_leaves_the_others_of_its_commit_alone(
    conninfo: str, note: str, arrange: Callable[[str], None], outcome: str
) -> None:
    arrange(conninfo)
    async with gathering(conninfo) as gathered:
        await gathered.append(PROJECTS[:4])
        await gathered.append([5], note)
        await gathered.append(PROJECTS[5:])
    assert gathered.outcomes == dict.fromkeys(PROJECTS, "written") | {5: outcome}


async def test_an_append_whose_predecessor_is_missing_leaves_the_others_alone(conninfo: str) -> None:
    async with gathering(conninfo) as gathered:
        await gathered.append(PROJECTS[:3])
        gathered.nursery.start_soon(_refused, gathered.journal)
        await gathered.append(PROJECTS[3:])
    assert gathered.outcomes == dict.fromkeys(PROJECTS, "written")
    assert query(conninfo, WRITTEN) == [(list(PROJECTS),)]


async def _refused(journal: PostgresJournal) -> None:
    with pytest.raises(Contended):
        await journal.append(99, [claim(2)], {})


async def test_cancelled_appends_leave_the_others_to_be_sent(conninfo: str) -> None:
    async with gathering(conninfo) as gathered:
        await gathered.append(PROJECTS)
        for project in (*PROJECTS[:GROUPS_MAX], PROJECTS[5]):  # those under way, and one that waits
            gathered.scopes[project].cancel()
            await wait_all_tasks_blocked()
    cancelled = {*PROJECTS[:GROUPS_MAX], PROJECTS[5]}
    assert set(gathered.outcomes) == set(PROJECTS) - cancelled
    assert set(gathered.outcomes.values()) == {"written"}


async def test_the_outcome_of_a_group_is_unknown_when_the_task_that_sent_it_is_cancelled(conninfo: str) -> None:
    async with gathering(conninfo) as gathered:
        await gathered.append(PROJECTS)
        gathered.scopes[PROJECTS[0]].cancel()
        await wait_all_tasks_blocked()
        gathered.scopes[PROJECTS[GROUPS_MAX]].cancel()  # it was to send all that waited
        await wait_all_tasks_blocked()
        assert set(gathered.outcomes) == set(PROJECTS[GROUPS_MAX + 1 :])
        assert set(gathered.outcomes.values()) == {"OutcomeUnknown"}


@pytest.mark.parametrize("_", range(8))
async def test_an_append_that_is_cancelled_as_it_is_to_send_a_group_leaves_the_group_to_the_next(
    conninfo: str, _: int
) -> None:
    """Which of the cancelled tasks runs first is by chance, so it is tried several times."""
    cancelled = {PROJECTS[0], *PROJECTS[GROUPS_MAX : GROUPS_MAX + 3]}
    async with gathering(conninfo) as gathered:
        await gathered.append(PROJECTS)
        for project in cancelled:
            gathered.scopes[project].cancel()
        await wait_all_tasks_blocked()
    assert gathered.outcomes == dict.fromkeys(set(PROJECTS) - cancelled, "written")


async def test_long_appends_and_those_that_move_cursors_have_a_commit_of_their_own(conninfo: str) -> None:
    long = post(1, to_lane="x" * GROUPED_BYTES_MAX)
    async with gathering(conninfo) as gathered:
        await gathered.append(PROJECTS)
        gathered.nursery.start_soon(gathered.journal.append, 98, [long], {})
        gathered.nursery.start_soon(gathered.journal.append, 99, [claim(1)], {ALICE: 1})
        await wait_all_tasks_blocked()
    assert query(conninfo, COMMITS) == [(GROUPS_MAX + 3,)]
