"""What listens on a port already: nothing, an LLM Bus, or something else.

Standard library only, because `make up` runs this file before it installs anything:

    python web/cli/port.py      exits with 1 and a sentence when HOST and PORT are somebody else's
"""

import errno
import json
import os
import socket
import sys
import urllib.request
from contextlib import suppress
from typing import Literal

ANSWER_SECONDS_MAX = 3.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to

Listener = Literal["nothing", "llm-bus", "something else"]


def what_listens(host: str, port: int) -> Listener:
    """Look at an address of this machine; at port 0, any free one, there is nothing."""
    if port == 0:
        return "nothing"
    host = host.strip("[]")
    name = _EVERYWHERE.get(host, host)
    try:
        socket.create_connection((name, port), timeout=ANSWER_SECONDS_MAX).close()
    except OSError:
        return "nothing"
    url = f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"
    around_proxies = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with (
        suppress(OSError, ValueError, LookupError, TypeError),
        around_proxies.open(f"{url}/healthz", timeout=ANSWER_SECONDS_MAX) as answer,
    ):
        if json.load(answer)["service"] == "llm-bus":
            return "llm-bus"
    return "something else" if _is_taken(name, port) else "nothing"


def _is_taken(name: str, port: int) -> bool:
    """Whether somebody listens there: an address of another machine answers too, and is not ours to listen on."""
    try:
        socket.create_server((name, port), family=socket.AF_INET6 if ":" in name else socket.AF_INET).close()
    except OSError as error:
        return error.errno == errno.EADDRINUSE
    return False


if __name__ == "__main__":
    HOST, PORT = os.environ.get("HOST") or "127.0.0.1", os.environ.get("PORT") or "8787"
    if PORT.isdigit() and what_listens(HOST, int(PORT)) == "something else":
        sys.exit(f"llm-bus: port {PORT} on {HOST} is taken: stop what listens there, or try: make up PORT=9000")
