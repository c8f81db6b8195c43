"""How the owner acts from a page: a command of the bus, under the bare handle, as an agent's tool would send it.

The ledger names the owner's handle, and the project's rules hold for the owner too. A page gets the answer, or the
refusal to show.
"""

from typing import Protocol

from quart import render_template

from actors import Answer
from engine.identity import OWNER, Principal
from engine.project import AnyCommand
from engine.refusals import Refusal
from store.ledger.projects import ProjectRow
from web.admin.context import AdminContext
from web.admin.visitor import current_owner
from web.mcp.sending import addressed, as_refusal, no_room
from web.services import Services

_STATUSES = {"not_found": 404, "conflict": 409, "forbidden": 403, "busy": 429, "unavailable": 503}


class OwnProject(Protocol):
    """A project of the owner who is signed in, as far as it matters here."""

    @property
    def id(self) -> int:
        """The project's id."""
        ...

    @property
    def slug(self) -> str:
        """Its name in addresses and tools."""
        ...

    @property
    def liveness_window_seconds(self) -> int:
        """How long after a call somebody counts as active."""
        ...

    @property
    def stale_after_seconds(self) -> int:
        """How long after a call somebody's tasks may be taken over."""
        ...


def owner_in_person(project: OwnProject) -> Principal:
    """The owner who is signed in, as a caller in this project of theirs."""
    return Principal(
        id=OWNER,
        project_id=project.id,
        handle=current_owner().handle,
        label=None,
        project=project.slug,
        is_admin=True,
        liveness_window_seconds=project.liveness_window_seconds,
        stale_after_seconds=project.stale_after_seconds,
    )


async def act(context: AdminContext, project: ProjectRow, command: AnyCommand) -> Answer | Refusal:
    """Have a command carried out as the owner's own. Nothing is raised that a page could not show."""
    return await as_refusal(_ask(context.services, owner_in_person(project), command))


def status_of(refusal: Refusal) -> int:
    """The HTTP status that says the same."""
    return _STATUSES.get(refusal.code, 400)


async def refused_page(project: ProjectRow, refusal: Refusal, back: str) -> tuple[str, int]:
    """The page for an act that was refused and whose form was a button; `back` leads to where it was pressed."""
    page = await render_template("refused.html", place="projects", project=project, refusal=refusal, back=back)
    return page, status_of(refusal)


async def _ask(services: Services, caller: Principal, command: AnyCommand) -> Answer | Refusal:
    if (full := no_room(services)) is not None:
        return full
    addressee = await addressed(services, caller, command)
    if isinstance(addressee, Refusal):
        return addressee
    return await services.directory.ask(caller, command, addressee=addressee)
