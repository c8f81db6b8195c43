"""Signing in by a one-time link or behind a proxy, the choice of providers, and signing out.

Used, old and unknown links get the same answer. Opening a link only asks; the form on that page signs in. So following
an address signs nobody in as another owner, and a mail program's preview does not use a link up.
"""

from quart import Blueprint, render_template, request
from quart.typing import ResponseReturnValue
from quart.wrappers import Response

from store.errors import InvalidName
from store.people import links, owners, sessions
from store.people.owners import OwnerRow
from web.admin import cookies
from web.admin.context import AdminContext
from web.admin.refusals import Page, refusal_page
from web.admin.sign_up import may_sign_up
from web.admin.visitor import (
    PREFIX,
    count_try,
    current_session,
    for_newcomers,
    form_for_anybody,
    header_email,
    inside,
    public,
    see_other,
    sign_in,
)


def sign_in_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("sign_in", __name__)

    @pages.get("/sign-in")
    @public
    async def door() -> ResponseReturnValue:
        next_path = inside(request.args.get("next"))
        if current_session() is not None:
            return see_other(next_path)
        if context.settings.admin_auth == "header" and "out" not in request.args:
            return await _behind_proxy(context, next_path)
        return await render_template(
            "sign_in.html",
            way=context.settings.admin_auth,
            providers=list(context.providers.values()),
            next_path=next_path,
            is_out="out" in request.args,
        )

    @pages.get("/link")
    @public
    async def link() -> ResponseReturnValue:
        code = request.args.get("token", "")
        owner = await _whose_link(context, code)
        if owner is None:
            return await _refused_link()
        session = current_session()
        return await form_for_anybody(
            context,
            "link.html",
            arriving=owner,
            present=None if session is None else session.owner,
            code=code,
            next_path=inside(request.args.get("next")),
        )

    @pages.post("/link")
    @public
    async def use_link() -> ResponseReturnValue:
        form = await request.form
        code = form.get("token", "")
        if context.settings.admin_auth == "link" and code:
            count_try(context)
            if (owner := await context.store.write(links.redeem, code)) is not None:
                return await sign_in(context, owner, inside(form.get("next")), way="link")
        return await _refused_link()

    @pages.post("/sign-out")
    @for_newcomers
    async def sign_out() -> Response:
        if (session_id := context.cookies.get(cookies.SESSION)) is not None:
            await context.store.write(sessions.close_session, session_id)
        response = see_other(f"{PREFIX}/sign-in?out=1")
        context.cookies.drop(response, cookies.SESSION)
        return response

    return pages


async def _whose_link(context: AdminContext, code: str) -> OwnerRow | None:
    """The owner that a link would sign in; looking does not use it up, and a refused link is noted."""
    if context.settings.admin_auth != "link" or not code:
        return None
    count_try(context)
    return await context.store.write(links.find, code)


async def _refused_link() -> Page:
    return await refusal_page(
        404,
        "This link does not work",
        "A sign-in link works once, for 15 minutes. On the server, 'llm-bus admin-link EMAIL' prints a new one.",
    )


async def not_admitted(owner: OwnerRow | None) -> Page:
    """The page for a known identity without an account; `owner`: whose account is suspended."""
    if owner is None:
        sentence = "There is no account with your email address here. Ask the operator of this server to add you."
        return await refusal_page(403, "You have no account here", sentence)
    sentence = "Your account here is suspended. Nothing was deleted. Ask the operator of this server."
    return await refusal_page(403, "Your account is suspended", sentence)


async def _behind_proxy(context: AdminContext, next_path: str) -> ResponseReturnValue:
    """Sign in the owner whose email the proxy names."""
    if (email := header_email(context)) is None:
        return await refusal_page(
            403,
            "Who are you?",
            "The proxy in front of this server did not say who you are. Open this page through the proxy; if you did, "
            "its operator must set ADMIN_EMAIL_HEADER and TRUSTED_PROXIES.",
        )
    count_try(context)
    store = context.store
    owner = await store.read(owners.find_owner, email)
    if owner is None and may_sign_up(context.settings.signup, email):
        try:
            owner = await store.write(owners.ensure_owner, email, by="proxy")
        except InvalidName as wrong:
            return await refusal_page(403, "Who are you?", str(wrong).capitalize())
    if owner is None or owner.suspended:
        return await not_admitted(owner)
    return await sign_in(context, owner, next_path, way="proxy")
