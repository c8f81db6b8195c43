"""A project's leases as a tree of paths: who holds what until when, and who is in whose way. The owner ends one.

Whose lease was ended is told by a post, beside the event in the ledger.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint, render_template
from quart.typing import ResponseReturnValue

from engine.leases import EndedLease, EndLease, HeldLease, conflicts
from engine.posts import Post
from engine.refusals import Refusal
from engine.state import State
from store.ledger.projects import ProjectRow
from web.admin import acting, forms
from web.admin.context import AdminContext
from web.admin.finding import found, the_project
from web.admin.now import LEASES_COMPARED_MAX
from web.admin.visitor import PREFIX, see_other

LEASES_SHOWN_MAX = 300
"""The newest; a project may have ten times as many."""

LEVELS_MAX = 8
"""What lies deeper is shown at this level, under its longer name."""


class Ending(Struct, frozen=True, kw_only=True):
    """Why a lease is ended."""

    reason: Annotated[str, Meta(min_length=1, max_length=200)]


class Held(Struct, frozen=True, kw_only=True):
    """Leases of a project, the newest; `met` are the holders whose leases conflict with one, by its id."""

    leases: list[HeldLease]
    total: int
    met: dict[int, list[str]]


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
        held = await look(project_id, _held)
        return await render_template(
            "leases.html", place="projects", project=project, held=held, tree=tree_of(held.leases)
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


def _held(state: State, now: datetime) -> Held:
    met = dict[int, list[str]]()
    for older, newer in conflicts(state.leases, now, LEASES_COMPARED_MAX):
        met.setdefault(older.id, []).append(newer.actor)
        met.setdefault(newer.id, []).append(older.actor)
    return Held(leases=state.leases.newest(now, LEASES_SHOWN_MAX), total=state.leases.active_count(now), met=met)


async def _ask_page(project: ProjectRow, lease: HeldLease, form: forms.AnyForm) -> str:
    return await render_template("lease_release.html", place="projects", project=project, lease=lease, form=form)
