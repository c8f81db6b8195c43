"""What a browser would run of a page: everything in its HTML that is not text, judged by the rules of our own pages.

Our pages have no script but one file, no handler in an attribute, no style in one, and no address but http(s) and
relative ones. Whatever breaks a rule came from somebody else's text.
"""

from html.parser import HTMLParser
from urllib.parse import urlsplit

ADDRESSES = {"href", "src", "action", "formaction", "data", "poster", "srcset", "ping", "background", "xlink:href"}
SCHEMES = {"", "http", "https"}
FOREIGN = {"iframe", "object", "embed", "base", "applet", "frame", "marquee", "template", "noscript", "math"}


class Markup(HTMLParser):
    """One page, read."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self.values: list[str] = []
        self.complaints: list[str] = []
        self._element = ""
        self.feed(html)
        self.close()

    @property
    def said(self) -> str:
        """Everything that the page says as text, or holds in an attribute."""
        return "\n".join((*self.text, *self.values))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Judge an element."""
        self._element = tag
        given = {name: value or "" for name, value in attrs}
        self.values += given.values()
        if tag in FOREIGN or (tag == "script" and not given.get("src", "").startswith("/admin/static/")):
            self.complaints.append(f"<{tag}>")
        self.complaints += [f"{name} of <{tag}>" for name in given if name.startswith("on") or name == "style"]
        self.complaints += [
            f"{name} of <{tag}>: {value}"
            for name, value in given.items()
            if name in ADDRESSES and _scheme(value) not in SCHEMES
        ]

    def handle_endtag(self, tag: str) -> None:
        """The element is over."""
        self._element = ""

    def handle_data(self, data: str) -> None:
        """Text; in a script it would be run."""
        self.text.append(data)
        if self._element in {"script", "style"} and data.strip():
            self.complaints.append(f"text in <{self._element}>")


def _scheme(address: str) -> str:
    """As browsers find it: without the spaces and control characters that they skip."""
    return urlsplit("".join(character for character in address if character > " ")).scheme.lower()
