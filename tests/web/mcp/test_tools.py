"""What every tool call has in common, through a running server."""

import json

import pytest
import trio

from engine.lookups import PAGE_BYTES_MAX
from tests.web.bus import REVISIONS, Bus
from web.mcp.tools import TOOLS

DESCRIPTION_LENGTH_MAX = 200
"""Every session pays for the descriptions."""

TOOL_NAMES = [
    "whoami",
    "claim",
    "seed_sequence",
    "void_claim",
    "list_sequences",
    "latest_claims",
    "register",
    "who_is_active",
    "post",
    "read_posts",
    "ack",
    "lease",
    "release",
    "who_holds",
    "task_create",
    "task_assign",
    "task_start",
    "task_block",
    "task_resolve",
    "task_ship",
    "task_cancel",
    "list_tasks",
    "query_events",
    "whats_new",
    "list_participants",
    "admin_provision",
    "admin_rotate",
    "admin_revoke",
    "create_invite",
    "list_invites",
    "revoke_invite",
]


def test_there_are_the_tools_of_the_contract_and_the_first_one_only_reads() -> None:
    assert [tool.name for tool in TOOLS] == TOOL_NAMES
    assert TOOLS[0].reads


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_description_is_short(tool: object) -> None:
    assert len(tool.description) <= DESCRIPTION_LENGTH_MAX  # type: ignore[attr-defined]


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_list_of_tools_stays_small_at_every_revision(bus: Bus, token: str, revision: str) -> None:
    response = await bus.ask(token, "tools/list", revision=revision)
    assert len(response.content) < 12_000
    tools = response.json()["result"]["tools"]
    assert [tool["name"] for tool in tools] == TOOL_NAMES
    again = await bus.ask(token, "tools/list", revision=revision)
    assert again.json() == response.json()


async def test_every_tool_says_what_it_does_to_the_world(bus: Bus, token: str) -> None:
    tools = (await bus.ask(token, "tools/list")).json()["result"]["tools"]
    for tool in tools:
        assert tool["title"]
        hints = tool["annotations"]
        changing = set() if hints["readOnlyHint"] else {"idempotentHint", "destructiveHint"}
        assert set(hints) == {"readOnlyHint", "openWorldHint"} | changing
        assert hints["openWorldHint"] is False
        assert "null" not in json.dumps(tool["inputSchema"])


@pytest.mark.parametrize("revision", [None, *REVISIONS])
async def test_a_result_is_the_same_object_twice_at_every_revision(bus: Bus, token: str, revision: str | None) -> None:
    result = await bus.result(token, "claim", revision, sequence="adr", note=None)
    assert result["structuredContent"] == {
        "sequence": "adr",
        "number": 1,
        "formatted": "1",
        "note": None,
        "new_sequence": True,
    }
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    assert ("resultType" in result) == (revision == "2026-07-28")


async def test_an_unknown_tool_is_an_error_of_the_protocol(bus: Bus, token: str) -> None:
    response = await bus.ask(token, "tools/call", {"name": "clame", "arguments": {}})
    assert response.json()["error"]["code"] == -32602


async def test_unread_posts_are_told_until_they_are_acknowledged(bus: Bus, token: str) -> None:
    scout = await bus.mint("scout", is_admin=False)
    post = await bus.call(token, "post", to_actor="scout", body="Look at this.")
    assert "_unread_posts" not in post
    for tool in ("whoami", "list_participants", "list_tasks", "who_holds"):
        assert (await bus.call(scout, tool))["_unread_posts"] == 1
    for tool in ("read_posts", "whats_new"):
        assert "_unread_posts" not in await bus.call(scout, tool)
    assert "_unread_posts" not in await bus.call(scout, "ack", post_id=post["post_id"])
    assert "_unread_posts" not in await bus.call(scout, "whoami")


@pytest.mark.parametrize("tool", ["whoami", "list_participants", "list_tasks"])
async def test_every_call_shows_that_the_caller_is_alive(bus: Bus, token: str, tool: str) -> None:
    scout = await bus.mint("scout", is_admin=False)
    await bus.call(scout, tool)
    active = (await bus.call(token, "who_is_active"))["active"]
    assert "ada/scout" in [row["actor"] for row in active]


async def test_a_name_that_was_added_by_another_process_is_found(bus: Bus, token: str) -> None:
    assert (await bus.refusal(token, "post", to_actor="scout", body="Hello")).startswith("not_found: ")
    await bus.mint("scout", is_admin=False)
    assert (await bus.call(token, "post", to_actor="scout", body="Hello"))["post_id"] == 1


@pytest.mark.parametrize("name", ["scout", "ada/scout", "ADA/scout", "ada"])
async def test_a_post_finds_its_addressee_by_label_full_name_and_handle(bus: Bus, token: str, name: str) -> None:
    await bus.mint("scout", is_admin=False)
    assert (await bus.call(token, "post", to_actor=name, body="Hello"))["post_id"] == 1


async def test_a_wait_ends_with_the_news_it_waits_for(bus: Bus, token: str) -> None:
    scout = await bus.mint("scout", is_admin=False)
    found: list[dict[str, object]] = []

    async def wait() -> None:
        found.extend((await bus.call(scout, "read_posts", to_me=True, wait_seconds=55))["posts"])

    with trio.fail_after(50):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            while b"llm_bus_actors_waiting 1.0" not in (await bus.http.get("/metrics")).content:
                pass
            await bus.call(token, "post", to_actor="scout", body="News")
    assert [post["body"] for post in found] == ["News"]


async def test_a_page_of_large_posts_is_cut_by_its_bytes_and_goes_on_with_before(bus: Bus, token: str) -> None:
    for number in range(20):
        await bus.call(token, "post", to_lane="all", subject=str(number), body="\N{ROCKET}" * 8_000)
    found: list[str] = []
    before: dict[str, int] = {}
    omitted = 1
    while omitted:
        response = await bus.ask(token, "tools/call", {"name": "read_posts", "arguments": before})
        assert len(response.content) < 3 * PAGE_BYTES_MAX
        page = response.json()["result"]["structuredContent"]
        found += [post["subject"] for post in page["posts"]]
        omitted = page.get("omitted", 0)
        before = {"before": page["posts"][-1]["post_id"]}
        assert len(found) + omitted == 20
    assert found == [str(number) for number in reversed(range(20))]
