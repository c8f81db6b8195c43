"""Leases: a tree of paths, who is in whose way, and the owner who ends one and says why."""

from datetime import UTC, datetime

import pytest

from engine.held_leases import HeldLease
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import links_of, text_of, wrong_in
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus
from web.admin import leases
from web.admin.leases import LEVELS_MAX, Branch, tree_of


def lease(surface: str) -> HeldLease:
    return HeldLease(
        id=1, by=1, actor="ada/x", surface=surface, mode="exclusive", note=None, expires_at=datetime.now(UTC)
    )


def drawn(tree: list[Branch]) -> list[object]:
    return [[each.name, len(each.leases), *drawn(list(each.below.values()))] for each in tree]


def test_leases_stand_below_the_paths_that_they_are_of() -> None:
    held = [lease(surface) for surface in ("src/cart/**", "src/cart/total.py", "docs/a.md", "port:80", "src/cart/**")]
    assert drawn(tree_of(held)) == [
        ["docs/a.md", 1],
        ["port:80", 1],
        ["src/cart/", 0, ["**", 2], ["total.py", 1]],
    ]


def test_a_path_of_very_many_parts_has_few_levels() -> None:
    deep = "/".join("ab" * 40)
    tree = tree_of([lease(deep), *(lease("/".join("ab"[:1] * number)) for number in range(1, 20))])
    depth, here = 0, tree
    while here:
        depth, here = depth + 1, list(here[0].below.values())
    assert depth <= LEVELS_MAX + 1


async def test_overlaps_are_told_beside_each_lease(bus: Bus, ada: AdminClient) -> None:
    first, second = await bus.mint("scout"), await bus.mint("builder")
    await bus.call(first, "lease", surface="src/**", note="moving all")
    await bus.call(second, "lease", surface="src/cart.py")
    page = text_of(await ada.page(f"{await project_of(bus, ada)}/leases"))
    assert "2 active leases" in page
    assert "scout moving all overlaps builder" in page
    assert "builder overlaps scout" in page


async def test_leases_come_in_pages_and_tell_overlaps_across_them(
    bus: Bus, ada: AdminClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "PAGE_LEASES", 1)
    monkeypatch.setattr(leases, "MET_SHOWN_MAX", 1)
    for name in ("scout", "builder", "tester"):
        await bus.call(await bus.mint(name), "lease", surface="src/**")
    there = f"{await project_of(bus, ada)}/leases"
    first = await ada.page(there)
    assert "3 active leases" in text_of(first)
    assert "tester overlaps scout and more" in text_of(first)
    (older,) = [link for link in links_of(first) if "before=" in link]
    second = await ada.page(f"{there}{older}")
    assert "builder overlaps scout and more" in text_of(second)
    (oldest,) = [link for link in links_of(second) if "before=" in link]
    third = await ada.page(f"{there}{oldest}")
    assert "scout overlaps builder and more" in text_of(third)
    assert not [link for link in links_of(third) if "before=" in link]


async def test_the_owner_ends_a_lease_and_the_holder_is_told(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout")
    await bus.call(token, "lease", surface="src/**")
    there = f"{await project_of(bus, ada)}/leases"
    (release,) = [link for link in links_of(await ada.page(there)) if link.endswith("/release")]
    assert "Release the lease of ada/scout?" in text_of(await ada.page(release))
    assert list(wrong_in((await ada.post(release, reason=" ")).text)) == ["reason"]
    assert "Nothing is leased" in text_of(await ada.page(await ada.change(release, reason="You left for today.")))
    assert (await bus.call(token, "who_holds"))["leases"] == []
    (event,) = (await bus.call(token, "query_events", type="release"))["events"]
    assert (event["actor"], event["payload"]["holder"]) == ("ada", "ada/scout")
    assert event["payload"]["reason"] == "You left for today."
    (told,) = (await bus.call(token, "read_posts", to_me=True, unacked_only=True))["posts"]
    assert told["from"] == "ada"
    assert "You left for today." in told["body"]
    assert (await ada.get(release)).status_code == 404
