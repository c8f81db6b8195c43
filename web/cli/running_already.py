"""`llm-bus up` where an LLM Bus answers already: its address and a link into it, instead of a second server."""

from collections.abc import Sequence

import httpx2

from store import open_store, pending
from store.embedded.cluster import has_cluster
from store.ledger import peers
from web.cli.admin_link import owner_link, show_way_in
from web.cli.bus_http import AROUND_PROXIES
from web.cli.database import open_database
from web.cli.first_run import FirstRun
from web.cli.terminal import note
from web.config import Settings
from web.errors import AlreadyRunning

ANSWER_SECONDS_MAX = 5.0


async def point_at_running(settings: Settings, first_run: FirstRun, idle: Sequence[str]) -> None:
    """Say where the server on the settings' port is, with a link that signs its first owner in.

    `idle` are options that were given and that only a server that starts would heed.

    Raises `AlreadyRunning` when that server has other data than these settings name.
    """
    url = settings.local_url
    if settings.database_url is None and not has_cluster(settings.data_dir):
        raise AlreadyRunning(url)
    async with open_database(settings) as conninfo:
        if await pending(conninfo):
            raise AlreadyRunning(url)
        async with open_store(conninfo, pool_size_max=1) as store:
            link = await owner_link(store, settings, await first_run.operator(store))
            # Without an owner there is no link to ask for; then some server must use this database at least.
            is_unknown = first_run.email is not None and link is None and not await first_run.has_owner(store)
            is_ours = await store.read(peers.is_served) if link is None else await _knows(settings, link)
    if not is_ours:
        raise AlreadyRunning(url)
    note(f"LLM Bus is already running at {settings.known_url}. Another one: llm-bus up --port 0")
    if idle:
        options = ", ".join(idle)
        note(f"Without effect, because that server was started before: {options}. Stop it, then start it again.")
    if is_unknown:
        email = first_run.email
        note(f"There is no owner {email}, and only a server that starts creates one: llm-bus owner add {email}")
    show_way_in(settings, link)


async def _knows(settings: Settings, link: str) -> bool:
    """Whether the running server has the link in its database; looking does not use it up."""
    query = link.rpartition("?")[2]
    try:
        async with httpx2.AsyncClient(timeout=ANSWER_SECONDS_MAX, mounts=AROUND_PROXIES) as http:
            answer = await http.get(f"{settings.local_url}/admin/link?{query}")
    except httpx2.HTTPError:
        return False
    return answer.status_code == httpx2.codes.OK
