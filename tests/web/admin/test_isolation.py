"""Owners see what is theirs. Whatever else an id in an address or a form may belong to, it is answered as missing.

Walked over the application's own URL map, under every mixture of one's own ids, those of another project, and those of
another owner; and under one's own alone, which must work, or the walk would prove nothing.
"""

from collections.abc import Iterator
from itertools import product

import httpx2
import pytest
import trio

from store.people import owners
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.estates import Estate, found, nobodys
from tests.web.admin.fingerprint import fingerprint
from tests.web.admin.places import FORMS, PAGELESS, PUBLIC, STREAMS, Choice, Place, all_of, places, url_map
from tests.web.bus import Bus

PAGES, FORMS_SENT = places("GET"), places("POST")
OPERATORS_ONLY = "/admin/operator"
MISSING = 999_999_999
NO_DATABASE_HOLDS = 2**63
SAME_EVERYWHERE = {"owner_id", "key", "card_id", "task_id"}
"""Ids that do not tell two projects of an owner apart: they belong to none, or are counted in each."""


def foreign(place: Place, own: Estate, other: Estate) -> Iterator[Choice]:
    """Every mixture of ids in which not all are one's own."""
    for estates in product((own, other), repeat=len(place.ids)):
        if other in estates:
            yield {**all_of(own), **dict(zip(place.ids, estates, strict=True))}


async def ask(client: AdminClient, place: Place, choice: Choice) -> httpx2.Response:
    if place.method == "POST":
        return await client.post(place.path(choice), **place.form(choice))
    return await client.http.request(place.method, place.path(choice))


async def ask_own(client: AdminClient, place: Place, choice: Choice) -> httpx2.Response:
    return await (client.begins(place.path(choice)) if place.rule in STREAMS else ask(client, place, choice))


def shown(response: httpx2.Response) -> tuple[int, str, dict[str, str]]:
    """Everything that somebody could tell two answers apart by, but the moment they were given."""
    return response.status_code, response.text, {**response.headers, "date": ""}


def test_every_route_is_the_admins_or_known_to_be_public() -> None:
    assert {rule.rule for rule in url_map() if not rule.rule.startswith("/admin")} <= set(PUBLIC)


def test_every_form_that_is_described_is_there() -> None:
    assert {place.rule for place in FORMS_SENT} == set(FORMS)


async def test_whatever_belongs_to_another_owner_is_missing(
    bus: Bus, ada: AdminClient, eve: AdminClient, conninfo: str
) -> None:
    own, other = await found(bus, ada), await found(bus, eve)
    before = await trio.to_thread.run_sync(fingerprint, conninfo)
    walked = 0
    for place in PAGES + FORMS_SENT:
        for choice in foreign(place, own, other):
            nothing = {name: nobodys(MISSING) if whose is other else whose for name, whose in choice.items()}
            refused, missing = await ask(ada, place, choice), await ask(ada, place, nothing)
            assert refused.status_code == 404, f"{place.method} {place.path(choice)}: {refused.status_code}"
            assert shown(refused) == shown(missing), place
            walked += 1
    assert walked > len(FORMS_SENT)
    assert await trio.to_thread.run_sync(fingerprint, conninfo) == before


async def test_what_belongs_to_another_project_is_missing_in_this_one(
    bus: Bus, ada: AdminClient, conninfo: str
) -> None:
    own, other = await found(bus, ada), await found(bus, ada, "second")
    before = await trio.to_thread.run_sync(fingerprint, conninfo)
    mixed = [place for place in PAGES + FORMS_SENT if len(set(place.ids) - SAME_EVERYWHERE) > 1]
    assert mixed
    for place in mixed:
        for choice in foreign(place, own, other):
            if own in {choice[name] for name in place.ids}:
                refused = await ask(ada, place, choice)
                assert refused.status_code == 404, f"{place.method} {place.path(choice)}: {refused.status_code}"
    assert await trio.to_thread.run_sync(fingerprint, conninfo) == before


async def test_an_id_that_no_database_could_hold_is_missing(bus: Bus, ada: AdminClient) -> None:
    own = await found(bus, ada)
    for place in PAGES + FORMS_SENT:
        for choice in foreign(place, own, nobodys(NO_DATABASE_HOLDS)):
            refused = await ask(ada, place, choice)
            assert refused.status_code == 404, f"{place.method} {place.path(choice)}: {refused.status_code}"


async def test_pages_answer_their_owner_and_change_nothing(
    bus: Bus, ada: AdminClient, operator: AdminClient, conninfo: str
) -> None:
    estates = {"ada": (ada, await found(bus, ada)), "operator": (operator, await found(bus, operator))}
    before = await trio.to_thread.run_sync(fingerprint, conninfo)
    for place in PAGES:
        client, estate = estates["operator" if place.rule.startswith(OPERATORS_ONLY) else "ada"]
        answered = await ask_own(client, place, all_of(estate))
        assert answered.status_code == PAGELESS.get(place.rule, 200), place
    assert await trio.to_thread.run_sync(fingerprint, conninfo) == before


@pytest.mark.parametrize("place", FORMS_SENT, ids=lambda place: place.rule)
async def test_a_form_is_accepted_from_its_owner(
    bus: Bus, operator: AdminClient, eve: AdminClient, place: Place, conninfo: str
) -> None:
    own, other = await found(bus, operator), await found(bus, eve)
    if place.rule.endswith("/restore"):
        assert await bus.store.write(owners.suspend, other.owner_id, by="test")
    before = await trio.to_thread.run_sync(fingerprint, conninfo)
    accepted = await ask(operator, place, {**all_of(own), "owner_id": other})
    assert accepted.status_code in {200, 303}, place.rule
    assert await trio.to_thread.run_sync(fingerprint, conninfo) != before
