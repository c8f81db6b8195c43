-- Where a project's owner is told of what needs them. `secret` signs what is sent, so it is kept as it is; the address may
-- hold a secret of the receiver's. A server that looks at a project moves `due_at` on first, so no other one looks too.
create table webhooks (
    project_id bigint      primary key references projects on delete cascade,
    url        text        not null check (url ~ '^https?://'),
    shape      text        not null check (shape in ('json', 'slack', 'ntfy')),
    secret     text        not null,
    told       jsonb       not null default '{}', -- what was told, by key, and when it was last seen to need the owner
    due_at     timestamptz not null default now(),
    failures   int         not null default 0,    -- tries in a row that failed
    failure    text,                              -- what was wrong with the last one
    sent_at    timestamptz                        -- when the receiver last took something
);
