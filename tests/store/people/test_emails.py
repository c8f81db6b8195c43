"""When two email addresses are the same, in Python and in SQL alike."""

import pytest

from store import Store
from store.people import identities, owners
from store.people.emails import same_email

PAIRS = [
    ("kate@example.com", "KATE@Example.COM", True),
    ("kate@example.com", "\N{KELVIN SIGN}ate@example.com", False),
    ("\u00e9va@example.com", "\u00c9va@example.com", False),
    ("straße@example.com", "STRASSE@example.com", False),
    ("i@example.com", "\u0130@example.com", False),
    ("kate@example.com", "kate@example.org", False),
]


@pytest.mark.parametrize(("one", "other", "same"), PAIRS)
def test_only_the_case_of_ascii_letters_is_ignored(one: str, other: str, same: bool) -> None:
    assert same_email(one, other) is same
    assert same_email(other, one) is same
    assert not same_email(None, other)


@pytest.mark.parametrize(("one", "other", "same"), PAIRS)
async def test_the_database_has_the_same_rule(store: Store, one: str, other: str, same: bool) -> None:
    owner = await store.write(owners.ensure_owner, one)
    found = await store.read(owners.find_owner, other)
    assert (found is not None and found.id == owner.id) is same
    linked = await store.write(identities.link_identity, "provider", "1", other, may_sign_up=False)
    assert (linked is not None) is same
