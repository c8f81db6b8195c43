"""Whoever holds a code joins by one POST, and the token that they get works."""

import json
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from tests.web.bus import Bus
from web.http.rate_limit import KEYS_MAX, RateLimit
from web.onboarding import texts
from web.routes.join import TRIES_MAX


async def invite(bus: Bus, **arguments: Any) -> str:
    """A code, from a lead."""
    result = await bus.result(await bus.mint(), "create_invite", **arguments)
    code: str = result["structuredContent"]["code"]
    return code


async def join(bus: Bus, body: Any) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await bus.http.post("/join", content=content)
    answer: dict[str, Any] = response.json()
    return response.status_code, answer


async def test_the_holder_of_a_code_gets_a_token_that_works_and_all_it_takes_to_connect(bus: Bus) -> None:
    status, answer = await join(bus, {"code": await invite(bus), "name": "scout"})
    token = answer["token"]
    assert status == 200
    assert set(answer) == {
        *("ok", "project", "project_name", "participant", "created", "token"),
        *("connect_command", "files", "guide", "next"),
    }
    assert (answer["ok"], answer["project"], answer["participant"], answer["created"]) == (True, "demo", "scout", True)
    assert token in answer["connect_command"]
    assert token not in answer["files"][".mcp.json"]
    assert json.loads(answer["files"][".mcp.json"])["mcpServers"]["llm-bus"]["type"] == "http"
    assert json.loads(answer["files"][".claude/settings.local.json"]) == {"env": {"LLM_BUS_TOKEN": token}}
    me = await bus.result(token, "whoami")
    assert me["structuredContent"]["label"] == "scout"


@pytest.mark.parametrize("is_admin", [False, True])
async def test_the_guide_tells_a_lead_the_rules_of_leads_and_nobody_else(bus: Bus, is_admin: bool) -> None:
    _, answer = await join(bus, {"code": await invite(bus, is_admin=is_admin), "name": "scout"})
    assert answer["guide"].startswith(texts.GUIDE)
    assert ("### You lead" in answer["guide"]) is is_admin


async def test_a_post_reaches_who_just_joined(bus: Bus) -> None:
    lead = await bus.mint()
    refused = await bus.result(lead, "post", to_actor="scout", body="anybody?")
    assert refused["isError"]
    _, answer = await join(bus, {"code": await invite(bus), "name": "scout"})
    await bus.result(lead, "post", to_actor="scout", body="welcome")
    assert (await bus.result(answer["token"], "whoami"))["structuredContent"]["_unread_posts"] == 1


async def test_an_invite_that_names_a_participant_needs_no_name(bus: Bus) -> None:
    code = await invite(bus, participant_name="scout")
    assert (await join(bus, {"code": code}))[1]["participant"] == "scout"


@pytest.mark.parametrize("body", [b"", b"{", [], {}, {"code": ""}, {"code": 7}, {"code": "a\x00b"}, {"code": "\ud800"}])
async def test_without_a_code_nothing_happens(bus: Bus, body: Any) -> None:
    status, answer = await join(bus, body)
    assert (status, answer["ok"], answer["error"]) == (400, False, "code_required")


@pytest.mark.parametrize("name", ["null", "None", "undefined", "(none)", "..", "a\\b", "me", "ada", "a\x1bb", "\ud800"])
async def test_a_name_that_cannot_be_one_is_refused_and_the_code_stays_usable(bus: Bus, name: str) -> None:
    code = await invite(bus)
    status, answer = await join(bus, {"code": code, "name": name})
    assert (status, answer["error"]) == (400, "invalid_name")
    assert (await join(bus, {"code": f" {code}\n", "name": " scout "}))[1]["participant"] == "scout"


async def test_what_is_wrong_is_said_and_the_code_stays_usable(bus: Bus) -> None:
    code = await invite(bus)
    await bus.mint("taken")
    assert [
        (status, answer["error"])
        for status, answer in [
            await join(bus, {"code": "made-up", "name": "scout"}),
            await join(bus, {"code": code}),
            await join(bus, {"code": code, "name": "taken"}),
            await join(bus, {"code": code, "name": "a/b"}),
        ]
    ] == [(404, "invalid"), (400, "name_required"), (409, "name_taken"), (400, "invalid_name")]
    assert (await join(bus, {"code": code, "name": "scout"}))[0] == 200
    assert [(status, answer["error"]) for status, answer in [await join(bus, {"code": code, "name": "late"})]] == [
        (410, "exhausted")
    ]


async def test_of_many_who_redeem_at_once_as_many_get_in_as_the_invite_says(bus: Bus) -> None:
    code = await invite(bus, uses=3)
    statuses: list[int] = []

    async def try_to_join(number: int) -> None:
        statuses.append((await join(bus, {"code": code, "name": f"agent-{number}"}))[0])

    async with trio.open_nursery() as nursery:
        for number in range(TRIES_MAX):
            nursery.start_soon(try_to_join, number)
    assert sorted(statuses) == [200] * 3 + [410] * (TRIES_MAX - 3)


async def test_who_tries_too_often_is_told_to_wait(bus: Bus) -> None:
    for _ in range(TRIES_MAX):
        assert (await join(bus, {"code": "guess"}))[0] == 404
    status, answer = await join(bus, {"code": "guess"})
    assert (status, answer["error"]) == (429, "too_many")


async def test_a_limit_is_by_caller_and_forgets_with_time(autojump_clock: MockClock) -> None:
    limit = RateLimit(tries_max=2, window_seconds=60)
    assert [limit.admits("a") for _ in range(3)] == [True, True, False]
    assert limit.admits("b")
    await trio.sleep(60)
    assert limit.admits("a")


async def test_a_limit_remembers_a_bounded_number_of_callers() -> None:
    limit = RateLimit(tries_max=1, window_seconds=60)
    assert limit.admits("first")
    for number in range(KEYS_MAX):
        limit.admits(str(number))
    assert limit.admits("first")
