-- Words of the newest events first. The index of migration 0020 gave all events with a word at once, in no order: 100,000
-- of them took 50 ms, to show the newest 50. Here a word is indexed together with its project and the block of 8,192
-- events that it is in, so a search asks block by block, beginning at the newest (`store.ledger.history`). Servers of the
-- release before still call `words_in`: until they have ended, their searches read the whole ledger.
create function word_prefix(project_id bigint, block bigint) returns text
    language sql immutable parallel safe
    return 'p' || project_id::text || 'b' || block::text || 'w';

-- The characters that part words are those of 0020. They become the prefix of the word that follows. A tsvector may have
-- 1 MB, which 40,000 characters and their prefixes do not fill.
create function words_by_block(project_id bigint, seq bigint, data jsonb) returns tsvector
    language sql immutable parallel safe
    return to_tsvector('simple'::regconfig, regexp_replace(
        ' ' || left(coalesce(data ->> 'subject', '') || ' ' || coalesce(data ->> 'title', '') || ' '
             || coalesce(data ->> 'note', '') || ' ' || coalesce(data ->> 'status', '') || ' '
             || coalesce(data ->> 'reason', '') || ' ' || coalesce(data ->> 'detail', '') || ' '
             || coalesce(data ->> 'body', ''), 40000),
        '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+',
        ' ' || word_prefix(project_id, seq / 8192), 'g'));

drop index events_by_words;

-- Every block that is asked reads the list of what was not merged yet, so the list is as short as PostgreSQL allows.
create index events_by_words on events using gin (words_by_block(project_id, seq, data))
    with (gin_pending_list_limit = 64)
    where coalesce(data ->> 'subject', data ->> 'title', data ->> 'note', data ->> 'status', data ->> 'reason',
                   data ->> 'detail', data ->> 'body') is not null;

drop function words_of(bigint, jsonb);
