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

PARSE_ERROR = types.ErrorData(code=types.PARSE_ERROR, message="Parse error: the body is not JSON")
NOT_ONE_MESSAGE = types.ErrorData(
    code=types.INVALID_REQUEST, message="Invalid request: the body must be one JSON-RPC request or notification"
)


class Message(Struct, frozen=True):
    """One request, or a notification when it has no `id`."""

    jsonrpc: Literal["2.0"]
    method: str
    id: str | int | UnsetType = UNSET
    params: dict[str, Any] | None = None


_DECODER = msgspec.json.Decoder(Message)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def read_message(body: bytes) -> Message | types.ErrorData:
    """The one message in `body`, or the error to answer with."""
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError:
        return NOT_ONE_MESSAGE
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(body)


def _read_leniently(body: bytes) -> Message | types.ErrorData:
    """The same for JSON that msgspec refuses only because it escapes half a surrogate pair.

    Such halves become NUL characters: those no tool accepts either, so the caller hears which argument to change.
    """
    try:
        decoded = json.loads(body, parse_constant=_refuse)
        return msgspec.convert(_without_surrogates(decoded), Message)
    except msgspec.ValidationError:
        return NOT_ONE_MESSAGE
    except (ValueError, RecursionError):
        return PARSE_ERROR


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


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")
