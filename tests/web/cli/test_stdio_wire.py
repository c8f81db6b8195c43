"""Lines that are too long to be read are answered with their id, wherever clients write it."""

from io import BytesIO
from typing import Any

import msgspec
import pytest
from mcp_types import JSONRPCError, JSONRPCRequest

from web.cli.stdio_wire import LINE_BYTES_MAX, _message, _next_line

CALL = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "post", "arguments": {}}}


def answered(line: bytes) -> Any:
    """The id of the refusal of a line; the line after it must still be read."""
    stdin = BytesIO(line + b"\n" + msgspec.json.encode(CALL) + b"\n")
    refused = _message(_next_line(stdin))
    assert isinstance(refused, JSONRPCError)
    assert refused.error.message == "Invalid request: over 1000000 bytes"
    assert isinstance(_message(_next_line(stdin)), JSONRPCRequest)
    return refused.id


def long_call(*order: str, **members: Any) -> bytes:
    params = {"arguments": {"id": 8, "body": "x" * LINE_BYTES_MAX, "to": {"id": 9}}, "name": "post", "id": 10}
    call = {**CALL, "params": params, **members}
    return msgspec.json.encode({name: call[name] for name in order})


@pytest.mark.parametrize("id_", [7, -7, 0, "7", 'a "b" \\ c,"id":5', "ünï"])
@pytest.mark.parametrize(
    "order",
    [
        ("jsonrpc", "id", "method", "params"),
        ("id", "jsonrpc", "method", "params"),
        ("method", "params", "jsonrpc", "id"),
        ("method", "params", "id", "jsonrpc"),
    ],
)
def test_a_line_that_is_too_long_is_answered_with_its_id(order: tuple[str, ...], id_: object) -> None:
    line = long_call(*order, id=id_)
    assert answered(line) == id_
    assert answered(msgspec.json.format(line, indent=1).replace(b"\n", b" ")) == id_
    assert answered(line.replace(b"x", b"xxx")) == id_


@pytest.mark.parametrize(
    "line",
    [
        long_call("jsonrpc", "method", "params"),
        b"[" + long_call("jsonrpc", "id", "method", "params") + b"]",
        long_call("jsonrpc", "id", "method", "params", id=None),
        long_call("jsonrpc", "id", "method", "params", id=7.5),
        b"x" * LINE_BYTES_MAX * 3,
        b"{" + b'"a":"b",' * LINE_BYTES_MAX,
        b'{"id":' + b"9" * LINE_BYTES_MAX * 2 + b"}",
        b'{"id":' + b"9" * 5_000 + b"," + b" " * LINE_BYTES_MAX,
        b'{"id":"\\x",' + b" " * LINE_BYTES_MAX,
    ],
)
def test_a_line_without_an_id_of_its_own_is_answered_without(line: bytes) -> None:
    assert answered(line) is None
