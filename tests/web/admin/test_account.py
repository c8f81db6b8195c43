"""One's own account: the handle."""

import pytest

from tests.web.admin.admin_client import AdminClient
from tests.web.bus import Bus


async def test_a_new_handle_is_what_agents_are_called_by_at_once(bus: Bus, ada: AdminClient) -> None:
    token = await bus.mint("scout")
    assert (await bus.call(token, "whoami"))["actor"] == "ada/scout"
    assert await ada.change("/admin/account", handle="Lovelace") == "/admin/account"
    assert (await bus.call(token, "whoami"))["actor"] == "lovelace/scout"
    assert "lovelace" in await ada.page("/admin/account")


@pytest.mark.parametrize("handle", ["a", "-ada", "ada_l", "x" * 33, "ad/a", "<script>"])
async def test_a_handle_that_cannot_be_one_is_refused_and_kept_as_typed(ada: AdminClient, handle: str) -> None:
    refused = await ada.post("/admin/account", handle=handle)
    assert refused.status_code == 400
    assert "A handle has 2 to 32" in refused.text
    assert f'value="{handle.replace("<", "&lt;").replace(">", "&gt;")}"' in refused.text
    assert 'aria-invalid="true"' in refused.text


async def test_a_handle_that_somebody_has_is_refused_in_any_case(ada: AdminClient, eve: AdminClient) -> None:
    refused = await ada.post("/admin/account", handle="EVE")
    assert refused.status_code == 409
    assert "Somebody has the handle" in refused.text


async def test_an_empty_handle_is_refused_beside_its_field(ada: AdminClient) -> None:
    refused = await ada.post("/admin/account", handle=" ")
    assert refused.status_code == 400
    assert "cannot be left empty" in refused.text
