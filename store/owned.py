"""What belongs to an owner, for the owner in person: each method is one transaction.

As in `store.accounts`, here a session is borrowed and a transaction begun and ended; the statements are in
`store.people` and `store.ledger`. Every method takes the owner's id first and looks for nothing without it: what is
somebody else's answers exactly as what does not exist, by the same query.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from store.ledger import overview, projects
from store.ledger.overview import OwnerOverview, ProjectOverview
from store.ledger.projects import ProjectRow
from store.people import audit, invites, owners
from store.people import participants as members
from store.people.audit import AuditRow
from store.people.grants import Kind
from store.people.invites import InviteRow
from store.people.owners import OwnerRow
from store.people.participants import MemberRow, PersonRow, Place
from store.postgres.connection import Connection
from store.postgres.pool import Pool

__all__ = [
    "AuditRow",
    "InviteRow",
    "MemberRow",
    "Owned",
    "OwnerOverview",
    "OwnerRow",
    "PersonRow",
    "Place",
    "ProjectOverview",
    "ProjectRow",
]


class Owned:
    """Owners' projects, participants and invites, in the database that `pool` is connected to.

    Every method raises `StoreUnavailable` when the database cannot be reached in time, and can be cancelled; a change
    that was cancelled, or raised `ConnectionLost`, may or may not have happened. Those that take what people type raise
    `InvalidName`, or `NameTaken` when somebody has that name. `by` is the name that the audit trail keeps.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    # Reading.

    async def dashboard(self, owner_id: int) -> list[ProjectOverview]:
        """The owner's projects at a glance, by name."""
        async with self._pool.connection() as connection:
            return await overview.dashboard(connection, owner_id)

    async def project(self, owner_id: int, project_id: int) -> ProjectRow | None:
        """One project."""
        async with self._pool.connection() as connection:
            return await projects.find(connection, owner_id, project_id)

    async def members(self, owner_id: int, project_id: int) -> list[MemberRow] | None:
        """Everybody in a project, by name; None when there is no such project."""
        async with self._pool.connection() as connection:
            return await members.members(connection, owner_id, project_id)

    async def member(self, owner_id: int, project_id: int, participation_id: int) -> MemberRow | None:
        """One member of a project."""
        rows = await self.members(owner_id, project_id) or ()
        return next((row for row in rows if row.participation_id == participation_id), None)

    async def participants(self, owner_id: int) -> list[PersonRow]:
        """The owner's participants, by label, with their places."""
        async with self._pool.connection() as connection:
            return await members.persons(connection, owner_id)

    async def participant(self, owner_id: int, participant_id: int) -> PersonRow | None:
        """One participant, with its places."""
        async with self._pool.connection() as connection:
            return next(iter(await members.persons(connection, owner_id, participant_id)), None)

    async def invites(self, owner_id: int, project_id: int) -> list[InviteRow] | None:
        """The newest invites of a project, newest first; None when there is no such project."""
        async with self._pool.connection() as connection:
            return await invites.list_all(connection, owner_id, project_id)

    async def audit(
        self, owner_id: int, *, project_id: int | None = None, before: int | None = None, limit: int
    ) -> list[AuditRow]:
        """Changes of identity, newest first: of all that is the owner's, or of one project, also a deleted one.

        `before` is the id of the last row of the page before.
        """
        async with self._pool.connection() as connection:
            return await audit.page(connection, owner_id, project_id=project_id, before=before, limit=limit)

    # Changing.

    async def create_project(self, owner_id: int, slug: str, name: str | None = None, *, by: str) -> ProjectRow:
        """A new project, whose name is the slug unless given."""
        async with self._transaction() as connection:
            return await projects.add(connection, owner_id, slug, name, by=by)

    async def change_project(
        self, owner_id: int, project_id: int, *, slug: str, name: str, liveness_window_seconds: int, by: str
    ) -> ProjectRow | None:
        """Give a project all of this; None when there is no such project."""
        async with self._transaction() as connection:
            return await projects.change(
                connection,
                owner_id,
                project_id,
                slug=slug,
                name=name,
                liveness_window_seconds=liveness_window_seconds,
                by=by,
            )

    async def delete_project(self, owner_id: int, project_id: int, *, by: str) -> bool:
        """Delete a project with its ledger, places, tokens and invites; False when there is no such project.

        Takes some seconds for a million events. The audit trail stays. Whoever has actors keeps this project's away
        meanwhile (`Directory.forgetting`).
        """
        async with self._transaction() as connection:
            return await projects.delete(connection, owner_id, project_id, by=by)

    async def change_participant(
        self, owner_id: int, participant_id: int, *, label: str, kind: Kind, by: str
    ) -> PersonRow | None:
        """Give a participant this name, by which it is known from now on, and kind; None when there is no such one."""
        async with self._transaction() as connection:
            await members.change_participant(connection, owner_id, participant_id, label=label, kind=kind, by=by)
            return next(iter(await members.persons(connection, owner_id, participant_id)), None)

    async def delete_participant(self, owner_id: int, participant_id: int, *, by: str) -> bool:
        """Delete a participant with its places and tokens; ledgers keep its name. False when there is no such one."""
        async with self._transaction() as connection:
            return await members.delete_participant(connection, owner_id, participant_id, by=by)

    async def change_member(
        self, owner_id: int, project_id: int, participation_id: int, *, lane: str | None, is_admin: bool, by: str
    ) -> MemberRow | None:
        """Give a member exactly this lane, or none, and this right; None when there is no such member."""
        async with self._transaction() as connection:
            changed = await members.change_member(
                connection, owner_id, project_id, participation_id, lane=lane, is_admin=is_admin, by=by
            )
        return await self.member(owner_id, project_id, participation_id) if changed else None

    async def revoke_invite(self, owner_id: int, project_id: int, invite_id: int, *, by: str) -> bool:
        """Let nobody in by an invite any more; False when there is no such invite."""
        async with self._transaction() as connection:
            return await invites.revoke(connection, owner_id, project_id, invite_id, by=by)

    async def rename_handle(self, owner_id: int, handle: str, *, by: str) -> OwnerRow:
        """Give the owner this handle, which is thereby confirmed."""
        async with self._transaction() as connection:
            return await owners.rename(connection, owner_id, handle, by=by)

    # For operators.

    async def owners(self) -> list[OwnerOverview]:
        """All owners at a glance, by handle."""
        async with self._pool.connection() as connection:
            return await overview.owners(connection)

    async def suspend(self, owner_id: int, *, by: str) -> bool:
        """Refuse an owner's tokens from now on; nothing is deleted. False when there is no such owner."""
        async with self._transaction() as connection:
            return await owners.suspend(connection, owner_id, by=by)

    async def restore(self, owner_id: int, *, by: str) -> bool:
        """Let a suspended owner's tokens work again; False when there is no such owner."""
        async with self._transaction() as connection:
            return await owners.restore(connection, owner_id, by=by)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._pool.connection() as connection, connection.transaction():
            yield connection
