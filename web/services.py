"""The parts that answer requests, joined once per process."""

from dataclasses import dataclass

from actors import Directory
from store.embedded.disk import Disk
from web.fair_use import FairUse
from web.http.proxies import Proxies
from web.identity.authenticator import Authenticator
from web.identity.changes import Changes
from web.identity.people import People
from web.identity.rosters import Rosters
from web.identity.waits import Waits
from web.webhooks.teller import Webhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts, and the URL under which the world reaches them (no slash at its end).

    `disk` is that of the embedded database; None when the server was given one. `answer_seconds_max` is what
    `web.mcp.sending` gives a call.
    """

    directory: Directory
    authenticator: Authenticator
    rosters: Rosters
    people: People
    proxies: Proxies
    public_url: str
    waits: Waits
    fair_use: FairUse
    webhooks: Webhooks
    changes: Changes
    answer_seconds_max: float
    disk: Disk | None = None
