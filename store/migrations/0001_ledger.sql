-- The ledger, and what rides beside it. Nothing here refers to an owner or a participant: deleting those keeps history.

create table events (
    project_id       bigint      not null,
    seq              bigint      not null,
    at               timestamptz not null,
    actor            text        not null,
    participation_id bigint      not null,
    type             text        not null,
    data             jsonb       not null,
    writer           bigint      not null,
    primary key (project_id, seq)
);

-- Every filter of a history read has an index that ends in seq, so that "newest first" is a walk, not a sort.
-- Those on data are partial: an event pays only for the indexes of its own type.
create index events_by_time  on events (project_id, at, seq);
create index events_by_actor on events (project_id, actor, seq);
create index events_by_type  on events (project_id, type, seq);

create index events_by_sequence on events (project_id, (data ->> 'sequence'), seq)
    where type in ('claim', 'seed');
create index claims_by_number on events (project_id, (data ->> 'sequence'), ((data ->> 'number')::bigint), seq)
    where type = 'claim';

create index posts_by_lane on events (project_id, (data ->> 'to_lane'), seq)
    where type = 'post' and (data ->> 'to_lane') is not null;
create index posts_by_addressee on events (project_id, ((data ->> 'to_id')::bigint), seq)
    where type = 'post' and ((data ->> 'to_id')::bigint) is not null;
create index posts_by_author on events (project_id, participation_id, seq)
    where type = 'post';
create index posts_by_thread on events (project_id, ((data ->> 'thread')::bigint), seq)
    where type = 'post';
create index posts_by_ref on events (project_id, (data ->> 'ref'), seq)
    where type = 'post' and (data ->> 'ref') is not null;
create index posts_by_tag on events (project_id, (data ->> 'tag'), seq)
    where type = 'post' and (data ->> 'tag') is not null;

create index acks_by_post on events (project_id, ((data ->> 'post_id')::bigint), seq)
    where type = 'ack';

-- The fold of a project's events up to seq, in the engine's own format; only the newest is kept.
create table snapshots (
    project_id bigint      primary key,
    seq        bigint      not null,
    state      bytea       not null,
    at         timestamptz not null default now()
);

-- How far each reader has caught up. Reader 0 is the project's owner in person.
create table cursors (
    project_id       bigint not null,
    participation_id bigint not null,
    seq              bigint not null,
    primary key (project_id, participation_id)
);

-- When each reader last called; written behind, so a crash may lose the last moments of it.
create table liveness (
    project_id       bigint      not null,
    participation_id bigint      not null,
    actor            text        not null,
    at               timestamptz not null,
    primary key (project_id, participation_id)
);
