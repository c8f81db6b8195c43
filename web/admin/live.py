"""What keeps open pages up to date: streams of what happens in projects, as Server-Sent Events.

Each message tells of one event of the ledger and has its number for an id: who reconnects names the last one heard
(`Last-Event-ID`, or `?after=`) and is told what came after it, in order and once. A stream keeps nothing but that
number, so a slow reader costs nothing and hears everything at its own pace; one that does not read at all is dropped by
the connection (`web.http.connection`). When more happened than actors remember, one message `many` says so instead, and
the page reads itself anew.

Messages say what kind of thing happened, not what was said: the page fetches itself and replaces its parts (`live.js`).
A stream ends with its session, with its owner's suspension, with its project and with the server, at once; otherwise
after `STREAM_SECONDS`, when the browser opens the next one and is looked at again.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Protocol, TypeVar, cast

import msgspec
import trio
from quart import Blueprint, abort, request
from quart.wrappers import Response

from actors import Busy, Crashed, Directory, Unavailable
from actors.looking import Happening, Stir
from engine import terms
from engine.errors import JournalUnavailable
from store.errors import StoreUnavailable
from store.ledger import overview
from store.people import sessions
from store.people.codes import digest
from web.admin import cookies, forms
from web.admin.context import AdminContext
from web.admin.finding import the_project
from web.admin.visitor import current_owner, current_session
from web.http import asgi
from web.http.exchange import Exchange

STREAM_SECONDS = 80.0
"""Shorter than a request may take (`web.http.connection.HANDLING_SECONDS_MAX`)."""

GATHER_SECONDS = 0.05
"""What happens within this time goes out together."""

PAUSE_SECONDS = 0.25
PAUSE_SECONDS_PER_STREAM = 0.0025
"""The pause between two sends grows with the open streams, so that many pages do not slow a busy project down."""

BEAT_SECONDS = 25.0
"""A stream in which nothing happens says so, for proxies that end silent connections."""

MESSAGES_MAX = 100
"""Events told one by one in a send; more are told as `many`."""

RETRY_MILLISECONDS = 500

STREAMS_PER_OWNER_MAX = 256
"""Open pages of one owner that are told; a further one tries again later."""

HEADERS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}

Result = TypeVar("Result")


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream begins: after this event."""

    after: terms.Counter | None = None


class Source(Protocol):
    """What a stream tells of."""

    def listening(self) -> AbstractContextManager[object]:
        """Nothing that happens while the block runs is missed."""
        ...

    async def begin(self) -> bytes:
        """The first message, or nothing."""
        ...

    async def next(self) -> bytes:
        """The next messages, as soon as there are any."""
        ...


def live_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("live", __name__)
    crowd = Crowd()

    @pages.get("/stream")
    async def everything() -> Response:
        projects = await context.store.read(overview.dashboard, current_owner().id)
        return answer(OwnersProjects(context.services.directory, [project.id for project in projects]))

    @pages.get("/projects/<int:project_id>/stream")
    async def stream(project_id: int) -> Response:
        project = await the_project(context, project_id)
        return answer(OneProject(context, project.id, _position()))

    def answer(source: Source) -> Response:
        if request.method == "HEAD":
            return Response(b"", headers=HEADERS)
        exchange = cast("asgi.Scope", request.scope)[asgi.EXCHANGE]
        exchange.tool = "stream"
        response = Response(_Stream(context, crowd, source, exchange).messages(), headers=HEADERS)
        response.timeout = None  # it has a limit of its own
        return response

    return pages


class OneProject:
    """Every event of a project, by its number."""

    def __init__(self, context: AdminContext, project_id: int, after: int | None) -> None:
        self._context = context
        self._project_id = project_id
        self._after = after

    def listening(self) -> AbstractContextManager[object]:
        """Nothing to do: what happened is remembered by number."""
        return nullcontext()

    async def begin(self) -> bytes:
        """The ledger's end, for who does not know any event."""
        if self._after is not None:
            return b""
        self._after = (await self._context.store.journal.head(self._project_id)).seq
        return b"event: here\nid: %d\ndata: {}\n\n" % self._after

    async def next(self) -> bytes:
        """What happened next; what happens right after it comes along."""
        assert self._after is not None  # noqa: S101 - set before the first wait
        directory = self._context.services.directory
        await directory.happened(self._project_id, self._after)
        await trio.sleep(GATHER_SECONDS)
        self._after, events = await directory.happened(self._project_id, self._after)
        return encoded(self._after, events)


