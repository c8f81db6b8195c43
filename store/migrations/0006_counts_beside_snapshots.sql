-- The counts beside a snapshot are made by the database, so that they are right whatever release writes the snapshot:
-- a release before 0003 moved seq on and left the counts behind.

alter table snapshots
    add column counted_seq    bigint,  -- up to where `written` counts; null: it counts nothing
    add column open_posts_seq bigint;  -- as of which event `open_posts` holds

update snapshots set counted_seq = seq, written = coalesce(
    (select jsonb_object_agg(participation_id, events)
       from (select participation_id, count(*) as events from events
              where project_id = snapshots.project_id and seq <= snapshots.seq group by participation_id) as counted),
    '{}');

create function count_beside_snapshot() returns trigger language plpgsql as $$
declare
    counted bigint := 0;
    known   jsonb  := '{}';
begin
    if tg_op = 'INSERT' then
        if exists (select from snapshots where project_id = new.project_id) then
            return new;  -- "on conflict" goes on with an update
        end if;
    elsif old.counted_seq is not null then
        counted := old.counted_seq;
        known := old.written;
    end if;
    new.counted_seq := new.seq;
    new.written := (
        select coalesce(jsonb_object_agg(reader, events), '{}')
          from (select reader, sum(events) as events
                  from (select key as reader, value::bigint as events from jsonb_each_text(known)
                         union all
                        select participation_id::text, count(*) from events
                         where project_id = new.project_id and seq > counted and seq <= new.seq
                         group by participation_id) as parts
                 group by reader) as summed);
    return new;
end
$$;

create trigger snapshots_count before insert or update of seq on snapshots
    for each row execute function count_beside_snapshot();
