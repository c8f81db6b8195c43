"""The words for newcomers: exact where programs read them."""

import json
import shlex
from datetime import UTC, datetime

import pytest

from kit.rules import repository_rules
from web.mcp.tools import TOOLS
from web.onboarding import texts

URL = "https://bus.example.com"
LEAD_RULES = repository_rules(lead=True)


def test_the_connect_command_is_the_contracts() -> None:
    command = texts.connect_command(URL, "llmbus_x")
    expected = (
        'claude mcp add --transport http llm-bus https://bus.example.com/mcp --header "Authorization: Bearer llmbus_x"'
    )
    assert command == expected


def test_an_invite_prompt_holds_a_command_that_works() -> None:
    prompt = texts.invite_prompt(URL, "code-1", datetime(2027, 1, 1, tzinfo=UTC))
    call = shlex.split(next(line for line in prompt.splitlines() if "curl" in line).partition("Run: ")[2])
    assert call[:4] == ["curl", "-sS", "-X", "POST"]
    assert f"{URL}/join" in call
    assert json.loads(call[-1]) == {"code": "code-1", "name": "YOUR-NAME"}
    named = texts.invite_prompt(URL, "code-1", datetime(2027, 1, 1, tzinfo=UTC), "scout")
    assert "YOUR-NAME" not in named


def test_a_handout_holds_all_it_takes_to_connect_and_the_rules_that_the_guide_has() -> None:
    prompt = texts.handout_prompt(URL, "llmbus_x", 'The "Shop"')
    assert '"The \\"Shop\\""' in prompt
    assert texts.connect_command(URL, "llmbus_x") in prompt
    assert texts.environment("llmbus_x") in prompt
    assert prompt.index("`register`") < prompt.index(texts.MEMBER_BLOCK)


def test_every_text_holds_the_same_rules_and_stays_within_what_sessions_pay_for_it() -> None:
    assert len(texts.INSTRUCTIONS) < 1_500
    assert len(LEAD_RULES) < 2_500
    assert texts.GUIDE.startswith(texts.INSTRUCTIONS)
    assert LEAD_RULES.startswith(texts.MEMBER_BLOCK)


def test_the_rules_of_a_repository_repeat_no_rule_of_the_servers() -> None:
    said = {sentence.strip() for sentence in texts.INSTRUCTIONS.replace("\n", ".").split(".") if len(sentence) > 20}
    assert not any(sentence in LEAD_RULES for sentence in said)


@pytest.mark.parametrize("text", [texts.GUIDE, LEAD_RULES])
def test_the_rules_name_only_tools_that_exist(text: str) -> None:
    tools = {tool.name for tool in TOOLS}
    fields = {field for tool in TOOLS for field in tool.arguments.__struct_fields__}
    results = {
        "others",
        "_unread_posts",
        "lease_id",
        "busy",
        "unavailable",
        "awaiting_ack",
        "invite_prompt",
        "overdue",
        "stale",
    }
    statuses = {"open", "assigned", "in_progress", "done", "blocked"}
    examples = {"auth", "docs", "handle/label", "src/auth/login.py", "<code>: <what to do>"}
    examples |= {"src/auth", "src/**/*.{ts,tsx}", "port:3000", "port:3000-3099"}
    outside = {"LLM_BUS_TOKEN", "llm-bus.config.json", "git mv", "llm-bus", "LLM_BUS_OVERRIDE", "--no-verify"}
    words = set(text.split("`")[1::2])
    named = {word.partition(":")[0] for word in words - examples}
    assert named <= tools | fields | results | statuses | outside
