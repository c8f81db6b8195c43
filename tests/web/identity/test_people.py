"""The tools about people: who one is, who there is, and what only leads may do."""

from hashlib import sha256
from pathlib import Path

import pytest
import trio

from engine.identity import Addressee
from engine.refusals import Refusal
from store import Store
from store.errors import ConnectionLost, InvalidName
from store.people import grants, minting, owners
from store.people.invites import Redeemed
from store.people.owners import OwnerRow
from store.people.tokens import Grant
from store.postgres.connection import Connection
from tests.web.bus import Bus
from web.config import Settings
from web.mcp.identity_tools import CreateInvite, Named, Nothing, OneInvite, Provision
from web.mcp.tools import TOOLS
from web.server import join

LEADS_ONLY = [tool.name for tool in TOOLS if tool.leads_only]


async def test_a_token_says_who_one_is(bus: Bus, token: str) -> None:
    me = {"actor": "ada/lead", "handle": "ada", "label": "lead", "project": "demo", "is_admin": True}
    assert await bus.call(token, "whoami") == me


async def test_participants_are_listed_by_name(bus: Bus, token: str) -> None:
    await bus.mint("scout", is_admin=False)
    await bus.call(token, "admin_revoke", participant_name="scout")
    rows = (await bus.call(token, "list_participants"))["participants"]
    everybody = {"kind": "agent", "lane": None}
    assert rows == [
        {"name": "lead", "actor": "ada/lead", "is_admin": True, "token_active": True, **everybody},
        {"name": "scout", "actor": "ada/scout", "is_admin": False, "token_active": False, **everybody},
    ]


async def test_provisioning_gives_a_token_that_works_and_all_that_is_needed_to_use_it(bus: Bus, token: str) -> None:
    made = await bus.call(token, "admin_provision", participant_name="scout", lane="docs")
    secret, setup = made.pop("token"), made.pop("setup")
    assert made == {"project": "demo", "participant": "scout", "kind": "agent", "lane": "docs", "is_admin": False}
    assert (await bus.call(secret, "whoami"))["actor"] == "ada/scout"
    assert setup.pop("note")
    server = {
        "type": "http",
        "url": f"{bus.url}/mcp",
        "headers": {"Authorization": "Bearer ${LLM_BUS_TOKEN}"},
    }
    assert setup == {
        "mcp_url": f"{bus.url}/mcp",
        "env": f"export LLM_BUS_TOKEN={secret}",
        "mcp_json": {"mcpServers": {"llm-bus": server}},
    }


async def test_provisioning_again_gives_a_further_token_and_leaves_what_is_not_said(bus: Bus, token: str) -> None:
    first = await bus.call(token, "admin_provision", participant_name="scout", lane="docs", is_admin=True)
    second = await bus.call(token, "admin_provision", participant_name="scout")
    assert (second["lane"], second["is_admin"]) == ("docs", True)
    for made in (first, second):
        assert (await bus.call(made["token"], "whoami"))["is_admin"]


async def test_a_right_that_is_taken_is_gone_at_once(bus: Bus, token: str) -> None:
    second = await bus.mint("second", is_admin=True)
    assert (await bus.call(second, "whoami"))["is_admin"]
    await bus.call(token, "admin_provision", participant_name="second", is_admin=False)
    assert not (await bus.call(second, "whoami"))["is_admin"]
    assert (await bus.refusal(second, "create_invite")).startswith("forbidden: ")


async def test_whom_the_project_does_not_know_cannot_be_rotated_and_has_nothing_to_revoke(bus: Bus, token: str) -> None:
    assert (await bus.refusal(token, "admin_rotate", participant_name="ghost")).startswith("not_found: ")
    revoked = await bus.call(token, "admin_revoke", participant_name="ghost")
    assert revoked == {"project": "demo", "participant": "ghost", "revoked": 0}


