"""The audit trail, of everything or of one project, newest first and page by page."""

from msgspec import Struct
from quart import Blueprint, g, render_template, request

from engine import terms
from store.ledger.projects import ProjectRow
from store.people import audit
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.finding import the_project
from web.admin.visitor import CHANGES, current_owner

PAGE_CHANGES = 50


class Page(Struct, frozen=True, kw_only=True):
    """Where a page begins: right before this id, or at the newest."""

    before: terms.Id | None = None


def audit_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("audit", __name__)

    @pages.get("/audit")
    async def everything() -> str:
        g.live = CHANGES
        return await _audit_page(context, None)

    @pages.get("/projects/<int:project_id>/audit")
    async def of_project(project_id: int) -> str:
        return await _audit_page(context, await the_project(context, project_id))

    return pages


async def _audit_page(context: AdminContext, project: ProjectRow | None) -> str:
    page = forms.read(Page, request.args).fields or Page()
    changes = await context.store.read(
        audit.page,
        current_owner().id,
        project_id=None if project is None else project.id,
        before=page.before,
        limit=PAGE_CHANGES + 1,
    )
    shown = changes[:PAGE_CHANGES]
    return await render_template(
        "audit.html",
        place="audit" if project is None else "projects",
        project=project,
        changes=shown,
        newest=request.path if page.before is not None else None,
        older=f"?before={shown[-1].id}" if len(changes) > len(shown) else None,
    )
