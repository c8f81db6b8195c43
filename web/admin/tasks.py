"""A project's tasks: as a board, a table or a picture of what waits for what; and one by one, to act on.

Unfinished tasks are read from the project's state, finished ones from the ledger. Forms send the same commands as
agents do (`web.admin.acting`).
"""

from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlencode

from msgspec import Meta, Struct
from quart import Blueprint, abort, render_template, request
from quart.typing import ResponseReturnValue

from engine import task_queries, terms
from engine.decision import Context
from engine.identity import Addressee, Principal
from engine.lookups import FinishedTask, Found, Recall, TaskQuery
from engine.project import AnyCommand
from engine.refusals import Refusal
from engine.state import State
from engine.task_graph import Task
from engine.tasks import (
    ListTasks,
    OneTask,
    TaskAssign,
    TaskBlock,
    TaskCancel,
    TaskCreate,
    TaskResolve,
    TaskShip,
    TaskStart,
    TaskState,
)
from engine.terms import ID_MAX
from store.ledger.projects import ProjectRow
from store.people import grants
from web.admin import forms, task_picture
from web.admin.acting import act, owner_in_person, refused_page, status_of
from web.admin.context import AdminContext
from web.admin.finding import the_project
from web.admin.visitor import PREFIX, see_other

COLUMNS = (
    ("open", "Open"),
    ("assigned", "Assigned"),
    ("in_progress", "In progress"),
    ("blocked", "Blocked"),
)
COLUMN_TASKS = 25
"""Tasks in a column of the board; the table has them all."""

PAGE_TASKS = 50
NAMES_SUGGESTED_MAX = 300

PRIORITIES = (
    (4, "4: urgent"),
    (3, "3: high"),
    (2, "2: normal"),
    (1, "1: low"),
    (0, "0: when there is time"),
)

View = Literal["board", "table", "graph"]
Status = Literal["open", "assigned", "in_progress", "blocked", "done", "cancelled"]
Detail = Annotated[str, Meta(max_length=4000, extra=forms.LINES)]


class Filters(Struct, frozen=True, kw_only=True):
    """Which tasks are shown, and how. `priority`: at least so urgent. `below`: the place after which a page begins."""

    view: View = "board"
    status: Status | None = None
    owner: terms.ActorName | None = None
    lane: terms.Lane | None = None
    priority: terms.Priority | None = None
    below: Annotated[str, Meta(pattern=r"^\d-\d{1,16}$", extra={"hint": "name a place in the list"})] | None = None

    @property
    def rank(self) -> tuple[int, int] | None:
        """The place as the book of tasks knows it."""
        if self.below is None:
            return None
        priority, _, task_id = self.below.partition("-")
        return int(priority), int(task_id)


class NewTask(Struct, frozen=True, kw_only=True):
    """The form of a new task; `depends_on` are numbers, separated by commas or spaces."""

    title: terms.Title
    detail: Detail | None = None
    lane: terms.Lane | None = None
    owner: terms.OwnerName | None = None
    priority: terms.Priority = 2
    depends_on: Annotated[str, Meta(pattern=r"^[\d#, ]*$", extra={"hint": "be numbers of tasks"})] | None = None

    def command(self) -> TaskCreate:
        """The command that makes it."""
        ids = (self.depends_on or "").replace(",", " ").replace("#", " ").split()
        return TaskCreate(
            title=self.title,
            detail=self.detail,
            lane=self.lane,
            owner=self.owner,
            priority=self.priority,
            depends_on=tuple(int(each[:17]) for each in ids[:50]),
        )


class Move(Struct, frozen=True, kw_only=True):
    """The form of a change to a task. The action decides which other fields it needs."""

    do: Literal["assign", "start", "block", "unblock", "ship", "cancel"]
    owner: terms.OwnerName | None = None
    on: terms.Id | None = None
    reason: terms.Reason | None = None
    blocker: terms.Id | None = None

    def command(self, task_id: int) -> AnyCommand | None:
        """The command that does it; None when a field is missing."""
        match self.do:
            case "assign":
                return None if self.owner is None else TaskAssign(task_id=task_id, owner=self.owner)
            case "start":
                return TaskStart(task_id=task_id)
            case "block":
                return None if self.reason is None else TaskBlock(task_id=task_id, on=self.on, reason=self.reason)
            case "unblock":
                return TaskResolve(task_id=task_id, blocker=self.blocker)
            case "ship":
                return TaskShip(task_id=task_id)
            case "cancel":
                return None if self.reason is None else TaskCancel(task_id=task_id, reason=self.reason)


