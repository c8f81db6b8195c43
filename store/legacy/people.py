"""Owners, projects, participants, tokens and invites of the TypeScript server, as rows of ours with the same ids.

Names that cannot be ones here are mended, and who was mended is told. Tokens are carried over as the hashes they are;
invite codes, which were kept in clear there, become hashes.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, LiteralString

import msgspec

from store.errors import InvalidName, TransferRefused, UniqueTaken
from store.legacy.source import Source
from store.people import audit
from store.people.codes import digest
from store.people.names import (
    LABEL_LENGTH_MAX,
    LIVENESS_WINDOW_SECONDS_MAX,
    checked_handle,
    checked_slug,
    handles_for,
    kept_label,
)
from store.postgres.connection import Connection, Row

BY = "import-legacy"
"""The name that the audit trail keeps."""

UNLIMITED_USES = 2**31 - 1

_NOT_IN_A_SLUG = re.compile(r"[^a-z0-9._-]+")
_SLUG_BASE_LENGTH_MAX = 50
"""Leaves a slug room for a number."""

Mend = Callable[[Row], Sequence[object]]

_OWNERS = """
select id, email, username, username_confirmed_at, coalesce(is_operator, false),
       coalesce(created_at, now()), suspended_at
  from owners order by username is null, lower(username) !~ '^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])$', id
"""
_ADD_OWNERS = """
insert into owners (id, email, handle, handle_confirmed_at, is_operator, created_at, suspended_at)
overriding system value
select (r ->> 0)::bigint, r ->> 1, r ->> 2, (r ->> 3)::timestamptz, (r ->> 4)::boolean, (r ->> 5)::timestamptz,
       (r ->> 6)::timestamptz
  from jsonb_array_elements(%s::jsonb) as r
"""

_PROJECTS = """
select id, owner_id, slug, coalesce(nullif(name, ''), slug),
       case when liveness_window_sec > 0 then least(liveness_window_sec, %s) else 900 end,
       coalesce(created_at, now())
  from projects order by owner_id, slug !~ '^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$', id
"""
_ADD_PROJECTS = """
insert into projects (id, owner_id, slug, name, liveness_window_seconds, created_at) overriding system value
select (r ->> 0)::bigint, (r ->> 1)::bigint, r ->> 2, r ->> 3, (r ->> 4)::integer, (r ->> 5)::timestamptz
  from jsonb_array_elements(%s::jsonb) as r
"""

_PARTICIPANTS = """
select id, owner_id, name, case when kind = 'human' then 'human' else 'agent' end, coalesce(created_at, now())
  from participants order by owner_id, name !~ '^[^/[:cntrl:]]{1,64}$' or name <> btrim(name), id
"""
_ADD_PARTICIPANTS = """
insert into participants (id, owner_id, label, kind, created_at) overriding system value
select (r ->> 0)::bigint, (r ->> 1)::bigint, r ->> 2, r ->> 3, (r ->> 4)::timestamptz
  from jsonb_array_elements(%s::jsonb) as r
"""

_PARTICIPATIONS = """
select id, participant_id, project_id, nullif(lane, ''), coalesce(is_admin, false),
       coalesce(created_at, now())
  from participations order by id
"""
_ADD_PARTICIPATIONS = """
insert into participations (id, participant_id, project_id, lane, is_admin, created_at) overriding system value
select (r ->> 0)::bigint, (r ->> 1)::bigint, (r ->> 2)::bigint, r ->> 3, (r ->> 4)::boolean, (r ->> 5)::timestamptz
  from jsonb_array_elements(%s::jsonb) as r
"""

_TOKENS = (
    "select id, participation_id, lower(token_hash), coalesce(created_at, now()), revoked_at from tokens order by id"
)
_ADD_TOKENS = """
insert into tokens (id, participation_id, sha256, created_at, revoked_at) overriding system value
select (r ->> 0)::bigint, (r ->> 1)::bigint, decode(r ->> 2, 'hex'), (r ->> 3)::timestamptz, (r ->> 4)::timestamptz
  from jsonb_array_elements(%s::jsonb) as r
"""

_INVITES = """
select id, project_id, code, intended_name, case when kind = 'human' then 'human' else 'agent' end, nullif(lane, ''),
       coalesce(is_admin, false), greatest(coalesce(max_uses, %s), 1),
       case when max_uses < 1 then 1 else greatest(uses, 0) end,
       greatest(least(expires_at, '9999-01-01Z'), '1970-01-01Z'), coalesce(created_at, now()), revoked_at
  from join_codes order by id
"""
_ADD_INVITES = """
insert into invites (id, project_id, sha256, label, kind, lane, is_admin, uses_max, uses, expires_at, created_at,
                     revoked_at) overriding system value
select (r ->> 0)::bigint, (r ->> 1)::bigint, decode(r ->> 2, 'hex'), r ->> 3, r ->> 4, r ->> 5, (r ->> 6)::boolean,
       (r ->> 7)::integer, least((r ->> 8)::integer, (r ->> 7)::integer), (r ->> 9)::timestamptz,
       (r ->> 10)::timestamptz, (r ->> 11)::timestamptz
  from jsonb_array_elements(%s::jsonb) as r
"""

_IDENTITIES = """
select distinct on (owner_id, provider) provider, provider_subject, owner_id, coalesce(email, ''), created_at
  from owner_identities order by owner_id, provider, created_at desc
