"""`subscriptions/listen` (MCP 2026-07-28): a client is told that a resource changed, and reads it again if it likes.

The answer is a stream that begins with what the server agreed to tell, and ends with the request's result. It names
resources, never what is in them. Each message carries the id of the request, as the protocol wants it. Nothing is told
twice and nothing is kept: a client that connects again reads what it shows.

A lease that ends by its time, and a call that makes somebody active, are no events, so they are not told.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import mcp_types as types
import msgspec
import trio
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY

from actors import Directory
from actors.looking import Happening
from engine.identity import Principal
from engine.posts import post_topic
from web.http.answer import EventStream
from web.http.exchange import Exchange
from web.mcp import resources
from web.services import Services
from web.streams import GATHER_SECONDS, Crowd, Reader, Stream

LISTEN = "subscriptions/listen"

STREAMS_PER_TOKEN_MAX = 8
"""Streams that one token holds open at once: a few hosts, each with one."""

STREAMS_MAX = 500
"""Streams that MCP clients hold open at once; each costs a connection."""

SENDS_PER_SECOND_MAX = 400.0
"""To all these streams together: a client reads a resource again after each."""

RESOURCES_MAX = 100
"""Resources that one stream tells of."""

HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)

_ACKNOWLEDGED = "notifications/subscriptions/acknowledged"
_UPDATED = "notifications/resources/updated"
_LISTS = ("toolsListChanged", "promptsListChanged", "resourcesListChanged")
_LOST = "lost"
"""The type of the event that says that others are gone: anything may have changed."""


class Listening:
    """Opens streams for MCP clients."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._crowd = Crowd(SENDS_PER_SECOND_MAX, STREAMS_MAX)

    def begin(self, exchange: Exchange, request_id: types.RequestId, params: Mapping[str, Any] | None) -> EventStream:
        """The stream for a request whose params are valid. Raises `MCPError`."""
        exchange.tool = LISTEN
        if not _takes_streams(exchange.request.header(b"accept") or b"*/*"):
            raise MCPError(types.INVALID_REQUEST, "Invalid request: the answer is a stream; accept text/event-stream")
        if (too_much := self._services.fair_use.refuse(exchange.token_hash, 0)) is not None:
            refusal, exchange.retry_after_seconds = too_much
            raise MCPError(resources.REFUSED, str(refusal))
        agreed = agreed_to((params or {})["notifications"])
        source = Resources(self._services.directory, exchange.caller, request_id, agreed)
        reader = Reader(
            who=("listen", exchange.token_hash),
            places_max=STREAMS_PER_TOKEN_MAX,
            key=exchange.token_hash,
            still_admitted=partial(self._still_admitted, exchange.token_hash),
        )
        exchange.is_stream = True
        return EventStream(Stream(self._services, self._crowd, source, exchange, reader).messages(), HEADERS)

    async def _still_admitted(self, token_hash: bytes) -> bool:
        grant = await self._services.authenticator.authenticate(token_hash)
        return grant is not None and grant.admits


def _takes_streams(accept: bytes) -> bool:
    return any(kind in accept.lower() for kind in (b"text/event-stream", b"text/*", b"*/*"))


def agreed_to(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What a stream will tell, of what a client wants. Raises `MCPError` when the client wants too much.

    The lists change only with a new version of this program: they are agreed to, and never told.
    """
    uris = dict.fromkeys(wanted.get("resourceSubscriptions") or ())
    if len(uris) > RESOURCES_MAX:
        raise MCPError(types.INVALID_PARAMS, f"Invalid request parameters: at most {RESOURCES_MAX} resources a stream")
    agreed: dict[str, Any] = {name: True for name in _LISTS if wanted.get(name) is True}
    if known := [uri for uri in uris if resources.is_known(uri)]:
        agreed["resourceSubscriptions"] = known
    return agreed


class Resources:
    """That resources of a project changed, for one participant."""

    def __init__(
        self, directory: Directory, caller: Principal, request_id: types.RequestId, agreed: Mapping[str, Any]
    ) -> None:
        self._directory = directory
        self._caller = caller
        self._agreed = agreed
        self._uris = tuple(agreed.get("resourceSubscriptions", ()))
        self._request_id = request_id
        self._meta = {SUBSCRIPTION_ID_META_KEY: request_id}
        self._after = 0

    def listening(self) -> AbstractContextManager[object]:
        """Nothing to do: what happened is remembered by number."""
        return nullcontext()

    async def begin(self) -> bytes:
        """What will be told, of all that happens after this."""
        self._after = await self._directory.last_event(self._caller.project_id)
        return self._notification(_ACKNOWLEDGED, notifications=self._agreed)

    async def next(self) -> bytes:
        """Which resources changed, each once; changes within `GATHER_SECONDS` are told together."""
        project_id, changed = self._caller.project_id, list[str]()
        while not changed:
            await self._directory.happened(project_id, self._after)
            await trio.sleep(GATHER_SECONDS)
            self._after, events = await self._directory.happened(project_id, self._after)
            changed = [uri for uri in self._uris if events is None or _is_news(uri, events, self._caller)]
        return b"".join(self._notification(_UPDATED, uri=uri) for uri in changed)

    def refused(self) -> bytes:
        """An error in place of the result."""
        error = {"code": resources.REFUSED, "message": "busy: too many streams are open, or none can be; try again."}
        return _message(id=self._request_id, error=error)

    def ended(self) -> bytes:
        """The result, which says that the stream ended in order."""
        return _message(id=self._request_id, result={"resultType": "complete", "_meta": self._meta})

    def _notification(self, method: str, **params: Any) -> bytes:
        return _message(method=method, params={**params, "_meta": self._meta})


def _is_news(uri: str, events: Iterable[Happening], caller: Principal) -> bool:
    return any(event.type == _LOST or _changes(uri, event, caller) for event in events)


def _changes(uri: str, event: Happening, caller: Principal) -> bool:
    """Whether a resource may answer otherwise to `caller` after an event."""
    match uri:
        case "bus://inbox":
            to_me = f"to:{caller.id}" in event.topics or any(topic.startswith("lane:") for topic in event.topics)
            return (event.type == "post" and to_me) or (event.type in {"ack", "register"} and event.by == caller.id)
        case "bus://tasks":
            return event.type.startswith("task_")
        case "bus://leases":
            return event.type in {"lease", "release"}
        case "bus://presence":
            return event.type == "register"
        case _:
            named = resources.post_id_in(uri)
            return named is not None and (post_topic(named) in event.topics or event.seq == named)


def _message(**fields: Any) -> bytes:
    return b"event: message\ndata: %b\n\n" % msgspec.json.encode({"jsonrpc": "2.0", **fields})
