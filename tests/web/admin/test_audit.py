"""The audit trail: every change of identity in a sentence."""

from typing import Any, get_args

from jinja2 import Environment, PackageLoader

from store.people.audit import Action
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import fields_of, links_of, text_of
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus
from web.admin.audit import PAGE_CHANGES

SENTENCES: dict[str, tuple[dict[str, Any], str]] = {
    "owner_add": ({"handle": "ada", "is_operator": True}, "added the owner ada as an operator"),
    "owner_operator": ({}, "made the owner an operator"),
    "owner_suspend": ({}, "suspended the owner"),
    "owner_restore": ({}, "restored the owner"),
    "handle_change": ({"handle": "ada", "before": "ann"}, "changed the handle from ann to ada"),
    "identity_link": ({"provider": "github"}, "linked a sign-in with github"),
    "link_make": ({}, "created a sign-in link"),
    "link_refuse": ({"reason": "used already"}, "was refused a sign-in link: used already"),
    "sign_in": ({"way": "link"}, "signed in by link"),
    "project_add": ({"slug": "shop", "name": "Shop"}, "created the project shop"),
    "project_change": (
        {"slug": "shop", "before": "demo"},
        "changed the project's settings, and its slug from demo to shop",
    ),
    "project_archive": ({"slug": "shop"}, "archived the project shop"),
    "webhook_change": (
        {"slug": "shop", "host": "hooks.example.com", "shape": "json"},
        "set the webhook of shop to hooks.example.com",
    ),
    "webhook_remove": ({"slug": "shop"}, "removed the webhook of shop"),
    "webhook_test": ({"slug": "shop"}, "sent a test to the webhook of shop"),
    "project_unarchive": ({"slug": "shop"}, "unarchived the project shop"),
    "project_delete": ({"slug": "shop", "name": "Shop"}, "deleted the project shop with its ledger"),
    "participant_change": (
        {"participant": "scout", "kind": "agent", "before": "bob"},
        "changed scout, who was bob, kind agent",
    ),
    "participant_delete": ({"participant": "scout"}, "deleted the participant scout"),
    "grant": (
        {"participant": "scout", "kind": "agent", "lane": "docs", "is_admin": True},
        "gave scout access, in the lane docs, as a lead",
    ),
    "member_change": (
        {"participant": "scout", "lane": None, "is_admin": False},
        "changed the role of scout: no lane, not a lead",
    ),
    "token_mint": ({"participant": "scout"}, "created a token for scout"),
    "rotate": ({"participant": "scout", "revoked": 1}, "rotated the token of scout, which ended 1 token"),
    "revoke": ({"participant": "scout", "revoked": 2}, "revoked 2 tokens of scout"),
    "invite": (
        {"participant": None, "email": None, "lane": None, "is_admin": False, "uses": 3, "ttl_hours": 24},
        "created an invite for anyone with its code (3 uses, 24 h)",
    ),
    "invite_revoke": ({"participant": "scout", "invite_id": 7}, "revoked the invite #7 for scout"),
    "redeem": ({"participant": "scout", "invite_id": 7}, "joined as scout with the invite #7"),
    "ledger_loss": (
        {"had": 8, "kept": 5},
        "found that the database had lost the ledger's events after number 5, up to 8",
    ),
    "ledger_prune": ({"events": 1200, "upto": 1500}, "moved 1200 events up to number 1500 from the ledger into files"),
    "ledger_unprune": ({"events": 1200}, "brought 1200 events back into the ledger"),
    "ledger_repair": (
        {"filled": 3, "set_aside": 1},
        "recorded 3 events of the ledger as lost and set 1 aside",
    ),
}


def test_every_change_has_its_sentence() -> None:
    assert SENTENCES.keys() == set(get_args(Action))
    template = Environment(loader=PackageLoader("web.admin"), autoescape=True).from_string(
        '{% from "changes.html" import told %}{{ told(action, detail) }}'
    )
    for action, (detail, sentence) in SENTENCES.items():
        assert text_of(template.render(action=action, detail=detail)) == sentence


async def test_changes_are_told_newest_first_with_their_project_and_who_made_them(bus: Bus, ada: AdminClient) -> None:
    lead = await bus.mint()
    await bus.call(lead, "admin_provision", participant_name="scout", lane="docs")
    said = text_of(await ada.page("/admin/audit"))
    granted, minted = "ada/lead gave scout access, in the lane docs", "ada/lead created a token for scout in demo"
    assert said.index(minted) < said.index(granted) < said.index("cli created the project demo")
    assert "added the owner ada" in said


async def test_a_projects_trail_has_only_what_concerns_it(bus: Bus, ada: AdminClient, eve: AdminClient) -> None:
    await bus.mint("scout")
    await bus.mint("other", project="shop")
    said = text_of(await ada.page(f"{await project_of(bus, ada)}/audit"))
    assert "gave scout access" in said
    assert "other" not in said
    assert "scout" not in text_of(await eve.page("/admin/audit"))


async def test_pages_go_through_everything_once(bus: Bus, ada: AdminClient) -> None:
    there = await ada.change("/admin/projects", slug="shop")
    settings = fields_of(await ada.page(f"{there}/settings"))
    for number in range(PAGE_CHANGES):
        await ada.change(f"{there}/settings", **settings | {"name": f"Shop {number}"})
    first = await ada.page(f"{there}/audit")
    (older,) = [link for link in links_of(first) if "before=" in link]
    second = await ada.page(f"{there}/audit{older}")
    assert text_of(first).count("changed the project's settings") == PAGE_CHANGES
    assert "created the project" not in text_of(first)
    assert "created the project" in text_of(second)
    assert f"{there}/audit" in links_of(second)
