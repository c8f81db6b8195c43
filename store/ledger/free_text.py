"""Free-text search of a ledger: the newest events that have all words, or beginnings of words, of a text.

Migration 0021 indexes words block by block of the ledger. A search asks the newest block first and ends when it has a
page. Of a block it reads all events that have the words, so a filter that few of them meet would make it read very
many: 100,000 events with a common word took 20 ms, to find the 50 of one actor. So the filters are probed first, as in
other searches (`store.ledger.history`):

- Where one matches fewer than `FEW_MAX` events, those are read and their texts compared; no block is asked. Long texts
  take a hundred times longer than short ones, so after `COMPARED_SECONDS_MAX` the search says how far back it came.
- Otherwise blocks are asked until `READ_MAX` events were read; then the search says how far back it came.
"""

import re
from functools import partial
from time import perf_counter
from typing import Any

from msgspec import Struct

from engine.lookups import EventQuery, EventView, Found
from store.ledger import history
from store.postgres.connection import Connection

WORDS_MAX = 10
"""Words of a search that count."""

BLOCK_EVENTS = 8_192
"""Events whose words the index keeps together, as in migration 0021."""

BLOCKS_MAX = 2_000
"""Blocks that one search asks: 16 million events, some 20 ms where none of them has the words."""

FEW_MAX = 2_000
"""How many events a filter may match for their texts to be compared: some 10 ms where all of them are posts."""

SLICE_EVENTS = 500
"""How many of those are compared in one statement: less than a second where all have the longest texts."""

COMPARED_SECONDS_MAX = 0.5
"""After this no further slice is compared."""

READ_MAX = 10_000
"""Events with the words after which no further block is asked where a filter drops most: some 10 ms."""

# The texts of an event, as migration 0021 has them.
_TEXTS = """data ->> 'subject', data ->> 'title', data ->> 'note', data ->> 'status', data ->> 'reason',
             data ->> 'detail', data ->> 'body'"""

_HAS_WORDS = """words_by_block(project_id, seq, data)
        @@ replace(%(words)s, '@', word_prefix(%(project)s, {block}))::tsquery"""

# An event's words are computed again, which takes a hundred times longer than to see that a text does not contain one.
# PostgreSQL checks the cheaper condition first.
_CONTAINS = f"lower(concat_ws(' ', {_TEXTS})) like any(%({{name}})s::text[])"

_FEW = "select e.seq from {source} as e where {conditions} order by e.seq desc"

# The newest and the oldest block in which something meets one filter.
_SPAN = f"""
select (select e.seq / {BLOCK_EVENTS} from events e where {{conditions}} order by e.seq desc limit 1),
       (select e.seq / {BLOCK_EVENTS} from events e where {{conditions}} order by e.seq limit 1)
"""  # noqa: S608 - put together from constants

# Block by block, the newest first. "offset 0" makes the events of a block a subquery by itself, which nothing but the
# index of words can find.
_BLOCKS = f"""
with recursive asked as (
      select %(newest_block)s::bigint + 1 as upto, 0::bigint as read, 0 as found, '{{{{}}}}'::bigint[] as numbers
       union all
      select block, asked.read + said.read, asked.found + cardinality(said.numbers), said.numbers
        from asked
       cross join lateral (select asked.upto - 1 as block) as next
       cross join lateral (
             select count(*) as read, coalesce(array_agg(e.seq) filter (where {{filters}}), '{{{{}}}}') as numbers
               from (select * from events
                      where coalesce({_TEXTS}) is not null and {_HAS_WORDS.format(block="block")} offset 0) as e
              where {{base}}) as said
       where asked.upto > %(oldest_block)s and asked.found < %(limit)s and asked.read < %(read_max)s)
select min(upto), array(select number from asked as each, unnest(each.numbers) as number
                         order by number desc limit %(limit)s)
  from asked
"""  # noqa: S608 - put together from constants

# One look at the primary key for each; a plain join might go through all events instead.
_FOUND = """
(select one.* from unnest(%(numbers)s::bigint[]) as found (seq)
  cross join lateral (select * from events where project_id = %(project)s and seq = found.seq limit 1) as one)
"""

# PostgreSQL reads an index of words only as a bitmap, which our sessions do without elsewhere. Without the index, a
# search would read the whole ledger for every block.
_BY_INDEX = "select set_config('enable_bitmapscan', 'on', true), set_config('enable_seqscan', 'off', true)"

