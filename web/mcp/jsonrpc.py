"""JSON-RPC 2.0 framing, as MCP narrows it: one request or notification a body, ids are strings or integers.

Reads bytes into a `Message` and writes results and errors as bytes; what methods mean is the kernel's business.
"""

import json
import re
from typing import Any, Literal, NoReturn

import mcp_types as types
import msgspec
from msgspec import UNSET, Struct, UnsetType

Result = dict[str, Any]

NOT_ONE_MESSAGE = types.ErrorData(
    code=types.INVALID_REQUEST, message="Invalid request: the body must be one JSON-RPC request or notification"
)

DIGITS_MAX = 4_000
"""How long a number may be: Python refuses a little more, because reading very long ones takes very long."""

_PARTS = {
    "params": "params must be an object",
    "jsonrpc": 'jsonrpc must be "2.0"',
    "method": "method must be text",
    "id": "id must be text or a whole number",
}


class Message(Struct, frozen=True):
    """One request, or a notification when it has no `id`."""

    jsonrpc: Literal["2.0"]
    method: str
    id: str | int | UnsetType = UNSET
    params: dict[str, Any] | None = None


class Unreadable(Struct, frozen=True):
    """What a body that is no message is answered with. The id is null when it could not be read either."""

    error: types.ErrorData
    id: str | int | None = None


class _Named(Struct, frozen=True):
    id: str | int | None = None


_DECODER = msgspec.json.Decoder(Message)
_PART = re.compile(r"(?:\$\.|required field `)(\w+)")
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def read_message(body: bytes) -> Message | Unreadable:
    """The one message in `body`, or what to answer."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(body)


def _read_leniently(body: bytes) -> Message | Unreadable:
    """The same for JSON that msgspec refuses, perhaps only because it escapes half a surrogate pair.

    Such halves become NUL characters: those no tool accepts either, so the caller hears which argument to change.
    """
    try:
        decoded = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse, parse_int=_integer)
        whole = _without_surrogates(decoded)
    except UnicodeDecodeError:
        return Unreadable(_unread("is not UTF-8"))
    except json.JSONDecodeError as error:
        return Unreadable(_unread(f"is not JSON (at character {error.pos})" if body else "is empty"))
    except _Unread as error:
        return Unreadable(_unread(str(error)))
    except RecursionError:
        return Unreadable(_unread("is nested too deeply"))
    named = _id_of(whole)
    if named != _id_of(decoded):
        return Unreadable(_wrong("id"))
    try:
        return msgspec.convert(whole, Message)
    except msgspec.ValidationError as error:
        part = _PART.search(str(error))
        return Unreadable(NOT_ONE_MESSAGE if part is None else _wrong(part[1]), named)


def _unread(reason: str) -> types.ErrorData:
    return types.ErrorData(code=types.PARSE_ERROR, message=f"Parse error: the body {reason}")


def _wrong(part: str) -> types.ErrorData:
    return types.ErrorData(code=types.INVALID_REQUEST, message=f"Invalid request: {_PARTS[part]}")


def _id_of(decoded: Any) -> str | int | None:
    try:
        return msgspec.convert(decoded, _Named).id
    except msgspec.ValidationError:
        return None


def internal_error(request_id: str) -> types.ErrorData:
    """The error for an unforeseen exception; the log has its traceback under this id."""
    message = f"Internal error; the server's log has it as request {request_id}"
    return types.ErrorData(code=types.INTERNAL_ERROR, message=message)


def write_result(request_id: str | int, result: Result) -> bytes:
    """The response to a request that went well."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "result": result})


def write_error(request_id: str | int | None, error: types.ErrorData) -> bytes:
    """The response to one that did not; the id is null when it could not be read."""
    shown = {"code": error.code, "message": error.message}
    if error.data is not None:
        shown["data"] = error.data
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "error": shown})


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return _LONE_SURROGATE.sub("\0", value)
        case list():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
        case _:
            return value


class _Unread(Exception):
    """Why JSON is not read, said of the body."""


def _refuse(constant: str) -> NoReturn:
    raise _Unread(f"has {constant}, which is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise _Unread(f"has a number of more than {DIGITS_MAX} digits")
    return int(digits)
