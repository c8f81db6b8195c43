"""One server process: the store, the actors and the application joined, from the first signal of life to the last.

Shutdown, on SIGTERM or SIGINT: accept nothing more, let waits answer with what they have, let running requests end,
then drain the actors. A second signal cuts all that short.
"""

import signal

import structlog
import trio

from actors import Directory
from store import Store, open_store
from web.app import Application, create_pages
from web.auth import Authenticator
from web.config import Settings
from web.connections import listen
from web.hosts import HostGuard
from web.metrics import Metrics
from web.operations import operations
from web.people import People
from web.rosters import Rosters
from web.services import Services
from web.serving import serve

log = structlog.get_logger(__name__)


async def run_server(
    settings: Settings, conninfo: str, *, task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED
) -> None:
    """Run one server on a migrated database until a signal stops it; returns once everything is drained.

    Announces its URL on stdout, and to `task_status`, when it is ready. Raises `OSError` when it cannot listen.
    """
    listeners = await listen(settings.host, settings.port)
    settings = settings.bound_to(listeners[0].port)
    url = f"http://{settings.host}:{settings.port}"

    def announce() -> None:
        print(f"listening on {url}", flush=True)  # noqa: T201 - for whoever started the process: the contract's words
        task_status.started(url)

    async with open_store(conninfo) as store, trio.open_nursery() as nursery:
        services = join(store, settings)
        nursery.start_soon(_stop_on_signals, services.stopping, nursery.cancel_scope)
        await nursery.start(services.directory.run)
        await serve(create_app(services, store, settings), listeners, services.stopping, announce)
        await services.directory.stop()
        nursery.cancel_scope.cancel()


def join(store: Store, settings: Settings) -> Services:
    """The parts of one process on top of an open store. `settings.public_url` must be known."""
    assert settings.public_url is not None  # noqa: S101 - bound_to() sets it
    authenticator = Authenticator(store.accounts)
    rosters = Rosters(store.accounts)
    return Services(
        directory=Directory(store.journal),
        authenticator=authenticator,
        rosters=rosters,
        people=People(store.accounts, authenticator, rosters),
        public_url=settings.public_url,
    )


def create_app(services: Services, store: Store, settings: Settings) -> Application:
    """The application on top of these parts."""
    metrics = Metrics(actors=services.directory.statistics, pool=store.pool.statistics)
    pages = create_pages()
    pages.register_blueprint(operations(services.public_url, metrics, store.ping))
    return Application(services, metrics, pages, HostGuard(services.public_url, settings.allowed_hosts))


async def _stop_on_signals(stopping: trio.Event, everything: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if stopping.is_set():
                log.warning("stopping at once", signal=signal.Signals(number).name)
                everything.cancel()
            log.info("stopping", signal=signal.Signals(number).name)
            stopping.set()
