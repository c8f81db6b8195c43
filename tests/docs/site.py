"""The static site as a reader gets it: its pages, what they link to, and what they fetch."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

NOT_PAGES = {"genindex.html", "search.html"}
"""What the generator adds for itself."""

_FETCHED = {"img": "src", "script": "src", "link": "href", "source": "src", "iframe": "src", "object": "data"}
_MERELY_NAMED = {"canonical", "next", "prev", "search", "index", "author"}


class Page(HTMLParser):
    """One page of the site."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.viewport = ""
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "meta" and given.get("name") == "viewport":
            self.viewport = given["content"]
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if given.get(_FETCHED.get(tag, "")) and given.get("rel") not in _MERELY_NAMED:
            self.fetched.append(given[_FETCHED[tag]])


class Site:
    """A built site."""

    def __init__(self, root: Path) -> None:
        self.root = root
        found = (path for path in sorted(root.rglob("*.html")) if "_static" not in path.parts)
        self.pages = {path: Page(path) for path in found}

    def dead_links(self) -> list[str]:
        """Every link and fetch within the site that leads nowhere."""
        return [
            f"{page.path.relative_to(self.root)}: {target}"
            for page in self.pages.values()
            for target in [*page.links, *page.fetched]
            if not self._leads_somewhere(page, target)
        ]

    def orphans(self) -> set[str]:
        """Pages that nobody reaches from the first one by following links."""
        start = self.root / "index.html"
        reached, to_follow = {start}, [start]
        while to_follow:
            page = self.pages[to_follow.pop()]
            for link in page.links:
                target = self._file(page, link)
                if target in self.pages and target not in reached:
                    reached.add(target)
                    to_follow.append(target)
        return {str(path.relative_to(self.root)) for path in set(self.pages) - reached} - NOT_PAGES

    def fetches_from_elsewhere(self) -> list[str]:
        """Whatever a browser would ask another host for."""
        return [
            f"{page.path.relative_to(self.root)}: {target}"
            for page in self.pages.values()
            for target in page.fetched
            if urlsplit(target).netloc
        ]

    def _leads_somewhere(self, page: Page, link: str) -> bool:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            return True
        target = self._file(page, link)
        if not target.is_file():
            return False
        return not parts.fragment or target not in self.pages or unquote(parts.fragment) in self.pages[target].anchors

    def _file(self, page: Page, link: str) -> Path:
        path = unquote(urlsplit(link).path)
        target = (page.path.parent / path).resolve() if path else page.path
        return target / "index.html" if target.is_dir() else target
