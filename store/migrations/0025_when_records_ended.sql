-- A server removes audit records, tokens and invites that ended long ago (store.people.retention). It finds them here.
create index audit_by_time on audit (at);
create index tokens_by_end on tokens (least(revoked_at, expires_at));
create index invites_by_end on invites (least(revoked_at, expires_at));
