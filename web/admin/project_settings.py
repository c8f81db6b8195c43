"""A project's settings, archiving it, and deleting it."""

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, render_template
from quart.typing import ResponseReturnValue

from engine import terms
from store.errors import InvalidName
from store.ledger import projects, webhooks
from store.ledger.projects import ProjectRow
from store.people import quotas
from store.people.names import PROJECT_NAME_LENGTH_MAX, REF_URL_LENGTH_MAX
from web.admin import forms
from web.admin.confirming import Question, ask
from web.admin.context import AdminContext
from web.admin.finding import found, the_project
from web.admin.projects import ProjectName
from web.admin.refusals import refusal_page
from web.admin.visitor import HOME, PREFIX, current_owner, see_other


class ProjectSettings(Struct, frozen=True, kw_only=True):
    """The form of a project's settings."""

    slug: str
    name: ProjectName
    liveness_window_seconds: terms.WindowSeconds
    stale_after_seconds: int | None = None
    ref_url: Annotated[str, Meta(max_length=REF_URL_LENGTH_MAX)] = ""
    time_zone: str = "UTC"


class Archiving(Struct, frozen=True, kw_only=True):
    """Whether the project is in the archive from now on."""

    archived: bool


class Deletion(Struct, frozen=True, kw_only=True):
    """The slug, typed once more to confirm."""

    slug: str


_ARCHIVING = (
    "Tokens and invites are refused; its ledger is kept as it is and can be read here. You can take "
    "it out again at any time."
)


def setting_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("project_settings", __name__, url_prefix="/projects/<int:project_id>")

    @pages.get("/settings")
    async def settings(project_id: int) -> str:
        project = await the_project(context, project_id)
        form = forms.blank(
            slug=project.slug,
            name=project.name,
            liveness_window_seconds=project.liveness_window_seconds,
            stale_after_seconds=project.stale_after_seconds,
            ref_url=project.ref_url,
            time_zone=project.time_zone,
        )
        return await _settings_page(context, project, form)

    @pages.post("/settings")
    async def change(project_id: int) -> ResponseReturnValue:
        return await _change(context, project_id)

    @pages.get("/archive")
    async def ask_to_archive(project_id: int) -> str:
        return await ask(_archiving(await the_project(context, project_id)), place="projects")

    @pages.post("/archive")
    async def archive(project_id: int) -> ResponseReturnValue:
        owner, form = current_owner(), await forms.posted_whole(Archiving)
        if form.fields is None:
            return await refusal_page(400, "Nothing was changed", form.wrong["archived"])
        archived = form.fields.archived
        changing = context.store.write(projects.archive, owner.id, project_id, archived=archived, by=owner.handle)
        changed = await context.services.people.change(changing, project_id=project_id)
        found(changed or None)
        return see_other(f"{PREFIX}/projects/{project_id}/settings?done={'archived' if archived else 'unarchived'}")

    @pages.get("/delete")
    async def confirm(project_id: int) -> str:
        return await _deletion_page(await the_project(context, project_id), forms.blank())

    @pages.post("/delete")
    async def delete(project_id: int) -> ResponseReturnValue:
        form = await forms.posted(Deletion)
        project = await the_project(context, project_id)
        if form.fields is not None and form.fields.slug != project.slug:
            form.wrong["slug"] = "This is not the project's slug; nothing was deleted."
        if form.wrong:
            return await _deletion_page(project, form), 400
        await _delete(context, project)
        return see_other(f"{HOME}?done=project-deleted")

    return pages


async def _change(context: AdminContext, project_id: int) -> ResponseReturnValue:
    owner, form = current_owner(), await forms.posted_whole(ProjectSettings)
    project = await the_project(context, project_id)
    if (wanted := form.fields) is None:
        return await _settings_page(context, project, form), 400
    changing = context.store.write(
        projects.change,
        owner.id,
        project_id,
        slug=wanted.slug,
        name=wanted.name,
        liveness_window_seconds=wanted.liveness_window_seconds,
        stale_after_seconds=wanted.stale_after_seconds,
        ref_url=wanted.ref_url,
        time_zone=wanted.time_zone,
        by=owner.handle,
    )
    try:
        found(await context.services.people.change(changing, project_id=project_id))
    except InvalidName as error:
        status = form.refuse(error, "slug")
        return await _settings_page(context, project, form), status
    return see_other(f"{PREFIX}/projects/{project_id}/settings?done=project-saved")


def _archiving(project: ProjectRow) -> Question:
    there = f"{PREFIX}/projects/{project.id}"
    return Question(
        title=f"Unarchive {project.name}?" if project.archived else f"Archive {project.name}?",
        sentences=("Its tokens and invites work again." if project.archived else _ARCHIVING,),
        button="Unarchive project" if project.archived else "Archive project",
        action=f"{there}/archive",
        back=f"{there}/settings",
        fields=(("archived", "" if project.archived else "true"),),
    )


async def _delete(context: AdminContext, project: ProjectRow) -> None:
    """Delete the project while its actor is stopped. Deleting it twice does nothing more."""
    owner, services = current_owner(), context.services
    async with services.directory.forgetting(project.id):
        await services.people.change(
            context.store.write(projects.delete, owner.id, project.id, by=owner.handle), project_id=project.id
        )


async def _settings_page(context: AdminContext, project: ProjectRow, form: forms.AnyForm) -> str:
    return await render_template(
        "project_settings.html",
        place="projects",
        project=project,
        form=form,
        name_length_max=PROJECT_NAME_LENGTH_MAX,
        used=await context.store.read(quotas.used, current_owner().id),
        quotas=context.settings.quotas,
        webhook=await context.store.read(webhooks.find, current_owner().id, project.id),
    )


async def _deletion_page(project: ProjectRow, form: forms.AnyForm) -> str:
    return await render_template("project_delete.html", place="projects", project=project, form=form)
