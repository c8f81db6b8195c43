"""A project's numbers: each sequence with its last and next, who took which number, and what was voided and why.

The owner claims, seeds, archives and voids as the bare handle.
"""

import re

from msgspec import Struct
from quart import Blueprint, render_template, request
from quart.typing import ResponseReturnValue

from engine import terms
from engine.lookups import EventQuery, EventView
from engine.refusals import Refusal
from engine.sequences import Claim, SeedSequence, Sequence, VoidClaim
from engine.state import State
from engine.terms import ID_MAX
from web.admin import acting, forms
from web.admin.confirming import Question, ask
from web.admin.context import AdminContext
from web.admin.finding import the_project
from web.admin.paging import Listed
from web.admin.refusals import refusal_page
from web.admin.visitor import PREFIX, see_other

PAGE_EVENTS = 50
PAGE_SEQUENCES = 100
SEQUENCES_ASKED_MAX = 20
"""In how many sequences a bare number is looked for."""

_NUMBER = re.compile(r"(.*?)0*(\d{1,16})", re.DOTALL)


class Wanted(Listed, frozen=True, kw_only=True):
    """Which sequence is shown, and before which event; `q` is a number whose holder is asked for."""

    sequence: terms.SequenceName | None = None
    before: terms.Id | None = None


class Claiming(Struct, frozen=True, kw_only=True):
    """A number for the owner."""

    sequence: terms.SequenceName
    note: terms.Note | None = None


class Seeding(Struct, frozen=True, kw_only=True):
    """Where a sequence stands, and how its numbers look."""

    sequence: terms.SequenceName
    current: terms.Counter
    prefix: terms.Prefix | None = None
    pad: terms.Pad | None = None


class Archiving(Struct, frozen=True, kw_only=True):
    """Whether a sequence gives no more numbers."""

    sequence: terms.SequenceName
    archived: bool


class Voiding(Struct, frozen=True, kw_only=True):
    """A number that nobody will use, and why."""

    sequence: terms.SequenceName
    number: terms.Id
    reason: terms.Reason


def number_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("numbers", __name__, url_prefix="/projects/<int:project_id>/numbers")

    @pages.get("")
    async def index(project_id: int) -> ResponseReturnValue:
        return await _page(context, project_id, forms.blank())

    @pages.post("/claim")
    async def claim(project_id: int) -> ResponseReturnValue:
        form = await forms.posted(Claiming)
        command = None if form.fields is None else Claim(sequence=form.fields.sequence, note=form.fields.note)
        return await _done(context, project_id, form, command, "claimed")

    @pages.post("/seed")
    async def seed(project_id: int) -> ResponseReturnValue:
        form = await forms.posted(Seeding)
        command = None
        if (wanted := form.fields) is not None:
            command = SeedSequence(
                sequence=wanted.sequence, current=wanted.current, prefix=wanted.prefix, pad=wanted.pad
            )
        return await _done(context, project_id, form, command, "seeded")

    @pages.get("/archive")
    async def ask_to_archive(project_id: int) -> ResponseReturnValue:
        project = await the_project(context, project_id)
        wanted = forms.read(Archiving, request.args).fields
        there = f"{PREFIX}/projects/{project_id}/numbers"
        if wanted is None:
            return see_other(there)
        question = Question(
            title=f"{'Archive' if wanted.archived else 'Unarchive'} the sequence {wanted.sequence}?",
            sentences=(
                "It gives out no more numbers until it is unarchived. Its numbers stay taken."
                if wanted.archived
                else "It gives out numbers again, from the next one on.",
            ),
            button="Archive sequence" if wanted.archived else "Unarchive sequence",
            action=f"{there}/archive",
            back=there,
            fields=(("sequence", wanted.sequence), ("archived", "true" if wanted.archived else "")),
        )
        return await ask(question, place="projects", project=project)

    @pages.post("/archive")
    async def archive(project_id: int) -> ResponseReturnValue:
        form = await forms.posted_whole(Archiving)
        if (wanted := form.fields) is None:
            return await refusal_page(400, "Nothing was changed", next(iter(form.wrong.values())))
        command = SeedSequence(sequence=wanted.sequence, archived=wanted.archived)
        return await _done(context, project_id, form, command, "seeded")

    @pages.post("/void")
    async def void(project_id: int) -> ResponseReturnValue:
        form = await forms.posted(Voiding)
        command = None
        if (wanted := form.fields) is not None:
            command = VoidClaim(sequence=wanted.sequence, number=wanted.number, reason=wanted.reason)
        return await _done(context, project_id, form, command, "voided")

    return pages


