"""What the code has no place for: the meaning of settings, routes, metrics and codes, each in a sentence.

A name that is not here fails the build of its page, and so does one that is here and nowhere else.
"""

from collections.abc import Iterable, Mapping

CODES: Mapping[str, str] = {
    "invalid": "The arguments make no sense, whatever the state; the sentence names the one to change.",
    "not_found": "What the arguments name is not in this project.",
    "conflict": "The state forbids it now.",
    "forbidden": "Only a lead may do it.",
    "busy": "Too much at once. Nothing happened; try again in a moment.",
    "unavailable": "The database did not answer in time. It may have happened: try again with the same `key`.",
}

SETTINGS: Mapping[str, str] = {
    "DATABASE_URL": "The PostgreSQL to use (15 to 18), as `postgresql://user@host/name`. Without it the embedded one.",
    "DATABASE_URL_FILE": "A file that holds it, as containers are given secrets. The same for every `…_FILE` below.",
    "LLM_BUS_DATA_DIR": "Where the embedded PostgreSQL keeps its data.",
    "DISK_RESERVE_MIB": "How much of the embedded database's disk is to stay free, in MiB: with less, every write is "
    "refused as `unavailable`, before PostgreSQL would stop.",
    "HOST": "The address to listen on.",
    "PORT": "The port to listen on; `0` is any free one.",
    "PUBLIC_URL": "Where clients reach the server, such as `https://bus.example.com`. Hand-out cards, invites and "
    "metadata name it; cookies are `Secure` when it begins with `https`.",
    "ALLOWED_HOSTS": "More host names that the server answers to, with commas between them. That of `PUBLIC_URL` and "
    "loopback are always among them; a request for any other name is refused (DNS rebinding).",
    "LOG_FORMAT": "`text` for people, `json` for machines: one line a request.",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "Where [traces](../how-to/monitor.md#traces) go, such as `http://127.0.0.1:4318`. "
    "Needs the extra `otel`. Other variables of OpenTelemetry count too.",
    "PUBLIC_STATS": "`1` shows live counts to everybody on `/` and at `/api/stats`.",
    "ADMIN_AUTH": "How owners sign in: `link` (a one-time link from the command line), `header` (a proxy in front "
    "says who it is), `oauth` (Google, GitHub or any OpenID Connect provider).",
    "ADMIN_EMAIL_HEADER": "The header in which the proxy names the verified email, for `ADMIN_AUTH=header`.",
    "TRUSTED_PROXIES": "Addresses and networks of proxies, with commas between them. Only they may name the email and "
    "the client's address.",
    "SIGNUP": "Who may become an owner by signing in: `closed`, `open`, or email domains with commas between them.",
    "GOOGLE_CLIENT_ID": "The OAuth client at Google.",
    "GOOGLE_CLIENT_SECRET": "Its secret.",
    "GOOGLE_CLIENT_SECRET_FILE": "A file that holds it.",
    "GITHUB_CLIENT_ID": "The OAuth app at GitHub.",
    "GITHUB_CLIENT_SECRET": "Its secret.",
    "GITHUB_CLIENT_SECRET_FILE": "A file that holds it.",
    "OIDC_DISCOVERY_URL": "The discovery document of an OpenID Connect provider.",
    "OIDC_CLIENT_ID": "The client at that provider.",
    "OIDC_CLIENT_SECRET": "Its secret.",
    "OIDC_CLIENT_SECRET_FILE": "A file that holds it.",
    "OAUTH_REDIRECT_BASE": "Where providers send the browser back to, when that is not `PUBLIC_URL`.",
    "ALLOWED_ORIGINS": "Origins of pages in browsers that may call `/mcp`, such as `https://app.example.com`, with "
    "commas between them. Pages of the server's own host names always may.",
    "WEBHOOK_PRIVATE_ADDRESSES": "`1` lets webhooks send to private, loopback and link-local addresses, and without "
    "TLS. Otherwise only public addresses are sent to.",
    "AUDIT_DAYS": "For how many days audit records stay, and tokens and invites after they ended; the servers remove "
    "older ones. `0` keeps all. Give all servers of a database the same.",
    "KEEP_ALIVE_SECONDS": "How long a connection may stay open between two requests. A proxy in front should close its "
    "own side earlier.",
    "CALLS_PER_SECOND": "Tool calls that each token may make a second, with a burst of ten times as many; each "
    "10,000 bytes of a body count as one more. More are `busy`. `0`: no bound.",
    "WRITTEN_BYTES_PER_DAY": "Bytes that each token may write a day; more are `busy`. `0`: no bound.",
    "PROJECTS_PER_OWNER": "Projects that each owner may have; `0`: no bound.",
    "PARTICIPANTS_PER_OWNER": "Participants that each owner may have; `0`: no bound.",
    "TOKENS_PER_OWNER": "Tokens that work in the projects of each owner; `0`: no bound.",
    "INVITES_PER_OWNER": "Open invites to the projects of each owner; `0`: no bound.",
    "LLM_BUS_TOKEN": "The token with which the commands that act as a participant do so. Never a flag.",
    "LLM_BUS_TOKEN_FILE": "A file that holds it.",
    "LEGACY_DATABASE_URL": "The database that `llm-bus import-legacy` moves from.",
    "LEGACY_DATABASE_URL_FILE": "A file that holds it.",
    "LLM_BUS_URL": "The server that `llm-bus stdio` is a bridge to.",
}