class OwnersProjects:
    """That something happened in one of an owner's projects, whatever it was; the page reads itself anew."""

    def __init__(self, directory: Directory, project_ids: list[int]) -> None:
        self._directory = directory
        self._project_ids = project_ids
        self._stir = Stir()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note what happens."""
        with self._directory.listening(self._project_ids) as self._stir:
            yield

    async def begin(self) -> bytes:
        """That the stream has begun: what happened before is not told."""
        return b"event: here\ndata: {}\n\n"

    async def next(self) -> bytes:
        """That something happened."""
        await self._stir.wait()
        await trio.sleep(GATHER_SECONDS)
        return b"event: many\ndata: {}\n\n"


class Crowd:
    """How many streams are open."""

    def __init__(self) -> None:
        self.size = 0

    @property
    def pause_seconds(self) -> float:
        """How long a stream rests after each send."""
        return PAUSE_SECONDS + PAUSE_SECONDS_PER_STREAM * self.size

    @contextmanager
    def joined(self) -> Iterator[None]:
        """One stream more."""
        self.size += 1
        try:
            yield
        finally:
            self.size -= 1


class _Stream:
    """One open page's stream."""

    def __init__(self, context: AdminContext, crowd: Crowd, source: Source, exchange: Exchange) -> None:
        session_id, session = context.cookies.get(cookies.SESSION), current_session()
        assert session_id is not None  # noqa: S101 - the guard lets nobody else reach a stream
        assert session is not None  # noqa: S101 - nor without a session that is open
        self._context = context
        self._source = source
        self._exchange = exchange
        self._session_hash = digest(session_id)
        self._owner_id = session.owner.id
        self._crowd = crowd
        self._gone = False

    async def messages(self) -> AsyncIterator[bytes]:
        """What goes over the wire."""
        waits, deadline = self._context.services.waits, trio.current_time() + STREAM_SECONDS
        with (
            self._crowd.joined(),
            self._source.listening(),
            waits.parked(("stream", self._owner_id), self._session_hash, places_max=STREAMS_PER_OWNER_MAX) as ending,
        ):
            try:
                first = await self._source.begin() if ending is not None and await self._still_admitted() else None
            except (JournalUnavailable, StoreUnavailable):
                first = None
            if ending is None or first is None:
                yield b"retry: 10000\n\n"
                return
            yield b"retry: %d\n\n%b" % (RETRY_MILLISECONDS, first)
            while trio.current_time() < deadline:
                beat = min(BEAT_SECONDS, deadline - trio.current_time())
                news = await self._unless_ended(ending, beat, self._source.next)
                if news is None and self._is_over(ending):
                    return
                yield news or b": nothing\n\n"
                with trio.move_on_after(self._crowd.pause_seconds):
                    await ending.wait()
                    return

    async def _still_admitted(self) -> bool:
        """Look at the session once more after registering: an earlier end could not signal it."""
        return bool(await self._context.store.read(sessions.still_open, [self._session_hash]))

    def _is_over(self, ending: trio.Event) -> bool:
        return ending.is_set() or self._context.services.stopping.is_set() or self._gone

    async def _unless_ended(
        self, ending: trio.Event, seconds: float, wait: Callable[[], Awaitable[Result]]
    ) -> Result | None:
        """What `wait` gives within this time; None if nothing, or when the stream must end, or nobody reads it."""
        found: Result | None = None

        async def watch(wait_for_end: Callable[[], Awaitable[object]], *, leaves: bool = False) -> None:
            await wait_for_end()
            self._gone |= leaves
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + seconds
            nursery.start_soon(watch, ending.wait)
            nursery.start_soon(watch, self._context.services.stopping.wait)
            nursery.start_soon(partial(watch, leaves=True), self._exchange.until_gone)
            try:
                found = await wait()
            except (Busy, Crashed, Unavailable):
                self._gone = True  # the page connects again, when there may be more to tell
            nursery.cancel_scope.cancel()
        return found


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
    named = request.headers.get("Last-Event-ID") or request.args.get("after", "")
    form = forms.read(Position, {"after": named})
    if form.fields is None:
        abort(400)
    return form.fields.after