async def _done(
    context: AdminContext,
    project_id: int,
    form: forms.AnyForm,
    command: Claim | SeedSequence | VoidClaim | None,
    done: str,
) -> ResponseReturnValue:
    """Where a form leads: back to the page with what was done, or the form again with what is wrong."""
    project = await the_project(context, project_id)
    if command is None:
        return await _page(context, project_id, form, status=400)
    answer = await acting.act(context, project, command)
    if isinstance(answer, Refusal):
        form.wrong["sequence"] = answer.message
        return await _page(context, project_id, form, status=acting.status_of(answer))
    return see_other(f"{PREFIX}/projects/{project_id}/numbers?sequence={command.sequence}&done={done}")


async def _page(
    context: AdminContext, project_id: int, form: forms.AnyForm, *, status: int = 200
) -> ResponseReturnValue:
    project = await the_project(context, project_id)
    wanted = forms.read(Wanted, request.args).fields or Wanted()
    sequences = await context.services.directory.look(project_id, lambda state, now: _sequences(state))
    wanted = wanted.within(len(sequences), PAGE_SEQUENCES)
    first = wanted.offset(PAGE_SEQUENCES)
    chosen = next((each for each in sequences if each.name == (wanted.sequence or form.typed.get("sequence"))), None)
    events = [] if chosen is None else await _numbers(context, project_id, chosen.name, wanted.before)
    page = await render_template(
        "numbers.html",
        place="projects",
        project=project,
        form=form,
        sequences=sequences[first : first + PAGE_SEQUENCES],
        earlier=wanted.earlier,
        later=wanted.later if len(sequences) > first + PAGE_SEQUENCES else None,
        chosen=chosen,
        events=events[:PAGE_EVENTS],
        voids={} if chosen is None else await _voids(context, project_id, chosen.name),
        is_later_page=wanted.before is not None,
        older=events[PAGE_EVENTS - 1].id if len(events) > PAGE_EVENTS else None,
        q=wanted.q,
        answers=None if wanted.q is None else await _who_took(context, project_id, sequences, wanted.q),
    )
    return page, status


def asked_number(text: str) -> tuple[str, int] | None:
    """The prefix and the number that a text such as `ADR-0232` or `0232` names."""
    named = _NUMBER.fullmatch(text.strip())
    return None if named is None else (named[1].strip(), int(named[2]))


def _sequences(state: State) -> list[Sequence]:
    return sorted(state.sequences.dump(), key=lambda each: (each.archived, each.name))


async def _numbers(context: AdminContext, project_id: int, sequence: str, before: int | None) -> list[EventView]:
    upto = ID_MAX if before is None else before - 1
    query = EventQuery(upto=upto, type="claim", sequence=sequence, limit=PAGE_EVENTS + 1)
    return await context.store.journal.events(project_id, query)


async def _voids(context: AdminContext, project_id: int, sequence: str) -> dict[int, EventView]:
    query = EventQuery(upto=ID_MAX, type="void_claim", sequence=sequence, limit=500)
    events = await context.store.journal.events(project_id, query)
    return {event.payload["number"]: event for event in events}


async def _who_took(context: AdminContext, project_id: int, sequences: list[Sequence], text: str) -> list[EventView]:
    """The claims of the number that a text names: in the sequences with its prefix, or in all without one."""
    if (asked := asked_number(text)) is None:
        return []
    prefix, number = asked
    candidates = [
        each
        for each in sequences
        if number <= each.current and prefix.casefold() in ("", each.prefix.casefold(), each.name.casefold())
    ]
    found: list[EventView] = []
    for sequence in candidates[:SEQUENCES_ASKED_MAX]:
        query = EventQuery(upto=ID_MAX, sequence=sequence.name, number=number, limit=2)
        found += await context.store.journal.events(project_id, query)
    return found
