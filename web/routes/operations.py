"""Routes for health checks, Prometheus, and clients that look for an authorization server.

No authentication, no secrets, nothing about projects.
"""

from collections.abc import Awaitable, Callable

import trio
from quart import Blueprint, Response

from store.errors import ClockUnsteady, StoreError
from web import VERSION
from web.http.problems import BEARER_TOKENS
from web.metrics import Metrics
from web.onboarding.texts import SERVER_NAME, mcp_url

READY_SECONDS_MAX = 3.0
"""How long the database may take to say that it is there."""


def operations(public_url: str, metrics: Metrics, ping_store: Callable[[], Awaitable[object]]) -> Blueprint:
    """The routes; `ping_store` returns when the database answers and raises what the store raises when it does not."""
    routes = Blueprint("operations", __name__)

    @routes.get("/healthz")
    async def healthz() -> dict[str, object]:
        return {"ok": True, "service": SERVER_NAME, "version": VERSION}

    @routes.get("/readyz")
    async def readyz() -> tuple[dict[str, object], int]:
        try:
            with trio.fail_after(READY_SECONDS_MAX):
                await ping_store()
        except ClockUnsteady as error:
            return {"ok": False, "error": str(error)}, 503
        except (StoreError, trio.TooSlowError):
            return {"ok": False, "error": "the database does not answer"}, 503
        return {"ok": True}, 200

    @routes.get("/metrics")
    async def scrape() -> Response:
        return Response(metrics.scrape(), content_type="text/plain; version=0.0.4; charset=utf-8")

    # RFC 9728 §3.1: clients look beside the resource's path first, then at the root.
    @routes.get("/.well-known/oauth-protected-resource")
    @routes.get("/.well-known/oauth-protected-resource/mcp")
    async def protected_resource() -> dict[str, object]:
        return {
            "resource": mcp_url(public_url),
            "authorization_servers": [],
            "bearer_methods_supported": ["header"],
        }

    # A client with a wrong token looks for an authorization server, step by step. Each step says that there is none.
    @routes.get("/.well-known/<path:name>")
    @routes.post("/register")
    @routes.route("/authorize", methods=["GET", "POST"])
    @routes.post("/token")
    async def no_oauth(**_: str) -> tuple[dict[str, object], int]:
        return {"error": "invalid_request", "error_description": BEARER_TOKENS}, 404

    return routes
