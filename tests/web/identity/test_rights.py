"""A lead's right is taken away while a call of the lead is under way: it must leave nothing behind that works."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
import trio

from store.ledger import projects
from store.people import grants, invites, owners, participants
from store.people.owners import OwnerRow
from store.postgres.connection import Connection
from tests.bounds import HANG_SECONDS
from tests.web.bus import Bus

Taking = Callable[[Connection, int, int], Awaitable[object]]
"""Takes the right of ada's lead in a project away."""


async def revoked(connection: Connection, _: int, project_id: int) -> None:
    await grants.revoke(connection, project_id, "lead", by="ada")


async def deleted(connection: Connection, owner_id: int, project_id: int) -> None:
    (member,) = await members(connection, owner_id, project_id)
    await participants.delete_participant(connection, owner_id, member.participant_id, by="ada")


async def made_a_member(connection: Connection, owner_id: int, project_id: int) -> None:
    (member,) = await members(connection, owner_id, project_id)
    await participants.change_member(
        connection, owner_id, project_id, member.participation_id, lane=None, is_admin=False, by="ada"
    )


async def suspended(connection: Connection, owner_id: int, _: int) -> None:
    await owners.suspend(connection, owner_id, by="root")


async def members(connection: Connection, owner_id: int, project_id: int) -> list[participants.MemberRow]:
    return await participants.members(connection, owner_id, project_id) or []


@pytest.mark.parametrize("taking", [revoked, deleted, made_a_member, suspended])
async def test_a_call_under_way_gives_no_right_back(bus: Bus, token: str, taking: Taking) -> None:
    await bus.call(token, "whoami")
    again = {"participant_name": "lead", "is_admin": True}
    answer = await answered_while(bus, token, "admin_provision", again, taking)
    assert refuses(answer), answer.text
    async with bus.store.transaction() as connection:
        owner, project_id = await of_ada(connection)
        leads = [row for row in await members(connection, owner.id, project_id) if row.is_admin and row.tokens]
    assert not leads or taking is suspended


async def test_an_invite_under_way_ends_with_the_token_that_asked_for_it(bus: Bus, token: str) -> None:
    async def rotated(connection: Connection, _: int, project_id: int) -> None:
        await grants.rotate(connection, project_id, "lead", by="ada")

    await bus.call(token, "whoami")
    answer = await answered_while(bus, token, "create_invite", {"is_admin": True}, rotated)
    assert refuses(answer), answer.text
    async with bus.store.transaction() as connection:
        assert await invites.list_open(connection, (await of_ada(connection))[1]) == []


async def test_an_invite_made_while_a_rotation_waits_ends_with_the_old_token(bus: Bus, token: str) -> None:
    async with bus.store.transaction() as rotating:
        _, project_id = await of_ada(rotating)
        invite = await bus.call(token, "create_invite", is_admin=True)
        await grants.rotate(rotating, project_id, "lead", by="ada")
    assert await bus.store.write(invites.redeem, invite["code"], "thief") == "invalid"


async def answered_while(bus: Bus, token: str, tool: str, arguments: dict[str, Any], taking: Taking) -> httpx2.Response:
    """What a call is answered that arrives before the right is taken away and is done after it."""
    answers = list[httpx2.Response]()

    async def call() -> None:
        answers.append(await bus.ask(token, "tools/call", {"name": tool, "arguments": arguments}))

    with trio.fail_after(HANG_SECONDS):
        async with trio.open_nursery() as nursery, bus.store.transaction() as connection:
            owner, project_id = await of_ada(connection)
            await taking(connection, owner.id, project_id)
            nursery.start_soon(call)
            while not answers:
                if await bus.store.read(somebody_waits):
                    break
                await trio.sleep(0.01)
    return answers[0]


async def somebody_waits(connection: Connection) -> bool:
    waiting = (
        "select from pg_locks l join pg_stat_activity a using (pid) where not granted and datname = current_database()"
    )
    return bool(await connection.fetch(waiting))


async def of_ada(connection: Connection) -> tuple[OwnerRow, int]:
    owner = await owners.find_owner(connection, "ada@example.com")
    assert owner is not None
    return owner, (await projects.ensure(connection, owner.id, "demo")).id


def refuses(answer: httpx2.Response) -> bool:
    return answer.status_code in (401, 403) or answer.json()["result"]["content"][0]["text"].startswith("forbidden: ")
