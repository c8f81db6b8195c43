"""What one process made durable, another one hears."""

from datetime import UTC, datetime

import trio

from engine.history import Liveness
from engine.sequences import Claimed
from engine.vocabulary import Event
from store import Listener, Store, open_store
from store.ledger.notifier import ALONE_PAUSE_SECONDS, TOLD_MAX, news_of, pass_on
from store.people import invites, links, minting, owners
from store.postgres.connection import Connection
from tests.postgres import query
from tests.store.hearing import Heard, until

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TRUST = 0.2


def claim(seq: int) -> Event:
    data = Claimed(sequence="adr", number=seq, formatted=str(seq), note=None)
    return Event(seq=seq, at=NOW, actor="ann/a", by=1, data=data)


async def test_events_are_heard_by_the_other_process_and_not_by_their_writer(conninfo: str) -> None:
    ours, theirs = Heard(), Heard()
    async with (
        open_store(conninfo, trust_seconds=TRUST) as store,
        open_store(conninfo, trust_seconds=TRUST) as other,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(store.listen, ours.listener)
        nursery.start_soon(other.listen, theirs.listener)
        assert [await ours.next(), await theirs.next()] == ["gap", "gap"]
        await store.journal.append(7, [claim(1), claim(2)], {})
        assert await theirs.next_project() == 7
        await other.journal.append(8, [claim(1)], {})
        assert await ours.next_project() == 8
        nursery.cancel_scope.cancel()


async def test_who_called_elsewhere_is_heard(conninfo: str) -> None:
    heard = Heard()
    async with (
        open_store(conninfo, trust_seconds=TRUST) as store,
        open_store(conninfo, trust_seconds=TRUST) as other,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(store.listen, heard.listener)
        nursery.start_soon(other.listen, Heard().listener)
        assert await heard.next() == "gap"
        await other.journal.write_liveness(9, {1: Liveness("ann/a", NOW)})
        assert await heard.next_project() == 9
        assert await store.journal.liveness(9, NOW, 9) == {1: Liveness("ann/a", NOW)}
        nursery.cancel_scope.cancel()


async def test_a_server_on_its_own_tells_nobody(conninfo: str) -> None:
    # Trust that ends while the machine is busy would have it tell: it could no longer know that it is alone.
    async with open_store(conninfo, trust_seconds=2) as store, trio.open_nursery() as nursery:
        nursery.start_soon(store.listen, Heard().listener)
        await until(lambda: store.journal.alone)
        bystander = await Connection.open(conninfo)
        await bystander.execute("listen llm_bus")
        await bystander.fetch("select 1")  # a session that only listened is taken for an older release
        await store.journal.append(7, [claim(1)], {})
        await trio.sleep(2 * ALONE_PAUSE_SECONDS)
        await store.write(minting.mint, "ann@example.com", "bus", "lead")
        heard = await bystander.notified(within_seconds=20)
        assert all("identity" in payload for payload in heard)
        bystander.close()
        nursery.cancel_scope.cancel()


def test_more_projects_than_can_be_named_are_told_of_together() -> None:
    heard = Heard()
    pass_on(news_of(1, set(range(TOLD_MAX))), heard.listener, own_writer=2)
    assert heard.received() == list(range(TOLD_MAX))
    pass_on(news_of(1, set(range(TOLD_MAX + 1))), heard.listener, own_writer=2)
    assert heard.received() == ["gap"]
    pass_on(news_of(2, set(range(TOLD_MAX + 1))), heard.listener, own_writer=2)
    assert heard.received() == []


async def test_every_change_of_identity_is_heard(store: Store) -> None:
    heard = Heard()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.listen, heard.listener)
        assert await heard.next() == "gap"
        await store.write(minting.mint, "ann@example.com", "bus", "lead")
        assert await heard.next() == "identity"
        nursery.cancel_scope.cancel()


async def test_identity_news_says_whose_and_what_changes_no_right_is_not_told(conninfo: str) -> None:
    told: list[tuple[int | None, int | None]] = []
    async with open_store(conninfo, trust_seconds=TRUST) as store, trio.open_nursery() as nursery:
        audited: list[int] = []
        gap = trio.Event()
        listener = Listener(
            project=lambda _: None, identity=lambda *whose: told.append(whose), audited=audited.append, gap=gap.set
        )
        nursery.start_soon(store.listen, listener)
        await gap.wait()
        minted = await store.write(minting.mint, "ann@example.com", "bus", "lead")
        await until(lambda: len(told) == 1)
        before = len(audited)
        await store.write(invites.create, minted.project.id, by="cli")
        await until(lambda: len(audited) > before)
        await store.write(links.make, "ann@example.com", by="cli")
        await store.write(owners.suspend, minted.owner.id, by="cli")
        await until(lambda: len(told) > 1)
        assert told == [(minted.owner.id, minted.project.id), (minted.owner.id, None)]
        assert set(audited) == {minted.owner.id}
        nursery.cancel_scope.cancel()


async def test_a_lost_session_is_replaced_and_reported_as_a_gap(store: Store, conninfo: str) -> None:
    heard = Heard()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.listen, heard.listener)
        assert await heard.next() == "gap"
        statement = (
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        await trio.to_thread.run_sync(query, conninfo, statement)
        assert await heard.next() == "gap"
        nursery.cancel_scope.cancel()


async def test_what_nobody_of_us_said_is_a_gap_and_no_accident(store: Store, conninfo: str) -> None:
    heard = Heard()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.listen, heard.listener)
        assert await heard.next() == "gap"
        await trio.to_thread.run_sync(query, conninfo, "select pg_notify('llm_bus', 'not ours')")
        assert await heard.next() == "gap"
        await store.write(minting.mint, "ann@example.com", "bus", "lead")
        assert await heard.next() == "identity"
        nursery.cancel_scope.cancel()
