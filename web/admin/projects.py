"""Creating a project.

It is changed and deleted in `web.admin.project_settings`; members are added in `web.admin.grants`.
"""

from functools import partial
from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, render_template
from quart.typing import ResponseReturnValue

from store.errors import InvalidName
from store.ledger import projects
from store.people.names import PROJECT_NAME_LENGTH_MAX
from store.people.quotas import of_owner
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.visitor import HOME, PREFIX, current_owner, see_other

ProjectName = Annotated[str, Meta(max_length=PROJECT_NAME_LENGTH_MAX)]


class NewProject(Struct, frozen=True, kw_only=True):
    """The form of a new project; its name is the slug unless given."""

    slug: str
    name: ProjectName | None = None


def project_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("projects", __name__)
    store, quotas = context.store, context.services.people.quotas

    @pages.get("/projects")
    async def index() -> ResponseReturnValue:
        return see_other(HOME)

    @pages.get("/projects/new")
    async def new() -> str:
        return await _new_page(forms.blank())

    @pages.post("/projects")
    async def create() -> ResponseReturnValue:
        owner, form = current_owner(), await forms.posted(NewProject)
        if form.fields is None:
            return await _new_page(form), 400
        try:
            adding = partial(projects.add, slug=form.fields.slug, name=form.fields.name, by=owner.handle)
            project = await store.write(of_owner, quotas, ("projects",), owner.id, adding, owner.id)
        except InvalidName as error:
            status = form.refuse(error, "slug")
            return await _new_page(form), status
        return see_other(f"{PREFIX}/projects/{project.id}")

    return pages


async def _new_page(form: forms.AnyForm) -> str:
    return await render_template(
        "project_new.html", place="projects", form=form, name_length_max=PROJECT_NAME_LENGTH_MAX
    )
