"""What clients do to the arguments of a call before they send it, one habit a function.

Each takes the tool's schema and the arguments that are meant, and gives what is sent: at first, and again if the answer
says to name a path relative to the repository's root.
"""

import json
from collections.abc import Callable
from typing import Any

Object = dict[str, Any]
Habit = Callable[[Object, Object], list[Object]]

CHECKOUT = "/home/ann/shop/"


def all_text(_: Object, meant: Object) -> list[Object]:
    """Every number, flag and list arrives as text."""
    return [{name: value if isinstance(value, str) else json.dumps(value) for name, value in meant.items()}]


def all_fillers(schema: Object, meant: Object) -> list[Object]:
    """Every optional argument is filled with something empty."""
    fillers = {"string": "", "integer": 0, "boolean": None, "array": []}
    return [{**{name: fillers[part["type"]] for name, part in _optional(schema)}, **meant}]


def all_blank(schema: Object, meant: Object) -> list[Object]:
    """Every optional argument is filled with empty text."""
    return [{**{name: "" for name, _ in _optional(schema)}, **meant}]


def strays(schema: Object, meant: Object) -> list[Object]:
    """Arguments of the client's own come along."""
    own = {"task_progress": "- [x] read the posts", "toolCallId": "call_1", "sessionId": "1"}
    return [{**meant, **own} if schema["properties"] else {"random_string": "dummy"}]


def absolute_paths(_: Object, meant: Object) -> list[Object]:
    """Files are named as the client's own tools name them."""
    if "surface" not in meant:
        return [meant]
    return [{**meant, "surface": CHECKOUT + meant["surface"].removeprefix("./")}, meant]


def quoted_places(_: Object, meant: Object) -> list[Object]:
    """Files are named with the line, in backticks."""
    surface = meant.get("surface")
    return [meant if surface is None or ":" in surface else {**meant, "surface": f"`{surface}:10-20`\n"}]


HABITS = (all_text, all_fillers, all_blank, strays, absolute_paths, quoted_places)


def _optional(schema: Object) -> list[tuple[str, Object]]:
    return [(name, part) for name, part in schema["properties"].items() if name not in schema.get("required", ())]
