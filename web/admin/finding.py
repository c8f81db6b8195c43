"""Looks up what an address names, or answers 404.

Another owner's id is answered exactly as a missing one: the store is asked once, with the owner's id.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from quart import abort, g

from store.errors import InvalidName
from store.ledger import projects
from store.ledger.projects import ProjectRow
from store.people import participants
from store.people.participants import MemberRow
from web.admin.context import AdminContext
from web.admin.visitor import PREFIX, Live, current_owner

Row = TypeVar("Row")


def found(row: Row | None) -> Row:
    """The value itself; aborts with 404 when it is None."""
    if row is None:
        abort(404)
    return row


async def the_project(context: AdminContext, project_id: int) -> ProjectRow:
    """The signed-in owner's project; aborts with 404 when there is none with this id.

    The page is live from here on: it is told of every later event (`web.admin.live`).
    """
    project = found(await context.store.read(projects.find, current_owner().id, project_id))
    head = await context.store.journal.head(project_id)
    g.live = Live(stream=f"{PREFIX}/projects/{project.id}/stream", after=head.seq)
    return project


async def the_member(context: AdminContext, project_id: int, participation_id: int) -> MemberRow:
    """A member of the signed-in owner's project; aborts with 404 when there is none with this id."""
    return found(await context.store.read(participants.member, current_owner().id, project_id, participation_id))


@contextmanager
def unless_gone() -> Iterator[None]:
    """Abort with 404 when a change finds that its project has just been deleted."""
    try:
        yield
    except InvalidName:
        abort(404)
