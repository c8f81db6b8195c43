"""Invites: a prompt to paste, listed as long as anybody wonders, and taken back."""

import re

import pytest

from store import Store
from store.people import invites
from tests.web.admin.admin_client import AdminClient, signed_in
from tests.web.admin.reading import copied, fields_of, links_of, text_of, wrong_in
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus, running_bus
from web.admin.invites import PAGE_INVITES

PLAIN = {"participant_name": "", "kind": "agent", "lane": "", "uses": "1", "ttl_hours": "24"}


async def invites_of(bus: Bus, ada: AdminClient) -> str:
    """The address of the invites to ada's project."""
    await bus.mint()
    return f"{await project_of(bus, ada)}/invites"


async def test_the_prompt_lets_somebody_in_and_is_shown_once(bus: Bus, ada: AdminClient) -> None:
    there = await invites_of(bus, ada)
    assert "No invites yet" in text_of(await ada.page(there))
    made = await ada.card(there, **PLAIN | {"uses": "2", "lane": "docs", "is_admin": "true"})
    code = copied(made, "invite-code")
    assert code in copied(made, "invite-prompt")
    joined = await bus.http.post("/join", json={"code": code, "name": "scout"})
    assert (await bus.call(joined.json()["token"], "whoami"))["is_admin"]
    page = await ada.page(there)
    assert code not in page
    assert "Anyone with the code Agent in docs lead 1 of 2 open" in text_of(page)


async def test_an_invite_for_somebody_says_for_whom(bus: Bus, ada: AdminClient) -> None:
    there = await invites_of(bus, ada)
    made = await ada.card(there, **PLAIN | {"participant_name": "scout"})
    joined = await bus.http.post("/join", json={"code": copied(made, "invite-code")})
    assert joined.json()["participant"] == "scout"
    assert "scout Agent 1 of 1 used up" in text_of(await ada.page(there))


async def test_a_revoked_invite_lets_nobody_in(bus: Bus, ada: AdminClient) -> None:
    there = await invites_of(bus, ada)
    made = await ada.card(there, **PLAIN)
    (revoke,) = re.findall(rf'href="({there}/\d+/revoke)"', await ada.page(there))
    assert "Revoke the invite for anyone with the code?" in text_of(await ada.page(revoke))
    assert "revoked" in text_of(await ada.page(await ada.change(revoke)))
    refused = await bus.http.post("/join", json={"code": copied(made, "invite-code"), "name": "scout"})
    assert refused.status_code == 404
    assert revoke not in await ada.page(there)


@pytest.mark.parametrize(
    ("field", "text"), [("uses", "0"), ("uses", "51"), ("ttl_hours", "169"), ("participant_name", "a/b")]
)
async def test_an_invite_that_cannot_be_is_refused_and_nothing_typed_is_lost(
    bus: Bus, ada: AdminClient, field: str, text: str
) -> None:
    there = await invites_of(bus, ada)
    typed = PLAIN | {"lane": "docs", "is_admin": "true", field: text}
    response = await ada.post(there, **typed)
    assert response.status_code == 400
    assert list(wrong_in(response.text)) == [field]
    assert fields_of(response.text) == {name: value for name, value in typed.items() if name != "kind"}
    assert "No invites yet" in text_of(response.text)


async def test_where_links_sign_in_nobody_can_be_invited_by_email(bus: Bus, ada: AdminClient) -> None:
    there = await invites_of(bus, ada)
    assert "email" not in fields_of(await ada.page(there))
    made = await ada.post(there, **PLAIN | {"email": "guest@example.com"})
    assert made.status_code == 400
    assert "No invites yet" in text_of(await ada.page(there))


async def test_an_invite_bound_to_an_email_is_a_link_and_no_code_for_others(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo, admin_auth="header") as bus:
        proxied = {"x-auth-request-email": "ada@example.com"}
        async with signed_in(store, bus.url) as ada:
            ada.http.headers.update(proxied)
            there = await invites_of(bus, ada)
            made = await ada.card(there, **PLAIN | {"email": "guest@example.com", "uses": "7"})
            link = copied(made, "accept-url")
            assert "guest@example.com Agent 0 of 1 open" in text_of(await ada.page(there))
        path, _, code = link.partition("?token=")
        assert path == f"{bus.url}/admin/accept"
        refused = await bus.http.post("/join", json={"code": code, "name": "scout"})
        assert refused.status_code == 404
        wrong = await bus.http.get(link, headers={"x-auth-request-email": "guest@example.com"})
        assert "Join demo" in text_of(wrong.text)


async def test_a_long_list_has_pages_and_its_oldest_open_invite_can_be_revoked(bus: Bus, ada: AdminClient) -> None:
    there = await invites_of(bus, ada)
    project_id = int(there.split("/")[3])
    for _ in range(PAGE_INVITES + 1):
        await bus.store.write(invites.create, project_id, by="test")
    first = await ada.page(there)
    (older,) = [link for link in links_of(first) if "before=" in link]
    second = await ada.page(f"{there}{older}")
    revoking = [link for page in (first, second) for link in links_of(page) if link.endswith("/revoke")]
    assert len(set(revoking)) == len(revoking) == PAGE_INVITES + 1
    assert there in links_of(second)
    assert await ada.change(revoking[-1]) == f"{there}?done=invite-revoked"
    assert "No older invites" in text_of(await ada.page(there, before=1))