"""
_ADD_IDENTITIES = """
insert into identities (provider, subject, owner_id, email, created_at)
select r ->> 0, r ->> 1, (r ->> 2)::bigint, r ->> 3, (r ->> 4)::timestamptz
  from jsonb_array_elements(%s::jsonb) as r
"""

_HANDLES = "select id, handle from owners order by id"
_OWNED = "select id, owner_id, slug, name from projects order by id"


class People:
    """Carries over who there is; `counts` and `remarks` tell of it."""

    def __init__(self, source: Source, target: Connection) -> None:
        self.counts: dict[str, int] = {}
        self.remarks: list[str] = []
        self._source = source
        self._target = target
        self._handles: set[str] = set()
        self._slugs: set[tuple[object, str]] = set()
        self._labels: tuple[int, set[str]] = (0, set())

    async def carry_over(self) -> None:
        """All of it, with an audit record for each owner and project."""
        await self._copy("owners", _OWNERS, _ADD_OWNERS, self._owner)
        await self._copy("projects", _PROJECTS, _ADD_PROJECTS, self._project, (LIVENESS_WINDOW_SECONDS_MAX,))
        await self._copy("participants", _PARTICIPANTS, _ADD_PARTICIPANTS, self._participant)
        await self._copy("participations", _PARTICIPATIONS, _ADD_PARTICIPATIONS)
        await self._copy("tokens", _TOKENS, _ADD_TOKENS, _token)
        await self._copy("invites", _INVITES, _ADD_INVITES, _invite, (UNLIMITED_USES,))
        await self._copy("identities", _IDENTITIES, _ADD_IDENTITIES)
        for owner_id, handle in await self._target.fetch(_HANDLES):
            await audit.record(self._target, owner_id, None, BY, "owner_add", handle=handle)
        for project_id, owner_id, slug, name in await self._target.fetch(_OWNED):
            await audit.record(self._target, owner_id, project_id, BY, "project_add", slug=slug, name=name)

    async def _copy(
        self, what: str, read: LiteralString, write: LiteralString, mend: Mend = tuple, parameters: Sequence[Any] = ()
    ) -> None:
        rows = await self._source.rows(read, parameters)
        self.counts[what] = 0
        while page := await rows.page():
            mended = msgspec.json.encode([mend(row) for row in page]).decode()
            try:
                self.counts[what] += await self._target.execute(write, (mended,))
            except UniqueTaken as taken:
                raise TransferRefused(f"two {what} of the old database cannot both be here: {taken}") from taken

    def _owner(self, row: Row) -> Sequence[object]:
        id_, email, username, *rest = row
        if email is None:
            raise TransferRefused(f"the old database's owner {id_} has no email.")
        handle = next(name for name in _handles(username, email) if name not in self._handles)
        self._handles.add(handle)
        if username is not None and handle != username:
            self.remarks.append(f"Owner {username} has the handle {handle} now: the old one cannot be one here.")
        return (id_, email, handle, *rest)

    def _project(self, row: Row) -> Sequence[object]:
        id_, owner_id, old, *rest = row
        slug = next(slug for slug in _slugs(old) if (owner_id, slug) not in self._slugs)
        self._slugs.add((owner_id, slug))
        if slug != old:
            self.remarks.append(f"Project {old!r} has the slug {slug!r} now: the old one cannot be one here.")
        return (id_, owner_id, slug, *rest)

    def _participant(self, row: Row) -> Sequence[object]:
        id_, owner_id, name, *rest = row
        if self._labels[0] != owner_id:
            self._labels = (owner_id, set())
        label = next(label for label in _labels(name) if label not in self._labels[1])
        self._labels[1].add(label)
        if label != name:
            self.remarks.append(f"Participant {name!r} is called {label!r} now: the old name cannot be one here.")
        return (id_, owner_id, label, *rest)


def _token(row: Row) -> Sequence[object]:
    id_, participation_id, sha256, *rest = row
    try:
        proper = len(bytes.fromhex(sha256)) == 32
    except ValueError:
        proper = False
    if not proper:
        raise TransferRefused(f"the old database's token {id_} is no SHA-256 in hexadecimal digits.")
    return (id_, participation_id, sha256, *rest)


def _invite(row: Row) -> Sequence[object]:
    id_, project_id, code, name, *rest = row
    label = None if name is None else next(_labels(name))
    return (id_, project_id, digest(code).hex(), label, *rest)


def _handles(username: str | None, email: str) -> Iterator[str]:
    """The handles to try for an owner, best first, without end."""
    if username is None:
        yield from handles_for(email)
        return
    with suppress(InvalidName):
        yield checked_handle(username)
    yield from handles_for(f"{username}@")


def _slugs(old: str) -> Iterator[str]:
    """The slugs to try for a project, best first, without end."""
    with suppress(InvalidName):
        yield checked_slug(old)
    base = _NOT_IN_A_SLUG.sub("-", old.lower())[:_SLUG_BASE_LENGTH_MAX].strip("._-") or "project"
    yield base
    for number in count(2):
        yield f"{base}-{number}"


def _labels(name: str) -> Iterator[str]:
    """The labels to try for a participant, best first, without end."""
    mended = "".join(char if char.isprintable() and char != "/" else "-" for char in name)[:LABEL_LENGTH_MAX].strip()
    base = kept_label(mended or "-")
    yield base
    number = 2
    while True:
        suffix = f"-{number}"
        yield base[: LABEL_LENGTH_MAX - len(suffix)] + suffix
        number += 1
