"""Script in a text that is stored stays text on every page, and so does script that a form or an address brings along.

What a real browser makes of the same pages is shown in `tests.browser.test_pages`.
"""

import pytest

from tests.web.admin.admin_client import AdminClient, signed_in
from tests.web.admin.estates import SCRIPTS, Estate, Words, found, written
from tests.web.admin.markup import Markup
from tests.web.admin.places import STREAMS, all_of, places
from tests.web.bus import Bus

QUERY = ("actor", "type", "sequence", "ref", "tag", "since", "until", "before", "next", "token", "q", "page", "error")
OPERATOR = "<script>hacked='operator'</script>@example.com"


async def read_everything(client: AdminClient, estate: Estate) -> dict[str, Markup]:
    """Every page with this estate's ids, and every card that a form answers with."""
    pages = {}
    for place in places("GET"):
        if place.rule in STREAMS:
            continue
        response = await client.get(place.path(all_of(estate)))
        if response.headers["content-type"].startswith("text/html"):
            pages[place.path(all_of(estate))] = Markup(response.text)
    return pages


@pytest.mark.parametrize("payload", SCRIPTS.values(), ids=SCRIPTS)
async def test_script_in_every_stored_text_is_shown_and_not_run(bus: Bus, payload: str) -> None:
    words = written(payload.format)
    async with signed_in(bus.store, bus.url, OPERATOR, is_operator=True) as client:
        pages = await read_everything(client, await found(bus, client, words=words))
    assert {path: page.complaints for path, page in pages.items() if page.complaints} == {}
    said = "\n".join(page.said for page in pages.values())
    # A surface with such characters is refused, or shown in the one spelling that surfaces have.
    hidden = {name for name in Words.__struct_fields__ if getattr(words, name) not in said}
    assert hidden <= {"surface"}
    assert OPERATOR in said


@pytest.mark.parametrize("payload", SCRIPTS.values(), ids=SCRIPTS)
async def test_script_in_a_form_is_kept_as_typed_and_not_run(bus: Bus, operator: AdminClient, payload: str) -> None:
    estate = await found(bus, operator)
    kept = 0
    for place in places("POST"):
        form = place.form(all_of(estate))
        hostile = {field: payload.format(field) for field, value in form.items() if isinstance(value, str)}
        alone = [{field: script} for field, script in hostile.items()]
        for typed in [*alone, hostile] if hostile else []:
            response = await operator.post(place.path(all_of(estate)), **{**form, **typed})
            assert response.status_code in {200, 303, 400, 404, 409}, place.rule
            page = Markup(response.text)
            assert page.complaints == [], f"{typed} at {place.rule}"
            kept += response.status_code == 400 and all(script in page.said for script in typed.values())
    assert kept


@pytest.mark.parametrize("payload", SCRIPTS.values(), ids=SCRIPTS)
async def test_script_in_an_address_is_not_run(bus: Bus, ada: AdminClient, payload: str) -> None:
    estate = await found(bus, ada)
    query: dict[str, str | int] = {name: payload.format(name) for name in QUERY}
    for place in places("GET"):
        for asked in ({name: value} for name, value in query.items()):
            if place.rule in STREAMS:
                continue
            response = await ada.get(place.path(all_of(estate)), **asked)
            assert response.status_code < 500, f"{place.rule} with {asked}"
            assert Markup(response.text).complaints == [], f"{place.rule} with {asked}"
            assert not response.headers.get("location", "").startswith("javascript:")


def test_what_is_not_escaped_is_noticed() -> None:
    for payload in ("element", "attribute", "apostrophe"):
        assert Markup(f"<p>{SCRIPTS[payload]}</p>").complaints, payload
    assert Markup(f'<a href="{SCRIPTS["address"]}">').complaints
    assert Markup('<a href=" java\tscript:hacked">').complaints
    assert Markup('<p>"&gt;&lt;img src=x onerror=hacked&gt;</p><a href="/admin/?next=javascript:x">').complaints == []
