-- Handles that an owner had before, the latest first: ledgers name the owner's participants by them.
alter table owners add column former_handles text[] not null default '{}';
