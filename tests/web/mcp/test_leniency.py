"""What clients send in place of what is meant, over HTTP and over stdio; what is accepted means exactly one thing."""

from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given, settings

from engine.refusals import Refusal
from engine.sequences import SeedSequence
from tests.acceptance.habits import all_blank, all_fillers, all_text, strays
from tests.web.bus import Bus
from tests.web.cli.test_stdio import started
from tests.web.mcp.kinds import KINDS, Row
from tests.web.mcp.test_any_arguments import arguments_of
from web.mcp.arguments import Parser
from web.mcp.schemas import input_schema
from web.mcp.tools import TOOLS, Tool

ROWS: list[Row] = [
    ("register", {"lane": "backend "}, '"lane":"backend"'),
    ("register", {"lane": "cafe\u0301\n"}, '"lane":"caf\u00e9"'),
    ("register", {"lane": "back\u200bend"}, "invalid: 'lane' must not contain U+200B"),
    ("register", {"lane": "\x1b[31mred"}, "invalid: 'lane' must not contain U+001B"),
    (
        "post",
        {"to_lane": "caf\u00e9", "to_actor": "", "subject": "", "body": "x", "ref": "", "reply_to": 0},
        '"post_id":3',
    ),
    ("post", {"to_lane": "bakend", "body": "x"}, '"nobody_in_lane":true'),
    (
        "post",
        {"to_lane": "null", "body": "x"},
        "invalid: 'to_lane' must be a name, not the word null, or leave it out.",
    ),
    ("post", {"to_lane": "a", "body": "x", "tag": "None"}, "or leave it out."),
    ("ack", {"post_id": "3"}, '"post_id":3'),
    ("ack", '{"post_id": 3}', '"post_id":3'),
    ("ack", {"post_id": 3, "task_progress": "- [x] all"}, '"post_id":3'),
    ("lease", {"surface": "src/a.py", "ttl_seconds": "1800"}, '"surface":"src/a.py"'),
    ("lease", {"surface": "`src/a.py:10-20`"}, '"renewed":true'),
    ("lease", {"surface": "/home/ann/shop/src/a.py"}, "invalid: '/home/ann/shop/src/a.py'"),
    ("lease", {"surface": '["a.py","b.py"]'}, "lease one surface a call"),
    ("who_holds", {"surface": "src"}, '"surface":"src/a.py"'),
    ("release", {"surface": "./src//a.py\n"}, '"released":1'),
    ("read_posts", {"unacked_only": "true", "limit": "1"}, '"posts":['),
    ("task_create", {"title": "x"}, '"task_id":1'),
    ("task_create", {"title": "y", "depends_on": "[1]", "owner": "LEAD"}, '"task_id":2'),
    ("task_create", {"title": "y", "depends_on": ["1"]}, '"task_id":3'),
    ("list_tasks", {"owner": "lead"}, '"task_id":2'),
    ("list_tasks", {"owner": "ada/lead"}, '"task_id":2'),
    ("list_tasks", {"owner": "stranger"}, "not_found: no participant 'stranger'"),
    ("query_events", {"actor": "lead", "limit": 1}, '"actor":"ada/lead"'),
    ("query_events", {"actor": "stranger"}, "not_found: "),
    ("whoami", {"random_string": "dummy"}, '"label":"lead"'),
    ("claim", {"sequense": "adr"}, "'sequense' is not an argument of this tool"),
    ("claim", {"sequence": "Adr", "note": 5}, "'note' must be text, or leave it out."),
    ("claim", {"sequence": "adr"}, '"new_sequence":true'),
    ("claim", {"sequence": "adrs"}, '"nearest_sequence":"adr"'),
    ("claim", '"adr"', "params.arguments must be an object"),
    ("claim", [], "params.arguments must be an object"),
    *(row for rows in KINDS.values() for row in rows),
]


async def test_every_row_over_http(bus: Bus, token: str) -> None:
    for number, (tool, sent, told) in enumerate(ROWS):
        response = await bus.ask(token, "tools/call", {"name": tool, "arguments": sent})
        assert told in _told(response.json()), (number, tool, sent, response.text)


