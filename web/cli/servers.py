"""`llm-bus up` and `llm-bus serve`: the server, with everything prepared or with nothing but migrations."""

import errno
import gc
import shlex
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import click
import trio

from store import keep_running, open_store
from store.opening import affordable_pool_size
from store.people.minting import Minted
from store.postgres.pool import POOL_SIZE_MAX
from web.cli.admin_link import owner_link, show_way_in
from web.cli.database import bring_up_to_date, open_database
from web.cli.first_run import EMAIL, FirstRun, project_here
from web.cli.options import address_options, data_options, options_given, sign_in_options
from web.cli.port import what_listens
from web.cli.running_already import point_at_running
from web.cli.terminal import card, note, say
from web.config import HOST, PORT, Settings, read_settings, user_data_dir
from web.errors import CannotListen
from web.http.listener import listen
from web.logs import configure_logs
from web.onboarding.texts import connect_lines
from web.server import run_bus, stop_on_signals

Greeting = Callable[[Settings, str], Awaitable[None]]
"""Called with bound settings and a conninfo when the server is about to answer."""

_HEEDED_BY_ALL = frozenset({"data_dir", "database_url", "host", "port", "public_url", "email"})
"""The options of `up` that say which server is meant and how its links look, also where it runs already."""

YOUNG_OBJECTS_MAX = 7_000
"""New objects that start a collection of young garbage; Python's default is 700. At most every hundredth is full."""

_UP_EPILOG = f"""\b
Nothing needs to be there: without a database it makes one in the data directory. The
first time it creates an owner (an operator), a project and a lead agent, and prints how
that agent connects; the token is shown only then.
\b
  llm-bus up
  llm-bus up --email you@example.com --project shop --port 9000
\b
Ctrl-C stops it, and its database unless another command uses that. Data stays.
Every start prints a link that signs the first owner in to the web admin, once.
The first owner is {EMAIL} unless --email says otherwise; the first project has the name
of the current directory unless --project does.
"""

_SERVE_EPILOG = """\b
Prints 'listening on http://HOST:PORT' when it is ready. SIGTERM lets running requests
end, then exits with 0; a second one does not wait. Any number of servers may share a
database. Put a proxy with TLS in front and tell PUBLIC_URL what clients see.
\b
  llm-bus serve --database-url postgresql://bus@db/bus --host 0.0.0.0 \\
                --public-url https://bus.example.com
\b
Every option can be given as the environment variable named beside it. Nobody can
connect yet? 'llm-bus token mint --help' says how to let the first agent in.
"""


@click.command(epilog=_UP_EPILOG)
@data_options
@address_options
@sign_in_options
@click.option("--email", metavar="EMAIL", help=f"Who owns what the first run creates; default: {EMAIL}.")
@click.option("--project", metavar="SLUG", help="The first project; default: the current directory's name.")
def up(email: str | None, project: str | None, **flags: str | None) -> None:
    """Start here: a server with nothing prepared."""
    first_run = FirstRun(email=email, project=project or project_here())

    async def greet(settings: Settings, conninfo: str) -> None:
        async with open_store(conninfo, pool_size_max=1) as store:
            minted = await first_run.make(store)
            link = await owner_link(store, settings, await first_run.operator(store))
        if minted is None:
            _greet_again(project)
        else:
            _greet_first(minted, settings.known_url)
        show_way_in(settings, link)
        for hint in _hints_for_other_terminals(settings):
            note(hint)
        note("Ctrl-C stops it; the data stays.")

    settings = read_settings(**flags)
    match what_listens(settings.host, settings.port):
        case "nothing":
            trio.run(_serve, settings, greet)
        case "llm-bus":
            trio.run(point_at_running, settings, first_run, options_given(but=_HEEDED_BY_ALL))
        case "something else":
            raise CannotListen(settings.host, settings.port, OSError(errno.EADDRINUSE, ""))


