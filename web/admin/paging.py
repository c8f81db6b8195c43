"""Long lists in pages, searched by a part of a name: which page is asked for, and those beside it."""

from typing import Annotated, Self
from urllib.parse import urlencode

from msgspec import Meta, Struct, structs

PAGES_MAX = 10_000


class Listed(Struct, frozen=True, kw_only=True):
    """Which part of a list is shown: `q` is part of a name."""

    q: Annotated[str, Meta(max_length=100)] | None = None
    page: Annotated[int, Meta(ge=1, le=PAGES_MAX)] = 1

    def offset(self, size: int) -> int:
        """How many entries come before this page, with `size` a page."""
        return (self.page - 1) * size

    def within(self, total: int, size: int) -> Self:
        """The same page, or the last one of a list with so many entries, with `size` a page."""
        return structs.replace(self, page=min(self.page, max(1, -(-total // size))))

    @property
    def earlier(self) -> str | None:
        """The address of the page before this one."""
        return self._address(self.page - 1) if self.page > 1 else None

    @property
    def later(self) -> str:
        """The address of the page after this one."""
        return self._address(self.page + 1)

    def _address(self, page: int) -> str:
        given = structs.asdict(self) | {"page": page}
        return f"?{urlencode({name: value for name, value in given.items() if value})}"
