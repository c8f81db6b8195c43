"""An owner with one of everything, made for tests, and a look at the whole database."""

from msgspec import Struct

from store import Store
from store.people import invites, minting, participants
from store.people.invites import Invite
from store.people.owners import OwnerRow
from tests.postgres import query


class Estate(Struct, frozen=True, kw_only=True):
    """An owner with one of everything; `token` is the lead's."""

    owner: OwnerRow
    project_id: int
    participation_id: int
    participant_id: int
    token: str
    invite_id: int
    invite: Invite


async def settle(store: Store, email: str, *, slug: str = "bus") -> Estate:
    """Make an owner with one of everything."""
    minted = await store.write(minting.mint, email, slug, "lead", is_admin=True)
    invite = await store.write(invites.create, minted.project.id, participant_name="guest", uses=3, by="cli")
    invited = await store.read(invites.list_all, minted.owner.id, minted.project.id)
    assert invited is not None
    (person,) = await store.read(participants.persons, minted.owner.id)
    return Estate(
        owner=minted.owner,
        project_id=minted.project.id,
        participation_id=minted.provisioned.participation_id,
        participant_id=person.id,
        token=minted.provisioned.token,
        invite_id=invited[0].id,
        invite=invite,
    )


def write_events(conninfo: str, project_id: int, participation_id: int, *, first: int = 1, last: int) -> None:
    """Events of a participant, minutes apart, the newest of them now."""
    statement = """
        insert into events
        select %s, n, now() - make_interval(mins => %s - n), 'ann/lead', %s, 'release', '{"surface": "a"}', 0
          from generate_series(%s, %s::int) as n
    """
    query(conninfo, statement, (project_id, last, participation_id, first, last))


def everything(conninfo: str) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    tables = query(conninfo, "select tablename from pg_tables where schemaname = 'public' order by 1")
    return {
        str(table): [str(row) for (row,) in query(conninfo, f"select to_jsonb(t)::text from {table} t order by 1")]
        for (table,) in tables
    }


def audited(conninfo: str) -> list[object]:
    """The actions in the audit trail, oldest first."""
    return [action for (action,) in query(conninfo, "select action from audit order by id")]
