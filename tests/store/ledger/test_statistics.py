"""Counts over all ledgers: exact, and each event looked at once."""

from store import Store
from store.ledger.statistics import PublicCounter
from store.people import minting
from store.people.names import TEMPORARY_DOMAIN
from tests.postgres import query

LEDGER = """
insert into events (project_id, seq, at, actor, participation_id, type, data, writer)
select %s, n, now(), 'ada/lead', 1,
       case n %% 4 when 1 then 'post' when 2 then 'claim' else 'ack' end,
       case n %% 4 when 1 then case when n %% 8 = 1 then '{"ref": "feat/1"}' else '{"ref": null}' end::jsonb
                   when 2 then '{}' else jsonb_build_object('post_id', (n - 1) / 4 * 4 + 1) end,
       1
  from generate_series(%s::int, %s::int) as n
"""
"""Every four events: a post, something else, and two acks of that post; every other post has a ref."""


async def mint(store: Store, project: str, email: str = "ada@example.com") -> int:
    return (await store.write(minting.mint, email, project, "lead")).project.id


async def test_everything_is_counted_once_in_pieces_of_any_size(store: Store, conninfo: str) -> None:
    shop, blog = await mint(store, "shop"), await mint(store, "blog")
    query(conninfo, LEDGER, (shop, 1, 40))
    query(conninfo, LEDGER, (blog, 1, 8))
    for size in (1, 7, 1000):
        stats = await PublicCounter(store.pool, events_per_look_max=size).count()
        assert (stats.events, stats.posts, stats.acknowledged, stats.with_ref) == (48, 12, 12, 6)
        assert (stats.projects, stats.participants) == (2, 1)


async def test_only_what_came_after_is_looked_at(store: Store, conninfo: str) -> None:
    shop = await mint(store, "shop")
    counter = PublicCounter(store.pool)
    query(conninfo, LEDGER, (shop, 1, 41))
    assert (await counter.count()).posts == 11
    query(conninfo, "update events set type = 'claim' where seq <= 41")  # who looked again would count less
    query(conninfo, LEDGER, (shop, 42, 48))
    stats = await counter.count()
    assert (stats.events, stats.posts, stats.acknowledged) == (48, 12, 12)


async def test_a_deleted_project_no_longer_counts(store: Store, conninfo: str) -> None:
    shop, blog = await mint(store, "shop"), await mint(store, "blog")
    query(conninfo, LEDGER, (shop, 1, 4))
    query(conninfo, LEDGER, (blog, 1, 8))
    counter = PublicCounter(store.pool)
    assert (await counter.count()).posts == 3
    query(conninfo, "delete from projects where id = %s", (shop,))
    stats = await counter.count()
    assert (stats.projects, stats.events, stats.posts) == (1, 8, 2)


async def test_demonstrations_do_not_count(store: Store, conninfo: str) -> None:
    demo = await mint(store, "demo", f"somebody@{TEMPORARY_DOMAIN}")
    query(conninfo, LEDGER, (demo, 1, 4))
    stats = await PublicCounter(store.pool).count()
    assert (stats.events, stats.posts, stats.projects, stats.participants) == (0, 0, 0, 0)
