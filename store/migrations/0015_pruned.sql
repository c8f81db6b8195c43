-- What `llm-bus prune` moved from a ledger into files: events before `seq` that are neither open work nor about a task.
-- The event `seq` stays, so that the ledger still shows what its later events follow.

create table pruned (
    project_id bigint      primary key,
    seq        bigint      not null,
    state      bytea       not null,  -- the fold of all events up to seq, from which a state can be rebuilt
    written    jsonb       not null,  -- how many of them each reader wrote
    length     bigint      not null,  -- how many bytes these events take in ledger.jsonl
    sha256     bytea       not null,  -- of these bytes
    at         timestamptz not null default now()
);

-- Counts beside a snapshot that begin anew begin with what was moved.
create or replace function count_beside_snapshot() returns trigger language plpgsql as $$
declare
    counted bigint;
    known   jsonb;
begin
    if tg_op = 'INSERT' then
        if exists (select from snapshots where project_id = new.project_id) then
            return new;  -- "on conflict" goes on with an update
        end if;
    elsif old.counted_seq is not null then
        counted := old.counted_seq;
        known := old.written;
    end if;
    if counted is null then
        select seq, written into counted, known from pruned where project_id = new.project_id;
    end if;
    new.counted_seq := new.seq;
    new.written := (
        select coalesce(jsonb_object_agg(reader, events), '{}')
          from (select reader, sum(events) as events
                  from (select key as reader, value::bigint as events from jsonb_each_text(coalesce(known, '{}'))
                         union all
                        select participation_id::text, count(*) from events
                         where project_id = new.project_id and seq > coalesce(counted, 0) and seq <= new.seq
                         group by participation_id) as parts
                 group by reader) as summed);
    return new;
end
$$;
