"""The name that somebody may have meant."""

import unicodedata

import pytest

from engine.nearest import nearest


def test_a_name_longer_than_all_others_is_not_looked_into(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = list[str]()

    def normalize(_: str, text: str) -> str:
        looked_at.append(text)
        return text

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    assert nearest("é" * 200_000, ["note", "sequence"]) is None
    assert not looked_at
