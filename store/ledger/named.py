"""Projects by the names that people type: `shop`, or `ann/shop` where two owners have one. Reads only."""

import re
from datetime import datetime
from difflib import get_close_matches

from msgspec import Struct

from store.errors import NoSuchName
from store.people.names import TEMPORARY_DOMAIN
from store.postgres.connection import Connection
from store.postgres.records import record

_ALL = """
select j.id, j.owner_id, o.handle, j.slug, j.archived_at
  from projects j join owners o on o.id = j.owner_id
 where o.email not like '%%@' || %s
 order by o.handle, j.slug
"""


class NamedProject(Struct, frozen=True, kw_only=True):
    """A project and its owner."""

    id: int
    owner_id: int
    handle: str
    slug: str
    archived_at: datetime | None

    @property
    def name(self) -> str:
        """Its name that no other project has."""
        return f"{self.handle}/{self.slug}"


async def projects(connection: Connection) -> list[NamedProject]:
    """All projects, by name, temporary ones not counted."""
    return [record(NamedProject, row) for row in await connection.fetch(_ALL, (TEMPORARY_DOMAIN,))]


async def find(connection: Connection, wanted: str) -> NamedProject:
    """The project that these words name; raises `NoSuchName` for none, and for several."""
    known = await projects(connection)
    handle, _, slug = wanted.strip().lower().rpartition("/")
    found = [project for project in known if project.slug == slug and handle in ("", project.handle)]
    if len(found) == 1:
        return found[0]
    if found:
        names = " or ".join(project.name for project in found)
        raise NoSuchName(f"several owners have a project '{wanted}': say {names}.")
    near = resembling(wanted.strip().lower(), [name for project in known for name in (project.slug, project.name)])
    hint = f"Did you mean {near}?" if near else "'llm-bus project list' lists them."
    raise NoSuchName(f"there is no project '{wanted}'. {hint}")


async def is_there(connection: Connection, project_id: int) -> bool:
    """Whether the project has not been deleted."""
    return bool(await connection.fetch("select id from projects where id = %s", (project_id,)))


def resembling(name: str, known: list[str]) -> str | None:
    """The known name that this one is probably a typo of; None when there is none, or it is the same."""
    if name in known:
        return None
    near = get_close_matches(name, known, n=1, cutoff=0.75)
    # Names that differ in a number or a short ending only are siblings: agent-1 and agent-2, api-a and api-b.
    return near[0] if near and _series(near[0]) != _series(name) else None


def _series(name: str) -> str:
    return re.sub(r"\d+|(?<=-)\w{1,2}$", "", name)
