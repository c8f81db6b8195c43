"""What everybody sees: the landing page, and the counts where they are public."""

from collections.abc import AsyncIterator

import pytest

from store import Store
from tests.web.bus import Bus, running_bus
from web.landing.live_counts import Counts


@pytest.fixture
async def public_bus(store: Store, conninfo: str) -> AsyncIterator[Bus]:
    async with running_bus(store, conninfo, public_stats=True) as bus:
        yield bus


async def test_the_page_tells_how_to_connect_and_where_to_sign_in(bus: Bus) -> None:
    answer = await bus.http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "its database answers" in answer.text
    assert f"claude mcp add --transport http llm-bus {bus.url}/mcp" in answer.text
    assert f"{bus.url}/kit/install.sh" in answer.text
    assert 'href="/admin/"' in answer.text
    assert "On this server" not in answer.text


async def test_the_page_runs_no_script_and_fetches_only_its_own(bus: Bus) -> None:
    answer = await bus.http.get("/")
    assert "<script" not in answer.text
    assert "default-src 'none'; style-src 'self'; img-src 'self'" in answer.headers["content-security-policy"]
    for address in ("/landing/landing.css", "/admin/static/mark.svg"):
        assert address in answer.text
        assert (await bus.http.get(address)).status_code == 200


async def test_counts_are_nobodys_business_unless_the_operator_says_so(bus: Bus) -> None:
    answer = await bus.http.get("/api/stats")
    assert answer.status_code == 404


async def test_public_counts_are_those_of_the_ledgers(public_bus: Bus) -> None:
    bus = public_bus
    lead, reader = await bus.mint(), await bus.mint("reader", is_admin=False)
    other = await bus.mint("lead", project="other")
    handed = await bus.call(lead, "post", to_actor="reader", body="Yours now.", ref="feat/1")
    await bus.call(lead, "post", to_actor="reader", body="This too.")
    await bus.call(other, "claim", sequence="adr")
    await bus.call(reader, "ack", post_id=handed["post_id"])
    counts = (await bus.http.get("/api/stats")).json()
    assert counts.pop("as_of").endswith("Z")
    assert counts == {
        "events": 4,
        "posts": 2,
        "acknowledged_share": 0.5,
        "ref_share": 0.5,
        "projects": 2,
        "participants": 2,
    }
    page = await bus.http.get("/")
    assert "50%" in page.text
    assert "/api/stats" in page.text


async def test_counts_without_posts_have_no_shares(public_bus: Bus) -> None:
    answer = await public_bus.http.get("/api/stats")
    assert answer.json()["acknowledged_share"] is None
    assert set(answer.json()) == set(Counts.__struct_fields__)
    assert answer.headers["cache-control"].startswith("public, max-age=")


async def test_what_is_cached_is_counted_anew_only_after_a_minute(public_bus: Bus) -> None:
    token = await public_bus.mint()
    first = (await public_bus.http.get("/api/stats")).json()
    await public_bus.call(token, "claim", sequence="adr")
    assert (await public_bus.http.get("/api/stats")).json() == first
