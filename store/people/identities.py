"""Signing in at a provider: attempts under way, and which owner a provider's subject is.

An attempt is found by a secret code, works once and for minutes by the database's clock, and is kept only as SHA-256.
Functions over a session; those that write more than one row want it in a transaction.
"""

from msgspec import Struct

from store.people import audit, owners
from store.people.codes import digest, new_code
from store.people.owners import COLUMNS, OwnerRow, find_owner, owner_of
from store.postgres.connection import Connection

ATTEMPT_MINUTES = 10

_SWEEP_ATTEMPTS = "delete from sign_in_attempts where expires_at <= now()"

_ADD_ATTEMPT = f"""
insert into sign_in_attempts (sha256, provider, nonce, verifier, next_path, expires_at)
values (%s, %s, %s, %s, %s, now() + interval '{ATTEMPT_MINUTES} minutes')
"""  # noqa: S608  # made of literals

_TAKE_ATTEMPT = """
delete from sign_in_attempts where sha256 = %s and expires_at > now() returning provider, nonce, verifier, next_path
"""

_FIND_IDENTITY = f"""
select {COLUMNS} from identities i join owners o on o.id = i.owner_id where i.provider = %s and i.subject = %s
"""  # noqa: S608  # made of literals

_ADD_IDENTITY = """
insert into identities (provider, subject, owner_id, email) values (%s, %s, %s, %s) on conflict do nothing
"""


class AttemptData(Struct, frozen=True, kw_only=True):
    """What a sign-in at a provider must be taken up with again; `next_path` is where it leads."""

    provider: str
    nonce: str
    verifier: str
    next_path: str


async def keep_attempt(connection: Connection, attempt: AttemptData) -> str:
    """Keep a sign-in that goes to its provider now, and give the code that takes it up again."""
    await connection.execute(_SWEEP_ATTEMPTS)
    code = new_code()
    parameters = (digest(code), attempt.provider, attempt.nonce, attempt.verifier, attempt.next_path)
    await connection.execute(_ADD_ATTEMPT, parameters)
    return code


async def take_attempt(connection: Connection, code: str) -> AttemptData | None:
    """The sign-in that was kept under this code, for the only time; None when it is unknown, taken or old."""
    rows = await connection.fetch(_TAKE_ATTEMPT, (digest(code),))
    if not rows:
        return None
    provider, nonce, verifier, next_path = rows[0]
    return AttemptData(provider=provider, nonce=nonce, verifier=verifier, next_path=next_path)


async def link_identity(
    connection: Connection, provider: str, subject: str, email: str, *, may_sign_up: bool
) -> OwnerRow | None:
    """The owner that a provider knows by this subject, and by this email, which the provider has verified.

    An owner with the email is linked to the subject now; when there is none and `may_sign_up`, one is made. None
    otherwise, and when the owner with the email is linked to another subject of this provider: the email has changed
    hands there.
    """
    if (known := await _find_identity(connection, provider, subject)) is not None:
        return known
    owner = await find_owner(connection, email)
    if owner is None:
        if not may_sign_up:
            return None
        owner = await owners.ensure_owner(connection, email, is_operator=False, by=provider)
    if await connection.execute(_ADD_IDENTITY, (provider, subject, owner.id, email)):
        await audit.record(connection, owner.id, None, owner.handle, "identity_link", provider=provider)
        return owner
    # The owner has another subject here; or somebody else has just added this very one.
    return await _find_identity(connection, provider, subject)


async def _find_identity(connection: Connection, provider: str, subject: str) -> OwnerRow | None:
    rows = await connection.fetch(_FIND_IDENTITY, (provider, subject))
    return owner_of(rows[0]) if rows else None
