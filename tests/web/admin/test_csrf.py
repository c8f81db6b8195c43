"""A form without the session's own CSRF token changes nothing, wherever it is sent."""

import httpx2
import trio

from tests.web.admin.admin_client import AdminClient, signed_in
from tests.web.admin.estates import found
from tests.web.admin.fingerprint import fingerprint
from tests.web.admin.places import all_of, places, url_map
from tests.web.bus import Bus

EXEMPT = {"/join", "/register", "/authorize", "/token"}
"""Why nothing can be forged there is told in `places.PUBLIC`."""


def test_every_route_that_takes_a_form_is_guarded_but_those_with_a_reason() -> None:
    changing = {rule.rule for rule in url_map() if {"POST", "PUT", "PATCH", "DELETE"} & (rule.methods or set())}
    assert changing - {place.rule for place in places("POST")} == EXEMPT


async def test_a_form_without_its_sessions_token_is_refused_and_changes_nothing(
    bus: Bus, operator: AdminClient, eve: AdminClient, conninfo: str
) -> None:
    estate = await found(bus, operator)
    async with signed_in(bus.store, bus.url, operator.owner.email) as other_session:
        wrong = {
            "missing": {},
            "empty": {"csrf": ""},
            "made up": {"csrf": "made-up"},
            "almost": {"csrf": operator.csrf[:-1]},
            "not ASCII": {"csrf": "\N{SNOWMAN}"},
            "another owner's": {"csrf": eve.csrf},
            "another session's": {"csrf": other_session.csrf},
        }
        before = await trio.to_thread.run_sync(fingerprint, conninfo)
        for place in places("POST"):
            path, form = place.path(all_of(estate)), place.form(all_of(estate))
            for name, field in wrong.items():
                refused = await operator.http.post(path, data={**form, **field})
                assert refused.status_code == 403, f"{name} CSRF token at {path}: {refused.status_code}"
        assert await trio.to_thread.run_sync(fingerprint, conninfo) == before


async def test_the_token_counts_only_as_a_field_of_the_form(bus: Bus, operator: AdminClient, conninfo: str) -> None:
    estate = await found(bus, operator)
    before = await trio.to_thread.run_sync(fingerprint, conninfo)
    for place in places("POST"):
        path, form = place.path(all_of(estate)), place.form(all_of(estate))
        refused = await operator.http.post(path, params={"csrf": operator.csrf}, data=form)
        assert refused.status_code == 403, path
    assert await trio.to_thread.run_sync(fingerprint, conninfo) == before


async def test_without_a_session_a_form_is_refused_and_changes_nothing(
    bus: Bus, operator: AdminClient, stranger: httpx2.AsyncClient, conninfo: str
) -> None:
    estate = await found(bus, operator)
    before = await trio.to_thread.run_sync(fingerprint, conninfo)
    for place in places("POST"):
        form = {**place.form(all_of(estate)), "csrf": operator.csrf}
        refused = await stranger.post(place.path(all_of(estate)), data=form)
        assert refused.status_code == 403, place
    assert await trio.to_thread.run_sync(fingerprint, conninfo) == before
