"""JSON-RPC 2.0 framing, as MCP narrows it: one request or notification a body, ids are strings or integers.

Reads bytes into a `Message` and writes results and errors as bytes; what methods mean is the kernel's business.
"""

import codecs
import json
import re
from typing import Annotated, Any, Literal, NoReturn

import mcp_types as types
import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

Result = dict[str, Any]

NOT_ONE_MESSAGE = types.ErrorData(
    code=types.INVALID_REQUEST, message="Invalid request: the body must be one JSON-RPC request or notification"
)

DIGITS_MAX = 4_000
"""How long a number may be: Python refuses a little more, because reading very long ones takes very long."""

EXPLAINED_LENGTH_MAX = 100_000
"""Where a longer body stops to be JSON is not looked for: that takes many times as long as reading it."""

ESCAPES_MAX = 20_000
"""Half a surrogate pair is not looked for among more: that would take 100 ms of 500,000. No text takes as many."""

ID_LENGTH_MAX = 1_000
"""The longest id that is text. A stream repeats it in each of its messages."""

VALUES_MAX = 20_000
"""How many lists, objects and values a body may hold. Reading 300,000 empty lists takes 50 ms, in which nobody else is
served; no call has as many. What stands in texts is counted, too: to leave it out would take longer."""

TOO_MANY_VALUES = types.ErrorData(
    code=types.INVALID_REQUEST,
    message=f"Invalid request: the body has more than {VALUES_MAX} lists, objects and values; "
    "each '[', '{' and ',' counts, also in texts",
)

_PARTS = {
    "params": "params must be an object",
    "jsonrpc": 'jsonrpc must be "2.0"',
    "method": "method must be text",
    "id": f"id must be a whole number, or text of at most {ID_LENGTH_MAX} characters",
}


class Message(Struct, frozen=True):
    """One request, or a notification when it has no `id`."""

    jsonrpc: Literal["2.0"]
    method: str
    id: Annotated[str, Meta(max_length=ID_LENGTH_MAX)] | int | UnsetType = UNSET
    params: dict[str, Any] | None = None


class Unreadable(Struct, frozen=True):
    """What a body that is no message is answered with. The id is null when it could not be read either."""

    error: types.ErrorData
    id: str | int | None = None


class _Named(Struct, frozen=True):
    id: str | int | None = None


_DECODER = msgspec.json.Decoder(Message)
_PART = re.compile(r"(?:\$\.|required field `)(\w+)`")
_INSIDE_PARAMS = "`$.params[...]"
_ESCAPED = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
"""Anything escaped; the group is half a surrogate pair without the other."""
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""Half a surrogate pair, or text that looks so."""
_ESCAPED_NUL = rb"\u0000"


def read_message(body: bytes) -> Message | Unreadable:
    """The one message in `body`, or what to answer."""
    if has_too_many_values(body):
        return Unreadable(TOO_MANY_VALUES, _id_of(body))
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _read_leniently(body)


def has_too_many_values(written: bytes) -> bool:
    """Whether JSON may hold more than `VALUES_MAX` values; each of them but the first follows one of these marks."""
    return len(written) > VALUES_MAX and sum(map(written.count, (b"[", b"{", b","))) > VALUES_MAX


def _read_leniently(body: bytes) -> Message | Unreadable:
    """Read a body that msgspec refuses, perhaps only because it escapes half a surrogate pair.

    Such halves become NUL characters: no tool accepts those either, so the refusal names the argument to change.
    """
    whole = without_halves(body.removeprefix(codecs.BOM_UTF8))
    try:
        message = _DECODER.decode(whole)
    except msgspec.ValidationError as error:
        if _INSIDE_PARAMS in str(error):
            return Unreadable(_unread(_why_unread(whole)))
        part = _PART.search(str(error))
        return Unreadable(NOT_ONE_MESSAGE if part is None else _wrong(part[1]), _id_of(whole))
    except RecursionError:
        return Unreadable(_unread("is nested too deeply"))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unreadable(_unread(_why_unread(whole)))
    return Unreadable(_wrong("id")) if isinstance(message.id, str) and "\0" in message.id else message


def without_halves(body: bytes) -> bytes:
    """JSON with a NUL character for each half of a surrogate pair that it escapes, which msgspec does not read.

    JSON with more than `ESCAPES_MAX` escapes stays what it is.
    """
    if _HALF.search(body) is None or _is_escaped_too_often(body):
        return body
    return _ESCAPED.sub(lambda found: _ESCAPED_NUL if found[1] else found[0], body)


def _is_escaped_too_often(body: bytes) -> bool:
    return body.count(b"\\") > ESCAPES_MAX


def _why_unread(body: bytes) -> str:
    """What is wrong with a body that is no JSON, in words."""
    try:
        text = body.decode()
        if _is_escaped_too_often(body):
            return f"is not JSON, or escapes half a surrogate pair among more than {ESCAPES_MAX} characters"
        if len(text) > EXPLAINED_LENGTH_MAX:
            return "is not JSON"
        json.loads(text, parse_constant=_refuse, parse_int=_integer)
    except UnicodeDecodeError:
        return "is not UTF-8"
    except json.JSONDecodeError as error:
        return f"is not JSON (at character {error.pos})" if body else "is empty"
    except _Unread as error:
        return str(error)
    except RecursionError:  # it takes a little less depth than msgspec
        return "is nested too deeply"
    return "has a number that is too large"


def _unread(reason: str) -> types.ErrorData:
    return types.ErrorData(code=types.PARSE_ERROR, message=f"Parse error: the body {reason}")


def _wrong(part: str) -> types.ErrorData:
    return types.ErrorData(code=types.INVALID_REQUEST, message=f"Invalid request: {_PARTS[part]}")


def _id_of(body: bytes) -> str | int | None:
    try:
        return msgspec.json.decode(body, type=_Named).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
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


class _Unread(Exception):
    """Why JSON is not read, said of the body."""


def _refuse(constant: str) -> NoReturn:
    raise _Unread(f"has {constant}, which is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise _Unread(f"has a number of more than {DIGITS_MAX} digits")
    return int(digits)
