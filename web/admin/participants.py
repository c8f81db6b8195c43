"""The owner's participants: listed, renamed, deleted. Their places in projects are in `web.admin.members`."""

from msgspec import Struct
from quart import Blueprint, g, render_template, request
from quart.typing import ResponseReturnValue

from store.errors import InvalidName
from store.people import participants
from store.people.grants import Kind
from store.people.participants import PersonRow
from web.admin import forms
from web.admin.context import AdminContext
from web.admin.finding import found
from web.admin.paging import Listed
from web.admin.visitor import CHANGES, PREFIX, current_owner, see_other
from web.mcp.identity_tools import ParticipantName

PAGE_PARTICIPANTS = 50


class Person(Struct, frozen=True, kw_only=True):
    """The form of a participant."""

    label: ParticipantName
    kind: Kind


class Deletion(Struct, frozen=True, kw_only=True):
    """The name, typed once more to confirm."""

    label: str


def participant_pages(context: AdminContext) -> Blueprint:
    """The routes."""
    pages = Blueprint("participants", __name__, url_prefix="/participants")
    store, people = context.store, context.services.people

    async def the_person(participant_id: int) -> PersonRow:
        return found(await store.read(participants.person, current_owner().id, participant_id))

    @pages.get("")
    async def index() -> str:
        return await _list_page(context, forms.read(Listed, request.args))

    @pages.get("/<int:participant_id>")
    async def participant(participant_id: int) -> str:
        person = await the_person(participant_id)
        return await _person_page(person, forms.blank(label=person.label, kind=person.kind))

    @pages.post("/<int:participant_id>")
    async def change(participant_id: int) -> ResponseReturnValue:
        owner, form = current_owner(), await forms.posted_whole(Person)
        person = await the_person(participant_id)
        if (wanted := form.fields) is None:
            return await _person_page(person, form), 400
        changing = store.write(
            participants.change_participant,
            owner.id,
            participant_id,
            label=wanted.label,
            kind=wanted.kind,
            by=owner.handle,
        )
        try:
            found(await people.change(changing, owner_id=owner.id))
        except InvalidName as error:
            status = form.refuse(error, "label")
            return await _person_page(person, form), status
        return see_other(f"{PREFIX}/participants/{participant_id}?done=participant-saved")

    @pages.get("/<int:participant_id>/delete")
    async def confirm(participant_id: int) -> str:
        return await _deletion_page(await the_person(participant_id), forms.blank())

    @pages.post("/<int:participant_id>/delete")
    async def delete(participant_id: int) -> ResponseReturnValue:
        owner, form = current_owner(), await forms.posted(Deletion)
        person = await the_person(participant_id)
        if form.fields is not None and form.fields.label != person.label:
            form.wrong["label"] = "This is not the participant's name; nothing was deleted."
        if form.wrong:
            return await _deletion_page(person, form), 400
        await people.change(
            store.write(participants.delete_participant, owner.id, participant_id, by=owner.handle), owner_id=owner.id
        )
        return see_other(f"{PREFIX}/participants?done=participant-deleted")

    return pages


async def _list_page(context: AdminContext, form: forms.Form[Listed]) -> str:
    g.live, wanted = CHANGES, form.fields or Listed()
    # One more than is shown tells whether there is a next page.
    known = await context.store.read(
        participants.persons,
        current_owner().id,
        part=wanted.q or "",
        limit=PAGE_PARTICIPANTS + 1,
        offset=wanted.offset(PAGE_PARTICIPANTS),
    )
    return await render_template(
        "participants.html",
        place="participants",
        form=form,
        participants=known[:PAGE_PARTICIPANTS],
        is_empty=not known and wanted == Listed(),
        earlier=wanted.earlier,
        later=wanted.later if len(known) > PAGE_PARTICIPANTS else None,
    )


async def _person_page(person: PersonRow, form: forms.AnyForm) -> str:
    g.live = CHANGES
    return await render_template("participant.html", place="participants", person=person, form=form)


async def _deletion_page(person: PersonRow, form: forms.AnyForm) -> str:
    return await render_template("participant_delete.html", place="participants", person=person, form=form)
