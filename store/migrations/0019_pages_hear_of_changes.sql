-- Open pages hear of every change that the audit trail records, also of those that change no token, right or name of
-- somebody who is there. For the latter 'identity' is false, so servers forget nothing.

create or replace function tell_identity_changed() returns trigger language plpgsql as $$
begin
    perform pg_notify('llm_bus', json_build_object(
        'identity', new.action not in ('owner_add', 'project_add', 'invite', 'invite_revoke', 'ledger_repair'),
        'audited', true, 'of_owner', new.owner_id, 'of_project', new.project_id)::text);
    return null;
end
$$;

drop trigger audit_tells_of_changed_identity on audit;

create trigger audit_tells_of_changed_identity after insert on audit for each row
    when (new.action not in ('sign_in', 'link_make', 'link_refuse', 'identity_link'))
    execute function tell_identity_changed();
