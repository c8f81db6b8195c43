"""For operators: all owners, who are suspended and restored here, and the state of the server.

Suspending refuses an owner's tokens and closes their sessions; nothing is deleted. For everybody else these pages
answer 404.
"""

from quart import Blueprint, abort, g, render_template, request
from quart.typing import ResponseReturnValue
from quart.wrappers import Response

from store.ledger import overview
from store.people import owners, sessions
from store.postgres.connection import Connection
from store.postgres.durability import risks
from store.postgres.facts import facts
from store.transfer import backup_log
from web.admin import forms
from web.admin.confirming import Question, ask
from web.admin.context import AdminContext
from web.admin.finding import found
from web.admin.paging import Listed
from web.admin.refusals import refusal_page
from web.admin.visitor import PREFIX, Live, current_owner, see_other

PATH = f"{PREFIX}/operator"

PAGE_OWNERS = 50
SLOWEST_SHOWN = 12


def operator_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("operator", __name__, url_prefix="/operator")
    store, people = context.store, context.services.people

    @pages.before_request
    async def only_operators() -> None:
        if not current_owner().is_operator:
            abort(404)

    @pages.get("")
    async def index() -> str:
        return await _owners_page(context, forms.read(Listed, request.args))

    @pages.get("/server")
    async def server() -> str:
        return await _server_page(context)

    @pages.get("/owners/<int:owner_id>/suspend")
    async def ask_to_suspend(owner_id: int) -> str:
        owner = found(await store.read(overview.owner, owner_id))
        question = Question(
            title=f"Suspend {owner.handle}?",
            sentences=(
                f"The tokens of all participants of {owner.handle} ({owner.email}) are refused at once, and "
                f"{owner.handle} is signed out everywhere.",
                "Nothing is deleted. You can restore the owner at any time.",
            ),
            button=f"Suspend {owner.handle}",
            action=f"{PATH}/owners/{owner_id}/suspend",
            back=PATH,
        )
        return await ask(question, place="operator")

    @pages.post("/owners/<int:owner_id>/suspend")
    async def suspend(owner_id: int) -> ResponseReturnValue:
        operator = current_owner()
        if owner_id == operator.id:
            return await refusal_page(
                409,
                "You cannot suspend yourself",
                "Nobody might be left to restore you. Ask another operator to do it.",
            )
        if not await people.change(store.write(_suspend, owner_id, by=operator.handle), owner_id=owner_id):
            abort(404)
        return see_other(PATH)

    @pages.post("/owners/<int:owner_id>/restore")
    async def restore(owner_id: int) -> Response:
        if not await people.change(store.write(owners.restore, owner_id, by=current_owner().handle), owner_id=owner_id):
            abort(404)
        return see_other(PATH)

    return pages


async def _suspend(connection: Connection, owner_id: int, *, by: str) -> bool:
    """Suspend an owner and end their sessions; False when there is no such owner."""
    if not await owners.suspend(connection, owner_id, by=by):
        return False
    await sessions.close_all_sessions(connection, owner_id)
    return True


async def _owners_page(context: AdminContext, form: forms.Form[Listed]) -> str:
    g.live, wanted = Live(stream=f"{PATH}/stream", after=None), form.fields or Listed()
    # One more than is shown tells whether there is a next page.
    listed = await context.store.read(
        overview.owners, part=wanted.q or "", limit=PAGE_OWNERS + 1, offset=wanted.offset(PAGE_OWNERS)
    )
    return await render_template(
        "operator.html",
        place="operator",
        form=form,
        owners=listed[:PAGE_OWNERS],
        earlier=wanted.earlier,
        later=wanted.later if len(listed) > PAGE_OWNERS else None,
    )


async def _server_page(context: AdminContext) -> str:
    g.live = Live(stream=f"{PATH}/server/stream", after=None)
    store, services, settings = context.store, context.services, context.settings
    return await render_template(
        "server.html",
        place="operator",
        facts=await store.read(facts),
        risks=await store.read(risks, store.conninfo),
        pools=(("Calls and pages", store.pool.statistics()), ("Searches", store.history.statistics())),
        disk=None if services.disk is None else services.disk.statistics(),
        actors=services.directory.statistics(),
        quotas=settings.quotas,
        calls_per_second=settings.calls_per_second,
        slowest=context.metrics.slowest(SLOWEST_SHOWN),
        backups=await store.read(backup_log.last),
        failures=list(context.metrics.failures)[::-1],
    )
