"""Who takes part: granted a place and handed a card, rotated, revoked, made a lead, given a lane."""

import json

import pytest

from store.people import participants
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import copied, fields_of, text_of, wrong_in
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus
from web.onboarding import texts


async def place_of(bus: Bus, ada: AdminClient, name: str) -> str:
    """The address of a member of ada's project."""
    there = await project_of(bus, ada)
    members = await bus.store.read(participants.members, ada.owner.id, int(there.rpartition("/")[2]))
    assert members is not None
    return f"{there}/members/{next(each.participation_id for each in members if each.name == name)}"


async def test_a_grant_hands_out_a_token_that_works_and_all_it_takes_to_connect(bus: Bus, ada: AdminClient) -> None:
    there = await ada.change("/admin/projects", slug="shop", name="Web shop")
    at = await ada.change(f"{there}/grant", participant_name="scout", kind="human", lane="docs", is_admin="true")
    answer = await ada.get(at)
    assert answer.headers["Cache-Control"] == "no-store"
    card, token = answer.text, copied(answer.text, "token")
    me = await bus.call(token, "whoami")
    assert (me["actor"], me["project"], me["is_admin"]) == ("ada/scout", "shop", True)
    assert copied(card, "connect-command") == texts.connect_command(bus.url, token)
    assert json.loads(copied(card, "setup-file")) == texts.mcp_json(bus.url)
    assert copied(card, "environment") == texts.environment(token)
    assert token in copied(card, "onboarding-prompt")
    assert "Web shop" in copied(card, "onboarding-prompt")
    page = await ada.page(f"{there}/members")
    assert token not in page
    assert "scout lead human" in text_of(page)
    assert "docs 0 0 may connect, 1 token" in text_of(page)


async def test_who_takes_part_already_gets_a_further_token_and_stays_a_lead(bus: Bus, ada: AdminClient) -> None:
    first = await bus.mint("scout", is_admin=True)
    there = await project_of(bus, ada)
    card = await ada.card(f"{there}/grant", participant_name="scout", kind="agent", lane="")
    for token in (first, copied(card, "token")):
        assert (await bus.call(token, "whoami"))["is_admin"]


@pytest.mark.parametrize(
    ("field", "text"),
    [("participant_name", ""), ("participant_name", "a/b"), ("lane", "x" * 65), ("kind", "robot"), ("token_days", "0")],
)
async def test_a_grant_that_cannot_be_is_refused_and_nothing_typed_is_lost(
    bus: Bus, ada: AdminClient, field: str, text: str
) -> None:
    await bus.mint()
    there = await project_of(bus, ada)
    typed = {
        "participant_name": "scout",
        "kind": "agent",
        "lane": "docs",
        "is_admin": "true",
        "token_name": "ci",
        "token_days": "7",
        field: text,
    }
    response = await ada.post(f"{there}/grant", **typed)
    assert response.status_code == 400
    assert list(wrong_in(response.text)) == [field]
    typed.pop("kind")
    assert fields_of(response.text) == typed
    assert len(await bus.store.read(participants.persons, ada.owner.id)) == 1


async def test_rotating_refuses_the_old_token_at_once_and_hands_out_a_new_one(bus: Bus, ada: AdminClient) -> None:
    old = await bus.mint("scout")
    await bus.call(old, "whoami")
    card = await ada.card(f"{await place_of(bus, ada, 'scout')}/rotate")
    assert "old tokens stopped working" in text_of(card)
    assert (await bus.ask(old, "tools/list")).status_code == 401
    assert (await bus.call(copied(card, "token"), "whoami"))["label"] == "scout"


async def test_revoking_leaves_the_member_without_a_token(bus: Bus, ada: AdminClient) -> None:
    tokens = [await bus.mint("scout"), await bus.mint("scout")]
    place = await place_of(bus, ada, "scout")
    there = place.rpartition("/")[0]
    assert "may connect, 2 tokens" in text_of(await ada.page(there))
    said = text_of(await ada.page(await ada.change(f"{place}/revoke")))
    assert "cannot connect: no token" in said
    for token in tokens:
        assert (await bus.ask(token, "tools/list")).status_code == 401
    card = await ada.card(f"{place}/rotate")
    assert "old tokens" not in text_of(card)
    assert (await bus.call(copied(card, "token"), "whoami"))["label"] == "scout"


async def test_a_lead_is_made_and_unmade_at_once(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout", is_admin=False)
    place = await place_of(bus, ada, "scout")
    for sent, is_admin in (("true", True), ("", False)):
        await bus.call(token, "whoami")
        await ada.change(f"{place}/lead", is_admin=sent)
        assert (await bus.call(token, "whoami"))["is_admin"] is is_admin


async def test_a_lane_is_given_and_taken_and_the_right_stays(bus: Bus, ada: AdminClient, token: str) -> None:
    place = await place_of(bus, ada, "lead")
    for sent, lane in ((" docs ", "docs"), ("", None)):
        await ada.change(f"{place}/lane", lane=sent)
        (row,) = (await bus.call(token, "list_participants"))["participants"]
        assert (row["lane"], row["is_admin"]) == (lane, True)


async def test_a_lane_that_cannot_be_is_refused_and_stays_as_it_was_typed(bus: Bus, ada: AdminClient) -> None:
    await bus.mint("scout")
    response = await ada.post(f"{await place_of(bus, ada, 'scout')}/lane", lane="x" * 65)
    assert response.status_code == 400
    assert wrong_in(response.text) == {"lane": "This must have at most 64 characters."}
    assert 'value="' + "x" * 65 in response.text


async def test_an_empty_project_says_how_to_let_somebody_in(ada: AdminClient) -> None:
    assert "No members yet" in text_of(await ada.page(f"{await ada.change('/admin/projects', slug='shop')}/members"))


async def test_a_members_page_counts_how_well_it_keeps_to_the_protocol(bus: Bus, ada: AdminClient) -> None:
    scout, lead = await bus.mint("scout"), await bus.mint("lead")
    place = await place_of(bus, ada, "scout")
    assert "Nothing to measure in these weeks" in text_of(await ada.page(place))
    assert "Nothing to measure yet" in text_of(await ada.page(f"{await project_of(bus, ada)}/insights"))
    other = await ada.change("/admin/projects", slug="later")
    later = await bus.mint("scout", project="later")
    await bus.call(later, "lease", surface="src/**")
    await bus.call(await bus.mint("lead", project="later"), "post", to_actor="scout", body="x")
    found = await bus.store.read(participants.members, ada.owner.id, int(other.rpartition("/")[2]))
    assert found is not None
    scout_there = next(each.participation_id for each in found if each.name == "scout")
    page = text_of(await ada.page(f"{other}/members/{scout_there}"))
    assert "0 of 1 0 of 1 1 of 1" in page, "handoffs, leases and sessions, each beside its whole"
    for token in (scout, lead):
        await bus.call(token, "register", lane="docs")
    assert "Nothing to measure in these weeks" in text_of(await ada.page(place)), "counted once a minute"
