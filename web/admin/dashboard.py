"""The first page: the owner's projects with what goes on in them, and the owner's participants."""

from quart import Blueprint, render_template

from store.ledger import overview
from store.people import participants
from web.admin.context import AdminContext
from web.admin.visitor import current_owner

PARTICIPANTS_SHOWN_MAX = 24
"""How many participants are named here; the page of participants has them all."""


def dashboard_pages(context: AdminContext) -> Blueprint:
    """The route."""
    pages = Blueprint("dashboard", __name__)

    @pages.get("/")
    async def dashboard() -> str:
        owner = current_owner()
        projects = await context.store.read(overview.dashboard, owner.id)
        live = {project.id: context.services.directory.open_posts(project.id) for project in projects}
        return await render_template(
            "dashboard.html",
            place="projects",
            projects=projects,
            open_posts={each.id: each.open_posts if live[each.id] is None else live[each.id] for each in projects},
            participants=await context.store.read(participants.persons, owner.id),
            shown_max=PARTICIPANTS_SHOWN_MAX,
        )

    return pages