NEEDS = {"assign": "owner", "block": "reason", "cancel": "reason"}
"""The field without which a move makes no sense."""


class Row(Struct, frozen=True, kw_only=True):
    """One unfinished task of a list: what it waits for, and whether nobody seems to be at work on it."""

    task: Task
    waits_for: tuple[int, ...]
    stale: bool


class Listing(Struct, frozen=True, kw_only=True):
    """Unfinished tasks as they are now: rows by status or in one list, and how many there are of each status."""

    rows: dict[str, list[Row]]
    counts: dict[str, int]
    finished: int
    more: bool = False


def task_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("tasks", __name__, url_prefix="/projects/<int:project_id>/tasks")

    @pages.get("")
    async def index(project_id: int) -> ResponseReturnValue:
        project = await the_project(context, project_id)
        form = forms.read(Filters, {"view": "board", **request.args})
        filters = form.fields or Filters()
        page = await _index_page(context, project, form, filters)
        return page, 400 if form.wrong else 200

    @pages.get("/new")
    async def new(project_id: int) -> str:
        return await _new_page(context, await the_project(context, project_id), forms.blank(priority=2))

    @pages.post("")
    async def create(project_id: int) -> ResponseReturnValue:
        form = await forms.posted(NewTask)
        project = await the_project(context, project_id)
        if form.fields is None:
            return await _new_page(context, project, form), 400
        answer = await act(context, project, form.fields.command())
        if isinstance(answer, Refusal):
            return await _new_page(context, project, form, answer), status_of(answer)
        assert isinstance(answer.reply, TaskState)  # noqa: S101 - what the command answers
        return see_other(f"{_at(project_id, answer.reply.task_id)}?done=task-made")

    @pages.get("/<int:task_id>")
    async def task(project_id: int, task_id: int) -> ResponseReturnValue:
        project = await the_project(context, project_id)
        await _there(context, project, task_id)
        return await _task_page(context, project, task_id)

    @pages.post("/<int:task_id>")
    async def move(project_id: int, task_id: int) -> ResponseReturnValue:
        form = await forms.posted(Move)
        project = await the_project(context, project_id)
        await _there(context, project, task_id)
        command = None if form.fields is None else form.fields.command(task_id)
        if command is None:
            if form.fields is not None:
                form.wrong[NEEDS[form.fields.do]] = "This cannot be left empty."
            return await _task_page(context, project, task_id, form)
        answer = await act(context, project, command)
        if isinstance(answer, Refusal):
            return await refused_page(project, answer, _at(project_id, task_id))
        return see_other(f"{_at(project_id, task_id)}?done=task-{form.typed['do']}")

    return pages


async def _there(context: AdminContext, project: ProjectRow, task_id: int) -> None:
    """Abort with 404 when the project has never had such a task."""
    last_id = await context.services.directory.look(project.id, lambda state, now: state.tasks.last_id)
    if not 1 <= task_id <= last_id:
        abort(404)


def _at(project_id: int, task_id: int) -> str:
    return f"{PREFIX}/projects/{project_id}/tasks/{task_id}"


