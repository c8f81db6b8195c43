-- Emails are compared by one rule (store.people.emails): the case of ASCII letters is ignored, nothing else. Under the
-- database's own collation, the Kelvin sign lower-cases to k and would find somebody else's account. The new key is
-- finer than the old one, so no two rows can collide.
drop index owners_by_email;
create unique index owners_by_email on owners (lower(email collate "C"));

-- Sessions end 30 days after they began, whatever their use: the sweep finds them by this.
create index sessions_by_start on sessions (created_at);

-- A used link is remembered for a day, so that a second use is noticed.
alter table sign_in_links add column used_at timestamptz;

-- Signing in changes nobody's names or rights: other processes need not forget what they know.
drop trigger audit_tells_of_changed_identity on audit;
create trigger audit_tells_of_changed_identity after insert on audit
    for each row when (new.action not in ('link_make', 'link_refuse', 'sign_in'))
    execute function tell_identity_changed();
