-- Servers hear when a session ends, because its open pages are told of news until then. They look at every session of
-- its owner again; a session that only ran out is noticed when its page connects anew.

create function tell_session_ended() returns trigger language plpgsql as $$
begin
    perform pg_notify('llm_bus', json_build_object('identity', true, 'of_owner', old.owner_id)::text);
    return null;
end
$$;

create trigger sessions_tell_that_they_ended after delete on sessions
    for each row execute function tell_session_ended();
