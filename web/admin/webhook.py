"""A project's webhook: the address that is told of what needs the owner.

Only the host of the address is shown again, because the rest may be a secret. The signing secret is shown once, on a
card; every save makes a new one.
"""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, abort, render_template
from quart.typing import ResponseReturnValue

from store.errors import InvalidName
from store.ledger import webhooks
from store.ledger.projects import ProjectRow
from store.ledger.webhooks import Shape
from store.people.names import WEBHOOK_URL_LENGTH_MAX
from web.admin import forms
from web.admin.cards import WebhookCard, hand_out
from web.admin.context import AdminContext
from web.admin.finding import found, the_project
from web.admin.visitor import PREFIX, current_owner, see_other
from web.http.rate_limit import RateLimit

TESTS_MAX = 10
TESTS_WINDOW_SECONDS = 60.0

SHAPES: tuple[tuple[Shape, str], ...] = (("json", "JSON"), ("slack", "Slack"), ("ntfy", "ntfy"))


class WebhookSettings(Struct, frozen=True, kw_only=True):
    """Where to send, and what the receiver reads."""

    url: Annotated[str, Meta(max_length=WEBHOOK_URL_LENGTH_MAX)]
    shape: Shape = "json"


def webhook_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("webhook", __name__, url_prefix="/projects/<int:project_id>/webhook")
    store = context.store
    tests = RateLimit(tries_max=TESTS_MAX, window_seconds=TESTS_WINDOW_SECONDS)

    @pages.get("")
    async def webhook(project_id: int) -> str:
        return await _page(context, await the_project(context, project_id), forms.blank(url="", shape="json"))

    @pages.post("")
    async def save(project_id: int) -> ResponseReturnValue:
        owner, form = current_owner(), await forms.posted_whole(WebhookSettings)
        project = await the_project(context, project_id)
        if form.fields is not None and not (
            form.fields.url.startswith("https://") or context.settings.webhook_private_addresses
        ):
            form.wrong["url"] = "The address must begin with https://."
        if (wanted := form.fields) is None or form.wrong:
            return await _page(context, project, form), 400
        try:
            secret = found(
                await store.write(
                    webhooks.save, owner.id, project_id, url=wanted.url, shape=wanted.shape, by=owner.handle
                )
            )
        except InvalidName as error:
            status = form.refuse(error, "url")
            return await _page(context, project, form), status
        return await hand_out(
            context, WebhookCard(project_id=project.id, project_name=project.name, secret=secret, shape=wanted.shape)
        )

    @pages.post("/test")
    async def test(project_id: int) -> ResponseReturnValue:
        owner = current_owner()
        await the_project(context, project_id)
        if not tests.admits(str(owner.id)):
            abort(429)
        arrived = found(await context.services.webhooks.test(owner.id, project_id, by=owner.handle))
        return see_other(f"{_there(project_id)}?done={'webhook-tested' if arrived else 'webhook-failed'}")

    @pages.post("/remove")
    async def remove(project_id: int) -> ResponseReturnValue:
        owner = current_owner()
        removed = await store.write(webhooks.remove, owner.id, project_id, by=owner.handle)
        found(removed or None)
        return see_other(f"{_there(project_id)}?done=webhook-removed")

    return pages


def _there(project_id: int) -> str:
    return f"{PREFIX}/projects/{project_id}/webhook"


async def _page(context: AdminContext, project: ProjectRow, form: forms.AnyForm) -> str:
    return await render_template(
        "webhook.html",
        place="projects",
        project=project,
        form=form,
        shapes=SHAPES,
        webhook=await context.store.read(webhooks.find, current_owner().id, project.id),
        url_length_max=WEBHOOK_URL_LENGTH_MAX,
    )
