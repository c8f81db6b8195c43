"""Audit records, tokens and invites that ended long ago are removed, and nothing that somebody still needs."""

import pytest
import trio

from store import Store
from store.errors import StoreUnavailable
from store.ledger import projects
from store.people import grants, invites, retention, tokens
from store.people.codes import digest
from tests.bounds import HANG_SECONDS
from tests.postgres import query
from tests.store.estate import Estate, audited, settle, write_events

pytestmark = pytest.mark.usefixtures("bounded")

_PAST = (
    "update audit set at = at - make_interval(days => %(days)s)",
    "update tokens set created_at = created_at - make_interval(days => %(days)s),"
    " revoked_at = revoked_at - make_interval(days => %(days)s),"
    " expires_at = expires_at - make_interval(days => %(days)s)",
    "update invites set created_at = created_at - make_interval(days => %(days)s),"
    " revoked_at = revoked_at - make_interval(days => %(days)s),"
    " expires_at = expires_at - make_interval(days => %(days)s)",
)

_OLD_RECORDS = """
insert into audit (at, owner_id, actor, action, detail)
select now() - interval '400 days', 1, 'ann', 'grant', '{}' from generate_series(1, %s)
"""


@pytest.fixture
async def ann(store: Store) -> Estate:
    return await settle(store, "ann@example.com")


async def grow_older(store: Store, *, days: int) -> None:
    async with store.transaction() as connection:
        for statement in _PAST:
            await connection.execute(statement, {"days": days})


async def test_what_ended_long_ago_goes(store: Store, ann: Estate, conninfo: str) -> None:
    rotated = await store.write(grants.rotate, ann.project_id, "lead", by="ann")
    assert rotated is not None
    await store.write(grants.provision, ann.project_id, "short", token_days=1, by="ann")
    await store.write(invites.revoke, ann.owner.id, ann.project_id, ann.invite_id, by="ann")
    await store.write(invites.create, ann.project_id, ttl_hours=1, by="ann")
    await grow_older(store, days=31)
    assert await store.write(retention.remove_old, 32) == 0
    before = len(audited(conninfo))
    assert await store.write(retention.remove_old, 29) == before + 4
    assert audited(conninfo) == []
    assert query(conninfo, "select count(*) from invites") == [(0,)]
    assert query(conninfo, "select count(*) from tokens") == [(1,)]
    assert await store.read(tokens.authenticate, digest(rotated.token)) is not None


async def test_what_works_or_ended_lately_stays(store: Store, ann: Estate, conninfo: str) -> None:
    await grow_older(store, days=31)
    query(conninfo, "update invites set expires_at = now() + interval '1 day'")
    lately = await store.write(grants.provision, ann.project_id, "short", token_days=1, by="ann")
    await store.write(grants.revoke, ann.project_id, lately.participant, by="ann")
    before = query(conninfo, "select id from tokens union all select id from invites order by 1")
    await store.write(retention.remove_old, 30)
    assert query(conninfo, "select id from tokens union all select id from invites order by 1") == before
    assert audited(conninfo) == ["grant", "token_mint", "revoke"]


async def test_a_loss_of_events_stays_known(store: Store, ann: Estate, conninfo: str) -> None:
    query(conninfo, "update audit set action = 'ledger_loss' where id = (select max(id) from audit)")
    await grow_older(store, days=1000)
    await store.write(retention.remove_old, 1)
    assert audited(conninfo) == ["ledger_loss"]


async def test_a_deleted_project_is_remembered_while_something_of_it_is_left(
    store: Store, ann: Estate, conninfo: str
) -> None:
    await store.write(projects.delete, ann.owner.id, ann.project_id, by="ann")
    write_events(conninfo, ann.project_id, ann.participation_id, last=1)  # by a server that was about to
    await grow_older(store, days=1000)
    await store.write(retention.remove_old, 1)
    assert audited(conninfo) == ["project_delete"]
    second = await store.write(projects.ensure, ann.owner.id, "second")
    await store.write(projects.delete, ann.owner.id, second.id, by="ann")
    assert query(conninfo, "select count(*) from events") == [(0,)]
    await store.write(retention.remove_old, 1)
    assert audited(conninfo) == ["project_add", "project_delete"]


async def test_many_rows_go_in_batches(store: Store, ann: Estate, conninfo: str) -> None:
    await grow_older(store, days=400)
    query(conninfo, _OLD_RECORDS, (2 * retention.BATCH_ROWS,))
    batches = list[int]()
    while batch := await store.write(retention.remove_old, 365):
        batches.append(batch)
    assert audited(conninfo) == []
    assert len(batches) == 3
    assert max(batches) < 2 * retention.BATCH_ROWS


async def test_rows_that_another_server_removes_are_passed_over(store: Store, ann: Estate) -> None:
    await grow_older(store, days=400)
    with trio.fail_after(HANG_SECONDS):
        async with store.transaction() as other:
            assert await retention.remove_old(other, 365) > 0
            assert await store.write(retention.remove_old, 365) == 0
    assert await store.write(retention.remove_old, 365) == 0


async def test_any_number_of_days_is_one(store: Store, ann: Estate) -> None:
    assert await store.write(retention.remove_old, 10**12) == 0


async def test_a_database_that_is_away_is_asked_again_later(autojump_clock: trio.testing.MockClock) -> None:
    answers: list[int | StoreUnavailable] = [StoreUnavailable("away"), 3, 0]

    async def remove() -> int:
        answer = answers.pop(0)
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    with trio.move_on_after(1.5 * retention.LOOK_SECONDS):
        await retention.keep_removing(remove)
    assert answers == []
