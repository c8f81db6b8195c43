"""Commands that the owner sends from a page, under the bare handle, as an agent's tool would send them.

The ledger names the owner's handle, and the project's rules apply to the owner, too. The page gets the answer, or the
refusal to show.
"""

import msgspec
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

ARCHIVED = Refusal(
    "forbidden", "This project is archived: it can be read, and nothing is written in it. Unarchive it in its settings."
)

_PAGES = {"list_participants": "the page Members", "list_sequences": "the page Numbers", "list_tasks": "the page Tasks"}
"""The pages that show an owner the same as these tools."""

_STATUSES = {"not_found": 404, "conflict": 409, "forbidden": 403, "busy": 429, "unavailable": 503}


def owner_in_person(project: OwnProject) -> Principal:
    """The signed-in owner as the caller of commands in this project."""
    return in_person(project, current_owner().handle)


async def act(context: AdminContext, project: ProjectRow, command: AnyCommand) -> Answer | Refusal:
    """Carry out a command as the owner. Failures that a page can show are returned as refusals.

    Nothing is written in an archived project, neither here nor by its tokens.
    """
    if project.archived:
        return ARCHIVED
    answer = await as_refusal(_ask(context.services, owner_in_person(project), command))
    return _naming_pages(answer) if isinstance(answer, Refusal) else answer


def status_of(refusal: Refusal) -> int:
    """The HTTP status for a refusal."""
    return _STATUSES.get(refusal.code, 400)


async def refused_page(project: ProjectRow, refusal: Refusal, back: str) -> tuple[str, int]:
    """The page for a refused command whose form was only a button; `back` is the page with the button."""
    page = await render_template("refused.html", place="projects", project=project, refusal=refusal, back=back)
    return page, status_of(refusal)


def _naming_pages(refusal: Refusal) -> Refusal:
    """The refusal with pages in the place of the tools that agents would call."""
    message = refusal.message
    for tool, page in _PAGES.items():
        message = message.replace(tool, page)
    return msgspec.structs.replace(refusal, message=message)


async def _ask(services: Services, caller: Principal, command: AnyCommand) -> Answer | Refusal:
    if (full := no_room(services)) is not None:
        return full
    addressee = await addressed(services, caller, command)
    if isinstance(addressee, Refusal):
        return addressee
    return await services.directory.ask(caller, command, addressee=addressee)
