"""The protocol on `/mcp`, at both eras, as raw HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.postgres import Server
from tests.web.bus import ENVELOPE, HANDSHAKE_REVISIONS, REVISIONS, Bus
from web.mcp.jsonrpc import ESCAPES_MAX, TOO_MANY_VALUES, VALUES_MAX, Message, Unreadable, read_message, without_halves
from web.onboarding.texts import GUIDE, GUIDE_URI, INSTRUCTIONS

MODERN = "2026-07-28"
LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")


@pytest.fixture(scope="module")
def conninfo(postgres: Server) -> Iterator[str]:
    """One database for all of these tests: hardly any of them looks at it."""
    database = postgres.create_database()
    yield database
    postgres.drop_database(database)


def request(method: str, params: Any = None, **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, **({} if params is None else {"params": params}), **more}


def initialize(revision: str) -> dict[str, Any]:
    client = {"name": "test", "version": "1"}
    return request("initialize", {"protocolVersion": revision, "capabilities": {}, "clientInfo": client})


@pytest.mark.parametrize("revision", HANDSHAKE_REVISIONS)
async def test_a_client_negotiates_its_revision_without_naming_it_in_a_header(
    bus: Bus, token: str, revision: str
) -> None:
    response = await bus.send(initialize(revision), token)
    result = response.json()["result"]
    assert result["protocolVersion"] == revision
    assert result["serverInfo"]["name"] == "llm-bus"
    assert result["instructions"] == INSTRUCTIONS
    assert len(INSTRUCTIONS) < 1_500
    assert "mcp-session-id" not in response.headers


async def test_a_client_of_an_unknown_revision_is_offered_the_latest_of_the_handshake(bus: Bus, token: str) -> None:
    result = (await bus.send(initialize("2023-01-01"), token)).json()["result"]
    assert result["protocolVersion"] == "2025-11-25"


async def test_an_automatic_client_discovers_the_stateless_revision(bus: Bus, token: str) -> None:
    result = (await bus.ask(token, "server/discover", revision=MODERN)).json()["result"]
    assert result["supportedVersions"] == [MODERN]
    assert result["instructions"] == INSTRUCTIONS
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "llm-bus"


@pytest.mark.parametrize("revision", REVISIONS)
async def test_the_guide_is_a_resource(bus: Bus, token: str, revision: str) -> None:
    listed, *_ = (await bus.ask(token, "resources/list", revision=revision)).json()["result"]["resources"]
    assert (listed["uri"], listed["mimeType"]) == (GUIDE_URI, "text/markdown")
    result = (await bus.ask(token, "resources/read", {"uri": GUIDE_URI}, revision)).json()["result"]
    assert result["contents"] == [{"uri": GUIDE_URI, "mimeType": "text/markdown", "text": GUIDE}]


async def test_an_unknown_resource_is_named_in_the_refusal(bus: Bus, token: str) -> None:
    response = await bus.ask(token, "resources/read", {"uri": "llm-bus://nothing"}, MODERN)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["data"]) == (-32602, {"uri": "llm-bus://nothing"})


@pytest.mark.parametrize("method", [*LISTS, "resources/read", "server/discover"])
async def test_what_never_changes_may_be_cached(bus: Bus, token: str, method: str) -> None:
    params = {"uri": GUIDE_URI} if method == "resources/read" else {}
    result = (await bus.ask(token, method, params, MODERN)).json()["result"]
    assert result["cacheScope"] == "public"
    assert result["ttlMs"] > 0


@pytest.mark.parametrize("method", LISTS)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("cursor", ["2", ""])
async def test_there_is_no_second_page(bus: Bus, token: str, method: str, first: bool, cursor: str) -> None:
    if not first:
        await bus.ask(token, method)
    assert (await bus.ask(token, method, {"cursor": cursor})).json()["error"]["code"] == -32602


async def test_ping_is_answered(bus: Bus, token: str) -> None:
    assert (await bus.ask(token, "ping")).json() == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.parametrize("revision", REVISIONS)
async def test_an_unknown_method_is_refused(bus: Bus, token: str, revision: str) -> None:
    response = await bus.ask(token, "sampling/createMessage", revision=revision)
    assert response.status_code == (404 if revision == MODERN else 200)
    assert response.json()["error"]["code"] == -32601


@pytest.mark.parametrize("revision", [None, *REVISIONS])
async def test_a_notification_is_accepted_and_dropped(bus: Bus, token: str, revision: str | None) -> None:
    headers = {} if revision is None else {"MCP-Protocol-Version": revision}
    response = await bus.send({"jsonrpc": "2.0", "method": "notifications/initialized"}, token, headers)
    assert (response.status_code, response.content) == (202, b"")


@pytest.mark.parametrize("message", [request("ping"), {"jsonrpc": "2.0", "method": "notifications/initialized"}])
async def test_a_revision_that_is_not_served_is_refused_with_those_that_are(
    bus: Bus, token: str, message: dict[str, Any]
) -> None:
    response = await bus.send(message, token, {"MCP-Protocol-Version": "banana"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32022
    assert response.json()["error"]["data"]["supported"] == list(REVISIONS)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Mcp-Method": "tools/call"},
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list", "Mcp-Name": "whoami"},
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call", "Mcp-Name": "claim"},
        {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/call"},
    ],
)
async def test_headers_that_disagree_with_the_envelope_are_refused(
    bus: Bus, token: str, headers: dict[str, str]
) -> None:
    message = request("tools/call", {"name": "whoami", "_meta": ENVELOPE})
    response = await bus.send(message, token, headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)


async def test_a_routing_header_that_comes_twice_is_refused(bus: Bus, token: str) -> None:
    headers = [
        ("Authorization", f"Bearer {token}"),
        ("Content-Type", "application/json"),
        ("MCP-Protocol-Version", MODERN),
        ("Mcp-Method", "ping"),
        ("Mcp-Method", "ping"),
    ]
    body = json.dumps(request("ping", {"_meta": ENVELOPE}))
    response = await bus.http.post("/mcp", content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (400, -32020)


@pytest.mark.parametrize("missing", list(ENVELOPE)[:2])
async def test_an_envelope_with_a_part_missing_is_refused(bus: Bus, token: str, missing: str) -> None:
    meta = {key: value for key, value in ENVELOPE.items() if key != missing}
    headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": "tools/list"}
    response = await bus.send(request("tools/list", {"_meta": meta}), token, headers)
    assert response.status_code == 400
    assert response.json()["error"]["code"] in (-32602, -32022)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"NaN", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}', -32700),
        (b'{"deep":' + b"[" * 10_000, -32700),
        (b"[]", -32600),
        (b"null", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', -32600),
    ],
)
async def test_a_body_that_is_not_one_message_is_refused(bus: Bus, token: str, body: bytes, code: int) -> None:
    response = await bus.send(body, token)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == code
    assert response.json()["id"] == (1 if b'"id":1,' in body and code == -32600 and not body.startswith(b"[") else None)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"{}"}', "params must be an object"),
        (b'{"jsonrpc":"2","id":1,"method":"ping"}', 'jsonrpc must be "2.0"'),
        (b'{"jsonrpc":"2.0","id":1,"method":null}', "method must be text"),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', "id must be a whole number, or text"),
        (b'{"jsonrpc":"2.0","id":"%b","method":"ping"}' % (b"x" * 1_001), "text of at most 1000 characters"),
        (b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}', "id must be a whole number, or text"),
        (b'{"id":1,"method":"ping"}', 'jsonrpc must be "2.0"'),
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', "method must be text"),
        ('{"jsonrpc":"2.0","id":1,"method":"ping"}'.encode("utf-16"), "the body is not UTF-8"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"]', "the body is not JSON (at character 39)"),
        (b"", "the body is empty"),
        (b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}', "the body has NaN, which is not JSON"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":%s}}' % (b"9" * 10_000), "more than 4000 digits"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":%s}' % (b'{"a":' * 10_000), "nested too deeply"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1e999}}', "a number that is too large"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"%s"' % (b"a" * 200_000), "the body is not JSON"),
        (b'"\\ud800"', "must be one JSON-RPC request"),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"%s"}}' % (b"a" * 64_000), "must be a tool call"),
    ],
)
async def test_a_message_is_told_which_part_is_wrong(bus: Bus, token: str, body: bytes, told: str) -> None:
    response = await bus.send(body, token)
    assert response.status_code == 400
    assert told in response.json()["error"]["message"]


@pytest.mark.parametrize("params", [{}, {"name": 7}, {"name": "claim", "arguments": []}, {"name": "claim", "_meta": 1}])
@pytest.mark.parametrize("revision", ["2025-06-18", MODERN])
async def test_malformed_params_of_a_call_are_an_error_of_the_protocol(
    bus: Bus, token: str, params: dict[str, Any], revision: str
) -> None:
    headers = {"MCP-Protocol-Version": revision}
    if revision == MODERN:
        headers |= {"Mcp-Method": "tools/call", "Mcp-Name": str(params.get("name"))}
        params = {"_meta": ENVELOPE, **params}
    response = await bus.send(request("tools/call", params), token, headers)
    assert response.json()["error"]["code"] in (-32602, -32020)


@pytest.mark.parametrize("number", [0, -1, 2**53, "7", "", "é", "\U0001f680"])
async def test_an_id_comes_back_as_it_was_sent(bus: Bus, token: str, number: int | str) -> None:
    response = await bus.send(request("ping") | {"id": number}, token)
    assert response.json()["id"] == number


async def test_half_a_surrogate_pair_anywhere_is_no_accident(bus: Bus, token: str) -> None:
    body = rb'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"claim","arguments":%b}}'
    refused = await bus.send(body % rb'{"sequence":"a","note":"\udfff"}', token)
    assert refused.json()["result"]["content"][0]["text"].startswith("invalid: 'note' must be text")
    unknown = await bus.send(body.replace(b"claim", rb"\ud800") % b"{}", token)
    assert unknown.json()["error"]["code"] == -32602
    whole = await bus.send(body % rb'{"sequence":"a","note":"\ud83d\ude80"}', token)
    assert whole.json()["result"]["structuredContent"]["note"] == "\U0001f680"


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS", "HEAD"])
async def test_there_are_neither_streams_nor_sessions(bus: Bus, token: str, method: str) -> None:
    response = await bus.http.request(method, "/mcp", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "accept", ["application/json", "application/json, text/event-stream", "*/*", "text/html", None]
)
async def test_any_accept_header_gets_json(bus: Bus, token: str, accept: str | None) -> None:
    request_ = bus.http.build_request(
        "POST", "/mcp", json=request("ping"), headers={"Authorization": f"Bearer {token}"}
    )
    del request_.headers["accept"]
    if accept is not None:
        request_.headers["accept"] = accept
    response = await bus.http.send(request_)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
async def test_a_body_of_another_type_is_refused(bus: Bus, token: str, kind: str) -> None:
    response = await bus.send(request("ping"), token, {"Content-Type": kind})
    assert response.status_code == 415


async def test_a_charset_beside_the_type_and_a_slash_behind_the_path_are_fine(bus: Bus, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "Application/JSON; charset=utf-8"}
    response = await bus.http.post("/mcp/", content=json.dumps(request("ping")), headers=headers)
    assert response.status_code == 200


async def test_the_old_hook_is_answered_at_its_revision_without_ceremony(bus: Bus, token: str) -> None:
    """It sends neither a revision header nor `notifications/initialized`."""
    assert (await bus.send(initialize("2024-11-05"), token)).status_code == 200
    claim = await bus.send(request("tools/call", {"name": "claim", "arguments": {"sequence": "adr"}}), token)
    assert json.loads(claim.json()["result"]["content"][0]["text"])["sequence"] == "adr"


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_body_of_any_depth_is_unreadable_and_no_error(opening: bytes) -> None:
    """Python's parser gives up a few levels before msgspec."""
    for depth in range(300, 1_100):
        assert isinstance(read_message(opening * depth), Unreadable), depth


