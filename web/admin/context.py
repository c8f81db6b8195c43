"""The dependencies of every part of the web admin, passed when its routes are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from store import Store
from web.admin.adherence import Adherences
from web.admin.cookies import Cookies
from web.admin.guests import Tickets
from web.admin.providers import Provider
from web.config import Settings
from web.http.rate_limit import RateLimit
from web.metrics import Metrics
from web.services import Services

SIGN_IN_TRIES_MAX = 30
SIGN_IN_WINDOW_SECONDS = 300.0


def _sign_in_limit() -> RateLimit:
    return RateLimit(tries_max=SIGN_IN_TRIES_MAX, window_seconds=SIGN_IN_WINDOW_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminContext:
    """The parts; `settings` are bound, `providers` are those that owners may sign in with, by key.

    `sign_in_limit` counts tries by client address, over all ways to sign in.
    """

    services: Services
    store: Store
    settings: Settings
    cookies: Cookies
    tickets: Tickets
    providers: Mapping[str, Provider]
    metrics: Metrics
    adherences: Adherences
    sign_in_limit: RateLimit = field(default_factory=_sign_in_limit)
