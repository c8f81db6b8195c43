-- A sequence's events, and those of one of its numbers, include what was voided.
drop index events_by_sequence;
create index events_by_sequence on events (project_id, (data ->> 'sequence'), seq)
    where type in ('claim', 'seed', 'void_claim');

drop index claims_by_number;
create index events_by_number on events (project_id, (data ->> 'sequence'), ((data ->> 'number')::bigint), seq)
    where type in ('claim', 'void_claim');
