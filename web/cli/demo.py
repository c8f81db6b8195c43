"""The demo's stages: at home, on this machine's database, or as guests in a project of somebody else's server.

A stage gives every agent of the story a token and a connected MCP client. What they then do is `web.cli.demo_story`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from secrets import token_hex

from msgspec import Struct

from store import Store, open_store
from store.ledger import projects
from store.people import grants, owners
from store.people.names import TEMPORARY_DOMAIN
from store.people.temporary_owners import remove_temporary_owner
from web.cli.bus_client import BusClient, connect
from web.cli.database import ready_database
from web.cli.demo_story import CAST, LEAD, Story
from web.cli.temporary_servers import own_server
from web.cli.terminal import box_up, note, say
from web.cli.timeline import Timeline
from web.config import Settings
from web.errors import BusUnreachable
from web.onboarding.texts import mcp_url

OWNER = f"demo@{TEMPORARY_DOMAIN}"
"""The owner of demo projects, which has no other participants and can be removed with all of them."""


class Stage(Struct, frozen=True, kw_only=True):
    """Where a performance takes place.

    `tokens` are by the role in the story; `prefix` comes before every name that the story gives to somebody.
    """

    url: str
    project: str
    tokens: Mapping[str, str]
    prefix: str = ""


async def perform_at_home(settings: Settings, pace_seconds: float) -> None:
    """Perform in a new demo project, on the server that runs here or, failing that, on one of our own."""
    async with ready_database(settings, makes_database=True) as conninfo:
        async with open_store(conninfo) as store:
            project, tokens = await _hire(store)
        async with _server(settings, conninfo, tokens[LEAD]) as url:
            await _perform(Stage(url=url, project=project, tokens=tokens), pace_seconds)
    again = "To remove what the demos left: llm-bus demo --remove"
    box_up("Your turn", ["Start a bus and connect your own agents: llm-bus up", again])


async def perform_as_guests(url: str, token: str, pace_seconds: float) -> None:
    """Perform in the project of a lead's token, under names of our own whose tokens are revoked at the end.

    Raises `ToolRefused` when it is not a lead's, `BusUnreachable` when nobody is there.
    """
    prefix = f"demo-{token_hex(2)}-"
    async with connect(mcp_url(url), token) as lead:
        project = (await lead.call("whoami"))["project"]
        try:
            tokens = {role: await _provision(lead, prefix + role) for role in CAST}
            await _perform(Stage(url=url, project=project, tokens=tokens, prefix=prefix), pace_seconds)
        finally:
            for role in CAST:
                await lead.call("admin_revoke", participant_name=prefix + role)
    box_up("Left behind", [f"The ledger of project {project} tells the story; the tokens of {prefix}… are revoked."])


async def remove(store: Store) -> None:
    """Remove every demo project and their owner."""
    owner = await store.read(owners.find_owner, OWNER)
    if owner is None:
        say("There is nothing to remove.")
        return
    await store.write(remove_temporary_owner, owner.id)
    say("Removed every demo project.")


async def _hire(store: Store) -> tuple[str, dict[str, str]]:
    """A new project of the demo's owner, and a token in it for every role."""
    owner = await store.write(owners.ensure_owner, OWNER)
    for number in count(1):
        project = await store.write(projects.ensure, owner.id, f"demo-{number}")
        if project.created:
            break
    tokens = {}
    for role in CAST:
        hired = await store.write(
            grants.provision, project.id, participant_name=role, is_admin=role == LEAD, by=owner.handle
        )
        tokens[role] = hired.token
    return f"{owner.handle}/{project.slug}", tokens


async def _provision(lead: BusClient, name: str) -> str:
    token: str = (await lead.call("admin_provision", participant_name=name))["token"]
    return token


@asynccontextmanager
async def _server(settings: Settings, conninfo: str, token: str) -> AsyncIterator[str]:
    """The URL of the server that runs here if it knows the token, which is in the same database then; else our own."""
    url = settings.known_url
    try:
        async with connect(mcp_url(url), token) as client:
            await client.call("whoami")
    except BusUnreachable:
        async with own_server(settings, conninfo) as own_url:
            yield own_url
    else:
        yield url


async def _perform(stage: Stage, pace_seconds: float) -> None:
    """Connect everybody, tell the story, sum it up."""
    note(f"Five MCP clients, connected to {mcp_url(stage.url)}; project {stage.project}.")
    async with AsyncExitStack() as stack:
        clients = {
            role: await stack.enter_async_context(connect(mcp_url(stage.url), token))
            for role, token in stage.tokens.items()
        }
        await Story(clients, Timeline(CAST), prefix=stage.prefix, pace_seconds=pace_seconds).tell()
        calls = sum(client.calls for client in clients.values())
    box_up(
        "What you saw",
        [
            "Numbers that nobody gets twice, a collision noticed before it happened, a handoff that",
            "was taken and not only sent, a task that went on by itself, and a latecomer up to date.",
            f"{calls} calls over MCP; every answer was durable in PostgreSQL before it was given.",
        ],
    )