async def test_the_near_one_of_whom_the_project_does_not_know_is_told(bus: Bus, token: str) -> None:
    await bus.mint("scout")
    await bus.mint("scouts")
    assert "perhaps you mean 'scout'; " in await bus.refusal(token, "admin_rotate", participant_name="scuot")
    revoked = await bus.call(token, "admin_revoke", participant_name="scuot")
    assert (revoked["revoked"], revoked["nearest_participant"]) == (0, "scout")
    for count in (1, 0):
        revoked = await bus.call(token, "admin_revoke", participant_name="scout")
        assert revoked == {"project": "demo", "participant": "scout", "revoked": count}


async def test_an_invite_comes_with_what_to_paste(bus: Bus, token: str) -> None:
    invite = await bus.call(token, "create_invite", uses=3)
    assert set(invite) == {"code", "expires_at", "redeem_url", "invite_prompt"}
    assert invite["redeem_url"] == f"{bus.url}/join"
    assert invite["code"] in invite["invite_prompt"]
    assert invite["redeem_url"] in invite["invite_prompt"]


async def test_a_lead_sees_the_open_invites_and_revokes_one(bus: Bus, token: str) -> None:
    for lane in ("docs", "web"):
        await bus.call(token, "create_invite", lane=lane, uses=3)
    web, docs = (await bus.call(token, "list_invites"))["invites"]
    assert (web["lane"], web["uses_left"], docs["lane"]) == ("web", 3, "docs")
    assert await bus.call(token, "revoke_invite", invite_id=web["invite_id"]) == {"invite_id": web["invite_id"]}
    assert [row["lane"] for row in (await bus.call(token, "list_invites"))["invites"]] == ["docs"]
    assert (await bus.refusal(token, "revoke_invite", invite_id=10**9)).startswith("not_found: ")


@pytest.mark.parametrize("tool", LEADS_ONLY)
async def test_what_leads_may_do_is_forbidden_to_others(bus: Bus, token: str, tool: str) -> None:
    scout = await bus.mint("scout", is_admin=False)
    arguments = {"list_invites": {}, "revoke_invite": {"invite_id": 1}}.get(tool, {"participant_name": "lead"})
    refusal = await bus.refusal(scout, tool, **arguments)
    assert refusal.startswith("forbidden: ")
    assert (await bus.call(token, "whoami"))["actor"] == "ada/lead"


def test_only_these_tools_are_for_leads() -> None:
    assert LEADS_ONLY == [
        "admin_provision",
        "admin_rotate",
        "admin_revoke",
        "create_invite",
        "list_invites",
        "revoke_invite",
    ]
    assert {tool.arguments for tool in TOOLS if tool.leads_only} == {Provision, Named, CreateInvite, Nothing, OneInvite}


async def test_any_other_change_holds_at_once_also_one_whose_outcome_is_unknown(bus: Bus, store: Store) -> None:
    """What is remembered is dropped even when the change raises, because it may have happened all the same."""
    services = join(store, Settings(data_dir=Path("unused"), public_url=bus.url), trio.Event())
    minted = await store.write(minting.mint, "ada@example.com", "demo", "scout")
    token_hash = sha256(minted.provisioned.token.encode()).digest()

    async def rename(handle: str, *, is_lost: bool) -> OwnerRow:
        renamed = await store.write(owners.rename, minted.owner.id, handle, by="ada")
        if is_lost:
            raise ConnectionLost("after it was sent")
        return renamed

    async def actor() -> str:
        grant = await services.authenticator.authenticate(token_hash)
        assert grant is not None
        return grant.principal.actor

    assert await actor() == "ada/scout"
    await services.people.change(rename("lovelace", is_lost=False))
    assert await actor() == "lovelace/scout"
    with pytest.raises(ConnectionLost):
        await services.people.change(rename("byron", is_lost=True))
    assert await actor() == "byron/scout"


