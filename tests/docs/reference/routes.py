"""The page of the HTTP routes: the URL map of the application, and the endpoints in front of it."""

from werkzeug.routing import Rule

from tests.docs.reference.markdown import code, page, table
from tests.docs.reference.words import ROUTES, check
from web.http.app import Application
from web.http.request import MCP_PATHS

INTRODUCTION = """\
Errors outside of `/admin` are JSON: `{"ok": false, "error": "…"}` from routes, `{"error", "error_description"}` from
`/mcp` and `/hook/…`. A request for a host that is neither loopback nor in `PUBLIC_URL` or `ALLOWED_HOSTS` is refused
with 403."""

ADMIN = """\
## The web admin

Pages for a signed-in owner. Whoever is not signed in is led to `/admin/sign-in`; an id that is not the owner's own is a
404. Every POST needs the session's token in the form field `csrf`. An owner is limited to its own by the session, never
by what the URL says."""

_METHODS_OF_ALL = {"HEAD", "OPTIONS"}


def routes_page(application: Application) -> str:
    """The page."""
    rules = list(application._pages.url_map.iter_rules())
    public = [rule for rule in rules if not rule.rule.startswith("/admin")]
    check("routes", ROUTES, ["/mcp", "/hook/<client>", *(rule.rule for rule in public)])
    methods = {rule.rule: _methods(rule) for rule in public} | {min(MCP_PATHS): "POST", "/hook/<client>": "POST"}
    rows = [(methods[path], code(path), meaning) for path, meaning in ROUTES.items()]
    return page("HTTP routes", INTRODUCTION, table(["method", "path", "what it is"], rows), ADMIN, _admin(rules))


def _admin(rules: list[Rule]) -> str:
    """The routes of the web admin by path; methods of one path are one row."""
    methods: dict[str, set[str]] = {}
    for rule in rules:
        if rule.rule.startswith("/admin"):
            methods.setdefault(rule.rule, set()).update(_methods(rule).split(", "))
    rows = [(", ".join(sorted(named)), code(path)) for path, named in sorted(methods.items())]
    return table(["method", "path"], rows)


def _methods(rule: Rule) -> str:
    return ", ".join(sorted((rule.methods or set()) - _METHODS_OF_ALL))
