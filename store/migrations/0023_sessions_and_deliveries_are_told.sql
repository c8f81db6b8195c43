-- Open pages hear of sessions that begin and end, and of how deliveries of webhooks went: the account and the settings
-- show them. Neither is in the audit trail.

create function tell_session_began() returns trigger language plpgsql as $$
begin
    perform pg_notify('llm_bus', json_build_object('audited', true, 'of_owner', new.owner_id)::text);
    return null;
end
$$;

create trigger sessions_tell_that_they_began after insert on sessions
    for each row execute function tell_session_began();

create or replace function tell_session_ended() returns trigger language plpgsql as $$
begin
    perform pg_notify('llm_bus', json_build_object('identity', true, 'audited', true, 'of_owner', old.owner_id)::text);
    return null;
end
$$;

create function tell_delivery() returns trigger language plpgsql as $$
begin
    perform pg_notify('llm_bus', json_build_object(
        'audited', true, 'of_owner', (select owner_id from projects where id = new.project_id))::text);
    return null;
end
$$;

create trigger webhooks_tell_of_deliveries after update on webhooks for each row
    when ((old.sent_at, old.failure, old.failures) is distinct from (new.sent_at, new.failure, new.failures))
    execute function tell_delivery();
