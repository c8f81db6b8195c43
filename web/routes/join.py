"""`POST /join`: redeem an invite code; the answer holds all that is needed to connect.

Public, so it is limited by the caller's address. The answer holds the new token, once; nothing of it is logged.
"""

import json
from typing import Any

from quart import Blueprint, request

from store.errors import InvalidName, QuotaReached, StoreUnavailable
from store.people.invites import Redeemed, RedeemRefusal
from web.http import asgi
from web.http.rate_limit import RateLimit
from web.identity.people import People
from web.onboarding import texts

TRIES_MAX = 30
TRIES_WINDOW_SECONDS = 300.0

Answer = tuple[dict[str, Any], int]

_REFUSED: dict[RedeemRefusal, tuple[int, str]] = {
    "invalid": (404, "this code is not known, or was revoked: ask the person who invited you for a new one."),
    "expired": (410, "this code has expired: ask the person who invited you for a new one."),
    "exhausted": (410, "this code has been used as often as it may: ask the person who invited you for a new one."),
    "name_required": (400, "choose a name for yourself and send it as name; the code stays usable."),
    "name_taken": (409, "somebody has that name: choose another one; the code stays usable."),
}


def joining(public_url: str, people: People) -> Blueprint:
    """The route."""
    routes = Blueprint("joining", __name__)
    limit = RateLimit(tries_max=TRIES_MAX, window_seconds=TRIES_WINDOW_SECONDS)

    @routes.post("/join")
    async def join() -> Answer:
        if not limit.admits(asgi.exchange_of(request).subscriber):
            return _refusal(429, "too_many", "too many tries from your address: wait five minutes.")
        body = _json(bytes(await request.data))
        code, name = _text(body, "code"), _text(body, "name")
        if code is None or not code.isprintable():
            return _refusal(400, "code_required", 'send JSON with the code you were given: {"code": "…"}.')
        try:
            outcome = await people.redeem(code, name)
        except QuotaReached as reached:
            return _refusal(429, "busy", str(reached))
        except InvalidName as wrong:
            return _refusal(400, "invalid_name", str(wrong))
        except StoreUnavailable:
            return _refusal(503, "unavailable", "the database does not answer; try again in a moment.")
        if isinstance(outcome, Redeemed):
            return _welcome(public_url, outcome), 200
        status, message = _REFUSED[outcome]
        return _refusal(status, outcome, message)

    return routes


def _json(body: bytes) -> object:
    """What the body says; None when it is not JSON in UTF-8. The field with a lone surrogate refuses it."""
    try:
        return json.loads(body.decode())
    except (ValueError, RecursionError):
        return None


def _text(body: object, name: str) -> str | None:
    """A field that holds text which is not blank; None for anything else."""
    value = body.get(name) if isinstance(body, dict) else None
    return value.strip() or None if isinstance(value, str) else None


def _refusal(status: int, error: str, message: str) -> Answer:
    return {"ok": False, "error": error, "message": message}, status


def _welcome(public_url: str, redeemed: Redeemed) -> dict[str, Any]:
    return {
        "ok": True,
        "project": redeemed.project,
        "project_name": redeemed.project_name,
        "participant": redeemed.participant,
        "created": redeemed.created,
        "token": redeemed.token,
        "connect_command": texts.connect_command(public_url, redeemed.token),
        "files": texts.files_to_write(public_url, redeemed.token),
        "guide": texts.guide(lead=redeemed.is_admin),
        "next": texts.NEXT,
    }
