-- Names under which a participant wrote in ledgers before it was renamed, the latest first. Renames before this version
-- are in the audit trail only.
alter table participants add column former_labels text[] not null default '{}';
