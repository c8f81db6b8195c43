"""A project's leases as a tree of paths: holders, ends and overlaps. The owner can release a lease.

The ledger has an event for it, and the holder gets a post.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, render_template, request
from quart.typing import ResponseReturnValue

from engine import terms
from engine.held_leases import HeldLease, comparable, comparing
from engine.leases import LEASES_PER_PROJECT_MAX, EndedLease, EndLease
from engine.posts import Post
from engine.refusals import Refusal
from engine.state import State
from store.ledger.projects import ProjectRow
from web.admin import acting, forms
from web.admin.context import AdminContext
from web.admin.finding import found, the_project
from web.admin.visitor import PREFIX, see_other

PAGE_LEASES = 100
MET_SHOWN_MAX = 5
"""Holders in the way of a lease that are named."""

LEVELS_MAX = 8
"""What lies deeper is shown at this level, under its longer name."""


class Ending(Struct, frozen=True, kw_only=True):
    """Why a lease is ended."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class Listed(Struct, frozen=True, kw_only=True):
    """Where the page begins: right before this lease, or at the newest."""

    before: terms.Id | None = None


class Held(Struct, frozen=True, kw_only=True):
    """A page of leases, newest first, of which so many are compared with all others `at_once`."""

    leases: list[HeldLease]
    total: int
    at_once: int
    older: int | None


class Branch(Struct, kw_only=True):
    """A part of a path, the leases of exactly this path, and what lies below."""

    name: str
    leases: list[HeldLease]
    below: "dict[str, Branch]"


def lease_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("leases", __name__, url_prefix="/projects/<int:project_id>/leases")
    look = context.services.directory.look

    async def the_lease(project_id: int, lease_id: int) -> HeldLease:
        return found(await look(project_id, lambda state, now: state.leases.find(lease_id, now)))

    @pages.get("")
    async def index(project_id: int) -> str:
        project = await the_project(context, project_id)
        before = (forms.read(Listed, request.args).fields or Listed()).before
        held = await look(project_id, lambda state, now: _held(state, now, before))
        met: dict[int, list[str]] = {}
        for first in range(0, len(held.leases), held.at_once):
            some = held.leases[first : first + held.at_once]
            met |= await look(project_id, partial(_met, leases=some), partial(_comparing, leases=some))
        return await render_template(
            "leases.html",
            place="projects",
            project=project,
            held=held,
            met=met,
            tree=tree_of(held.leases),
            is_later_page=before is not None,
            met_shown_max=MET_SHOWN_MAX,
        )

    @pages.get("/<int:lease_id>/release")
    async def ask(project_id: int, lease_id: int) -> str:
        project = await the_project(context, project_id)
        return await _ask_page(project, await the_lease(project_id, lease_id), forms.blank())

    @pages.post("/<int:lease_id>/release")
    async def end(project_id: int, lease_id: int) -> ResponseReturnValue:
        form, project = await forms.posted(Ending), await the_project(context, project_id)
        lease = await the_lease(project_id, lease_id)
        if form.fields is None:
            return await _ask_page(project, lease, form), 400
        there = f"{PREFIX}/projects/{project_id}/leases"
        ended = await acting.act(context, project, EndLease(lease_id=lease_id, reason=form.fields.reason))
        if isinstance(ended, Refusal):
            return await acting.refused_page(project, ended, there)
        assert isinstance(ended.reply, EndedLease)  # noqa: S101 - told to the type checker
        told = Post(
            to_actor=ended.reply.holder,
            subject="I released a lease of yours",
            body=f"Your lease of `{ended.reply.surface}` has ended: {form.fields.reason}",
            tag="lease",
        )
        refused = await acting.act(context, project, told)
        return see_other(f"{there}?done={'released-untold' if isinstance(refused, Refusal) else 'released'}")

    return pages


def tree_of(leases: Iterable[HeldLease]) -> list[Branch]:
    """The leases by their paths; a path with nothing beside it stands in one branch with what is below."""
    root = Branch(name="", leases=[], below={})
    for lease in leases:
        branch = root
        *above, last = lease.surface.split("/", LEVELS_MAX)
        for part in (*(f"{name}/" for name in above), last):
            branch = branch.below.setdefault(part, Branch(name=part, leases=[], below={}))
        branch.leases.append(lease)
    return [_joined(root.below[name]) for name in sorted(root.below)]


def _joined(branch: Branch) -> Branch:
    while not branch.leases and len(branch.below) == 1:
        (only,) = branch.below.values()
        branch = Branch(name=branch.name + only.name, leases=only.leases, below=only.below)
    below = {name: _joined(branch.below[name]) for name in sorted(branch.below)}
    return Branch(name=branch.name, leases=branch.leases, below=below)


def _held(state: State, now: datetime, before: int | None) -> Held:
    newest = state.leases.newest(now, LEASES_PER_PROJECT_MAX)
    leases = [lease for lease in newest if before is None or lease.id < before]
    shown = leases[:PAGE_LEASES]
    older = shown[-1].id if len(leases) > PAGE_LEASES else None
    at_once = comparable(state.leases, now, PAGE_LEASES)
    return Held(leases=shown, total=len(newest), at_once=at_once, older=older)


def _comparing(state: State, now: datetime, leases: list[HeldLease]) -> Iterator[None] | None:
    return comparing(state.leases, now, leases)


def _met(state: State, now: datetime, leases: list[HeldLease]) -> dict[int, list[str]]:
    """Holders in the way of each lease, by its id: one more than are shown, to tell that there are more."""
    met = {lease.id: state.leases.conflicting(lease.surface, lease.by, lease.mode, now) for lease in leases}
    named = {lease_id: [held.actor for held in islice(others, MET_SHOWN_MAX + 1)] for lease_id, others in met.items()}
    return {lease_id: names for lease_id, names in named.items() if names}


async def _ask_page(project: ProjectRow, lease: HeldLease, form: forms.AnyForm) -> str:
    return await render_template("lease_release.html", place="projects", project=project, lease=lease, form=form)
