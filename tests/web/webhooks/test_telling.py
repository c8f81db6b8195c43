"""A webhook from the owner's form to the receiver: what newly needs the owner is told, once, and signed."""

from typing import cast

import pytest
import trio

from actors import Busy, Directory
from store import Store
from store.ledger import overview, webhooks
from store.people import owners
from tests.bounds import HANG_SECONDS
from tests.postgres import query
from tests.web.admin.admin_client import AdminClient, signed_in
from tests.web.admin.reading import copied, text_of
from tests.web.bus import NEVER_SECONDS, Bus, running_bus
from tests.web.log import Log
from tests.web.webhooks.receiver import Receiver
from web.webhooks import teller
from web.webhooks.sending import Sender
from web.webhooks.teller import Webhooks

QUIET_SECONDS = 0.5
"""Several looks."""

FORGET = "update webhooks set told = '{}', due_at = now()"


async def set_up(bus: Bus, ada: AdminClient, receiver: Receiver, shape: str = "json") -> tuple[str, str, str]:
    """The token of an agent in ada's project, the address of its webhook, and the webhook's secret."""
    token = await bus.mint("api", project="shop")
    (project,) = await bus.store.read(overview.dashboard, ada.owner.id)
    there = f"/admin/projects/{project.id}/webhook"
    card = await ada.card(there, url=receiver.url, shape=shape)
    return token, there, copied(card, "webhook-secret")


async def nothing_more(receiver: Receiver, count: int) -> None:
    """Several looks later, nothing more came."""
    await trio.sleep(QUIET_SECONDS)
    assert len(receiver.heard) == count


async def test_each_thing_that_needs_the_owner_is_told_once_and_signed(
    bus: Bus, ada: AdminClient, receiver: Receiver
) -> None:
    token, _, secret = await set_up(bus, ada, receiver)
    await bus.call(token, "post", to_actor="ada", subject="Which tax table?", body="There are two.")
    (first,) = await receiver.wait_for(1)
    assert first.is_signed_by(secret)
    assert not first.is_signed_by("whsec_b3RoZXI=")
    told = first.json()
    assert (told["type"], told["project"]["slug"], told["more"]) == ("needs_you", "shop", 0)
    (item,) = told["items"]
    assert (item["kind"], item["title"]) == ("post", "Which tax table? (from api)")
    assert (await ada.get(item["url"].removeprefix(bus.url))).status_code == 200
    await nothing_more(receiver, 1)
    await bus.call(token, "task_create", title="Totals", owner="api")
    await bus.call(token, "task_start", task_id=1)
    await bus.call(token, "task_block", task_id=1, reason="no table")
    web = await bus.mint("web", project="shop")
    second = (await receiver.wait_for(2))[1].json()
    assert [(each["kind"], each["title"]) for each in second["items"]] == [("blocked", "#1 Totals: no table")]
    await bus.call(token, "lease", surface="src/cart/**")
    await bus.call(web, "lease", surface="src/cart/totals.py")
    third = (await receiver.wait_for(3))[2].json()
    assert [each["kind"] for each in third["items"]] == ["conflict"]
    await nothing_more(receiver, 3)


async def test_a_restarted_server_tells_nothing_again(
    store: Store, conninfo: str, bus: Bus, ada: AdminClient, receiver: Receiver
) -> None:
    token, _, _ = await set_up(bus, ada, receiver)
    await bus.call(token, "post", to_actor="ada", body="Hello")
    await receiver.wait_for(1)
    async with running_bus(store, conninfo, look_seconds=0.1, webhook_private_addresses=True):
        await nothing_more(receiver, 1)


async def test_what_was_not_taken_is_sent_again_with_the_same_id(
    bus: Bus, ada: AdminClient, receiver: Receiver
) -> None:
    receiver.status = 503
    token, there, _ = await set_up(bus, ada, receiver)
    await bus.call(token, "post", to_actor="ada", body="Hello")
    first, second = (await receiver.wait_for(2))[:2]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert "The receiver answered with status 503." in text_of(await ada.page(there))
    receiver.status = 204
    count = len(receiver.heard)
    await receiver.wait_for(count + 1)
    await nothing_more(receiver, count + 1)
    assert "status 503" not in text_of(await ada.page(there))
    numbers = (await bus.http.get("/metrics")).text
    assert "llm_bus_webhooks_sent_total 1.0" in numbers
    assert f"llm_bus_webhooks_failed_total {count}.0" in numbers


