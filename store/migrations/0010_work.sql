-- Cancelled tasks leave the actor's memory like shipped ones.
drop index tasks_shipped;
create index tasks_finished on events (project_id, ((data ->> 'task_id')::bigint))
    where type in ('task_ship', 'task_cancel');

-- How long the owner of a task in progress may stay unseen before others may take the task over.
alter table projects add column stale_after_seconds integer not null default 1800
    check (stale_after_seconds between 60 and 604800);
