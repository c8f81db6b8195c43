"""The words for newcomers: exact where programs read them."""

import json
import shlex
from datetime import UTC, datetime

from web import onboarding
from web.mcp.tools import TOOLS

URL = "https://bus.example.com"


def test_the_connect_command_is_the_contracts() -> None:
    command = onboarding.connect_command(URL, "llmbus_x")
    expected = (
        'claude mcp add --transport http llm-bus https://bus.example.com/mcp --header "Authorization: Bearer llmbus_x"'
    )
    assert command == expected


def test_an_invite_prompt_holds_a_command_that_works() -> None:
    prompt = onboarding.invite_prompt(URL, "code-1", datetime(2027, 1, 1, tzinfo=UTC))
    call = shlex.split(next(line for line in prompt.splitlines() if "curl" in line).partition("Run: ")[2])
    assert call[:4] == ["curl", "-sS", "-X", "POST"]
    assert f"{URL}/join" in call
    assert json.loads(call[-1]) == {"code": "code-1", "name": "YOUR-NAME"}
    named = onboarding.invite_prompt(URL, "code-1", datetime(2027, 1, 1, tzinfo=UTC), "scout")
    assert "YOUR-NAME" not in named


def test_the_guide_begins_with_the_instructions_and_names_only_tools_that_exist() -> None:
    assert onboarding.GUIDE.startswith(onboarding.INSTRUCTIONS)
    assert "<!--" not in onboarding.GUIDE
    tools = {tool.name for tool in TOOLS}
    fields = {field for tool in TOOLS for field in tool.arguments.__struct_fields__}
    results = {"others", "_unread_posts", "lease_id", "busy", "unavailable"}
    statuses = {"open", "assigned", "in_progress", "done", "blocked"}
    examples = {"auth", "docs", "handle/label", "src/auth/login.py", "src/auth/**", "<code>: <what to do>"}
    words = set(onboarding.GUIDE.split("`")[1::2])
    named = {word.partition(":")[0] for word in words - examples}
    assert named <= tools | fields | results | statuses
