-- An archived project is kept as it is and lets nobody in, until it is taken out of the archive again.
alter table projects add column archived_at timestamptz;
