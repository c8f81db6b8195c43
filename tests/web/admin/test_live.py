"""Streams of what happens in a project: in order, once, also over a reconnect; over at once when they must be."""

import json
import math
from functools import partial

import pytest
import trio

from store import Store
from store.ledger import webhooks
from store.people import sessions
from tests.web.admin.admin_client import AdminClient, signed_in
from tests.web.admin.event_stream import opened
from tests.web.admin.slow_reading import UNREAD_EVENTS, connections, hurry
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus, running_bus
from tests.web.http.test_attacks import until
from web import streams
from web.admin import live
from web.identity import changes


@pytest.fixture
async def token(bus: Bus, ada: AdminClient) -> str:
    return await bus.mint("lead", project="shop")


@pytest.fixture
async def project_id(bus: Bus, token: str) -> int:
    async with bus.store.transaction() as connection:
        ((found,),) = await connection.fetch("select id from projects where slug = 'shop'")
    return int(found)


async def test_what_happens_is_told_as_it_happens(bus: Bus, ada: AdminClient, token: str, project_id: int) -> None:
    async with opened(ada, project_id) as stream:
        assert await stream.message() == {"retry": "500"}
        assert (await stream.message())["event"] == "here"
        await bus.call(token, "claim", sequence="adr", note="not for the stream")
        await bus.call(token, "task_create", title="not for the stream either")
        first, second = await stream.event(), await stream.event()
    assert (first["id"], first["type"], first["actor"]) == (1, "claim", "ada/lead")
    assert (second["id"], second["type"]) == (2, "task_create")
    assert "task:1" in second["topics"]
    assert "not for" not in json.dumps([first, second])


async def test_a_reconnect_misses_nothing_and_repeats_nothing(
    bus: Bus, ada: AdminClient, token: str, project_id: int
) -> None:
    for _ in range(3):
        await bus.call(token, "claim", sequence="adr")
    async with opened(ada, project_id, last=1) as stream:
        assert [(await stream.event())["id"] for _ in range(2)] == [2, 3]
    await bus.call(token, "claim", sequence="adr")
    async with opened(ada, project_id, last=3) as stream:
        assert (await stream.event())["id"] == 4


async def test_more_than_can_be_told_one_by_one_is_told_at_once(
    bus: Bus, ada: AdminClient, token: str, project_id: int
) -> None:
    for _ in range(101):
        await bus.call(token, "claim", sequence="adr")
    async with opened(ada, project_id, last=0) as stream:
        assert await stream.message() == {"retry": "500"}
        assert await stream.of_ledger() == {"event": "many", "id": "101", "data": "{}"}


async def test_a_position_that_the_ledger_does_not_have_leads_to_its_end(
    bus: Bus, ada: AdminClient, token: str, project_id: int
) -> None:
    await bus.call(token, "claim", sequence="adr")
    async with opened(ada, project_id, last=700) as stream:
        assert await stream.message() == {"retry": "500"}
        assert await stream.of_ledger() == {"event": "many", "id": "1", "data": "{}"}
    refused = await ada.http.get(f"/admin/projects/{project_id}/stream", headers={"Last-Event-ID": "first"})
    assert refused.status_code == 400


@pytest.mark.parametrize("how", ["signed out", "closed by another session", "everywhere", "suspended"])
async def test_a_stream_ends_with_its_session(  # noqa: PLR0917 - fixtures
    bus: Bus, ada: AdminClient, operator: AdminClient, token: str, project_id: int, how: str
) -> None:
    async with opened(ada, project_id) as stream:
        assert (await stream.message())["retry"]
        assert (await stream.message())["event"] == "here"
        if how == "signed out":
            await ada.change("/admin/sign-out")
        elif how == "closed by another session":
            async with signed_in(bus.store, bus.url, ada.owner.email) as other:
                found = await bus.store.read(sessions.find_session, ada.session_id)
                assert found is not None
                await other.change(f"/admin/account/sessions/{found.key}/close")
        elif how == "everywhere":
            async with signed_in(bus.store, bus.url, ada.owner.email) as other:
                await other.change("/admin/account/sign-out-everywhere")
        else:
            await operator.change(f"/admin/operator/owners/{ada.owner.id}/suspend")
        await stream.end()


