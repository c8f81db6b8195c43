"""Signing in with a provider: the redirect to it, and the callback.

The server keeps state, nonce and verifier of an attempt; they work once and for minutes. The callback is accepted only
in the browser that began, which has the attempt's code in a cookie. Otherwise an attacker could sign others in to
the attacker's own account.
"""

import secrets
from secrets import compare_digest

from quart import Blueprint, abort, request
from quart.typing import ResponseReturnValue

from store.errors import InvalidName
from store.people import identities
from store.people.identities import AttemptData
from web.admin import accept, cookies
from web.admin.context import AdminContext
from web.admin.providers import Challenge, Identity, Provider, error_code
from web.admin.refusals import Page, refusal_page
from web.admin.sign_in import not_admitted
from web.admin.sign_up import may_sign_up
from web.admin.visitor import count_try, inside, public, see_other, sign_in
from web.errors import IdentityRefused, ProviderSilent

ATTEMPT_SECONDS = 600
CODE_LENGTH_MAX = 4096
"""The longest authorization code that is taken."""


def oauth_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("oauth", __name__)

    def the_provider(key: str) -> Provider:
        return context.providers.get(key) or abort(404)

    @pages.get("/sign-in/<provider>")
    @public
    async def leave(provider: str) -> ResponseReturnValue:
        chosen = the_provider(provider)
        count_try(context)
        attempt = AttemptData(
            provider=chosen.key,
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            next_path=inside(request.args.get("next")),
        )
        state = await context.store.write(identities.keep_attempt, attempt)
        try:
            response = see_other(await chosen.address(_challenge(state, attempt)))
        except ProviderSilent as silent:
            return await _silence(silent)
        context.cookies.put(response, cookies.ATTEMPT, state, seconds=ATTEMPT_SECONDS)
        return response

    @pages.get("/oauth/<provider>/callback")
    @public
    async def come_back(provider: str) -> ResponseReturnValue:
        chosen = the_provider(provider)
        count_try(context)
        state = request.args.get("state", "")
        attempt = await _taken(context, state, chosen.key)
        if attempt is None:
            return await refusal_page(
                400,
                "This sign-in has expired",
                "It took too long, was already used, or was started in another browser. Start again.",
            )
        code = request.args.get("code", "")
        if not 0 < len(code) <= CODE_LENGTH_MAX:
            return await _declined(chosen.title, error_code(request.args.get("error", "")))
        try:
            identity = await chosen.identify(code, _challenge(state, attempt))
        except IdentityRefused as refused:
            return await refusal_page(403, "You could not be signed in", str(refused))
        except ProviderSilent as silent:
            return await _silence(silent)
        return await _arrive(context, identity, attempt.next_path, chosen.key)

    return pages


async def _taken(context: AdminContext, state: str, key: str) -> AttemptData | None:
    """Take the attempt of this state, if it began in this browser with this provider; it can be taken once."""
    begun = context.cookies.get(cookies.ATTEMPT)
    if begun is None or not compare_digest(begun.encode(errors="replace"), state.encode(errors="replace")):
        return None
    attempt = await context.store.write(identities.take_attempt, state)
    return attempt if attempt is not None and attempt.provider == key else None


async def _arrive(context: AdminContext, identity: Identity, next_path: str, provider: str) -> ResponseReturnValue:
    """Sign in an owner, a new owner if that is allowed, or the guest of an invite."""
    allowed = may_sign_up(context.settings.signup, identity.email)
    try:
        owner = await context.store.write(
            identities.link_identity, identity.issuer, identity.subject, identity.email, may_sign_up=allowed
        )
    except InvalidName as wrong:
        return await refusal_page(403, "You could not be signed in", str(wrong).capitalize())
    if owner is None and (code := accept.invite_in(next_path)) is not None:
        return accept.let_guest_in(context, identity.email, code)
    if owner is None or owner.suspended:
        return await not_admitted(owner)
    response = await sign_in(context, owner, next_path, way=provider)
    context.cookies.drop(response, cookies.ATTEMPT)
    return response


async def _declined(title: str, error: str) -> Page:
    said = f" It said: {error}." if error else ""
    return await refusal_page(403, "You were not signed in", f"{title} did not let you through.{said} Try again.")


async def _silence(silent: ProviderSilent) -> Page:
    return await refusal_page(503, "Sign-in is not possible now", str(silent))


def _challenge(state: str, attempt: AttemptData) -> Challenge:
    return Challenge(state=state, nonce=attempt.nonce, verifier=attempt.verifier)