async def _index_page(context: AdminContext, project: ProjectRow, form: forms.AnyForm, filters: Filters) -> str:
    look, journal = context.services.directory.look, context.store.journal
    given = {name: text for name, text in form.typed.items() if text.strip() and name not in {"view", "below"}}
    values: dict[str, object] = {"view": filters.view, "given": given, "query": urlencode(given)}
    finished = Found[FinishedTask]()
    if filters.view == "graph":
        subgraph = await look(project.id, lambda state, now: task_picture.subgraph_of(state.tasks))
        values |= {"picture": task_picture.drawn(subgraph), "listing": None}
    else:
        caller = owner_in_person(project)
        owner = None if filters.owner is None else await _meant(context, caller, filters.owner)
        listing = await look(project.id, lambda state, now: _listing(state, now, caller, filters, owner))
        values["listing"] = listing
        shows_finished = filters.status in {None, "done", "cancelled"} and filters.priority in {None, 0, 1, 2}
        if shows_finished and listing.finished and not listing.more:
            limit = COLUMN_TASKS if filters.view == "board" else PAGE_TASKS
            rank = filters.rank
            query = TaskQuery(
                upto=ID_MAX,
                below=ID_MAX if rank is None or filters.status not in {"done", "cancelled"} else rank[1],
                status=filters.status,
                owner=owner.actor if isinstance(owner, Addressee) else owner,
                former_names=owner.former_names if isinstance(owner, Addressee) else (),
                lane=filters.lane,
                limit=limit + 1,
            )
            finished = await journal.finished_tasks(project.id, query)
            last = finished[limit - 1].task_id if len(finished) > limit else finished.searched_back_to
            values |= {"older": last, "searched_back_to": finished.searched_back_to}
            del finished[limit:]
    return await render_template(
        "tasks.html",
        place="projects",
        project=project,
        form=form,
        columns=COLUMNS,
        finished=finished,
        **await _names(context, project),
        **values,
    )


async def _meant(context: AdminContext, caller: Principal, name: str) -> Addressee | str:
    """Whom a name means, present or former, as for the tools; or the name in the ledger, when nobody has it now."""
    found = await context.services.rosters.resolve(name, caller.project_id)
    if isinstance(found, Addressee):
        return found
    return name if "/" in name else f"{caller.handle}/{name}"


def _listing(
    state: State, now: datetime, caller: Principal, filters: Filters, owner: Addressee | str | None
) -> Listing:
    """The unfinished tasks that the filters want, of this owner if one is given; `caller` looks."""
    book = state.tasks
    of_whom = owner.id if isinstance(owner, Addressee) else owner
    looking = Context(caller=caller, seq=state.seq, now=now, at=now, recall=Recall())

    def found(status: str | None, limit: int) -> list[Row]:
        tasks = book.find(status, of_whom, filters.lane, ready=False, limit=limit, below=filters.rank)
        return [
            Row(
                task=task,
                waits_for=tuple(task_queries.waits_for(book, task)),
                stale=task_queries.is_stale(state.seen, task, looking),
            )
            for task in tasks
            if filters.priority is None or task.priority >= filters.priority
        ]

    counts = book.counts
    if filters.status in {"done", "cancelled"}:
        return Listing(rows={}, counts=counts, finished=book.finished)
    if filters.view == "board":
        wanted = [status for status, _ in COLUMNS if filters.status in {None, status}]
        rows = {status: found(status, COLUMN_TASKS) for status in wanted}
        return Listing(rows=rows, counts=counts, finished=book.finished)
    listed = found(filters.status, PAGE_TASKS + 1)
    rows = {"": listed[:PAGE_TASKS]}
    return Listing(rows=rows, counts=counts, finished=book.finished, more=len(listed) > PAGE_TASKS)


async def _new_page(
    context: AdminContext, project: ProjectRow, form: forms.AnyForm, refusal: Refusal | None = None
) -> str:
    return await render_template(
        "task_new.html",
        place="projects",
        project=project,
        form=form,
        refusal=refusal,
        priorities=PRIORITIES,
        **await _names(context, project),
    )


async def _task_page(
    context: AdminContext, project: ProjectRow, task_id: int, form: forms.AnyForm | None = None
) -> ResponseReturnValue:
    reply = await context.services.directory.consult(owner_in_person(project), ListTasks(task_id=task_id))
    assert isinstance(reply, OneTask)  # noqa: S101 - what the command answers of a task that there is
    near = await context.services.directory.look(
        project.id, lambda state, now: task_picture.around(state.tasks, task_id)
    )
    page = await render_template(
        "task.html",
        place="projects",
        project=project,
        task=reply.tasks[0],
        picture=task_picture.drawn(near) if len(near.tasks) > 1 else None,
        form=form or forms.blank(do="", owner="", on="", reason="", blocker=""),
        **await _names(context, project),
    )
    return page, 400 if form is not None and form.wrong else 200


async def _names(context: AdminContext, project: ProjectRow) -> dict[str, object]:
    """The participants a task may be given to, for suggestions."""
    roster = await context.store.read(grants.roster, project.id)
    labels = [] if roster is None else sorted(roster.labels)
    return {"names": labels[:NAMES_SUGGESTED_MAX]}