async def test_a_webhook_that_failed_for_long_rests_until_a_test_arrives(
    bus: Bus, ada: AdminClient, receiver: Receiver, conninfo: str
) -> None:
    token, there, _ = await set_up(bus, ada, receiver)
    await let_it_rest(conninfo)
    await bus.call(token, "post", to_actor="ada", body="Hello")
    await nothing_more(receiver, 0)
    assert "No more are made until a test succeeds" in text_of(await ada.page(there))
    assert "The test arrived." in text_of(await ada.page(await ada.change(f"{there}/test")))
    assert [each.json()["type"] for each in await receiver.wait_for(2)] == ["test", "needs_you"]


async def let_it_rest(conninfo: str) -> None:
    """As after many failures. A look that is under way writes back what it knew, so this is repeated until it stays."""
    failed = "update webhooks set failures = %s, failure = 'No.' where failures < %s returning 1"
    most = (webhooks.FAILURES_MAX, webhooks.FAILURES_MAX)
    while await trio.to_thread.run_sync(query, conninfo, failed, most):  # noqa: ASYNC110 - the look tells nobody
        await trio.sleep(QUIET_SECONDS)


async def test_a_receiver_that_never_answers_holds_up_no_other(bus: Bus, ada: AdminClient, receiver: Receiver) -> None:
    receiver.silent = True
    token, _, _ = await set_up(bus, ada, receiver)
    await bus.call(token, "post", to_actor="ada", body="Hello")
    await receiver.wait_for(1)
    other = await bus.mint("api", project="other")
    second = next(each for each in await bus.store.read(overview.dashboard, ada.owner.id) if each.slug == "other")
    await ada.change(f"/admin/projects/{second.id}/webhook", url=receiver.url, shape="json")
    await bus.call(other, "post", to_actor="ada", body="Hello")
    assert (await receiver.wait_for(2))[1].json()["project"]["slug"] == "other"


async def test_nothing_is_sent_of_a_removed_archived_or_deleted_project_or_a_suspended_owner(
    bus: Bus, ada: AdminClient, receiver: Receiver, conninfo: str
) -> None:
    token, there, _ = await set_up(bus, ada, receiver)
    project = there.removesuffix("/webhook")
    await bus.call(token, "post", to_actor="ada", body="Hello")
    await receiver.wait_for(1)
    await ada.change(f"{project}/archive", archived="true")
    await nothing_more(receiver, 1)
    query(conninfo, FORGET)
    await nothing_more(receiver, 1)
    await ada.change(f"{project}/archive", archived="")
    await receiver.wait_for(2)
    await ada.change(f"{there}/remove")
    await bus.call(token, "post", to_actor="ada", body="Again")
    await nothing_more(receiver, 2)
    await ada.change(there, url=receiver.url, shape="json")
    await receiver.wait_for(3)
    assert await bus.store.write(owners.suspend, ada.owner.id, by="test")
    await nothing_more(receiver, 3)
    query(conninfo, FORGET)
    await nothing_more(receiver, 3)
    assert await bus.store.write(owners.restore, ada.owner.id, by="test")
    await receiver.wait_for(4)
    async with signed_in(bus.store, bus.url) as again:
        await again.change(f"{project}/delete", slug="shop")
    assert query(conninfo, "select count(*) from webhooks") == [(0,)]
    await nothing_more(receiver, 4)


