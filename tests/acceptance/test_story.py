"""Every client that matters tells the same story through every tool, against a server in its own process."""

from functools import partial

import msgspec
import pytest
import trio

from tests.acceptance import python_sdk, raw_http
from tests.acceptance.conftest import HERE, LLM_BUS, Bus, Project
from tests.acceptance.habits import HABITS, Habit
from tests.acceptance.story import story
from tests.acceptance.telling import Step, Telling, check
from web.mcp.tools import TOOLS

STORY_TIMEOUT_SECONDS = 300


def steps_for(bus: Bus, project: Project) -> list[Step]:
    return story(project.slug, project.handle, bus.public_url)


def check_telling(telling: Telling, steps: list[Step], revision: str) -> None:
    check(steps, telling.outcomes)
    assert telling.protocol_version == revision
    assert len(telling.tools) == len(set(telling.tools)) == len(TOOLS)
    assert set(telling.tools) == {step.call.tool for step in steps}, "the story goes through every tool there is"


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"])
async def test_plain_http_tells_the_whole_story_at_every_revision(bus: Bus, project: Project, revision: str) -> None:
    steps = steps_for(bus, project)
    with trio.fail_after(STORY_TIMEOUT_SECONDS):
        telling = await raw_http.tell(bus.mcp_url, project.tokens, [step.call for step in steps], revision)
    check_telling(telling, steps, revision)


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.__name__)
async def test_a_client_with_a_habit_tells_the_whole_story(bus: Bus, project: Project, habit: Habit) -> None:
    steps = steps_for(bus, project)
    with trio.fail_after(STORY_TIMEOUT_SECONDS):
        telling = await raw_http.tell(
            bus.mcp_url, project.tokens, [step.call for step in steps], "2025-11-25", habit=habit
        )
    check_telling(telling, steps, "2025-11-25")


@pytest.mark.parametrize(("mode", "revision"), [("auto", "2026-07-28"), ("legacy", "2025-11-25")])
async def test_the_python_sdk_tells_the_whole_story(bus: Bus, project: Project, mode: str, revision: str) -> None:
    steps = steps_for(bus, project)
    with trio.fail_after(STORY_TIMEOUT_SECONDS):
        telling = await python_sdk.tell(bus.mcp_url, project.tokens, [step.call for step in steps], mode)
    check_telling(telling, steps, revision)


async def test_the_python_sdk_tells_the_whole_story_over_stdio(bus: Bus, project: Project) -> None:
    steps = steps_for(bus, project)
    with trio.fail_after(STORY_TIMEOUT_SECONDS):
        telling = await python_sdk.tell(
            bus.mcp_url, project.tokens, [step.call for step in steps], "auto", program=LLM_BUS
        )
    check_telling(telling, steps, "2026-07-28")


@pytest.mark.parametrize(
    ("client", "revision"),
    [
        (["typescript_v2.mjs", "auto"], "2026-07-28"),
        (["typescript_v2.mjs", "auto", "stdio"], "2026-07-28"),
        (["typescript_v2.mjs", "legacy"], "2025-11-25"),
        (["typescript_v1.mjs"], "2025-11-25"),
    ],
)
async def test_the_typescript_sdk_tells_the_whole_story(
    bus: Bus, project: Project, node: str, client: list[str], revision: str
) -> None:
    steps = steps_for(bus, project)
    given = {"url": bus.mcp_url, "tokens": project.tokens, "calls": [step.call for step in steps], "program": LLM_BUS}
    run = partial(trio.run_process, cwd=HERE, capture_stdout=True, capture_stderr=True, check=False)
    with trio.fail_after(STORY_TIMEOUT_SECONDS):
        done = await run([node, *client], stdin=msgspec.json.encode(given))
    assert done.returncode == 0, done.stderr.decode()
    check_telling(msgspec.json.decode(done.stdout, type=Telling), steps, revision)
