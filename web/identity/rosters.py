"""Names in commands: which participant `to_actor` or `owner` means, from a cached roster.

Another process may have added a name a moment ago. So a name that the cache does not have is looked up in the store
before the answer is `not_found`.
"""

from collections.abc import Awaitable, Callable

from engine.identity import Addressee, Roster, resolve
from engine.refusals import Refusal, not_found
from web.identity.cache import AgeingCache

ROSTER_SECONDS_MAX = 30.0
"""How long a removed name may still be resolved when another process removed it."""

ROSTERS_MAX = 2_000


class Rosters:
    """Resolves names within projects; `find_roster` tells who belongs to one, None when there is no such project."""

    def __init__(self, find_roster: Callable[[int], Awaitable[Roster | None]]) -> None:
        self._find_roster = find_roster
        self._rosters = AgeingCache[int, Roster](ttl_seconds=ROSTER_SECONDS_MAX, entries_max=ROSTERS_MAX)

    async def resolve(self, name: str, project_id: int) -> Addressee | Refusal:
        """The participant that `name` means in this project, or a refusal; raises what the store raises."""
        known = self._rosters.get(project_id)
        if known is not None:
            found = resolve(name, known, is_fresh=False)
            if not isinstance(found, Refusal) or found.code != "not_found":
                return found
        fresh = await self._rosters.load(project_id, self._find_roster, outdated=known)
        return not_found("this project no longer exists.") if fresh is None else resolve(name, fresh)

    def forget(self, project_id: int) -> None:
        """Read this project's names again when they are next needed."""
        self._rosters.drop(project_id)

    def forget_all(self) -> None:
        """Read every project's names again when they are next needed."""
        self._rosters.expire()
