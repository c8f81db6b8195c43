"""What a page says to who reads it, and what its forms hold, taken from its HTML."""

import re
from html.parser import HTMLParser

APART = frozenset(
    {"td", "th", "tr", "li", "p", "div", "section", "header", "footer", "h1", "h2", "h3", "pre", "label"}
    | {"under", "note"}
)
"""Elements, and classes of them, that do not stand on the line of what comes before them."""

SILENT = frozenset({"script", "style", "title", "datalist", "option"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.fields: dict[str, str] = {}
        self.wrong: dict[str, str] = {}
        self.links: list[str] = []
        self._silent = 0
        self._wrong: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in APART or APART & set(given.get("class", "").split()):
            self.said.append(" ")
        if tag in SILENT:
            self._silent += 1
        if tag == "input" and given.get("type") == "checkbox":
            self.fields[given["name"]] = given["value"] if "checked" in given else ""
        elif tag == "input" and given.get("type") not in {"hidden", "search"}:
            self.fields[given["name"]] = given.get("value", "")
        elif tag == "a":
            self.links.append(given["href"])
        elif given.get("class") == "wrong" and "id" in given:
            self._wrong = given["id"].removesuffix("-wrong")

    def handle_endtag(self, tag: str) -> None:
        if tag in SILENT:
            self._silent -= 1
        if tag == "p":
            self._wrong = None

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.said.append(data)
        if self._wrong is not None:
            self.wrong[self._wrong] = self.wrong.get(self._wrong, "") + data


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def text_of(page: str) -> str:
    """Everything the page says, on one line."""
    return re.sub(r"\s+", " ", "".join(_read(page).said)).strip()


def fields_of(page: str) -> dict[str, str]:
    """What stands in the page's fields, by name; a box that is not ticked is empty."""
    return _read(page).fields


def wrong_in(page: str) -> dict[str, str]:
    """The sentences beside refused fields, by the fields' ids."""
    return _read(page).wrong


def links_of(page: str) -> list[str]:
    """Where the page's links lead."""
    return _read(page).links


def copied(page: str, name: str) -> str:
    """What the copy button for this text would copy."""
    found = re.search(rf'<pre id="{name}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found is not None, f"nothing to copy named {name}"
    reader = _read(found[1])
    return "".join(reader.said)
