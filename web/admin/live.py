"""Streams that keep open pages up to date: what happens in projects, as Server-Sent Events.

Each message tells of one event of the ledger and has its number for an id. A browser that reconnects names the last id
(`Last-Event-ID`, or `?after=`) and gets what came after it, in order and once. A stream keeps nothing but that
number (`web.streams`), so a slow reader gets everything at its own pace. When more happened than actors remember, one
message `many` says so instead, and the page fetches itself again.

Messages say what kind of thing happened, not what was said: the page fetches itself and replaces its parts (`live.js`).
Changes that are in no ledger (members, tokens, invites, settings) are told as `changed`, which has no number; a stream
begins with it when something was changed just before.
A stream ends with its session, with its owner's suspension, with its project and with the server, at once; otherwise
after `STREAM_SECONDS`, when the browser opens the next one and is looked at again.
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec
import trio
from quart import Blueprint, abort, request
from quart.wrappers import Response

from actors import Unavailable
from actors.looking import Happening, Stir
from engine import terms
from store.ledger import named, overview
from store.people import sessions
from store.people.codes import digest
from web.admin import cookies, forms
from web.admin.context import AdminContext
from web.admin.finding import the_project
from web.admin.visitor import current_owner, current_session
from web.http import asgi
from web.identity.changes import Noticed
from web.streams import GATHER_SECONDS, Crowd, Reader, Source, Stream

STREAM_SECONDS = 80.0
"""Shorter than a request may take (`web.http.connection.HANDLING_SECONDS_MAX`)."""

MESSAGES_MAX = 100
"""Events told one by one in a send; more are told as `many`."""

RETRY_MILLISECONDS = 500
_RETRY = b"retry: %d\n\n" % RETRY_MILLISECONDS

SENDS_PER_SECOND_MAX = 20.0
"""To all open pages together, because each of them fetches itself after a send: some 10 ms of the processor."""

LOOK_AGAIN_SECONDS = 5.0
"""The page about the server fetches itself this often."""

STREAMS_PER_OWNER_MAX = 256
"""Open streams of one owner; a further one tries again later."""

CHANGED = b"event: changed\ndata: {}\n\n"

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream begins: after this event."""

    after: terms.Counter | None = None


def live_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("live", __name__)
    crowd = Crowd(SENDS_PER_SECOND_MAX)

    @pages.get("/stream")
    async def everything() -> Response:
        return answer(OwnersProjects(context, current_owner().id))

    @pages.get("/stream/changes")
    async def changes() -> Response:
        return answer(OwnersChanges(context, current_owner().id))

    @pages.get("/operator/stream")
    async def of_all_owners() -> Response:
        if not current_owner().is_operator:
            abort(404)
        return answer(OwnersChanges(context, None))

    @pages.get("/operator/server/stream")
    async def of_the_server() -> Response:
        if not current_owner().is_operator:
            abort(404)
        return answer(ServersFigures(context, None))

    @pages.get("/projects/<int:project_id>/stream")
    async def stream(project_id: int) -> Response:
        project = await the_project(context, project_id)
        return answer(OneProject(context, current_owner().id, project.id, _position()))

    def answer(source: Source) -> Response:
        if request.method == "HEAD":
            return Response(b"", headers=HEADERS)
        exchange = asgi.exchange_of(request)
        exchange.tool, exchange.is_stream = "stream", True
        stream = Stream(context.services, crowd, source, exchange, _reader(context))
        response = Response(stream.messages(), headers=HEADERS)
        response.timeout = None  # it has a limit of its own
        return response

    return pages


def _reader(context: AdminContext) -> Reader:
    """The session that asks."""
    session_id, session = context.cookies.get(cookies.SESSION), current_session()
    assert session_id is not None  # noqa: S101 - the guard lets nobody else reach a stream
    assert session is not None  # noqa: S101 - nor without a session that is open
    key = digest(session_id)

    async def still_admitted() -> bool:
        return bool(await context.store.read(sessions.still_open, [key]))

    return Reader(
        who=("stream", session.owner.id),
        places_max=STREAMS_PER_OWNER_MAX,
        key=key,
        still_admitted=still_admitted,
        seconds_max=STREAM_SECONDS,
    )


