"""What was typed is kept when a form cannot be taken: the session ran out, or the database is silent."""

import re
from html import unescape

import httpx2

from store import Store
from store.people import sessions
from tests.web.admin.admin_client import AdminClient, signed_in
from tests.web.admin.reading import text_of
from tests.web.bus import NOWHERE, Bus, running_bus
from web.admin.cookies import SESSION

TYPED = {"slug": "shop", "name": "The <b>Web</b> shop,\nas typed"}


def kept_in(page: str) -> dict[str, str]:
    """The fields of a form that was kept."""
    return {name: unescape(text) for name, text in re.findall(r'name="(\w+)" rows="\d">\n([^<]*)</textarea>', page)}


async def test_a_session_that_ran_out_keeps_what_was_typed_until_it_is_sent_again(bus: Bus, ada: AdminClient) -> None:
    await bus.store.write(sessions.close_all_sessions, ada.owner.id)
    refused = await ada.post("/admin/projects", **TYPED)
    assert refused.status_code == 403
    assert "You are signed out" in text_of(refused.text)
    assert kept_in(refused.text) == TYPED
    async with signed_in(bus.store, bus.url) as again:
        old = await again.post("/admin/projects", csrf=ada.csrf, **kept_in(refused.text))
        assert old.status_code == 403
        assert "Send this?" in text_of(old.text)
        assert kept_in(old.text) == TYPED
        assert "Create your first project" in text_of(await again.page("/admin/"))
        assert (await again.post("/admin/projects", **{**kept_in(old.text), "name": "Web shop"})).status_code == 303


async def test_a_form_that_holds_nothing_is_refused_as_before(bus: Bus, ada: AdminClient) -> None:
    refused = await ada.post("/admin/account/sign-out-everywhere", csrf="old")
    assert refused.status_code == 403
    assert "not accepted" in text_of(refused.text)


async def test_a_silent_database_says_so_to_who_is_signed_in_and_keeps_what_was_typed(store: Store) -> None:
    async with (
        running_bus(store, NOWHERE, patience_seconds=0.2) as bus,
        httpx2.AsyncClient(base_url=bus.url, cookies={SESSION: "perhaps"}) as browser,
    ):
        page = await browser.get("/admin/projects/1/members?q=x")
        assert page.status_code == 503
        assert "You are still signed in. The database does not answer" in text_of(page.text)
        assert 'href="/admin/projects/1/members?q=x"' in page.text
        form = await browser.post("/admin/projects", data={"csrf": "x", **TYPED})
        assert form.status_code == 503
        assert "The database does not answer" in text_of(form.text)
        assert kept_in(form.text) == TYPED
