"""The reference says what the code does, no more and no less: it is what would be written now."""

import pytest

from store import Store
from tests.docs.reference.pages import DOCS, write_pages
from tests.docs.reference.words import WordsMissing, check


async def test_the_reference_is_what_the_code_says(store: Store) -> None:
    pages = await write_pages(store)
    written = {str(page.relative_to(DOCS)) for page in (DOCS / "reference").rglob("*.md")}
    by_other_runs = {"reference/index.md", "reference/clients.md"}
    assert written | by_other_runs == by_other_runs | {name for name in pages if name.startswith("reference/")}
    outdated = [name for name, text in pages.items() if (DOCS / name).read_text("utf-8") != text]
    assert outdated == [], "run `make reference`"


def test_what_has_no_words_and_words_for_nothing_are_noticed() -> None:
    check("things", {"a": "…", "b": "…"}, ["b", "a", "a"])
    with pytest.raises(WordsMissing, match="without words: \\['c'\\]"):
        check("things", {"a": "…"}, ["a", "c"])
    with pytest.raises(WordsMissing, match="words for nothing: \\['b'\\]"):
        check("things", {"a": "…", "b": "…"}, ["a"])
