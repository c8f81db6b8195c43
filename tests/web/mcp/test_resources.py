"""Resources and prompts: the project as it is now, for clients that let people pick context and commands."""

import json
from collections.abc import AsyncIterator

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import TextContent, TextResourceContents

from tests.web.bus import REVISIONS, Bus
from web.mcp.prompts import COMMANDS
from web.mcp.resources import LIVE
from web.mcp.tools import TOOLS


@pytest.fixture(params=["auto", "legacy"])
async def client(bus: Bus, token: str, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(f"{bus.url}/mcp", http_client=http), mode=request.param) as connected,
    ):
        yield connected


async def read(client: Client, uri: str) -> object:
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    return json.loads(contents.text)


async def test_a_client_of_the_sdk_reads_what_the_tools_answer(bus: Bus, client: Client) -> None:
    other = await bus.mint("other")
    post_id = (await bus.call(other, "post", to_actor="lead", body="the parser is done"))["post_id"]
    await bus.call(other, "task_create", title="write the printer")
    await bus.call(other, "lease", surface="src/printer.py")
    listed = [resource.uri for resource in (await client.list_resources()).resources]
    assert [str(uri) for uri in listed[1:]] == [live.uri for live in LIVE]
    inbox = await read(client, "bus://inbox")
    assert isinstance(inbox, dict)
    assert [post["body"] for post in inbox["posts"]] == ["the parser is done"]
    assert inbox["posts"][0] == await read(client, f"bus://post/{post_id}")
    assert "write the printer" in str(await read(client, "bus://tasks"))
    assert "src/printer.py" in str(await read(client, "bus://leases"))
    assert "ada/other" in str(await read(client, "bus://presence"))
    (template,) = (await client.list_resource_templates()).resource_templates
    assert template.uri_template == "bus://post/{id}"


@pytest.mark.parametrize(
    "uri", ["bus://post/99", "bus://post/0", "bus://post/x", "bus://nothing", f"bus://post/{2**53 - 1}"]
)
async def test_what_is_not_there_is_not_found(client: Client, uri: str) -> None:
    with pytest.raises(MCPError, match="Resource not found"):
        await client.read_resource(uri)


@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_changes_may_not_be_cached_and_counts_as_a_call(bus: Bus, token: str, revision: str) -> None:
    result = (await bus.ask(token, "resources/read", {"uri": "bus://leases"}, revision)).json()["result"]
    assert json.loads(result["contents"][0]["text"]) == {"leases": []}
    assert revision != "2026-07-28" or (result["ttlMs"], result["cacheScope"]) == (0, "private")
    assert 'tool="who_holds"' in (await bus.http.get("/metrics")).text


async def test_a_client_of_the_sdk_finds_prompts_and_fills_them(client: Client) -> None:
    listed = (await client.list_prompts()).prompts
    assert [prompt.name for prompt in listed] == ["check_in", "handoff", "wrap_up"]
    (message,) = (await client.get_prompt("handoff", {"to": 'web "team"', "about": " "})).messages
    assert isinstance(message.content, TextContent)
    assert message.content.text.splitlines()[1:] == ['to: "web \\"team\\""']
    for name, arguments in (("nothing", {}), ("wrap_up", {"to": "x"}), ("handoff", {"to": "x" * 3_000})):
        with pytest.raises(MCPError):
            await client.get_prompt(name, arguments)


def test_prompts_name_tools_that_exist() -> None:
    known = {tool.name for tool in TOOLS}
    used = {word.strip(".,:;") for command in COMMANDS for word in command.text.split() if "_" in word}
    assert used <= known | {"to_me", "unacked_only", "to_actor", "to_lane"}
    assert {live.tool for live in LIVE} <= known