async def test_looking_for_somebody_who_does_not_exist_costs_nobody_the_cache(
    bus: Bus, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = join(store, Settings(data_dir=Path("unused"), public_url=bus.url), trio.Event())
    project = (await store.write(minting.mint, "ada@example.com", "demo", "scout")).project
    dropped: list[str] = []
    monkeypatch.setattr(services.authenticator, "forget_project", lambda _: dropped.append("tokens"))
    monkeypatch.setattr(services.rosters, "forget", lambda _: dropped.append("names"))
    assert await services.people.revoke(project.id, "nobody", by="ada") == 0
    assert await services.people.rotate(project.id, "nobody", by="ada") is None
    with pytest.raises(InvalidName):
        await services.people.provision(project.id, "a/b", kind=None, lane=None, is_admin=None, by="ada")
    assert dropped == []
    assert await services.people.revoke(project.id, "scout", by="ada") == 1
    assert dropped == ["tokens", "names"]


async def test_ones_changes_cost_no_other_owner_the_cache(bus: Bus, store: Store) -> None:
    services = join(store, Settings(data_dir=Path("unused"), public_url=bus.url), trio.Event())
    asked: list[bytes] = []
    find = services.authenticator._find_grant

    async def count(token_hash: bytes) -> Grant | None:
        asked.append(token_hash)
        return await find(token_hash)

    services.authenticator._find_grant = count
    ada = await store.write(minting.mint, "ada@example.com", "demo", "scout")
    eve = await store.write(minting.mint, "eve@example.com", "shop", "spy")
    hashes = [sha256(each.provisioned.token.encode()).digest() for each in (ada, eve)]

    async def authenticate() -> list[bytes]:
        asked.clear()
        for token_hash in hashes:
            assert await services.authenticator.authenticate(token_hash) is not None
        return list(asked)

    assert await authenticate() == hashes
    await services.people.provision(ada.project.id, "other", kind=None, lane=None, is_admin=None, by="ada")
    assert await authenticate() == hashes[:1]
    services.people.changed(owner_id=eve.owner.id)
    assert await authenticate() == hashes[1:]
    services.people.changed()
    assert await authenticate() == hashes


async def test_a_revocation_whose_answer_was_lost_holds_at_once(
    bus: Bus, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = join(store, Settings(data_dir=Path("unused"), public_url=bus.url), trio.Event())
    minted = await store.write(minting.mint, "ada@example.com", "demo", "scout")
    token_hash = sha256(minted.provisioned.token.encode()).digest()
    assert await services.authenticator.authenticate(token_hash) is not None
    revoke = grants.revoke

    async def lose(connection: Connection, project_id: int, label: str, *, by: str) -> None:
        await revoke(connection, project_id, label, by=by)
        await connection.execute("commit")
        raise ConnectionLost("after it was sent")

    monkeypatch.setattr(grants, "revoke", lose)
    with pytest.raises(ConnectionLost):
        await services.people.revoke(minted.project.id, "scout", by="ada")
    assert await services.authenticator.authenticate(token_hash) is None


async def test_whoever_was_invited_by_email_is_known_at_once(bus: Bus, store: Store) -> None:
    services = join(store, Settings(data_dir=Path("unused"), public_url=bus.url), trio.Event())
    project = (await store.write(minting.mint, "ada@example.com", "demo", "lead")).project
    assert isinstance(await services.rosters.resolve("guest", project.id), Refusal)
    invite = await services.people.invite(
        project.id, None, kind=None, lane=None, is_admin=False, email="guest@example.com", uses=1, ttl_hours=1, by="ada"
    )
    assert await services.people.redeem(invite.code, "thief") == "invalid"
    assert await services.people.redeem_bound(invite.code, "thief@example.com") == "invalid"
    redeemed = await services.people.redeem_bound(invite.code, "Guest@Example.com")
    assert isinstance(redeemed, Redeemed)
    assert await services.rosters.resolve("Guest", project.id) == Addressee(2, "ada/Guest")
