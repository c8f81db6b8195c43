"""How the owner acts from a page: a command of the bus, under the bare handle, as an agent's tool would send it.

The ledger names the owner's handle, and the project's rules hold for the owner too. A page gets the answer, or the
refusal to show.
"""

from quart import render_template

from actors import Answer
from engine.identity import Principal
from engine.project import AnyCommand
from engine.refusals import Refusal
from store.ledger.projects import ProjectRow
from web.admin.context import AdminContext
from web.admin.visitor import current_owner
from web.identity.owners import OwnProject, in_person
from web.mcp.sending import addressed, as_refusal, no_room
from web.services import Services

_STATUSES = {"not_found": 404, "conflict": 409, "forbidden": 403, "busy": 429, "unavailable": 503}


def owner_in_person(project: OwnProject) -> Principal:
    """The owner who is signed in, as a caller in this project of theirs."""
    return in_person(project, current_owner().handle)


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
