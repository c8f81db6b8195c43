-- Words of the newest events first. The index of migration 0020 gave all events with a word at once, in no order: 100,000
-- of them took 50 ms, to show the newest 50. Here a word is indexed together with its project and the block of 8,192
-- events that it is in, so a search asks block by block, beginning at the newest (`store.ledger.history`). Servers of the
-- release before still call `words_in`: until they have ended, their searches read the whole ledger.
create function word_prefix(project_id bigint, block bigint) returns text
    language sql immutable parallel safe
    return 'p' || project_id::text || 'b' || block::text || 'w';

-- The characters that part words are those of 0020. They become the prefix of the word that follows. PostgreSQL's own
-- parser takes half of the time that an event costs, and it knows how to leave out words that are too long: only texts
-- that may have one go through it. A tsvector may have 1 MB, which 40,000 characters and their prefixes do not fill.
create function words_after(prefix text, data jsonb) returns tsvector
    language plpgsql immutable parallel safe as $$
declare
    said text := ' ' || left(concat_ws(' ', data ->> 'subject', data ->> 'title', data ->> 'note', data ->> 'status',
                                       data ->> 'reason', data ->> 'detail', data ->> 'body'), 40000);
    words text := regexp_replace(
        said, '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+',
        ' ' || prefix, 'g');
begin
    if octet_length(said) < 1000 then
        return array_to_tsvector(string_to_array(substr(lower(words), 2), ' '));
    end if;
    return to_tsvector('simple'::regconfig, words);
end
$$;

create function words_by_block(project_id bigint, seq bigint, data jsonb) returns tsvector
    language sql immutable parallel safe
    return words_after(word_prefix(project_id, seq / 8192), data);

drop index events_by_words;

-- Every block that is asked reads the list of what was not merged yet, so the list is as short as PostgreSQL allows.
create index events_by_words on events using gin (words_by_block(project_id, seq, data))
    with (gin_pending_list_limit = 64)
    where coalesce(data ->> 'subject', data ->> 'title', data ->> 'note', data ->> 'status', data ->> 'reason',
                   data ->> 'detail', data ->> 'body') is not null;

drop function words_of(bigint, jsonb);
