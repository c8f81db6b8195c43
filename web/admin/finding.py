"""What an address names, or the page that says there is no such thing.

A stranger's id answers as one that never was: the store is asked once, with the owner's id, and says None to both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from quart import abort

from store.errors import InvalidName
from store.ledger import projects
from store.ledger.projects import ProjectRow
from web.admin.context import AdminContext
from web.admin.visitor import current_owner

Row = TypeVar("Row")


def found(row: Row | None) -> Row:
    """What was looked for; aborts with 404 when it is not there."""
    if row is None:
        abort(404)
    return row


async def the_project(context: AdminContext, project_id: int) -> ProjectRow:
    """The signed-in owner's project; aborts with 404 when there is none with this id."""
    return found(await context.store.read(projects.find, current_owner().id, project_id))


@contextmanager
def unless_gone() -> Iterator[None]:
    """Abort with 404 when a change finds that its project has just been deleted."""
    try:
        yield
    except InvalidName:
        abort(404)
