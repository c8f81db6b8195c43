"""Changes of participants, tokens and invites, for the tools of leads and for the web admin.

The store makes the change and its audit record in one transaction. This module makes it hold in this process at once:
it drops cached tokens and names, and ends the waits of tokens that no longer work. The caller checks the right to make
the change; that of a lead, named by `lead`, the SHA-256 of the token, is checked once more where the change is made.
"""

from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

from store import Store
from store.errors import StoreUnavailable
from store.people import grants, invites
from store.people.bounds import Quotas
from store.people.grants import Kind, ParticipantRow, Provisioned
from store.people.invites import Invite, InviteRow, Redeemed, RedeemRefusal
from store.people.quotas import Thing, of_project, of_redeemed
from store.people.rights import as_lead
from store.postgres.connection import Connection
from web.identity.authenticator import Authenticator
from web.identity.rosters import Rosters
from web.identity.waits import Waits

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

PLACE: tuple[Thing, ...] = ("participants", "tokens")
"""What a new place in a project adds."""


class People:
    """Changes who takes part in a project. Every method raises what the store raises."""

    def __init__(
        self, store: Store, authenticator: Authenticator, rosters: Rosters, waits: Waits, quotas: Quotas
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._rosters = rosters
        self._waits = waits
        self.quotas = quotas

    def changed(self, *, owner_id: int | None = None, project_id: int | None = None) -> None:
        """Take what is remembered of names, rights and tokens for old: some may have changed, here or elsewhere.

        With `project_id` only that project's, else with `owner_id` only that owner's: one owner's change must not empty
        the caches of all.
        """
        if project_id is not None:
            self._authenticator.forget_project(project_id)
            self._rosters.forget(project_id)
        elif owner_id is not None:
            self._authenticator.forget_owner(owner_id)
            self._rosters.forget_all()
        else:
            self._authenticator.forget_all()
            self._rosters.forget_all()
        self._waits.doubt()

    async def change(
        self, change: Awaitable[Result], *, owner_id: int | None = None, project_id: int | None = None
    ) -> Result:
        """Await a change of identity (a `store.write`) and make it hold in this process at once.

        It concerns this project only, or else this owner, or else anybody.

        A falsy result says that nothing was changed: then nothing is forgotten, or looking for somebody who does not
        exist would cost every tenant its cache.
        """
        try:
            result = await change
        except StoreUnavailable:
            # The outcome may be unknown: it may have happened.
            self.changed(owner_id=owner_id, project_id=project_id)
            raise
        if result:
            self.changed(owner_id=owner_id, project_id=project_id)
        return result

    async def participants(self, project_id: int) -> list[ParticipantRow]:
        """Everybody in the project, by name."""
        return await self._store.read(grants.list_participants, project_id)

    async def _write(
        self,
        lead: bytes | None,
        change: Callable[Concatenate[Connection, Arguments], Awaitable[Result]],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Make a change with the right of the lead whose token has this SHA-256; None: of the owner in person."""

        async def changing(connection: Connection) -> Result:
            return await change(connection, *arguments, **named)

        if lead is None:
            return await self._store.write(changing)
        return await self._store.write(as_lead, lead, changing)

    async def provision(
        self,
        project_id: int,
        name: str,
        *,
        kind: Kind | None,
        lane: str | None,
        is_admin: bool | None,
        by: str,
        token_name: str | None = None,
        token_days: int | None = None,
        lead: bytes | None = None,
    ) -> Provisioned:
        """A token for a participant, who is created when new; the token is in the answer and nowhere else."""
        provisioning = self._write(
            lead,
            of_project,
            self.quotas,
            PLACE,
            project_id,
            grants.provision,
            project_id,
            participant_name=name,
            kind=kind,
            lane=lane,
            is_admin=is_admin,
            token_name=token_name,
            token_days=token_days,
            by=by,
        )
        return await self.change(provisioning, project_id=project_id)

    async def rotate(self, project_id: int, name: str, *, by: str, lead: bytes | None = None) -> Provisioned | None:
        """A new token for a participant, whose old ones stop working; None when the project has no such one."""
        rotating = self._write(lead, grants.rotate, project_id, name, by=by)
        rotated = await self.change(rotating, project_id=project_id)
        if rotated is not None:
            self._stop(rotated.revoked_hashes)
        return rotated

    async def revoke(self, project_id: int, name: str, *, by: str, lead: bytes | None = None) -> int:
        """Stop all tokens of a participant from working; how many that were."""
        revoking = self._write(lead, grants.revoke, project_id, name, by=by)
        revoked = await self.change(revoking, project_id=project_id)
        self._stop(revoked)
        return len(revoked)

    async def revoke_token(self, project_id: int, participation_id: int, token_id: int, *, by: str) -> bool:
        """Stop one token from working; False when this participation has no such one."""
        revoking = self._store.write(grants.revoke_token, project_id, participation_id, token_id, by=by)
        revoked = await self.change(revoking, project_id=project_id)
        self._stop(() if revoked is None else (revoked,))
        return revoked is not None

    async def invite(
        self,
        project_id: int,
        name: str | None,
        *,
        kind: Kind | None,
        lane: str | None,
        is_admin: bool,
        email: str | None = None,
        uses: int,
        ttl_hours: int,
        by: str,
        made_by: int | None = None,
        lead: bytes | None = None,
    ) -> Invite:
        """A code that lets its holders join the project by themselves, `uses` times within `ttl_hours`.

        It ends with the rights of the participation `made_by`, when one is given.
        With an `email` only the owner of that address may redeem it, by `redeem_bound`.
        """
        return await self._write(
            lead,
            of_project,
            self.quotas,
            ("invites",),
            project_id,
            invites.create,
            project_id,
            participant_name=name,
            kind=kind,
            lane=lane,
            is_admin=is_admin,
            email=email,
            uses=uses,
            ttl_hours=ttl_hours,
            by=by,
            made_by=made_by,
        )

    async def open_invites(self, project_id: int) -> list[InviteRow]:
        """The project's invites that still let somebody in, newest first."""
        return await self._store.read(invites.list_open, project_id)

    async def revoke_invite(self, project_id: int, invite_id: int, *, by: str, lead: bytes) -> bool:
        """Stop an invite from working; False when the project has none with this id."""
        return await self._write(lead, invites.revoke_in, project_id, invite_id, by=by)

    async def redeem(self, code: str, name: str | None) -> Redeemed | RedeemRefusal:
        """Let the holder of an invite's code in, under `name` unless the invite has one."""
        redeeming = self._store.write(of_redeemed, self.quotas, PLACE, invites.redeem, code, name)
        return self._let_in(await redeeming)

    async def redeem_bound(self, code: str, email: str) -> Redeemed | RedeemRefusal:
        """Let in the verified owner of the email that an invite is bound to."""
        redeeming = self._store.write(of_redeemed, self.quotas, PLACE, invites.redeem_bound, code, email)
        return self._let_in(await redeeming)

    def _let_in(self, outcome: Redeemed | RedeemRefusal) -> Redeemed | RedeemRefusal:
        if isinstance(outcome, Redeemed):
            self._rosters.forget(outcome.project_id)
        return outcome

    def _stop(self, token_hashes: tuple[bytes, ...]) -> None:
        """Stop these tokens from working. A call that has just begun to wait re-checks its token: so forget first."""
        self._authenticator.forget(token_hashes)
        self._waits.end(token_hashes)
