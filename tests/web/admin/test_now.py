"""A project's first page: everybody at work with what they say they do, and where they are in each other's way."""

import re

import trio

from tests.bounds import HANG_SECONDS
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import fields_of, text_of
from tests.web.bus import Bus


async def test_a_card_tells_what_an_agent_is_about(bus: Bus, ada: AdminClient) -> None:
    api, web = await bus.mint("api", project="shop"), await bus.mint("web", project="shop")
    await bus.call(api, "register", lane="backend", status="rounding the totals")
    task = await bus.call(api, "task_create", title="Totals", owner="api")
    await bus.call(api, "task_start", task_id=task["task_id"])
    await bus.call(api, "lease", surface="src/cart/**")
    await bus.call(web, "post", to_actor="api", body="Done?")
    said = text_of(await ada.page("/admin/projects/1"))
    assert "api active now" in said
    assert "rounding the totals" in said
    for fact in ("#1 Totals", "src/cart/** ", "To acknowledge"):
        assert fact in said
    assert "conflict" not in said
    await bus.call(web, "lease", surface="src/cart/totals.py")
    said = text_of(await ada.page("/admin/projects/1"))
    assert "1 lease conflict" in said
    assert re.search(r"api holds src/cart/\*\* \d+ min left · web holds src/cart/totals.py \d+ min left", said)


async def test_looking_makes_the_owner_not_active(bus: Bus, ada: AdminClient) -> None:
    await bus.mint("api", project="shop")
    await ada.page("/admin/projects/1")
    assert "Nobody has called today" in text_of(await ada.page("/admin/projects/1"))


async def test_who_is_away_is_told_in_the_same_words_everywhere(bus: Bus, ada: AdminClient) -> None:
    """The first page, the project's page and the list of members have one rule: the liveness window."""
    api = await bus.mint("api", project="shop")
    await bus.call(api, "register", lane="backend")
    assert "api active now" in text_of(await ada.page("/admin/projects/1"))
    assert "shop shop 1 1" in text_of(await ada.page("/admin/"))
    settings = fields_of(await ada.page("/admin/projects/1/settings"))
    await ada.change("/admin/projects/1/settings", **settings | {"liveness_window_seconds": "1"})
    with trio.fail_after(HANG_SECONDS):
        while "api away, seen" not in text_of(await ada.page("/admin/projects/1")):  # noqa: ASYNC110 - time passes
            await trio.sleep(0.2)
    assert "shop shop nobody 1" in text_of(await ada.page("/admin/"))
    assert "away, seen" in text_of(await ada.page("/admin/projects/1/members"))
