"""Words instead of numbers: free-text search of a ledger, the names of what its events mention, and what it is made of.

Functions over a session with PostgreSQL; reads only, each by an index of migration 0001, 0007 or 0021.
"""

import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import datetime

from msgspec import Struct

from store.postgres.connection import Connection

WORDS_MAX = 10
"""Words of a search that count."""

COUNTED_MAX = 2_000
"""Events whose types and actors are counted, the newest: some 2 ms."""

FACETS_MAX = 12

BLOCK_EVENTS = 8_192
"""Events whose words the index keeps together, as in migration 0021."""

BLOCKS_MAX = 2_000
"""Blocks that one search asks: 16 million events, some 20 ms where none of them has the words."""

# A subquery by itself ("offset 0"), so that nothing but the index of words can find them.
SAID_IN_BLOCK = """
(select * from events
  where coalesce(data ->> 'subject', data ->> 'title', data ->> 'note', data ->> 'status', data ->> 'reason',
                 data ->> 'detail', data ->> 'body') is not null
    and words_by_block(project_id, seq, data)
        @@ replace(%(words)s, '@', word_prefix(%(project)s, block))::tsquery offset 0)
"""
"""The events of one `block` that have all the words of a `query_of`."""

# PostgreSQL reads an index of words only as a bitmap, which our sessions do without elsewhere. Without the index, a
# search would read the whole ledger for every block.
_BY_INDEX = "select set_config('enable_bitmapscan', 'on', true), set_config('enable_seqscan', 'off', true)"

_BETWEEN_WORDS = re.compile("[\x00-\x2f:-@\\[-`{-\xbf\u2000-\u206f\u3000-\u303f]+")
"""As in migration 0021."""

_TITLES = """
select (data ->> 'task_id')::bigint, data ->> 'title' from events
 where project_id = %s and type = 'task_create' and (data ->> 'task_id')::bigint = any(%s)
"""

_SUBJECTS = "select seq, data ->> 'subject' from events where project_id = %s and seq = any(%s) and type = 'post'"

# Numbers grow with times and have no gaps, so the number of events is the difference of two.
_FACETS = """
with first as materialized (
    select seq from events where project_id = %(project)s and at >= %(since)s order by at, seq limit 1),
counted as materialized (
    select type, actor from events where project_id = %(project)s and seq >= (select seq from first)
     order by seq desc limit %(counted_max)s)
(select 'all', '', (select seq from events where project_id = %(project)s order by seq desc limit 1) - seq + 1
   from first)
 union all
(select 'type', type, count(*) from counted group by type order by 3 desc limit %(facets_max)s)
 union all
(select 'actor', actor, count(*) from counted group by actor order by 3 desc limit %(facets_max)s)
"""

_LAST_CALLERS = "select actor from liveness where project_id = %s order by at desc limit %s"


class Names(Struct, frozen=True, kw_only=True):
    """Titles of tasks and subjects of posts, by id; what has none is not there."""

    tasks: dict[int, str]
    posts: dict[int, str]


class Facets(Struct, frozen=True, kw_only=True):
    """How many events there are; and of the `counted` newest how many of each type and by whom, the most first."""

    total: int
    counted: int
    types: list[tuple[str, int]]
    actors: list[tuple[str, int]]


def query_of(text: str) -> str | None:
    """The search for all words of a text, or beginnings of words, in one block; None when it has no word.

    `@`, which no word has, stands before each word for its project and block.
    """
    words = _BETWEEN_WORDS.sub(" ", text).split()[:WORDS_MAX]
    return " & ".join(_beginning_with(word) for word in words) or None


def _beginning_with(word: str) -> str:
    """The search for words that begin so, in either case: PostgreSQL may know upper and lower case in ASCII alone."""
    written = (word.lower(), word, word.title(), word.upper())
    forms = dict.fromkeys(_lower_ascii(form) for form in written if form.lower() == word.lower())
    return "(" + " | ".join(f"'@{form}':*" for form in forms) + ")"


def _lower_ascii(word: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)


@asynccontextmanager
async def by_index(connection: Connection) -> AsyncIterator[None]:
    """A transaction in which PostgreSQL uses the index of words."""
    async with connection.transaction():
        await connection.fetch(_BY_INDEX)
        yield


async def names_of(connection: Connection, project_id: int, tasks: Collection[int], posts: Collection[int]) -> Names:
    """What these tasks and posts are called."""
    titles = await connection.fetch(_TITLES, (project_id, list(tasks))) if tasks else []
    subjects = await connection.fetch(_SUBJECTS, (project_id, list(posts))) if posts else []
    return Names(tasks=dict(titles), posts={post_id: subject for post_id, subject in subjects if subject})


async def facets(connection: Connection, project_id: int, since: datetime) -> Facets:
    """What happened since then, counted."""
    parameters = {"project": project_id, "since": since, "counted_max": COUNTED_MAX, "facets_max": FACETS_MAX}
    rows = await connection.fetch(_FACETS, parameters)
    types = [(name, count) for kind, name, count in rows if kind == "type"]
    actors = [(name, count) for kind, name, count in rows if kind == "actor"]
    total = sum(count for kind, _, count in rows if kind == "all")
    return Facets(total=total, counted=min(total, COUNTED_MAX), types=types, actors=actors)


async def last_callers(connection: Connection, project_id: int, limit: int) -> list[str]:
    """The names of those who called last."""
    return [actor for (actor,) in await connection.fetch(_LAST_CALLERS, (project_id, limit))]
