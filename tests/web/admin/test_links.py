"""Nothing on any page leads nowhere: every link is followed and every form's address is a route that takes forms."""

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

from tests.web.admin.admin_client import AdminClient
from tests.web.admin.estates import found
from tests.web.admin.places import places
from tests.web.admin.reading import links_of
from tests.web.bus import Bus

PAGES_MAX = 200

TAKES_FORMS = [re.compile(re.sub(r"<int:\w+>", r"\\d+", place.rule)) for place in places("POST")]


async def test_every_link_leads_to_a_page_and_every_form_to_who_takes_it(bus: Bus, operator: AdminClient) -> None:
    await found(bus, operator)
    forms: set[str] = set()
    seen: set[str] = set()
    waiting = ["/admin/"]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        assert len(seen) < PAGES_MAX, f"the pages have no end: {path}"
        page = await operator.page(path)
        forms |= {unescape(action) for action in re.findall(r'<form\b[^>]*method="post" action="([^"]*)"', page)}
        for link in links_of(page):
            there = urlsplit(urljoin(path, link))
            assert not there.netloc, f"{path} leads away: {link}"
            address = there._replace(fragment="").geturl()
            if address not in seen and address not in waiting:
                waiting.append(address)
    assert {"/admin/sign-out", "/admin/projects"} < forms
    assert [action for action in forms if not any(route.fullmatch(action) for route in TAKES_FORMS)] == []