ROUTES: Mapping[str, str] = {
    "/": "The landing page: what this is, whether it is well, how to connect, where to sign in.",
    "/landing/<path:filename>": "Its stylesheet.",
    "/api/stats": "Live counts as JSON, a minute old at most; 404 unless `PUBLIC_STATS=1`.",
    "/mcp": "The MCP endpoint (Streamable HTTP), with `Authorization: Bearer <token>`. Also at `/mcp/`.",
    "/hook/<client>": "What a hook of an agent client sends, and what it then says; `git` takes the reports of the "
    "commit hook. With the same token as `/mcp`.",
    "/healthz": "Whether the process answers: `{ok, service, version}`. Asks no database, and needs no token.",
    "/readyz": "200 when PostgreSQL answers too, 503 when it does not. For load balancers.",
    "/metrics": "[Numbers](metrics.md) for Prometheus.",
    "/join": "Redeem an invite: `{code, name?}`. At most 30 tries per client address in 5 minutes.",
    "/kit/<path:name>": "The adherence kit: `install.sh` installs it into a repository; `kit.pyz` is the program, "
    "`*.sha256` the checksums of both.",
    "/.well-known/oauth-protected-resource": "What protects `/mcp` (RFC 9728).",
    "/.well-known/oauth-protected-resource/mcp": "The same, where clients look first.",
    "/.well-known/<path:name>": "404 with a sentence: there is no OAuth here, and where tokens come from.",
    "/register": "The same, for clients that look for OAuth.",
    "/authorize": "The same.",
    "/token": "The same.",
}
"""Routes outside of the web admin."""

