"""All that is written from the code, by its path below docs/."""

from pathlib import Path

import trio

from store import Store
from tests.docs.reference.bounds import bounds_page
from tests.docs.reference.commands import commands_page
from tests.docs.reference.errors import errors_page
from tests.docs.reference.events import events_page
from tests.docs.reference.metrics import metrics_page
from tests.docs.reference.routes import routes_page
from tests.docs.reference.settings import settings_page
from tests.docs.reference.story import PUBLIC_URL, tell, teller
from tests.docs.reference.task_states import task_states_picture
from tests.docs.reference.tools import tools_pages
from web.config import read_settings
from web.server import create_app, create_server, join

DOCS = Path(__file__).parents[3] / "docs"


async def write_pages(store: Store) -> dict[str, str]:
    """Every page as it should be, made on an empty store."""
    settings = read_settings({}, public_url=PUBLIC_URL, data_dir="unused", public_stats="1")
    services = join(store, settings, trio.Event())
    application = create_app(services, store, settings)
    create_server(application, services, settings)
    async with teller(store) as storyteller:
        calls = await tell(storyteller)
        happened = await storyteller.ledger()
    return {
        **tools_pages(calls),
        "reference/errors.md": errors_page(),
        "reference/commands.md": commands_page(),
        "reference/settings.md": settings_page(),
        "reference/http.md": routes_page(application),
        "reference/events.md": events_page(happened),
        "reference/metrics.md": metrics_page(application),
        "reference/bounds.md": bounds_page(),
        "images/task-states.svg": task_states_picture(),
    }
