-- Servers hear whose identities changed, and forget only those: one owner's changes must not cost every other owner the
-- caches. What changes no token, right or name of somebody who is there is not told at all.

create or replace function tell_identity_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('llm_bus', json_build_object(
        'identity', true, 'of_owner', new.owner_id, 'of_project', new.project_id)::text);
    return null;
end
$$;

drop trigger audit_tells_of_changed_identity on audit;

create trigger audit_tells_of_changed_identity after insert on audit for each row
    when (new.action not in ('sign_in', 'link_make', 'link_refuse', 'identity_link', 'owner_add', 'project_add',
                             'invite', 'invite_revoke', 'ledger_repair'))
    execute function tell_identity_changed();
