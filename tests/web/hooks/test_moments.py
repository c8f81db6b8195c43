"""What agents' hooks cost the server is bounded, whatever other agents lease and however much a hook reports."""

import json
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import httpx2
import pytest
import trio

from engine.leases import LEASES_PER_HOLDER_MAX, LEASES_SHOWN_MAX
from store import Store
from tests.web.bus import Bus, running_bus
from web.hooks import moments
from web.hooks.moments import COMPARING_AT_ONCE_MAX, COMPARING_STEPS_MAX, PATH_DEPTH_MAX
from web.steps import STEP

SECONDS_MAX = 60
"""Hundreds of times what it takes, and a tenth of what it took."""

ROOT = "/r"


async def tell(bus: Bus, token: str, event: str, **given: Any) -> httpx2.Response:
    sent = {"hook_event_name": event, "cwd": ROOT, "session_id": "1", **given}
    return await bus.http.post("/hook/claude-code", json=sent, headers={"Authorization": f"Bearer {token}"})


async def begin(bus: Bus, token: str) -> None:
    told = {"roots": [ROOT], "leases": "warn", "autoLease": True}
    assert (await tell(bus, token, "SessionStart", llm_bus=told)).status_code == 200


async def edit(bus: Bus, token: str, *paths: str) -> httpx2.Response:
    patch = "\n".join(("*** Begin Patch", *(f"*** Update File: {path}" for path in paths)))
    return await tell(bus, token, "PostToolUse", tool_name="apply_patch", tool_input={"input": patch})


@pytest.mark.parametrize(
    ("surface", "leased", "edited"),
    [
        ("*{}b", ["a"] * 75, "a" * 245),
        ("*?a{}b", ["a"] * 75, "a" * 245),
        ("**/{}b", ["a/"] * 10, "a/" * PATH_DEPTH_MAX),
    ],
)
async def test_wide_leases_of_another_agent_hold_the_server_up_for_no_time(
    bus: Bus, token: str, surface: str, leased: list[str], edited: str
) -> None:
    """Comparing these took 12 minutes, during which nobody else was served."""
    other = await bus.mint("other")
    assert LEASES_PER_HOLDER_MAX >= LEASES_SHOWN_MAX
    for number in range(LEASES_SHOWN_MAX):
        longer = "".join([*leased, *leased[:1] * (number // 10)])
        await bus.call(other, "lease", surface=surface.format(f"{longer}{number % 10}"))
    await begin(bus, token)
    with trio.fail_after(SECONDS_MAX):
        assert (await edit(bus, token, *(f"{edited}{n}" for n in range(64)))).status_code == 200
    assert (await bus.http.get("/healthz")).status_code == 200


async def test_leases_of_a_hook_count_as_written(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo, written_bytes_per_day=1_000) as bus:
        token = await bus.mint()
        await begin(bus, token)
        refused = await edit(bus, token, *(f"src/{number}.py" for number in range(20)))
        assert (refused.status_code, refused.json()["error"]) == (429, "busy")
        assert "bytes a day" in refused.json()["message"]
        assert int(refused.headers["retry-after"]) > 0
        assert 0 < len((await bus.call(token, "who_holds"))["leases"]) < 10


async def test_what_a_hook_asks_counts_as_calls(store: Store, conninfo: str) -> None:
    async with running_bus(store, conninfo, calls_per_second=2) as bus:
        token = await bus.mint()
        await begin(bus, token)
        refused = await edit(bus, token, *(f"src/{number}.py" for number in range(60)))
        assert (refused.status_code, refused.json()["error"]) == (429, "busy")
        assert "calls a second" in refused.json()["message"]


async def test_hooks_that_come_together_are_compared_few_at_a_time(
    bus: Bus, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparisons of all of them took their steps in every pass, and others' calls waited for all these steps."""
    steps: list[int] = []
    at_once: list[int] = []

    def endless(*_given: object) -> Iterator[None]:
        hook = len(steps)
        steps.append(0)
        while True:
            steps[hook] += 1
            at_once.append(sum(taken < COMPARING_STEPS_MAX for taken in steps))
            until = perf_counter() + STEP.slice_seconds_max
            while perf_counter() < until:
                pass
            yield None

    monkeypatch.setattr(moments, "overlaps", endless)
    await begin(bus, token)
    with trio.fail_after(SECONDS_MAX):
        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(edit, bus, token, f"src/{number}.py")
    assert max(at_once) <= COMPARING_AT_ONCE_MAX
    assert steps == [COMPARING_STEPS_MAX] * 5


async def test_a_file_below_very_many_directories_is_passed_over(bus: Bus, token: str) -> None:
    other = await bus.mint("other")
    await bus.call(other, "lease", surface="a/**")
    await begin(bus, token)
    deepest = "a/" * PATH_DEPTH_MAX + "x.py"
    assert "other" in (await edit(bus, token, deepest)).text
    assert (await edit(bus, token, f"a/{deepest}")).json() == {}


@pytest.mark.parametrize("arguments", ["[" * 100_000, '{"a":' * 50_000])
async def test_arguments_that_are_nested_too_deeply_are_no_error(bus: Bus, token: str, arguments: str) -> None:
    await begin(bus, token)
    answer = await tell(bus, token, "PostToolUse", tool_name="Write", tool_input=arguments)
    assert (answer.status_code, answer.json()) == (200, {})


@pytest.mark.parametrize("content", ["a,b\n" * 30_000, [[]] * 30_000], ids=["text", "lists"])
async def test_a_file_of_very_many_values_is_leased_as_any_other(bus: Bus, token: str, content: object) -> None:
    await begin(bus, token)
    given = {"content": content, "file_path": f"{ROOT}/src/a.py"}
    assert (await tell(bus, token, "PostToolUse", tool_name="Write", tool_input=given)).status_code == 200
    assert [lease["surface"] for lease in (await bus.call(token, "who_holds"))["leases"]] == ["src/a.py"]


async def test_a_file_with_half_an_emoji_is_leased_as_any_other(bus: Bus, token: str) -> None:
    await begin(bus, token)
    given = {"file_path": f"{ROOT}/src/a.py", "content": "\ud83d"}
    hook = {"hook_event_name": "PostToolUse", "cwd": ROOT, "session_id": "1", "tool_name": "Write", "tool_input": given}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = await bus.http.post("/hook/claude-code", content=json.dumps(hook), headers=headers)
    assert answer.status_code == 200
    assert [lease["surface"] for lease in (await bus.call(token, "who_holds"))["leases"]] == ["src/a.py"]
