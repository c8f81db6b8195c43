"""A project from its owner's side: made, looked at, changed and deleted.

Who takes part in it is changed in `web.admin.members`.
"""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, redirect, render_template
from quart.typing import ResponseReturnValue

from engine import terms
from store.errors import InvalidName, NameTaken
from store.names import PROJECT_NAME_LENGTH_MAX
from store.owned import ProjectRow
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.finding import found, the_project
from web.admin.visitor import current_owner

ProjectName = Annotated[str, Meta(max_length=PROJECT_NAME_LENGTH_MAX)]


class NewProject(Struct, frozen=True, kw_only=True):
    """What a project is made of; its name is the slug unless given."""

    slug: str
    name: ProjectName | None = None


class ProjectSettings(Struct, frozen=True, kw_only=True):
    """What can be changed of a project."""

    slug: str
    name: ProjectName
    liveness_window_seconds: terms.WindowSeconds


class Deletion(Struct, frozen=True, kw_only=True):
    """The slug, typed once more by who means it."""

    slug: str


def project_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("projects", __name__)
    owned = context.store.owned

    @pages.get("/projects")
    async def index() -> ResponseReturnValue:
        return redirect("/admin/", 303)

    @pages.get("/projects/new")
    async def new() -> str:
        return await _new_page(forms.blank())

    @pages.post("/projects")
    async def create() -> ResponseReturnValue:
        owner, form = current_owner(), await forms.posted(NewProject)
        if form.fields is None:
            return await _new_page(form), 400
        try:
            project = await owned.create_project(owner.id, form.fields.slug, form.fields.name, by=owner.handle)
        except InvalidName as error:
            form.refuse(error, "slug")
            return await _new_page(form), _status(error)
        return redirect(f"/admin/projects/{project.id}", 303)

    @pages.get("/projects/<int:project_id>")
    async def project(project_id: int) -> str:
        project = await the_project(context, project_id)
        members = found(await owned.members(current_owner().id, project_id))
        return await render_template("project.html", place="projects", project=project, members=members)

    @pages.get("/projects/<int:project_id>/settings")
    async def settings(project_id: int) -> str:
        project = await the_project(context, project_id)
        form = forms.blank(
            slug=project.slug, name=project.name, liveness_window_seconds=project.liveness_window_seconds
        )
        return await _settings_page(project, form)

    @pages.post("/projects/<int:project_id>/settings")
    async def change(project_id: int) -> ResponseReturnValue:
        owner, form = current_owner(), await forms.posted(ProjectSettings)
        project = await the_project(context, project_id)
        if (wanted := form.fields) is None:
            return await _settings_page(project, form), 400
        changing = owned.change_project(
            owner.id,
            project_id,
            slug=wanted.slug,
            name=wanted.name,
            liveness_window_seconds=wanted.liveness_window_seconds,
            by=owner.handle,
        )
        try:
            found(await context.services.people.change(changing))
        except InvalidName as error:
            form.refuse(error, "slug")
            return await _settings_page(project, form), _status(error)
        return redirect(f"/admin/projects/{project_id}/settings?done=project-saved", 303)

    @pages.get("/projects/<int:project_id>/delete")
    async def confirm(project_id: int) -> str:
        return await _deletion_page(await the_project(context, project_id), forms.blank())

    @pages.post("/projects/<int:project_id>/delete")
    async def delete(project_id: int) -> ResponseReturnValue:
        form = await forms.posted(Deletion)
        project = await the_project(context, project_id)
        if form.fields is not None and form.fields.slug != project.slug:
            form.wrong["slug"] = "This is not the project's slug; nothing was deleted."
        if form.wrong:
            return await _deletion_page(project, form), 400
        await _delete(context, project)
        return redirect("/admin/?done=project-deleted", 303)

    return pages


async def _delete(context: AdminContext, project: ProjectRow) -> None:
    """Delete the project while nobody is served in it; one that has just gone is gone."""
    owner, services = current_owner(), context.services
    async with services.directory.forgetting(project.id):
        await services.people.change(context.store.owned.delete_project(owner.id, project.id, by=owner.handle))


def _status(error: InvalidName) -> int:
    return 409 if isinstance(error, NameTaken) else 400


async def _new_page(form: forms.AnyForm) -> str:
    return await render_template(
        "project_new.html", place="projects", form=form, name_length_max=PROJECT_NAME_LENGTH_MAX
    )


async def _settings_page(project: ProjectRow, form: forms.AnyForm) -> str:
    return await render_template(
        "project_settings.html", place="projects", project=project, form=form, name_length_max=PROJECT_NAME_LENGTH_MAX
    )


async def _deletion_page(project: ProjectRow, form: forms.AnyForm) -> str:
    return await render_template("project_delete.html", place="projects", project=project, form=form)
