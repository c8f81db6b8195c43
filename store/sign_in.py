"""Signing owners in, for whoever is above: each method is one transaction.

As in `store.accounts`, here a session with PostgreSQL is borrowed and a transaction begun and ended; what happens in it
is in `store.people.sign_in` (before there is a browser session) and `store.people.sessions`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from store.people import sessions, sign_in
from store.people.owners import OwnerRow
from store.people.sessions import OpenedSession, Session, SessionRow
from store.people.sign_in import AttemptData
from store.postgres.connection import Connection
from store.postgres.pool import Pool

__all__ = ["AttemptData", "OpenedSession", "OwnerRow", "Session", "SessionRow", "SignIn"]


class SignIn:
    """Links, identities and browser sessions, in the database that `pool` is connected to.

    Every method raises `StoreUnavailable` when the database cannot be reached in time, and can be cancelled; a change
    that was cancelled, or raised `ConnectionLost`, may or may not have happened. Codes and ids of sessions are secrets.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def make_link(self, email: str) -> str | None:
        """A code that signs the owner with this email in, once, for 15 minutes; None when there is no such owner."""
        async with self._transaction() as connection:
            return await sign_in.make_link(connection, email)

    async def redeem_link(self, code: str) -> OwnerRow | None:
        """Whom a code signs in, which uses it up; None when it is unknown, used or old, or the owner suspended."""
        async with self._pool.connection() as connection:
            return await sign_in.redeem_link(connection, code)

    async def link_identity(self, provider: str, subject: str, email: str, *, may_sign_up: bool) -> OwnerRow | None:
        """The owner whom a provider knows by this subject, or else by this email, which it must have verified.

        Found by the email, the owner is linked to the subject for good. Without one, one is made if `may_sign_up`. None
        otherwise, and when the owner with the email is known to the provider by another subject. `provider` names who
        gives the subjects out: the issuer, where several share a protocol. The owner may be suspended.

        Raises `InvalidName` when a new owner's email cannot be one.
        """
        async with self._transaction() as connection:
            return await sign_in.link_identity(connection, provider, subject, email, may_sign_up=may_sign_up)

    async def keep_attempt(self, attempt: AttemptData) -> str:
        """Keep a sign-in that goes to its provider now; gives the code that takes it up again within 10 minutes."""
        async with self._transaction() as connection:
            return await sign_in.keep_attempt(connection, attempt)

    async def take_attempt(self, code: str) -> AttemptData | None:
        """The sign-in that was kept under this code, for the only time; None when it is unknown, taken or old."""
        async with self._pool.connection() as connection:
            return await sign_in.take_attempt(connection, code)

    async def open_session(self, owner_id: int, *, user_agent: str, replacing: str | None = None) -> OpenedSession:
        """A new session of this owner; the one with the id `replacing` is closed, and the oldest when there are many.

        An owner has at most 20. Sessions end after 8 hours without use.
        """
        async with self._transaction() as connection:
            return await sessions.open_session(connection, owner_id, user_agent=user_agent, replacing=replacing)

    async def find_session(self, session_id: str) -> Session | None:
        """The session with this id, noted as in use; None when there is none any more. One statement.

        The owner may be suspended: who asks must refuse that.
        """
        async with self._pool.connection() as connection:
            return await sessions.find_session(connection, session_id)

    async def list_sessions(self, owner_id: int) -> list[SessionRow]:
        """An owner's open sessions, the one used last first."""
        async with self._pool.connection() as connection:
            return await sessions.list_sessions(connection, owner_id)

    async def close_session(self, session_id: str) -> None:
        """End the session with this id, if there is one."""
        async with self._pool.connection() as connection:
            await sessions.close_session(connection, session_id)

    async def close_session_by_key(self, owner_id: int, key: int) -> bool:
        """End one session of an owner; False when the owner has none with this key."""
        async with self._pool.connection() as connection:
            return await sessions.close_session_by_key(connection, owner_id, key)

    async def close_all_sessions(self, owner_id: int) -> int:
        """End every session of an owner; how many that were."""
        async with self._pool.connection() as connection:
            return await sessions.close_all_sessions(connection, owner_id)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with self._pool.connection() as connection, connection.transaction():
            yield connection
