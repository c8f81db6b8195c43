"""Whatever a client sends, it gets an answer that says what is wrong, and nothing else happens."""

import string
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from engine.refusals import Refusal
from tests.web.bus import Bus
from web.mcp.arguments import Parser
from web.mcp.schemas import input_schema
from web.mcp.tools import TOOLS, Tool

EXAMPLES_PER_TOOL = 25

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
TEMPTING = st.sampled_from(
    [
        *(
            "",
            " ",
            "\0",
            "\ud800",
            "a/b",
            "/",
            "ada",
            "lead",
            "ada/lead",
            "../..",
            "**",
            "[",
            "{a,b}",
            "adr",
            "x" * 9000,
        ),
        *("2026-01-01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "'; drop table events; --"),
        *(
            0,
            1,
            -1,
            2,
            55,
            56,
            2**31,
            2**53 - 1,
            2**53,
            2**63,
            2**64,
            10**400,
            0.5,
            1.0,
            1e300,
            True,
            False,
            None,
            [],
            {},
        ),
        *([1], [1, 1], [0], ["a"], list(range(1, 60)), {"a": 1}),
        *("5", "#5", '"5"', "5.0", "True", "[1, 2]", '"[1]"', ["1"], "null", "None", '""', "In progress", "Shared"),
        *("`web`", '"web"', "\u00a0web ", "taskCreate", "'2026-01-01'", "port:1-3"),
    ]
)


def likely(schema: dict[str, Any]) -> SearchStrategy[Any]:
    """Values that an argument might well accept."""
    match schema:
        case {"enum": options}:
            return st.sampled_from(options)
        case {"type": "string"}:
            return st.sampled_from(["adr", "a", "lead", "ada/lead", "src/**"]) | st.text(string.printable, max_size=70)
        case {"type": "integer"}:
            return st.integers(0, 60)
        case {"type": "boolean"}:
            return st.booleans()
        case _:
            return st.lists(st.integers(1, 3), max_size=3)


def arguments_of(tool: Tool) -> SearchStrategy[dict[str, Any]]:
    """Arguments by the tool's names, mostly sensible, some of them anything at all; now and then an unknown one."""
    properties = input_schema(tool.arguments)["properties"]
    known = {name: likely(part) | likely(part) | TEMPTING | ANYTHING for name, part in properties.items()}
    return st.fixed_dictionaries({}, optional=known | {"unknown": ANYTHING})


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_any_arguments_are_valid_or_refused_in_words(tool: Tool) -> None:
    parser = Parser(tool.arguments)

    @settings(max_examples=200, deadline=None)
    @given(arguments_of(tool))
    def holds(given_: dict[str, Any]) -> None:
        parsed = parser.parse(given_)
        if isinstance(parsed, Refusal):
            assert parsed.code == "invalid"
            assert parsed.message.endswith(".")
            assert len(parsed.message) < 2_000
            parsed.message.encode()
        else:
            assert isinstance(parsed, tool.arguments)

    holds()


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
async def test_any_call_is_answered_and_a_refused_one_writes_nothing(bus: Bus, token: str, tool: Tool) -> None:
    drawn: list[dict[str, Any]] = []

    @settings(max_examples=EXAMPLES_PER_TOOL, deadline=None, database=None)
    @given(
        arguments_of(tool).map(lambda chosen: {**chosen, **({"wait_seconds": 0} if "wait_seconds" in chosen else {})})
    )
    def draw(chosen: dict[str, Any]) -> None:
        drawn.append(chosen)

    draw()
    for chosen in drawn:
        before = await bus.ledger_length(token)
        with trio.fail_after(300):
            response = await bus.ask(token, "tools/call", {"name": tool.name, "arguments": chosen})
        assert response.status_code == 200, (chosen, response.text)
        result = response.json()["result"]
        if result.get("isError"):
            code, _, sentence = result["content"][0]["text"].partition(": ")
            assert code in ("invalid", "not_found", "conflict")
            assert sentence.endswith("."), sentence
            assert await bus.ledger_length(token) == before
        else:
            assert isinstance(result["structuredContent"], dict)
        if tool.name in ("admin_provision", "admin_rotate", "admin_revoke") and not result.get("isError"):
            token = await bus.mint()  # the call may have taken the caller's own token or right


MESSAGE = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0")},
    optional={
        "id": st.integers() | st.text(max_size=9) | ANYTHING,
        "method": st.sampled_from(
            ["initialize", "ping", "tools/list", "tools/call", "resources/read", "server/discover", "logging/setLevel"]
        )
        | ANYTHING,
        "params": st.fixed_dictionaries(
            {},
            optional={"name": TEMPTING, "uri": TEMPTING, "arguments": ANYTHING, "_meta": ANYTHING, "cursor": ANYTHING},
        )
        | ANYTHING,
    },
)


@pytest.mark.parametrize("revision", [None, "2025-11-25", "2026-07-28"])
async def test_any_message_is_answered_or_refused_but_never_breaks_anything(
    bus: Bus, token: str, revision: str | None
) -> None:
    drawn: list[Any] = []

    @settings(max_examples=150, deadline=None, database=None)
    @given(MESSAGE | ANYTHING)
    def draw(message: Any) -> None:
        drawn.append(message)

    draw()
    for message in drawn:
        headers = {} if revision is None else {"MCP-Protocol-Version": revision}
        with trio.fail_after(300):
            response = await bus.send(message, token, headers)
        assert response.status_code in (200, 202, 400, 404), (message, response.text)
        assert b"-32603" not in response.content, message
        assert b"Traceback" not in response.content
