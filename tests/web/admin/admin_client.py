"""An owner who is signed in, as a browser without JavaScript: a session's cookie, and its CSRF token in every form.

Redirects are answers here, not followed; what a page looks like in a real browser is the business of `tests.browser`.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx2

from store import Store
from store.people import owners, participants, sessions
from store.people.owners import OwnerRow
from tests.web.bus import Bus
from web.admin import cookies

PAGE_SECONDS_MAX = 90
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) tests"


class AdminClient:
    """One session of one owner."""

    def __init__(self, http: httpx2.AsyncClient, owner: OwnerRow, session_id: str, csrf: str) -> None:
        self.http = http
        self.owner = owner
        self.session_id = session_id
        self.csrf = csrf

    async def get(self, path: str, **query: str | int) -> httpx2.Response:
        """GET a page; `path` begins with /admin."""
        return await self.http.get(path, params=query or None)

    async def begins(self, path: str) -> httpx2.Response:
        """GET what may not end by itself: the answer's head."""
        async with self.http.stream("GET", path) as response:
            return response

    async def page(self, path: str, **query: str | int) -> str:
        """The HTML of a page; it must be there."""
        response = await self.get(path, **query)
        assert response.status_code == 200, f"{path}: {response.status_code}"
        return response.text

    async def post(self, path: str, **fields: str | int) -> httpx2.Response:
        """POST a form with this session's CSRF token, unless a field named `csrf` says otherwise."""
        return await self.http.post(path, data={"csrf": self.csrf, **_typed(fields)})

    async def change(self, path: str, **fields: str | int) -> str:
        """POST a form that must be accepted with a redirect; where that leads."""
        response = await self.post(path, **fields)
        assert response.status_code == 303, f"{path}: {response.status_code} {response.text}"
        location: str = response.headers["location"]
        return location

    async def card(self, path: str, **fields: str | int) -> str:
        """POST a form that leads to a hand-out card; the card's page."""
        return await self.page(await self.change(path, **fields))


def _typed(fields: Mapping[str, str | int]) -> dict[str, str]:
    return {name: str(value) for name, value in fields.items()}


@asynccontextmanager
async def signed_in(
    store: Store, url: str, email: str = "ada@example.com", *, is_operator: bool = False
) -> AsyncIterator[AdminClient]:
    """A client of the server at `url`, in a new session of the owner with this email, whose handle is confirmed.

    The owner is made when new. The session comes straight from the store: signing in has tests of its own.
    """
    added = await store.write(owners.ensure_owner, email, is_operator=is_operator)
    owner = await store.write(owners.rename, added.id, added.handle, by=added.handle)
    opened = await store.write(sessions.open_session, owner.id, user_agent=USER_AGENT, replacing=None)
    headers = {"Cookie": f"{cookies.SESSION}={opened.id}", "User-Agent": USER_AGENT}
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=PAGE_SECONDS_MAX) as http:
        yield AdminClient(http, owner, opened.id, opened.csrf)


async def rename(bus: Bus, before: str, after: str) -> None:
    """Have ada rename one of her participants, as its owner does."""
    async with signed_in(bus.store, bus.url) as ada:
        known = await bus.store.read(participants.persons, ada.owner.id)
        one = next(person for person in known if person.label == before)
        await ada.change(f"/admin/participants/{one.id}", label=after, kind=one.kind)
