"""`llm-bus project`: the projects of a database."""

from collections.abc import Mapping, Sequence
from functools import partial

import click
import trio

from store import Store
from store.ledger import named, overview, projects
from store.ledger.named import NamedProject
from store.ledger.overview import ProjectOverview
from web.cli.database import on_store
from web.cli.options import data_options, json_option
from web.cli.terminal import say, say_json, table
from web.config import Settings, read_settings


@click.group()
def project() -> None:
    """Projects, each with a ledger and participants."""


_LIST_EPILOG = """\b
Open handoffs are '-' where they were not counted since the last event; 'llm-bus status'
counts them.
\b
  llm-bus project list
  llm-bus project list --json
"""


@project.command("list", epilog=_LIST_EPILOG)
@json_option
@data_options
def list_projects(*, as_json: bool, **flags: str | None) -> None:
    """List the projects of every owner."""
    found = trio.run(partial(on_store, read_settings(**flags), all_projects))
    if as_json:
        say_json({"projects": [describe(*each) for each in found]})
        return
    show_projects([describe(*each) for each in found])


@project.command("archive", epilog="Example: llm-bus project archive ann/shop")
@click.argument("project", metavar="PROJECT")
@json_option
@data_options
def archive_project(project: str, *, as_json: bool, **flags: str | None) -> None:
    """Close a PROJECT: its data stays, its tokens are refused."""
    _archive(project, read_settings(**flags), archived=True, as_json=as_json)


@project.command("unarchive", epilog="Example: llm-bus project unarchive ann/shop")
@click.argument("project", metavar="PROJECT")
@json_option
@data_options
def unarchive_project(project: str, *, as_json: bool, **flags: str | None) -> None:
    """Open an archived PROJECT: its tokens work again."""
    _archive(project, read_settings(**flags), archived=False, as_json=as_json)


def _archive(project: str, settings: Settings, *, archived: bool, as_json: bool) -> None:
    async def change(store: Store) -> str:
        which = await store.read(named.find, project)
        await store.write(projects.archive, which.owner_id, which.id, archived=archived, by="cli")
        return which.name

    name = trio.run(partial(on_store, settings, change))
    if as_json:
        say_json({"project": name, "archived": archived})
    else:
        say(f"Archived {name}: its tokens are refused, and nothing is lost." if archived else f"{name} is open again.")


async def all_projects(store: Store) -> list[tuple[NamedProject, ProjectOverview]]:
    """All projects with their figures, by name."""
    known = {which.id: which for which in await store.read(named.projects)}
    owners = dict.fromkeys(which.owner_id for which in known.values())
    rows = [row for owner_id in owners for row in await store.read(overview.dashboard, owner_id)]
    return sorted(((known[row.id], row) for row in rows if row.id in known), key=lambda each: each[0].name)


def show_projects(described: Sequence[Mapping[str, object]]) -> None:
    """A table of projects."""
    headings = ("project", "participants", "active", "events", "open handoffs", "last event", "archived")
    rows = [tuple(each.values()) for each in described]
    table(headings, rows, nothing="There are no projects yet: 'llm-bus token mint --help' says how to create one.")


def describe(which: NamedProject, row: ProjectOverview) -> dict[str, object]:
    """A project as machines are told of it."""
    return {
        "project": which.name,
        "participants": row.participants,
        "active": row.active,
        "events": row.events,
        "open_handoffs": row.open_posts,
        "last_event_at": row.last_event_at,
        "archived_at": which.archived_at,
    }
