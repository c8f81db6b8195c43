-- Who may do what: owners, their projects and participants, grants, tokens and invites. Secrets only as SHA-256.

create table owners (
    id                  bigint      generated always as identity primary key,
    email               text        not null,
    handle              text        not null check (handle ~ '^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])$'),
    handle_confirmed_at timestamptz,
    is_operator         boolean     not null default false,
    created_at          timestamptz not null default now(),
    suspended_at        timestamptz
);
create unique index owners_by_email on owners (lower(email));
create unique index owners_by_handle on owners (lower(handle));

create table projects (
    id                      bigint      generated always as identity primary key,
    owner_id                bigint      not null references owners on delete cascade,
    slug                    text        not null,
    name                    text        not null,
    liveness_window_seconds integer     not null default 900 check (liveness_window_seconds > 0),
    created_at              timestamptz not null default now(),
    unique (owner_id, slug)
);

create table participants (
    id         bigint      generated always as identity primary key,
    owner_id   bigint      not null references owners on delete cascade,
    label      text        not null check (label ~ '^[^/]{1,64}$'),
    kind       text        not null check (kind in ('agent', 'human')),
    created_at timestamptz not null default now(),
    unique (owner_id, label)
);

create table participations (
    id             bigint      generated always as identity primary key,
    participant_id bigint      not null references participants on delete cascade,
    project_id     bigint      not null references projects on delete cascade,
    lane           text,
    is_admin       boolean     not null default false,
    created_at     timestamptz not null default now(),
    unique (project_id, participant_id)
);
create index participations_by_participant on participations (participant_id);

create table tokens (
    id               bigint      generated always as identity primary key,
    participation_id bigint      not null references participations on delete cascade,
    sha256           bytea       not null unique check (octet_length(sha256) = 32),
    created_at       timestamptz not null default now(),
    revoked_at       timestamptz
);
create index tokens_by_participation on tokens (participation_id);

create table invites (
    id         bigint      generated always as identity primary key,
    project_id bigint      not null references projects on delete cascade,
    sha256     bytea       not null unique check (octet_length(sha256) = 32),
    label      text        check (label ~ '^[^/]{1,64}$'),
    kind       text        not null check (kind in ('agent', 'human')),
    lane       text,
    is_admin   boolean     not null,
    uses_max   integer     not null check (uses_max > 0),
    uses       integer     not null default 0 check (uses between 0 and uses_max),
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
create index invites_by_project on invites (project_id);

-- Every change of identity, written in the transaction that makes it. No foreign keys: it outlives what it tells of.
create table audit (
    id         bigint      generated always as identity primary key,
    at         timestamptz not null default now(),
    owner_id   bigint      not null,
    project_id bigint,
    actor      text        not null,
    action     text        not null,
    detail     jsonb       not null
);
create index audit_by_owner on audit (owner_id, id);
create index audit_by_project on audit (project_id, id);

-- Processes hear of every change of identity when it commits, because every change is audited (store.bulletin).
create function tell_identity_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('llm_bus', '{"identity":true}');
    return null;
end
$$;
create trigger audit_tells_of_changed_identity after insert on audit
    for each statement execute function tell_identity_changed();
