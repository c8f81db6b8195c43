"""Webhooks: where a project's owner is told of what needs them, and what was told already.

Functions over a session; those that write want it in a transaction. What an owner asks for names the owner, so another
owner's project answers as a missing one.

Invariant: the secret and the address leave this module only in a `Target`, which does not show them.
"""

import base64
import secrets
from datetime import datetime
from typing import Literal, get_args
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from store.people import audit
from store.people.names import checked_webhook_url
from store.postgres.connection import Connection, Row
from store.postgres.records import record

Shape = Literal["json", "slack", "ntfy"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

SECRET_BYTES = 32
CLAIM_SECONDS = 60
"""How long a server may take for one look; after that another server may look."""

FAILURES_MAX = 20
"""After so many tries in a row that failed, a webhook rests until its owner saves or tests it."""

IDLE_DAYS = 30
"""Projects in which nothing happened for so long are not looked at, as on the first page."""

_PROJECT = "select slug from projects where owner_id = %s and id = %s for update"

_FIND = """
select w.url, w.shape, w.failures, w.failure, w.sent_at
  from webhooks w join projects j on j.id = w.project_id
 where j.owner_id = %s and j.id = %s
"""

_SAVE = """
insert into webhooks (project_id, url, shape, secret) values (%s, %s, %s, %s)
    on conflict (project_id) do update
   set url = excluded.url, shape = excluded.shape, secret = excluded.secret, failures = 0, failure = null,
       due_at = now(), sent_at = null
"""

_REMOVE = "delete from webhooks where project_id = %s"

_TARGET = """
j.id, j.slug, j.name, j.liveness_window_seconds, j.stale_after_seconds, o.handle,
w.url, w.shape, w.secret, w.failures, w.failure, w.told::text
"""

_ONE = f"""
select {_TARGET}
  from webhooks w join projects j on j.id = w.project_id join owners o on o.id = j.owner_id
 where j.owner_id = %s and j.id = %s
"""  # noqa: S608  # made of literals

_TAKE_DUE = f"""
with due as (
    select w.project_id
      from webhooks w join projects j on j.id = w.project_id join owners o on o.id = j.owner_id
     cross join lateral (select at from events where project_id = j.id order by seq desc limit 1) as last
     where w.due_at <= now() and w.failures < {FAILURES_MAX}
       and j.archived_at is null and o.suspended_at is null and last.at >= now() - interval '{IDLE_DAYS} days'
     limit %s for update of w skip locked
)
update webhooks w set due_at = now() + interval '{CLAIM_SECONDS} seconds'
  from due, projects j, owners o
 where w.project_id = due.project_id and j.id = due.project_id and o.id = j.owner_id
returning {_TARGET}
"""  # noqa: S608  # made of literals

# Saving makes a new secret: what was tried with the old settings says nothing about the new ones.
_SETTLE = """
update webhooks
   set told = %s::jsonb, failures = %s, failure = %s, due_at = now() + make_interval(secs => %s),
       sent_at = case when %s then now() else sent_at end
 where project_id = %s and secret = %s
"""

_POSTPONE = "update webhooks set due_at = now() + make_interval(secs => %s) where project_id = %s and secret = %s"

_SETTLE_TEST = f"""
update webhooks
   set failure = %s, failures = case when %s then 0 else failures end,
       due_at = least(due_at, now() + interval '{CLAIM_SECONDS} seconds'),
       sent_at = case when %s then now() else sent_at end
 where project_id = %s and secret = %s
"""  # noqa: S608  # made of literals


class WebhookRow(Struct, frozen=True, kw_only=True):
    """A project's webhook, as its owner may see it: of the address only the host."""

    host: str
    shape: Shape
    failures: int
    failure: str | None
    sent_at: datetime | None

    @property
    def rests(self) -> bool:
        """Whether nothing is sent any more until its owner saves or tests it."""
        return self.failures >= FAILURES_MAX


class Target(Struct, frozen=True, kw_only=True):
    """A webhook to send to, and the project (`id`, `slug`, `name`) that it is about.

    `url` and `secret` are never shown. `told` has what was told already, by key, and when it was last there.
    """

    id: int
    slug: str
    name: str
    liveness_window_seconds: int
    stale_after_seconds: int
    handle: str
    url: str
    shape: Shape
    secret: str
    failures: int
    failure: str | None
    told: dict[str, datetime]

    def __repr__(self) -> str:
        return f"Target(id={self.id})"


_TOLD = msgspec.json.Decoder(dict[str, datetime])


async def find(connection: Connection, owner_id: int, project_id: int) -> WebhookRow | None:
    """The webhook of the owner's project."""
    rows = await connection.fetch(_FIND, (owner_id, project_id))
    if not rows:
        return None
    url, *fields = rows[0]
    return record(WebhookRow, (_host(url), *fields))


async def save(
    connection: Connection, owner_id: int, project_id: int, *, url: str, shape: Shape, by: str
) -> str | None:
    """Tell the owner of this project there from now on; the new secret, or None when there is no such project.

    What was told stays told. Raises `InvalidName` when the address cannot be one.
    """
    url = checked_webhook_url(url)
    if not (rows := await connection.fetch(_PROJECT, (owner_id, project_id))):
        return None
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()}"
    await connection.execute(_SAVE, (project_id, url, shape, secret))
    await audit.record(
        connection, owner_id, project_id, by, "webhook_change", slug=rows[0][0], host=_host(url), shape=shape
    )
    return secret


async def remove(connection: Connection, owner_id: int, project_id: int, *, by: str) -> bool:
    """Send nothing about the owner's project any more; False when there is no such project."""
    if not (rows := await connection.fetch(_PROJECT, (owner_id, project_id))):
        return False
    if await connection.execute(_REMOVE, (project_id,)):
        await audit.record(connection, owner_id, project_id, by, "webhook_remove", slug=rows[0][0])
    return True


async def take_for_test(connection: Connection, owner_id: int, project_id: int, *, by: str) -> Target | None:
    """The webhook of the owner's project, to send a test to."""
    if not (rows := await connection.fetch(_ONE, (owner_id, project_id))):
        return None
    await audit.record(connection, owner_id, project_id, by, "webhook_test", slug=rows[0][1])
    return _target(rows[0])


async def take_due(connection: Connection, limit: int) -> list[Target]:
    """At most `limit` webhooks whose projects are to be looked at now; nobody else gets them for a minute."""
    return [_target(row) for row in await connection.fetch(_TAKE_DUE, (limit,))]


async def settle(
    connection: Connection,
    target: Target,
    *,
    told: dict[str, datetime],
    failures: int,
    failure: str | None,
    due_seconds: float,
    sent: bool,
) -> None:
    """Write down how a look ended; nothing when the webhook was changed or removed meanwhile."""
    parameters = (msgspec.json.encode(told).decode(), failures, failure, due_seconds, sent, target.id, target.secret)
    await connection.execute(_SETTLE, parameters)


async def postpone(connection: Connection, target: Target, *, due_seconds: float) -> None:
    """Give a webhook back that could not be attended to; nothing when it was changed or removed meanwhile."""
    await connection.execute(_POSTPONE, (due_seconds, target.id, target.secret))


async def settle_test(connection: Connection, target: Target, *, failure: str | None) -> None:
    """Write down how a test ended; one that arrived wakes a webhook that rests."""
    arrived = failure is None
    await connection.execute(_SETTLE_TEST, (failure, arrived, arrived, target.id, target.secret))


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _target(row: Row) -> Target:
    *fields, told = row
    return record(Target, (*fields, _TOLD.decode(told)))
