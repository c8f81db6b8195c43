"""`/admin/accept`: the invited person proves that the email is theirs, and gets the hand-out card.

No account is needed: a verified email is valid for this one invite (`web.admin.guests`). The link alone, without the
email, shows nothing of what it is for.
"""

from urllib.parse import parse_qs, urlencode, urlsplit

from quart import Blueprint, abort, render_template, request
from quart.typing import ResponseReturnValue
from quart.wrappers import Response

from store.people import invites
from store.people.emails import same_email
from store.people.invites import BoundInvite, Redeemed, RedeemRefusal
from web.admin import cards, cookies, guests
from web.admin.context import AdminContext
from web.admin.refusals import refusal_page
from web.admin.visitor import PREFIX, count_try, current_session, form_for_anybody, header_email, public, see_other

PATH = f"{PREFIX}/accept"

_REFUSED: dict[RedeemRefusal, tuple[int, str]] = {
    "expired": (410, "This invite has expired. Ask for a new one."),
    "exhausted": (410, "This invite has been used. If that was not you, tell the person who invited you."),
}
_UNKNOWN = (404, "This invite is not known, or was revoked. Ask for a new one.")


def accept_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("accept", __name__)

    @pages.get("/accept")
    @public
    async def invitation() -> ResponseReturnValue:
        code = request.args.get("token", "")
        invite = await _the_invite(context, code)
        email = _verified_email(context, code)
        if email is None:
            return await _ask_who(context, code)
        if not same_email(email, invite.email):
            return await _not_for(email)
        return await _show(context, invite, email, code)

    @pages.post("/accept")
    @public
    async def accept() -> ResponseReturnValue:
        code = (await request.form).get("token", "")
        invite = await _the_invite(context, code)
        email = _verified_email(context, code)
        if email is None:
            abort(403)
        if not same_email(email, invite.email):
            return await _not_for(email)
        outcome = await context.services.people.redeem_bound(code, email)
        if not isinstance(outcome, Redeemed):
            status, sentence = _REFUSED.get(outcome, _UNKNOWN)
            return await refusal_page(status, "This invite does not work", sentence)
        card = cards.TokenCard(
            project_id=None,
            project_name=outcome.project_name,
            participant=outcome.participant,
            token=outcome.token,
        )
        if current_session() is not None:
            return await cards.hand_out(context, card)
        response = Response(await cards.show(context, card))
        context.cookies.drop(response, cookies.GUEST)
        return response

    return pages


def invite_in(next_path: str) -> str | None:
    """The invite's code, when the path leads to the page that accepts it; None for any other path."""
    parts = urlsplit(next_path)
    return parse_qs(parts.query).get("token", [None])[0] if parts.path == PATH else None


def let_guest_in(context: AdminContext, email: str, code: str) -> Response:
    """Redirect to the invite, with a ticket for the email that was just verified. The visitor has no account."""
    response = see_other(f"{PATH}?{urlencode({'token': code})}")
    ticket = context.tickets.issue(email, code)
    context.cookies.put(response, cookies.GUEST, ticket, seconds=guests.TICKET_SECONDS)
    context.cookies.drop(response, cookies.ATTEMPT)
    return response


async def _the_invite(context: AdminContext, code: str) -> BoundInvite:
    if code:
        count_try(context)
    invite = await context.store.read(invites.find_bound, code) if code else None
    return invite or abort(404)


def _verified_email(context: AdminContext, code: str) -> str | None:
    """The visitor's email, as their session, their proxy or their guest's ticket vouches for it."""
    session = current_session()
    if session is not None:
        return session.owner.email
    ticket = context.cookies.get(cookies.GUEST)
    return header_email(context) or context.tickets.email_of(ticket, code)


async def _ask_who(context: AdminContext, code: str) -> str:
    return await render_template(
        "sign_in.html",
        way=context.settings.admin_auth,
        providers=list(context.providers.values()),
        next_path=f"{PATH}?{urlencode({'token': code})}",
        is_invited=True,
    )


async def _not_for(email: str) -> ResponseReturnValue:
    sentence = f"You are signed in as {email}. Sign in with the address it was sent to, or ask for a new one."
    return await refusal_page(403, "This invite is for somebody else", sentence)


async def _show(context: AdminContext, invite: BoundInvite, email: str, code: str) -> ResponseReturnValue:
    """The page that shows the invite, with the button that accepts it."""
    return await form_for_anybody(context, "accept.html", invite=invite, email=email, code=code)