class _Told:
    """The common part of all streams of pages: their owner, the changes that they note, and their end."""

    def __init__(self, context: AdminContext, owner_id: int | None) -> None:
        self._context = context
        self._owner_id = owner_id
        self._changes = Noticed()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note changes; what happened is remembered by number."""
        with self._context.services.changes.listening(self._owner_id) as self._changes:
            yield

    def refused(self) -> bytes:
        """Try again later."""
        return b"retry: 10000\n\n"

    def ended(self) -> bytes:
        """Nothing: the browser opens the next one."""
        return b""


class OneProject(_Told):
    """Every event of a project, by its number, and changes that are in no ledger."""

    def __init__(self, context: AdminContext, owner_id: int, project_id: int, after: int | None) -> None:
        super().__init__(context, owner_id)
        self._project_id = project_id
        self._after = after

    async def begin(self) -> bytes:
        """The ledger's end, for a page that knows no event."""
        if self._after is not None:
            return _RETRY + _just_now(self._context)
        self._after = (await self._context.store.journal.head(self._project_id)).seq
        return b"%bevent: here\nid: %d\ndata: {}\n\n" % (_RETRY, self._after)

    async def next(self) -> bytes:
        """The next events, and those that happen right after them."""
        assert self._after is not None  # noqa: S101 - set before the first wait
        directory, told = self._context.services.directory, b""
        with self._changes.interrupting():
            await directory.happened(self._project_id, self._after)
        await trio.sleep(GATHER_SECONDS)
        with trio.move_on_after(0):
            self._after, events = await directory.happened(self._project_id, self._after)
            told = encoded(self._after, events)
        if not self._changes.take():
            return told
        if not await self._context.store.read(named.is_there, self._project_id):
            raise Unavailable("this project was deleted.")  # perhaps while this stream rested, or by another server
        return told + CHANGED


class OwnersChanges(_Told):
    """Changes that are in no ledger, for pages that show nothing else; those of every owner without an `owner_id`."""

    async def begin(self) -> bytes:
        """When to open the next stream."""
        return _RETRY + _just_now(self._context)

    async def next(self) -> bytes:
        """That something was changed."""
        with self._changes.interrupting():
            await trio.sleep(math.inf)
        await trio.sleep(GATHER_SECONDS)
        return CHANGED if self._changes.take() else b""


class ServersFigures(OwnersChanges):
    """For the page about the server: no event announces that a pool or a disk fills, so the page looks at intervals."""

    async def next(self) -> bytes:
        """That the page should look again."""
        await trio.sleep(LOOK_AGAIN_SECONDS)
        return CHANGED


class OwnersProjects(_Told):
    """Anything that happens in an owner's projects, without detail: the page fetches itself."""

    def __init__(self, context: AdminContext, owner_id: int) -> None:
        super().__init__(context, owner_id)
        self._of_owner = owner_id
        self._stir = Stir()
        self._projects = ExitStack()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note changes, and later what happens in the owner's projects."""
        with super().listening(), self._projects:
            yield

    async def begin(self) -> bytes:
        """That the stream has begun: what happened before is not told."""
        await self._listen_to_projects()
        return b"%bevent: here\ndata: {}\n\n" % _RETRY

    async def next(self) -> bytes:
        """That something happened."""
        with self._changes.interrupting():
            await self._stir.wait()
        await trio.sleep(GATHER_SECONDS)
        if self._changes.take():
            await self._listen_to_projects()
        return b"event: many\ndata: {}\n\n"

    async def _listen_to_projects(self) -> None:
        """Note what happens in the owner's current projects."""
        projects = await self._context.store.read(overview.dashboard, self._of_owner)
        listening = self._context.services.directory.listening([project.id for project in projects])
        self._projects.close()
        self._stir = self._projects.enter_context(listening)


def _just_now(context: AdminContext) -> bytes:
    """A `changed` for changes between the page and its stream, or between two streams."""
    return CHANGED if context.services.changes.happened_just_now else b""


def encoded(last: int, events: list[Happening] | None) -> bytes:
    """News as messages: one an event, or one for all of them."""
    if events is None or len(events) > MESSAGES_MAX:
        return b"event: many\nid: %d\ndata: {}\n\n" % last
    return b"".join(_message(event) for event in events)


def _message(event: Happening) -> bytes:
    told = {"id": event.seq, "at": event.at, "type": event.type, "actor": event.actor, "topics": event.topics}
    return b"event: happened\nid: %d\ndata: %b\n\n" % (event.seq, msgspec.json.encode(told))


def _position() -> int | None:
    """The last event that the page knows of."""
    given = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    form = forms.read(Position, {"after": given})
    if form.fields is None:
        abort(400)
    return form.fields.after
