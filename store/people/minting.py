"""A first token in one step: the owner, the project and the participant are made when they are missing."""

from msgspec import Struct

from store.ledger import projects
from store.ledger.projects import ProjectRow
from store.people import grants, owners
from store.people.grants import Kind, Provisioned
from store.people.owners import OwnerRow
from store.postgres.connection import Connection


class Minted(Struct, frozen=True, kw_only=True):
    """A token from the command line, and all it was made for."""

    owner: OwnerRow
    project: ProjectRow
    provisioned: Provisioned


async def mint(
    connection: Connection,
    email: str,
    slug: str,
    participant_name: str,
    *,
    kind: Kind | None = None,
    lane: str | None = None,
    is_admin: bool | None = None,
    by: str = "cli",
) -> Minted:
    """A token for a participant in a project of the owner with this email. Wants a transaction."""
    owner = await owners.ensure_owner(connection, email, by=by)
    project = await projects.ensure(connection, owner.id, slug, by=by)
    provisioned = await grants.provision(
        connection, project.id, participant_name, kind=kind, lane=lane, is_admin=is_admin, by=by
    )
    return Minted(owner=owner, project=project, provisioned=provisioned)
