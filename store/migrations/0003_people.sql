-- Owners in a browser: how they sign in, and what their pages show of the ledger. Secrets only as SHA-256.

-- A link that signs its owner in, once.
create table sign_in_links (
    sha256     bytea       primary key check (octet_length(sha256) = 32),
    owner_id   bigint      not null references owners on delete cascade,
    expires_at timestamptz not null
);
create index sign_in_links_by_owner on sign_in_links (owner_id);
create index sign_in_links_by_end on sign_in_links (expires_at);

create table sessions (
    id           bigint      generated always as identity primary key,
    sha256       bytea       not null unique check (octet_length(sha256) = 32),
    owner_id     bigint      not null references owners on delete cascade,
    user_agent   text        not null,
    created_at   timestamptz not null default now(),
    last_seen_at timestamptz not null default now()
);
create index sessions_by_owner on sessions (owner_id);

-- Whom a provider knows by a subject, for good; the email is how they were first found.
create table identities (
    provider   text        not null,
    subject    text        not null,
    owner_id   bigint      not null references owners on delete cascade,
    email      text        not null,
    created_at timestamptz not null default now(),
    primary key (provider, subject),
    unique (owner_id, provider)
);

-- Sign-ins that are at their provider now. Verifier and nonce serve nobody who has not also the provider's answer.
create table sign_in_attempts (
    sha256     bytea       primary key check (octet_length(sha256) = 32),
    provider   text        not null,
    nonce      text        not null,
    verifier   text        not null,
    next_path  text        not null,
    expires_at timestamptz not null
);
create index sign_in_attempts_by_end on sign_in_attempts (expires_at);

-- Only whoever has this verified email may redeem it.
alter table invites add column email text;

-- Two facts of the fold at `seq`, for pages that must not unpack a state: how many posts are open (null: unknown), and
-- how many events each reader wrote.
alter table snapshots add column open_posts integer, add column written jsonb not null default '{}';
update snapshots set written = coalesce(
    (select jsonb_object_agg(participation_id, events)
       from (select participation_id, count(*) as events from events
              where project_id = snapshots.project_id and seq <= snapshots.seq group by participation_id) as counted),
    '{}');
