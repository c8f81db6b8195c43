"""How the command line reaches a bus by HTTP, and what it says where a bus refuses or nobody answers."""

from contextlib import suppress

import httpx2

from web.errors import BusUnreachable

AROUND_PROXIES = {f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")}
"""HTTP_PROXY is for the world outside: a bus on this machine is asked directly, and its tokens stay here."""

CALL_SECONDS_MAX = 75.0
"""Longer than the longest wait a tool offers."""

REVISION = "2025-11-25"
"""The protocol's newest revision in which a call is one POST."""

CALL_TIMEOUT = httpx2.Timeout(CALL_SECONDS_MAX, connect=5.0)


def unreachable(cause: Exception) -> BusUnreachable:
    """The sentence for a request that failed, or for an answer that makes no sense."""
    if isinstance(cause, httpx2.ConnectError):
        return BusUnreachable(
            f"nobody answers at {cause.request.url}. Start a server with 'llm-bus up', or give another address: --url "
            "or LLM_BUS_URL."
        )
    return BusUnreachable(f"no proper answer from the bus: {str(cause).rstrip('.') or type(cause).__name__}.")


def refusal(response: httpx2.Response) -> str | None:
    """What the server says where it refuses a whole request; None where it does not, or says nothing."""
    if response.status_code == httpx2.codes.UNAUTHORIZED:
        return "does not know this token."
    if response.is_success:
        return None
    with suppress(ValueError, LookupError, TypeError, httpx2.StreamError):
        return f"says: {response.json()['error_description']}"
    return None
