"""Finds who sends a request, and lets it through or refuses it.

`guard` runs before everything below `/admin`, also before addresses that do not exist. A page is for owners who are
signed in and have confirmed their handle, unless it is marked `public` or `for_newcomers`. A request that changes
something must carry the session's CSRF token in its form; that is checked first.
"""

import re
from collections.abc import Awaitable, Callable
from secrets import compare_digest
from typing import Any, TypeVar
from urllib.parse import quote

from msgspec import Struct
from quart import abort, current_app, g, render_template, request
from quart.typing import ResponseReturnValue
from quart.wrappers import Response

from store.people import sessions
from store.people.emails import same_email
from store.people.owners import OwnerRow
from store.people.sessions import Session
from web.admin import cookies, guests, kept
from web.admin.context import AdminContext
from web.http import asgi

PREFIX = "/admin"
HOME = f"{PREFIX}/"

View = TypeVar("View", bound=Callable[..., Awaitable[Any]])

HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    # Not no-referrer: with that, browsers send forms with 'Origin: null', which the guard of hosts refuses.
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
"""Security headers of the web admin, besides those of all pages."""

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_STATIC = "admin.static"
_PUBLIC = "is_public"
_NEWCOMERS = "is_for_newcomers"

_INSIDE = re.compile(rf"{PREFIX}(?:/[\w/-]*)?(?:\?[!-\[\]-~]*)?", re.ASCII).fullmatch
"""Our own addresses: no dots that browsers would resolve, no host, no backslash, nothing that is not visible ASCII."""


def public(view: View) -> View:
    """Let everybody see this page, signed in or not. HEAD does not run it: link previews use nothing up."""
    setattr(view, _PUBLIC, True)
    return view


def for_newcomers(view: View) -> View:
    """Let owners see this page before they have confirmed their handle."""
    setattr(view, _NEWCOMERS, True)
    return view


def covers(path: str) -> bool:
    """Whether a path belongs to the web admin."""
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def inside(path: str | None) -> str:
    """The address, if it leads to a page of the web admin; the first page otherwise."""
    return path if path is not None and _INSIDE(path) else HOME


class Live(Struct, frozen=True, kw_only=True):
    """The stream that a page listens to, and the event after which it begins; None: at the ledger's end."""

    stream: str
    after: int | None


CHANGES = Live(stream=f"{PREFIX}/stream/changes", after=None)
"""For pages that show nothing of a ledger."""


def current_session() -> Session | None:
    """The session of the current request; None for a visitor who is not signed in."""
    session: Session | None = g.get("session")
    return session


def current_owner() -> OwnerRow:
    """The signed-in owner; only for pages that are not public."""
    session = current_session()
    assert session is not None  # noqa: S101 - the guard lets nobody else reach such a page
    return session.owner


def current_csrf() -> str | None:
    """The CSRF token that the visitor's forms must carry; None when no form is accepted from them."""
    session = current_session()
    return session.csrf if session is not None else g.get("guest_csrf")


def guard(context: AdminContext) -> Callable[[], Awaitable[ResponseReturnValue | None]]:
    """The check before each request; None lets it through."""

    async def admit() -> ResponseReturnValue | None:
        if not covers(request.path) or request.endpoint == _STATIC:
            return None
        g.session = await _find_session(context)
        g.guest_csrf = guests.csrf_of(context.cookies.get(cookies.GUEST))
        if request.method not in _READING and not await _brings_csrf():
            return await _refused_form()
        if _is(_PUBLIC):
            return "" if request.method == "HEAD" else None
        if g.session is None:
            return _to_sign_in() if request.method in _READING else abort(403)
        if not g.session.owner.handle_confirmed and not _is(_NEWCOMERS):
            return see_other(f"{PREFIX}/account?next={_here()}")
        return None

    return admit


async def sign_in(context: AdminContext, owner: OwnerRow, next_path: str, *, way: str) -> Response:
    """Open a session of this owner in place of the browser's current one, and redirect."""
    opened = await context.store.write(
        sessions.open_session,
        owner.id,
        way=way,
        user_agent=request.headers.get("User-Agent", ""),
        replacing=context.cookies.get(cookies.SESSION),
    )
    response = see_other(inside(next_path))
    context.cookies.put(response, cookies.SESSION, opened.id)
    return response


async def form_for_anybody(context: AdminContext, template: str, **values: object) -> Response:
    """A page whose form may be sent without a session: a guest's ticket then carries the CSRF token."""
    ticket = None
    if current_csrf() is None:
        ticket = guests.random_ticket()
        g.guest_csrf = guests.csrf_of(ticket)
    response = Response(await render_template(template, **values))
    if ticket is not None:
        context.cookies.put(response, cookies.GUEST, ticket, seconds=guests.TICKET_SECONDS)
    return response


def see_other(path: str) -> Response:
    """A redirect that is followed with GET."""
    return Response("", 303, {"Location": path})


def header_email(context: AdminContext) -> str | None:
    """The visitor's email by a trusted proxy; None without one, or when owners do not sign in by proxy."""
    if context.settings.admin_auth != "header":
        return None
    return context.services.proxies.vouched(*asgi.peer_and_headers(request), context.settings.admin_email_header)


def count_try(context: AdminContext) -> None:
    """Count a try to sign in by the visitor's address; aborts with 429 when it is one too many."""
    if not context.sign_in_limit.admits(asgi.exchange_of(request).subscriber):
        abort(429)


async def _find_session(context: AdminContext) -> Session | None:
    session_id = context.cookies.get(cookies.SESSION)
    session = None if session_id is None else await context.store.read(sessions.find_session, session_id)
    if session is None or session.owner.suspended:
        return None
    if context.settings.admin_auth == "header" and not same_email(header_email(context), session.owner.email):
        return None  # the proxy has let somebody else in, or nobody
    return session


async def _brings_csrf() -> bool:
    expected = current_csrf()
    given = (await request.form).get("csrf", "")
    return expected is not None and compare_digest(expected.encode(), given.encode(errors="replace"))


async def _refused_form() -> ResponseReturnValue:
    """The page for a form without the session's token; it changes nothing, and keeps what was typed."""
    if _is(_PUBLIC) or request.endpoint is None or not await kept.typed():
        abort(403)
    if current_session() is None:
        return await kept.kept_page(
            403,
            "You are signed out",
            "Nothing was changed, and what you typed is kept. Sign in, come back to this page, and send it.",
            button="Send",
            sign_in_at=f"{PREFIX}/sign-in",
        )
    return await kept.kept_page(
        403,
        "Send this?",
        f"The form is older than your sign-in, so nothing was changed. It goes to {request.path}. Send it only if you "
        "typed it.",
        button="Send",
    )


def _is(mark: str) -> bool:
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, mark, False)


def _to_sign_in() -> Response:
    return see_other(f"{PREFIX}/sign-in" + ("" if request.path == HOME else f"?next={_here()}"))


def _here() -> str:
    """The current address, to come back to."""
    query = request.query_string.decode("latin-1")
    return quote(f"{request.path}?{query}" if query else request.path, safe="/")