async def test_every_row_over_stdio(bus: Bus, token: str) -> None:
    async with started(LLM_BUS_URL=bus.url, LLM_BUS_TOKEN=token) as child:
        for number, (tool, sent, told) in enumerate(ROWS, start=2):
            params = {"name": tool, "arguments": sent}
            await child.send({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
            answer = await child.receive()
            assert answer["id"] == number
            assert told in _told(answer), (number, tool, sent, answer)


@pytest.mark.parametrize("params", [None, {}, {"arguments": {}}, {"name": 5}])
async def test_a_call_without_a_name_is_told_so(bus: Bus, token: str, params: Any) -> None:
    answer = (await bus.ask(token, "tools/call", params)).json()
    assert answer["error"] == {
        "code": -32602,
        "message": "params.name must be the name of a tool; tools/list shows them",
    }


async def test_params_that_the_protocol_refuses_are_named(bus: Bus, token: str) -> None:
    answer = (await bus.ask(token, "resources/read", {"uri": 5})).json()
    assert answer["error"]["code"] == -32602
    assert "uri" in answer["error"]["message"]


@pytest.mark.parametrize("line", [b'{"jsonrpc": "2.0", "id": 7, "met', b"\xff\xfe", b"nonsense", b"[]", b"[{}]", b"5"])
async def test_a_line_that_cannot_be_read_is_answered_over_stdio(line: bytes) -> None:
    async with started() as child:
        await child.send_line(line)
        answer = await child.receive()
        assert (answer["id"], answer["error"]["code"]) == (None, -32600 if line in {b"[]", b"[{}]", b"5"} else -32700)
        await child.send({"jsonrpc": "2.0", "id": 8, "method": "ping"})
        assert (await child.receive())["id"] == 8


async def test_half_a_character_over_stdio_is_told_as_over_http(bus: Bus, token: str) -> None:
    async with started(LLM_BUS_URL=bus.url, LLM_BUS_TOKEN=token) as child:
        params = {"name": "claim", "arguments": {"sequence": "adr", "note": "\ud800"}}
        await child.send({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params})
        answer = await child.receive()
        assert answer["id"] == 2
        assert "'note' must be text without NUL characters and lone surrogates" in _told(answer)


async def test_a_line_that_is_too_long_is_answered_and_the_next_one_read() -> None:
    async with started() as child:
        with trio.fail_after(300):
            await child.send_line(b'{"jsonrpc": "2.0", "id": 7, "method": "' + b"x" * 2_500_000 + b'"}')
            assert (await child.receive())["error"]["code"] == -32600
            await child.send({"jsonrpc": "2.0", "id": 8, "method": "ping"})
            assert (await child.receive())["id"] == 8


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_what_is_accepted_means_exactly_one_thing(tool: Tool) -> None:
    parser, schema = Parser(tool.arguments), input_schema(tool.arguments)

    @settings(max_examples=200, deadline=None)
    @given(arguments_of(tool))
    def holds(sent: dict[str, Any]) -> None:
        meant = parser.parse(sent)
        if isinstance(meant, Refusal):
            return
        strict = msgspec.to_builtins(meant)
        assert msgspec.convert(strict, tool.arguments) == meant
        given_ = {name: value for name, value in strict.items() if value is not None}
        assert parser.parse(given_) == meant
        for habit in (all_text, strays):
            (spelled,) = habit(schema, given_)
            assert parser.parse(spelled) == meant, habit.__name__
        (blank,) = all_blank(schema, given_)
        assert 0 in given_.values() or parser.parse(blank) == meant
        (filled,) = all_fillers(schema, given_)
        fillers = [value for name, value in filled.items() if name not in given_]
        sets_nothing = tool.arguments is SeedSequence and given_.keys() == {"sequence"}  # then its 0 counts
        if 0 not in given_.values() and any(value != 0 for value in fillers) and not sets_nothing:
            assert parser.parse(filled) == meant  # of 0 alone nobody can tell whether it is a filler

    holds()


def _told(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return str(answer["error"]["message"])
    return str(answer["result"]["content"][0]["text"])
