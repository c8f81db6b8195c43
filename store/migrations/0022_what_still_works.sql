-- Tokens and invites that were taken back stay. A lead can make and revoke them in a loop, and whoever asks what works
-- now (lists of participants, quotas, invites) would look at all of them each time.
create index tokens_not_revoked on tokens (participation_id, id) where revoked_at is null;
create index invites_not_used_up on invites (project_id, id) where revoked_at is null and uses < uses_max;
