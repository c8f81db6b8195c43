-- Shipped tasks leave the actor's memory and are listed from here, newest first, by the same filters as the others.

create index events_by_task on events (project_id, ((data ->> 'task_id')::bigint), seq)
    where ((data ->> 'task_id')::bigint) is not null;
create index tasks_shipped on events (project_id, ((data ->> 'task_id')::bigint))
    where type = 'task_ship';
create index tasks_by_lane on events (project_id, (data ->> 'lane'), ((data ->> 'task_id')::bigint))
    where type = 'task_create' and (data ->> 'lane') is not null;
create index tasks_by_owner on events (project_id, (data ->> 'owner'), ((data ->> 'task_id')::bigint))
    where type in ('task_create', 'task_assign') and (data ->> 'owner') is not null;

-- Whether a reader has acknowledged a post, also one that very many have acknowledged.
create index acks_by_post_and_reader on events (project_id, ((data ->> 'post_id')::bigint), participation_id, seq)
    where type = 'ack';
