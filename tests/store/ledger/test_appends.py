"""Batches of several projects are written in one commit, and none of them depends on another."""

from collections.abc import AsyncIterator, Callable, Iterable

import pytest
import trio
from psycopg.conninfo import make_conninfo

from engine.errors import JournalError, JournalUnavailable, OutcomeUnknown
from engine.history import EMPTY, Batch, Head, Stored
from engine.vocabulary import Event
from store.ledger.journal import TOGETHER_BYTES_MAX, PostgresJournal
from store.ledger.peers import Peers
from store.postgres.clock import Clock
from store.postgres.pool import Pool
from tests.actors.journal_conformance import claim, post
from tests.bounds import HANG_SECONDS
from tests.postgres import query

PROJECTS = range(1, 11)
COMMITS = "select count(distinct xmin::text) from events"
WRITTEN = "select coalesce(array_agg(project_id order by project_id), '{}') from events"


@pytest.fixture
async def journal(conninfo: str) -> AsyncIterator[PostgresJournal]:
    async with Pool(conninfo) as pool:
        yield PostgresJournal(pool, pool)


def batch(project_id: int, event: Event | None = None, predecessor: Head = EMPTY) -> Batch:
    return Batch(project_id, [event or claim(1)], predecessor)


async def written(journal: PostgresJournal, batches: Iterable[Batch]) -> dict[int, str]:
    """What came of each project's batch."""
    batches = list(batches)
    with trio.fail_after(HANG_SECONDS):
        outcomes = await journal.append_together(batches)
    return {each.project_id: told(outcome) for each, outcome in zip(batches, outcomes, strict=True)}


def told(outcome: JournalError | None) -> str:
    return "written" if outcome is None else type(outcome).__name__


async def test_batches_share_a_commit_and_the_news_of_each_is_told(conninfo: str, journal: PostgresJournal) -> None:
    told: list[int] = []
    journal.tell = told.append
    assert await written(journal, map(batch, PROJECTS)) == dict.fromkeys(PROJECTS, "written")
    assert query(conninfo, COMMITS) == [(1,)]
    assert query(conninfo, WRITTEN) == [(list(PROJECTS),)]
    assert told == list(PROJECTS)


async def test_a_project_that_another_server_writes_to_is_left_out_and_keeps_nobody_waiting(
    conninfo: str, journal: PostgresJournal
) -> None:
    *others, contested = PROJECTS
    async with Pool(conninfo) as pool, PostgresJournal(pool, pool).turn(contested, 0, 9):
        outcomes = await written(journal, map(batch, PROJECTS))
        alone = await written(journal, [batch(contested)])
    assert outcomes == dict.fromkeys(others, "written") | {contested: "NotTogether"}
    assert alone == {contested: "NotTogether"}


async def test_an_event_is_the_same_row_alone_and_with_others(conninfo: str, journal: PostgresJournal) -> None:
    event = post(1, to_lane="docs", ref='"ä\\ \n')
    assert await written(journal, [batch(1, event)]) == {1: "written"}
    assert await written(journal, [batch(2, event), batch(3, event)]) == {2: "written", 3: "written"}
    rows = query(conninfo, "select seq, at, actor, participation_id, type, data, writer from events")
    assert rows == [rows[0]] * 3
    assert await journal.tail(1, 0, 9) == [Stored(event, journal.writer)]


async def test_all_events_of_one_project_are_written_or_none(conninfo: str, journal: PostgresJournal) -> None:
    events = [claim(1), post(2, to_lane="docs"), claim(3)]
    async with Pool(conninfo) as pool, PostgresJournal(pool, pool).turn(1, 0, 9):
        assert await written(journal, [Batch(1, events, EMPTY)]) == {1: "NotTogether"}
    assert query(conninfo, WRITTEN) == [([],)]
    assert await written(journal, [Batch(1, events, EMPTY)]) == {1: "written"}
    assert query(conninfo, COMMITS) == [(1,)]
    assert [stored.event for stored in await journal.tail(1, 0, 9)] == events


def is_taken(conninfo: str) -> None:
    query(
        conninfo,
        "insert into events (project_id, seq, at, actor, participation_id, type, data, writer)"
        " select 5, n, now(), 'ann', 1, 'claim', '{}', 0 from generate_series(1, 2) as n returning 1",
    )


@pytest.mark.parametrize(
    ("event", "arrange"),
    [(claim(1), is_taken), (claim(1, sequence="nul \0"), lambda _: None)],
    ids=["its number is taken", "PostgreSQL refuses its text"],
)
async def test_nothing_is_written_of_any_batch_when_one_fails(
    conninfo: str, journal: PostgresJournal, event: Event, arrange: Callable[[str], None]
) -> None:
    arrange(conninfo)
    before = query(conninfo, WRITTEN)
    batches = [batch(project, event if project == 5 else None) for project in PROJECTS]
    assert await written(journal, batches) == dict.fromkeys(PROJECTS, "NotTogether")
    assert query(conninfo, WRITTEN) == before


async def test_a_batch_whose_predecessor_is_missing_leaves_the_others_alone(
    conninfo: str, journal: PostgresJournal
) -> None:
    batches = [*map(batch, PROJECTS), batch(99, claim(2), Head(1, claim(1).at))]
    assert await written(journal, batches) == dict.fromkeys(PROJECTS, "written") | {99: "Contended"}
    assert query(conninfo, WRITTEN) == [(list(PROJECTS),)]
    other = Head(1, claim(7).at)
    assert await written(journal, [batch(1, claim(2), other)]) == {1: "Contended"}, "another event has its number"
    assert await written(journal, [batch(1, claim(2), Head(1, claim(1).at))]) == {1: "written"}


async def test_a_long_batch_is_written_without_company(journal: PostgresJournal) -> None:
    long = batch(99, post(1, to_lane="x" * TOGETHER_BYTES_MAX))
    assert await written(journal, [batch(1), long]) == {1: "written", 99: "NotTogether"}
    assert await written(journal, [long]) == {99: "written"}
    both = [batch(97, long.events[0]), batch(98, long.events[0])]
    assert await written(journal, both) == {97: "NotTogether", 98: "NotTogether"}


async def test_the_outcome_of_every_batch_is_unknown_when_the_connection_is_lost(
    conninfo: str, journal: PostgresJournal
) -> None:
    query(
        conninfo,
        "create function end_it() returns trigger language plpgsql as "
        "$$ begin perform pg_terminate_backend(pg_backend_pid()); return new; end $$; "
        "create trigger ends before insert on events for each row execute function end_it()",
    )
    told: list[int] = []
    journal.tell = told.append
    assert await written(journal, map(batch, PROJECTS)) == dict.fromkeys(PROJECTS, OutcomeUnknown.__name__)
    assert told == list(PROJECTS), "the others look"


async def test_nothing_is_written_together_when_the_server_cannot_be_reached(conninfo: str) -> None:
    async with Pool(make_conninfo(conninfo, port="1"), acquire_timeout_seconds=0.1) as pool:
        with pytest.raises(JournalUnavailable):
            await PostgresJournal(pool, pool).append_together([batch(1)])


async def test_nothing_is_written_together_without_a_registration(conninfo: str) -> None:
    class Unregistered(Peers):
        registration = 17

    async with Pool(conninfo) as pool:
        journal = PostgresJournal(pool, pool, peers=Unregistered(conninfo, Clock()))
        assert await written(journal, [batch(1)]) == {1: JournalUnavailable.__name__}
    assert query(conninfo, WRITTEN) == [([],)]