@click.command(epilog=_SERVE_EPILOG)
@data_options
@address_options
@sign_in_options
def serve(**flags: str | None) -> None:
    """The same server for production.

    It applies migrations and prepares nothing else.
    """

    async def greet(_: Settings, __: str) -> None:
        """Say nothing: what starts it in production waits for one line."""

    trio.run(_serve, read_settings(**flags), greet)


async def _serve(settings: Settings, greet: Greeting) -> None:
    """Prepare, serve until a signal, clean up; a signal that comes while preparing lets that step end."""
    configure_logs(settings.log_format)
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop_on_signals, stopping, nursery.cancel_scope)
        async with open_database(settings) as conninfo, trio.open_nursery() as supervision:
            if settings.database_url is None:
                supervision.start_soon(keep_running, settings.data_dir)
            await bring_up_to_date(conninfo)
            if not stopping.is_set():
                await _run(settings, conninfo, stopping, greet)
            supervision.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def _run(settings: Settings, conninfo: str, stopping: trio.Event, greet: Greeting) -> None:
    try:
        listeners = await listen(settings.host, settings.port)
    except OSError as error:
        raise CannotListen(settings.host, settings.port, error) from error
    bound = settings.bound_to(listeners[0].port)
    if (pool_size_max := await affordable_pool_size(conninfo)) < POOL_SIZE_MAX:
        note(f"The pooler gives fewer sessions than a busy server uses; going on with a pool of {pool_size_max}.")
    await greet(bound, conninfo)

    def ready() -> None:
        make_collections_rare()
        say(f"listening on {bound.listening_url}")

    await run_bus(bound, conninfo, listeners, stopping, ready=ready, pool_size_max=pool_size_max)


def make_collections_rare() -> None:
    """Let full garbage collections pass over modules, classes and tables, and run all collections less often.

    A full collection holds up every client while it walks all that lives. Measured: some 100 ms for the programme,
    which stays until the end anyway, and some 80 ms for a thousand calls that wait, which the default runs several
    times while they begin to wait or are woken. Collections of young garbage took a tenth of the time that waking them
    takes. Almost all objects are freed without a collector.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *gc.get_threshold()[1:])


def _greet_first(minted: Minted, url: str) -> None:
    owner, project, agent = minted.owner, minted.project, minted.provisioned
    note(f"Created owner {owner.email} (operator), project {project.slug}, lead {owner.handle}/{agent.participant}.")
    card("Connect your first agent. Its token is shown only now.", connect_lines(url, agent.token))
    note(f"Another agent: llm-bus token mint --owner {owner.email} --project {project.slug} --participant agent-2")


def _hints_for_other_terminals(settings: Settings) -> Iterator[str]:
    """What to type there for commands to start, and to find this server and its data."""
    program = sys.argv[0]
    if shutil.which("llm-bus") is None and Path(program).name == "llm-bus":
        yield f"llm-bus is not on your PATH: type {program} in its place."
    exports = [] if settings.local_host == HOST else [f"HOST={shlex.quote(settings.local_host)}"]
    if settings.port != PORT:
        exports.append(f"PORT={settings.port}")
    if settings.known_url != settings.local_url:
        exports.append(f"PUBLIC_URL={shlex.quote(settings.known_url)}")
    if settings.database_url is None and settings.data_dir != user_data_dir():
        exports.append(f"LLM_BUS_DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))}")
    if exports:
        yield f"In another terminal, type this first: export {' '.join(exports)}"
    if settings.database_url is not None:  # not shown: it may hold a password
        yield "In another terminal, set DATABASE_URL to this server's database first."


def _greet_again(project: str | None = None) -> None:
    note("Using existing data; tokens remain valid.")
    if project is not None:
        note("--project has no effect on existing data: 'llm-bus token mint' makes further projects.")
    # No names: this directory's may be another than the first run's, and minting creates what it does not find.
    note("Another agent: 'llm-bus token mint --help' says how; 'llm-bus owner list' and 'project list' say for whom.")
