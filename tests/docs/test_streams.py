"""Streams and waits through the proxies of docs/deploy: what happens is told at once, and nothing cuts a wait off."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest
import trio

from store import Store
from tests.balancers import Balancer, envoy, haproxy
from tests.docs.test_caddy import WITHOUT_SIGN_IN, caddy
from tests.docs.test_nginx import nginx
from tests.postgres import query
from tests.web.admin.admin_client import signed_in
from tests.web.bus import Bus, running_bus
from web.admin import cookies
from web.admin.live import STREAM_SECONDS

TOLD_SECONDS_MAX = STREAM_SECONDS - 10
"""A proxy that buffers tells nothing until the stream ends."""

Proxy = Callable[[str, Path], AbstractAsyncContextManager[httpx2.AsyncClient]]


@asynccontextmanager
async def through_caddy(upstream: str, directory: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with caddy(WITHOUT_SIGN_IN, directory, LLM_BUS_UPSTREAM=upstream) as http:
        yield http


def through(front: Callable[..., AbstractAsyncContextManager[Balancer]]) -> Proxy:
    """A proxy by a balancer with one server."""

    @asynccontextmanager
    async def proxy(upstream: str, directory: Path) -> AsyncIterator[httpx2.AsyncClient]:
        async with (
            front(directory, [int(upstream.rpartition(":")[2])]) as balancer,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{balancer.port}") as http,
        ):
            yield http

    return proxy


PROXIES = {"nginx": nginx, "caddy": through_caddy, "haproxy": through(haproxy), "envoy": through(envoy)}


@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES)
async def test_events_and_news_come_through_at_once(store: Store, conninfo: str, tmp_path: Path, proxy: Proxy) -> None:
    async with (
        running_bus(store, conninfo, keep_alive_seconds=75) as bus,
        signed_in(store, bus.url, "ada@example.com") as ada,
        proxy(bus.url.removeprefix("http://"), tmp_path) as http,
    ):
        token, other = await bus.mint("lead", project="shop"), await bus.mint("member", project="shop")
        proxied = Bus(str(http.base_url), store, http, bus.stopping)
        ((project_id,),) = query(conninfo, "select id from projects where slug = 'shop'")
        path, headers = f"/admin/projects/{project_id}/stream", {"Cookie": f"{cookies.SESSION}={ada.session_id}"}
        with trio.fail_after(TOLD_SECONDS_MAX):
            async with http.stream("GET", path, headers=headers, timeout=TOLD_SECONDS_MAX) as answer:
                lines = answer.aiter_lines()
                await until(lines, "event: here")
                await bus.call(token, "claim", sequence="adr")
                await until(lines, "id: 1")
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(hears, proxied, token)
                    await bus.call(other, "post", to_actor="lead", body="Here.")
                bus.stopping.set()
                assert [line async for line in lines]


async def until(lines: AsyncIterator[str], wanted: str) -> None:
    """Read up to this line."""
    async for line in lines:
        if line == wanted:
            return
    pytest.fail(f"the stream ended before: {wanted}")


async def hears(through: Bus, token: str) -> None:
    """A call that waits, and ends with what it waited for."""
    answer = await through.call(token, "read_posts", to_me=True, wait_seconds=50)
    assert [post["body"] for post in answer["posts"]] == ["Here."]
