-- Words in any alphabet. `words_of` asked PostgreSQL which characters are letters; in a database with the locale C, as the
-- embedded one is, only those of ASCII are, and no word with an accent was found. Here the characters that part words are
-- named; `store.ledger.words` parts what is searched for by the same ones. Servers of the release before still call
-- `words_of`: until they have ended, their searches read the whole ledger.
create function words_in(project_id bigint, data jsonb) returns tsvector
    language sql immutable parallel safe
    return array_to_tsvector(array['project' || project_id::text]) || to_tsvector('simple'::regconfig, regexp_replace(
        left(coalesce(data ->> 'subject', '') || ' ' || coalesce(data ->> 'title', '') || ' '
             || coalesce(data ->> 'note', '') || ' ' || coalesce(data ->> 'status', '') || ' '
             || coalesce(data ->> 'reason', '') || ' ' || coalesce(data ->> 'detail', '') || ' '
             || coalesce(data ->> 'body', ''), 100000),
        '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+', ' ', 'g'));

drop index events_by_words;

create index events_by_words on events using gin (words_in(project_id, data)) with (gin_pending_list_limit = 256)
    where coalesce(data ->> 'subject', data ->> 'title', data ->> 'note', data ->> 'status', data ->> 'reason',
                   data ->> 'detail', data ->> 'body') is not null;
