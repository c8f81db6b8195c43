"""Sealed cards: what hands out a secret, kept for the browser session that made it until `MINUTES` have passed.

The seal is made and opened elsewhere (`web.admin.cards`): the database never holds the key. A card goes with its
session. Functions over a session with PostgreSQL; those that write want it in a transaction.
"""

from store.people.codes import digest
from store.postgres.connection import Connection

MINUTES = 10

_DROP_EXPIRED = "delete from cards where expires_at <= now()"

_KEEP = f"""
insert into cards (session_sha256, sealed, expires_at) values (%s, %s, now() + interval '{MINUTES} minutes')
returning id
"""  # noqa: S608  # made of literals

_FIND = "select sealed from cards where session_sha256 = %s and id = %s and expires_at > now()"


async def keep(connection: Connection, session_id: str, sealed: str) -> int:
    """Keep a card for the session with this secret id; the card's id. Cards of anybody that have ended go."""
    await connection.execute(_DROP_EXPIRED)
    ((card_id,),) = await connection.fetch(_KEEP, (digest(session_id), sealed))
    return int(card_id)


async def find(connection: Connection, session_id: str, card_id: int) -> str | None:
    """The card, as it was kept; None when this session has none with this id, or its time is over."""
    rows = await connection.fetch(_FIND, (digest(session_id), card_id))
    return str(rows[0][0]) if rows else None
