"""What clients send in place of what is meant: the table between JSON and a command.

| sent | by whom | read as |
|---|---|---|
| `"5"`, `" 5.0 "`, `5.0` for a number | clients that send every number as text | 5 |
| `"#5"` for a number | models, which read it so on pages and in posts | 5 |
| `"true"`, `"False"` for a flag | clients that send every flag as text | true, false |
| `"[1, 2]"`, `["1"]`, `"1"`, `1` for a list of numbers | the same, and models | the list |
| `"In progress"`, `"IN_PROGRESS"`, `inProgress` for one of several words | models | the word that it spells |
| `'"web"'`, `` "`web`" `` for anything but free text | clients that write JSON twice, and models | what is quoted |
| `""`, blank text, `[]`, `{}`, null for an optional argument | clients that fill every argument | not given |
| 0 for an optional number that is at least 1; any 0 for one in a call that has an empty value | the same | not given |
| 0 for the number that a call is about (`current` of `seed_sequence`), all else being empty | the same | 0 |
| an argument of `STRAYS`, or any for a tool without arguments | see there | nothing |
| `arguments` as the JSON text of an object, perhaps twice | clients that pass on what the model wrote | the object |
| `arguments` as blank text | clients that fill every argument | no arguments |

Everything else stays what it is, and `web.mcp.arguments` refuses what does not fit. What is read here has one meaning;
the text `null` or `None` has two (a name, or nothing), so it is refused (`engine.names.says_nothing`).
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import mcp_types as types
import msgspec
from mcp.shared.exceptions import MCPError
from msgspec import Struct

from web.mcp.jsonrpc import has_too_many_values

STRAYS: Mapping[str, str] = {
    "random_string": "Cursor, which gives tools without arguments a dummy one",
    "task_progress": "Cline, with every call (cline/cline#8256, #10426)",
    "toolCallId": "n8n, with every call (n8n-io/n8n#21500)",
    "sessionId": "n8n's AI Agent, which passes its own input on",
    "action": "n8n's AI Agent",
    "chatInput": "n8n's AI Agent",
}
"""Arguments that clients add of their own, and where they were seen. A tool's own argument of that name wins."""

READ_LENGTH_MAX = 10_000
"""Longer text is left as it came, because no argument takes it: looking into it would hold up everybody's requests."""

READ_ITEMS_MAX = 1_000
"""Items of a list that are read; no argument takes as many."""

Kind = Literal["text", "number", "flag", "numbers", "time", "choice"]

_NUMBER = re.compile(r"\s*#?([+-]?[0-9]{1,400})(?:\.0*)?\s*")
_QUOTED = re.compile(r"""\s*(["'`])((?:(?!\1).)*)\1\s*""", re.DOTALL)
_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_ENCODED_TWICE = 2
_FLAGS = {"true": True, "false": False}


class Argument(Struct, frozen=True, kw_only=True):
    """One argument of a tool, as far as reading it goes.

    `least`: the smallest number that it takes; `choices`: the words that it takes. `is_visible`: a reader must see all
    of its text, which holds for names, too. `is_end`: a date alone means the end of its day. `has_zero`: 0 counts where
    nothing else is given but what the tool needs.
    """

    name: str
    kind: Kind
    is_required: bool
    is_name: bool = False
    is_visible: bool = False
    is_end: bool = False
    has_zero: bool = False
    least: int | None = None
    choices: tuple[str, ...] = ()

    @property
    def may_be_filler(self) -> bool:
        """Whether 0 may stand for "not given"."""
        return self.kind == "number" and not self.is_required


def meant(argument: Argument, value: Any) -> Any:
    """What a client meant by a value; UNSET when it means that the argument is not given."""
    if is_too_long(value):
        return value
    if isinstance(value, str) and (argument.is_name or argument.kind != "text"):
        value = _QUOTED.sub(r"\2", value, count=1) if _QUOTED.fullmatch(value) else value
    if value is None or (not argument.is_required and _is_empty(argument, value)):
        return msgspec.UNSET
    if argument.kind == "choice":
        return _choice(argument, value)
    read = _READERS.get(argument.kind)
    return value if read is None else read(value)


def is_too_long(value: Any) -> bool:
    """Whether a value is text that no argument takes, whatever it says."""
    return isinstance(value, str) and len(value) > READ_LENGTH_MAX


def call_meant(params: Mapping[str, Any] | None) -> dict[str, Any]:
    """The params of a tool call with its arguments as an object; raises `MCPError` that says what is wrong."""
    call = dict(params or {})
    if not isinstance(call.get("name"), str):
        raise MCPError(types.INVALID_PARAMS, "params.name must be the name of a tool; tools/list shows them")
    arguments = call.get("arguments")
    for _ in range(_ENCODED_TWICE):
        if isinstance(arguments, str):
            arguments = _object(arguments) if arguments.strip() else None
    if not isinstance(arguments, dict | None):
        raise MCPError(types.INVALID_PARAMS, "params.arguments must be an object with the tool's arguments by name")
    if arguments is None:
        call.pop("arguments", None)
    else:
        call["arguments"] = arguments
    return call


def _object(text: str) -> Any:
    try:
        return text if has_too_many_values(text.encode("utf-8", "replace")) else json.loads(text)
    except (ValueError, RecursionError):
        return text


def _is_empty(argument: Argument, value: Any) -> bool:
    if isinstance(value, str):
        value = value.strip()
    if argument.may_be_filler and argument.least == 1 and _number(value) == 0 and value is not False:
        return True
    return value in ("", [], {})


def _number(value: Any) -> Any:
    if isinstance(value, str) and not is_too_long(value) and (written := _NUMBER.fullmatch(value)):
        return int(written[1])
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _flag(value: Any) -> Any:
    return _FLAGS.get(value.strip().lower(), value) if isinstance(value, str) else value


def _numbers(value: Any) -> Any:
    if isinstance(value, str) and value.strip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return value
    if isinstance(value, list):
        return [_number(item) for item in value[:READ_ITEMS_MAX]]
    number = _number(value)
    return [number] if isinstance(number, int) and not isinstance(number, bool) else value


def _choice(argument: Argument, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    spelled = _BETWEEN_WORDS.sub("", value).casefold()
    return next((word for word in argument.choices if word.replace("_", "") == spelled), value.strip())


_READERS: Mapping[Kind, Callable[[Any], Any]] = {
    "number": _number,
    "flag": _flag,
    "numbers": _numbers,
}