@pytest.mark.parametrize("shape", ["slack", "ntfy"])
async def test_a_test_arrives_in_the_receivers_shape(
    bus: Bus, ada: AdminClient, receiver: Receiver, shape: str
) -> None:
    _, there, secret = await set_up(bus, ada, receiver, shape)
    await ada.change(f"{there}/test")
    (heard,) = receiver.heard
    assert heard.is_signed_by(secret)
    assert heard.path == "/secret-path"
    if shape == "slack":
        assert "this is a test" in heard.json()["text"]
    else:
        assert (heard.headers["title"], heard.body) == ("LLM Bus: this is a test", b"shop")


async def test_a_test_that_does_not_arrive_says_why(bus: Bus, ada: AdminClient, receiver: Receiver) -> None:
    _, there, _ = await set_up(bus, ada, receiver)
    receiver.status, receiver.location = 302, f"http://127.0.0.1:{receiver.port}/elsewhere"
    said = text_of(await ada.page(await ada.change(f"{there}/test")))
    assert "The test did not arrive." in said
    assert "answered with status 302" in said
    assert [each.path for each in receiver.heard] == ["/secret-path"]


async def test_tests_are_bounded(bus: Bus, ada: AdminClient, receiver: Receiver) -> None:
    _, there, _ = await set_up(bus, ada, receiver)
    answers = [(await ada.post(f"{there}/test")).status_code for _ in range(11)]
    assert answers == [303] * 10 + [429]


async def test_a_server_that_allows_no_private_addresses_sends_nothing_there(
    store: Store, conninfo: str, receiver: Receiver
) -> None:
    async with running_bus(store, conninfo) as bus, signed_in(store, bus.url) as ada:
        await bus.mint("api", project="shop")
        (project,) = await store.read(overview.dashboard, ada.owner.id)
        there = f"/admin/projects/{project.id}/webhook"
        refused = await ada.post(there, url=receiver.url, shape="json")
        assert refused.status_code == 400
        assert "must begin with https" in text_of(refused.text)
        await ada.change(there, url=f"https://localhost:{receiver.port}/", shape="json")
        assert "not a public one" in text_of(await ada.page(await ada.change(f"{there}/test")))
        assert receiver.heard == []


async def test_neither_secret_nor_address_is_on_a_page_in_the_trail_or_in_the_log(
    logged: Log, bus: Bus, ada: AdminClient, receiver: Receiver, conninfo: str
) -> None:
    token, there, secret = await set_up(bus, ada, receiver)
    receiver.status = 500
    await bus.call(token, "post", to_actor="ada", body="Hello")
    await logged.once_it_has("webhook not delivered")
    pages = [await ada.page(path) for path in (there, there.removesuffix("/webhook") + "/settings", "/admin/audit")]
    trail = str(query(conninfo, "select detail::text from audit"))
    for said in (*pages, trail, logged.getvalue(), (await bus.http.get("/metrics")).text):
        assert secret not in said
        assert "secret-path" not in said
    assert f"127.0.0.1:{receiver.port}" in text_of(pages[0])


class AtWork:
    """A directory whose projects have no time for a look."""

    def __init__(self, error: Exception | None) -> None:
        self._error = error

    async def look(self, *_: object) -> None:
        if self._error:
            raise self._error
        await trio.sleep_forever()


@pytest.mark.parametrize("error", [Busy(), None])
async def test_a_project_without_time_for_a_look_is_looked_at_again_as_often_as_others(
    store: Store, conninfo: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    monkeypatch.setattr(teller, "PATIENCE_SECONDS", 0.1)
    async with running_bus(store, conninfo, webhook_private_addresses=True) as bus, signed_in(store, bus.url) as ada:
        token, _, _ = await set_up(bus, ada, receiver)
        await bus.call(token, "post", to_actor="ada", body="Hello")
        telling = Webhooks(
            store, cast("Directory", AtWork(error)), Sender(allow_private=True), public_url="http://bus.example.com"
        )
        due = "select 1 from webhooks where due_at > now() + interval '10 minutes'"
        with trio.fail_after(HANG_SECONDS):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(telling.run, NEVER_SECONDS)
                while not query(conninfo, due):  # noqa: ASYNC110 - the database tells nobody
                    await trio.sleep(0.05)
                nursery.cancel_scope.cancel()
    assert receiver.heard == []
