-- Free-text search of a project's ledger: the words of subjects, bodies, titles, notes, statuses and reasons. The project
-- is a word too, so that one index serves all projects and reads only what is this one's.
create function words_of(project_id bigint, data jsonb) returns tsvector
    language sql immutable parallel safe
    return array_to_tsvector(array['project' || project_id::text]) || to_tsvector('simple'::regconfig, regexp_replace(
        left(coalesce(data ->> 'subject', '') || ' ' || coalesce(data ->> 'title', '') || ' '
             || coalesce(data ->> 'note', '') || ' ' || coalesce(data ->> 'status', '') || ' '
             || coalesce(data ->> 'reason', '') || ' ' || coalesce(data ->> 'detail', '') || ' '
             || coalesce(data ->> 'body', ''), 100000),
        '[^[:alnum:]]+', ' ', 'g'));

-- A write adds its words to a short list, which is merged into the index when it has 256 kB: a merge of the usual 4 MB
-- would hold up a commit for a tenth of a second and more.
create index events_by_words on events using gin (words_of(project_id, data)) with (gin_pending_list_limit = 256)
    where coalesce(data ->> 'subject', data ->> 'title', data ->> 'note', data ->> 'status', data ->> 'reason',
                   data ->> 'detail', data ->> 'body') is not null;
