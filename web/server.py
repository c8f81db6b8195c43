"""One server process: it joins store, actors and application, runs them, and shuts them down.

Shutdown, on SIGTERM or SIGINT: accept nothing more, let waits answer with what they have, let running requests end,
then drain the actors. A second signal cuts all that short.
"""

import signal
from collections.abc import Callable, Collection
from functools import partial

import structlog
import trio
from msgspec import Struct

from actors import Directory
from store import Listener, Store, open_store
from store.ledger.peers import TRUST_SECONDS
from store.ledger.statistics import PublicCounter
from store.opening import PATIENCE_SECONDS
from store.people import grants, retention, sessions, tokens
from store.postgres.pool import POOL_SIZE_MAX
from web.admin.blueprint import admin
from web.admin.providers import ProvidersOf, providers_of
from web.config import Settings
from web.fair_use import FairUse
from web.http.app import Application, create_pages
from web.http.hosts import HostGuard
from web.http.listener import Listener as HttpListener
from web.http.proxies import Proxies
from web.http.serving import Server as HttpServer
from web.identity.authenticator import Authenticator
from web.identity.changes import Changes
from web.identity.people import People
from web.identity.rosters import Rosters
from web.identity.waits import Waits
from web.landing.live_counts import LiveCounts
from web.landing.pages import landing
from web.mcp.sending import ANSWER_SECONDS_MAX
from web.metrics import Metrics
from web.routes.join import joining
from web.routes.kit import handing_out_kit
from web.routes.operations import operations
from web.services import Services
from web.tracing import Tracing, open_tracing
from web.webhooks.sending import Sender
from web.webhooks.teller import LOOK_SECONDS, Webhooks

log = structlog.get_logger(__name__)


async def run_bus(
    settings: Settings,
    conninfo: str,
    listeners: list[HttpListener],
    stopping: trio.Event,
    *,
    ready: Callable[[], object],
    providers: ProvidersOf = providers_of,
    pool_size_max: int = POOL_SIZE_MAX,
    trust_seconds: float = TRUST_SECONDS,
    patience_seconds: float = PATIENCE_SECONDS,
    look_seconds: float = LOOK_SECONDS,
    answer_seconds_max: float = ANSWER_SECONDS_MAX,
    has_fast_way: bool = True,
) -> None:
    """Serve a migrated database on `listeners`, and close them, until `stopping` is set; then return, all drained.

    `settings` are bound (`Settings.bound_to`). Calls `ready` once connections are accepted.
    """
    async with (
        open_store(
            conninfo, pool_size_max=pool_size_max, trust_seconds=trust_seconds, patience_seconds=patience_seconds
        ) as store,
        trio.open_nursery() as nursery,
    ):
        services = join(store, settings, stopping, answer_seconds_max=answer_seconds_max)
        await nursery.start(services.directory.run)
        nursery.start_soon(store.listen, _listener(services))
        nursery.start_soon(services.waits.run, partial(_still_admitted, store))
        nursery.start_soon(services.authenticator.note_uses, lambda hashes: store.write(tokens.note_use, hashes))
        nursery.start_soon(services.webhooks.run, look_seconds)
        if settings.audit_days:
            remove = partial(store.write, retention.remove_old, settings.audit_days)
            nursery.start_soon(retention.keep_removing, remove)
        counts = LiveCounts(PublicCounter(store.pool).count) if settings.public_stats else None
        if counts is not None:
            nursery.start_soon(counts.run)
        tracing = None if (endpoint := settings.otel_exporter_otlp_endpoint) is None else open_tracing(endpoint)
        if tracing is not None:
            nursery.start_soon(tracing.run)
        app = create_app(services, store, settings, providers, counts=counts, tracing=tracing)
        nursery.start_soon(app.write_log)
        server = create_server(app, services, settings, has_fast_way=has_fast_way)
        await server.run(listeners, stopping, ready)
        await services.directory.stop()
        nursery.cancel_scope.cancel()


