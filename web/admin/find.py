"""Going anywhere by a few letters: projects, their pages, participants, and tasks and posts by number or by words.

The palette (`keys.js`) shows the same list in a dialog; without script it is a page.
"""

import re
from typing import Annotated
from urllib.parse import urlencode

from msgspec import Meta, Struct
from quart import Blueprint, render_template, request

from engine.terms import ID_MAX
from store.ledger import overview
from store.ledger.overview import ProjectOverview
from store.people import participants
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.visitor import PREFIX, current_owner

FOUND_MAX = 30

PAGES = (
    ("", "Now"),
    ("/tasks", "Tasks"),
    ("/tasks/new", "New task"),
    ("/tasks?view=graph", "Graph of tasks"),
    ("/handoffs", "Handoffs"),
    ("/handoffs/new", "Write a handoff"),
    ("/leases", "Leases"),
    ("/numbers", "Numbers"),
    ("/activity", "Activity"),
    ("/members", "Members"),
    ("/invites", "Invites"),
    ("/grant", "Grant access"),
    ("/insights", "Insights"),
    ("/audit", "Audit trail"),
    ("/settings", "Settings"),
    ("/webhook", "Webhook"),
)
"""A project's pages, by what follows its address."""

_NUMBER = re.compile(r"#?(\d{1,16})").fullmatch


class Wanted(Struct, frozen=True, kw_only=True):
    """The words typed, and the current project."""

    q: Annotated[str, Meta(max_length=100)] | None = None
    project: int | None = None


class Found(Struct, frozen=True, kw_only=True):
    """A search result; `where` names its project."""

    href: str
    name: str
    where: str = ""


def find_pages(context: AdminContext) -> Blueprint:
    """The route."""
    pages = Blueprint("find", __name__)

    @pages.get("/find")
    async def find() -> str:
        form = forms.read(Wanted, request.args)
        wanted = form.fields or Wanted()
        owner = current_owner()
        projects = await context.store.read(overview.dashboard, owner.id)
        persons = await context.store.read(participants.persons, owner.id)
        people = [
            Found(href=f"{PREFIX}/participants/{each.id}", name=each.label, where="participant") for each in persons
        ]
        found = matching(wanted, projects, people)
        shown = found[:FOUND_MAX] + by_words(wanted, projects)
        return await render_template("find.html", place="find", form=form, wanted=wanted, found=shown)

    return pages


def matching(wanted: Wanted, projects: list[ProjectOverview], people: list[Found]) -> list[Found]:
    """The places whose names contain all words, the current project's pages first."""
    words = (wanted.q or "").casefold().split()
    here = [project for project in projects if project.id == wanted.project]
    numbered = _NUMBER(words[0]) if len(words) == 1 else None
    if numbered is not None and here and int(numbered[1]) <= ID_MAX:
        base, number = f"{PREFIX}/projects/{here[0].id}", int(numbered[1])
        return [
            Found(href=f"{base}/tasks/{number}", name=f"Task #{number}", where=here[0].name),
            Found(href=f"{base}/posts/{number}", name=f"Post #{number}", where=here[0].name),
        ]
    places = [_page(project, *page) for project in here for page in PAGES]
    places += [_page(project, "", project.name) for project in projects if project not in here]
    places += people
    if words:
        places += [_page(project, *page) for project in projects if project not in here for page in PAGES[1:]]
    return [place for place in places if _has_all(words, f"{place.name} {place.where}".casefold())]


def _has_all(words: list[str], text: str) -> bool:
    return all(word in text for word in words)


def by_words(wanted: Wanted, projects: list[ProjectOverview]) -> list[Found]:
    """A link to the current project's activity, searched for the words."""
    return [
        Found(
            href=f"{PREFIX}/projects/{project.id}/activity?{urlencode({'q': wanted.q})}",
            name=f"Search activity for “{wanted.q}”",
            where=project.name,
        )
        for project in projects
        if wanted.q is not None and project.id == wanted.project
    ]


def _page(project: ProjectOverview, follows: str, name: str) -> Found:
    where = "project" if name == project.name else project.name
    return Found(href=f"{PREFIX}/projects/{project.id}{follows}", name=name, where=where)
