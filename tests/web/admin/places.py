"""Every address of the web admin, read off the application's own URL map, and a valid form for each that takes one.

What is not described here cannot be walked, and fails: a new argument of a route must be named in an estate or in
`FIXED`, a new form in `FORMS`. So no route is forgotten by the tests of isolation, of forgery and of stored script.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import trio
from msgspec import Struct
from werkzeug.routing import Rule

from store import open_store
from tests.web.admin.estates import Estate
from web.config import Settings
from web.server import create_app, join

PUBLIC = {
    "/healthz": "a probe",
    "/readyz": "a probe",
    "/metrics": "numbers for Prometheus",
    "/.well-known/oauth-protected-resource": "metadata for MCP clients",
    "/.well-known/oauth-protected-resource/mcp": "the same",
    "/.well-known/<path:name>": "always the same refusal: there is no OAuth here",
    "/register": "the same refusal",
    "/authorize": "the same refusal",
    "/token": "the same refusal",
    "/kit/<path:name>": "the same files for everybody",
    "/": "the same page for everybody",
    "/api/stats": "the same numbers for everybody",
    "/landing/<path:filename>": "the same files for everybody",
    "/join": "who holds an invite's code has no session; the code is what a forged request lacks",
}
"""Routes outside the admin: anybody may ask them, no cookie makes a difference, so nothing can be forged."""

FIXED: dict[str, str | int] = {"provider": "google", "filename": "admin.css"}
"""Arguments that are no ids."""


STREAMS = {
    "/admin/stream",
    "/admin/stream/changes",
    "/admin/operator/stream",
    "/admin/operator/server/stream",
    "/admin/projects/<int:project_id>/stream",
}
"""What answers its owner with a stream that does not end by itself."""

PAGELESS = {
    "/admin/projects": 303,
    **dict.fromkeys(STREAMS, 200),
    "/admin/projects/<int:project_id>/members/revoke": 303,
    "/admin/projects/<int:project_id>/numbers/archive": 303,
    "/admin/projects/<int:project_id>/ledger": 303,
    "/admin/projects/<int:project_id>/activity/export": 400,
    "/admin/sign-in": 303,
    "/admin/link": 404,
    "/admin/sign-in/<provider>": 404,
    "/admin/oauth/<provider>/callback": 404,
    "/admin/accept": 404,
    "/admin/static/<path:filename>": 200,
}
"""What is no page to somebody who is signed in and brings nothing along, and what it answers them."""


class Own(Struct, frozen=True):
    """A form field that repeats something of an estate: an id, or a name that is typed to confirm."""

    name: str


Field = str | int | Own

CAPABILITIES = {"invite_code", "link_code"}
"""What is no id but a secret: whoever holds it may use it."""

BELONGS_TO = {"slug": "project_id", "label": "participant_id"}
"""Whose the names in an estate are."""

FORMS: dict[str, dict[str, Field]] = {
    "/admin/projects": {"slug": "another", "name": "Another project"},
    "/admin/projects/<int:project_id>/settings": {
        "slug": "renamed",
        "name": "Renamed",
        "liveness_window_seconds": 600,
        "stale_after_seconds": 600,
        "ref_url": "https://example.com/{ref}",
        "time_zone": "Europe/Berlin",
    },
    "/admin/projects/<int:project_id>/webhook": {"url": "https://hooks.example.com/llm-bus", "shape": "slack"},
    "/admin/projects/<int:project_id>/webhook/test": {},
    "/admin/projects/<int:project_id>/webhook/remove": {},
    "/admin/projects/<int:project_id>/archive": {"archived": "true"},
    "/admin/projects/<int:project_id>/leases/<int:lease_id>/release": {"reason": "The file moved."},
    "/admin/projects/<int:project_id>/numbers/claim": {"sequence": "adr", "note": "Mine"},
    "/admin/projects/<int:project_id>/numbers/seed": {"sequence": "rfc", "current": 3, "prefix": "RFC-", "pad": 3},
    "/admin/projects/<int:project_id>/numbers/archive": {"sequence": "adr", "archived": "true"},
    "/admin/projects/<int:project_id>/numbers/void": {"sequence": "adr", "number": 4, "reason": "Never written."},
    "/admin/projects/<int:project_id>/handoffs/new": {"to_lane": "docs", "subject": "Hello", "body": "Hello, all."},
    "/admin/projects/<int:project_id>/posts/<int:post_id>/reply": {"body": "Thanks."},
    "/admin/projects/<int:project_id>/posts/<int:post_id>/ack": {},
    "/admin/projects/<int:project_id>/delete": {"slug": Own("slug")},
    "/admin/projects/<int:project_id>/grant": {"participant_name": "scout", "kind": "agent", "lane": "docs"},
    "/admin/projects/<int:project_id>/members/<int:participation_id>/rotate": {},
    "/admin/projects/<int:project_id>/members/<int:participation_id>/revoke": {},
    "/admin/projects/<int:project_id>/members/<int:participation_id>/tokens/<int:token_id>/revoke": {},
    "/admin/projects/<int:project_id>/members/revoke": {"member": Own("participation_id")},
    "/admin/projects/<int:project_id>/members/<int:participation_id>/lead": {"is_admin": ""},
    "/admin/projects/<int:project_id>/members/<int:participation_id>/lane": {"lane": "docs"},
    "/admin/projects/<int:project_id>/tasks": {"title": "Another", "detail": "Two\nlines", "priority": 3},
    "/admin/projects/<int:project_id>/tasks/<int:task_id>": {"do": "cancel", "reason": "not needed any more"},
    "/admin/projects/<int:project_id>/invites": {"participant_name": "", "kind": "agent", "uses": 2, "ttl_hours": 24},
    "/admin/projects/<int:project_id>/invites/<int:invite_id>/revoke": {},
    "/admin/participants/<int:participant_id>": {"label": "renamed", "kind": "human"},
    "/admin/participants/<int:participant_id>/delete": {"label": Own("label")},
    "/admin/sign-out": {},
    "/admin/account": {"handle": "adele", "next": "/admin/"},
    "/admin/account/sessions/<int:key>/close": {},
    "/admin/account/sign-out-everywhere": {},
    "/admin/operator/owners/<int:owner_id>/suspend": {},
    "/admin/operator/owners/<int:owner_id>/restore": {},
    "/admin/accept": {"token": Own("invite_code")},
    "/admin/link": {"token": Own("link_code")},
}
"""A form that its owner may send, for every rule that takes one."""


Choice = Mapping[str, Estate]
"""Whose each id is, by its name."""


class Place(Struct, frozen=True):
    """One rule of the URL map under one method."""

    rule: str
    method: str
    arguments: frozenset[str]

    @property
    def ids(self) -> list[str]:
        """The names of all ids that are told to it, in its path and in its form."""
        told = {value.name for value in self._form.values() if isinstance(value, Own)} - CAPABILITIES
        return sorted((self.arguments - FIXED.keys()) | {BELONGS_TO.get(name, name) for name in told})

    def path(self, choice: Choice) -> str:
        """The address; raises `KeyError` or `AttributeError` for an argument that nobody described."""
        path = self.rule
        for name in self.arguments:
            value = FIXED[name] if name in FIXED else getattr(choice[name], name)
            for converter in ("", "int:", "path:"):
                path = path.replace(f"<{converter}{name}>", str(value))
        return path

    def form(self, choice: Choice) -> dict[str, str | int]:
        """A valid form for it."""
        return {name: _own(value, choice) if isinstance(value, Own) else value for name, value in self._form.items()}

    @property
    def _form(self) -> dict[str, Field]:
        return FORMS[self.rule] if self.method == "POST" else {}


def _own(field: Own, choice: Choice) -> str | int:
    value: str | int = getattr(choice[BELONGS_TO.get(field.name, field.name)], field.name)
    return value


def all_of(estate: Estate) -> Choice:
    """Every id from one estate."""
    return dict.fromkeys(estate.__struct_fields__, estate)


def places(*methods: str) -> list[Place]:
    """Every place of the web admin that answers one of these methods."""
    return [
        Place(rule.rule, method, frozenset(rule.arguments))
        for rule in url_map()
        for method in methods
        if rule.rule not in PUBLIC and method in (rule.methods or ())
    ]


@cache
def url_map() -> list[Rule]:
    """The rules of the whole application, as the server makes it; nothing is connected to."""

    async def read() -> list[Rule]:
        settings = Settings(data_dir=Path("unused"), public_url="http://127.0.0.1:8787")
        async with open_store("") as store:
            app = create_app(join(store, settings, trio.Event()), store, settings)
            return list(app._pages.url_map.iter_rules())

    with ThreadPoolExecutor(1) as apart:  # a test that asks may be in a Trio already
        return apart.submit(trio.run, read).result()
