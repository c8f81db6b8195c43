"""`GET /`: what this server is, whether it is well, how to connect; and `GET /api/stats`, the counts beside it.

Public and without script. Nothing on the page depends on who looks.
"""

from collections.abc import Awaitable, Callable

import msgspec
import trio
from quart import Blueprint, Response, abort, render_template

from store.errors import StoreError
from web.landing.live_counts import LiveCounts
from web.onboarding import texts

PING_SECONDS_MAX = 1.0
"""How long the page waits for the database before it says that it does not answer."""

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def landing(public_url: str, ping_store: Callable[[], Awaitable[object]], counts: LiveCounts | None) -> Blueprint:
    """The routes; without `counts` this instance keeps them to itself."""
    routes = Blueprint(
        "landing", __name__, template_folder="templates", static_folder="static", static_url_path="/landing"
    )

    @routes.get("/")
    async def index() -> Response:
        text = await render_template(
            "landing.html",
            is_well=await _answers(ping_store),
            counts=await counts.latest() if counts else None,
            mcp_url=texts.mcp_url(public_url),
            connect_command=texts.connect_command(public_url, "<token>"),
            join_url=texts.redeem_url(public_url),
            kit_command=texts.kit_command(public_url),
        )
        response = Response(text, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = _POLICY
        response.cache_control.no_cache = True
        return response

    @routes.get("/api/stats")
    async def stats() -> Response:
        if counts is None:
            abort(404)
        latest = await counts.latest()
        if latest is None:
            return Response(b'{"ok":false,"error":"unavailable"}', 503, {"Retry-After": "1"}, "application/json")
        response = Response(msgspec.json.encode(latest), content_type="application/json")
        response.cache_control.public = True
        response.cache_control.max_age = counts.fresh_seconds
        return response

    return routes


async def _answers(ping_store: Callable[[], Awaitable[object]]) -> bool:
    with trio.move_on_after(PING_SECONDS_MAX):
        try:
            await ping_store()
        except StoreError:
            return False
        return True
    return False
