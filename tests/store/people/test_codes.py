"""Random codes are typed behind commands, too."""

import secrets

import pytest

from store.people.codes import new_code


def test_no_code_looks_like_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter(["-hidden", "--", "a-code"])
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: next(drawn))
    assert new_code() == "a-code"
