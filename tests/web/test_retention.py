"""A server removes old records of people by itself, unless it is told to keep them."""

import trio

from store import Store
from tests.bounds import HANG_SECONDS
from tests.postgres import query
from tests.store.estate import audited
from tests.web.bus import running_bus

_OLD_RECORD = """
insert into audit (at, owner_id, actor, action, detail) values (now() - interval '400 days', 1, 'ann', 'grant', '{}')
"""


async def test_a_server_removes_old_records(store: Store, conninfo: str) -> None:
    query(conninfo, _OLD_RECORD)
    async with running_bus(store, conninfo, audit_days=0):
        pass
    assert audited(conninfo) == ["grant"]
    async with running_bus(store, conninfo):
        with trio.fail_after(HANG_SECONDS):
            while audited(conninfo):  # noqa: ASYNC110 - it can only be asked
                await trio.sleep(0.01)
