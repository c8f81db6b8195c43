-- What became of backups, so that an operator sees it. `failure` is null for one that succeeded, the figures for one that
-- did not.
create table backups (
    id         bigint      generated always as identity primary key,
    at         timestamptz not null default now(),
    file       text        not null,
    events     bigint,
    projects   bigint,
    size_bytes bigint,
    failure    text
);
