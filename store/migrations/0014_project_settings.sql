-- Where a post's ref leads ({ref} stands for it), and in which time zone the project's pages tell times without script.
alter table projects
    add column ref_url   text check (ref_url ~ '^https?://'),
    add column time_zone text not null default 'UTC';
