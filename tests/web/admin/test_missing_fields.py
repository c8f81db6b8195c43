"""A form that changes what exists names every field: a missing one changes nothing, and the answer says so."""

import pytest

from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import fields_of, text_of
from tests.web.admin.test_members import place_of
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus

SENTENCE = "This field was not sent, so nothing was changed."
SETTINGS = ("name", "slug", "liveness_window_seconds", "stale_after_seconds", "ref_url", "time_zone")


@pytest.mark.parametrize("missing", SETTINGS)
async def test_settings_without_a_field_stay(bus: Bus, ada: AdminClient, token: str, missing: str) -> None:
    there = f"{await project_of(bus, ada)}/settings"
    wanted = fields_of(await ada.page(there)) | {"ref_url": "https://example.com/{ref}", "time_zone": "Europe/Berlin"}
    await ada.change(there, **wanted)
    sent = wanted | {"name": "Other"}
    sent.pop(missing)
    refused = await ada.post(there, **sent)
    assert (refused.status_code, SENTENCE in text_of(refused.text)) == (400, True)
    assert fields_of(await ada.page(there)) == wanted


@pytest.mark.parametrize("form", ["lane", "lead"])
async def test_a_member_stays_as_it_is_without_the_field(bus: Bus, ada: AdminClient, token: str, form: str) -> None:
    place = await place_of(bus, ada, "lead")
    await ada.change(f"{place}/lane", lane="docs")
    refused = await ada.post(f"{place}/{form}")
    assert (refused.status_code, SENTENCE in text_of(refused.text)) == (400, True)
    (row,) = (await bus.call(token, "list_participants"))["participants"]
    assert (row["lane"], row["is_admin"]) == ("docs", True)


async def test_an_archived_project_stays_in_the_archive_without_the_field(
    bus: Bus, ada: AdminClient, token: str
) -> None:
    there = await project_of(bus, ada)
    await ada.change(f"{there}/archive", archived="true")
    refused = await ada.post(f"{there}/archive")
    assert (refused.status_code, SENTENCE in text_of(refused.text)) == (400, True)
    assert (await bus.ask(token, "tools/list")).status_code == 403


async def test_an_archived_sequence_stays_in_the_archive_without_the_field(
    bus: Bus, ada: AdminClient, token: str
) -> None:
    numbers = f"{await project_of(bus, ada)}/numbers"
    await bus.call(token, "claim", sequence="adr")
    await ada.change(f"{numbers}/archive", sequence="adr", archived="true")
    refused = await ada.post(f"{numbers}/archive", sequence="adr")
    assert (refused.status_code, SENTENCE in text_of(refused.text)) == (400, True)
    assert "Unarchive" in text_of(await ada.page(numbers))


async def test_a_webhook_keeps_its_shape_without_the_field(bus: Bus, ada: AdminClient, token: str) -> None:
    there = f"{await project_of(bus, ada)}/webhook"
    await ada.change(there, url="https://hooks.example.com/one", shape="ntfy")
    refused = await ada.post(there, url="https://hooks.example.com/one")
    assert refused.status_code == 400
    assert "Shape: ntfy." in text_of(await ada.page(there))
