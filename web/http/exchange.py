"""One HTTP request as the log and the metrics will tell it.

Made when the request arrives and filled by whoever learns a fact; at the end it is written as one line. Nothing secret
or private belongs in it: no token, no query string, no body.
"""

from dataclasses import dataclass

from engine.identity import Principal
from web.http.asgi import Receive, Scope


@dataclass(slots=True)
class Exchange:
    """What is known of a request so far.

    `outcome` is `ok`, a refusal's code, or a word for what the HTTP status alone does not tell.
    """

    scope: Scope
    receive: Receive
    started: float
    """On the clock of `time.perf_counter`."""
    status: int = 0
    principal: Principal | None = None
    rpc_method: str | None = None
    tool: str | None = None
    outcome: str = "ok"

    @property
    def caller(self) -> Principal:
        """Who is calling; only to be asked once the request is authenticated."""
        assert self.principal is not None  # noqa: S101 - a tool is reached through the endpoint's authentication alone
        return self.principal
