"""`subscriptions/listen`: clients hear at once which resources changed, within bounds, until their token ends."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import trio
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import Subscription
from mcp.shared.subscriptions import ResourceUpdated

from store import Store
from store.ledger import projects
from store.people import grants, owners
from tests.bounds import HANG_SECONDS
from tests.web.admin.admin_client import rename
from tests.web.admin.event_stream import EventStream, connected
from tests.web.admin.slow_reading import UNREAD_EVENTS, connections, hurry
from tests.web.bus import ENVELOPE, Bus, running_bus
from tests.web.http.test_attacks import until
from web.identity import waits
from web.mcp import listening

ALL = ["bus://inbox", "bus://tasks", "bus://leases", "bus://presence"]


@asynccontextmanager
async def listener(bus: Bus, token: str, *uris: str) -> AsyncIterator[Subscription]:
    """A client of the SDK that listens."""
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=HANG_SECONDS) as http,
        Client(streamable_http_client(f"{bus.url}/mcp", http_client=http)) as client,
        client.listen(resource_subscriptions=uris) as subscription,
    ):
        yield subscription


async def heard(subscription: Subscription) -> str:
    with trio.fail_after(HANG_SECONDS):
        event = await anext(subscription)
    assert isinstance(event, ResourceUpdated)
    return str(event.uri)


@asynccontextmanager
async def raw_listener(
    bus: Bus, token: str, *uris: str, version: str = "1.1", chunked: bool = False, is_narrow: bool = False
) -> AsyncIterator[EventStream]:
    """The same over a plain socket."""
    params = {"notifications": {"resourceSubscriptions": uris, "toolsListChanged": True}, "_meta": ENVELOPE}
    body = json.dumps({"jsonrpc": "2.0", "id": "me", "method": "subscriptions/listen", "params": params}).encode()
    url = urlsplit(bus.url)
    lines = [
        f"POST /mcp HTTP/{version}",
        f"Host: {url.netloc}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
        "MCP-Protocol-Version: 2026-07-28",
        "Mcp-Method: subscriptions/listen",
        "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}",
    ]
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    async with connected(bus.url, is_narrow=is_narrow) as connection:
        await connection.send_all("\r\n".join([*lines, "", ""]).encode() + sent)
        stream = EventStream(connection)
        head = (await stream.until(b"\r\n\r\n")).lower()
        assert b" 200 " in head.partition(b"\r\n")[0], head
        assert b"content-type: text/event-stream" in head
        yield stream


async def message(stream: EventStream) -> Any:
    """The next JSON-RPC message; None at the end."""
    text = await stream.until(b"\n\n")
    return json.loads(text.partition(b"data: ")[2]) if text else None


async def test_a_client_of_the_sdk_hears_which_resources_changed(bus: Bus, token: str) -> None:
    other = await bus.mint("other")
    async with listener(bus, token, *ALL, "bus://nothing") as subscription:
        assert subscription.honored.resource_subscriptions == ALL
        await bus.call(other, "task_create", title="write the printer")
        assert await heard(subscription) == "bus://tasks"
        await bus.call(other, "lease", surface="src/printer.py")
        assert await heard(subscription) == "bus://leases"
        await bus.call(other, "post", to_actor="other", body="not to the one who listens")
        await bus.call(other, "register", lane="api")
        assert await heard(subscription) == "bus://presence"
        post_id = (await bus.call(other, "post", to_actor="lead", body="the parser is done"))["post_id"]
        assert await heard(subscription) == "bus://inbox"
        async with listener(bus, other, f"bus://post/{post_id}") as sender:
            await bus.call(token, "ack", post_id=post_id)
            assert await heard(sender) == f"bus://post/{post_id}"
        assert await heard(subscription) == "bus://inbox"


async def test_a_listener_that_is_renamed_still_hears_of_its_own_acknowledgements(bus: Bus, token: str) -> None:
    post_id = (await bus.call(await bus.mint("other"), "post", to_actor="lead", body="done"))["post_id"]
    async with listener(bus, token, "bus://inbox") as subscription:
        await rename(bus, "lead", "boss")
        await bus.call(token, "ack", post_id=post_id)
        assert await heard(subscription) == "bus://inbox"


async def test_it_is_offered_to_clients_that_can_listen(bus: Bus, token: str) -> None:
    found = (await bus.ask(token, "server/discover", revision="2026-07-28")).json()["result"]
    assert found["capabilities"]["resources"]["subscribe"] is True
    legacy = await bus.ask(token, "subscriptions/listen", {"notifications": {}}, "2025-11-25")
    assert legacy.json()["error"]["code"] == -32601


@pytest.mark.parametrize(("version", "chunked"), [("1.1", False), ("1.0", False), ("1.1", True)])
async def test_each_message_names_its_request(bus: Bus, token: str, version: str, *, chunked: bool) -> None:
    meta = {"io.modelcontextprotocol/subscriptionId": "me"}
    async with raw_listener(bus, token, "bus://leases", version=version, chunked=chunked) as stream:
        agreed = {"toolsListChanged": True, "resourceSubscriptions": ["bus://leases"]}
        first = await message(stream)
        assert first["method"] == "notifications/subscriptions/acknowledged"
        assert first["params"] == {"notifications": agreed, "_meta": meta}
        await bus.call(token, "lease", surface="src")
        assert (await message(stream))["params"] == {"uri": "bus://leases", "_meta": meta}
        bus.stopping.set()
        assert await message(stream) == {
            "jsonrpc": "2.0",
            "id": "me",
            "result": {"resultType": "complete", "_meta": meta},
        }


@pytest.mark.parametrize("how", ["revoked", "suspended", "archived"])
async def test_a_stream_ends_with_its_token(bus: Bus, token: str, how: str) -> None:
    owner = await bus.store.read(owners.find_owner, "ada@example.com")
    assert owner is not None
    async with raw_listener(bus, token, *ALL) as stream:
        await message(stream)
        if how == "revoked":
            await bus.store.write(grants.revoke, 1, "lead", by="elsewhere")
        elif how == "suspended":
            await bus.store.write(owners.suspend, owner.id, by="elsewhere")
        else:
            await bus.store.write(projects.archive, owner.id, 1, archived=True, by="elsewhere")
        while (told := await message(stream)) is not None and "result" not in told:
            assert told["method"]


async def test_a_stream_ends_when_its_token_has_run_out(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LOOK_SECONDS", 0.1)
    async with running_bus(store, conninfo) as bus, raw_listener(bus, await bus.mint(), *ALL) as stream:
        await message(stream)
        async with store.transaction() as connection:
            await connection.execute("update tokens set expires_at = now()")
        while (told := await message(stream)) is not None and "result" not in told:
            assert told["method"]


async def test_a_project_tells_nothing_of_another(bus: Bus, token: str) -> None:
    foreign = await bus.mint("lead", project="foreign")
    async with listener(bus, token, *ALL) as subscription:
        await bus.call(foreign, "task_create", title="elsewhere")
        await bus.call(token, "lease", surface="here")
        assert await heard(subscription) == "bus://leases"


async def test_streams_of_a_token_and_resources_of_a_stream_are_bounded(
    bus: Bus, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "STREAMS_PER_TOKEN_MAX", 1)
    async with raw_listener(bus, token, "bus://tasks") as first, raw_listener(bus, token, "bus://tasks") as second:
        assert (await message(first))["method"] == "notifications/subscriptions/acknowledged"
        assert "too many streams" in (await message(second))["error"]["message"]
    many = {"notifications": {"resourceSubscriptions": [f"bus://post/{number}" for number in range(1, 102)]}}
    refused = await bus.ask(token, "subscriptions/listen", many, "2026-07-28")
    assert "at most 100 resources" in refused.json()["error"]["message"]


async def test_streams_of_all_tokens_are_bounded(store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "STREAMS_MAX", 1)
    async with running_bus(store, conninfo) as bus:
        one, other = await bus.mint("one"), await bus.mint("other", project="elsewhere")
        async with raw_listener(bus, one, "bus://tasks") as first, raw_listener(bus, other, "bus://tasks") as second:
            assert (await message(first))["method"] == "notifications/subscriptions/acknowledged"
            assert "too many streams" in (await message(second))["error"]["message"]


async def test_a_client_that_reads_nothing_is_dropped_and_reads_what_it_missed(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(listening, "STREAMS_PER_TOKEN_MAX", 1)
    async with running_bus(store, conninfo) as bus:
        token, other = await bus.mint("lead"), await bus.mint("other")
        posts = [f"bus://post/{number}" for number in range(1, UNREAD_EVENTS + 1)]
        before = await connections(bus)
        async with raw_listener(bus, token, *posts, version="1.0", is_narrow=True) as stream:
            for _ in posts:
                await bus.call(other, "post", to_actor="lead", body="x")
            await until(bus, "llm_bus_http_connections", lambda open_: open_ <= before)
        async with raw_listener(bus, token, "bus://inbox") as stream:
            assert (await message(stream))["method"] == "notifications/subscriptions/acknowledged"
        inbox = await bus.ask(token, "resources/read", {"uri": "bus://inbox"}, "2026-07-28")
        assert f"{UNREAD_EVENTS}" in inbox.text


async def test_a_client_that_takes_no_stream_is_told(bus: Bus, token: str) -> None:
    params = {"notifications": {}, "_meta": ENVELOPE}
    asked = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params}
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen", "Accept": "application/json"}
    refused = await bus.send(asked, token, headers)
    assert refused.status_code == 400
    assert "text/event-stream" in refused.json()["error"]["message"]