METRICS: Mapping[str, str] = {
    "llm_bus_http_connections": "Open connections. Alert well before the bound (4,096, or the limit of open files).",
    "llm_bus_http_unsent_bytes": "Answers that their clients have not taken yet.",
    "llm_bus_http_arriving_bytes": "Large bodies that are not complete yet.",
    "llm_bus_http_turned_away_total": "Connections that heard 503 because there was no room for them.",
    "llm_bus_fair_use_calls_refused_total": "Calls of tokens that made too many (`CALLS_PER_SECOND`).",
    "llm_bus_fair_use_writes_refused_total": "Calls of tokens that wrote too much (`WRITTEN_BYTES_PER_DAY`).",
    "llm_bus_webhooks_sent_total": "Messages that receivers of webhooks took.",
    "llm_bus_webhooks_failed_total": "Messages that they did not take, or that did not get there; each is tried again.",
    "llm_bus_requests_total": "Requests that have ended, by `tool` (`http` and `mcp` for what is no tool call) and "
    "`outcome` (`ok`, a refusal's code, or what went wrong below).",
    "llm_bus_request_seconds": "How long they took. A call that waits counts its waiting.",
    "llm_bus_actors_actors": "Projects in memory.",
    "llm_bus_actors_mailbox_depth": "Commands that wait for their project's actor; near the bound means `busy` soon.",
    "llm_bus_actors_waiting": "Calls that wait for news (`wait_seconds`).",
    "llm_bus_actors_batches_total": "Batches that actors decided.",
    "llm_bus_actors_commands_total": "Commands in them; by batches, how many share one.",
    "llm_bus_actors_commits_total": "Commits to the ledger; by commands, how many share one.",
    "llm_bus_actors_events_total": "Events appended.",
    "llm_bus_actors_conflicts_total": "Commits that another process won; decided again.",
    "llm_bus_actors_read_only": "Projects whose ledger has a gap: they can be read and not changed. Alert on any.",
    "llm_bus_actors_rebuilds_total": "States read anew from snapshot and ledger.",
    "llm_bus_actors_snapshots_total": "Snapshots written.",
    "llm_bus_actors_snapshots_unreadable_total": "Snapshots that could not be read: the whole history was folded.",
    "llm_bus_actors_ledgers_lost_total": "Projects whose ledger had lost its last events, as after the failover to a "
    "standby that lagged behind. Alert on any.",
    "llm_bus_actors_refused_busy_total": "Commands refused because a mailbox or the directory was full.",
    "llm_bus_actors_unavailable_total": "Commands given up because the database did not answer in time.",
    "llm_bus_actors_crashes_total": "Actors that crashed and were restarted: bugs. Alert on any.",
    "llm_bus_actors_commit_seconds": "How long a commit took until it was durable.",
    "llm_bus_actors_queue_seconds": "How long a command waited for the batch that decides it.",
    "llm_bus_actors_batch_commands": "How many commands shared a batch.",
    "llm_bus_projects_events": "Events in the ledgers of the projects in memory.",
    "llm_bus_projects_agents": "Who called within the last 15 minutes, in the projects in memory.",
    "llm_bus_projects_leases": "Leases that are held there.",
    "llm_bus_projects_tasks_unfinished": "Tasks there that have not shipped.",
    "llm_bus_projects_tasks_stale": "Tasks in progress that were not moved for half an hour, nor their owner seen.",
    "llm_bus_projects_handoffs_open": "Posts there that somebody still has to acknowledge.",
    "llm_bus_projects_handoffs_overdue": "Posts of them that have waited for more than a day.",
    "llm_bus_projects_handoff_oldest_seconds": "How long the oldest of them has waited.",
    "llm_bus_build_info": "The version that runs, as the label `version`; always 1.",
    "python_info": "The Python that runs, as labels; always 1.",
    "process_virtual_memory_bytes": "Address space of the process.",
    "process_resident_memory_bytes": "Memory that it holds.",
    "process_start_time_seconds": "When it started, in seconds since 1970.",
    "process_cpu_seconds_total": "Processor time that it has used.",
    "process_open_fds": "Files and sockets that it has open.",
    "process_max_fds": "How many it may have. Alert before the other gets there.",
    "llm_bus_disk_free_bytes": "Room on the embedded database's disk; missing when a database was given.",
    "llm_bus_disk_reserve_bytes": "Below this, writes are refused (`DISK_RESERVE_MIB`). Alert well before.",
    "llm_bus_clock_offset_seconds": "How far this machine's clock is ahead of PostgreSQL's, which counts.",
    "llm_bus_clock_uncertainty_seconds": "How exactly the offset is known: half of the round trip that measured it.",
    "llm_bus_clock_jumps": "How often the offset changed more than its measurement explains. Alert when it grows.",
    "llm_bus_clock_trouble": "1 while the clock cannot be trusted and the server is not ready. Alert on any.",
    "llm_bus_ledger_gaps": "Gaps in ledgers, looked for every hour. Alert on any: `llm-bus repair` closes them.",
    "llm_bus_peers_others": "Other processes on the same database.",
    "llm_bus_peers_deaf": "1 while news of other processes may be missed; every batch then looks at the ledger first.",
    "llm_bus_peers_opened_total": "Sessions opened to hear other processes; grows when they are lost.",
    "llm_bus_history_pool_size_max": "Database sessions for searches of the ledger, which are never those of commits.",
    "llm_bus_history_pool_idle": "Sessions of them that nobody uses.",
    "llm_bus_history_pool_lent": "Sessions of them in use.",
    "llm_bus_history_pool_waiting": "Searches that wait for a session.",
    "llm_bus_history_pool_opened_total": "Sessions of them opened.",
    "llm_bus_history_pool_discarded_total": "Sessions of them thrown away because something went wrong on them.",
    "llm_bus_pool_size_max": "Database sessions there may be.",
    "llm_bus_pool_idle": "Sessions that nobody uses.",
    "llm_bus_pool_lent": "Sessions in use.",
    "llm_bus_pool_waiting": "Tasks that wait for a session. Alert when it stays above zero.",
    "llm_bus_pool_opened_total": "Sessions opened.",
    "llm_bus_pool_discarded_total": "Sessions thrown away because something went wrong on them.",
}


class WordsMissing(LookupError):
    """Something has no words, or words are for nothing."""


def check(kind: str, words: Iterable[object], things: Iterable[object]) -> None:
    """Raise `WordsMissing` unless everything has words and all words are for something."""
    explained, there = set(words), set(things)
    if explained != there:
        raise WordsMissing(
            f"{kind} without words: {sorted(map(str, there - explained))}; "
            f"words for nothing: {sorted(map(str, explained - there))}"
        )