async def stop_on_signals(stopping: trio.Event, everything: trio.CancelScope) -> None:
    """Set `stopping` on the first SIGTERM or SIGINT, and cancel `everything` on the next; never returns."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            name = signal.Signals(number).name
            if stopping.is_set():
                log.warning("stopping at once", signal=name)
                everything.cancel()
            else:
                log.info("stopping", signal=name)
                stopping.set()


def join(
    store: Store, settings: Settings, stopping: trio.Event, *, answer_seconds_max: float = ANSWER_SECONDS_MAX
) -> Services:
    """The parts of one process on top of an open store. `settings.public_url` must be known."""
    assert settings.public_url is not None  # noqa: S101 - bound_to() sets it
    authenticator = Authenticator(lambda token_hash: store.read(tokens.authenticate, token_hash))
    rosters = Rosters(lambda project_id: store.read(grants.roster, project_id))
    waits = Waits(stopping)
    directory = Directory(store.journal, clock=store.clock.now)
    sender = Sender(allow_private=settings.webhook_private_addresses)
    return Services(
        directory=directory,
        authenticator=authenticator,
        rosters=rosters,
        people=People(store, authenticator, rosters, waits, settings.quotas),
        fair_use=FairUse(
            calls_per_second=settings.calls_per_second, written_bytes_per_day=settings.written_bytes_per_day
        ),
        proxies=Proxies(settings.trusted_proxies),
        public_url=settings.public_url,
        waits=waits,
        webhooks=Webhooks(store, directory, sender, public_url=settings.public_url),
        changes=Changes(),
        answer_seconds_max=answer_seconds_max,
        disk=settings.disk,
    )


async def _still_admitted(store: Store, hashes: Collection[bytes]) -> set[bytes]:
    """Which of these tokens and sessions work now."""
    return await store.read(tokens.still_valid, hashes) | await store.read(sessions.still_open, hashes)


def _listener(services: Services) -> Listener:
    """What news from other processes means here."""

    def identity(owner_id: int | None, project_id: int | None) -> None:
        services.people.changed(owner_id=owner_id, project_id=project_id)

    def gap() -> None:
        services.people.changed()
        services.changes.tell(None)
        services.directory.missed_news()

    return Listener(project=services.directory.heard, identity=identity, audited=services.changes.tell, gap=gap)


def create_app(
    services: Services,
    store: Store,
    settings: Settings,
    providers: ProvidersOf = providers_of,
    *,
    counts: LiveCounts | None = None,
    tracing: Tracing | None = None,
) -> Application:
    """The application on top of these parts. `settings` are bound; everybody sees the `counts` if there are any."""
    sources: dict[str, Callable[[], Struct]] = {
        "actors": services.directory.statistics,
        "projects": services.directory.figures,
        "pool": store.pool.statistics,
        "history_pool": store.history.statistics,
        "clock": store.clock.statistics,
        "peers": store.peers.statistics,
        "ledger": store.gap_watch.statistics,
    }
    sources["fair_use"] = services.fair_use.statistics
    sources["webhooks"] = services.webhooks.statistics
    if services.disk is not None:
        sources["disk"] = services.disk.statistics
    metrics = Metrics(**sources)
    pages = create_pages()
    pages.register_blueprint(operations(services.public_url, metrics, store.ping))
    pages.register_blueprint(joining(services.public_url, services.people))
    pages.register_blueprint(admin(services, store, settings, metrics, providers))
    pages.register_blueprint(handing_out_kit(services.public_url))
    pages.register_blueprint(landing(services.public_url, store.ping, counts))
    guard = HostGuard(services.public_url, settings.allowed_hosts, settings.allowed_origins)
    return Application(services, metrics, pages, guard, tracing)


def create_server(app: Application, services: Services, settings: Settings, *, has_fast_way: bool = True) -> HttpServer:
    """The HTTP server for this application, which reports on it too."""
    server = HttpServer(
        app, services.proxies, keep_alive_seconds=settings.keep_alive_seconds, has_fast_way=has_fast_way
    )
    app.watch("http", server.statistics)
    return server
