"""The authenticator: from a bearer token's hash to the grant of its holder.

Tokens are compared only as SHA-256, first in memory and then in the store. An unknown token always costs one read of
the store, gets the same answer, and is never kept. A change in this process drops a token at once (`forget`,
`forget_all`); a change elsewhere whose news is lost is noticed after `GRANT_SECONDS_MAX`.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from hashlib import sha256

import trio

from store.errors import StoreUnavailable
from store.people.tokens import Grant
from web.identity.cache import AgeingCache

GRANT_SECONDS_MAX = 10.0
"""How long a revocation made by another process may stay unnoticed here when its news does not arrive."""

OLD_GRANT_SECONDS_MAX = 60.0
"""How long a token that was good is accepted while the store cannot be asked: longer than a database restarts."""

RETRY_SECONDS = 1.0
"""How often the store is asked again meanwhile."""

SILENCE_SECONDS = 2.0
"""How long the store is waited for about a token that was good, before it is accepted."""

LOOK_UP_SECONDS_MAX = 15.0
"""How long any other token is looked up before its call is `unavailable`."""

NOTE_SECONDS = 2.0
"""How often is written down which tokens were used."""

GRANTS_MAX = 20_000
TOKEN_BYTES_MAX = 256
"""Far longer than any token; what is longer is not even hashed."""

_SCHEME = b"bearer "


class Authenticator:
    """Turns bearer tokens into grants; `find_grant` gives the grant behind a token's hash, None when not valid."""

    def __init__(self, find_grant: Callable[[bytes], Awaitable[Grant | None]]) -> None:
        self._find_grant = find_grant
        self._grants = AgeingCache[bytes, Grant](ttl_seconds=GRANT_SECONDS_MAX, entries_max=GRANTS_MAX)
        self._used = set[bytes]()

    async def authenticate(self, token_hash: bytes) -> Grant | None:
        """The grant behind a token's hash (`hash_of`), also when its owner is suspended; None when it is not valid.

        Raises `StoreUnavailable` when the store cannot be asked about a token that was not good a moment ago.
        """
        if (grant := self._grants.get(token_hash)) is not None:
            self._used.add(token_hash)
            return grant
        was_good = self._grants.holds_old(token_hash, OLD_GRANT_SECONDS_MAX)
        try:
            with trio.fail_after(SILENCE_SECONDS if was_good else LOOK_UP_SECONDS_MAX):
                grant = await self._grants.load(token_hash, self._find_grant)
        except (StoreUnavailable, trio.TooSlowError) as silence:
            if (grant := self._grants.get_old(token_hash, OLD_GRANT_SECONDS_MAX, RETRY_SECONDS)) is None:
                raise StoreUnavailable("a token cannot be looked up") from silence
        if grant is not None:
            self._used.add(token_hash)
        return grant

    async def note_uses(self, write: Callable[[Collection[bytes]], Awaitable[None]]) -> None:
        """Until cancelled, `write` which tokens were used, some seconds later; what fails to be written is lost."""
        while True:
            await trio.sleep(NOTE_SECONDS)
            used, self._used = self._used, set()
            if used:
                with suppress(StoreUnavailable):
                    await write(used)

    def forget(self, token_hashes: Iterable[bytes]) -> None:
        """Ask the store about these tokens when they come next."""
        self._grants.drop(*token_hashes)

    def forget_all(self) -> None:
        """Ask the store about every token when it comes next: after a change of names or rights."""
        self._grants.expire()

    def forget_owner(self, owner_id: int) -> None:
        """Ask the store about the tokens of this owner's participants when they come next."""
        self._grants.expire(lambda grant: grant.owner_id == owner_id)

    def forget_project(self, project_id: int) -> None:
        """Ask the store about the tokens of this project when they come next."""
        self._grants.expire(lambda grant: grant.principal.project_id == project_id)


def hash_of(authorization: bytes | None) -> bytes | None:
    """The SHA-256 of the token in an `Authorization` header; the scheme's case does not matter (RFC 9110 §11.1)."""
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    token = authorization[len(_SCHEME) :].strip()
    return sha256(token).digest() if 0 < len(token) <= TOKEN_BYTES_MAX else None
