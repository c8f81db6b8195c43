"""The pool against a real server."""

from store.opening import Store


async def test_ping(store: Store) -> None:
    await store.ping()
    assert store.pool.statistics().idle == 1
