"""What the bus offers as MCP resources: the guide, and the project as it is now.

A resource is what a reading tool answers, under an address, for clients that let people pick one as context. It is read
by that tool, with its rights, limits and log line; nothing else is needed to add one. What never changes may be cached
by everybody; the others by nobody.
"""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp.shared.exceptions import MCPError
from msgspec import Struct

from engine.terms import ID_MAX
from web.onboarding.texts import GUIDE, GUIDE_URI

CallForText = Callable[[str, dict[str, Any]], Awaitable[str]]
"""Calls a tool; the text of its result. Raises `MCPError` for a refusal."""

REFUSED = -32000
"""JSON-RPC's code for an error of the server's own kind: a tool refused to answer."""

_JSON = "application/json"
_POST = re.compile(r"bus://post/([1-9]\d{0,15})").fullmatch


class Live(Struct, frozen=True):
    """A resource that a tool answers."""

    uri: str
    title: str
    description: str
    tool: str
    arguments: dict[str, Any]


LIVE = (
    Live(
        "bus://inbox",
        "Inbox",
        "Posts to you that you have not acknowledged.",
        "read_posts",
        {"to_me": True, "unacked_only": True},
    ),
    Live("bus://tasks", "Tasks", "The project's tasks, most urgent first.", "list_tasks", {"limit": 200}),
    Live("bus://leases", "Leases", "Who works on which paths now.", "who_holds", {}),
    Live("bus://presence", "Presence", "Who called lately, in which lane, doing what.", "who_is_active", {}),
)

_BY_URI = {live.uri: live for live in LIVE}


def resources() -> list[types.Resource]:
    """Every resource that has a fixed address."""
    guide = types.Resource(
        uri=GUIDE_URI,
        name="guide",
        title="How to coordinate over LLM Bus",
        description="When to use which tool, and what the bus promises. Read it once when you join a project.",
        mime_type="text/markdown",
    )
    return [
        guide,
        *(
            types.Resource(
                uri=live.uri, name=live.title.lower(), title=live.title, description=live.description, mime_type=_JSON
            )
            for live in LIVE
        ),
    ]


def templates() -> list[types.ResourceTemplate]:
    """The others, by the form of their addresses."""
    post = types.ResourceTemplate(
        uri_template="bus://post/{id}", name="post", title="Post", description="One post, by its id.", mime_type=_JSON
    )
    return [post]


def is_known(uri: str) -> bool:
    """Whether there is, or may be, such a resource."""
    return uri == GUIDE_URI or uri in _BY_URI or _POST(uri) is not None


def post_id_in(uri: str) -> int | None:
    """The id of the post at an address; None when it is not a post's."""
    named = _POST(uri)
    return None if named is None else int(named[1])


async def read(uri: str, call: CallForText) -> types.ReadResourceResult:
    """What is at an address now. Raises `MCPError`, also for one that is unknown."""
    if uri == GUIDE_URI:
        text = types.TextResourceContents(uri=uri, mime_type="text/markdown", text=GUIDE)
        return types.ReadResourceResult(contents=[text])
    if (live := _BY_URI.get(uri)) is not None:
        found = await call(live.tool, live.arguments)
    elif (post_id := post_id_in(uri)) is not None:
        found = await _read_post(uri, post_id, call)
    else:
        raise _not_found(uri)
    contents = types.TextResourceContents(uri=uri, mime_type=_JSON, text=found)
    return types.ReadResourceResult(contents=[contents], ttl_ms=0, cache_scope="private")


async def _read_post(uri: str, post_id: int, call: CallForText) -> str:
    if post_id >= ID_MAX:
        raise _not_found(uri)
    posts = json.loads(await call("read_posts", {"before": post_id + 1, "limit": 1}))["posts"]
    if not posts or posts[0]["post_id"] != post_id:
        raise _not_found(uri)
    return json.dumps(posts[0], ensure_ascii=False, separators=(",", ":"))


def _not_found(uri: str) -> MCPError:
    return MCPError(types.INVALID_PARAMS, "Resource not found", {"uri": uri})
