"""`python -m tests.docs.reference`: write the pages anew, on a PostgreSQL of its own."""

import sys
import tempfile
from pathlib import Path

import trio

from store import open_store
from tests.docs.reference.pages import DOCS, write_pages
from tests.postgres import running_server


async def main(conninfo: str) -> None:
    """Write what differs."""
    async with open_store(conninfo) as store:
        pages = await write_pages(store)
    for name, text in pages.items():
        path = DOCS / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
            sys.stdout.write(f"wrote docs/{name}\n")


with tempfile.TemporaryDirectory() as directory, running_server(Path(directory)) as server:
    trio.run(main, server.create_database())