@pytest.mark.parametrize("value", ["[]", "{}", "0", '"a":0'])
def test_a_body_of_very_many_values_is_refused_before_it_is_read(value: str) -> None:
    opening, closing = ("{", "}") if ":" in value else ("[", "]")
    many, few = (opening + ",".join([value] * number) + closing for number in (2 * VALUES_MAX, VALUES_MAX // 3))
    call = '{"jsonrpc": "2.0", "id": "1", "method": "tools/call", "params": {"name": "claim", "arguments": %s}}'
    assert read_message((call % f'{{"note": {many}}}').encode()) == Unreadable(TOO_MANY_VALUES, "1")
    assert read_message(b"[" * 2 * VALUES_MAX) == Unreadable(TOO_MANY_VALUES)
    assert isinstance(read_message((call % f'{{"note": {few}}}').encode()), Message)
    assert isinstance(read_message((call % msgspec.json.encode("x" * 9 * VALUES_MAX).decode()).encode()), Message)


@pytest.mark.parametrize("half", [b"\\ud83d", b"\\uDC00"])
def test_half_a_character_is_not_looked_for_among_very_many_escapes(half: bytes) -> None:
    few, many = (b'"' + b"\\u00e9" * number + half + b'"' for number in (ESCAPES_MAX - 1, ESCAPES_MAX))
    assert without_halves(few) == few.replace(half, b"\\u0000")
    assert without_halves(many) is many
    told = read_message(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":%s}}' % many)
    assert isinstance(told, Unreadable)
    assert "half a surrogate pair" in told.error.message
    without_any = b"[" + b'"\\\\ud8"' * 9
    assert without_halves(without_any) == without_any