_BETWEEN_WORDS = re.compile("[\x00-\x2f:-@\\[-`{-\xbf\u2000-\u206f\u3000-\u303f]+")
"""As in migration 0021."""


class WordQuery(Struct, frozen=True):
    """The words of a search, each in the ways that it may be written in the index."""

    words: tuple[tuple[str, ...], ...]

    @property
    def in_block(self) -> str:
        """The search of one block. `@`, which no word has, stands before each word for its project and block."""
        return " & ".join("(" + " | ".join(f"'@{form}':*" for form in forms) + ")" for forms in self.words)


def query_of(text: str) -> WordQuery | None:
    """The search for all words of a text; None when it has no word."""
    words = _BETWEEN_WORDS.sub(" ", text).split()[:WORDS_MAX]
    return WordQuery(tuple(_forms(word) for word in words)) if words else None


async def find(connection: Connection, project_id: int, query: EventQuery, said: WordQuery) -> Found[EventView]:
    """The newest events that match and have the words."""
    return await history.by_every_name(query, partial(_find, connection, project_id, said))


async def _find(connection: Connection, project_id: int, said: WordQuery, query: EventQuery) -> Found[EventView]:
    """`find` under the one name that the query has for the actor."""
    base, filters, parameters = history.asked(project_id, query)
    parameters["words"] = said.in_block
    if filters:
        only, is_rare = await history.rarest(connection, base, filters, parameters, FEW_MAX)
        if is_rare:
            return await _among_few(connection, history.collected(base, only), base + filters, parameters, said)
    return await _by_blocks(connection, base, filters, parameters)


async def _among_few(
    connection: Connection, source: str, conditions: list[str], parameters: dict[str, Any], said: WordQuery
) -> Found[EventView]:
    """The events with these words among those of a rare filter, slice by slice from the newest on."""
    few = _FEW.format(source=source, conditions=" and ".join(conditions))
    numbers = [number for (number,) in await connection.fetch(few, parameters)]
    words = {f"word_{place}": [f"%{form}%" for form in forms] for place, forms in enumerate(said.words)}
    wanted = [*(_CONTAINS.format(name=name) for name in words), _HAS_WORDS.format(block=f"seq / {BLOCK_EVENTS}")]
    late_at = perf_counter() + COMPARED_SECONDS_MAX
    found: list[EventView] = []
    for at in range(0, len(numbers), SLICE_EVENTS):
        if at and perf_counter() > late_at:
            return Found(found, numbers[at - 1])
        asked = {"numbers": numbers[at : at + SLICE_EVENTS], "limit": parameters["limit"] - len(found)}
        found += await history.events_of(connection, _FOUND, wanted, {**parameters, **words, **asked})
        if len(found) == parameters["limit"]:
            break
    return Found(found)


async def _by_blocks(
    connection: Connection, base: list[str], filters: list[str], parameters: dict[str, Any]
) -> Found[EventView]:
    """The events with these words, from the newest block on."""
    statements = [_SPAN.format(conditions=" and ".join([*base, each])) for each in filters or ["true"]]
    spans = [span for each in statements for span in await connection.fetch(each, parameters)]
    if (None, None) in spans:
        return Found()
    newest, oldest = min(newest for newest, _ in spans), max(oldest for _, oldest in spans)
    last = max(oldest, newest - BLOCKS_MAX + 1)
    statement = _BLOCKS.format(base=" and ".join(base), filters=" and ".join(filters) or "true")
    async with connection.transaction():
        await connection.fetch(_BY_INDEX)
        ((back_to, numbers),) = await connection.fetch(
            statement, {**parameters, "newest_block": newest, "oldest_block": last, "read_max": READ_MAX}
        )
    found = await history.events_of(connection, _FOUND, ["true"], {**parameters, "numbers": numbers})
    ended_early = len(found) < parameters["limit"] and oldest < back_to
    return Found(found, back_to * BLOCK_EVENTS if ended_early else None)


def _forms(word: str) -> tuple[str, ...]:
    """A word in either case: PostgreSQL may know upper and lower case in ASCII alone."""
    written = (word.lower(), word, word.title(), word.upper())
    return tuple(dict.fromkeys(_lower_ascii(form) for form in written if form.lower() == word.lower()))


def _lower_ascii(word: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in word)
