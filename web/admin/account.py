"""The owner's account: the handle, which the first visit confirms, and the open sessions."""

from msgspec import Struct
from quart import Blueprint, abort, g, render_template, request
from quart.typing import ResponseReturnValue
from quart.wrappers import Response

from store.errors import InvalidName
from store.people import links, owners, sessions
from web.admin import cookies, forms
from web.admin.context import AdminContext
from web.admin.visitor import CHANGES, PREFIX, current_owner, current_session, for_newcomers, inside, see_other

PATH = f"{PREFIX}/account"


class Handle(Struct, frozen=True, kw_only=True):
    """The handle that the owner chose, and the page to go on to."""

    handle: str
    next: str | None = None


def account_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("account", __name__, url_prefix="/account")
    store = context.store

    @pages.get("")
    @for_newcomers
    async def account() -> str:
        next_path = inside(request.args.get("next"))
        return await _page(context, forms.blank(handle=current_owner().handle, next=next_path))

    @pages.post("")
    @for_newcomers
    async def rename() -> ResponseReturnValue:
        owner, form = current_owner(), await forms.posted(Handle)
        if (wanted := form.fields) is None:
            return await _page(context, form), 400
        try:
            await context.services.people.change(
                store.write(owners.rename, owner.id, wanted.handle, by=owner.handle), owner_id=owner.id
            )
        except InvalidName as error:
            status = form.refuse(error, "handle")
            return await _page(context, form), status
        return see_other(PATH if owner.handle_confirmed else inside(wanted.next))

    @pages.post("/sessions/<int:key>/close")
    async def close(key: int) -> Response:
        session = current_session()
        if not await store.write(sessions.close_session_by_key, current_owner().id, key):
            abort(404)
        return _leave(context) if session is not None and session.key == key else see_other(PATH)

    @pages.post("/sign-out-everywhere")
    async def close_all() -> Response:
        async with store.transaction() as connection:
            await links.drop_unused(connection, current_owner().id)
            await sessions.close_all_sessions(connection, current_owner().id)
        return _leave(context)

    return pages


def _leave(context: AdminContext) -> Response:
    response = see_other(f"{PREFIX}/sign-in?out=1")
    context.cookies.drop(response, cookies.SESSION)
    return response


async def _page(context: AdminContext, form: forms.AnyForm) -> str:
    session = current_session()
    if current_owner().handle_confirmed:
        g.live = CHANGES
    return await render_template(
        "account.html",
        place="account",
        form=form,
        sessions=await context.store.read(sessions.list_sessions, current_owner().id),
        own_key=session and session.key,
        is_behind_proxy=context.settings.admin_auth == "header",
    )
