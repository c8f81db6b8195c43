-- A card that hands out a secret, for the browser session that made it and for ten minutes. It is encrypted by a key that
-- only the session's cookie holds; here is only the cookie's SHA-256.
create table cards (
    id             bigint      generated always as identity primary key,
    session_sha256 bytea       not null references sessions (sha256) on delete cascade,
    sealed         text        not null,
    expires_at     timestamptz not null
);
create index cards_by_session on cards (session_sha256);
create index cards_by_end on cards (expires_at);

-- What a token is for, until when it works, and when it was last used: written behind, to the minute.
alter table tokens
    add column name         text check (name ~ '^.{1,64}$'),
    add column expires_at   timestamptz,
    add column last_used_at timestamptz;
