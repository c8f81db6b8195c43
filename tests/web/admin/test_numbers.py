"""Numbers: who took which, what is void and why; the owner claims, seeds, archives and voids as the bare handle."""

import pytest

from engine.terms import ID_MAX
from tests.web.admin.admin_client import AdminClient
from tests.web.admin.reading import links_of, text_of, wrong_in
from tests.web.admin.test_projects import project_of
from tests.web.bus import Bus
from web.admin.numbers import asked_number


@pytest.fixture
async def numbers(bus: Bus, ada: AdminClient) -> str:
    """The address of the numbers of a project with some."""
    token = await bus.mint("scout")
    await bus.call(token, "seed_sequence", sequence="adr", current=230, prefix="ADR-", pad=4)
    for note in ("One", "Two", "Three"):
        await bus.call(token, "claim", sequence="adr", note=note)
    await bus.call(token, "claim", sequence="migration")
    return f"{await project_of(bus, ada)}/numbers"


async def test_every_sequence_tells_its_last_and_next_number_and_its_last_claim(ada: AdminClient, numbers: str) -> None:
    await ada.change(f"{numbers}/seed", sequence="migration", current=20)
    page = text_of(await ada.page(numbers))
    assert "adr ADR-0233 ADR-0234 ADR-0233 scout" in page
    assert "migration 20 21 1 scout" in page


async def test_a_sequence_that_gives_no_more_numbers_has_no_next_one(bus: Bus, ada: AdminClient, numbers: str) -> None:
    await ada.change(f"{numbers}/seed", sequence="migration", current=ID_MAX)
    assert f"migration {ID_MAX} none 1 scout" in text_of(await ada.page(numbers))
    await ada.change(f"{numbers}/archive", sequence="adr", archived="true")
    assert "adr archived ADR-0233 none ADR-0233 scout" in text_of(await ada.page(numbers))


@pytest.mark.parametrize("asked", ["0232", "232", "ADR-0232", "adr-232", " adr 232 "])
async def test_who_took_a_number_is_found_however_it_is_written(ada: AdminClient, numbers: str, asked: str) -> None:
    page = text_of(await ada.page(numbers, q=asked))
    assert "ada/scout claimed ADR-0232 of the sequence adr Two" in page


@pytest.mark.parametrize("asked", ["0999", "RFC-0232", "nothing", "9" * 30])
async def test_a_number_that_nobody_took_is_nobodys(ada: AdminClient, numbers: str, asked: str) -> None:
    assert "Nobody has claimed" in text_of(await ada.page(numbers, q=asked))


def test_a_number_is_read_with_its_prefix() -> None:
    assert asked_number("ADR-0232") == ("ADR-", 232)
    assert asked_number("0232") == ("", 232)
    assert asked_number("none") is None


async def test_a_voided_number_says_by_whom_and_why(bus: Bus, ada: AdminClient, numbers: str) -> None:
    await ada.change(f"{numbers}/void", sequence="adr", number=232, reason="Never written.")
    page = text_of(await ada.page(numbers, sequence="adr"))
    assert "ADR-0232 void scout Two Voided just now by ada: Never written." in page
    refused = await ada.post(f"{numbers}/void", sequence="adr", number=999, reason="Never written.")
    assert refused.status_code == 404
    assert list(wrong_in(refused.text)) == ["claim-sequence"]


async def test_the_owner_claims_seeds_and_archives(bus: Bus, ada: AdminClient, numbers: str) -> None:
    token = await bus.mint("builder")
    assert "ADR-0234 ada Mine" in text_of(
        await ada.page(await ada.change(f"{numbers}/claim", sequence="adr", note="Mine"))
    )
    await ada.change(f"{numbers}/seed", sequence="rfc", current=7, prefix="RFC-", pad=3)
    assert (await bus.call(token, "claim", sequence="rfc"))["formatted"] == "RFC-008"
    assert "Archive the sequence adr?" in text_of(await ada.page(f"{numbers}/archive", sequence="adr", archived="true"))
    await ada.change(f"{numbers}/archive", sequence="adr", archived="true")
    assert "archived" in await bus.refusal(token, "claim", sequence="adr")
    await ada.change(f"{numbers}/archive", sequence="adr", archived="")
    assert (await bus.call(token, "claim", sequence="adr"))["number"] == 235


async def test_numbers_come_in_pages(bus: Bus, ada: AdminClient, numbers: str) -> None:
    token = await bus.mint("builder")
    for _ in range(50):
        await bus.call(token, "claim", sequence="adr")
    page = await ada.page(numbers, sequence="adr")
    assert "ADR-0231" not in page
    older = page.split("before=")[1].split('"')[0]
    assert "ADR-0231" in await ada.page(numbers, sequence="adr", before=older)


async def test_many_sequences_come_in_pages(bus: Bus, ada: AdminClient, monkeypatch: pytest.MonkeyPatch) -> None:
    token = await bus.mint()
    there = f"{await project_of(bus, ada)}/numbers"
    for name in ("adr", "rfc"):
        await bus.call(token, "claim", sequence=name)
    monkeypatch.setattr("web.admin.numbers.PAGE_SEQUENCES", 1)
    first = await ada.page(there)
    (later,) = [link for link in links_of(first) if "page=" in link]
    second = await ada.page(f"{there}{later}")
    assert ("?sequence=adr" in links_of(first), "?sequence=rfc" in links_of(second)) == (True, True)
    assert "?sequence=rfc" in links_of(await ada.page(there, page=700)), "the last page, not an empty one"
