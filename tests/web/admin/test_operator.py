"""The operator's page: who owns what, and who may no longer."""

import re
from pathlib import Path

import httpx2
import pytest
import trio

from store.errors import ConnectionLost, TransferRefused
from store.people import links, minting, sessions
from store.postgres.connection import Connection
from store.transfer.backup import back_up
from tests.bounds import HANG_SECONDS
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.event_stream import opened
from tests.web.admin.reading import links_of, text_of
from tests.web.bus import Bus
from tests.web.test_waiting import is_waiting


async def test_all_owners_are_listed_with_counts(bus: Bus, operator: AdminClient, ada: AdminClient) -> None:
    token = await bus.mint("scout")
    for _ in range(3):
        await bus.call(token, "claim", sequence="adr")
    page = await operator.page("/admin/operator")
    for word in ("ada@example.com", "olga@example.com", "operator"):
        assert word in page
    assert 'data-label="Projects" class="number">1<' in page


async def test_owners_are_found_by_a_part_of_their_handle_or_email_and_come_in_pages(
    bus: Bus, operator: AdminClient, ada: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in ("ADA", "ada@exam"):
        page = text_of(await operator.page("/admin/operator", q=query))
        assert ("ada@example.com" in page, "olga@example.com" in page) == (True, False)
    assert "No owner matches" in await operator.page("/admin/operator", q="nobody%")
    monkeypatch.setattr("web.admin.operator.PAGE_OWNERS", 1)
    first = await operator.page("/admin/operator")
    (later,) = [link for link in links_of(first) if "page=" in link]
    second = await operator.page(f"/admin/operator{later}")
    assert ("ada@example.com" in first, "olga@example.com" in second) == (True, True)
    assert [link for link in links_of(second) if "page=" in link] == ["?page=1"]


@pytest.mark.parametrize("path", ["/admin/operator", "/admin/operator/owners/1/suspend"])
async def test_to_who_is_no_operator_it_does_not_exist(bus: Bus, ada: AdminClient, path: str) -> None:
    asked = await (ada.post(path) if path.endswith("suspend") else ada.get(path))
    assert asked.status_code == 404
    assert 'href="/admin/operator"' not in await ada.page("/admin/")


async def test_a_suspended_owners_tokens_and_sessions_stop_at_once_and_come_back(
    bus: Bus, operator: AdminClient, ada: AdminClient
) -> None:
    token = await bus.mint("scout")
    await bus.call(token, "claim", sequence="adr")
    base = f"/admin/operator/owners/{ada.owner.id}"
    assert await operator.change(f"{base}/suspend") == "/admin/operator"
    refused = await bus.ask(token, "ping")
    assert refused.status_code == 403
    assert refused.json()["error"] == "suspended"
    assert (await ada.get("/admin/")).status_code == 303
    assert "suspended" in await operator.page("/admin/operator")
    code = await bus.store.write(links.make, ada.owner.email)
    assert (await ada.get("/admin/link", token=str(code))).status_code == 404
    assert await operator.change(f"{base}/restore") == "/admin/operator"
    assert (await bus.call(token, "claim", sequence="adr"))["number"] == 2
    assert (await ada.get("/admin/")).status_code == 303, "a closed session stays closed"


async def test_an_owner_whose_sessions_could_not_be_closed_is_not_suspended(
    bus: Bus, operator: AdminClient, ada: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted(connection: Connection, owner_id: int) -> int:
        raise ConnectionLost("the session was cut")

    monkeypatch.setattr(sessions, "close_all_sessions", interrupted)
    refused = await operator.post(f"/admin/operator/owners/{ada.owner.id}/suspend")
    assert refused.status_code == 503
    assert (await ada.get("/admin/")).status_code == 200


async def test_a_suspended_owners_waits_end_at_once(bus: Bus, operator: AdminClient, ada: AdminClient) -> None:
    scout = await bus.mint("scout")
    minted = await bus.store.write(minting.mint, operator.owner.email, "theirs", "other")
    statuses: list[int] = []
    answered = trio.Event()

    async def wait(token: str) -> None:
        call = {"name": "whats_new", "arguments": {"wait_seconds": 55}}
        statuses.append((await bus.ask(token, "tools/call", call)).status_code)
        answered.set()

    with trio.fail_after(HANG_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, scout)
            nursery.start_soon(wait, minted.provisioned.token)
            await is_waiting(bus, 2)
            await operator.change(f"/admin/operator/owners/{ada.owner.id}/suspend")
            await answered.wait()
            await is_waiting(bus, 1)
            assert statuses == [403]
            nursery.cancel_scope.cancel()


async def test_an_operator_cannot_suspend_themself(operator: AdminClient) -> None:
    refused = await operator.post(f"/admin/operator/owners/{operator.owner.id}/suspend")
    assert refused.status_code == 409
    assert "You cannot suspend yourself" in refused.text
    assert (await operator.get("/admin/operator")).status_code == 200


async def test_an_owner_that_does_not_exist_cannot_be_suspended(operator: AdminClient) -> None:
    for missing in (999_999, 2**63):
        assert (await operator.get(f"/admin/operator/owners/{missing}/suspend")).status_code == 404
    for change in ("suspend", "restore"):
        assert (await operator.post(f"/admin/operator/owners/999999/{change}")).status_code == 404


async def test_strangers_are_asked_to_sign_in(stranger: httpx2.AsyncClient) -> None:
    assert (await stranger.get("/admin/operator")).status_code == 303


async def test_the_server_tells_its_versions_pools_and_slowest_requests(
    bus: Bus, operator: AdminClient, token: str
) -> None:
    await bus.call(token, "whoami")
    async with opened(operator, None) as stream:  # how long a page stays open is no time to answer
        await stream.message()
    page = text_of(await operator.page("/admin/operator/server"))
    assert "stream" not in page
    assert "No request has failed" in page
    assert "whoami 1" in page
    assert "Calls and pages" in page
    assert "may lose data synchronous_commit is off" in page  # the tests' PostgreSQL is careless


async def test_a_request_that_broke_is_found_by_its_id(operator: AdminClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr("store.ledger.overview.owners", broken)
        failed = await operator.http.get("/admin/operator", headers={"X-Request-ID": "broken-12345678"})
    assert failed.status_code == 500
    page = text_of(await operator.page("/admin/operator/server"))
    assert "broken-12345678 /admin/operator 500" in page


async def test_the_last_backup_is_told_and_so_is_one_that_failed(
    bus: Bus, operator: AdminClient, conninfo: str, tmp_path: Path
) -> None:
    assert "No backup of this database was made" in text_of(await operator.page("/admin/operator/server"))
    await bus.call(await bus.mint(), "claim", sequence="adr")
    await back_up(conninfo, tmp_path / "good.dump")
    page = text_of(await operator.page("/admin/operator/server"))
    assert re.search(r"succeeded The last backup, just now ?, into .*/good\.dump ?: 1 event of 1 project", page)
    (tmp_path / "folder").mkdir()
    with pytest.raises(TransferRefused):
        await back_up(conninfo, tmp_path / "folder")
    page = text_of(await operator.page("/admin/operator/server"))
    assert re.search(r"failed The last backup, just now ?, into .*/folder ?: .* is not a regular file", page)
    assert re.search(r"succeeded The last one that succeeded, just now ?, into .*/good\.dump", page)
