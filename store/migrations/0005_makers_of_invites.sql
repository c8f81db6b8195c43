-- Which participation made an invite; null for the owner in person and the command line. An invite works only while its
-- maker still has the right to make one. No foreign key: a maker who was deleted has no right any more.
alter table invites add column made_by bigint;
