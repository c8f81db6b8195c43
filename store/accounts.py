"""Owners, projects, participants, tokens and invites, for whoever is above: each method is one transaction.

Here a session is borrowed and a transaction begun and ended; the statements are in `store.people` and
`store.ledger.projects`. Every change of identity is in the audit trail once its method has returned.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from msgspec import Struct

from engine.identity import Roster
from store.ledger import projects
from store.ledger.projects import ProjectRow
from store.people import grants, invites, owners, tokens
from store.people.grants import Kind, ParticipantRow, Provisioned, Revoked
from store.people.invites import BoundInvite, Invite, Redeemed, RedeemRefusal
from store.people.owners import OwnerRow
from store.people.tokens import Grant
from store.postgres.connection import Connection
from store.postgres.pool import Pool

__all__ = [
    "Accounts",
    "BoundInvite",
    "Grant",
    "Invite",
    "Kind",
    "Minted",
    "OwnerRow",
    "ParticipantRow",
    "ProjectRow",
    "Provisioned",
    "RedeemRefusal",
    "Redeemed",
    "Revoked",
]


class Minted(Struct, frozen=True, kw_only=True):
    """A token from the command line, and all it was made for."""

    owner: OwnerRow
    project: ProjectRow
    provisioned: Provisioned


class Accounts:
    """Who may do what, in the database that `pool` is connected to.

    Every method raises `StoreUnavailable` when the database cannot be reached in time, and can be cancelled; a change
    that was cancelled, or raised `ConnectionLost`, may or may not have happened. Those that take names raise
    `InvalidName`, those that take a project's id raise it too when the project is gone. `by` is the name that the
    audit trail keeps.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def authenticate(self, token_hash: bytes) -> Grant | None:
        """The grant behind a token's SHA-256, also when its owner is suspended; None when unknown or revoked."""
        async with self._pool.connection() as connection:
            return await tokens.authenticate(connection, token_hash)

    async def still_valid(self, token_hashes: Collection[bytes]) -> set[bytes]:
        """Which of these tokens, by SHA-256, work now: not revoked, and of an owner who is not suspended."""
        async with self._pool.connection() as connection:
            return await tokens.still_valid(connection, token_hashes)

    async def roster(self, project_id: int) -> Roster | None:
        """Who belongs to a project; None when there is no such project."""
        async with self._pool.connection() as connection:
            return await grants.roster(connection, project_id)

    async def list_participants(self, project_id: int) -> list[ParticipantRow]:
        """Everybody in the project, by name."""
        async with self._pool.connection() as connection:
            return await grants.list_participants(connection, project_id)

    async def provision(
        self,
        project_id: int,
        *,
        participant_name: str,
        kind: Kind | None = None,
        lane: str | None = None,
        is_admin: bool | None = None,
        by: str,
    ) -> Provisioned:
        """A token for a participant, who is created and granted a place when new.

        For one that has a place: a further token, and the lane and rights that are given; None leaves them.
        """
        async with self._transaction() as connection:
            project = await grants.find_project(connection, project_id)
            return await grants.provision(
                connection, project, participant_name, kind=kind, lane=lane, is_admin=is_admin, by=by
            )

    async def rotate(self, project_id: int, participant_name: str, *, by: str) -> Provisioned | None:
        """A new token in place of all old ones; None when the participant has no place in the project."""
        async with self._transaction() as connection:
            project = await grants.find_project(connection, project_id)
            return await grants.rotate(connection, project, participant_name, by=by)

    async def revoke(self, project_id: int, participant_name: str, *, by: str) -> Revoked:
        """Take back all tokens of a participant in this project; none when it has no place in it."""
        async with self._transaction() as connection:
            project = await grants.find_project(connection, project_id)
            return await grants.revoke(connection, project, participant_name, by=by)

    async def create_invite(
        self,
        project_id: int,
        *,
        participant_name: str | None = None,
        kind: Kind | None = None,
        lane: str | None = None,
        is_admin: bool = False,
        email: str | None = None,
        uses: int = 1,
        ttl_hours: int = 24,
        by: str,
    ) -> Invite:
        """A code that lets `uses` holders join, as `participant_name` or under new names of their choice.

        With an `email`, only whoever has that one, by `redeem_bound_invite`.
        """
        async with self._transaction() as connection:
            project = await grants.find_project(connection, project_id)
            return await invites.create(
                connection,
                project,
                label=participant_name,
                email=email,
                kind=kind,
                lane=lane,
                is_admin=is_admin,
                uses=uses,
                ttl_hours=ttl_hours,
                by=by,
            )

    async def redeem_invite(self, code: str, name: str | None = None) -> Redeemed | RedeemRefusal:
        """Let the holder of a code in, or say why not; only letting in uses the code up."""
        async with self._transaction() as connection:
            return await invites.redeem(connection, code, name)

    async def find_bound_invite(self, code: str) -> BoundInvite | None:
        """What a code that is bound to an email is for; None when it is not bound, not known or revoked."""
        async with self._pool.connection() as connection:
            return await invites.find_bound(connection, code)

    async def redeem_bound_invite(self, code: str, email: str) -> Redeemed | RedeemRefusal:
        """Let in who has shown to have the email that a code is bound to; or say why not, which uses nothing up."""
        async with self._transaction() as connection:
            return await invites.redeem_bound(connection, code, email)

    async def has_owners(self) -> bool:
        """Whether anybody uses this database yet."""
        async with self._pool.connection() as connection:
            return await owners.has_owners(connection)

    async def find_owner(self, email: str) -> OwnerRow | None:
        """The owner with this email, in whatever case it is written."""
        async with self._pool.connection() as connection:
            return await owners.find_owner(connection, email)

    async def add_owner(self, email: str, *, is_operator: bool = False, by: str = "cli") -> OwnerRow:
        """The owner with this email, made when new, and an operator from now on if so told."""
        async with self._transaction() as connection:
            return await owners.ensure_owner(connection, email, is_operator=is_operator, by=by)

    async def ensure_project(self, owner_id: int, slug: str, name: str | None = None, *, by: str = "cli") -> ProjectRow:
        """The owner's project with this slug, made when new; its name is the slug unless given."""
        async with self._transaction() as connection:
            return await projects.ensure(connection, owner_id, slug, name, by=by)

    async def mint(
        self,
        email: str,
        slug: str,
        participant_name: str,
        *,
        kind: Kind | None = None,
        lane: str | None = None,
        is_admin: bool | None = None,
        by: str = "cli",
    ) -> Minted:
        """A token for a participant in a project of the owner with this email; creates what is missing of all that."""
        async with self._transaction() as connection:
            owner = await owners.ensure_owner(connection, email, is_operator=False, by=by)
            row = await projects.ensure(connection, owner.id, slug, None, by=by)
            project = await grants.find_project(connection, row.id)
            provisioned = await grants.provision(
                connection, project, participant_name, kind=kind, lane=lane, is_admin=is_admin, by=by
            )
            return Minted(owner=owner, project=row, provisioned=provisioned)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._pool.connection() as connection, connection.transaction():
            yield connection