async def test_a_stream_ends_with_its_project_and_with_the_server(
    bus: Bus, ada: AdminClient, token: str, project_id: int
) -> None:
    async with opened(ada, project_id) as stream:
        await stream.message()
        await ada.change(f"/admin/projects/{project_id}/delete", slug="shop")
        await stream.end()
    other = await ada.change("/admin/projects", slug="other")
    async with opened(ada, int(other.rpartition("/")[2])) as stream:
        await stream.message()
        bus.stopping.set()
        await stream.end()


async def test_a_stream_that_rests_while_its_project_is_deleted_ends(
    bus: Bus, ada: AdminClient, token: str, project_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its rest it waited for events of a project that is no more, until its time was over."""
    monkeypatch.setattr(live, "STREAM_SECONDS", math.inf)
    monkeypatch.setattr(streams, "PAUSE_SECONDS", 1.0)
    async with opened(ada, project_id) as stream:
        await bus.call(token, "claim", sequence="adr")
        await stream.event()
        await ada.change(f"/admin/projects/{project_id}/delete", slug="shop")
        await stream.end()


async def test_a_reader_that_reads_nothing_is_dropped_and_catches_up(
    store: Store, conninfo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    async with running_bus(store, conninfo) as bus, signed_in(store, bus.url) as ada:
        token, last = await bus.mint("lead", project="shop"), 0
        there = int((await project_of(bus, ada, "shop")).rpartition("/")[2])
        before = await connections(bus)
        async with opened(ada, there, is_narrow=True) as stream:
            for _ in range(UNREAD_EVENTS):
                await bus.call(token, "claim", sequence="adr")
            await until(bus, "llm_bus_http_connections", lambda open_: open_ <= before)
            while message := await stream.message():
                if message.get("event") == "happened":
                    assert int(message["id"]) == last + 1
                    last += 1
        assert last < UNREAD_EVENTS
        async with opened(ada, there, last=last) as stream:
            missed = [(await stream.event())["id"] for _ in range(UNREAD_EVENTS - last)]
    assert missed == list(range(last + 1, UNREAD_EVENTS + 1))


async def test_what_no_ledger_tells_is_told_to_its_owner_alone(
    bus: Bus, ada: AdminClient, eve: AdminClient, token: str, project_id: int
) -> None:
    """Members, tokens, invites, settings: in every window of the owner, and on the first page."""
    there = f"/admin/projects/{project_id}"
    async with opened(ada, project_id) as stream, opened(ada, None) as home, opened(eve, None) as foreign:
        for each in (stream, home, foreign):
            assert await each.message() == {"retry": "500"}
            assert (await each.message())["event"] == "here"
        for form in ({"participant_name": "scout"}, {"participant_name": "builder", "is_admin": "true"}):
            await ada.change(f"{there}/grant", **form)
            assert await stream.message() == {"event": "changed", "data": "{}"}
            assert await home.message() == {"event": "many", "data": "{}"}
        await ada.change(f"{there}/invites", kind="agent", uses=1, ttl_hours=1)
        assert await stream.message() == {"event": "changed", "data": "{}"}
        later = await ada.change("/admin/projects", slug="later")
        assert await stream.message() == {"event": "changed", "data": "{}"}
        bus.stopping.set()
        assert await foreign.message() == {}
    assert later


async def test_a_stream_begins_with_what_was_changed_just_before(
    bus: Bus, ada: AdminClient, project_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a page and its stream, or between two streams, nobody listens."""
    monkeypatch.setattr(changes, "JUST_NOW_SECONDS", math.inf)
    for where in (project_id, "changes"):
        async with opened(ada, where, last=0) as stream:
            assert await stream.message() == {"retry": "500"}
            assert await stream.message() == {"event": "changed", "data": "{}"}
    monkeypatch.setattr(changes, "JUST_NOW_SECONDS", 0.0)
    async with opened(ada, "changes") as stream:
        assert await stream.message() == {"retry": "500"}
        await ada.change("/admin/projects", slug="later")
        assert await stream.message() == {"event": "changed", "data": "{}"}


async def test_sessions_and_deliveries_are_told_to_their_owner_and_changes_of_all_to_operators(
    bus: Bus, ada: AdminClient, operator: AdminClient, project_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "JUST_NOW_SECONDS", 0.0)
    save = partial(webhooks.save, url="https://example.com/hook", shape="json", by="test")
    await bus.store.write(save, ada.owner.id, project_id)
    target = await bus.store.write(partial(webhooks.take_for_test, by="test"), ada.owner.id, project_id)
    assert target is not None
    async with opened(ada, "changes") as own, opened(operator, "operator") as of_all:
        for stream in (own, of_all):
            assert await stream.message() == {"retry": "500"}
        phone = await bus.store.write(sessions.open_session, ada.owner.id, user_agent="phone", replacing=None)
        for stream in (own, of_all):
            assert await stream.message() == {"event": "changed", "data": "{}"}
        await bus.store.write(sessions.close_session, phone.id)
        assert await own.message() == {"event": "changed", "data": "{}"}
        await bus.store.write(partial(webhooks.settle_test, failure="no answer"), target)
        assert await own.message() == {"event": "changed", "data": "{}"}
    assert (await ada.get("/admin/operator/stream")).status_code == 404


async def test_the_page_about_the_server_looks_again_though_nothing_is_announced(
    ada: AdminClient, operator: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "JUST_NOW_SECONDS", 0.0)
    monkeypatch.setattr(live, "LOOK_AGAIN_SECONDS", 0.01)
    page = await operator.page("/admin/operator/server")
    assert 'data-stream="/admin/operator/server/stream"' in page
    assert '<section class="card" id="pools" data-live="changed"' in page
    async with opened(operator, "server") as stream:
        assert await stream.message() == {"retry": "500"}
        for _ in range(2):
            assert await stream.message() == {"event": "changed", "data": "{}"}
    assert (await ada.get("/admin/operator/server/stream")).status_code == 404


async def test_the_first_page_hears_of_a_project_that_was_made_after_it_was_opened(bus: Bus, ada: AdminClient) -> None:
    async with opened(ada, None) as stream:
        for _ in range(2):
            await stream.message()
        await ada.change("/admin/projects", slug="later")
        assert await stream.message() == {"event": "many", "data": "{}"}
        token = await bus.mint("lead", project="later")
        assert await stream.message() == {"event": "many", "data": "{}"}
        await bus.call(token, "claim", sequence="adr")
        assert await stream.message() == {"event": "many", "data": "{}"}


async def test_a_stream_makes_nobody_active(bus: Bus, ada: AdminClient, token: str, project_id: int) -> None:
    async with opened(ada, project_id) as stream:
        await stream.message()
        await ada.page(f"/admin/projects/{project_id}")
        active = (await bus.call(token, "who_is_active"))["active"]
    assert [row["actor"] for row in active] == ["ada/lead"]


async def test_an_owner_has_a_bounded_number_of_streams(
    bus: Bus, ada: AdminClient, project_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "STREAMS_PER_OWNER_MAX", 3)
    async with trio.open_nursery() as nursery:

        async def hold(task_status: trio.TaskStatus[None]) -> None:
            async with opened(ada, project_id) as stream:
                await stream.message()
                task_status.started()
                await trio.sleep_forever()

        for _ in range(3):
            await nursery.start(hold)
        async with opened(ada, project_id) as stream:
            assert await stream.message() == {"retry": "10000"}
            assert await stream.message() == {}
        nursery.cancel_scope.cancel()


async def test_the_first_page_hears_of_every_project_of_its_owner(bus: Bus, ada: AdminClient, eve: AdminClient) -> None:
    tokens = [await bus.mint("lead", project=slug) for slug in ("shop", "docs")]
    async with opened(ada, None) as stream, opened(eve, None) as foreign:
        for each in (stream, foreign):
            assert await each.message() == {"retry": "500"}
            assert await each.message() == {"event": "here", "data": "{}"}
        for token in (*tokens, *tokens):
            await bus.call(token, "claim", sequence="adr")
            assert await stream.message() == {"event": "many", "data": "{}"}
        bus.stopping.set()
        if await foreign.message():  # that eve signed in may be told late, but nothing of ada's is
            assert await foreign.message() == {}
