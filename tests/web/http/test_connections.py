"""The bound on connections."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from web.http.listener import BoundedListener, BoundedStream, listen


async def test_the_addresses_of_one_host_share_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = [await trio.open_tcp_listeners(0, host="127.0.0.1") for _ in range(2)]

    async def two_addresses(port: int, *, host: str) -> list[trio.SocketListener]:
        return [listener for listeners in sockets for listener in listeners]

    monkeypatch.setattr(trio, "open_tcp_listeners", two_addresses)
    listeners = await listen("two.example", 0, connections_max=1)
    accepted: list[BoundedStream] = []

    async def accept(listener: BoundedListener) -> None:
        accepted.append(await listener.accept())

    with trio.fail_after(10):
        clients = [await trio.open_tcp_stream("127.0.0.1", listener.port) for listener in listeners]
        async with trio.open_nursery() as nursery:
            for listener in listeners:
                nursery.start_soon(accept, listener)
            await wait_all_tasks_blocked(0.05)
            assert len(accepted) == 1
            await accepted[0].aclose()
    assert len(accepted) == 2
    for stream in (*accepted, *clients):
        await stream.aclose()
    for listener in listeners:
        await listener.aclose()
